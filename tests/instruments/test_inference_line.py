"""A line that is high while one inference runs: put on the rail at once, recorded, and no cause of marks or faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.protocol import Accuracy, Observation
from instruments.simulated.joulescope import SimulatedJoulescope, SimulatedJoulescopeSettings
from instruments.simulated.rail import Rail
from instruments.stream_recorder import Block, StreamFormat, StreamRecorder
from lab.errors import UsageError
from lab.record.traces import open_trace

IDLE_S = 0.5
BETWEEN_S = 3e-4


def _one_pass(meter: SimulatedJoulescope, rail: Rail, context, durations_s: np.ndarray) -> Observation:
    """Idle, a window of inferences with pauses between them, idle."""
    rail.reset()
    meter.open()
    meter.arm(context)
    meter.start()
    rail.draw(IDLE_S, 2.0)
    rail.edge("window", 1)
    begins_s = rail.now_s + np.cumsum(durations_s + BETWEEN_S) - durations_s - BETWEEN_S / 2
    table_s = np.stack(
        [np.full(durations_s.size, BETWEEN_S / 2), durations_s, np.full(durations_s.size, BETWEEN_S / 2)]
    )
    table_w = np.broadcast_to(np.array([[2.5], [5.0], [2.5]]), table_s.shape)
    rail.draw_many(table_s.T.ravel(), table_w.T.ravel())
    rail.pulses("inference", begins_s, begins_s + durations_s)
    rail.edge("window", 0)
    rail.draw(IDLE_S, 2.0)
    return meter.stop()


@pytest.fixture
def wired(rail: Rail, accuracy: Accuracy) -> SimulatedJoulescope:
    settings = SimulatedJoulescopeSettings(
        model="JS220",
        rate_hz=20e3,
        range_name="2 A",
        window_line="gpi2",
        accuracy=accuracy,
        campaign_seed=3,
        lines={"gpi0": "inference"},
    )
    return SimulatedJoulescope("meter", settings, rail)


def test_pulses_are_edges_and_those_that_touch_are_one() -> None:
    rail = Rail(12.0, 0.0)
    rail.draw(10.0, 1.0)
    rail.pulses("inference", np.array([1.0, 2.0, 5.0]), np.array([2.0, 3.0, 6.0]))
    assert rail.edges("inference") == [(1.0, 1), (3.0, 0), (5.0, 1), (6.0, 0)]
    rail.pulses("inference", np.array([7.0]), np.array([8.0]))
    assert rail.edges("inference")[-2:] == [(7.0, 1), (8.0, 0)]
    rail.pulses("inference", np.zeros(0), np.zeros(0))
    rail.reset()
    assert rail.edges("inference") == []


@pytest.mark.parametrize(
    ("begins", "ends"),
    [([1.0, 1.5], [2.0, 3.0]), ([1.0], [1.0]), ([2.0, 1.0], [3.0, 1.5]), ([0.2], [0.3]), ([1.0], [2.0, 3.0])],
)
def test_pulses_that_make_no_sense_are_refused(begins: list[float], ends: list[float]) -> None:
    rail = Rail(12.0, 0.0)
    rail.draw(0.5, 1.0)
    rail.edge("inference", 1)
    rail.edge("inference", 0)
    with pytest.raises(ValueError, match=r"pulses|length"):
        rail.pulses("inference", np.array(begins), np.array(ends))


@given(st.lists(st.tuples(st.floats(1e-3, 1.0), st.floats(1e-3, 1.0)), min_size=1, max_size=20))
def test_pulses_and_single_edges_tell_the_same_story(pulses: list[tuple[float, float]]) -> None:
    one, many = Rail(12.0, 0.0), Rail(12.0, 0.0)
    begins, ends = [], []
    for low_s, high_s in pulses:
        one.draw(low_s, 1.0)
        begins.append(one.now_s)
        one.edge("inference", 1)
        one.draw(high_s, 2.0)
        ends.append(one.now_s)
        one.edge("inference", 0)
    many.draw(one.now_s, 1.0)
    many.pulses("inference", np.array(begins), np.array(ends))
    assert many.edges("inference") == one.edges("inference")
    energies_j = one.energies_j(np.array(begins), np.array(ends))
    np.testing.assert_allclose(energies_j, [2.0 * high_s for _, high_s in pulses], rtol=1e-9)


def test_a_branch_has_power_of_its_own_and_the_lines_of_the_board() -> None:
    board = Rail(12.0, 0.05)
    soc = board.branch(0.95, 0.002)
    board.draw(1.0, 4.0)
    soc.draw(1.0, 2.0)
    board.edge("window", 1)
    assert soc.edges("window") == [(1.0, 1)]
    _, voltage_v, current_a = soc.segments()
    assert voltage_v[0] * current_a[0] == pytest.approx(2.0)
    board.reset()
    assert soc.edges("window") == []


def test_the_line_is_recorded_and_gives_neither_marks_nor_faults(
    make_context, rail: Rail, wired: SimulatedJoulescope
) -> None:
    """Pauses of six samples, far inside the debounce time of other lines."""
    context = make_context()
    durations_s = np.full(150, 4.1e-3)
    seen = _one_pass(wired, rail, context, durations_s)
    assert seen.faults == ()
    assert {mark.name for mark in seen.marks} == {
        *("window_begin", "window_end", "idle_before_begin", "idle_before_end", "idle_after_begin", "idle_after_end")
    }
    with open_trace(context.record_root, seen.traces[0]) as trace:
        assert "gpi0" in trace.channels
        levels = trace.read("gpi0", 0, trace.length).astype(int)
    assert np.count_nonzero(np.diff(levels) == 1) == durations_s.size


def test_idle_stretches_do_not_depend_on_the_line(make_context, rail: Rail, wired: SimulatedJoulescope) -> None:
    """It may float while the board idles: what bounds the idle are the window's edges."""
    context = make_context()
    rail.reset()
    wired.arm(context)
    wired.start()
    rail.pulses("inference", np.arange(1, 40) * 0.01, np.arange(1, 40) * 0.01 + 0.005)
    rail.draw(IDLE_S, 2.0)
    rail.edge("window", 1)
    rail.draw(1.0, 5.0)
    rail.edge("window", 0)
    rail.draw(IDLE_S, 2.0)
    marks = {mark.name: mark.sample / 20e3 for mark in wired.stop().marks}
    assert marks["idle_before_begin"] == 0.0
    assert marks["idle_before_end"] == pytest.approx(IDLE_S - 0.1, abs=2e-3)


