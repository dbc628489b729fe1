"""Reads what a request to a serial board printed: one JSON object a line (:mod:`lab.boards.serial.requests`).

The firmware times each inference with a counter. A counter that begins anew within an inference, or whose rate is not
what the firmware says, gives times that are wrong and look right: so they are held against the time that passed here
meanwhile, or, where the core is emulated, against the cycles during which its pin was high.

Beside the output may lie what the lab knows of how the firmware was made, with quantities in it
(:mod:`lab.record.made_file`).
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.readers.json_events import JsonEvent, is_finite, is_whole, json_lines
from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from lab.errors import DataError
from lab.record.made_file import read_made

FEWEST_TICKS = 20
"""An inference of fewer ticks is known worse than to a twentieth."""

_LINK_S = 0.03
_BETWEEN_S = 2e-4
"""What this side and the firmware may add to a run, and between two inferences, before their times are said to
disagree; the round trips come on top."""
_TIMER = 0.02
"""So far the firmware's rate may be off."""

_UNITS = {"_bytes": "B"}
_PIN_EXTRA = 2000
"""Cycles that a firmware may take around and between its inferences while the pin is high."""

_EVENTS = {"firmware", "warmup", "inferred", "memory", "done", "pin"}


@dataclass(frozen=True, slots=True)
class Inferred:
    """The inferences on one input. ``ticks_each`` are of the first ones only, as many as the firmware keeps.

    ``output`` is what the network gave (``None`` where a value is not finite), ``chosen`` the place of its largest
    value, and ``label`` the place that is right, if there were labels; each may be missing.
    """

    inferences: int
    ticks: int
    ticks_each: tuple[int, ...]
    host_elapsed_s: float | None
    asked_again: bool
    output: tuple[float, ...] | None = None
    chosen: int | None = None
    label: int | None = None


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
            raise DataError(f"line {event.line}: something follows the last event")
        if (event.name == "firmware") != (firmware is None):
            raise DataError(f"line {event.line}: the firmware says what it is once, and first")
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
        raise DataError(f"line {done.line}: the sums are not those of the lines before")
    right = None if done.is_null("right") else done.whole("right")
    if right is not None and right > len(inferred):
        raise DataError(f"line {done.line}: more inputs were right than there are")
    return FirmwareOutput(
        tick_hz=firmware.whole("tick_hz", least=1),
        tick_bits=firmware.whole("tick_bits", least=1),
        link_s=firmware.number("link_s"),
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
        raise DataError(f"line {event.line}: windows are not pairs of cycles")
    noted = event.nested("marks") if event.has("marks") else ()
    marks = tuple(tuple(mark[1] for mark in window if len(mark) == 2) for window in noted)
    if marks and len(marks) != len(windows):
        raise DataError(f"line {event.line}: not as many marks as windows")
    return Pin(event.whole("clock_hz", least=1), tuple((begin, end) for begin, end in windows), marks)


def _inferred(event: _Event, index: int) -> Inferred:
    if event.whole("input") != index:
        raise DataError(f"line {event.line}: another input than the next")
    return Inferred(
        event.whole("inferences", least=1),
        event.whole("ticks"),
        event.wholes("ticks_each"),
        None if event.is_null("host_elapsed_s") else event.number("host_elapsed_s"),
        event.flag("asked_again"),
        event.values("output"),
        event.maybe("chosen"),
        event.maybe("label"),
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
    quantities = read_made(folder).get("quantities")
    return [
        PrintedQuantity(name, float(value), next((unit for end, unit in _UNITS.items() if name.endswith(end)), "1"))
        for name, value in (quantities.items() if isinstance(quantities, dict) else ())
        if is_finite(value)
    ]


def _events(text: str) -> Iterator[_Event]:
    for number, line in json_lines(text):
        event = _Event(line, number)
        if not isinstance(event.name, str) or event.name not in _EVENTS:
            raise DataError(f"line {number}: an unknown event")
        yield event


class _Event(JsonEvent):
    """One line of the output."""

    def lists(self, key: str) -> tuple[tuple[int, ...], ...]:
        """A list of lists of whole numbers."""
        return tuple(self._wholes(key, values) for values in self._list(key, self.data.get(key)))

    def nested(self, key: str) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """A list of such lists."""
        return tuple(
            tuple(self._wholes(key, values) for values in self._list(key, inner))
            for inner in self._list(key, self.data.get(key))
        )

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        return self._wholes(key, self.data.get(key))

    def _wholes(self, key: str, values: Any) -> tuple[int, ...]:
        if not isinstance(values, list) or not all(is_whole(value) and value >= 0 for value in values):
            raise self.wrong(key, "a list of whole numbers")
        return tuple(values)

    def _list(self, key: str, values: Any) -> list[Any]:
        if not isinstance(values, list):
            raise self.wrong(key, "a list")
        return values

    def values(self, key: str) -> tuple[float, ...] | None:
        """A list of finite numbers; ``None`` where it is not there or holds others."""
        values = self.data.get(key)
        return tuple(map(float, values)) if isinstance(values, list) and all(map(is_finite, values)) else None

    def maybe(self, key: str) -> int | None:
        """A whole number; ``None`` where there is none."""
        return None if self.data.get(key) is None else self.whole(key)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.data.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value
