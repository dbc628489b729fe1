"""An exact stand-in for the vendor's driver with Joulescopes behind it: topics, blocks and errors as the real one has.

What it is exact about was read from the source of jetperch/joulescope_driver 2.2: which topics a model has and what
they accept, that settings of an absent device time out, how blocks are numbered and packed, that lower rates of a JS220
come out of a filter that delays, that a JS110 does not number what it loses, that a removed device is announced.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.joulescope.models import MODELS, filter_delay

TICKS_PER_S = 1 << 30
RATES = {float(step * 10**power) for power in range(7) for step in (1, 2, 5)}
BLOCK_S = 0.05
"""The driver publishes 20 times a second."""

MADE_UP = 0.5
"""By this factor those samples are wrong that the driver's filter gives before it is filled."""

Times = NDArray[np.float64]
OnValue = Callable[[str, Any], None]


@dataclass
class Line:
    """What the meter watches, as functions of the time in s since it began to play."""

    current: Callable[[Times], Times] = lambda t: np.full(t.shape, 0.25)
    voltage: Callable[[Times], Times] = lambda t: np.full(t.shape, 12.0)
    levels: dict[int, Callable[[Times], NDArray[Any]]] = field(default_factory=dict)
    range_code: Callable[[Times], NDArray[Any]] | None = None
    """By default the range that is selected."""


def pulse(begin_s: float, end_s: float) -> Callable[[Times], NDArray[Any]]:
    """A logic line that is high from ``begin_s`` to ``end_s``."""
    return lambda t: (t >= begin_s) & (t < end_s)


def step(quiet: float, busy: float, begin_s: float, end_s: float) -> Callable[[Times], Times]:
    """``busy`` from ``begin_s`` to ``end_s``, else ``quiet``."""
    return lambda t: np.where((t >= begin_s) & (t < end_s), busy, quiet)


