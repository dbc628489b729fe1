"""A real Joulescope's instrument, on an exact stand-in for the vendor's driver: what it sets, records and notices."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_joulescope import Clock, FakeDevice, FakeDriver, Line, pulse, step

from instruments.joulescope.driver import Driver, SharedDriver
from instruments.joulescope.instrument import Joulescope
from instruments.joulescope.recording import Patience
from instruments.joulescope.settings import JoulescopeSettings
from instruments.protocol import Accuracy, Observation, PassContext, RangeAccuracy
from lab.errors import HardwareError, UsageError
from lab.record.documents import Mark
from lab.record.quantity import Origin
from lab.record.traces import open_trace

MakeContext = Callable[..., PassContext]

ACCURACY = Accuracy(
    ranges={
        "10 A": RangeAccuracy(full_scale_a=10.0, gain_i=2.5e-3, offset_i_a=1.5e-3, gain_v=2.5e-3, offset_v_v=5e-3),
        "180 mA": RangeAccuracy(full_scale_a=0.18, gain_i=2e-3, offset_i_a=1e-4, gain_v=1e-3, offset_v_v=1.5e-3),
    },
    timebase_ppm=50,
    source="datasheet",
)
QUICK = Patience(start_s=0.5, stall_s=0.05)
IDLE_A, BUSY_A, VOLTS = 0.2, 0.5, 12.0
BEGIN_S, END_S, TOTAL_S = 0.3, 0.7, 1.0
LOAD = Line(
    current=step(IDLE_A, BUSY_A, BEGIN_S, END_S),
    voltage=lambda t: np.full(t.shape, VOLTS),
    levels={0: pulse(BEGIN_S, END_S)},
)
MODELS_AND_RATES = [
    ("JS110", 2e6),
    ("JS110", 1e4),
    ("JS220", 1e6),
    ("JS220", 5e5),
    ("JS220", 5e3),
    ("JS320", 1e6),
    ("JS320", 1e4),
]


class Bench:
    """A meter, the device behind it and the clock of both."""

    def __init__(self, model: str = "JS220", rate_hz: float = 1e5, **change: Any) -> None:
        self.clock = Clock()
        self.device = FakeDevice(
            model, "001234", self.clock, **{key: change.pop(key) for key in ("count", "bits") if key in change}
        )
        self.driver = FakeDriver([self.device])
        fitting = JoulescopeSettings(model, rate_hz, "10 A", "gpi0", ACCURACY)
        self.settings = replace(fitting, **change)
        self.meter = Joulescope("meter", self.settings, factory=lambda: self.driver, clock=self.clock, patience=QUICK)

    def record(self, context: PassContext, *, during: Callable[[], None] | None = None) -> Observation:
        """One pass with the load; or with what ``during`` does."""
        self.meter.open()
        self.meter.arm(context)
        self.meter.start()
        if during is None:
            self.device.play(TOTAL_S, LOAD)
        else:
            during()
        return self.meter.stop()


def _codes(seen: Observation) -> list[str]:
    return [fault.code for fault in seen.faults]


def _marks(seen: Observation) -> dict[str, Mark]:
    return {mark.name: mark for mark in seen.marks}


def _read(root: Path, seen: Observation, channel: str) -> np.ndarray:
    (trace,) = seen.traces
    with open_trace(root, trace) as reader:
        return reader.read(channel, 0, reader.length)


# ------------------------------------------------------------------------------------------------ what is recorded


@pytest.mark.parametrize(("model", "rate_hz"), MODELS_AND_RATES)
def test_a_pass_of_each_model_comes_back_with_its_window_on_the_power_it_belongs_to(
    model: str, rate_hz: float, make_context: MakeContext, tmp_path: Path
) -> None:
    bench = Bench(model, rate_hz)
    seen = bench.record(make_context())
    assert seen.faults == ()
    (trace,) = seen.traces
    assert (trace.rate_hz, trace.gaps, trace.format) == (rate_hz, (), "jls")
    assert trace.samples == pytest.approx((TOTAL_S + 0.1) * rate_hz, rel=0.02)
    current, voltage = _read(tmp_path, seen, "current"), _read(tmp_path, seen, "voltage")
    assert set(np.unique(voltage)) == {np.float32(VOLTS)}
    marks = _marks(seen)
    steps = np.flatnonzero(np.abs(np.diff(current)) > 0.1) + 1
    for name, at in zip(("window_begin", "window_end"), steps, strict=True):
        assert abs(marks[name].sample + 0.5 - at) <= 1, "the logic lines and the filtered current are aligned"
    window_s = (marks["window_end"].sample - marks["window_begin"].sample) / rate_hz
    assert window_s == pytest.approx(END_S - BEGIN_S, abs=2 / rate_hz)


def test_power_is_recorded_where_it_is_asked_for(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench(power=True)
    seen = bench.record(make_context())
    power, current = _read(tmp_path, seen, "power"), _read(tmp_path, seen, "current")
    np.testing.assert_allclose(power, current * VOLTS, rtol=1e-6)
    assert "power" in bench.meter.capabilities().measures
    assert "power" not in Bench().meter.capabilities().measures


def test_other_wired_lines_give_their_marks(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench(window_line="gpi2", more_lines={"gpi0": "warmup", "gpi3": "program"})
    line = Line(levels={2: pulse(0.4, 0.7), 0: pulse(0.3, 0.35), 3: pulse(0.2, 0.8)})
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    marks = _marks(seen)
    assert {"window_begin", "window_end", "warmup_begin", "warmup_end"} <= marks.keys()
    assert marks["idle_before_end"].sample < 0.3 * 1e5, "the program's line bounds the idle"
    with open_trace(tmp_path, seen.traces[0]) as reader:
        assert set(reader.channels) == {"current", "voltage", "gpi0", "gpi2", "gpi3"}


def test_the_meters_own_sums_are_held_against_the_trace(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6)
    (reading,) = bench.record(make_context()).readings
    assert (reading.name, reading.unit) == ("energy_on_instrument_j", "J")
    assert reading.value == pytest.approx(VOLTS * (IDLE_A * 0.5 + BUSY_A * 0.4), rel=0.05)
    assert abs(reading.details["relative_difference"]) < 1e-5
    assert reading.details["blocks"] == 9

    bench = Bench("JS220", 1e6)
    bench.device.statistics_gain = 1.01
    seen = bench.record(make_context("t0002.energy"))
    assert _codes(seen) == ["statistics_disagree"]
    assert Bench("JS110", 1e6).record(make_context("t0003.energy")).readings == (), "its sums are not numbered"


def test_the_file_carries_utc_and_the_marks(make_context: MakeContext, tmp_path: Path) -> None:
    from pyjls import Reader

    seen = Bench().record(make_context())
    with Reader(str(tmp_path / seen.traces[0].path)) as reader:
        utc: list[Any] = []
        reader.utc(1, -1, lambda entries: bool(utc.extend(map(tuple, entries))))
        texts: list[tuple[float, str]] = []
        reader.annotations(1, -1, lambda at, *rest: bool(texts.append((at, rest[-1]))))
    assert len(utc) >= 1
    assert texts[0][1] == "pass t0001.energy, attempt 1"
    assert [text for _, text in texts[1:]].count("window_begin") == 1


def test_several_passes_follow_each_other_on_a_held_meter(make_context: MakeContext) -> None:
    bench = Bench()
    for number in range(3):
        seen = bench.record(make_context(f"t{number}.energy"))
        assert seen.faults == ()
        bench.device.play(0.2, LOAD)  # between passes nothing is recorded
    assert bench.driver.opened == [(bench.device.path, "restore")], "opened once, and not reset"


def test_several_meters_share_a_driver_and_record_at_once(make_context: MakeContext, tmp_path: Path) -> None:
    devices = [FakeDevice("JS220", "000001", Clock()), FakeDevice("JS110", "000002", Clock())]
    driver = FakeDriver(devices)
    shared = SharedDriver(lambda: driver)
    meters: list[Joulescope] = []
    for name, device in zip(("board", "soc"), devices, strict=True):
        serial = device.path.split("/")[2]
        setup = JoulescopeSettings(device.meter.name, 1e5, "10 A", "gpi0", ACCURACY, serial=serial)
        meters.append(Joulescope(name, setup, factory=shared, clock=device.clock, patience=QUICK))
    for meter in meters:
        meter.open()
        meter.arm(replace(make_context(), trace=tmp_path / "traces" / meter.name))
        meter.start()
    for device in devices:
        device.play(0.5, LOAD)
    for meter in meters:
        seen = meter.stop()
        assert seen.faults == ()
        assert [trace.instrument for trace in seen.traces] == [meter.name]
        assert {mark.instrument for mark in seen.marks} == {meter.name}
        assert driver.finalized == 0
    for meter in meters:
        meter.close()
    assert driver.finalized == 1


# ------------------------------------------------------------------------------------------------- what is set


def test_a_fixed_range_is_selected_by_number_before_it_is_held() -> None:
    bench = Bench(range_name="180 mA")
    bench.meter.open()
    topics = [item for item in bench.device.history if item[0].startswith("s/i/range")]
    assert topics == [("s/i/range/select", 130), ("s/i/range/mode", "manual")]
    assert ("h/fs", 100_000) in bench.device.history
    assert ("s/v/range/select", 0) in bench.device.history


def test_an_automatic_range_is_left_to_the_meter() -> None:
    bench = Bench(range_name="auto")
    bench.meter.open()
    assert bench.device.topics["s/i/range/mode"] == "auto"
    assert not [value for topic, value in bench.device.history if topic == "s/i/range/select"]


@pytest.mark.parametrize(("range_name", "select"), [("auto", 128), ("2 A", 2), ("18 \N{GREEK SMALL LETTER MU}A", 64)])
def test_a_js110_is_told_to_invent_no_samples(range_name: str, select: int) -> None:
    bench = Bench("JS110", range_name=range_name, voltage_range_name="5 V")
    bench.meter.open()
    assert bench.device.topics["s/i/range/mode"] == 3, "NaN in place of interpolated samples"
    assert bench.device.topics["s/i/range/select"] == select
    assert bench.device.topics["s/v/range/select"] == 1


@pytest.mark.parametrize("model", ["JS110", "JS220", "JS320"])
def test_close_puts_everything_back_and_lets_go(model: str, make_context: MakeContext) -> None:
    bench = Bench(model)
    before = dict(bench.device.topics)
    bench.record(make_context())
    bench.meter.close()
    bench.meter.close()
    assert bench.device.topics == before
    assert not bench.device.is_open
    assert bench.driver.subscribers == []
    assert bench.driver.finalized == 1
    bench.meter.open()
    assert bench.device.is_open


def test_closing_in_the_middle_of_a_pass_switches_the_streams_off(make_context: MakeContext) -> None:
    bench = Bench()
    bench.meter.open()
    bench.meter.arm(make_context())
    bench.meter.start()
    bench.meter.close()
    assert not [value for topic, value in bench.device.topics.items() if topic.endswith("/ctrl") and value]
    assert bench.meter.stop() == Observation()
    assert "meter-writer" not in {thread.name for thread in threading.enumerate()}


# ------------------------------------------------------------------------------------------------- who is there


def test_probe_says_what_is_there_without_opening_it() -> None:
    bench = Bench()
    probe = bench.meter.probe()
    assert probe.present
    assert "JS220 001234" in probe.detail
    assert (probe.facts["serial"], probe.facts["lines"]) == ("001234", {"gpi0": "window"})
    assert bench.driver.opened == []
    assert bench.driver.finalized == 1
    bench.meter.open()
    assert bench.meter.probe().facts["firmware"] == "1.3.2"


@pytest.mark.parametrize(
    ("present", "model", "serial", "said"),
    [
        ([], "JS220", None, "no Joulescope is connected"),
        ([("JS110", "000001")], "JS220", None, "there is JS110 000001"),
        ([("JS220", "000001")], "JS220", "000002", "no JS220 000002 is connected; there is JS220 000001"),
        ([("JS220", "000001"), ("JS220", "000002")], "JS220", None, "several JS220 are connected: 000001, 000002"),
        ([("&JS220", "000001")], "JS220", None, "no Joulescope is connected"),
    ],
)
def test_a_meter_that_is_not_there_or_not_the_only_one_is_named_with_advice(
    present: list[tuple[str, str]], model: str, serial: str | None, said: str
) -> None:
    clock = Clock()
    devices = [FakeDevice(name.removeprefix("&"), number, clock) for name, number in present]
    for device, (name, number) in zip(devices, present, strict=True):
        device.path = f"u/{name.lower()}/{number}"
    driver = FakeDriver(devices)
    setup = JoulescopeSettings(model, 1e5, "10 A", "gpi0", ACCURACY, serial=serial)
    meter = Joulescope("meter", setup, factory=lambda: driver)
    probe = meter.probe()
    assert not probe.present
    assert said in probe.detail
    assert probe.advice
    with pytest.raises(HardwareError, match=said) as raised:
        meter.open()
    assert raised.value.advice == probe.advice
    assert driver.finalized == 2
    meter.close()


def test_the_serial_number_chooses_whatever_its_zeros() -> None:
    clock = Clock()
    driver = FakeDriver([FakeDevice("JS220", number, clock) for number in ("000001", "000012", "000002")])
    setup = JoulescopeSettings("JS220", 1e5, "10 A", "gpi0", ACCURACY, serial="12")
    meter = Joulescope("meter", setup, factory=lambda: driver)
    assert meter.probe().facts["serial"] == "000012"


def test_a_meter_in_use_or_one_that_refuses_is_an_error_and_is_let_go() -> None:
    bench = Bench()
    bench.device.is_open = True
    with pytest.raises(HardwareError, match="cannot be opened") as raised:
        bench.meter.open()
    assert "Joulescope UI" in (raised.value.advice or "")
    bench.device.is_open = False
    bench.device.deaf = {"s/i/range/select"}
    before = dict(bench.device.topics)
    with pytest.raises(HardwareError, match="cannot be set up"):
        bench.meter.open()
    assert not bench.device.is_open
    assert bench.device.topics == before
    assert bench.driver.finalized == 2


def test_a_driver_that_does_not_start_is_a_probe_with_the_reason() -> None:
    def no_driver() -> Driver:
        raise HardwareError("the Joulescope driver cannot be loaded", advice="pip install pyjoulescope_driver")

    meter = Joulescope("meter", Bench().settings, factory=no_driver)
    probe = meter.probe()
    assert (probe.present, probe.advice) == (False, "pip install pyjoulescope_driver")


def test_the_vendors_driver_finds_no_meter_here_or_names_it() -> None:
    setup = JoulescopeSettings("JS220", 1e6, "10 A", "gpi0", ACCURACY, serial="no such meter")
    probe = Joulescope("meter", setup).probe()
    assert not probe.present
    assert "no such meter" in probe.detail


def test_capabilities_are_those_of_the_range_in_use() -> None:
    measured = Bench(range_name="180 mA").meter.capabilities()
    assert measured.origin is Origin.MEASURED
    assert measured.accuracy is not None
    assert measured.accuracy.ranges.keys() == {"180 mA"}
    both = Bench(range_name="auto").meter.capabilities().accuracy
    assert both is not None
    assert both.ranges.keys() == {"10 A", "180 mA"}
    assert Bench("JS220", 1e6).meter.capabilities().assumes == ()
    assert "filter" in Bench("JS220", 1e3).meter.capabilities().assumes[0]
    assert "number" in Bench("JS110", 2e6).meter.capabilities().assumes[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "JS999"}, "no Joulescope of model"),
        ({"rate_hz": 2e6}, "does not give 2e\\+06"),
        ({"rate_hz": 3e3}, "does not give 3000"),
        ({"range_name": "2 A"}, "no current range '2 A'"),
        ({"voltage_range_name": "5 V"}, "no voltage range '5 V'"),
        ({"window_line": "gpi4"}, "no logic input 'gpi4'"),
        ({"more_lines": {"gpi0": "warmup"}}, "named twice"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replace(JoulescopeSettings("JS220", 1e6, "10 A", "gpi0", ACCURACY), **change)


# ------------------------------------------------------------------------------------------------- what goes wrong


def test_lost_blocks_are_a_gap_at_their_place(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench("JS220", 1e6)
    bench.device.lost = [(0.4, 0.41, ()), (0.6, 0.6001, ("s/v",))]
    seen = bench.record(make_context())
    assert set(_codes(seen)) == {"samples_dropped"}
    (trace,) = seen.traces
    lengths = [end - first for first, end in trace.gaps]
    assert lengths == pytest.approx([10_000, 100], abs=16), "a sample without a voltage is missing"
    assert trace.gaps[0][0] == pytest.approx(500_000, abs=16)
    missing = np.zeros(trace.samples, dtype=bool)
    for first, end in trace.gaps:
        missing[first:end] = True
    np.testing.assert_array_equal(np.isnan(_read(tmp_path, seen, "current")), missing)
    details = "; ".join(fault.detail for fault in seen.faults)
    assert "of current" in details, "samples left out for want of a voltage are counted"


def test_a_gap_in_the_logic_line_alone_is_no_edge(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6)
    bench.device.lost = [(0.45, 0.46, ("s/gpi/0",))]
    seen = bench.record(make_context())
    assert [mark.name for mark in seen.marks if mark.name.startswith("window")] == ["window_begin", "window_end"]
    assert seen.traces[0].gaps


def test_the_counter_may_wrap_at_32_bits_in_the_middle_of_a_pass(make_context: MakeContext) -> None:
    plain = Bench("JS220", 1e6, count=1 << 20).record(make_context("plain.energy"))
    for bits in (32, 64):
        wrapped = Bench("JS220", 1e6, count=(1 << 32) - (1 << 20), bits=bits).record(make_context(f"w{bits}.energy"))
        assert wrapped.faults == ()
        assert wrapped.traces[0].samples == plain.traces[0].samples
        assert [mark.sample for mark in wrapped.marks] == [mark.sample for mark in plain.marks]


def test_a_jump_of_the_drivers_count_by_a_whole_wrap_is_taken_out(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6)

    def play() -> None:
        bench.device.play(0.5, LOAD)
        deliver = bench.device.publish_out

        def jumped(topic: str, value: Any) -> None:
            if "sample_id" in value:
                value = {**value, "sample_id": value["sample_id"] + (1 << 32)}
                value["utc"] += round(2**32 / 2e6 * 2**30)
            deliver(topic, value)

        bench.device.publish_out = jumped
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert _codes(seen) == ["utc_jumped"], "UTC went with it, and the samples did not"
    assert "+2147.4" in seen.faults[0].detail
    assert seen.traces[0].gaps == ()


def test_a_jump_of_utc_is_told_and_changes_nothing_else(make_context: MakeContext) -> None:
    bench = Bench()

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.utc_offset_s = -3.0
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert _codes(seen) == ["utc_jumped"]
    assert "-3.000 s" in seen.faults[0].detail
    assert seen.traces[0].gaps == ()


@pytest.mark.parametrize("ahead_s", [900.0, -900.0, -2.0])
def test_a_counter_that_makes_no_sense_ends_the_trace_and_says_so(ahead_s: float, make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6, count=1 << 31)

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.count += round(ahead_s * 2e6)
        bench.device._next = {stem: count + round(ahead_s * 2e6) for stem, count in bench.device._next.items()}
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert _codes(seen)[0] == "counter_jumped"
    assert seen.traces[0].samples <= 0.7 * 1e6, "no file full of nothing"


def test_an_unplugged_meter_leaves_what_came_and_says_so(make_context: MakeContext) -> None:
    bench = Bench()

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.unplug()
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert _codes(seen) == ["meter_unplugged"]
    assert "0.50" in seen.faults[0].detail
    assert seen.traces[0].samples == pytest.approx(0.6e5, rel=0.02)
    assert "window_end" not in _marks(seen)
    bench.meter.close()
    assert bench.driver.finalized == 1


def test_a_meter_that_comes_back_is_taken_again_with_its_settings(make_context: MakeContext) -> None:
    bench = Bench(range_name="180 mA")
    bench.record(make_context("t1.energy"))
    bench.device.unplug()
    absent = bench.record(make_context("t2.energy"), during=lambda: None)
    assert (_codes(absent), absent.traces) == (["meter_unplugged"], ())
    bench.device.plug_in()
    back = bench.record(make_context("t3.energy"), during=lambda: bench.device.play(0.5, Line()))
    assert back.traces
    assert bench.device.topics["s/i/range/select"] == 130
    assert bench.driver.opened == [(bench.device.path, "restore")] * 2


def test_a_meter_that_falls_silent_is_a_timeout(make_context: MakeContext) -> None:
    bench = Bench()

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.clock.now_s += 0.5

    seen = bench.record(make_context(), during=play)
    assert _codes(seen) == ["meter_timeout"]
    assert "last 0.5" in seen.faults[0].detail


def test_a_meter_that_never_speaks_is_a_timeout_that_names_what_is_silent(make_context: MakeContext) -> None:
    bench = Bench()
    bench.device.silent = {"s/gpi/0"}
    seen = bench.record(make_context())
    assert _codes(seen) == ["meter_timeout"]
    assert "silent: gpi0" in seen.faults[0].detail
    assert seen.traces == ()


@pytest.mark.parametrize("topic", ["s/gpi/0/ctrl", "s/i/ctrl"])
def test_a_meter_that_does_not_answer_at_the_start_is_a_timeout(topic: str, make_context: MakeContext) -> None:
    bench = Bench()
    bench.meter.open()
    bench.device.deaf = {topic}
    seen = bench.record(make_context(), during=lambda: None)
    assert _codes(seen) == ["meter_timeout"]
    assert "timed out" in seen.faults[0].detail


def test_a_js110_does_not_number_its_losses_so_the_hosts_clock_finds_them(make_context: MakeContext) -> None:
    bench = Bench("JS110", 2e6)
    bench.device.lost = [(0.4, 0.45, ())]
    seen = bench.record(make_context())
    assert _codes(seen) == ["samples_dropped"]
    assert seen.traces[0].gaps == ()
    count = int(seen.faults[0].detail.split()[0])
    assert count == pytest.approx(0.05 * 2e6, rel=0.1)
    bench.device.lost = [(0.2, 0.5, ())]
    assert _codes(bench.record(make_context("t2.energy"))) == ["samples_dropped", "coverage_too_low"]


def test_a_writer_that_is_too_slow_loses_blocks_and_counts_every_byte(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from instruments.joulescope import recording

    bench = Bench("JS220", 1e6, queue_bytes=2_000_000)
    may_write = threading.Event()
    feed = recording.StreamRecorder.feed

    def slow(self: recording.StreamRecorder, block: recording.Block) -> None:
        if self.samples > 250_000:
            may_write.wait(10)
        feed(self, block)

    monkeypatch.setattr(recording.StreamRecorder, "feed", slow)
    bench.meter.open()
    received: list[int] = []
    bench.driver.subscribe(
        f"{bench.device.path}/s/i/!data", "pub", lambda _, value: received.append(value["data"].nbytes)
    )

    def play() -> None:
        bench.device.play(0.8, LOAD)
        may_write.set()
        for thread in threading.enumerate():
            if thread.name == "meter-writer":
                thread.join(0.5)
        bench.device.play(0.2, Line())

    seen = bench.record(make_context(), during=play)
    assert set(_codes(seen)) == {"samples_dropped"}
    told = next(fault.detail for fault in seen.faults if "faster than they could be written" in fault.detail)
    lost_bytes = int(told.split()[0])
    (trace,) = seen.traces
    missing = sum(end - first for first, end in trace.gaps)
    current = _read(tmp_path, seen, "current")
    assert np.count_nonzero(np.isnan(current)) == missing > 0
    assert sum(received) // 4 - current.size <= 8, "every sample is in the trace, or in a gap of it"
    # 4 bytes each of current and voltage; 2 bytes of range codes and 1/4 of the logic line at twice the rate
    assert lost_bytes <= missing * (4 + 4 + 2 + 0.25) <= lost_bytes * 4


def test_a_load_beyond_the_range_saturates(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e5, range_name="180 mA")
    line = Line(current=step(0.1, 0.18, 0.4, 0.41), levels={0: pulse(0.3, 0.7)})
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    assert "saturated" in _codes(seen)


def test_a_meter_that_measures_in_another_range_than_it_was_told_is_found_out(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e5, range_name="180 mA")
    bench.device.idle = line = Line(range_code=lambda t: np.zeros(t.shape))
    seen = bench.record(make_context(), during=lambda: bench.device.play(0.5, line))
    assert _codes(seen) == ["range_changed"]
    assert "another range than 180 mA" in seen.faults[0].detail


def test_codes_that_stand_for_no_range_are_no_change_of_it(make_context: MakeContext) -> None:
    bench = Bench("JS110", 2e6)
    bench.device.idle = Line(range_code=lambda t: np.where(t < 1e-4, 8, 0))
    line = Line(range_code=lambda t: np.where((t > 0.2) & (t < 0.20001), 7, 0))
    assert bench.record(make_context(), during=lambda: bench.device.play(0.5, line)).faults == ()


@pytest.mark.parametrize(("amperes", "code", "saturates"), [(0.2, 1, False), (10.0, 0, True)])
def test_an_automatic_range_saturates_at_its_largest_range_only(
    amperes: float, code: int, saturates: bool, make_context: MakeContext
) -> None:
    bench = Bench("JS220", 1e5, range_name="auto")
    line = Line(current=lambda t: np.full(t.shape, amperes), range_code=lambda t: np.full(t.shape, code))
    bench.device.idle = line
    seen = bench.record(make_context(), during=lambda: bench.device.play(0.3, line))
    assert ("saturated" in _codes(seen)) == saturates


def test_a_range_change_is_found_however_short_it_is(make_context: MakeContext) -> None:
    bench = Bench("JS220", 5e3, range_name="auto", statistics=False)
    line = Line(range_code=lambda t: np.where((t >= 0.5) & (t < 0.500002), 0, 1))
    bench.device.idle = Line(range_code=lambda t: np.ones(t.shape))
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    assert _codes(seen) == ["range_changed", "range_changed"], "4 counts of 400 that make a sample: there and back"
    assert seen.faults[0].detail.startswith("range 10 A from sample")


def test_a_range_that_changes_all_the_time_does_not_flood_the_record(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e5, range_name="auto")
    line = Line(range_code=lambda t: (t * 1000).astype(int) % 2)
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    assert set(_codes(seen)) == {"range_changed"}
    assert len(seen.faults) < 12
    assert "further changes" in seen.faults[-1].detail


def test_samples_that_the_meter_marks_as_missing_are_no_numbers(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench("JS110", 2e6, range_name="auto")
    line = Line(current=lambda t: np.where((t > 0.4) & (t < 0.40001), np.nan, 0.1))
    seen = bench.record(make_context(), during=lambda: bench.device.play(0.5, line))
    current = _read(tmp_path, seen, "current")
    assert 15 <= np.count_nonzero(np.isnan(current)) <= 21
    assert "saturated" not in _codes(seen)


@pytest.mark.parametrize("broken", [{"data": None}, {"decimate_factor": 7}, {"data": np.zeros(8, np.float64)}])
def test_blocks_that_are_not_what_they_should_be_end_the_trace(
    broken: dict[str, Any], make_context: MakeContext
) -> None:
    bench = Bench("JS220", 1e6)

    def play() -> None:
        bench.device.play(0.3, LOAD)
        bench.device.send_block("s/i", bench.device.count, np.zeros(8, np.float32), broken)
        bench.device.play(0.3, LOAD)

    seen = bench.record(make_context(), during=play)
    assert "counter_jumped" in _codes(seen)
    assert seen.traces[0].samples < 0.5e6


def test_a_block_that_comes_twice_counts_once(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6)

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.send_block("s/i", bench.device.count - 2000, np.zeros(1000, np.float32))
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert seen.faults == ()
    assert seen.traces[0].gaps == ()


def test_a_trace_that_cannot_be_written_is_a_fault(make_context: MakeContext) -> None:
    bench = Bench()
    context = make_context()
    context.trace.parent.mkdir(parents=True)
    context.trace.with_name("t0001.energy.jls").write_bytes(b"there already")
    seen = bench.record(context)
    assert _codes(seen) == ["trace_unreadable"]
    assert seen.traces == ()


def test_starting_before_opening_or_arming_is_a_mistake_of_ours(make_context: MakeContext) -> None:
    bench = Bench()
    with pytest.raises(RuntimeError):
        bench.meter.start()
    bench.meter.arm(make_context())
    with pytest.raises(RuntimeError):
        bench.meter.start()
