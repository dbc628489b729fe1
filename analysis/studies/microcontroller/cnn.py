"""Section 6.3: convolutional networks on the microcontroller, beside "roughly 300 ms" and "upwards of 99 %"."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.figures.data import ResultTables
from analysis.studies import StudyFigure, StudyTable
from analysis.studies.microcontroller import printed
from analysis.studies.microcontroller.draw_options import draw_layers
from analysis.studies.microcontroller.points import Point, clock_of, footer_of, measured_points, points_of, stand_in
from lab.record.reader import Record


def figures(record: Record, results: ResultTables) -> Iterable[StudyFigure]:
    """How the time of each network splits by layer."""
    subtitle = f"{stand_in(record)}, roughly {1e3 * printed.CNN_S:.0f} ms"
    yield StudyFigure(
        "cnn_time",
        "Inference time of convolutional networks by layer",
        f"{subtitle}. The study names no layers; these are three that fit.",
        (str(record.manifest["board"]["origin"]),),
        lambda: draw_layers(
            measured_points(record, results, "latency_layer_1_s"),
            "Inference time of convolutional networks by layer",
            subtitle,
            footer_of(record),
        ),
    )


def tables(record: Record, results: ResultTables) -> Iterable[StudyTable]:
    """A row per network and option, the study's words in the first."""
    rows: list[dict[str, object]] = [
        {
            "network": "printed",
            "option": "",
            "time (ms)": 1e3 * printed.CNN_S,
            "accuracy, float": None,
            "accuracy, int8": printed.CNN_ACCURACY,
        }
    ]
    rows += [_row(point, clock_of(record)) for point in points_of(record, results)]
    note = (
        f"{stand_in(record)}. The study gives an estimate of the time and an accuracy in words, for layers that it "
        "does not name. The accuracy is that on all test images, computed by the same arithmetic as on the board."
    )
    yield StudyTable("cnn", "Convolutional networks", pd.DataFrame(rows), note)


def _row(point: Point, clock_hz: float) -> dict[str, object]:
    time_s, macs = point.get("latency_s"), point.get("macs")
    return {
        "network": str(point.values.get("network", "")),
        "option": f"-{point.values.get('option', '')}",
        "time (ms)": None if time_s is None else 1e3 * time_s,
        "accuracy, float": point.get("accuracy_float"),
        "accuracy, int8": point.get("accuracy_integers"),
        "MACs": macs,
        "cycles per MAC": None if time_s is None or macs is None else time_s * clock_hz / macs,
        "flash (B)": point.get("flash_bytes"),
        "data (B)": point.get("data_bytes"),
        "stack (B)": point.get("stack_peak_bytes"),
    }
