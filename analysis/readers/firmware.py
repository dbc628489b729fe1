"""Reads what a request to a serial board printed: one JSON object a line (:mod:`lab.boards.serial.requests`).

The firmware times each inference with a counter. A counter that begins anew within an inference, or whose rate is not
what the firmware says, gives times that are wrong and look right: so they are held against the time that passed here
meanwhile, or, where the core is emulated, against the cycles during which its pin was high.

Beside the output may lie what the lab knows of how the firmware was made (:data:`MADE_FILE`), with quantities in it.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from lab.errors import DataError

FEWEST_TICKS = 20
"""An inference of fewer ticks is known worse than to a twentieth."""

_LINK_S = 0.03
_BETWEEN_S = 2e-4
"""What this side and the firmware may add to a run, and between two inferences, before their times are said to
disagree; the round trips come on top."""
_TIMER = 0.02
"""So far the firmware's rate may be off."""

MADE_FILE = "made.json"
_UNITS = {"_bytes": "B"}
_PIN_EXTRA = 2000
"""Cycles that a firmware may take around and between its inferences while the pin is high."""

_EVENTS = {"firmware", "warmup", "inferred", "memory", "done", "pin"}
_MOST = 1 << 53


@dataclass(frozen=True, slots=True)
class Inferred:
    """The inferences on one input. ``ticks_each`` are of the first ones only, as many as the firmware keeps."""

    inferences: int
    ticks: int
    ticks_each: tuple[int, ...]
    host_elapsed_s: float | None
    asked_again: bool


@dataclass(frozen=True, slots=True)
class Pin:
    """What an emulated core's pin did: (begin, end) of each window in cycles, and in each the cycles at which layers
    ended, where the firmware marks them."""

    clock_hz: int
    windows: tuple[tuple[int, int], ...]
    marks: tuple[tuple[int, ...], ...]

    @property
    def cycles(self) -> int:
        """Of all windows together."""
        return sum(end - begin for begin, end in self.windows)

    def layers(self) -> list[float]:
        """Mean cycles of each layer; empty where windows differ in their number of layers, or nothing marks them."""
        if not self.marks or not self.marks[0] or len({len(marks) for marks in self.marks}) > 1:
            return []
        totals = [0] * len(self.marks[0])
        for (begin, _), marks in zip(self.windows, self.marks, strict=True):
            for index, (start, end) in enumerate(itertools.pairwise((begin, *marks))):
                totals[index] += end - start
        return [total / len(self.windows) for total in totals]


@dataclass(frozen=True, slots=True)
class FirmwareOutput:
    """A whole ``infer``. ``right`` is the number of inputs that were given their label, if there were labels."""

    tick_hz: int
    tick_bits: int
    link_s: float
    warmup_inferences: int
    inferred: tuple[Inferred, ...]
    memory: dict[str, int]
    inputs: int
    inferences: int
    right: int | None
    pin: Pin | None = None

    @property
    def ticks(self) -> int:
        """Of all measured inferences together."""
        return sum(item.ticks for item in self.inferred)

    def doubts(self) -> tuple[str, ...]:
        """Reason codes of what speaks against the firmware's times."""
        reasons = []
        if any(self._disagrees(item) for item in self.inferred) or self._pin_disagrees():
            reasons.append("ticks_disagree")
        if self.ticks < FEWEST_TICKS * self.inferences:
            reasons.append("ticks_coarse")
        return tuple(reasons)

    def _pin_disagrees(self) -> bool:
        pin = self.pin
        if pin is None or len(pin.windows) != len(self.inferred):
            return False
        counted = self.ticks * pin.clock_hz / self.tick_hz
        tick = pin.clock_hz / self.tick_hz
        return not counted - tick * self.inferences <= pin.cycles <= counted + (tick + _PIN_EXTRA) * self.inferences

    def _disagrees(self, item: Inferred) -> bool:
        if item.host_elapsed_s is None:
            return False
        counted_s = item.ticks / self.tick_hz
        extra_s = _LINK_S + 5 * self.link_s + item.inferences * _BETWEEN_S
        if counted_s > item.host_elapsed_s * (1 + _TIMER):
            return True
        # A result that had to be asked for again may have waited: then it says nothing of how long the run took.
        return not item.asked_again and counted_s * (1 + _TIMER) < item.host_elapsed_s - extra_s - 0.2 * counted_s


