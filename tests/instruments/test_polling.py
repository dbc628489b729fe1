"""What a meter that is asked again and again promises: the trace, its edges, and a reason for all that goes wrong."""

from __future__ import annotations

import errno
import threading
import time as real_time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fake_polled import NS, FakeSource, FakeTime, Fed, constant
from hypothesis import given
from hypothesis import strategies as st

from instruments.polling.meter import PolledMeter
from instruments.polling.pace import HostTime, Pace
from instruments.polling.source import MeterGoneError, MeterSilentError
from instruments.polling.update_period import measure_update_period
from instruments.protocol import (
    Accuracy,
    Instrument,
    Observation,
    PassContext,
    PowerAccuracy,
    ShowsLive,
    is_power_meter,
)
from lab.errors import HardwareError
from lab.record.documents import from_json, to_json
from lab.record.quantity import Origin
from lab.record.reasons import REASONS
from lab.record.traces.readings import Channel, Readings, read_readings

MakeContext = Callable[..., PassContext]

JOULES = Channel(measures="energy", scale=1e-3)
WATTS = Channel(measures="power", scale=1e-3, update_period_s=0.02)


def counter(power_w: float = 40.0, period_s: float = 0.1, **more: object) -> Fed:
    return Fed(JOULES, constant(power_w, 1e-3), period_s=period_s, phase_s=0.03, **more)  # type: ignore[arg-type]


@pytest.fixture
def time() -> Iterator[FakeTime]:
    yield (fake := FakeTime())
    fake.stop_waiting()


def meter_of(source: FakeSource, **more: object) -> PolledMeter:
    meter = PolledMeter("meter", source, time=source.time, **more)  # type: ignore[arg-type]
    meter.open()
    return meter


def recorded(meter: PolledMeter, time: FakeTime, context: PassContext, seconds: float = 3.0) -> Observation:
    meter.arm(context)
    meter.start()
    time.let_pass(seconds)
    return meter.stop()


def trace_of(seen: Observation, context: PassContext) -> Readings:
    return read_readings(context.record_root / seen.traces[0].path)


def codes(seen: Observation) -> set[str]:
    return {fault.code for fault in seen.faults}


# ------------------------------------------------------------------------------------------------------ a sound pass


def test_a_counter_is_recorded_from_edge_to_edge(time: FakeTime, make_context: MakeContext) -> None:
    meter = meter_of(FakeSource(time, {"energy": counter()}))
    seen = recorded(meter, time, context := make_context())
    assert seen.faults == ()
    readings = trace_of(seen, context)
    energy = readings.channels["energy"]
    changes = np.flatnonzero(np.diff(energy.value))
    assert changes[-1] == energy.value.size - 2, "the last reading is the first of a new value"
    assert energy.middle_ns[-1] - energy.middle_ns[-2] < 1e6, "and the one before it still got the old one"
    first_edge = int(changes[0])
    assert energy.middle_ns[first_edge + 1] - energy.middle_ns[first_edge] < 1e6, "the same at the beginning"
    assert first_edge <= 1
    between_s = (energy.middle_ns[-1] - energy.middle_ns[first_edge + 1]) * 1e-9
    energy_j = energy.value[-1] - energy.value[first_edge + 1]
    assert energy_j == pytest.approx(40.0 * between_s, rel=1e-3), "what lies between two edges is exact to a read"


def test_the_trace_is_on_the_hosts_clock(time: FakeTime, make_context: MakeContext) -> None:
    meter = meter_of(FakeSource(time, {"energy": counter()}))
    seen = recorded(meter, time, context := make_context())
    (trace,), (clock,) = seen.traces, seen.clocks
    readings = trace_of(seen, context)
    assert (trace.format, trace.rate_hz, trace.samples) == ("readings", 1e9, readings.length)
    assert trace.path == "traces/t0001.energy.readings.csv"
    assert clock.anchors == ((0.0, readings.zero_ns), (float(trace.samples), readings.zero_ns + trace.samples))
    assert (clock.method, clock.bound_s) == ("same_clock", 0.0)
    for document in (*seen.readings, *seen.clocks):
        assert from_json(to_json(document)) == document


