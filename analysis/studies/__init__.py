"""What a published study shows of a record, beyond what every record has: its figures and its tables.

An experiment names its study (``analysis.study``); the name is found in :data:`STUDIES`. A study's module has two
functions, either of which may give nothing. Both read the record and its results only, and never touch hardware.
Nothing is imported until a record asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from lab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from analysis.figures.data import ResultTables
    from analysis.figures.dots import Drawn
    from lab.record.reader import Record

STUDIES: dict[str, str] = {
    "gesture": "analysis.studies.gesture",
    "mcu_accuracy": "analysis.studies.microcontroller.accuracy",
    "mcu_cnn": "analysis.studies.microcontroller.cnn",
    "mcu_downsample": "analysis.studies.microcontroller.downsample",
    "mcu_options": "analysis.studies.microcontroller.options",
    "mcu_sweep": "analysis.studies.mcu_sweep",
    "mcu_pruning": "analysis.studies.mcu_pruning",
    "training": "analysis.studies.training",
}
"""Study → module."""


@dataclass(frozen=True, slots=True)
class StudyFigure:
    """A figure to draw. ``name`` is its file's, ``caption`` says what it shows in this record beside the study's claim.

    ``draw`` is called within :func:`analysis.figures.style.drawing`; it raises
    :class:`analysis.figures.build.NothingToDrawError` with what is missing where the record has no data for it.
    """

    name: str
    title: str
    caption: str
    origins: tuple[str, ...]
    draw: Callable[[], Drawn]


@dataclass(frozen=True, slots=True)
class StudyTable:
    """A table: written as ``study/NAME.csv`` in the record, and shown in the report.

    ``frame`` has its columns in the order to show, named for people with their unit (``inference time (ms)``).
    ``note`` says below it what it shows, and which cells are the study's printed ones.
    """

    name: str
    title: str
    frame: pd.DataFrame
    note: str = ""


class StudyModule(Protocol):
    """What a study's module offers."""

    def figures(self, record: Record, results: ResultTables) -> Iterable[StudyFigure]:
        """The study's figures for this record, in the study's order."""
        ...

    def tables(self, record: Record, results: ResultTables) -> Iterable[StudyTable]:
        """The study's tables for this record."""
        ...


def study_module(name: str) -> StudyModule:
    """The study of that name. Raises :class:`lab.errors.DataError` if there is none."""
    if name not in STUDIES:
        known = ", ".join(sorted(STUDIES))
        raise DataError(f"no study is called {name!r}", advice=f"there are: {known}; a newer lab may have it")
    return cast("StudyModule", import_module(STUDIES[name]))


def study_of(manifest: Mapping[str, Any]) -> StudyModule | None:
    """The study that a record's experiment names, if it names one. Raises :class:`lab.errors.DataError` if this lab
    does not have it."""
    resolved = (manifest.get("experiment") or {}).get("resolved") or {}
    name = (resolved.get("analysis") or {}).get("study")
    return None if name is None else study_module(str(name))
