"""A tick counter that begins again and again, followed over all of them, or not at all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.boards.serial.tick_clock import TickClock, TicksAmbiguousError
from lab.errors import HardwareError


class Counter:
    """A counter of ``bits`` bits that really runs at ``hz * (1 + excess)``."""

    def __init__(self, hz: int, bits: int, excess: float, seed: int) -> None:
        self.hz, self.bits, self.excess = hz, bits, excess
        self._random = random.Random(seed)
        self._begin_ticks = self._random.randrange(1 << 40)

    def true_ns(self, at_ns: int) -> float:
        """What a clock without wraps and steps would show."""
        return self._begin_ticks * 1e9 / self.hz + at_ns * (1 + self.excess)

    def look(self, at_ns: int, most_s: float) -> tuple[int, int, int]:
        """(ticks, before, after)."""
        ticks = self._begin_ticks + int(at_ns * (1 + self.excess) * self.hz / 1e9)
        before, after = (int(self._random.uniform(0, most_s) * 1e9) for _ in range(2))
        return ticks % (1 << self.bits), at_ns - before, at_ns + after


counters = st.builds(
    Counter,
    hz=st.sampled_from([1000, 19531, 312_500, 2_500_000, 20_000_000]),
    bits=st.sampled_from([16, 24, 32]),
    excess=st.floats(-0.019, 0.019),
    seed=st.integers(0, 1 << 30),
)


@given(counters, st.lists(st.floats(0.0, 30.0), max_size=30), st.floats(1e-5, 5e-3))
def test_a_count_is_right_or_refused(counter: Counter, gaps_s: list[float], most_s: float) -> None:
    clock = TickClock(counter.hz, counter.bits, tolerance=0.02)
    at_ns = 0
    first: tuple[int, float] | None = None
    for gap_s in gaps_s:
        at_ns += int(gap_s * 1e9)
        ticks, before, after = counter.look(at_ns, most_s)
        try:
            ns = clock.observe(ticks, before, after)
        except TicksAmbiguousError:
            return
        true_ns = counter.true_ns(at_ns)
        first = first or (ns, true_ns)
        assert abs((ns - first[0]) - (true_ns - first[1])) <= 1.01e9 / counter.hz + 1


def test_what_was_seen_of_the_rate_carries_over_longer_silence() -> None:
    """16 bits at 312.5 kHz begin anew every 0.21 s: 5 % would allow 2 s of silence, what was seen allows a minute."""
    counter = Counter(312_500, 16, 0.004, 1)
    quick = TickClock(counter.hz, counter.bits, tolerance=0.05)
    quick.observe(*counter.look(0, 1e-3))
    with pytest.raises(TicksAmbiguousError, match=r"every 0\.21 s"):
        quick.observe(*counter.look(60 * 10**9, 1e-3))
    practised = TickClock(counter.hz, counter.bits, tolerance=0.05)
    at_ns = 0
    for step_s in (0, 1, 1, 2, 4, 8, 16, 60):
        at_ns += step_s * 10**9
        practised.observe(*counter.look(at_ns, 1e-3))
    measured = practised.rate_error()
    assert measured is not None
    assert measured[0] == pytest.approx(0.004, abs=measured[1])
    assert measured[1] < 1e-4


def test_a_rate_beyond_the_tolerance_is_refused() -> None:
    counter = Counter(1_000_000, 32, 0.03, 1)
    clock = TickClock(counter.hz, counter.bits, tolerance=0.01)
    clock.observe(*counter.look(0, 1e-4))
    with pytest.raises(HardwareError, match="from where 1000000 ticks") as refused:
        clock.observe(*counter.look(10**9, 1e-4))
    assert not isinstance(refused.value, TicksAmbiguousError)


def test_an_instant_in_the_past_is_placed_and_changes_nothing() -> None:
    counter = Counter(19531, 16, 0.001, 1)
    clock = TickClock(counter.hz, counter.bits, tolerance=0.01)
    clock.observe(*counter.look(0, 1e-3))
    past = counter.look(5 * 10**9, 1e-3)
    now = clock.observe(*counter.look(20 * 10**9, 1e-3))
    assert clock.place(*past) == pytest.approx(now - 15e9 * 1.001, abs=2e9 / 19531)
    assert clock.place(*past) == clock.place(*past)


def test_resolution_and_range() -> None:
    clock = TickClock(19531, 16, tolerance=0.01)
    assert clock.resolution_ns == 51201
    assert clock.range_s == pytest.approx(3.355, abs=1e-3)
    assert clock.rate_error() is None
