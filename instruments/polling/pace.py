"""The time that a polled meter is asked in: the host's clock, and pauses that a stop cuts short."""

from __future__ import annotations

import threading
from typing import Protocol

from lab.record.host_clock import host_ns

NS = 1_000_000_000


class Time(Protocol):
    """A clock and a way to wait on it."""

    def now_ns(self) -> int:
        """Now, on the host's clock."""
        ...

    def pause(self, seconds: float, stop: threading.Event) -> None:
        """Wait so long, or until ``stop`` is set."""
        ...


class HostTime:
    """The real one."""

    def now_ns(self) -> int:
        """Now, on the host's clock."""
        return host_ns()

    def pause(self, seconds: float, stop: threading.Event) -> None:
        """Wait so long, or until ``stop`` is set."""
        stop.wait(seconds)


class Pace:
    """Deadlines at whole multiples of a period after a beginning: lateness never adds up.

    Who is late by a period or more skips the deadlines that he missed (:attr:`missed` counts them) instead of rushing
    through them: a meter asked twice at once says the same thing twice.
    """

    def __init__(self, begin_ns: int, period_s: float) -> None:
        self._begin_ns = begin_ns
        self._period_ns = max(1, round(period_s * NS))
        self.round = 0
        self.missed = 0

    def wait_s(self, now_ns: int) -> float:
        """Go on to the next deadline: how long until then, 0 if it has passed less than a period ago."""
        self.round += 1
        passed = (now_ns - self._begin_ns) // self._period_ns
        if passed > self.round:
            self.missed += passed - self.round
            self.round = passed
        return max(0.0, (self._begin_ns + self.round * self._period_ns - now_ns) / NS)
