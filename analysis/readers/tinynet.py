"""Reads what ``tn.py train --json`` and ``tn.py prune --json`` print: one JSON object a line, one per epoch, one at the
end.

The program is in workloads/tinynet. It may have been run with ``--quiet``, which leaves the epochs out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.readers.json_events import JsonEvent, json_lines
from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from lab.errors import DataError

_RESULTS: dict[str, tuple[str, str]] = {
    "test_accuracy": ("accuracy", "1"),
    "test_loss": ("loss", "1"),
    "train_accuracy": ("train_accuracy", "1"),
    "train_loss": ("train_loss", "1"),
    "base_test_accuracy": ("base_accuracy", "1"),
    "base_test_loss": ("base_loss", "1"),
    "sparsity": ("sparsity", "1"),
    "seconds": ("training_s", "s"),
    "parameters": ("parameters", "1"),
    "weights": ("weights", "1"),
    "zero_weights": ("zero_weights", "1"),
    "macs": ("macs", "1"),
}
"""What the last event says → quantity, unit. Besides these everything that ends in ``_bytes``, by its own name."""

_ALWAYS = ("test_accuracy", "test_loss", "seconds", "parameters", "macs", "int8_bytes", "file_bytes")
_SHARES = ("test_accuracy", "train_accuracy", "base_test_accuracy", "sparsity")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One time through the training examples, in ``phase`` train or prune; ``loss`` and ``accuracy`` (0…1) in training,
    means over the epoch; those of the tests after it."""

    phase: str
    epoch: int
    loss: float
    accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True, slots=True)
class TinynetOutput:
    """One training; ``results`` are the last event's numbers by its own names."""

    epochs: tuple[Epoch, ...]
    results: Mapping[str, float]


def read(text: str) -> TinynetOutput:
    """Read the whole output. Raises :class:`lab.errors.DataError`, with the line, for anything that is not it."""
    epochs: list[Epoch] = []
    results: dict[str, float] | None = None
    for number, line in json_lines(text):
        if results is not None:
            raise DataError(f"line {number}: something follows the last event")
        event = JsonEvent(line, number)
        if event.name == "epoch":
            epochs.append(_epoch(event))
        elif event.name == "done":
            results = _results(event)
        else:
            raise DataError(f"line {number}: unknown event")
    if results is None:
        raise DataError("the output ends without the event 'done'")
    return TinynetOutput(tuple(epochs), results)


def read_output(folder: Path) -> ProgramOutput:
    """The output of one pass. What cannot be read is ``None`` with the reason, never an exception."""
    try:
        output = read((folder / "stdout.txt").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, DataError):
        reason = ("output_unreadable",)
        lost = map(_quantity, _ALWAYS)
        missing = tuple(PrintedQuantity(name, None, unit, reason) for name, unit in lost)
        return ProgramOutput(missing, reasons=reason)
    found = []
    for name, value in output.results.items():
        quantity, unit = _quantity(name)
        found.append(PrintedQuantity(quantity, value, unit))
    return ProgramOutput(tuple(found))


def _quantity(name: str) -> tuple[str, str]:
    return (name, "B") if name.endswith("_bytes") else _RESULTS[name]


def _epoch(event: JsonEvent) -> Epoch:
    phase = event.data.get("phase")
    if phase not in ("train", "prune"):
        raise event.wrong("phase", "train or prune")
    return Epoch(
        phase,
        event.whole("epoch"),
        event.number("loss"),
        event.share("accuracy"),
        event.number("test_loss"),
        event.share("test_accuracy"),
    )


def _results(event: JsonEvent) -> dict[str, float]:
    if missing := [name for name in _ALWAYS if not event.has(name)]:
        raise DataError(f"line {event.line}: no {missing[0]}")
    wanted = (name for name in event.data if name in _RESULTS or name.endswith("_bytes"))
    return {name: event.share(name) if name in _SHARES else event.number(name) for name in wanted}
