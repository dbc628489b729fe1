"""The coded load is found to a fraction of a sample under noise, and refused where it is not there beyond doubt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from analysis_fakes import ArrayTrace
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.board_marks import parse_board_marks
from analysis.coded_load import Code, CodedClock, codes_in, find_codes
from lab.boards.simulated.coded_load import m_sequence
from lab.errors import DataError
from lab.record.marks_file import mark_lines

SUPPLY_V = 12.0
CHIP_S = 0.02
SEQUENCE = m_sequence(6)


@dataclass
class Scene:
    """A trace of idle, code, program, code, idle. Times in s of the trace; the board's clock runs on its own."""

    rate_hz: float = 5000.0
    drift: float = 40e-6
    offset_ns: int = 77_000_000_123
    height_w: float = 0.5
    noise_w: float = 0.05
    program_w: float = 3.0
    code_s: tuple[float, ...] = (1.0123, 5.2987)
    length_s: float = 7.6
    delay_s: float = 0.0
    jitter_s: float = 2e-5
    sequence: tuple[bool, ...] = SEQUENCE
    seed: int = 3
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def board_ns(self, at_s: float) -> int:
        return self.offset_ns + round(1e9 * at_s * (1.0 + self.drift))

    def sample(self, at_s: float) -> float:
        return at_s * self.rate_hz

    def made(self) -> tuple[ArrayTrace, list[Code]]:
        """The trace, and what the program wrote."""
        rng = np.random.default_rng(self.seed)
        codes, borders, levels = [], [0.0], [0.0]
        events: list[tuple[float, float]] = []
        for begin_s in self.code_s:
            # Chips begin late by some microseconds, and are written down so.
            instants = begin_s + CHIP_S * np.arange(len(SEQUENCE) + 1)
            instants += self.jitter_s * rng.standard_exponential(instants.size)
            codes.append(
                Code(
                    tuple(self.board_ns(float(at)) for at in instants[:-1]),
                    SEQUENCE,
                    self.board_ns(float(instants[-1])),
                )
            )
            events += [
                (at + self.delay_s, self.height_w * busy) for at, busy in zip(instants[:-1], self.sequence, strict=True)
            ]
            events.append((instants[-1] + self.delay_s, 0.0))
        if len(self.code_s) == 2:
            first, last = self.code_s
            middle_s = (first + 1.4, last - 0.1)
            events += [(middle_s[0], self.program_w), (middle_s[1], 0.0)]
        for at_s, power_w in sorted(events):
            borders.append(at_s)
            levels.append(power_w)
        count = int(self.length_s * self.rate_hz)
        edges = np.array([*borders, self.length_s + 1.0])
        energy = np.concatenate([[0.0], np.cumsum(np.diff(edges) * np.array(levels))])
        power_w = np.diff(np.interp(np.arange(count + 1) / self.rate_hz, edges, energy)) * self.rate_hz
        power_w += 2.0 + self.noise_w * rng.standard_normal(count)
        for begin, end in self.gaps:
            power_w[begin:end] = np.nan
        return ArrayTrace(self.rate_hz, voltage=np.full(count, SUPPLY_V), current=power_w / SUPPLY_V), codes

    def found(self) -> CodedClock:
        trace, codes = self.made()
        return find_codes(trace, codes, self.gaps)

    def error_s(self, clock: CodedClock, at_s: float) -> float:
        return (clock.sample(self.board_ns(at_s)) - self.sample(at_s)) / self.rate_hz


def test_it_is_found_to_a_fraction_of_a_sample() -> None:
    scene = Scene(noise_w=0.005)
    clock = scene.found()
    assert len(clock.found) == 2
    for at_s in (1.0, 3.0, 5.0, 7.0):
        assert abs(scene.error_s(clock, at_s)) < 0.1 / scene.rate_hz
    assert clock.found[0].score > 0.97
    assert clock.found[0].height_w == pytest.approx(scene.height_w, rel=0.01)
    assert clock.samples_per_s / scene.rate_hz - 1 == pytest.approx(-scene.drift, abs=10e-6)


