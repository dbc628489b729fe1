"""Reads what ``tn.py train --json`` and ``tn.py prune --json`` print: one JSON object a line, one per epoch, one at the
end.

The program is in workloads/tinynet. It may have been run with ``--quiet``, which leaves the epochs out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if results is not None:
            raise DataError(f"line {number}: something follows the last event")
        event = _event(line, number)
        if event.get("event") == "epoch":
            epochs.append(_epoch(event, number))
        elif event.get("event") == "done":
            results = _results(event, number)
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
        missing = tuple(PrintedQuantity(*_quantity(name), reason) for name in _ALWAYS)
        return ProgramOutput(missing, reasons=reason)
    found = []
    for name, value in output.results.items():
        quantity, _, unit = _quantity(name)
        found.append(PrintedQuantity(quantity, value, unit))
    return ProgramOutput(tuple(found))


def _quantity(name: str) -> tuple[str, None, str]:
    if name.endswith("_bytes"):
        return name, None, "B"
    quantity, unit = _RESULTS[name]
    return quantity, None, unit


def _event(line: str, number: int) -> Mapping[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"line {number}: not JSON") from None
    if not isinstance(data, dict):
        raise DataError(f"line {number}: not a JSON object")
    return data


def _epoch(event: Mapping[str, Any], number: int) -> Epoch:
    phase = event.get("phase")
    if phase not in ("train", "prune"):
        raise DataError(f"line {number}: an epoch of an unknown phase")
    values = [_number(event, name, number) for name in ("epoch", "loss", "accuracy", "test_loss", "test_accuracy")]
    if values[0] != int(values[0]):
        raise DataError(f"line {number}: epoch {values[0]}, expected a whole number")
    return Epoch(phase, int(values[0]), *values[1:])


def _results(event: Mapping[str, Any], number: int) -> dict[str, float]:
    results = {name: _number(event, name, number) for name in event if name in _RESULTS or str(name).endswith("_bytes")}
    if missing := [name for name in _ALWAYS if name not in results]:
        raise DataError(f"line {number}: no {missing[0]}")
    for name in _SHARES:
        if results.get(name, 0.0) > 1:
            raise DataError(f"line {number}: {name} is {results[name]}, expected at most 1")
    return results


def _number(event: Mapping[str, Any], name: str, number: int) -> float:
    """A finite number that is not negative."""
    value = event.get(name)
    try:
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    except OverflowError:  # a whole number too large for a float
        good = False
    if not good or value is None:
        raise DataError(f"line {number}: {name} is no number from 0")
    return float(value)
