"""A Joulescope watched live; how its clock stands to the host's; low rates and long passes; two meters at once."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_joulescope import TICKS_PER_S, Clock, FakeDevice, FakeDriver, Line, pulse, step
from hypothesis import given
from hypothesis import strategies as st
from joulescope_bench import ACCURACY, BUSY_A, IDLE_A, LOAD, QUICK, VOLTS, Bench, codes, marks_of, read

from instruments.arrival_clock import ArrivalClock
from instruments.joulescope.driver import SharedDriver
from instruments.joulescope.instrument import Joulescope
from instruments.joulescope.settings import JoulescopeSettings
from instruments.protocol import LiveReading, PassContext, ShowsLive
from instruments.stream_presence import StreamPresence
from lab.errors import HardwareError, UsageError
from lab.record.documents import TraceClock

MakeContext = Callable[..., PassContext]


def wait_for_work(bench: Bench) -> None:
    """Until what was published is worked off: the intake is one thread, and ends in order."""
    queue = bench.meter._live._intake._queue  # type: ignore[union-attr]
    deadline = threading.Event()
    for _ in range(500):
        if not queue._waiting:
            break
        deadline.wait(0.002)
    deadline.wait(0.02)


# ------------------------------------------------------------------------------------------------------ watched live


@pytest.mark.parametrize(("model", "rate_hz"), [("JS110", 2e6), ("JS220", 1e6), ("JS220", 5e3), ("JS320", 1e6)])
def test_live_readings_add_up_to_what_was_there(model: str, rate_hz: float) -> None:
    bench = Bench(model, rate_hz)
    bench.device.idle = Line(current=lambda t: np.full(t.shape, IDLE_A), voltage=lambda t: np.full(t.shape, VOLTS))
    assert isinstance(bench.meter, ShowsLive)
    bench.meter.open()
    bench.meter.begin_live()
    wait_for_work(bench)
    bench.meter.take_live()
    bench.device.play(1.0, LOAD)
    wait_for_work(bench)
    seen = bench.meter.take_live()
    assert seen.duration_s == pytest.approx(1.0, abs=0.06)
    assert seen.energy_j == pytest.approx(VOLTS * (0.6 * IDLE_A + 0.4 * BUSY_A), rel=0.07)
    assert (seen.power_min_w, seen.power_max_w) == (pytest.approx(VOLTS * IDLE_A), pytest.approx(VOLTS * BUSY_A))
    assert seen.voltage_v == pytest.approx(VOLTS)
    assert seen.current_a is not None
    assert seen.power_w == pytest.approx(VOLTS * seen.current_a)
    assert seen.faults == ()
    assert bench.meter.take_live() == LiveReading(duration_s=0.0), "nothing since"
    bench.meter.end_live()
    bench.meter.end_live()
    assert not [value for topic, value in bench.device.topics.items() if topic.endswith("/ctrl") and value is True]
    assert "meter-live-writer" not in {thread.name for thread in threading.enumerate()}


def test_a_pass_can_follow_a_watch_and_a_watch_a_pass(make_context: MakeContext) -> None:
    bench = Bench()
    for number in range(2):
        bench.meter.open()
        bench.meter.begin_live()
        bench.device.play(0.1, LOAD)
        bench.meter.end_live()
        seen = bench.record(make_context(f"t{number}.energy"))
        assert seen.faults == ()
    bench.meter.begin_live()
    bench.meter.close()
    assert bench.meter.take_live() == LiveReading(duration_s=0.0)


def test_what_goes_wrong_while_watching_comes_with_the_reading() -> None:
    bench = Bench("JS220", 1e6, range_name="180 mA")
    bench.meter.open()
    bench.meter.begin_live()
    bench.device.lost = [(0.02, 0.03, ())]
    bench.device.play(0.1, Line(current=step(0.1, 0.19, 0.05, 0.06)))
    wait_for_work(bench)
    faults = dict(bench.meter.take_live().faults)
    assert set(faults) >= {"samples_dropped", "saturated"}
    assert int(faults["samples_dropped"].split()[0]) == pytest.approx(10_000, abs=16)
    bench.device.lost = []
    bench.clock.now_s += 1.0
    assert [code for code, _ in bench.meter.take_live().faults] == ["meter_timeout"]
    bench.device.unplug()
    assert [code for code, _ in bench.meter.take_live().faults] == ["meter_unplugged"]
    bench.meter.end_live()
    with pytest.raises(HardwareError, match="not connected any more"):
        bench.meter.begin_live()


def test_a_meter_that_cannot_be_watched_says_so() -> None:
    bench = Bench()
    with pytest.raises(HardwareError, match="not open"):
        bench.meter.begin_live()
    bench.meter.open()
    bench.device.deaf = {"s/v/ctrl"}
    with pytest.raises(HardwareError, match="does not answer"):
        bench.meter.begin_live()
    bench.device.deaf = set()
    bench.device.silent = {"s/i"}
    with pytest.raises(HardwareError, match="sends no samples"):
        bench.meter.begin_live()
    assert bench.meter.take_live() == LiveReading(duration_s=0.0)


# ---------------------------------------------------------------------------------------------------- the host's clock


def host_s_of(clock: TraceClock, sample: float) -> float:
    samples, instants = zip(*clock.anchors, strict=True)
    return float(np.interp(sample, samples, [ns / 1e9 for ns in instants]))


@pytest.mark.parametrize(
    ("model", "rate_hz"), [("JS110", 2e6), ("JS220", 1e6), ("JS220", 5e3), ("JS220", 1e3), ("JS320", 1e4)]
)
@pytest.mark.parametrize("sound", [True, False])
def test_the_traces_clock_is_tied_to_the_hosts_within_its_bound(
    model: str, rate_hz: float, sound: bool, make_context: MakeContext
) -> None:
    bench = Bench(model, rate_hz)
    bench.device.answers_after_s = 0.03
    if not sound:
        bench.device.utc_offset_s = 5.0
    rising = 0.4  # the load's window begins so long after the play does

    def play() -> None:
        played.append(bench.clock.now_s)
        bench.device.play(1.0, Line(levels={0: pulse(rising, 0.7)}))

    played: list[float] = []
    seen = bench.record(make_context(), during=play)
    assert codes(seen) == []
    (clock,) = seen.clocks
    assert clock.method == ("utc" if sound and model != "JS110" else "arrival")
    assert len(clock.anchors) >= 2
    assert sorted(clock.anchors) == list(clock.anchors)
    truth_s = played[0] + rising
    assert abs(host_s_of(clock, marks_of(seen)["window_begin"].sample + 0.5) - truth_s) <= clock.bound_s + 1 / rate_hz
    assert clock.bound_s == pytest.approx(1e-3) if clock.method == "utc" else clock.bound_s < 0.2


def test_after_a_jump_of_utc_only_arrivals_tell(make_context: MakeContext) -> None:
    bench = Bench()

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.utc_offset_s = 0.02
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert codes(seen) == ["utc_jumped"]
    assert seen.clocks[0].method == "arrival"


def test_the_utc_in_the_file_is_that_of_the_sample_it_stands_at(make_context: MakeContext, tmp_path: Path) -> None:
    from pyjls import Reader

    bench = Bench("JS220", 1e3)
    played: list[float] = []

    def play() -> None:
        played.append(bench.clock.now_s)
        bench.device.play(1.0, Line(levels={0: pulse(0.4, 0.7)}))

    seen = bench.record(make_context(), during=play)
    with Reader(str(tmp_path / seen.traces[0].path)) as reader:
        utc: list[Any] = []
        reader.utc(1, -1, lambda entries: bool(utc.extend(map(tuple, entries))))
    sample, ticks = utc[0]
    begin = marks_of(seen)["window_begin"].sample + 0.5
    at_s = ticks / TICKS_PER_S - bench.device.epoch_s + (begin - sample) / 1e3
    assert at_s == pytest.approx(played[0] + 0.4, abs=1.5e-3), "not off by the filter's delay, which is 11 ms"


@given(
    st.floats(0, 5e-3),
    st.lists(st.tuples(st.floats(1e-3, 3.0), st.floats(0, 0.05)), min_size=1, max_size=60),
    st.floats(-100, 100),
)
def test_arrivals_bracket_the_truth_whatever_the_delays(
    start_s: float, arrivals: list[tuple[float, float]], ppm: float
) -> None:
    """The meter begins ``start_s`` after it is told to; pieces of some length come with some delay."""
    clock = ArrivalClock(1000.0, 100.0)
    clock.told_to_begin(0)
    clock.began(0)
    count = 0.0
    for length_s, delay_s in arrivals:
        count += length_s * 1000
        clock.reached(count, round((start_s + count / 1000 * (1 + ppm * 1e-6) + delay_s) * 1e9) + 1)
    context = PassContext("t1", 1, 1, Path(), Path(), Path())
    found = clock.document(context, "meter", 0.0, 1.0, int(count) or 1)
    assert found is not None
    for sample, at_ns in found.anchors:
        truth_s = start_s + sample / 1000 * (1 + ppm * 1e-6)
        assert abs(at_ns / 1e9 - truth_s) <= found.bound_s + 2e-9


# ----------------------------------------------------------------------------------- low rates, long passes, filters


@pytest.mark.parametrize("rate_hz", [1e3, 200.0, 100.0, 10.0])
def test_at_a_low_rate_no_sample_is_made_up_and_the_pass_is_there_to_its_end(
    rate_hz: float, make_context: MakeContext, tmp_path: Path
) -> None:
    bench = Bench("JS220", rate_hz)
    delay_s = bench.settings.lag_counts / bench.settings.meter.counter_hz
    bench.device.idle = Line(current=lambda t: np.full(t.shape, IDLE_A), voltage=lambda t: np.full(t.shape, VOLTS))
    bench.device.lead_in_s = 0.1 + 3 * delay_s
    total_s = 1.0 + 20 / rate_hz
    stopped: list[float] = []

    def play() -> None:
        bench.device.play(total_s, replace(LOAD, levels={}))
        stopped.append(bench.clock.now_s)
        # The meter goes on sending while the end is waited for.
        threading.Timer(0.02, lambda: bench.device.play(delay_s + 0.3, bench.device.idle)).start()

    seen = bench.record(make_context(), during=play)
    assert [fault.code for fault in seen.faults if fault.code != "statistics_disagree"] == []
    voltage = read(tmp_path, seen, "voltage")
    assert set(np.unique(voltage)) == {np.float32(VOLTS)}, "what the filter gives before it is filled is left out"
    (clock,) = seen.clocks
    end_s = host_s_of(clock, clock.anchors[-1][0])
    last_s = end_s + (seen.traces[0].samples - clock.anchors[-1][0]) / rate_hz
    assert last_s >= stopped[0] - 2 / rate_hz - clock.bound_s


def test_what_the_filter_mixes_after_a_gap_is_left_out(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench("JS220", 1e3)
    bench.device.lost = [(0.3, 0.35, ("s/i", "s/v"))]
    seen = bench.record(make_context())
    assert set(codes(seen)) == {"samples_dropped"}
    voltage = read(tmp_path, seen, "voltage")
    assert set(np.unique(voltage[~np.isnan(voltage)])) == {np.float32(VOLTS)}


def test_two_clocks_that_drift_apart_are_no_lost_samples() -> None:
    presence = StreamPresence(1e6, 50.0)
    presence.came(50_000, 0.05)
    samples = round(3600 * 1e6 * (1 - 60e-6))
    presence.came(samples, 3600.0)
    assert presence.missing(3600.0, 0.0, "") == [], "an hour, and 60 ppm between the clocks: 0.2 s"
    presence = StreamPresence(1e6, 50.0)
    presence.came(50_000, 0.05)
    presence.came(samples - 1_000_000, 3600.0)
    assert [item.code for item in presence.missing(3600.0, 0.0, "")] == ["samples_dropped"]


def test_power_at_a_lowered_rate_is_more_than_the_product_of_the_means(
    make_context: MakeContext, tmp_path: Path
) -> None:
    """Ripple of current and voltage together, far above the rate: only the power channel and the meter know of it."""

    def ripple(mean: float, height: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda t: mean * (1 + height * np.sign(np.sin(2 * np.pi * 5e3 * t + 1e-3)))

    bench = Bench("JS220", 1e3, power=True, statistics=False)
    line = Line(current=ripple(0.3, 0.5), voltage=ripple(12.0, 0.05), levels={0: pulse(0.3, 0.7)})
    bench.device.idle = line
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    power = read(tmp_path, seen, "power")
    assert np.nanmean(power) == pytest.approx(0.3 * 12.0 * (1 + 0.5 * 0.05), rel=2e-3)


# ------------------------------------------------------------------------------------------------- two meters at once


def test_two_meters_on_one_driver_keep_apart_and_one_goes_on_without_the_other(
    make_context: MakeContext, tmp_path: Path
) -> None:
    devices = [FakeDevice("JS220", serial, Clock()) for serial in ("000011", "000022", "000033")]
    soc, board, _ = devices
    driver = FakeDriver(devices)
    shared = SharedDriver(lambda: driver)
    meters = {
        name: Joulescope(
            name,
            JoulescopeSettings("JS220", 1e5, "10 A", "gpi0", ACCURACY, serial=serial, scope=name),
            factory=shared,
            clock=device.clock,
            patience=QUICK,
        )
        for name, serial, device in (("board", "22", board), ("soc", "000011", soc))
    }
    for meter in meters.values():
        meter.open()
    assert sorted(path for path, _ in driver.opened) == ["u/js220/000011", "u/js220/000022"]
    context = make_context()
    for meter in meters.values():
        meter.arm(replace(context, trace=context.trace.with_name(f"{context.trace.name}.{meter.name}")))
    for meter in meters.values():
        meter.start()
    soc.play(0.4, Line(current=lambda t: np.full(t.shape, 0.1), levels={0: pulse(0.1, 0.3)}))
    board.play(0.4, Line(current=lambda t: np.full(t.shape, 0.9), levels={0: pulse(0.2, 0.3)}))
    soc.unplug()
    soc.clock.now_s += 0.4
    board.play(0.4, Line(current=lambda t: np.full(t.shape, 0.9)))
    seen = {name: meter.stop() for name, meter in meters.items()}
    assert codes(seen["board"]) == []
    assert codes(seen["soc"]) == ["meter_unplugged"]
    paths = {name: item.traces[0].path for name, item in seen.items()}
    assert len(set(paths.values())) == 2, "each its own file"
    for name, low, high in (("board", 0.2, 0.91), ("soc", 0.09, 0.26)):
        current = read(tmp_path, seen[name], "current")
        assert low <= np.nanmin(current)
        assert np.nanmax(current) <= high
        assert {mark.instrument for mark in seen[name].marks} == {name}
    assert marks_of(seen["board"])["window_begin"].sample != marks_of(seen["soc"])["window_begin"].sample

    for meter in meters.values():
        meter.arm(replace(make_context("t2.energy"), trace=tmp_path / "traces" / f"t2.energy.{meter.name}"))
        meter.start()
    board.play(0.3, Line())
    assert codes(meters["board"].stop()) == []
    assert codes(meters["soc"].stop()) == ["meter_unplugged"]
    for meter in meters.values():
        meter.close()
    assert driver.finalized == 1
    assert driver.subscribers == []


def test_one_meaning_is_wired_once() -> None:
    with pytest.raises(UsageError, match="same meaning"):
        JoulescopeSettings("JS220", 1e6, "10 A", "gpi0", ACCURACY, more_lines={"gpi1": "warmup", "gpi2": "warmup"})


def test_two_instruments_cannot_hold_one_meter() -> None:
    device = FakeDevice("JS220", "000011", Clock())
    driver = FakeDriver([device])
    opened = driver.open

    def lenient(path: str, mode: str | None = None, timeout: float | None = None) -> None:
        device.is_open = False  # a driver that opens a device a second time as if nothing were
        opened(path, mode, timeout)

    driver.open = lenient  # type: ignore[method-assign]
    shared = SharedDriver(lambda: driver)
    fitting = JoulescopeSettings("JS220", 1e5, "10 A", "gpi0", ACCURACY)
    first, second = (Joulescope(name, fitting, factory=shared, clock=device.clock) for name in ("board", "soc"))
    first.open()
    with pytest.raises(HardwareError, match="another instrument of this bench holds u/js220/000011"):
        second.open()
    first.close()
    second.open()
    second.close()
    assert driver.finalized == 2


def test_a_line_of_single_inferences_is_recorded_and_gives_no_marks(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench(more_lines={"gpi1": "inference"})
    line = Line(levels={0: pulse(0.3, 0.7), 1: lambda t: (t * 100).astype(int) % 2 == 1})
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    assert seen.faults == ()
    assert {mark.name.rpartition("_")[0] for mark in seen.marks} == {"window", "idle_before", "idle_after"}
    assert np.abs(np.diff(read(tmp_path, seen, "gpi1").astype(int))).sum() == pytest.approx(99, abs=1)


def test_functions_that_the_driver_may_still_call_are_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.meter.open()
    called = [weakref.ref(fn) for _, fn in bench.driver.subscribers]

    def late(_: str, fn: Any) -> None:
        bench.driver.subscribers = [item for item in bench.driver.subscribers if item[1] is not fn]
        raise TimeoutError("jsdrv_unsubscribe timed out")

    monkeypatch.setattr(bench.driver, "unsubscribe", late)
    bench.meter.close()
    gc.collect()
    assert called
    assert all(reference() is not None for reference in called), "the vendor's binding holds bare pointers"


def test_a_subscription_that_is_not_confirmed_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    subscribe = bench.driver.subscribe

    def late(topic: str, flags: str, fn: Any) -> None:
        subscribe(topic, flags, fn)
        if topic.endswith("s/v/!data"):
            raise TimeoutError("jsdrv_subscribe timed out")

    monkeypatch.setattr(bench.driver, "subscribe", late)
    with pytest.raises(HardwareError, match="cannot be set up"):
        bench.meter.open()
    assert bench.driver.subscribers == []
