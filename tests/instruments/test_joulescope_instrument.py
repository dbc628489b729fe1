"""A real Joulescope's instrument, on an exact stand-in for the vendor's driver: what it sets, records and notices."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_joulescope import Clock, FakeDevice, FakeDriver, Line, pulse
from joulescope_bench import (
    ACCURACY,
    BEGIN_S,
    BUSY_A,
    END_S,
    IDLE_A,
    LOAD,
    QUICK,
    TOTAL_S,
    VOLTS,
    Bench,
    codes,
    marks_of,
    read,
)

from instruments.joulescope.driver import Driver, SharedDriver
from instruments.joulescope.instrument import Joulescope
from instruments.joulescope.settings import JoulescopeSettings
from instruments.protocol import Observation, PassContext
from lab.errors import HardwareError, UsageError
from lab.record.quantity import Origin
from lab.record.traces import open_trace

MakeContext = Callable[..., PassContext]

MODELS_AND_RATES = [
    ("JS110", 2e6),
    ("JS110", 1e4),
    ("JS220", 1e6),
    ("JS220", 5e5),
    ("JS220", 5e3),
    ("JS320", 1e6),
    ("JS320", 1e4),
]


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
    current, voltage = read(tmp_path, seen, "current"), read(tmp_path, seen, "voltage")
    assert set(np.unique(voltage)) == {np.float32(VOLTS)}
    marks = marks_of(seen)
    steps = np.flatnonzero(np.abs(np.diff(current)) > 0.1) + 1
    for name, at in zip(("window_begin", "window_end"), steps, strict=True):
        assert abs(marks[name].sample + 0.5 - at) <= 1, "the logic lines and the filtered current are aligned"
    window_s = (marks["window_end"].sample - marks["window_begin"].sample) / rate_hz
    assert window_s == pytest.approx(END_S - BEGIN_S, abs=2 / rate_hz)


def test_power_is_recorded_where_it_is_asked_for(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench(power=True)
    seen = bench.record(make_context())
    power, current = read(tmp_path, seen, "power"), read(tmp_path, seen, "current")
    np.testing.assert_allclose(power, current * VOLTS, rtol=1e-6)
    assert "power" in bench.meter.capabilities().measures
    assert "power" not in Bench().meter.capabilities().measures


def test_other_wired_lines_give_their_marks(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench(window_line="gpi2", more_lines={"gpi0": "warmup", "gpi3": "program"})
    line = Line(levels={2: pulse(0.4, 0.7), 0: pulse(0.3, 0.35), 3: pulse(0.2, 0.8)})
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    marks = marks_of(seen)
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
    assert codes(seen) == ["statistics_disagree"]
    assert Bench("JS110", 1e6).record(make_context("t0003.energy")).readings == (), "its sums are not numbered"


def test_the_file_carries_utc_and_themarks_of(make_context: MakeContext, tmp_path: Path) -> None:
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