def test_it_says_how_often_the_value_is_renewed_and_how_long_a_question_takes(
    time: FakeTime, make_context: MakeContext
) -> None:
    source = FakeSource(time, {"energy": counter()}, read_s=0.004)
    seen = recorded(meter := meter_of(source), time, context := make_context())
    said = {item.name: item for item in seen.readings}
    assert said["update_period_s"].value == pytest.approx(0.1, abs=1e-3)
    assert said["update_period_s"].details["how"] == "measured"
    assert said["read_duration_s"].value == pytest.approx(0.004)
    assert said["reads"].details["failed"] == 0
    assert trace_of(seen, context).channels["energy"].channel.update_period_s == said["update_period_s"].value
    assert meter.capabilities().update_period_s == said["update_period_s"].value


def test_questions_keep_their_pace_without_drift(time: FakeTime, make_context: MakeContext) -> None:
    power = Fed(WATTS, lambda t: 5000 + 100 * t)
    seen = recorded(meter_of(FakeSource(time, {"power": power}, read_s=0.0007)), time, context := make_context(), 20.0)
    begin_ns = trace_of(seen, context).channels["power"].begin_ns
    assert begin_ns.size == pytest.approx(2001, abs=1)
    assert set(np.diff(begin_ns).tolist()) == {10_000_000}
    assert seen.faults == ()


def test_a_channel_may_be_asked_less_often(time: FakeTime, make_context: MakeContext) -> None:
    source = FakeSource(time, {"energy": counter(), "power": Fed(WATTS, lambda _: 40_000, every=5)})
    readings = trace_of(recorded(meter_of(source), time, context := make_context()), context)
    assert set(np.diff(readings.channels["power"].begin_ns).tolist()) == {50_000_000}


def test_voltage_and_current_are_read_back_to_back(time: FakeTime, make_context: MakeContext) -> None:
    volts, amperes = (Channel(measures=what, scale=1e-3, update_period_s=0.02) for what in ("voltage", "current"))
    source = FakeSource(time, {"voltage": Fed(volts, lambda _: 5000), "current": Fed(amperes, lambda _: 800)})
    readings = trace_of(recorded(meter_of(source), time, context := make_context()), context)
    voltage, current = readings.channels["voltage"], readings.channels["current"]
    assert (current.begin_ns == voltage.end_ns).all()
    assert float(voltage.value[0] * current.value[0]) == pytest.approx(4.0)


def test_a_counter_that_wraps_is_no_fault(time: FakeTime, make_context: MakeContext) -> None:
    wrapping = Fed(Channel(measures="energy", scale=1e-3, modulus=30_000), constant(40.0, 1e-3), period_s=0.1)
    seen = recorded(meter_of(FakeSource(time, {"energy": wrapping})), time, context := make_context())
    assert seen.faults == ()
    energy = trace_of(seen, context).channels["energy"]
    assert energy.wraps == 4
    assert energy.value[-1] == pytest.approx(40.0 * 3.1, rel=0.04)


def test_it_is_an_instrument(time: FakeTime) -> None:
    accuracy = Accuracy({}, 100, "datasheet", power=PowerAccuracy(0.05, 0.5))
    meter = PolledMeter("meter", FakeSource(time, {"energy": counter()}), accuracy=accuracy, time=time)
    assert isinstance(meter, Instrument)
    assert isinstance(meter, ShowsLive)
    capabilities = meter.capabilities()
    assert is_power_meter(capabilities)
    assert (capabilities.origin, capabilities.scope, capabilities.accuracy) == (Origin.MEASURED, "thing", accuracy)
    assert meter.stop() == Observation()
    with pytest.raises(RuntimeError):
        meter.start()


def test_one_pass_does_not_leak_into_the_next(time: FakeTime, make_context: MakeContext) -> None:
    meter = meter_of(FakeSource(time, {"energy": counter()}))
    meter.arm(make_context())
    meter.start()
    time.let_pass(1.0)
    meter.arm(context := make_context("t0002.energy"))
    assert meter.stop() == Observation(), "armed, never started"
    seen = recorded(meter, time, context)
    assert {item.pass_id for item in (*seen.readings, *seen.clocks)} == {"t0002.energy"}
    meter.close()
    meter.close()
    assert not [item for item in threading.enumerate() if item.name == "polled meter"]


# --------------------------------------------------------------------------------------------------- what goes wrong


def after(t_s: float, error: Exception) -> Callable[[str, float], None]:
    """From ``t_s`` on every question fails so."""

    def trouble(_: str, t: float) -> None:
        if t >= t_s:
            raise error

    return trouble


