"""The gesture study: R. M S, S. Parameshwara, *Optimizing Neural Networks for Embedded Systems*.

A network that names gestures from thirty samples of an accelerometer and a gyroscope: how it learns, how small it gets,
and what that costs. A record of the experiment ``gesture`` has the study's figures 1, 2 and 4 to 7 and both tables; one
of ``gesture_avr`` what a microcontroller makes of the smallest form.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from analysis.studies import StudyFigure, StudyTable

if TYPE_CHECKING:
    from analysis.figures.data import ResultTables
    from analysis.studies.gesture.passes import StudyPass
    from lab.record.reader import Record


def figures(record: Record, results: ResultTables) -> Iterator[StudyFigure]:  # noqa: ARG001
    """The study's figures for this record, in the study's order."""
    from analysis.studies.gesture.passes import passes_of

    passes = passes_of(record)
    if passes:
        yield from _study_figures(record, passes)
    yield from _board_figures(record)


def tables(record: Record, results: ResultTables) -> Iterator[StudyTable]:
    """The study's tables for this record."""
    from analysis.studies.gesture.avr import board_tables, on_the_board
    from analysis.studies.gesture.passes import passes_of
    from analysis.studies.gesture.table_rows import study_tables

    yield from study_tables(passes_of(record))
    yield from board_tables(on_the_board(record), results)


def _study_figures(record: Record, passes: list[StudyPass]) -> Iterator[StudyFigure]:
    from analysis.studies.gesture import captions, draw
    from analysis.studies.gesture.passes import origins_of

    origins, board = origins_of(record), (str(record.manifest.get("origin") or "measured"),)
    footer = f"record {record.manifest.get('record_id')}"
    fullest = max((item.output for item in passes), key=lambda output: len(output.examples))
    for name, first, unit, title, caption in (
        ("gesture_accelerometer", 0, "acceleration [g]", "What the accelerometer shows (figure 1)", captions.EXAMPLE),
        ("gesture_gyroscope", 3, "angular rate [°/s]", "What the gyroscope shows (figure 2)", captions.EXAMPLE),
    ):
        yield StudyFigure(
            name, title, caption, origins, partial(draw.draw_example, fullest, first, title, unit, origins, footer)
        )
    for quantity, number, text in (("loss", 4, captions.loss(passes)), ("accuracy", 5, captions.accuracy(passes))):
        title = f"{quantity.capitalize()} during training (figure {number})"
        yield StudyFigure(
            f"gesture_{quantity}", title, text, origins,
            partial(draw.draw_course, passes, quantity, title, origins, footer),
        )  # fmt: skip
    title, smallest = "Reduction in size (figure 6)", min((item.output for item in passes), key=lambda o: o.parameters)
    yield StudyFigure(
        "gesture_sizes", title, captions.SIZES, board, partial(draw.draw_sizes, smallest, title, board, footer)
    )
    title = "Mean cross-entropy of each form (figure 7)"
    yield StudyFigure(
        "gesture_form_loss", title, captions.form_loss(passes), origins,
        partial(draw.draw_form_loss, passes, title, origins, footer),
    )  # fmt: skip


def _board_figures(record: Record) -> Iterator[StudyFigure]:
    from analysis.studies.gesture import captions, draw
    from analysis.studies.gesture.avr import on_the_board
    from analysis.studies.gesture.passes import origins_of

    items = on_the_board(record)
    if not items:
        return
    origins = tuple(sorted({*origins_of(record), str(record.manifest.get("origin") or "measured")}))
    title, footer = "Mean cross-entropy before and after (figure 7)", f"record {record.manifest.get('record_id')}"
    drawing = partial(draw.draw_board_loss, items, title, origins, footer)
    yield StudyFigure("gesture_board_loss", title, captions.BOARD, origins, drawing)
