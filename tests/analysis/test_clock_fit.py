"""The fit of the board's clock: whatever the link does, the truth lies within the bound, and the bound is no larger
than need be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.clock_fit import FEWEST_PINGS, RATE_LIMIT, ClockFit, Ping, fit_clock
from lab.errors import DataError


@dataclass(frozen=True)
class Link:
    """A board's clock and the way to it. The host's instants are seconds after ``zero_ns``."""

    drift: float = 0.0
    offset_ns: int = 0
    out_s: float = 1e-4
    back_s: float = 1e-4
    jitter_s: float = 1e-4
    spikes: float = 0.0
    zero_ns: int = 0
    seed: int = 1

    def board_ns(self, at_s: float) -> int:
        return self.offset_ns + round(1e9 * at_s * (1.0 + self.drift))

    def pings(self, begin_s: float, count: int = 50, pause_s: float = 1e-3) -> list[Ping]:
        rng = np.random.default_rng([self.seed, round(begin_s * 1e6)])
        found, at_s = [], begin_s
        for _ in range(count):
            out_s, back_s = (
                least + self.jitter_s * (rng.standard_exponential() + (50.0 if rng.random() < self.spikes else 0.0))
                for least in (self.out_s, self.back_s)
            )
            found.append((self._host(at_s), self.board_ns(at_s + out_s), self._host(at_s + out_s + back_s)))
            at_s += out_s + back_s + pause_s
        return found

    def _host(self, at_s: float) -> int:
        return self.zero_ns + round(1e9 * at_s)

    def error_s(self, fit: ClockFit, at_s: float) -> float:
        return abs(fit.host_ns(self.board_ns(at_s)) - self._host(at_s)) * 1e-9

    def bound_s(self, fit: ClockFit, at_s: float) -> float:
        return fit.bound_s(self.board_ns(at_s))


LINKS = st.builds(
    Link,
    drift=st.floats(-100e-6, 100e-6),
    offset_ns=st.integers(0, 10**17),
    out_s=st.floats(0.0, 5e-3),
    back_s=st.floats(0.0, 5e-3),
    jitter_s=st.floats(0.0, 2e-3),
    spikes=st.floats(0.0, 0.3),
    zero_ns=st.integers(0, 10**17),
    seed=st.integers(0, 2**32),
)


@settings(max_examples=150, deadline=None)
@given(LINKS, st.floats(0.5, 120.0), st.floats(-30.0, 150.0))
def test_the_truth_lies_within_the_bound_before_between_and_after(link: Link, apart_s: float, at_s: float) -> None:
    fit = fit_clock([link.pings(40.0), link.pings(40.0 + apart_s)])
    for instant_s in (40.0, 40.0 + apart_s / 3, 40.0 + apart_s, at_s + 40.0):
        assert link.error_s(fit, instant_s) <= link.bound_s(fit, instant_s)
    assert abs(fit.drift - (1 / (1 + link.drift) - 1)) <= fit.drift_bound


@settings(max_examples=60, deadline=None)
@given(LINKS, st.integers(FEWEST_PINGS, 60), st.floats(-60.0, 60.0))
def test_one_batch_is_enough_for_a_larger_bound(link: Link, count: int, away_s: float) -> None:
    fit = fit_clock([link.pings(70.0, count)])
    assert link.error_s(fit, 70.0 + away_s) <= link.bound_s(fit, 70.0 + away_s)
    assert link.bound_s(fit, 130.0) > link.bound_s(fit, 70.0)


def test_with_one_batch_the_rate_is_any_crystals() -> None:
    link = Link(drift=90e-6)
    fit = fit_clock([link.pings(70.0)])
    assert (fit.drift, fit.drift_bound) == (0.0, RATE_LIMIT)
    assert link.bound_s(fit, 130.0) == pytest.approx(RATE_LIMIT * 60.0, rel=0.02)


def test_the_bound_is_half_the_shortest_round_trip_and_little_more() -> None:
    link = Link(drift=30e-6, offset_ns=10**15, jitter_s=50e-6)
    fit = fit_clock([link.pings(0.0), link.pings(12.0)])
    half_s = fit.rtt_min_s / 2
    assert 1e-4 <= half_s <= 1.2e-4
    for at_s in (0.0, 6.0, 12.0):
        assert half_s <= link.bound_s(fit, at_s) <= 1.5 * half_s + 10e-6
    assert link.bound_s(fit, 24.0) > link.bound_s(fit, 12.0)
    assert abs(fit.drift + 30e-6) < 5e-6
    assert fit.kept == 10


def test_an_asymmetric_link_is_off_by_half_the_asymmetry_and_the_bound_says_so() -> None:
    link = Link(out_s=2e-3, back_s=0.0, jitter_s=1e-6)
    fit = fit_clock([link.pings(0.0), link.pings(10.0)])
    assert link.error_s(fit, 5.0) == pytest.approx(1e-3, rel=0.02)
    assert link.bound_s(fit, 5.0) == pytest.approx(1e-3, rel=0.02)


def test_answers_that_were_held_up_do_not_matter() -> None:
    quiet, loud = (Link(spikes=share, seed=3) for share in (0.0, 0.4))
    quiet_fit, loud_fit = (fit_clock([link.pings(0.0), link.pings(10.0)]) for link in (quiet, loud))
    assert loud.bound_s(loud_fit, 5.0) < 1.5 * quiet.bound_s(quiet_fit, 5.0)


def test_more_pings_never_make_it_much_worse_and_batches_apart_make_the_drift_known() -> None:
    link = Link(drift=80e-6)
    near, far = (fit_clock([link.pings(0.0), link.pings(apart_s)]) for apart_s in (2.0, 60.0))
    assert far.drift_bound < near.drift_bound
    # Two batches in the same breath say nothing of the rate: it is then taken for 1, within its limit.
    together = fit_clock([link.pings(0.0), link.pings(0.2)])
    assert (together.drift, together.drift_bound) == (0.0, RATE_LIMIT)


def test_the_same_clock_is_right_to_microseconds() -> None:
    pings = [(at, at + 40, at + 80) for at in range(10**15, 10**15 + 50_000, 1_000)]
    fit = fit_clock([pings, [(a + 10**10, b + 10**10, c + 10**10) for a, b, c in pings]])
    assert abs(fit.host_ns(10**15 + 5 * 10**9) - (10**15 + 5 * 10**9)) < 100
    assert fit.bound_s(10**15 + 5 * 10**9) < 10e-6


# ------------------------------------------------------------------------------------------------------ refusals


def test_too_few_pings_are_refused() -> None:
    with pytest.raises(DataError, match="4 pings"):
        fit_clock([Link().pings(0.0, 2), Link().pings(9.0, 2)])
    with pytest.raises(DataError, match="0 pings"):
        fit_clock([])


def test_a_ping_that_came_back_before_it_was_sent_is_refused() -> None:
    with pytest.raises(DataError, match="before it was sent"):
        fit_clock([[(10, 5, 9)] * 10])


@pytest.mark.parametrize("rate", [0.5, 1.001, 1e-3])
def test_a_clock_that_does_not_count_nanoseconds_is_refused(rate: float) -> None:
    pings = [[(s, round(b * rate), r) for s, b, r in Link().pings(begin_s)] for begin_s in (1.0, 11.0)]
    with pytest.raises(DataError, match=r"ppm|stepped"):
        fit_clock(pings)


def test_a_clock_that_was_stepped_is_refused() -> None:
    first, second = Link(jitter_s=1e-6).pings(0.0), Link(jitter_s=1e-6).pings(10.0)
    stepped = [(s, b + (50_000_000 if number > 25 else 0), r) for number, (s, b, r) in enumerate(first)]
    with pytest.raises(DataError, match="stepped"):
        fit_clock([stepped, second])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(*[st.integers(0, 2**62)] * 3), max_size=8),
        max_size=3,
    )
)
def test_no_pings_crash_it(batches: list[list[Ping]]) -> None:
    try:
        fit = fit_clock(batches)
    except DataError:
        return
    for board_ns in (0, batches[0][0][1] if batches[0] else 1, 2**62):
        assert isinstance(fit.host_ns(board_ns), int)
        assert math.isfinite(fit.bound_s(board_ns))
        assert fit.bound_s(board_ns) > 0