@pytest.mark.parametrize(
    ("error", "code", "goes_on"),
    [
        (MeterGoneError("GPU is lost"), "meter_unplugged", False),
        (OSError(errno.ENODEV, "No such device"), "meter_unplugged", False),
        (OSError(errno.ENOENT, "No such file"), "meter_unplugged", False),
        (MeterSilentError("Timeout"), "meter_timeout", True),
        (TimeoutError("timed out"), "meter_timeout", True),
        (OSError(errno.EIO, "Input/output error"), "meter_timeout", True),
        (RuntimeError("a defect"), "pass_failed", False),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, Exception) else str(item),
)
def test_a_failure_midway_is_a_fault_and_what_was_read_stays(
    error: Exception, code: str, goes_on: bool, time: FakeTime, make_context: MakeContext
) -> None:
    source = FakeSource(time, {"energy": counter()})
    meter = meter_of(source, patience_s=1.0)
    source.trouble = after(time.now_s + 2.0, error)
    seen = recorded(meter, time, context := make_context(), 6.0)
    assert code in codes(seen)
    assert codes(seen) <= REASONS.keys()
    assert trace_of(seen, context).length == pytest.approx(2.0 * NS, rel=0.02)
    failed = next(item for item in seen.readings if item.name == "reads").details["failed"]
    assert (failed > 100) == goes_on


def test_one_failed_question_among_many_is_only_counted(time: FakeTime, make_context: MakeContext) -> None:
    source = FakeSource(time, {"power": Fed(WATTS, lambda t: 5000 + 100 * t)})
    meter = meter_of(source)
    failing = iter([False] * 100 + [True] * 2)

    def trouble(*_: object) -> None:
        if next(failing, False):
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    source.trouble = trouble
    seen = recorded(meter, time, make_context())
    assert seen.faults == ()
    assert next(item for item in seen.readings if item.name == "reads").details["failed"] == 2


def test_a_meter_that_comes_back_serves_the_next_pass(time: FakeTime, make_context: MakeContext) -> None:
    source = FakeSource(time, {"energy": counter()})
    meter = meter_of(source)
    source.trouble = after(time.now_s + 1.0, MeterGoneError("gone"))
    assert codes(recorded(meter, time, make_context())) == {"meter_unplugged"}
    source.there = False
    still = recorded(meter, time, make_context("t0002.energy"))
    assert codes(still) == {"meter_unplugged"}
    assert (still.traces, still.clocks) == ((), ())
    source.there, source.trouble = True, lambda *_: None
    seen = recorded(meter, time, make_context("t0003.energy"))
    assert seen.faults == ()
    assert source.opened == 2


def test_a_counter_that_stands_still_is_stale(time: FakeTime, make_context: MakeContext) -> None:
    source = FakeSource(time, {"energy": counter()})
    meter = meter_of(source)
    stops_s = time.now_s + 1.0
    source.fed["energy"].shows = lambda t: 40_000 * min(t, stops_s)
    assert codes(recorded(meter, time, make_context(), 6.0)) == {"meter_stale"}


def test_equal_samples_of_power_are_not_stale(time: FakeTime, make_context: MakeContext) -> None:
    seen = recorded(meter_of(FakeSource(time, {"power": Fed(WATTS, lambda _: 5000)})), time, make_context(), 6.0)
    assert seen.faults == ()


@pytest.mark.parametrize(("slow_s", "expected"), [(0.05, set()), (0.5, {"readings_sparse"})])
def test_a_hole_between_samples_of_power_is_sparse(
    slow_s: float, expected: set[str], time: FakeTime, make_context: MakeContext
) -> None:
    source = FakeSource(time, {"power": Fed(WATTS, lambda t: 5000 + 100 * t)})
    meter = meter_of(source)
    slow = iter([0.0] * 100 + [slow_s])
    source.trouble = lambda *_: time.spend(next(slow, 0.0))
    seen = recorded(meter, time, make_context())
    assert codes(seen) == expected
    missed = next(item for item in seen.readings if item.name == "reads").details["missed_rounds"]
    assert missed == pytest.approx(slow_s / 0.01, abs=1.5), "what was missed is not caught up on"


