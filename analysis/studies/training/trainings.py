"""The trainings of a record: what each program printed per epoch, and the weights that it left after each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from analysis.figures.data import scalar_text
from analysis.readers.hdrnn import HdrnnOutput, read
from lab.errors import DataError
from lab.record.reader import PassData, Record

OUT = "out"
_EPOCH_FILE = re.compile(r"epoch-(\d{4,})\.nn")
_PRECISION, _RATE = "precision", "rate"


@dataclass(frozen=True)
class Training:
    """One pass that trained. ``implementation``, ``shape`` and ``precision`` are the trial's factors of these names
    (``hidden`` is the shape, with the step size behind it where the experiment varies that); ``precision`` is
    ``float32`` where the experiment has no such factor."""

    implementation: str
    shape: str
    precision: str
    repeat: int
    output: HdrnnOutput
    folder: Path

    @property
    def program(self) -> str:
        """Implementation and precision in words."""
        return f"{self.implementation} {self.precision}"

    @property
    def accuracies(self) -> list[float]:
        """After each epoch, on the test images (0…1)."""
        return [epoch.accuracy for epoch in self.output.epochs]

    @cached_property
    def weights(self) -> dict[int, Path]:
        """Epoch → file with the weights after it; 0 is before the first."""
        found = {}
        for path in sorted((self.folder / OUT).glob("epoch-*.nn")):
            match = _EPOCH_FILE.fullmatch(path.name)
            if match:
                found[int(match[1])] = path
        return found


@dataclass(frozen=True)
class Trainings:
    """All trainings of a record that ended well, in the plan's order of factors; ``lost`` counts the passes that did
    not, or printed what cannot be read, by (implementation, shape, precision)."""

    members: tuple[Training, ...]
    implementations: tuple[str, ...]
    shapes: tuple[str, ...]
    precisions: tuple[str, ...]
    lost: dict[tuple[str, str, str], int]

    @property
    def left_weights(self) -> bool:
        """True if any program left its weights after each epoch."""
        return any(item.weights for item in self.members)

    def of(
        self, *, implementation: str | None = None, shape: str | None = None, precision: str | None = None
    ) -> list[Training]:
        """Those of an implementation, a shape, a precision; all where it is left open."""
        return [
            item
            for item in self.members
            if implementation in (None, item.implementation)
            and shape in (None, item.shape)
            and precision in (None, item.precision)
        ]

    def first(self, implementation: str, shape: str, precision: str | None = None) -> Training | None:
        """The one with the lowest repeat."""
        found = self.of(implementation=implementation, shape=shape, precision=precision)
        return min(found, key=lambda item: item.repeat) if found else None


def trainings_of(record: Record) -> Trainings:
    """Read what the passes that measure time printed; a record of another program gives none."""
    factors = _factors(record)
    members: list[Training] = []
    lost: dict[tuple[str, str, str], int] = {}
    for data in record.passes().values():
        values = data.trial.get("values") or {}
        if data.plan.get("kind") != "latency" or "hidden" not in values:
            continue
        key = tuple(scalar_text(values.get(name, "")) for name in ("implementation", "hidden", _PRECISION))
        implementation, shape, precision = key[0] or "C", key[1], key[2] or "float32"
        if len(factors.get(_RATE, ())) > 1:
            shape = _at_rate(shape, scalar_text(values.get(_RATE, "")))
        training = _training(record, data, implementation, shape, precision)
        if training is None:
            name = (implementation, shape, precision)
            lost[name] = lost.get(name, 0) + 1
        else:
            members.append(training)
    shapes = factors.get("hidden", ())
    if len(rates := factors.get(_RATE, ())) > 1:
        shapes = tuple(_at_rate(shape, rate) for rate in rates for shape in shapes)
    return Trainings(
        tuple(members),
        _in_order(factors.get("implementation", ()), (item.implementation for item in members)),
        _in_order(shapes, (item.shape for item in members)),
        _in_order(factors.get(_PRECISION, ()), (item.precision for item in members)),
        lost,
    )


def _factors(record: Record) -> dict[str, tuple[str, ...]]:
    """The experiment's factors with their values as text, in its order."""
    resolved = (record.manifest.get("experiment") or {}).get("resolved") or {}
    return {
        name: tuple(scalar_text(item.get("value") if isinstance(item, dict) else item) for item in listed)
        for name, listed in (resolved.get("factors") or {}).items()
        if isinstance(listed, (list, tuple))
    }


def _at_rate(shape: str, rate: str) -> str:
    return f"{shape} · step size {rate}"


def _training(record: Record, data: PassData, implementation: str, shape: str, precision: str) -> Training | None:
    if data.end.state != "done" or data.end.output is None:
        return None
    folder = record.path(data.end.output)
    try:
        output = read((folder / "stdout.txt").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, DataError):
        return None
    return Training(implementation, shape, precision, int(data.trial.get("repeat", 1)), output, folder)


def _in_order(listed: tuple[str, ...], present: Iterable[str]) -> tuple[str, ...]:
    there = set(present)
    return tuple(value for value in listed if value in there) + tuple(sorted(there - set(listed)))
