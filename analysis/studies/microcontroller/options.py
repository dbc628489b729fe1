"""Table 4.5: inference time and memory of three networks at four compiler options, ours beside the printed ones."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.figures.data import ResultTables
from analysis.studies import StudyFigure, StudyTable
from analysis.studies.microcontroller import printed
from analysis.studies.microcontroller.draw_options import draw_layers, draw_table_4_5
from analysis.studies.microcontroller.points import Point, clock_of, footer_of, measured_points, points_of, stand_in
from lab.record.reader import Record


def figures(record: Record, results: ResultTables) -> Iterable[StudyFigure]:
    """Table 4.5 drawn, and how the time splits by layer."""
    subtitle, footer = stand_in(record), footer_of(record)
    origins = (str(record.manifest["board"]["origin"]),)
    yield StudyFigure(
        "table_4_5",
        "Inference time and program memory by compiler option",
        f"The study's table 4.5 and ours; {subtitle}. Its compiler option changes the time by a factor of up to 1.4, "
        "because it compiles the multiplying loops; ours are written for the core and stay as they are.",
        origins,
        lambda: draw_table_4_5(_with_printed(measured_points(record, results, "latency_s")), subtitle, footer),
    )
    yield StudyFigure(
        "time_by_layer",
        "Inference time by layer",
        "Cycles between the marks that the firmware writes when a layer is done, as time at the core's clock. The "
        "study says that the width of the first hidden layer decides, and depth changes little.",
        origins,
        lambda: draw_layers(
            measured_points(record, results, "latency_layer_1_s"), "Inference time by layer", subtitle, footer
        ),
    )


def tables(record: Record, results: ResultTables) -> Iterable[StudyTable]:
    """Table 4.5 with our columns beside the printed ones."""
    clock_hz = clock_of(record)
    rows = [_row(point, clock_hz) for point in points_of(record, results)]
    if rows:
        note = (
            f"{stand_in(record)}. Printed: {printed.STUDY}, table 4.5; width 40 at -O3 did not fit its flash. Data and "
            "stack were not printed. The stack is what was used at most; its bound is the worst case of the call graph."
        )
        yield StudyTable("table_4_5", "Inference time and memory by compiler option", pd.DataFrame(rows), note)


def _with_printed(points: list[Point]) -> list[Point]:
    """Those of widths and options, in the study's order."""
    return [point for point in points if {"width", "option"} <= point.values.keys()]


def _row(point: Point, clock_hz: float) -> dict[str, object]:
    width, option = int(point.values.get("width", 0)), str(point.values.get("option", ""))
    cell = printed.TABLE_4_5.get((width, option))
    time_s, macs = point.get("latency_s"), point.get("macs")
    return {
        "width": width,
        "option": f"-{option}",
        "time (ms)": None if time_s is None else 1e3 * time_s,
        "printed (ms)": None if cell is None else 1e3 * cell[0],
        "printed / ours": None if cell is None or time_s is None else cell[0] / time_s,
        "cycles per MAC": None if time_s is None or macs is None else time_s * clock_hz / macs,
        "printed cycles per MAC": None if cell is None or macs is None else cell[0] * printed.CLOCK_HZ / macs,
        "flash (B)": point.get("flash_bytes"),
        "printed flash (B)": None if cell is None else float(cell[1]),
        "data (B)": point.get("data_bytes"),
        "stack (B)": point.get("stack_peak_bytes"),
        "stack bound (B)": point.get("stack_bound_bytes"),
    }
