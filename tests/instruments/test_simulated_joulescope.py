"""The simulated meter gives the truth back within its stated limits, and notices each fault by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instruments.protocol import Accuracy, Observation, PassContext, RangeAccuracy
from instruments.simulated.faults import (
    Drift,
    Drops,
    EdgeJitter,
    MeterFault,
    RangeChange,
    Saturation,
    Unplug,
    active_faults,
    bouncing,
    lost_ranges,
)
from instruments.simulated.joulescope import SimulatedJoulescope, SimulatedJoulescopeSettings
from instruments.simulated.rail import Rail
from lab.errors import UsageError
from lab.record.documents import Mark
from lab.record.traces import open_trace

MakeContext = Callable[..., PassContext]
MakeMeter = Callable[..., SimulatedJoulescope]

IDLE_W, IDLE_S = 2.5, 1.0
INFERENCE = [(0.00513, 4.0), (0.01011, 5.0)]
INFERENCES = 200
WINDOW_J = INFERENCES * sum(duration_s * power_w for duration_s, power_w in INFERENCE)
WINDOW_S = INFERENCES * sum(duration_s for duration_s, _ in INFERENCE)


def _one_pass(meter: SimulatedJoulescope, rail: Rail, context: PassContext) -> Observation:
    """Idle, warm-up, a window of inferences, idle."""
    rail.reset()
    meter.open()
    meter.arm(context)
    meter.start()
    rail.draw(IDLE_S, IDLE_W)
    rail.edge("warmup", 1)
    rail.draw(0.0333, 4.0)
    rail.edge("warmup", 0)
    rail.draw(0.00777, 3.0)
    rail.edge("window", 1)
    rail.draw_repeated(INFERENCE, INFERENCES)
    rail.edge("window", 0)
    rail.draw(IDLE_S, IDLE_W)
    return meter.stop()


def _codes(seen: Observation) -> set[str]:
    return {fault.code for fault in seen.faults}


def _marks(seen: Observation) -> dict[str, Mark]:
    return {mark.name: mark for mark in seen.marks}


def _samples(root: Path, seen: Observation) -> tuple[np.ndarray, np.ndarray]:
    with open_trace(root, seen.traces[0]) as trace:
        current = trace.read("current", 0, trace.length).astype(np.float64)
        voltage = trace.read("voltage", 0, trace.length).astype(np.float64)
    return current, voltage


def _window_energy_j(root: Path, seen: Observation) -> float:
    """Energy between the window's marks, first and last sample by their fraction."""
    current, voltage = _samples(root, seen)
    marks = _marks(seen)
    begin, end = marks["window_begin"].sample, marks["window_end"].sample
    weights = np.clip(np.arange(current.size) + 1 - begin, 0, 1) * np.clip(end - np.arange(current.size), 0, 1)
    return float(np.sum(weights * current * voltage)) / seen.traces[0].rate_hz


# ------------------------------------------------------------------------------------------------- without faults


