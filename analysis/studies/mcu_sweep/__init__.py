"""The 8-bit microcontroller study's networks of many widths: figures 4.1 and 4.2, a Pareto front, what fits which AVR.

H. O. Lofstad, *A Study of Artificial Neural Networks on 8-bit Microcontrollers*, NTNU 2021, section 4.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from analysis.studies import StudyFigure, StudyTable
from analysis.studies.mcu_sweep.points import Swept, swept

if TYPE_CHECKING:
    from analysis.figures.data import ResultTables
    from lab.record.reader import Record

_IMAGES = 2000
"""Test images, where the record does not say."""


def figures(record: Record, results: ResultTables) -> Iterator[StudyFigure]:
    """Figures 4.1, 4.2 and the front."""
    from analysis.studies.mcu_sweep.draw import draw_front, draw_three_layers, draw_two_layers

    networks = swept(results.results)
    origins = tuple(sorted({network.origin for network in networks}))
    footer = f"{len(networks)} networks · {_images(record)} test images · {_trainings(networks)}"
    study = "The study's shows the same widths; it prints no number of any network."
    yield StudyFigure(
        "mcu_sweep_two_layers",
        "Figure 4.1: size and accuracy over the widths of two hidden layers",
        f"Size (8-bit) and accuracy (floating point) of networks of two hidden layers behind a 2 × 2 pooling. {study}",
        origins,
        partial(draw_two_layers, networks, "Two hidden layers: size and accuracy", footer),
    )
    yield StudyFigure(
        "mcu_sweep_three_layers",
        "Figure 4.2: size and accuracy over the widths of three hidden layers",
        f"The same with a third hidden layer, a panel for each of its widths. {study}",
        origins,
        partial(draw_three_layers, networks, "Three hidden layers: size and accuracy", footer),
    )
    yield StudyFigure(
        "mcu_sweep_front",
        "Accuracy over size, and the networks that nothing smaller is as accurate as",
        "Every network trained, and what the flash of each AVR has room for. The study has no such figure.",
        origins,
        partial(draw_front, networks, "Accuracy over size", footer),
    )


def tables(record: Record, results: ResultTables) -> Iterator[StudyTable]:
    """The front, what fits which AVR, the study's claims."""
    networks = swept(results.results)
    if not networks:
        return
    from analysis.studies.mcu_sweep.findings import claims_table, fits_table, front_table

    yield front_table(networks, _images(record))
    yield fits_table(networks)
    claims = claims_table(networks)
    if claims is not None:
        yield claims


def _images(record: Record) -> int:
    """Test images, from the factor ``split`` where it has one value."""
    plan = (record.manifest.get("plan") or {}).get("trials") or ()
    splits = {str((trial.get("values") or {}).get("split", "")) for trial in plan}
    tests = {split.partition("/")[2] for split in splits}
    only = tests.pop() if len(tests) == 1 else ""
    return int(only) if only.isdigit() else _IMAGES


def _trainings(networks: list[Swept]) -> str:
    most = max((len(network.accuracies) for network in networks), default=0)
    return "one training each" if most <= 1 else f"mean of {most} trainings"