def read(text: str) -> FirmwareOutput:
    """Read the whole output of an ``infer``. Raises :class:`DataError`, with the line, for anything that is not it."""
    firmware: _Event | None = None
    warmups = 0
    inferred: list[Inferred] = []
    memory: dict[str, int] = {}
    done: _Event | None = None
    pin: Pin | None = None
    for event in _events(text):
        if event.name == "pin" and done is not None and pin is None:
            pin = _pin(event)
            continue
        if done is not None or event.name == "pin":
            raise DataError(f"line {event.number}: something follows the last event")
        if (event.name == "firmware") != (firmware is None):
            raise DataError(f"line {event.number}: the firmware says what it is once, and first")
        if event.name == "firmware":
            firmware = event
        elif event.name == "warmup":
            warmups += event.whole("inferences")
        elif event.name == "memory":
            known = (name for name in ("flash", "data", "stack_peak") if not event.is_null(name))
            memory = {name: event.whole(name) for name in known}
        elif event.name == "inferred":
            inferred.append(_inferred(event, len(inferred)))
        else:
            done = event
    if done is None or firmware is None:
        raise DataError("the output ends without the event 'done'")
    if done.whole("inputs") != len(inferred) or done.whole("inferences") != sum(item.inferences for item in inferred):
        raise DataError(f"line {done.number}: the sums are not those of the lines before")
    right = None if done.is_null("right") else done.whole("right")
    if right is not None and right > len(inferred):
        raise DataError(f"line {done.number}: more inputs were right than there are")
    return FirmwareOutput(
        tick_hz=firmware.whole("tick_hz", least=1),
        tick_bits=firmware.whole("tick_bits", least=1),
        link_s=firmware.seconds("link_s"),
        warmup_inferences=warmups,
        inferred=tuple(inferred),
        memory=memory,
        inputs=len(inferred),
        inferences=done.whole("inferences", least=1),
        right=right,
        pin=pin,
    )


def _pin(event: _Event) -> Pin:
    windows = event.lists("windows")
    if any(len(window) != 2 or window[0] > window[1] for window in windows):
        raise DataError(f"line {event.number}: windows are not pairs of cycles")
    noted = event.nested("marks") if event.has("marks") else ()
    marks = tuple(tuple(mark[1] for mark in window if len(mark) == 2) for window in noted)
    if marks and len(marks) != len(windows):
        raise DataError(f"line {event.number}: not as many marks as windows")
    return Pin(event.whole("clock_hz", least=1), tuple((begin, end) for begin, end in windows), marks)


def _inferred(event: _Event, index: int) -> Inferred:
    if event.whole("input") != index:
        raise DataError(f"line {event.number}: another input than the next")
    return Inferred(
        event.whole("inferences", least=1),
        event.whole("ticks"),
        event.wholes("ticks_each"),
        None if event.is_null("host_elapsed_s") else event.seconds("host_elapsed_s"),
        event.flag("asked_again"),
    )


def read_output(folder: Path) -> ProgramOutput:
    """The output of one pass. What cannot be read is ``None`` with the reason, never an exception."""
    try:
        output = read((folder / "stdout.txt").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, DataError):
        reason = ("output_unreadable",)
        return ProgramOutput((PrintedQuantity("latency_s", None, "s", reason),), reasons=reason)
    tick_s = 1.0 / output.tick_hz
    doubts = output.doubts()
    found = [PrintedQuantity("latency_s", output.ticks * tick_s / output.inferences, "s", doubts)]
    each = [ticks for item in output.inferred for ticks in item.ticks_each]
    if output.inferred[0].ticks_each:
        found.append(PrintedQuantity("latency_first_s", output.inferred[0].ticks_each[0] * tick_s, "s", doubts))
    if len(each) > 1:
        found.append(PrintedQuantity("latency_std_s", statistics.stdev(each) * tick_s, "s", doubts))
    if output.right is not None:
        found.append(PrintedQuantity("accuracy", output.right / output.inputs, "1"))
    found += [PrintedQuantity(f"{name}_bytes", float(size), "B") for name, size in output.memory.items()]
    found += _of_pin(output, doubts)
    found += _made(folder)
    return ProgramOutput(
        tuple(found),
        inferences=output.inferences,
        inference_time_s=None if "ticks_disagree" in doubts else output.ticks * tick_s,
        warmup_inferences=output.warmup_inferences,
        resolution_s=tick_s,
        exact_clock=output.pin is not None,
    )


