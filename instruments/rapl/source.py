"""An energy counter of RAPL (running average power limit) as a source of readings: perf first, powercap second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from instruments.polling.meter import PATIENCE_S, PolledMeter
from instruments.polling.pace import HostTime, Time
from instruments.polling.source import Asked, said
from instruments.polling.update_period import measure_update_period
from instruments.protocol import Accuracy, Probe
from instruments.rapl.counters import (
    NOTHING_ADVICE,
    SYS,
    Counter,
    Domain,
    OpenEvent,
    open_on_cpu,
    open_perf,
    open_powercap,
)
from lab.errors import HardwareError

Way = Literal["auto", "perf", "powercap"]

ENERGY = "energy"

PERIOD_S = 0.01
"""RAPL renews its counters about once a millisecond; so often is enough for the power in between."""

_MOST_W = 10_000.0
"""No package draws more: the counter must not get through half its range between two questions."""

_MOVES_WITHIN_S = 0.25
"""A counter that is fed moves in every millisecond; one that stands still for so long is not."""


class RaplSource:
    """A domain's counter as a :class:`~instruments.polling.source.Source`.

    ``way`` chooses between perf and powercap, ``auto`` takes the first that moves. ``root`` is where the kernel's
    ``/sys`` lies, ``open_event`` opens a perf event.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        way: Way = "auto",
        scope: str | None = None,
        period_s: float = PERIOD_S,
        root: Path = SYS,
        open_event: OpenEvent = open_on_cpu,
        time: Time | None = None,
    ) -> None:
        self.measures: tuple[str, ...] = ("energy",)
        self.assumes: tuple[str, ...] = ()
        self.scope = scope or str(domain)
        self.period_s = period_s
        self.channels: Mapping[str, Asked] = {}
        self._domain = domain
        self._way = way
        self._asked_period_s = period_s
        self._root = root
        self._open_event = open_event
        self._time = time or HostTime()
        self._counter: Counter | None = None

    def probe(self) -> Probe:
        """Open the counter, see it move, and close it."""
        try:
            counter, power_w = self._moving()
        except HardwareError as error:
            return Probe(False, error.message, error.advice or "")
        counter.close()
        facts = {
            "domain": str(self._domain),
            "source": counter.how,
            "joules_per_count": counter.channel.scale,
            "modulus": counter.channel.modulus,
        }
        return Probe(True, f"{self._domain} by {counter.how}, {power_w:.3g} W now", facts=facts)

    def open(self) -> None:
        """Open the counter and see it move. Raises :class:`HardwareError` with what each way says."""
        if self._counter is not None:
            return
        self._counter, _ = self._moving()
        channel = self._counter.channel
        self.channels = {ENERGY: Asked(channel)}
        if channel.modulus is not None:
            half_s = channel.modulus * channel.scale / 2 / _MOST_W
            self.period_s = min(self._asked_period_s, half_s)

    def read(self, channel: str) -> int:
        """The counter's raw value."""
        assert self._counter is not None
        return self._counter.read()

    def close(self) -> None:
        """Let go. Idempotent."""
        counter, self._counter = self._counter, None
        if counter is not None:
            counter.close()

    def _moving(self) -> tuple[Counter, float]:
        """The first counter that moves, and its power now."""
        ways = ("perf", "powercap") if self._way == "auto" else (self._way,)
        refused: list[str] = []
        advice: list[str] = []
        for way in ways:
            try:
                return self._tried(way)
            except HardwareError as error:
                refused.append(f"{way}: {error.message}")
                advice.append(error.advice or NOTHING_ADVICE)
        # What can be done about permission is worth more than that there is nothing of the other kind.
        useful = [item for item in advice if item != NOTHING_ADVICE] or [NOTHING_ADVICE]
        raise HardwareError("; ".join(refused), advice="; ".join(dict.fromkeys(useful)))

    def _tried(self, way: str) -> tuple[Counter, float]:
        counter: Counter
        if way == "perf":
            counter = open_perf(self._domain, self._root, self._open_event)
        else:
            counter = open_powercap(self._domain, self._root)
        try:
            before, began_ns = counter.read(), self._time.now_ns()
            period = measure_update_period(counter.read, self._time, limit_s=_MOVES_WITHIN_S)
            step, length_s = counter.read() - before, (self._time.now_ns() - began_ns) * 1e-9
        except OSError as error:
            counter.close()
            raise HardwareError(f"{counter.how} cannot be read ({said(error)})", advice=NOTHING_ADVICE) from error
        if period is None:
            counter.close()
            raise HardwareError(f"{counter.how} stands still", advice=NOTHING_ADVICE)
        if step < 0:
            step += counter.channel.modulus or 0
        return counter, step * counter.channel.scale / length_s


def rapl_meter(
    name: str,
    domain: Domain,
    *,
    way: Way = "auto",
    scope: str | None = None,
    period_s: float = PERIOD_S,
    accuracy: Accuracy | None = None,
    root: Path = SYS,
    open_event: OpenEvent = open_on_cpu,
    time: Time | None = None,
    patience_s: float = PATIENCE_S,
) -> PolledMeter:
    """The meter of a domain, asked every ``period_s``."""
    source = RaplSource(domain, way=way, scope=scope, period_s=period_s, root=root, open_event=open_event, time=time)
    return PolledMeter(name, source, accuracy=accuracy, time=time, patience_s=patience_s)
