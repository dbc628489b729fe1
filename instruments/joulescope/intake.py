"""From what the driver publishes to blocks of all channels side by side.

The driver calls from its own thread and must not be held up; so what it publishes goes into a bounded queue, and a
thread of ours takes it from there, puts the signals side by side and gives them to whoever records or watches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from instruments.bounded_queue import BoundedQueue, Loss
from instruments.joulescope.alignment import Aligner, GridChangedError
from instruments.joulescope.counter import Unwrapper
from instruments.joulescope.driver import Value
from instruments.joulescope.ranges import RangeWatch
from instruments.joulescope.settings import JoulescopeSettings
from instruments.joulescope.settling import Settling
from instruments.joulescope.signals import CURRENT, TICKS_PER_S, MalformedBlockError, Signal, SignalBlock, decode
from instruments.joulescope.statistics import MeterSum, meter_sum
from instruments.stream_presence import StreamPresence
from instruments.stream_recorder import Block

STATISTICS = "statistics"
"""The name under which the meter's own sums are received."""

_EPOCH_S = 1_514_764_800
"""2018-01-01 UTC, where the vendor's UTC begins, in seconds of Unix time."""

_LAGGARD_S = 2.0
"""A signal that stays behind the others by more holds them up no longer."""

_FORWARD_S = 10.0
"""The sample counter may run ahead of the host's clock by so much from one block to the next."""

_BACKWARD_S = 1.0
"""Blocks that begin more than this before the last one's end are no repetition: the counter went back."""


def utc_ticks() -> int:
    """Now, as the vendor's driver counts UTC."""
    return (time.time_ns() - _EPOCH_S * 1_000_000_000) * TICKS_PER_S // 1_000_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A published value: the name it was put in under, and host's clock (s) and UTC (ticks) when it came."""

    name: str
    value: Value
    at_s: float
    utc: int


@dataclass(frozen=True, slots=True)
class Clocks:
    """The host's: ``host_s`` only counts, ``utc`` is the time of day in the vendor's ticks."""

    host_s: Callable[[], float]
    utc: Callable[[], int]


class Sink(Protocol):
    """Who is given what came, in the intake's thread."""

    def signal(self, channel: str, block: SignalBlock, arrival: Arrival) -> None:
        """A block of one signal, its count continuous."""
        ...

    def block(self, block: Block, at_s: float) -> None:
        """Samples of all channels."""
        ...

    def meter_sum(self, item: MeterSum) -> None:
        """A sum of the meter's own, its counts continuous with those of the samples."""
        ...

    def trouble(self, code: str, detail: str) -> None:
        """What follows is of no use, and left out."""
        ...


class _CounterJumpedError(Exception):
    """The sample counter did what no counter does."""


class Intake:
    """Receives what a meter sends until :meth:`end`; :meth:`receive` may be called from any thread."""

    def __init__(
        self,
        settings: JoulescopeSettings,
        signals: tuple[Signal, ...],
        presence: StreamPresence,
        sink: Sink,
        clocks: Clocks,
        name: str,
    ) -> None:
        self._settings = settings
        self._signals = {item.channel: item for item in signals}
        self._presence = presence
        self._sink = sink
        self._clocks = clocks
        self._queue: BoundedQueue[Arrival] = BoundedQueue(settings.queue_bytes)
        self._unwrapper = Unwrapper()
        self._settling = Settling(settings)
        lag_s = settings.lag_counts / settings.meter.counter_hz
        patience = round((_LAGGARD_S + lag_s) * settings.rate_hz) + 1
        self.aligner = Aligner(signals, settings.decimation, settings.lag_counts, patience)
        self.ranges = RangeWatch(settings.meter, settings.fixed_range)
        self._current_end: int | None = None
        self._next_index: int | None = None
        self._last_s = 0.0
        self._thread = threading.Thread(target=self._work, name=f"{name}-writer", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def receive(self, name: str, value: Value) -> None:
        """Take a published value: a block of the signal ``name``, or :data:`STATISTICS`."""
        data = value.get("data") if isinstance(value, dict) else None
        arrival = Arrival(name, value, self._clocks.host_s(), self._clocks.utc())
        self._queue.put(arrival, int(getattr(data, "nbytes", 0)))

    def end(self) -> None:
        """Work off what came, and no more."""
        self._queue.close()
        self._thread.join()

    @property
    def loss(self) -> Loss:
        """What came faster than it could be worked off."""
        return self._queue.loss

    def _work(self) -> None:
        while (arrival := self._queue.get()) is not None:
            if self._presence.useless:
                continue
            try:
                self._take(arrival)
            except (MalformedBlockError, GridChangedError, _CounterJumpedError) as error:
                self._sink.trouble("counter_jumped", f"{error}; what follows is left out")
            except (OSError, RuntimeError, ValueError, MemoryError) as error:
                self._sink.trouble("trace_unreadable", f"the trace could not be written ({error})")

    def _take(self, arrival: Arrival) -> None:
        if arrival.name == STATISTICS:
            item = meter_sum(arrival.value)
            if item is not None:
                begin = self._unwrapper.take(item.begin)
                self._sink.meter_sum(MeterSum(begin, begin + item.end - item.begin, item.power_w))
            return
        block = decode(self._signals[arrival.name], arrival.value)
        block = replace(block, sample_id=self._unwrapper.take(block.sample_id))
        if arrival.name == CURRENT:
            self._watch_counter(block.sample_id, block.end)
        self.aligner.add(arrival.name, self._settling.take(arrival.name, block))
        self._sink.signal(arrival.name, block, arrival)
        for aligned in self.aligner.ready():
            self._give(aligned, arrival.at_s)

    def _watch_counter(self, begin: int, end: int) -> None:
        counter_hz = self._settings.meter.counter_hz
        if self._current_end is not None and begin < self._current_end - _BACKWARD_S * counter_hz:
            back_s = (self._current_end - begin) / counter_hz
            raise _CounterJumpedError(f"the sample counter went back by {back_s:.3f} s")
        self._current_end = end

    def _give(self, block: Block, at_s: float) -> None:
        if self._next_index is not None:
            ahead_s = (block.first_sample - self._next_index) / self._settings.rate_hz
            if ahead_s > at_s - self._last_s + _FORWARD_S:
                raise _CounterJumpedError(f"the sample counter ran ahead by {ahead_s:.3f} s")
        self._next_index = block.first_sample + int(block.current_a.size)
        self._last_s = at_s
        self._sink.block(replace(block, range_codes=self.ranges.known(block.range_codes)), at_s)
