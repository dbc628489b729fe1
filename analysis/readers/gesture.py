"""Reads what ``gestures.py study`` prints: one JSON object a line, from the captured gestures to the last small form.

The program is in workloads/gesture; its module ``gesture/cli/study.py`` says what the events are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analysis.readers.json_events import JsonEvent, is_finite, json_lines
from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from lab.errors import DataError

SETS = ("training", "validation", "all", "unseen")
"""Sets of gestures that a network is judged on; ``unseen`` may be missing."""
_AXES = 6


@dataclass(frozen=True, slots=True)
class Judged:
    """On one set: share named rightly, mean cross-entropy, how many."""

    accuracy: float
    loss: float
    count: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """One time through the training set; training's loss and accuracy are means while the network changes."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True, slots=True)
class SmallForm:
    """One form of the network. ``maker`` is ``own`` or ``tflite``; ``size_bytes`` the file's, or what lies in flash."""

    name: str
    maker: str
    size_bytes: int
    judged: Mapping[str, Judged]


@dataclass(slots=True)
class GestureOutput:
    """The whole study on one set of gestures. ``examples`` have a list of samples (six numbers) for each gesture."""

    gestures: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    layers: list[tuple[str, int, int]] = field(default_factory=list)
    """(name, outputs, parameters)."""
    epochs: list[Epoch] = field(default_factory=list)
    trained: dict[str, Judged] = field(default_factory=dict)
    unrounded_accuracy: float | None = None
    """On the unseen gestures, inputs not rounded to bytes."""
    forms: list[SmallForm] = field(default_factory=list)
    keras_bytes: int | None = None
    converter: str = ""
    parameters: int = 0
    training_s: float = 0.0

    def form(self, name: str, maker: str = "own") -> SmallForm | None:
        """That form by that maker."""
        return next((item for item in self.forms if (item.name, item.maker) == (name, maker)), None)


def read(text: str) -> GestureOutput:
    """Read the whole output. Raises :class:`lab.errors.DataError`, with the line, for anything that is not it."""
    output, done = GestureOutput(), False
    for number, line in json_lines(text):
        if done:
            raise DataError(f"line {number}: something follows the last event")
        event = _Event(line, number)
        done = event.name == "done"
        _take(output, event)
    if not done:
        raise DataError("the output ends without the event 'done'")
    if not output.trained or not output.layers:
        raise DataError("the output says nothing of a trained network")
    return output


def _take(output: GestureOutput, event: _Event) -> None:
    if event.name == "data":
        output.gestures = event.texts("gestures")
        output.counts = {name: event.whole(name) for name in ("training", "validation", "unseen")}
    elif event.name == "example":
        output.examples[event.text("gesture")] = event.samples("samples")
    elif event.name == "layer":
        output.layers.append((event.text("name"), event.whole("outputs"), event.whole("parameters")))
    elif event.name == "epoch":
        losses = event.number("loss"), event.number("validation_loss")
        shares = event.share("accuracy"), event.share("validation_accuracy")
        output.epochs.append(Epoch(event.whole("epoch"), losses[0], shares[0], losses[1], shares[1]))
        if output.epochs[-1].epoch != len(output.epochs):
            raise DataError(f"line {event.line}: epoch {output.epochs[-1].epoch}, expected {len(output.epochs)}")
    elif event.name == "trained":
        output.trained = event.judged()
        output.unrounded_accuracy = event.share("unrounded_accuracy") if event.has("unrounded_accuracy") else None
    elif event.name == "form":
        output.forms.append(SmallForm(event.text("form"), event.text("maker"), event.whole("bytes"), event.judged()))
    elif event.name == "converter":
        output.keras_bytes = event.whole("keras_bytes")
        output.converter = f"{event.text('name')} {event.text('version')}"
    elif event.name == "done":
        output.parameters, output.training_s = event.whole("parameters"), event.number("training_s")
    else:
        raise DataError(f"line {event.line}: unknown event")


def read_output(folder: Path) -> ProgramOutput:
    """The output of one pass. What cannot be read is ``None`` with the reason, never an exception."""
    try:
        output = read((folder / "stdout.txt").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, DataError):
        reason = ("output_unreadable",)
        missing = (PrintedQuantity("accuracy", None, "1", reason), PrintedQuantity("training_s", None, "s", reason))
        return ProgramOutput(missing, reasons=reason)
    return ProgramOutput(tuple(_quantities(output)))


def _quantities(output: GestureOutput) -> list[PrintedQuantity]:
    """``accuracy`` and ``loss`` are those of the validation set, as in the study's table 2."""
    found = [
        PrintedQuantity("parameters", float(output.parameters), "1"),
        PrintedQuantity("training_s", output.training_s, "s"),
    ]
    for name, judged in output.trained.items():
        prefix = "" if name == "validation" else f"{name}_"
        found.append(PrintedQuantity(f"{prefix}accuracy", judged.accuracy, "1"))
        found.append(PrintedQuantity(f"{prefix}loss", judged.loss, "1"))
    if output.unrounded_accuracy is not None:
        found.append(PrintedQuantity("unseen_accuracy_unrounded", output.unrounded_accuracy, "1"))
    for form in output.forms:
        name = form.name if form.maker == "own" else f"{form.maker}_{form.name}"
        found.append(PrintedQuantity(f"{name}_bytes", float(form.size_bytes), "B"))
        found += [
            PrintedQuantity(f"{name}_{part}_{what}", value, "1")
            for part, judged in form.judged.items()
            if part in ("all", "unseen")
            for what, value in (("accuracy", judged.accuracy), ("loss", judged.loss))
        ]
    if output.keras_bytes is not None:
        found.append(PrintedQuantity("keras_bytes", float(output.keras_bytes), "B"))
    return found


class _Event(JsonEvent):
    """One line of the output."""

    def text(self, key: str) -> str:
        """A short text."""
        value = self.data.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= 80 or not value.isprintable():
            raise self.wrong(key, "a short text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of short texts."""
        values = self.data.get(key)
        if not isinstance(values, list) or not all(isinstance(value, str) and len(value) <= 80 for value in values):
            raise self.wrong(key, "a list of short texts")
        return tuple(values)

    def samples(self, key: str) -> list[tuple[float, ...]]:
        """Samples of six finite numbers each."""
        values = self.data.get(key)
        if not isinstance(values, list) or not values:
            raise self.wrong(key, "a list of samples")
        for row in values:
            if not isinstance(row, list) or len(row) != _AXES or not all(map(is_finite, row)):
                raise self.wrong(key, "samples of six numbers")
        return [tuple(float(value) for value in row) for row in values]

    def judged(self) -> dict[str, Judged]:
        """What it says of each set of gestures; of ``unseen`` it may say nothing."""
        return {
            name: Judged(self.share(f"{name}_accuracy"), self.number(f"{name}_loss"), self.whole(f"{name}_count"))
            for name in SETS
            if name != "unseen" or self.has("unseen_accuracy")
        }
