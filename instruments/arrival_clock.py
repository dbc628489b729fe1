"""How a meter's counter stands to the host's clock, from nothing but when its samples came.

Two things are certain without knowing any delay: a sample had been taken before it came, and it was taken after the
meter was told to begin. Between these two bounds, carried along by the stated limit of error of the meter's clock, lies
the truth. A tighter relation (the meter's UTC) is believed only as far as it stays between them.
"""

from __future__ import annotations

from dataclasses import dataclass

from instruments.protocol import PassContext
from instruments.stream_presence import HOST_CLOCK_PPM
from lab.record.documents import TraceClock
from lab.record.host_clock import host_ns

SPACING_S = 10.0
"""One bound from above is kept for each such stretch, the tightest."""

UTC_BOUND_S = 1e-3
"""What a meter's UTC is taken to be good for: the vendor's typical ±100 µs with much to spare."""

_NS = 1_000_000_000


def host_s() -> float:
    """Now, in seconds of the host's clock; right to the nanosecond."""
    return host_ns() / _NS


@dataclass(frozen=True, slots=True)
class _Instant:
    count: float
    host_ns: float


class ArrivalClock:
    """Collects bounds on when a counter of ``counter_hz`` stood where; ``clock_ppm`` is its limit of error.

    With ``numbered`` false the counter may have missed counts, and stand behind where it should: then an arrival says
    nothing of what came after it.
    """

    def __init__(self, counter_hz: float, clock_ppm: float, *, numbered: bool = True) -> None:
        self._counter_hz = counter_hz
        self._numbered = numbered
        self._error = (clock_ppm + HOST_CLOCK_PPM) * 1e-6
        self._told_ns: int | None = None
        self._first: float | None = None
        self._earliest: dict[int, _Instant] = {}
        self._last: _Instant | None = None
        self._by_utc: dict[int, _Instant] = {}
        self._by_utc_last: _Instant | None = None

    def told_to_begin(self, host_ns: int) -> None:
        """What is noted from now on was taken after this instant."""
        self._told_ns = host_ns

    def began(self, count: float) -> None:
        """The first sample that came has this count; the first call counts."""
        if self._first is None:
            self._first = count

    def reached(self, count: float, host_ns: int) -> None:
        """At ``host_ns`` the counter had reached ``count``: what came then ends there."""
        if self._first is None:
            return
        if self._last is None or count >= self._last.count:
            self._last = _Instant(count, host_ns)
        place = self._place(count)
        known = self._earliest.get(place)
        if known is None or host_ns - self._ns(count) < known.host_ns - self._ns(known.count):
            self._earliest[place] = _Instant(count, host_ns)

    def by_utc(self, count: float, host_ns: float) -> None:
        """By the meter's UTC the counter stood at ``count`` at ``host_ns``; kept every now and then."""
        if self._first is not None:
            self._by_utc_last = _Instant(count, host_ns)
            self._by_utc.setdefault(self._place(count), self._by_utc_last)

    def forget_utc(self) -> None:
        """The meter's UTC is not to be believed."""
        self._by_utc.clear()
        self._by_utc_last = None

    def document(
        self, context: PassContext, instrument: str, first_count: float, decimation: float, samples: int
    ) -> TraceClock | None:
        """The relation for a trace whose sample ``k`` begins at ``first_count + k·decimation``; ``None`` without one.

        Anchors lie at both ends of the trace and wherever a bound was kept.
        """
        if self._told_ns is None or self._last is None or not samples:
            return None
        end = min(first_count + samples * decimation, self._last.count)
        inside = [item.count for item in self._earliest.values() if first_count < item.count < end]
        bounds = {count: self._bounds(count) for count in sorted({first_count, *inside, end})}
        if any(high < low for low, high in bounds.values()):
            return None  # the two contradict each other: something was not what it seemed
        method, bound_ns = "arrival", max((high - low) / 2 for low, high in bounds.values())
        instants = [_Instant(count, (low + high) / 2) for count, (low, high) in bounds.items()]
        if self._utc_is_sound(bound_ns):
            method, bound_ns = "utc", UTC_BOUND_S * _NS
            instants = self._utc_instants()
        anchors = tuple(((item.count - first_count) / decimation, round(item.host_ns)) for item in instants)
        return TraceClock(
            pass_id=context.pass_id,
            attempt=context.attempt,
            instrument=instrument,
            anchors=anchors,
            bound_s=bound_ns / _NS,
            method=method,
        )

    def _ns(self, counts: float) -> float:
        return counts / self._counter_hz * _NS

    def _bounds(self, count: float) -> tuple[float, float]:
        """Between which two instants the counter stood at ``count``."""
        assert self._first is not None
        assert self._told_ns is not None
        since_ns = self._ns(count - self._first)
        low = self._told_ns + since_ns - abs(since_ns) * self._error
        assert self._last is not None
        high = min(
            item.host_ns + self._ns(count - item.count) + abs(self._ns(count - item.count)) * self._error
            for item in (*self._earliest.values(), self._last)
            if self._numbered or item.count >= count
        )
        return low, high

    def _place(self, count: float) -> int:
        assert self._first is not None
        return int((count - self._first) / self._counter_hz / SPACING_S)

    def _utc_instants(self) -> list[_Instant]:
        found = {item.count: item for item in (*self._by_utc.values(), self._by_utc_last) if item is not None}
        return sorted(found.values(), key=lambda item: item.count)

    def _utc_is_sound(self, bound_ns: float) -> bool:
        if not self._by_utc or bound_ns < UTC_BOUND_S * _NS:
            return False
        for item in self._utc_instants():
            low, high = self._bounds(item.count)
            if not low - UTC_BOUND_S * _NS <= item.host_ns <= high + UTC_BOUND_S * _NS:
                return False
        return True