def test_a_slow_answer_beyond_patience_is_a_timeout(time: FakeTime, make_context: MakeContext) -> None:
    source = FakeSource(time, {"energy": counter()})
    meter = meter_of(source, patience_s=1.0)
    slow = iter([0.0] * 30 + [1.5])
    source.trouble = lambda *_: time.spend(next(slow, 0.0))
    assert "meter_timeout" in codes(recorded(meter, time, make_context()))


def test_a_counter_that_may_have_wrapped_unseen_is_flagged(time: FakeTime, make_context: MakeContext) -> None:
    fast = Fed(Channel(measures="energy", scale=1e-3, modulus=30_000), constant(40.0, 1e-3), period_s=0.01)
    source = FakeSource(time, {"energy": fast})
    meter = meter_of(source)
    slow = iter([0.0] * 30 + [0.5])
    source.trouble = lambda *_: time.spend(next(slow, 0.0))
    seen = recorded(meter, time, make_context())
    assert codes(seen) == {"readings_sparse"}
    assert "wrapped" in seen.faults[0].detail


@pytest.mark.parametrize("modulus", [None, 1_000_000_000])
def test_a_counter_that_makes_no_sense_ends_the_trace(
    modulus: int | None, time: FakeTime, make_context: MakeContext
) -> None:
    channel = Channel(measures="energy", scale=1e-3, modulus=modulus)
    source = FakeSource(time, {"energy": Fed(channel, constant(40.0, 1e-3), period_s=0.1)})
    meter = meter_of(source)
    mad_s = time.now_s + 1.0
    source.fed["energy"] = Fed(
        Channel(measures="energy", scale=1e-3), lambda t: 40_000 * t if t < mad_s else -5, period_s=0.1
    )
    seen = recorded(meter, time, context := make_context())
    assert codes(seen) == {"counter_jumped"}
    assert trace_of(seen, context).length < 1.2 * NS, "and what lies before it can be read"


def test_a_value_that_is_no_number_is_no_reading(time: FakeTime, make_context: MakeContext) -> None:
    source = FakeSource(time, {"power": Fed(WATTS, lambda t: 5000 + 100 * t)})
    meter = meter_of(source, patience_s=0.5)
    source.fed["power"].at = lambda _: float("nan")  # type: ignore[method-assign, assignment, return-value]
    seen = recorded(meter, time, make_context())
    assert "meter_timeout" in codes(seen)
    assert seen.traces == ()


def test_a_meter_that_hangs_is_left_behind_and_left_alone(make_context: MakeContext) -> None:
    held = threading.Event()
    time = FakeTime()
    source = FakeSource(time, {"power": Fed(WATTS, lambda t: 5000 + 100 * t)})
    meter = meter_of(source, patience_s=0.05)
    source.trouble = lambda _, t: None if t < 0.3 else (held.wait(20), None)[1]
    meter.arm(context := make_context())
    meter.start()
    time._limit_ns += 2 * NS
    real_time.sleep(0.1)
    began = real_time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("instruments.polling.poller.EDGE_MOST_S", 0.05)
        seen = meter.stop()
        assert real_time.monotonic() - began < 5
        assert "meter_timeout" in codes(seen)
        assert trace_of(seen, context).length > 0
        meter.arm(make_context("t0002.energy"))
        meter.start()
        assert codes(meter.stop()) == {"meter_timeout"}, "nobody asks while a question is under way"
    held.set()
    real_time.sleep(0.05)
    length = trace_of(seen, context).length
    assert length == seen.traces[0].samples, "what the thread brought later is not written"
    meter.close()


# -------------------------------------------------------------------------------------------------------- open, live


def test_a_counter_that_nothing_feeds_cannot_be_opened(time: FakeTime) -> None:
    with pytest.raises(HardwareError, match="stands still"):
        meter_of(FakeSource(time, {"energy": Fed(JOULES, lambda _: 5)}))


def test_a_meter_that_cannot_be_read_cannot_be_opened(time: FakeTime) -> None:
    with pytest.raises(HardwareError, match="cannot be read"):
        meter_of(
            FakeSource(time, {"energy": counter()}, trouble=after(0.0, OSError(errno.EACCES, "Permission denied")))
        )


