"""The firmware's tick counter as a clock: nanoseconds that only grow, though the counter begins again and again.

A counter of 16 bits may begin anew every few milliseconds. How often it did between two looks at it, the host's clock
tells, as long as it knows the counter's rate well enough: at first to what the bench file allows
(``clock_tolerance``), then as well as the looks at it have shown. Where that does not decide it, nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.errors import HardwareError

_WANDER = 200e-6
"""So much a rate that was measured may change: a ceramic resonator over a few kelvin."""
_NS = 1_000_000_000


class TicksAmbiguousError(HardwareError):
    """Too long ago: nobody knows how often the counter began anew."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The counter, counted on, at the host's instant ``at_ns``, which is right to ``half_ns``."""

    ticks: int
    at_ns: int
    half_ns: int


class TickClock:
    """Follows one counter of ``bits`` bits at ``hz``; ``tolerance`` is how wrong that rate may be, relatively."""

    def __init__(self, hz: int, bits: int, tolerance: float) -> None:
        self._hz = hz
        self._range = 1 << bits
        self._tolerance = tolerance
        self._first: _Look | None = None
        self._last: _Look | None = None

    @property
    def resolution_ns(self) -> int:
        """A tick, rounded up."""
        return -(-_NS // self._hz)

    @property
    def range_s(self) -> float:
        """After so long the counter begins anew."""
        return self._range / self._hz

    def observe(self, ticks: int, before_ns: int, after_ns: int) -> int:
        """The counter was read between two of the host's instants: nanoseconds of the board's clock (the middle of the
        tick; they begin anywhere).

        Raises :class:`TicksAmbiguousError`, and :class:`HardwareError` for a counter that is not where its rate would
        have it.
        """
        self._last = self._looked(ticks, before_ns, after_ns)
        self._first = self._first or self._last
        return self._ns(self._last.ticks)

    def place(self, ticks: int, before_ns: int, after_ns: int) -> int:
        """The same for an instant in the past; nothing is learned from it."""
        return self._ns(self._looked(ticks, before_ns, after_ns).ticks)

    def rate_error(self) -> tuple[float, float] | None:
        """How much faster than it says the counter runs, relatively, and how far that may be wrong; ``None`` before two
        looks."""
        if self._first is None or self._last is None or self._last.at_ns <= self._first.at_ns:
            return None
        span_ns = self._last.at_ns - self._first.at_ns
        elapsed_ns = (self._last.ticks - self._first.ticks) * _NS / self._hz
        open_ns = self._first.half_ns + self._last.half_ns + 2 * self.resolution_ns
        return elapsed_ns / span_ns - 1.0, open_ns / span_ns

    def _ns(self, ticks: int) -> int:
        return (2 * ticks + 1) * _NS // (2 * self._hz)

    def _looked(self, ticks: int, before_ns: int, after_ns: int) -> _Look:
        at_ns, half_ns = (before_ns + after_ns) // 2, (after_ns - before_ns + 1) // 2
        last = self._last
        if last is None:
            return _Look(ticks, at_ns, half_ns)
        excess, known_to = self._rate()
        span_ns = at_ns - last.at_ns
        expected = span_ns * self._hz * (1.0 + excess) / _NS
        open_ticks = (half_ns + last.half_ns + known_to * abs(span_ns)) * self._hz / _NS + 2
        if open_ticks >= self._range / 2:
            raise TicksAmbiguousError(
                f"the firmware's tick counter begins anew every {self.range_s:.3g} s, and after "
                f"{abs(span_ns) / _NS:.3g} s nobody can tell how often it did",
                advice="let the firmware count its timer's overflows (32 bits), or state board.clock_tolerance closer",
            )
        passed = (ticks - last.ticks) % self._range
        passed += round((expected - passed) / self._range) * self._range
        if abs(passed - expected) > open_ticks:
            raise HardwareError(
                f"the firmware's tick counter is {abs(passed - expected) / self._hz:.3g} s from where "
                f"{self._hz} ticks a second would have it after {abs(span_ns) / _NS:.3g} s",
                advice="the firmware states another tick rate than its timer has (F_CPU, prescaler), or it restarted",
            )
        return _Look(last.ticks + passed, at_ns, half_ns)

    def _rate(self) -> tuple[float, float]:
        """Excess over the stated rate, and how far that may be wrong."""
        measured = self.rate_error()
        if measured is None or measured[1] + _WANDER >= self._tolerance:
            return 0.0, self._tolerance
        return measured[0], measured[1] + _WANDER
