"""Pruning in the 8-bit microcontroller study: compression and accuracy over initial and final sparsity (4.4 to 4.6).

H. O. Lofstad, *A Study of Artificial Neural Networks on 8-bit Microcontrollers*, NTNU 2021, section 4.2.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from analysis.studies import StudyFigure, StudyTable
from analysis.studies.mcu_pruning.points import USUAL_LOSS, Pruned, pruned

if TYPE_CHECKING:
    from analysis.figures.data import ResultTables
    from lab.record.reader import Record


def figures(_record: Record, results: ResultTables) -> Iterator[StudyFigure]:
    """Figures 4.4 to 4.6 for each loss, and bytes over sparsity."""
    every = pruned(results.results)
    for loss in sorted({point.loss for point in every}) or [USUAL_LOSS]:
        points = [point for point in every if point.loss == loss]
        suffix, named = ("", "") if loss == USUAL_LOSS else (f"_{loss}", f" (loss {loss})")
        yield from _figures(points, suffix, named)


def _figures(points: list[Pruned], suffix: str, named: str) -> Iterator[StudyFigure]:
    from analysis.studies.mcu_pruning.draw import Map, draw_formats, draw_maps

    origins = tuple(sorted({point.origin for point in points}))
    trainings = max((point.trainings for point in points), default=0)
    often = f"mean of {trainings} trainings" if trainings > 1 else "one training each"
    footer = f"{len(points)} pairs of sparsities · {often}"

    def factor(before: str, after: str) -> Map | None:
        if not points or before not in points[0].values or after not in points[0].values:
            return None
        return Map("", lambda point: point[before] / point[after], lambda value: f"{value:.2f}")

    def titled(map_: Map | None, title: str) -> list[Map]:
        return [] if map_ is None else [Map(title, map_.value, map_.text)]

    plane = _mean(points, "base_with_adam_bytes") / max(_mean(points, "base_int8_text_bytes"), 1.0)
    total = [
        *titled(
            factor("base_with_adam_bytes", "int8_text_bytes"), f"Keras file over header's text; unpruned {plane:.2f}"
        ),
        *titled(factor("base_avr_dense_bytes", "avr_sparse_bytes"), "8-bit flash, all weights over no zeros"),
    ]
    yield StudyFigure(
        f"mcu_pruning_total{suffix}",
        f"Figure 4.4: total compression over initial and final sparsity{named}",
        "Left as the study reckons: bytes of a file with the optimizer's state, before, over the text of the header's "
        "numbers, after. Right what flash sees: every weight a byte, over the AVR kernels' layout without zeros (all "
        "weights where that is smaller).",
        origins,
        partial(draw_maps, points, total, f"Total compression{named}", "Times smaller; colours by panel", footer),
    )
    alone = [
        *titled(factor("base_with_adam_bytes", "float_bytes"), "file with Adam's means / without"),
        *titled(factor("base_float_bytes", "float_bytes"), "parameters / parameters"),
        *titled(factor("base_deflated_bytes", "deflated_bytes"), "deflated file / deflated file"),
    ]
    yield StudyFigure(
        f"mcu_pruning_alone{suffix}",
        f"Figure 4.5: compression by pruning alone{named}",
        "The study finds a constant factor of about 1.5 at every sparsity. A zero takes as many bytes as any number; a "
        "file that no longer holds the optimizer's state is smaller whatever is zero; only a compressed file shrinks.",
        origins,
        partial(draw_maps, points, alone, f"Compression by pruning alone{named}", "Times smaller", footer),
    )
    accuracy = [
        Map("accuracy", lambda point: point["accuracy"], lambda value: f"{100 * value:.1f}"),
        Map("change, points", lambda point: point.change, lambda value: f"{100 * value:+.1f}".replace("-", "−")),
    ]
    base = _mean(points, "base_accuracy")
    yield StudyFigure(
        f"mcu_pruning_accuracy{suffix}",
        f"Figure 4.6: accuracy over initial and final sparsity{named}",
        f"Accuracy (%) after pruning, {base:.1%} before. The study finds a drop of 5 % at every sparsity.",
        origins,
        partial(draw_maps, points, accuracy, f"Accuracy of pruned networks{named}", f"In %; {base:.1%} before", footer),
    )
    yield StudyFigure(
        f"mcu_pruning_formats{suffix}",
        f"Flash over the share of zeros{named}",
        "What forms that leave zeros out take, every weight a byte beside them. Weights that round to a byte of 0 are "
        "left out, too: a scale that differs gives more or fewer. The study has no such figure.",
        origins,
        partial(draw_formats, points, f"Flash over the share of zeros{named}", footer),
    )


def tables(_record: Record, results: ResultTables) -> Iterator[StudyTable]:
    """Each pair's numbers, and the study's claims."""
    points = pruned(results.results)
    if not points:
        return
    from analysis.studies.mcu_pruning.findings import claims_table, grid_table

    yield grid_table(points)
    usual = [point for point in points if point.loss == USUAL_LOSS] or points
    claims = claims_table(usual)
    if claims is not None:
        yield claims


def _mean(points: list[Pruned], quantity: str) -> float:
    values = [point[quantity] for point in points if quantity in point.values]
    return sum(values) / len(values) if values else 0.0