@pytest.mark.parametrize("period_s", [0.02, 0.1, 0.5])
def test_the_update_period_is_measured(period_s: float, time: FakeTime) -> None:
    fed, source = counter(period_s=period_s), FakeSource(time, {}, read_s=0.004)
    source.fed["energy"] = fed
    period = measure_update_period(lambda: source.read("energy"), time)
    assert period is not None
    assert period.mean_s == pytest.approx(period_s, abs=0.004 / period.intervals + 1e-6)
    assert period.shortest_s <= period.mean_s <= period.longest_s


def test_live_power_of_a_counter_goes_from_edge_to_edge(time: FakeTime) -> None:
    checking = Fed(Channel(measures="power", cross_check=True), lambda _: 0)
    meter = meter_of(FakeSource(time, {"energy": counter(), "power": checking}))
    meter.begin_live()
    assert meter.take_live().duration_s == 0.0
    for _ in range(3):
        time.let_pass(0.5)
        shown = meter.take_live()
        assert shown.duration_s == pytest.approx(0.5, abs=0.11)
        assert shown.power_w == pytest.approx(40.0, rel=0.03)
        assert shown.energy_j == pytest.approx(40.0 * shown.duration_s, rel=0.03)
    assert meter.take_live().duration_s == 0.0, "nothing since"
    meter.end_live()
    meter.end_live()
    assert meter.take_live().duration_s == 0.0
    meter.close()


def test_live_voltage_and_current(time: FakeTime) -> None:
    volts, amperes = (Channel(measures=what, scale=1e-3, update_period_s=0.02) for what in ("voltage", "current"))
    meter = meter_of(FakeSource(time, {"voltage": Fed(volts, lambda _: 5000), "current": Fed(amperes, lambda _: 800)}))
    meter.begin_live()
    time.let_pass(1.0)
    shown = meter.take_live()
    assert (shown.voltage_v, shown.current_a) == (pytest.approx(5.0), pytest.approx(0.8))
    assert (shown.power_w, shown.power_min_w, shown.power_max_w) == (pytest.approx(4.0),) * 3
    meter.close()


def test_live_tells_of_a_meter_that_goes_away(time: FakeTime) -> None:
    source = FakeSource(time, {"energy": counter()})
    meter = meter_of(source)
    meter.begin_live()
    source.trouble = after(0.0, MeterGoneError("lost"))
    time.let_pass(0.5)
    assert [code for code, _ in meter.take_live().faults] == ["meter_unplugged"]
    meter.end_live()
    with pytest.raises(HardwareError):
        meter.begin_live()


# -------------------------------------------------------------------------------------------------------------- pace


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=100), st.floats(1e-3, 0.1))
def test_deadlines_lie_on_multiples_of_the_period(work_s: list[float], period_s: float) -> None:
    pace, now_ns, period_ns = Pace(0, period_s), 0, round(period_s * NS)
    for took in work_s:
        now_ns += round(took * NS)
        wait_s = pace.wait_s(now_ns)
        assert 0 <= wait_s <= period_s * 1.0001
        now_ns += round(wait_s * NS)
        assert now_ns >= pace.round * period_ns - 1
        assert now_ns < (pace.round + 1) * period_ns
    assert pace.round == len(work_s) + pace.missed


def test_the_real_clock_waits_and_is_woken() -> None:
    time, stop = HostTime(), threading.Event()
    began = time.now_ns()
    time.pause(0.01, stop)
    assert time.now_ns() - began >= 0.009 * NS
    stop.set()
    began = time.now_ns()
    time.pause(5.0, stop)
    assert time.now_ns() - began < 1.0 * NS


def test_on_the_real_clock_with_a_real_thread(make_context: MakeContext) -> None:
    time = HostTime()
    source = FakeSource(FakeTime(), {"power": Fed(WATTS, lambda _: 5000)})
    meter = PolledMeter("meter", source, time=time)
    meter.open()
    before_ns = time.now_ns()
    meter.arm(context := make_context())
    meter.start()
    real_time.sleep(0.3)
    seen = meter.stop()
    after_ns = time.now_ns()
    meter.close()
    trace = trace_of(seen, context)
    power = trace.channels["power"]
    assert before_ns <= trace.zero_ns
    assert trace.zero_ns + trace.length <= after_ns
    assert 5 <= power.value.size <= 31
    late_ns = (power.begin_ns - power.begin_ns[0]) % 10_000_000
    assert float(np.median(np.minimum(late_ns, 10_000_000 - late_ns))) < 3e6