@settings(max_examples=60, deadline=None)
@example(noise_w=0.125, drift=0.0, rate_hz=500.0, first_s=0.1, seed=2228)
@given(
    noise_w=st.floats(0.0, 0.3),
    drift=st.floats(-150e-6, 150e-6),
    rate_hz=st.sampled_from([500.0, 1000.0, 5000.0, 20000.0]),
    first_s=st.floats(0.1, 1.5),
    seed=st.integers(0, 2**32),
)
def test_the_truth_lies_within_the_bound(
    noise_w: float, drift: float, rate_hz: float, first_s: float, seed: int
) -> None:
    scene = Scene(rate_hz=rate_hz, drift=drift, noise_w=noise_w, code_s=(first_s, 5.2987), seed=seed)
    try:
        clock = scene.found()
    except DataError:
        # Where the noise is as high as the pattern and samples are few, saying so is the right answer.
        assert noise_w > 0.15
        return
    for at_s in (0.0, first_s, 3.0, 5.0, 7.5):
        assert abs(scene.error_s(clock, at_s)) <= clock.bound_s(scene.board_ns(at_s))
    spread_s = abs(scene.error_s(clock, 5.0) - scene.error_s(clock, 2.5))
    assert spread_s <= clock.change_s(2.5)


def test_under_much_noise_it_is_still_found_with_a_larger_bound() -> None:
    quiet, loud = Scene(noise_w=0.02), Scene(noise_w=0.5)
    bounds_s = [scene.found().bound_s(scene.board_ns(3.0)) for scene in (quiet, loud)]
    assert bounds_s[0] < 0.2e-3
    assert 2 * bounds_s[0] < bounds_s[1] < 5e-3


def test_one_pattern_is_enough_for_a_larger_bound() -> None:
    scene = Scene(code_s=(1.0123,))
    clock = scene.found()
    for at_s in (0.0, 1.6, 7.0):
        assert abs(scene.error_s(clock, at_s)) <= clock.bound_s(scene.board_ns(at_s))
    assert clock.bound_s(scene.board_ns(7.0)) > 1e-3


def test_it_is_found_whatever_height_the_program_has() -> None:
    for program_w in (0.0, 0.5, 30.0):
        scene = Scene(program_w=program_w)
        assert abs(scene.error_s(scene.found(), 3.0)) < 1e-4


def test_a_power_that_follows_the_load_late_is_taken_with_its_lateness() -> None:
    # Regulators delay the program's own steps as well.
    scene = Scene(delay_s=2e-3, noise_w=0.005)
    assert scene.error_s(scene.found(), 3.0) == pytest.approx(2e-3, abs=5e-5)


def test_what_else_is_at_work_in_one_busy_stretch_does_not_matter() -> None:
    scene = Scene(noise_w=0.01)
    trace, codes = scene.made()
    begin = int(scene.sample(1.0123 + 20.3 * CHIP_S))
    trace.data["current"][begin : begin + 60] += 0.04
    clock = find_codes(trace, codes)
    assert abs(scene.error_s(clock, 3.0)) <= clock.bound_s(scene.board_ns(3.0))


# ---------------------------------------------------------------------------------------------------------- gaps


def test_a_small_gap_in_a_pattern_costs_little() -> None:
    scene = Scene(gaps=[(5640, 5680), (6000, 6010)])
    clock = scene.found()
    assert clock.found[0].pairs < clock.found[1].pairs
    assert abs(scene.error_s(clock, 3.0)) <= clock.bound_s(scene.board_ns(3.0))


def test_gaps_that_the_file_fills_with_numbers_are_gaps_all_the_same() -> None:
    scene = Scene()
    trace, codes = scene.made()
    trace.data["current"][5300:5500] = 40.0
    clock = find_codes(trace, codes, [(5300, 5500)])
    assert abs(scene.error_s(clock, 3.0)) <= clock.bound_s(scene.board_ns(3.0))


def test_a_pattern_lost_in_a_gap_leaves_the_other() -> None:
    scene = Scene(gaps=[(5200, 10_000)])
    clock = scene.found()
    assert len(clock.found) == 1
    assert abs(scene.error_s(clock, 5.5)) <= clock.bound_s(scene.board_ns(5.5))


def test_both_lost_are_refused() -> None:
    with pytest.raises(DataError, match="gaps"):
        Scene(gaps=[(0, 36_000)]).found()


# ------------------------------------------------------------------------------------------------------ refusals