def _of_pin(output: FirmwareOutput, doubts: tuple[str, ...]) -> list[PrintedQuantity]:
    """``latency_pin_s``, exact to a cycle where an inference has a window of its own; ``latency_layer_1_s`` and on."""
    pin = output.pin
    if pin is None or not pin.windows:
        return []
    cycle_s = 1.0 / pin.clock_hz
    found = [PrintedQuantity("latency_pin_s", pin.cycles * cycle_s / output.inferences, "s", doubts)]
    if output.inferences == len(pin.windows):
        found += [
            PrintedQuantity(f"latency_layer_{number}_s", cycles * cycle_s, "s", doubts)
            for number, cycles in enumerate(pin.layers(), start=1)
        ]
    return found


def _made(folder: Path) -> list[PrintedQuantity]:
    """What the steps that made the firmware said, as far as results are to hold it."""
    try:
        made = json.loads((folder / MADE_FILE).read_text(encoding="utf-8"))
        quantities = dict(made["quantities"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return [
        PrintedQuantity(
            str(name), float(value), next((unit for end, unit in _UNITS.items() if name.endswith(end)), "1")
        )
        for name, value in quantities.items()
        if isinstance(value, int | float) and math.isfinite(value)
    ]


def _events(text: str) -> Iterator[_Event]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield _Event(line, number)


class _Event:
    """One line of the output, its fields checked as they are taken."""

    def __init__(self, line: str, number: int) -> None:
        self.number = number
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            raise DataError(f"line {number}: not JSON") from None
        if not isinstance(data, dict):
            raise DataError(f"line {number}: not a JSON object")
        self._data: dict[str, Any] = data
        self.name = data.get("event")
        if not isinstance(self.name, str) or self.name not in _EVENTS:
            raise DataError(f"line {number}: an unknown event")

    def is_null(self, key: str) -> bool:
        """True if the field is there and holds null."""
        return key in self._data and self._data[key] is None

    def whole(self, key: str, least: int = 0) -> int:
        """A whole number."""
        value = self._data.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _MOST:
            raise self._wrong(key, f"a whole number from {least}")
        return value

    def has(self, key: str) -> bool:
        """Is the field there?"""
        return key in self._data

    def lists(self, key: str) -> tuple[tuple[int, ...], ...]:
        """A list of lists of whole numbers."""
        return tuple(self._wholes(key, values) for values in self._list(key, self._data.get(key)))

    def nested(self, key: str) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """A list of such lists."""
        return tuple(
            tuple(self._wholes(key, values) for values in self._list(key, inner))
            for inner in self._list(key, self._data.get(key))
        )

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        return self._wholes(key, self._data.get(key))

    def _wholes(self, key: str, values: Any) -> tuple[int, ...]:
        if not isinstance(values, list) or not all(type(value) is int and 0 <= value < _MOST for value in values):
            raise self._wrong(key, "a list of whole numbers")
        return tuple(values)

    def _list(self, key: str, values: Any) -> list[Any]:
        if not isinstance(values, list):
            raise self._wrong(key, "a list")
        return values

    def seconds(self, key: str) -> float:
        """A finite time that is not negative."""
        value = self._data.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
            raise self._wrong(key, "a time in seconds")
        return float(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._data.get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def _wrong(self, key: str, expected: str) -> DataError:
        return DataError(f"line {self.number}: {key} is not {expected}")
