"""Energies of recorded sessions: the published value lies within the bound, and is met exactly by whole samples."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from energyrunner_sessions import MadeSession, accumulated_index, log_text, make_session, results_text
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.replay import WindowEnergy, runner_clock_s, session_energies
from lab.record.traces.energyrunner import (
    EnergyRunnerSession,
    disagreements,
    edge_range,
    load_session,
    parse_stamps,
)
from lab.record.traces.energyrunner_texts import parse_log, parse_results

MATCH_REL = 1e-8


def as_session(made: MadeSession) -> EnergyRunnerSession:
    """The made-up session through the parsers of its texts, without files."""
    return EnergyRunnerSession(
        folder=Path("made"),
        rate_hz=made.rate_hz,
        energy_uj=made.energy_uj,
        stamps_s=parse_stamps(json.dumps(made.stamps_s)),
        results=parse_results(results_text(made)),
        log=parse_log(log_text(made)),
    )


# --- the real sessions -----------------------------------------------------------------------------------------------


def test_real_sessions_agree_with_what_was_published(real_session: tuple[str, Path]) -> None:
    session = load_session(real_session[1])
    windows = session_energies(session)
    assert len(windows) == 5
    assert disagreements(session) == []
    for window in windows:
        assert window.within_bound
        assert abs(window.energy_j - window.published_j) <= window.edge_bound_j
        assert (
            window.edge_bound_j / window.energy_j < 2.2 / window.duration_s / session.rate_hz
        )  # two samples, not more
        assert window.matches
        assert window.match_residual_rel == pytest.approx(0.0, abs=MATCH_REL)
        assert window.runner_residual_rel == pytest.approx(0.0, abs=MATCH_REL)
        assert 0 < window.edge_u_j < window.edge_bound_j


def test_published_samples_of_real_sessions_begin_and_end_on_the_stamp_or_one_after(
    real_session: tuple[str, Path],
) -> None:
    session = load_session(real_session[1])
    for published, window in zip(session.results.windows, session_energies(session), strict=True):
        begin, end = (round(stamp * session.rate_hz) for stamp in session.bounds_s(published))
        assert window.samples is not None
        assert window.matched_start is not None
        assert window.samples - (end - begin) in (-1, 0, 1)
        assert window.matched_start - begin in (0, 1)
        assert window.matched_start + window.samples - end in (0, 1)


def test_the_meters_of_the_real_sessions_are_named(real_session: tuple[str, Path]) -> None:
    name, folder = real_session
    log = load_session(folder).log
    assert log.meter == ("JS110" if name.startswith("v0.7") else "LPM01A")
    assert log.dropped_packets == (0 if name.startswith("v0.7") else None)
    assert log.voltage_v is not None
    assert 1.7 < log.voltage_v < 7.0


# --- made-up sessions with a known truth -----------------------------------------------------------------------------

INSTANTS = st.lists(st.integers(20_000, 4_950_000), min_size=3, max_size=9, unique=True).map(
    lambda micros: tuple(micro * 1e-6 for micro in sorted(micros))
)


@st.composite
def made_sessions(draw: st.DrawFn, rules: tuple[str, ...] = ("accumulated", "ceil", "floor")) -> MadeSession:
    instants = draw(INSTANTS)
    assume(all(after - before > 0.004 for before, after in pairwise(instants)))
    return make_session(
        samples=5000,
        instants_s=instants,
        inferences=draw(st.integers(1, 5000)),
        seed=draw(st.integers(0, 2**32)),
        rule=draw(st.sampled_from(rules)),
        level_uj=draw(st.sampled_from([0.5, 40.0, 2000.0])),
    )


@given(made=made_sessions())
def test_the_published_energy_lies_within_the_bound_whatever_whole_samples_were_taken(made: MadeSession) -> None:
    for window, true in zip(session_energies(as_session(made)), made.windows, strict=True):
        assert window.within_bound
        assert window.lowest_j - 1e-12 <= true.energy_uj * 1e-6 <= window.highest_j + 1e-12


@given(made=made_sessions())
def test_the_true_energy_between_the_true_instants_lies_within_the_bound(made: MadeSession) -> None:
    cumulative = np.concatenate([[0.0], np.cumsum(made.energy_uj, dtype=np.float64)]) * 1e-6
    grid = np.arange(cumulative.size) / made.rate_hz
    for window, true in zip(session_energies(as_session(made)), made.windows, strict=True):
        begin_j, end_j = np.interp((true.true_begin_s, true.true_end_s), grid, cumulative)
        assert abs(window.energy_j - (end_j - begin_j)) <= window.edge_bound_j + 1e-12


@given(made=made_sessions(("accumulated",)))
def test_sums_of_whole_samples_give_the_published_energy_to_its_last_digit(made: MadeSession) -> None:
    for window in session_energies(as_session(made)):
        assert window.runner_j == pytest.approx(window.published_j, abs=0.5001e-9)
        if window.samples is not None:
            assert window.matches
            assert window.matched_j == pytest.approx(window.published_j, abs=0.5001e-9)
            assert not window.disagreements


@given(made=made_sessions())
def test_the_bound_is_no_wider_than_one_sample_at_each_end(made: MadeSession) -> None:
    largest_j = float(np.abs(made.energy_uj).max()) * 1e-6
    for window in session_energies(as_session(made)):
        assert window.edge_bound_j <= 2 * largest_j * (1 + 1e-9)


def test_the_standard_uncertainty_is_that_of_edges_uniform_over_their_openings() -> None:
    """By Monte Carlo: constant power, each edge anywhere within ± one sample."""
    made = make_session(samples=3000, instants_s=(0.1, 0.5, 2.5), inferences=1, seed=1)
    made.energy_uj[:] = 250.0
    window = session_energies(as_session(replace_published(made)))[0]
    shifts = np.random.default_rng(1).uniform(-1.0, 1.0, size=(200_000, 2))
    scatter_j = float(np.std((shifts[:, 1] - shifts[:, 0]) * 250e-6))
    assert window.edge_u_j == pytest.approx(scatter_j, rel=0.01)
    assert window.edge_u_j == pytest.approx(250e-6 * math.sqrt(2 / 3), rel=1e-9)


def replace_published(made: MadeSession) -> MadeSession:
    """The session with its published figures computed anew from its samples."""
    for number, true in enumerate(made.windows):
        total = float(made.energy_uj[true.first : true.last].astype(np.float64).sum())
        power = total / ((true.last - true.first) / made.rate_hz)
        made.windows[number] = replace(true, energy_uj=total, power_uw=power)
    return made


@given(stamp_ms=st.integers(0, 4999))
def test_the_runners_clock_is_counted_one_by_one(stamp_ms: int) -> None:
    found = int(np.searchsorted(runner_clock_s(5000, 1000.0), stamp_ms / 1000, side="left"))
    assert found == accumulated_index(stamp_ms / 1000, 1000.0, 5000)
    assert found in (stamp_ms, stamp_ms + 1)


def test_rounding_errors_of_the_runners_clock_do_move_edges() -> None:
    """Or else the rule would be no different from taking ``round(t·rate)``."""
    clock = runner_clock_s(120_000, 1000.0)
    moved = [stamp for stamp in range(120_000) if clock[stamp] < stamp / 1000]
    assert 1000 < len(moved) < 119_000


def _only(made: MadeSession) -> WindowEnergy:
    (window,) = session_energies(as_session(made))
    return window


def test_a_published_energy_that_is_not_of_this_trace_is_outside_the_bound() -> None:
    made = make_session(samples=5000, instants_s=(0.1, 0.5, 3.5), inferences=10, seed=3)
    assert _only(made).within_bound
    made.energy_uj[1000:1100] *= 1.5
    window = _only(made)
    assert not window.within_bound
    assert window.matches is False


def test_where_the_printed_power_is_too_coarse_nothing_is_said_about_the_number_of_samples() -> None:
    made = make_session(samples=5000, instants_s=(0.1, 0.5, 3.5), inferences=10, seed=3, level_uj=1e-5)
    window = _only(made)
    assert window.samples is None
    assert window.matches is None
    assert window.match_residual_rel is None
    assert not window.disagreements
    assert window.within_bound


def test_energy_before_the_first_sample_is_not_invented() -> None:
    made = make_session(samples=3000, instants_s=(0.0, 0.0005001, 2.5), inferences=10, seed=3)
    assert edge_range(made.stamps_s[1], 1000.0)[0] == 0
    made.stamps_s[0], made.stamps_s[1] = 0.0, 0.001
    window = _only(made)
    assert window.within_bound
