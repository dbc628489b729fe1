"""What a microcontroller makes of the network: beside the same network on the host, byte for byte."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.figures.data import number, text_of
from analysis.readers.firmware import read
from analysis.studies import StudyTable
from lab.errors import DataError
from lab.record.made_file import read_made

if TYPE_CHECKING:
    from analysis.figures.data import ResultTables
    from lab.record.reader import PassData, Record

STEP = "inputs"
"""The step that wrote the inputs and said what the host makes of them."""
LEAST_SHARE = 1e-7
"""A share below counts as this much; as in workloads/gesture."""
SMALL_AVR = ("ATmega328P", 32 * 1024, 2 * 1024)
"""The microcontroller of the study's board, with its flash and its memory in bytes."""


@dataclass(frozen=True, slots=True)
class OnTheBoard:
    """One pass: its outputs (as signed bytes) and labels, in order, and what the host said beforehand."""

    point_id: str
    label: str
    outputs: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]
    expected: tuple[tuple[int, ...], ...]
    output_step: float
    accuracy_float: float
    accuracy_host: float
    loss_float: float
    loss_host: float

    @property
    def differing(self) -> int:
        """Output bytes that are not those of the host."""
        pairs = zip(self.outputs, self.expected, strict=True)
        return sum(here != there for ours, theirs in pairs for here, there in zip(ours, theirs, strict=True))

    @property
    def accuracy(self) -> float:
        """Share named rightly; of equal outputs the first is the choice."""
        right = sum(row.index(max(row)) == label for row, label in zip(self.outputs, self.labels, strict=True))
        return right / len(self.labels)

    @property
    def loss(self) -> float:
        """Mean categorical cross-entropy after softmax, which the board leaves out."""
        total = 0.0
        for row, label in zip(self.outputs, self.labels, strict=True):
            values = [value * self.output_step for value in row]
            top = max(values)
            share = math.exp(values[label] - top) / sum(math.exp(value - top) for value in values)
            total -= math.log(max(share, LEAST_SHARE))
        return abs(total) / len(self.labels)


def on_the_board(record: Record) -> list[OnTheBoard]:
    """The first pass of every point that ended well; none for a record of another kind."""
    found: dict[str, OnTheBoard] = {}
    for data in record.passes().values():
        if data.plan.get("kind") == "latency" and data.end.state == "done" and data.end.output is not None:
            point = str(data.trial.get("point_id"))
            item = None if point in found else _read(record, data, point)
            if item is not None:
                found[point] = item
    return sorted(found.values(), key=lambda item: item.label)


def _read(record: Record, data: PassData, point: str) -> OnTheBoard | None:
    folder = record.path(data.end.output or "")
    try:
        said: dict[str, Any] = read_made(folder)["steps"][STEP]["printed"]
        inferred = read((folder / "stdout.txt").read_text(encoding="utf-8")).inferred
        item = OnTheBoard(
            point,
            str(data.trial.get("label") or point),
            tuple(tuple(map(int, item.output)) for item in inferred if item.output is not None),
            tuple(item.label for item in inferred if item.label is not None),
            tuple(tuple(int(value) for value in row) for row in said["outputs"]),
            *(
                float(said[name])
                for name in ("output_step", "accuracy_float", "accuracy_host", "loss_float", "loss_host")
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, DataError):
        return None
    shapes = {len(row) for row in (*item.outputs, *item.expected)}
    whole = item.labels and len(item.labels) == len(item.outputs) == len(item.expected) and len(shapes) == 1
    return item if whole and max(item.labels) < min(shapes) else None


def board_tables(items: Sequence[OnTheBoard], results: ResultTables) -> Iterator[StudyTable]:
    """Accuracy and loss before and after, time and memory, a row per point."""
    if not items:
        return
    import pandas as pd

    name, flash, memory = SMALL_AVR
    rows = []
    for item in items:
        found = {quantity: _value(results, item.point_id, quantity) for quantity in _QUANTITIES}
        latency, used = found["latency_s"], found["flash_bytes"]
        kept = [found[quantity] for quantity in ("data_bytes", "stack_peak_bytes")]
        needs = None if None in kept else sum(value for value in kept if value is not None)
        rows.append(
            {
                "network": item.label,
                "gestures shown": len(item.labels),
                "accuracy, float32": item.accuracy_float,
                "accuracy, host": item.accuracy_host,
                "accuracy, board": item.accuracy,
                "loss, float32": item.loss_float,
                "loss, host": item.loss_host,
                "loss, board": item.loss,
                "bytes that differ": item.differing,
                "inference time (ms)": None if latency is None else 1e3 * latency,
                "flash (bytes)": used,
                "data and stack (bytes)": needs,
                f"fits an {name}": "–" if used is None or needs is None else _yes(used <= flash and needs <= memory),
            }
        )
    note = (
        "Host and board compute with the same whole numbers: no byte may differ. Times are those of the bench's core. "
        f"The {name} of the study's board has {flash:,} bytes of flash and {memory:,} of memory; the study takes it "
        "to be too small for any network, and it is too small for TensorFlow Lite."
    )
    yield StudyTable("gesture_board", "On the microcontroller", pd.DataFrame(rows), note)


_QUANTITIES = ("latency_s", "flash_bytes", "data_bytes", "stack_peak_bytes")


def _value(results: ResultTables, point: str, quantity: str) -> float | None:
    summary = results.summary
    if summary.empty:
        return None
    rows = summary[(summary["point_id"] == point) & (summary["quantity"] == quantity)]
    return next((number(row["value"]) for row in rows.to_dict("records") if text_of(row["verdict"]) != "invalid"), None)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