def reversed_code() -> tuple[bool, ...]:
    return tuple(reversed(SEQUENCE))


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        (Scene(height_w=0.0), "not in the trace"),
        (Scene(height_w=-0.4), "not in the trace|does not rise"),
        (Scene(sequence=reversed_code()), "not in the trace"),
        (Scene(sequence=tuple(not busy for busy in SEQUENCE)), "not in the trace|does not rise"),
        (Scene(rate_hz=300.0), "samples in a chip"),
        (Scene(noise_w=5.0), "not in the trace|beyond doubt"),
        (Scene(length_s=5.0), "too short"),
        (Scene(drift=0.02), "not in the trace|ppm|not where"),
    ],
)
def test_what_is_not_there_is_refused(scene: Scene, message: str) -> None:
    with pytest.raises(DataError, match=message):
        scene.found()


def test_two_equal_patterns_for_one_that_was_written_are_not_beyond_doubt() -> None:
    trace, codes = Scene().made()
    with pytest.raises(DataError, match="beyond doubt"):
        find_codes(trace, codes[:1])


def test_a_flat_trace_is_refused() -> None:
    _, codes = Scene().made()
    flat = ArrayTrace(5000.0, voltage=np.full(38_000, 12.0), current=np.full(38_000, 0.25))
    with pytest.raises(DataError, match=r"not in the trace|gaps"):
        find_codes(flat, codes)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["white", "walk", "steps"]), st.floats(0.001, 1.0))
def test_in_a_trace_without_it_it_is_never_found(seed: int, kind: str, size: float) -> None:
    rng = np.random.default_rng(seed)
    count = 9000
    power_w: Any = rng.standard_normal(count)
    if kind == "walk":
        power_w = np.cumsum(power_w) / 30
    elif kind == "steps":
        power_w = np.repeat(rng.standard_normal(count // 25), 25)
    trace = ArrayTrace(1200.0, power=3.0 + size * power_w)
    _, codes = Scene().made()
    with pytest.raises(DataError):
        find_codes(trace, codes)


# --------------------------------------------------------------------------------------------------------- marks


def lines(busy: str, chip_ns: int = 20_000_000) -> bytes:
    chips = [("code_busy" if each == "1" else "code_idle", number * chip_ns) for number, each in enumerate(busy)]
    return mark_lines([("code_begin", 0), *chips, ("code_end", len(busy) * chip_ns)]).encode()


def test_patterns_are_read_from_the_marks() -> None:
    content = lines("110100110101001") + b"window_begin 400000000\n"
    (code,) = codes_in(parse_board_marks(content, "marks"))
    assert code.chip_s == pytest.approx(0.02)
    assert [up for _, up in code.edges()] == [True, False] * 6
    assert [at_s for at_s, _ in code.edges()][:3] == pytest.approx([0.0, 0.04, 0.06])
    assert code.edges()[-1][0] == pytest.approx(0.3)


def test_a_pattern_that_was_not_played_to_its_end_is_none() -> None:
    assert codes_in(parse_board_marks(lines("110100110101001").replace(b"code_end", b"other"), "marks")) == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["code_begin", "code_busy", "code_idle", "code_end", "window_begin"]),
            st.one_of(st.integers(0, 40_000_000), st.integers(0, 2**62)),
        ),
        max_size=80,
    ),
    st.lists(st.booleans(), min_size=15, max_size=70),
    st.integers(0, 2**32),
)
def test_no_marks_and_no_trace_crash_it(steps: list[tuple[str, int]], chips: list[bool], seed: int) -> None:
    at_ns, written = 0, []
    sane = [("code_begin", 0), *(("code_busy" if busy else "code_idle", 20_000_000) for busy in chips), ("code_end", 7)]
    for name, step_ns in [*steps, *sane]:
        at_ns = min(at_ns + step_ns, 2**63 - 1)
        written.append((name, at_ns))
    rng = np.random.default_rng(seed)
    trace = ArrayTrace(600.0, power=np.where(rng.random(2500) < 0.05, np.nan, rng.standard_normal(2500)))
    try:
        clock = find_codes(trace, codes_in(parse_board_marks(mark_lines(written).encode(), "marks")))
    except DataError:
        return
    assert np.isfinite(clock.sample(at_ns))
    assert clock.bound_s(at_ns) > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"code_busy 4\n", "without a code_begin"),
        (b"code_end 4\n", "without a code_begin"),
        (lines("1010"), "4 chips"),
        (lines("1" * 20), "hardly ever"),
        (lines("10" * 10, chip_ns=0), "cut short"),
    ],
)
def test_marks_that_make_no_pattern_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        codes_in(parse_board_marks(content, "marks"))
