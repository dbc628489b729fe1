"""All figures of the thesis from one record: drawn to files, each with its caption and what becomes of its claim.

A figure whose data the record lacks is not drawn and not an error: it comes back with the reason in ``missing``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.figures.build import NothingToDrawError
from analysis.figures.dots import Drawn
from analysis.figures.style import drawing, png_bytes, svg_text
from analysis.figures.thesis.captions import Caption, caption_of
from analysis.figures.thesis.catalogue import FIGURES, NUMBERS, ThesisFigure, quantities_of
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.draw_bubbles import draw_bubbles
from analysis.figures.thesis.draw_contributions import draw_contributions
from analysis.figures.thesis.draw_growth import draw_growth
from analysis.figures.thesis.draw_relation import draw_relation
from analysis.figures.thesis.draw_rows import draw_rows
from analysis.figures.thesis.judgement import Judgement
from analysis.figures.thesis.offloading import STUDY_SCENARIO, Offloading
from analysis.figures.thesis.requirements import require
from analysis.figures.thesis.shapes import Bubbles, Growth, Relation, Rows
from analysis.figures.thesis.study import Study
from analysis.offload.scenario import Scenario
from lab.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("png", "svg")
_PNG_COMPRESSION = 3
"""Files a tenth larger than at the usual level, written in half the time."""
_WORTH_A_PROCESS = 6
"""Figures for each process, below which starting one takes longer than drawing."""


@dataclass(frozen=True, slots=True)
class ThesisPage:
    """A figure of the thesis as it comes out of a record. ``drawn`` is ``None`` where ``missing`` says why."""

    figure: ThesisFigure
    caption: Caption
    judgement: Judgement | None
    origins: tuple[str, ...]
    drawn: Drawn | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class ThesisFile:
    """A figure of the thesis as it was written: ``files`` are names in the folder, by format."""

    figure: ThesisFigure
    caption: Caption
    judgement: Judgement | None
    origins: tuple[str, ...]
    files: dict[str, str]
    missing: str = ""

    @property
    def outcome(self) -> str:
        """What becomes of the claim, in a word or two; empty where nothing could be drawn."""
        return self.judgement.outcome.value if self.judgement is not None else ""


def context_of(summary: pd.DataFrame, manifest: Mapping[str, Any], scenario: Scenario = STUDY_SCENARIO) -> Context:
    """What the figures take from a record: its table ``summary`` and its manifest; ``scenario`` is what offloading its
    networks is computed in."""
    study = Study.of(summary, manifest, quantities_of(FIGURES))
    return Context(study, Offloading(study, scenario))


def chosen(numbers: Sequence[str]) -> list[ThesisFigure]:
    """The figures of these numbers, in the order of print; all for none. ``4`` and ``A`` are whole chapters.

    Raises :class:`lab.errors.UsageError` for a number that there is not.
    """
    wanted: set[str] = set()
    for number in (item.strip().upper() for item in numbers):
        found = {figure.number for figure in FIGURES if number in (figure.number, figure.chapter)}
        if not found:
            raise UsageError(
                f"the thesis has no figure {number or 'without a number'}",
                advice=f"its results are figures {NUMBERS[0]} to 4.8, 5.1 to 5.12 and A.1 to {NUMBERS[-1]}; "
                "4, 5 and A mean all of a chapter",
            )
        wanted |= found
    return [figure for figure in FIGURES if not wanted or figure.number in wanted]


def draw(context: Context, figure: ThesisFigure) -> ThesisPage:
    """Draw one figure; to be called within :func:`analysis.figures.style.drawing`."""
    footer = f"thesis figure {figure.number}"
    if context.study.record_id:
        footer += f" · record {context.study.record_id}"
    title = f"{figure.number}  {figure.title}"
    try:
        require(context, figure.shape)
        drawn = _drawn(context, figure, title, footer)
    except NothingToDrawError as reason:
        return ThesisPage(figure, Caption.none(figure), None, (), None, str(reason))
    judgement = figure.claim.judge(context, figure.shape)
    caption = caption_of(context, figure, judgement)
    return ThesisPage(figure, caption, judgement, caption.origins, drawn)


def write_thesis_figures(
    context: Context, figures: Sequence[ThesisFigure], folder: Path, formats: Sequence[str] = FORMATS, jobs: int = 1
) -> list[ThesisFile]:
    """Draw figures into a folder, one file per format. The same record gives the same bytes.

    With more ``jobs`` than one, processes of their own draw parts of them; the module that is run must then bear being
    imported again, as :mod:`multiprocessing` asks for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shares = [list(figures[start::jobs]) for start in range(jobs)]
    if jobs < 2 or len(figures) < _WORTH_A_PROCESS * jobs:
        return _write_share(context, figures, folder, formats)
    with ProcessPoolExecutor(jobs - 1, get_context("spawn")) as others:
        waiting = [others.submit(_write_share, context, share, folder, formats) for share in shares[1:]]
        files = _write_share(context, shares[0], folder, formats)
        files += [file for share in waiting for file in share.result()]
    return sorted(files, key=lambda file: NUMBERS.index(file.figure.number))


def _write_share(
    context: Context, figures: Sequence[ThesisFigure], folder: Path, formats: Sequence[str]
) -> list[ThesisFile]:
    with drawing():
        return [_written(draw(context, figure), folder, formats) for figure in figures]


def _written(page: ThesisPage, folder: Path, formats: Sequence[str]) -> ThesisFile:
    names = {name: f"{page.figure.number}.{name}" for name in formats} if page.drawn is not None else {}
    for name in FORMATS:
        if name not in names:
            (folder / f"{page.figure.number}.{name}").unlink(missing_ok=True)
    if page.drawn is not None:
        if "svg" in names:
            title = f"Figure {page.figure.number}: {page.figure.title}"
            text = svg_text(page.drawn.figure, title, page.drawn.tooltips)
            (folder / names["svg"]).write_text(text, encoding="utf-8")
        if "png" in names:
            (folder / names["png"]).write_bytes(png_bytes(page.drawn.figure, _PNG_COMPRESSION))
        page.drawn.figure.clear()
    return ThesisFile(page.figure, page.caption, page.judgement, page.origins, names, page.missing)


def _drawn(context: Context, figure: ThesisFigure, title: str, footer: str) -> Drawn:
    shape = figure.shape
    if isinstance(shape, Rows):
        return draw_rows(context, shape, title, footer)
    if isinstance(shape, Relation):
        return draw_relation(context, shape, title, footer)
    if isinstance(shape, Growth):
        return draw_growth(context, shape, title, footer)
    if isinstance(shape, Bubbles):
        return draw_bubbles(context, shape, title, footer)
    return draw_contributions(context, shape, title, footer)