class Clock:
    """The host's clock, moved by what the devices play."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class FakeDevice:
    """One connected meter. ``count`` is its sample counter; ``bits`` how many of it the driver gives."""

    def __init__(self, model: str, serial: str, clock: Clock, count: int = 1 << 20, bits: int = 64) -> None:
        self.path = f"u/{model.lower()}/{serial}"
        self.meter = MODELS[model]
        self.clock = clock
        self.count = count
        self.bits = bits
        self.is_open = False
        self.present = True
        self.deaf: set[str] = set()
        """Topics that are not answered."""
        self.silent: set[str] = set()
        """Stems of signals that are switched on but give nothing."""
        self.lost: list[tuple[float, float, tuple[str, ...]]] = []
        """What gets lost while playing: from, to in s, and the stems of the signals hit (none: all)."""
        self.utc_offset_s = 0.0
        self.statistics_gain = 1.0
        self.lead_in_s = 0.1
        """What comes as soon as the current is switched on."""
        self.answers_after_s = 0.0
        """From when the current is switched on until its first sample is taken."""
        self.idle = Line()
        self._lock = threading.RLock()
        self.epoch_s = 1e8
        """UTC less the host's clock."""
        self._host_of_count = (0, 0.0)
        self._fed_from: dict[str, int] = {}
        """The count of the first sample that went into a signal's filter."""
        self.topics: dict[str, Any] = self._topics()
        self.history: list[tuple[str, Any]] = []
        self._next: dict[str, int] = {}
        self._shift: dict[str, int] = {}
        self._next_sum = 0
        self.publish_out: OnValue = lambda *_: None

    def _topics(self) -> dict[str, Any]:
        topics: dict[str, Any] = {"h/fs": 2_000_000, "s/i/ctrl": 0, "s/v/ctrl": 0, "s/p/ctrl": 0, "s/i/range/ctrl": 0}
        topics |= {f"s/gpi/{line[3:]}/ctrl": 0 for line in self.meter.logic_inputs}
        topics |= {"s/stats/ctrl": 0, "s/stats/scnt": 500_000, "s/v/range/select": 0, "c/fw/version": 0x01030002}
        if self.meter.has_range_mode:
            return topics | {"s/i/range/select": 129, "s/i/range/mode": "auto", "s/v/range/mode": "auto"}
        return topics | {"s/i/range/select": 128, "s/i/range/mode": 2}

    def set(self, topic: str, value: Any) -> None:
        """A host sets a topic; raises as the driver does."""
        if not (self.present and self.is_open) or topic in self.deaf:
            raise TimeoutError(f"jsdrv_publish timed out | {self.path}/{topic}")
        if topic not in self.topics:
            raise RuntimeError(f"jsdrv_publish failed 20 UNAVAILABLE | {self.path}/{topic}")
        if not self._accepts(topic, value):
            raise RuntimeError(f"jsdrv_publish failed 5 PARAMETER_INVALID | {self.path}/{topic}")
        self.topics[topic] = value
        self.history.append((topic, value))
        if topic.endswith("/ctrl") and topic != "s/stats/ctrl":
            with self._lock:
                self._switch(topic.removesuffix("/ctrl"), bool(value))
            if topic == "s/i/ctrl" and value:
                self.clock.now_s += self.answers_after_s
                self.play(self.lead_in_s, self.idle)

    def _accepts(self, topic: str, value: Any) -> bool:
        if topic == "h/fs":
            return value in RATES
        if topic == "s/i/range/select":
            return value in {item.select for item in self.meter.current_ranges} | {128}
        if topic == "s/i/range/mode":
            return value in (("auto", "manual", "off") if self.meter.has_range_mode else (0, 1, 2, 3))
        if topic == "s/v/range/select":
            return value in {item.select for item in self.meter.voltage_ranges}
        return True

    def _switch(self, stem: str, on: bool) -> None:
        if not on:
            self._next.pop(stem, None)
        elif not self.meter.samples_are_numbered and not self._next:
            self.count = 0  # a JS110 counts anew when its first stream is switched on
            self._shift.clear()
            self._next[stem] = 0
        else:
            self._next[stem] = self._aligned(stem)
        if on:
            self._fed_from[stem] = self._next[stem]

    def _aligned(self, stem: str) -> int:
        unit = self._step(stem) * 8
        return -(-self.count // unit) * unit

    @property
    def _rate_hz(self) -> float:
        return float(min(self.topics["h/fs"], self.meter.analog_hz))

    @property
    def _selected_code(self) -> int:
        selected = {item.select: item.code for item in self.meter.current_ranges}
        return selected.get(self.topics["s/i/range/select"], 0)

    def _step(self, stem: str) -> int:
        analog = round(self.meter.counter_hz / self._rate_hz)
        if stem in ("s/i", "s/v", "s/p") or self.meter.name == "JS110":
            return analog
        return {"JS220": 1, "JS320": 16}[self.meter.name]

    # ------------------------------------------------------------------------------------------------------ playing

    def play(self, duration_s: float, line: Line) -> None:
        """Let time pass; what is watched is published as it comes."""
        begin = self.count
        begin_s = self.clock.now_s
        self._host_of_count = (begin, begin_s)
        end = begin + round(duration_s * self.meter.counter_hz)
        while self.count < end:
            self.count = min(end, self.count + round(BLOCK_S * self.meter.counter_hz))
            self.clock.now_s = begin_s + (self.count - begin) / self.meter.counter_hz
            with self._lock:
                if self.present:
                    for stem in list(self._next):
                        self._publish(stem, begin, line)
                    self._publish_statistics(begin, line)

    def _publish(self, stem: str, origin: int, line: Line) -> None:
        step_counts = self._step(stem)
        first = self._next[stem]
        samples = (self.count - first) // step_counts // 8 * 8
        if samples <= 0:
            return
        self._next[stem] = first + samples * step_counts
        if stem in self.silent:
            return
        ids = first + step_counts * np.arange(samples, dtype=np.int64)
        kept = np.ones(samples, dtype=bool)
        for from_s, to_s, stems in self.lost:
            since_s = (ids - origin) / self.meter.counter_hz
            if not stems or stem in stems:
                kept &= ~((since_s >= from_s) & (since_s < to_s))
        if not kept.all():
            # Whole bytes and words get lost, never single samples.
            kept = np.repeat(kept.reshape(-1, 8).all(axis=1), 8)
        if not self.meter.samples_are_numbered:
            self._send_unnumbered(stem, ids[kept], int((~kept).sum()), origin, line)
            return
        borders = np.flatnonzero(np.diff(kept.astype(np.int8))) + 1
        for piece, flags in zip(np.split(ids, borders), np.split(kept, borders), strict=True):
            if not flags[0]:
                continue
            if piece[0] != ids[0]:
                self._fed_from[stem] = int(piece[0])
            self._send(stem, piece, int(piece[0]), origin, line)

    def _send_unnumbered(self, stem: str, ids: NDArray[Any], missing: int, origin: int, line: Line) -> None:
        """As a JS110: what follows a loss is numbered on as if nothing were missing."""
        shift = self._shift.get(stem, 0)
        if ids.size:
            self._send(stem, ids, int(ids[0]) - shift, origin, line)
        self._shift[stem] = shift + missing * self._step(stem)

    def _send(self, stem: str, ids: NDArray[Any], sample_id: int, origin: int, line: Line) -> None:
        hz, step_counts = self.meter.counter_hz, self._step(stem)
        adc = self.meter.counter_hz // self.meter.analog_hz
        analog = stem in ("s/i", "s/v", "s/p")
        if analog and self.meter.filters_on_host:
            # The filter gives its output at the last of the inputs of a group, for an instant its delay before.
            stamp = step_counts - adc
            sample_id += stamp
            at = ids + stamp + adc / 2 - filter_delay(step_counts // adc) * adc
        else:
            at = ids + step_counts / 2 if analog else ids.astype(np.float64)
        t = (at - origin) / hz
        data: NDArray[Any]
        if stem == "s/i":
            data = line.current(t).astype(np.float32)
        elif stem == "s/v":
            data = line.voltage(t).astype(np.float32)
        elif stem == "s/p":
            data = self._power(t, step_counts, line)
        elif stem == "s/i/range":
            codes = np.full(t.shape, self._selected_code) if line.range_code is None else line.range_code(t)
            data = codes.astype(np.uint8)
        else:
            level = line.levels.get(int(stem[-1]))
            levels = np.zeros(t.shape, bool) if level is None else level(t)
            data = np.packbits(levels.astype(np.uint8), bitorder="little")
        if analog and self.meter.filters_on_host:
            # The filter is filled with whatever sample comes first, and keeps what it has over a gap.
            reach = ids + stamp - 2 * filter_delay(step_counts // adc) * adc
            data[reach < self._fed_from[stem]] *= np.float32(MADE_UP)
        self.send_block(stem, sample_id, data)

    def _power(self, t: Times, step_counts: int, line: Line) -> NDArray[Any]:
        """Multiplied before it is filtered: where the load is faster than the rate, not the product of the means."""
        spread = (np.arange(8) - 3.5) / 8 * step_counts / self.meter.counter_hz
        at = t[:, None] + (spread if step_counts > self.meter.counter_hz // self.meter.analog_hz else 0 * spread)
        return np.asarray((line.current(at) * line.voltage(at)).mean(axis=1), np.float32)

    def send_block(self, stem: str, sample_id: int, data: Any, change: dict[str, Any] | None = None) -> None:
        """Publish a block just so; ``change`` replaces some of its values."""
        hz = self.meter.counter_hz
        value = {
            "sample_id": sample_id % (1 << self.bits),
            "utc": round((self._host_s(sample_id) + self.epoch_s + self.utc_offset_s) * TICKS_PER_S),
            "field_id": 0,
            "index": 0,
            "sample_rate": hz,
            "decimate_factor": self._step(stem),
            "time_map": {"offset_time": 0, "offset_counter": 0, "counter_rate": float(hz)},
            "data": data,
        }
        self.publish_out(f"{self.path}/{stem}/!data", {**value, **(change or {})})

    def _host_s(self, sample_id: int) -> float:
        count, at_s = self._host_of_count
        return at_s + (sample_id - count) / self.meter.counter_hz

    def _publish_statistics(self, origin: int, line: Line) -> None:
        if not self.topics["s/stats/ctrl"]:
            return
        decimation = self.meter.counter_hz // self.meter.analog_hz
        length = self.topics["s/stats/scnt"] * decimation
        first = max(self._next_sum, -(-origin // length) * length)
        while first + length <= self.count:
            t = (np.arange(first, first + length, decimation) + decimation / 2 - origin) / self.meter.counter_hz
            power_w = float(np.mean(line.current(t) * line.voltage(t))) * self.statistics_gain
            value = {
                "time": {"samples": {"value": [first, first + length], "units": "samples"}},
                "signals": {"power": {"avg": {"value": power_w, "units": "W"}}},
            }
            self.publish_out(f"{self.path}/s/stats/value", value)
            first += length
        self._next_sum = first

    def unplug(self) -> None:
        """The cable is pulled."""
        self.present = self.is_open = False
        self._next.clear()
        self.publish_out("@/!remove", self.path)

    def plug_in(self) -> None:
        """It is back, with its settings as they are after power-on."""
        self.present = True
        self.topics = self._topics()


class FakeDriver:
    """The driver. Give ``lambda: driver`` to an instrument as its factory."""

    def __init__(self, devices: Iterable[FakeDevice] = ()) -> None:
        self.devices = list(devices)
        self.subscribers: list[tuple[str, OnValue]] = []
        self.opened: list[tuple[str, str | None]] = []
        self.finalized = 0
        for device in self.devices:
            device.publish_out = self.deliver

    def deliver(self, topic: str, value: Any) -> None:
        """Call whoever subscribed."""
        for subscribed, fn in list(self.subscribers):
            if subscribed == topic:
                fn(topic, value)

    def _at(self, topic: str) -> tuple[FakeDevice, str]:
        for device in self.devices:
            if topic == device.path or topic.startswith(device.path + "/"):
                return device, topic[len(device.path) + 1 :]
        raise TimeoutError(f"jsdrv_publish timed out | {topic}")

    def device_paths(self, timeout: float | None = None) -> list[str]:
        return sorted(device.path for device in self.devices if device.present)

    def open(self, device_prefix: str, mode: str | None = None, timeout: float | None = None) -> None:
        device, _ = self._at(device_prefix)
        if not device.present or "@/!open" in device.deaf:
            raise TimeoutError(f"jsdrv_open timed out | {device_prefix}")
        if device.is_open:
            raise RuntimeError(f"jsdrv_open failed 21 IN_USE | {device_prefix}")
        device.is_open = True
        self.opened.append((device_prefix, mode))

    def close(self, device_prefix: str, timeout: float | None = None) -> None:
        device, _ = self._at(device_prefix)
        if not device.present:
            raise TimeoutError(f"jsdrv_close timed out | {device_prefix}")
        device.is_open = False

    def publish(self, topic: str, value: Any, timeout: float | None = None) -> None:
        device, rest = self._at(topic)
        device.set(rest, value)

    def query(self, topic: str, timeout: float | None = None) -> Any:
        device, rest = self._at(topic)
        if not device.is_open or rest not in device.topics:
            raise RuntimeError(f"jsdrv_query failed 16 NOT_FOUND | {topic}")
        return device.topics[rest]

    def subscribe(self, topic: str, flags: str, fn: OnValue, timeout: float | None = None) -> None:
        assert flags == "pub"
        self.subscribers.append((topic, fn))

    def unsubscribe(self, topic: str, fn: OnValue, timeout: float | None = None) -> None:
        for place, (subscribed, known) in enumerate(self.subscribers):
            if subscribed == topic and known is fn:
                del self.subscribers[place]
                return
        raise RuntimeError(f"jsdrv_unsubscribe failed 16 NOT_FOUND | {topic}")

    def finalize(self, timeout: float | None = None) -> None:
        self.finalized += 1
