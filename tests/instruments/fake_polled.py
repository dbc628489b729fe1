"""Time that a test lets pass, and meters in it that count what they are told is drawn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from instruments.polling.source import Asked
from instruments.protocol import Probe
from lab.errors import HardwareError
from lab.record.traces.readings import Channel

NS = 1_000_000_000
BEGIN_NS = 5_000 * NS


class FakeTime:
    """Stands still until :meth:`let_pass`; only what is waited or :meth:`spend` on something moves it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._now_ns = self._limit_ns = BEGIN_NS
        self._waits = self._over = False

    @property
    def now_s(self) -> float:
        return (self._now_ns - BEGIN_NS) / NS

    def now_ns(self) -> int:
        return self._now_ns

    def spend(self, seconds: float) -> None:
        self._now_ns += round(seconds * NS)

    def pause(self, seconds: float, stop: threading.Event) -> None:
        target_ns = self._now_ns + round(seconds * NS)
        with self._condition:
            while target_ns > self._limit_ns and not stop.is_set() and not self._over:
                self._waits = True
                self._condition.notify_all()
                self._condition.wait(0.002)
            self._waits = False
        if self._over and not stop.is_set():
            raise RuntimeError("the test is over, and the meter still runs")
        self._now_ns = min(target_ns, max(self._limit_ns, self._now_ns))

    def stop_waiting(self) -> None:
        """End what a test left running."""
        self._over = True

    def let_pass(self, seconds: float) -> None:
        """Let a meter's thread go on for so long; returns when it has, or has ended."""
        self._until_it_waits()
        with self._condition:
            self._waits = False
            self._limit_ns = self._now_ns + round(seconds * NS)
        self._until_it_waits()

    def _until_it_waits(self) -> None:
        end = time.monotonic() + 10
        while not self._waits and any(item.name == "polled meter" for item in threading.enumerate()):
            assert time.monotonic() < end, "the meter's thread neither waits nor ends"
            time.sleep(0.0005)


@dataclass
class Fed:
    """A value of a meter: what it shows at ``t`` (s) in raw units, renewed every ``period_s``; wraps at ``modulus``."""

    channel: Channel
    shows: Callable[[float], float]
    period_s: float = 0.0
    phase_s: float = 0.0
    every: int = 1

    def at(self, t: float) -> int:
        if self.period_s:
            t = (t - self.phase_s) // self.period_s * self.period_s + self.phase_s
        value = int(self.shows(t))
        return value % self.channel.modulus if self.channel.modulus else value


@dataclass
class FakeSource:
    """A :class:`instruments.polling.source.Source` that costs ``read_s`` for each question.

    ``trouble(channel, t)`` may raise what the real thing would, or take longer.
    """

    time: FakeTime
    fed: dict[str, Fed]
    read_s: float = 1e-4
    period_s: float = 0.01
    scope: str = "thing"
    measures: tuple[str, ...] = ("energy",)
    assumes: tuple[str, ...] = ()
    trouble: Callable[[str, float], None] = lambda *_: None
    there: bool = True
    channels: Mapping[str, Asked] = field(default_factory=dict)
    opened: int = 0

    def probe(self) -> Probe:
        return Probe(self.there, "a fake")

    def open(self) -> None:
        if not self.there:
            raise HardwareError("the fake is not there", advice="put it back")
        self.opened += 1
        self.channels = {name: Asked(item.channel, item.every) for name, item in self.fed.items()}

    def read(self, channel: str) -> int:
        self.time.spend(self.read_s / 2)
        self.trouble(channel, self.time.now_s)
        value = self.fed[channel].at(self.time.now_s)
        self.time.spend(self.read_s / 2)
        return value

    def close(self) -> None:
        pass


def constant(power_w: float, per_unit: float) -> Callable[[float], float]:
    """A counter's raw value under constant power, in units of so many joules."""
    return lambda t: power_w * t / per_unit