def test_wiring_as_stated_or_the_next_free_inputs(accuracy: Accuracy) -> None:
    settings = SimulatedJoulescopeSettings("JS220", 1e3, "2 A", "gpi1", accuracy, 1)
    assert settings.wiring == {"gpi1": "window", "gpi0": "warmup", "gpi2": "program"}
    stated = replace(settings, lines={"gpi3": "inference"})
    assert stated.wiring == {"gpi1": "window", "gpi3": "inference"}
    with pytest.raises(UsageError, match="gpi1"):
        replace(settings, lines={"gpi1": "inference"})
    with pytest.raises(UsageError, match="no logic input"):
        replace(settings, lines={"gpi7": "inference"})


def test_a_hundred_thousand_inferences_are_written_as_they_come(make_context) -> None:
    """What the recorder does with the line is to write it; the rail takes all edges at once."""
    rail = Rail(12.0, 0.0)
    rail.draw(1e3, 1.0)
    at_s = np.arange(100_000) * 1e-2
    rail.pulses("inference", at_s, at_s + 5e-3)
    lines = {"gpi0": "window", "gpi1": "inference"}
    form = StreamFormat("test", "1", 1e5, [("2 A", 2.0)], 15.0, lines)
    samples = 1 << 20
    ramp = np.zeros(samples, np.float32)
    levels = {"gpi0": np.zeros(samples, np.uint8), "gpi1": (np.arange(samples) // 5 % 2).astype(np.uint8)}
    block = Block(0, ramp, ramp, np.zeros(samples, np.uint8), levels)
    with StreamRecorder(make_context("t0002.energy"), "meter", form) as recorder:
        recorder.feed(block)
        seen = recorder.finish(samples / 1e5)
    assert (seen.marks, seen.faults) == ((), ())
