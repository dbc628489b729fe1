"""Sections 5.4 and 5.5: pooled and rescaled inputs against accuracy, time and flash. The study prints no numbers."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.figures.build import NothingToDrawError
from analysis.figures.data import ResultTables
from analysis.figures.dots import Drawn
from analysis.figures.panels import Line, Look, Panel, draw_panels
from analysis.figures.style import colours_for
from analysis.studies import StudyFigure, StudyTable
from analysis.studies.microcontroller.points import Point, footer_of, points_of, stand_in
from lab.record.reader import Record


def figures(record: Record, results: ResultTables) -> Iterable[StudyFigure]:
    """Accuracy against inference time, a panel for each scale and activation."""
    origins = (str(record.manifest["board"]["origin"]),)
    yield StudyFigure(
        "down_sampling",
        "What pooling and input scale cost and give",
        f"Accuracy of the int8 network against its inference time on the board, a point for each training; "
        f"{stand_in(record)}. The study recommends (byte − 127) / 8 and down-sampling, without numbers, and says that "
        "inputs between zero and one would leave an int8 network two values: with a scale of its own for each layer "
        "they keep their resolution.",
        origins,
        lambda: _draw(_complete(record, results), stand_in(record), footer_of(record), origins),
    )


def _complete(record: Record, results: ResultTables) -> list[Point]:
    needed = {"pooling", "scale", "activation"}
    points = [
        point
        for point in points_of(record, results)
        if needed <= point.values.keys() and {"latency_s", "accuracy_integers"} <= point.found.keys()
    ]
    if not points:
        raise NothingToDrawError("no point has a time and an accuracy")
    return points


def _draw(points: Sequence[Point], subtitle: str, footer: str, origins: Sequence[str]) -> Drawn:
    poolings = list(dict.fromkeys(str(point.values["pooling"]) for point in points))
    colours = colours_for(poolings)
    panels = []
    for activation in dict.fromkeys(str(point.values["activation"]) for point in points):
        for scale in dict.fromkeys(str(point.values["scale"]) for point in points):
            own = [
                point for point in points if (point.values["activation"], point.values["scale"]) == (activation, scale)
            ]
            lines = [
                _line(pooling, [item for item in own if item.values["pooling"] == pooling]) for pooling in poolings
            ]
            panels.append(Panel(f"{activation}, inputs {scale}", [line for line in lines if line.xs]))
    look = Look("inference time (ms)", "accuracy of the int8 network", colours, subtitle=subtitle, footer=footer)
    return draw_panels(panels, "What pooling and input scale cost and give", origins, look)


def _line(pooling: str, points: Sequence[Point]) -> Line:
    times = [1e3 * point.found["latency_s"] for point in points]
    values = [point.found["accuracy_integers"] for point in points]
    texts = [
        f"{point.label}: {time:.2f} ms, {value:.3f}" for point, time, value in zip(points, times, values, strict=True)
    ]
    return Line(pooling, times, values, texts=texts, joined=False)


def tables(record: Record, results: ResultTables) -> Iterable[StudyTable]:
    """A row per pooling, scale and activation: means over the trainings."""
    groups: dict[tuple[str, str, str], list[Point]] = {}
    for point in points_of(record, results):
        values = point.values
        if {"pooling", "scale", "activation"} <= values.keys():
            key = (str(values["pooling"]), str(values["scale"]), str(values["activation"]))
            groups.setdefault(key, []).append(point)
    rows = [_row(key, points) for key, points in groups.items()]
    if rows:
        note = (
            f"{stand_in(record)}. Means over the trainings; the accuracy is that on all test images, computed by the "
        )
        note += "same arithmetic, which the board gave on a part of them."
        yield StudyTable("down_sampling", "Pooling and input scale", pd.DataFrame(rows), note)


def _row(key: tuple[str, str, str], points: Sequence[Point]) -> dict[str, object]:
    accuracies = [value for point in points if (value := point.get("accuracy_integers")) is not None]
    return {
        "pooling": key[0],
        "inputs": key[1],
        "activation": key[2],
        "trainings": len(points),
        "accuracy, float": _mean(points, "accuracy_float"),
        "accuracy, int8": _mean(points, "accuracy_integers"),
        "int8, least": min(accuracies, default=None),
        "time (ms)": None if (time_s := _mean(points, "latency_s")) is None else 1e3 * time_s,
        "flash (B)": _mean(points, "flash_bytes"),
        "data (B)": _mean(points, "data_bytes"),
    }


def _mean(points: Sequence[Point], quantity: str) -> float | None:
    values = [value for point in points if (value := point.get(quantity)) is not None]
    return statistics.fmean(values) if values else None
