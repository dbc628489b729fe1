"""The meter's sample counter and its UTC: making the one whole, and watching the other."""

from __future__ import annotations

from dataclasses import dataclass

from instruments.joulescope.signals import TICKS_PER_S

_WRAP = 1 << 32


class Unwrapper:
    """Makes a continuous count of a counter of which only the lower 32 bits are reliable.

    The meters count in 32 bits, and the driver's own extension to 64 has been seen to be off by a multiple of 2^32. So
    each number is taken as the one nearest to the last that has the same lower 32 bits: right as long as no more than
    2^31 counts pass in between (1074 s of a JS220, 134 s of a JS320).
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def take(self, sample_id: int) -> int:
        """The continuous count of a block's ``sample_id``."""
        if self._last is not None:
            ahead = (sample_id - self._last + _WRAP // 2) % _WRAP - _WRAP // 2
            sample_id = self._last + ahead
        self._last = sample_id
        return sample_id


@dataclass(frozen=True, slots=True)
class UtcJump:
    """UTC moved by ``by_s`` against the sample counter, first seen at the count ``at``."""

    at: int
    by_s: float


class UtcWatch:
    """Compares the UTC that comes with each block with the sample counter, which is the time.

    The driver filters its UTC, so that it creeps by some 100 µs; what moves by more than ``tolerance_s`` from one block
    to the next is a jump.
    """

    def __init__(self, counter_hz: int, tolerance_s: float = 0.01) -> None:
        self._counter_hz = counter_hz
        self._tolerance_s = tolerance_s
        self._last: tuple[int, int] | None = None
        self.jumps: list[UtcJump] = []

    def take(self, count: int, utc: int) -> None:
        """Note a block's continuous count and its UTC in ticks."""
        if self._last is not None:
            by_s = (utc - self._last[1]) / TICKS_PER_S - (count - self._last[0]) / self._counter_hz
            if abs(by_s) > self._tolerance_s:
                self.jumps.append(UtcJump(count, by_s))
        self._last = count, utc
