"""Reads what ``hdrnn train --json`` prints: one JSON object a line, one per epoch and one at the end.

The program is in workloads/hdrnn/c. It may have been run with ``--quiet``, which leaves the epochs out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.readers.json_events import JsonEvent, json_lines
from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from lab.errors import DataError


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training images; ``accuracy`` (0…1) on the test images after it, ``seconds`` of training."""

    epoch: int
    loss: float
    accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True)
class HdrnnOutput:
    """One training. ``loss`` is that of the last epoch, ``None`` without any; ``seconds`` of training, all epochs."""

    epochs: tuple[Epoch, ...]
    loss: float | None
    accuracy: float
    seconds: float
    train_images: int
    test_images: int
    parameters: int


def read(text: str) -> HdrnnOutput:
    """Read the whole output. Raises :class:`lab.errors.DataError`, with the line, for anything that is not it."""
    epochs: list[Epoch] = []
    done: HdrnnOutput | None = None
    for number, line in json_lines(text):
        if done is not None:
            raise DataError(f"line {number}: something follows the last event")
        event = JsonEvent(line, number)
        if event.name == "epoch":
            epochs.append(
                Epoch(event.whole("epoch"), event.number("loss"), event.share("accuracy"), event.number("seconds"))
            )
            # A training that was resumed begins where the checkpoint was made.
            expected = epochs[0].epoch + len(epochs) - 1
            if epochs[-1].epoch != expected:
                raise DataError(f"line {number}: epoch {epochs[-1].epoch} where {expected} was expected")
        elif event.name == "done":
            done = HdrnnOutput(
                tuple(epochs),
                None if event.is_null("loss") else event.number("loss"),
                event.share("accuracy"),
                event.number("seconds"),
                event.whole("train_images"),
                event.whole("test_images"),
                event.whole("parameters"),
            )
        else:
            raise DataError(f"line {number}: unknown event {event.name!r}")
    if done is None:
        raise DataError("the output ends without the event 'done'")
    return done


def read_output(folder: Path) -> ProgramOutput:
    """The output of one pass. What cannot be read is ``None`` with the reason, never an exception."""
    try:
        output = read((folder / "stdout.txt").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, DataError):
        reason = ("output_unreadable",)
        missing = tuple(PrintedQuantity(name, None, unit, reason) for name, unit in _QUANTITIES.items())
        return ProgramOutput(missing, reasons=reason)
    best = max(output.epochs, key=lambda epoch: epoch.accuracy, default=None)
    values = {
        "accuracy": output.accuracy,
        "accuracy_best": None if best is None else best.accuracy,
        "epoch_best": None if best is None else float(best.epoch),
        "epochs": float(len(output.epochs)) if output.epochs else None,
        "loss": output.loss,
        "training_s": output.seconds,
        "epoch_s": output.seconds / len(output.epochs) if output.epochs else None,
        "parameters": float(output.parameters),
    }
    return ProgramOutput(
        tuple(PrintedQuantity(name, value, _QUANTITIES[name]) for name, value in values.items() if value is not None)
    )


_QUANTITIES = {
    "accuracy": "1",
    "accuracy_best": "1",
    "epoch_best": "1",
    "epochs": "1",
    "loss": "1",
    "training_s": "s",
    "epoch_s": "s",
    "parameters": "1",
}
"""What a training gives → its unit. ``accuracy`` is that after the last epoch, ``accuracy_best`` the best of any and
``epoch_best`` the first that had it; ``epoch_s`` the mean time of an epoch without its test. Those of single epochs are
left out where the program printed none."""