def test_the_window_and_its_energy_come_back(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    for campaign in range(8):
        context = make_context(f"t{campaign:04}.energy", seed=campaign)
        seen = _one_pass(make_meter(campaign_seed=campaign), rail, context)
        assert seen.faults == ()
        # Limits of error: gains, offsets of 0.35 A and of 12 V, clock, and one sample at each edge.
        limit = 2e-3 + 1e-3 + 1e-4 / 0.35 + 1.5e-3 / 12 + 5e-5 + 2e-4 / WINDOW_S
        assert _window_energy_j(tmp_path, seen) == pytest.approx(WINDOW_J, rel=limit)


def test_its_errors_belong_to_the_campaign_and_to_the_instrument(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    def error(campaign: int, seed: int) -> float:
        context = make_context(f"c{campaign}s{seed}.energy", seed=seed)
        seen = _one_pass(make_meter(campaign_seed=campaign), rail, context)
        return _window_energy_j(tmp_path, seen) / WINDOW_J - 1

    same = [error(1, seed) for seed in range(4)]
    other = [error(campaign, 0) for campaign in range(2, 8)]
    assert np.ptp(same) < 1e-4, "what is left between passes is edges, noise and wander"
    assert np.std(other) > 5e-4, "gains are drawn anew for each campaign"


def test_edges_lie_within_their_stated_bounds(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, accuracy: Accuracy
) -> None:
    meter = make_meter(accuracy=replace(accuracy, timebase_ppm=0.0), rate_hz=1000.0)
    errors = []
    for seed in range(60):
        seen = _one_pass(meter, rail, make_context(f"s{seed}.energy", seed=seed))
        marks = _marks(seen)
        assert marks["window_begin"].u_samples == pytest.approx(1 / math.sqrt(12))
        # Sample 0 begins up to one sample after the start: that phase is common to both edges.
        length = marks["window_end"].sample - marks["window_begin"].sample
        errors.append(length - WINDOW_S * 1000.0)
        assert abs(errors[-1]) <= 1.0
    assert np.std(errors) < math.sqrt(2 / 12) * 1.5
    assert abs(np.mean(errors)) < 0.2


def test_idle_stretches_hold_nothing_but_idle(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    seen = _one_pass(make_meter(), rail, make_context())
    marks = _marks(seen)
    current, voltage = _samples(tmp_path, seen)
    for when in ("before", "after"):
        begin, end = (int(marks[f"idle_{when}_{edge}"].sample) for edge in ("begin", "end"))
        assert (end - begin) / 5000.0 > IDLE_S - 0.15
        power_w = current[begin:end] * voltage[begin:end]
        assert np.abs(power_w - IDLE_W).max() < 0.02


def test_a_program_line_bounds_the_idle_stretches(make_meter: MakeMeter, make_context: MakeContext, rail: Rail) -> None:
    meter = make_meter()
    meter.arm(make_context())
    meter.start()
    rail.draw(1.0, IDLE_W)
    rail.edge("program", 1)
    rail.draw(0.5, 6.0)  # it loads its network
    rail.edge("window", 1)
    rail.draw(1.0, 5.0)
    rail.edge("window", 0)
    rail.draw(0.5, 4.0)  # it tidies up
    rail.edge("program", 0)
    rail.draw(1.0, IDLE_W)
    marks = _marks(meter.stop())
    assert marks["idle_before_end"].sample / 5000.0 < 1.0
    assert marks["idle_after_begin"].sample / 5000.0 > 3.0


def test_a_line_that_is_high_when_the_recording_begins_or_ends_leaves_no_idle_there(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail
) -> None:
    meter = make_meter()
    rail.edge("window", 1)
    meter.arm(make_context())
    meter.start()
    rail.draw(1.0, 4.0)
    rail.edge("window", 0)
    rail.draw(1.0, 2.0)
    rail.edge("window", 1)
    rail.draw(1.0, 4.0)
    names = [(mark.name, mark.index) for mark in meter.stop().marks]
    assert names == [("window_end", 0), ("window_begin", 1)]


def test_the_trace_says_that_it_is_simulated(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    seen = _one_pass(make_meter(), rail, make_context())
    assert b"simulated JS220" in (tmp_path / seen.traces[0].path).read_bytes()


def test_recording_begins_at_the_start_not_at_the_lines_zero(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail
) -> None:
    meter = make_meter()
    rail.draw(3.0, 1.0)
    meter.arm(make_context())
    meter.start()
    rail.draw(1.0, 1.0)
    (trace,) = meter.stop().traces
    assert trace.samples == pytest.approx(5000, abs=1)


def test_a_pass_of_no_length_leaves_no_trace_and_no_fault(make_meter: MakeMeter, make_context: MakeContext) -> None:
    meter = make_meter()
    meter.arm(make_context())
    meter.start()
    assert meter.stop() == Observation()


def test_its_wiring_takes_the_next_free_inputs(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    seen = _one_pass(make_meter(model="JS110", window_line="gpi1"), rail, make_context())
    assert {"window_begin", "window_end", "warmup_begin", "warmup_end"} <= _marks(seen).keys()
    with open_trace(tmp_path, seen.traces[0]) as trace:
        assert set(trace.channels) == {"current", "voltage", "gpi0", "gpi1"}


# --------------------------------------------------------------------------------------------------------- faults


def test_lost_samples_are_a_gap_a_fault_and_no_values(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    seen = _one_pass(make_meter(Drops(gaps=5, length_s=0.03)), rail, make_context())
    assert _codes(seen) == {"samples_dropped"}
    (trace,) = seen.traces
    current, voltage = _samples(tmp_path, seen)
    missing = np.zeros(trace.samples, dtype=bool)
    for first, end in trace.gaps:
        missing[first:end] = True
    assert 150 <= missing.sum() <= 750
    np.testing.assert_array_equal(np.isnan(current), missing)
    np.testing.assert_array_equal(np.isnan(voltage), missing)


def test_a_gap_over_an_edge_widens_its_mark_or_takes_it_away(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, accuracy: Accuracy
) -> None:
    """With gaps everywhere edges do get lost; what is left must be true."""
    meter = make_meter(Drops(gaps=25, length_s=0.05), accuracy=replace(accuracy, timebase_ppm=0.0), rate_hz=1000.0)
    true = {"window_begin": IDLE_S + 0.0333 + 0.00777, "window_end": IDLE_S + 0.0333 + 0.00777 + WINDOW_S}
    widened = 0
    for seed in range(30):
        seen = _one_pass(meter, rail, make_context(f"s{seed}.energy", seed=seed))
        (trace,) = seen.traces
        for mark in seen.marks:
            if mark.name not in true:
                continue
            half_width = mark.u_samples * math.sqrt(12) / 2
            # The trace's zero is the first sample that arrived: up to one gap after the start.
            late = 1 + (25 * 50 if trace.samples < 4990 else 0)
            assert mark.sample - half_width - 1e-6 <= true[mark.name] * 1000.0 <= mark.sample + half_width + late + 1e-6
            in_gap = any(first - 1 < mark.sample < end for first, end in trace.gaps)
            assert in_gap == (mark.u_samples > 1)
            widened += in_gap
    assert widened > 10


def test_a_range_that_is_too_small_is_seen_at_its_end(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    seen = _one_pass(make_meter(Saturation(share=0.2)), rail, make_context())
    assert _codes(seen) == {"saturated"}
    current, _ = _samples(tmp_path, seen)
    cut = np.count_nonzero(current >= current.max() * (1 - 1e-6)) / current.size
    assert cut >= 0.2


def test_a_load_beyond_the_range_saturates_without_any_fault_being_asked_for(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail
) -> None:
    meter = make_meter()
    meter.arm(make_context())
    meter.start()
    rail.draw(0.5, 10.0)
    rail.draw(0.01, 30.0)  # 2.5 A
    rail.draw(0.5, 10.0)
    (fault,) = meter.stop().faults
    assert (fault.code, fault.source) == ("saturated", "meter")
    assert "current" in fault.detail


def test_a_supply_beyond_the_voltage_input_saturates(accuracy: Accuracy, make_context: MakeContext) -> None:
    rail = Rail(19.0, 0.05)
    setup = SimulatedJoulescopeSettings("JS220", 1000.0, "2 A", "gpi0", accuracy, 1)
    meter = SimulatedJoulescope("meter", setup, rail)
    meter.arm(make_context())
    meter.start()
    rail.draw(0.5, 10.0)
    (fault,) = meter.stop().faults
    assert fault.code == "saturated"
    assert "voltage" in fault.detail


def test_a_range_change_is_seen_with_its_place_and_moves_the_values(
    make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    rough = RangeAccuracy(full_scale_a=10.0, gain_i=0.2, offset_i_a=0.05, gain_v=0.0, offset_v_v=0.0)
    exact = RangeAccuracy(full_scale_a=2.0, gain_i=0.0, offset_i_a=0.0, gain_v=0.0, offset_v_v=0.0)
    accuracy = Accuracy({"2 A": exact, "10 A": rough}, 0.0, "datasheet")
    setup = SimulatedJoulescopeSettings("JS220", 5000.0, "2 A", "gpi0", accuracy, 1, (RangeChange(at=0.5),))
    meter = SimulatedJoulescope("meter", setup, rail)
    seen = _one_pass(meter, rail, make_context())
    (fault,) = seen.faults
    assert fault.code == "range_changed"
    assert fault.detail.startswith("range 10 A from sample ")
    at = int(fault.detail.split()[-2])
    assert at == pytest.approx(seen.traces[0].samples / 2, abs=1)
    current, _ = _samples(tmp_path, seen)
    assert abs(current[at - 300 : at].mean() - current[at : at + 300].mean()) > 2e-3
    assert "range_changed" not in {fault.code for fault in meter.stop().faults}


def test_an_unplugged_meter_leaves_a_short_trace_and_no_marks_it_did_not_see(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail
) -> None:
    seen = _one_pass(make_meter(Unplug(at=0.5)), rail, make_context())
    assert _codes(seen) == {"meter_unplugged"}
    assert seen.traces[0].samples == pytest.approx((2 * IDLE_S + WINDOW_S + 0.04107) * 5000 / 2, abs=2)
    names = _marks(seen).keys()
    assert {"window_begin", "idle_before_end"} <= names
    assert not {"window_end", "idle_after_begin", "idle_after_end"} & names


def test_a_meter_unplugged_from_the_start_says_so_and_leaves_no_trace(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    seen = _one_pass(make_meter(Unplug(at=0.0)), rail, make_context())
    assert (seen.traces, seen.marks, _codes(seen)) == ((), (), {"meter_timeout"})
    assert not list(tmp_path.glob("traces/*"))


def test_bouncing_edges_are_noticed_and_bounded(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, accuracy: Accuracy
) -> None:
    meter = make_meter(EdgeJitter(bound_s=2e-3), accuracy=replace(accuracy, timebase_ppm=0.0), rate_hz=50_000.0)
    true_s = IDLE_S + 0.0333 + 0.00777
    for seed in range(10):
        seen = _one_pass(meter, rail, make_context(f"s{seed}.energy", seed=seed))
        assert _codes(seen) == {"edge_jitter"}
        windows = [mark for mark in seen.marks if mark.name.startswith("window")]
        assert [mark.name for mark in windows] == ["window_begin", "window_end"]
        for mark, true in zip(windows, (true_s, true_s + WINDOW_S), strict=True):
            half_width = mark.u_samples * math.sqrt(12) / 2
            assert half_width * 2 == pytest.approx(100, abs=2)
            assert abs(mark.sample - true * 50_000.0) <= half_width + 1


def test_drift_makes_idle_before_and_after_disagree_and_nothing_else(
    make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    seen = _one_pass(make_meter(Drift(current_a=5e-3)), rail, make_context())
    assert seen.faults == ()
    marks = _marks(seen)
    current, _ = _samples(tmp_path, seen)
    before, after = (
        current[int(marks[f"idle_{when}_begin"].sample) : int(marks[f"idle_{when}_end"].sample)].mean()
        for when in ("before", "after")
    )
    total_s = 2 * IDLE_S + WINDOW_S + 0.04107
    assert after - before == pytest.approx(5e-3 * (total_s - IDLE_S) / total_s, rel=0.05)


def test_faults_hit_the_passes_they_are_meant_for_as_often_as_they_say() -> None:
    faults = (Drops(probability=0.25, passes=("*.energy",)), Drift(passes=("t0001.*", "t0002.*")))
    hits = [active_faults(faults, f"t{number:04}.energy", number) for number in range(2000)]
    assert sum(hit.of(Drops) is not None for hit in hits) / 2000 == pytest.approx(0.25, abs=0.04)
    assert [number for number, hit in enumerate(hits) if hit.of(Drift)] == [1, 2]
    assert active_faults(faults, "t0003.latency", 3).hit == ()


@given(st.integers(1, 5000), st.integers(1, 60), st.floats(1e-4, 2.0), st.integers(0, 2**32))
def test_lost_ranges_are_disjoint_in_order_and_inside(samples: int, gaps: int, length_s: float, seed: int) -> None:
    ranges = lost_ranges(Drops(gaps=gaps, length_s=length_s), np.random.default_rng(seed), samples, 1000.0)
    assert 1 <= len(ranges) <= gaps
    flat = [border for each in ranges for border in each]
    assert flat == sorted(set(flat))
    assert flat[0] >= 0
    assert flat[-1] <= samples


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(1e-3, 2.0), min_size=1, max_size=8), st.floats(1e-5, 0.5), st.integers(0, 2**32))
def test_bounces_keep_the_lines_story(spacings: list[float], bound_s: float, seed: int) -> None:
    edges = [(float(at), 1 - number % 2) for number, at in enumerate(np.cumsum(spacings))]
    jittered = bouncing(edges, EdgeJitter(bound_s=bound_s), np.random.default_rng(seed))
    assert [level for _, level in jittered] == [1 - number % 2 for number in range(len(jittered))]
    assert jittered[-1][1] == edges[-1][1]
    assert sorted(at for at, _ in jittered) == [at for at, _ in jittered]
    assert min(at for at, _ in jittered) >= 0.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "JS999"}, "no simulated meter"),
        ({"rate_hz": 2e6}, "samples per second"),
        ({"rate_hz": 0.5}, "samples per second"),
        ({"rate_hz": 1000.5}, "whole number"),
        ({"range_name": "auto"}, "has no accuracy"),
        ({"model": "JS110", "window_line": "gpi3"}, "no logic input"),
    ],
)
def test_settings_that_do_not_fit_are_refused_with_what_would(
    accuracy: Accuracy, change: dict[str, object], said: str
) -> None:
    fitting = SimulatedJoulescopeSettings("JS220", 5000.0, "2 A", "gpi0", accuracy, 1)
    with pytest.raises(UsageError, match=said):
        replace(fitting, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", [Drops(), Saturation(), RangeChange(), Unplug(), EdgeJitter(), Drift()])
def test_the_same_pass_attempted_again_gives_the_same_samples(
    fault: MeterFault, make_meter: MakeMeter, make_context: MakeContext, rail: Rail, tmp_path: Path
) -> None:
    first = _one_pass(make_meter(fault), rail, make_context())
    samples = _samples(tmp_path, first)
    again_context = replace(make_context(), attempt=2, trace=tmp_path / "traces" / "again")
    second = _one_pass(make_meter(fault), rail, again_context)
    for left, right in zip(samples, _samples(tmp_path, second), strict=True):
        np.testing.assert_array_equal(left, right)
    assert [mark.sample for mark in first.marks] == [mark.sample for mark in second.marks]
    assert [fault.detail for fault in first.faults] == [fault.detail for fault in second.faults]
