"""Power sensors among the kernel's hardware monitors: found by name, read in SI units, honest about their pace."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_polled import FakeTime

from instruments import hwmon
from instruments.hwmon import SensorName, hwmon_meter
from instruments.hwmon_sensors import sensors
from instruments.polling.meter import PolledMeter
from instruments.protocol import Observation, PassContext
from lab.errors import HardwareError
from lab.record.traces.readings import read_readings

MakeContext = Callable[..., PassContext]


@pytest.fixture
def time() -> Iterator[FakeTime]:
    yield (fake := FakeTime())
    fake.stop_waiting()


def chip(root: Path, number: int, name: str, address: str, **files: object) -> Path:
    """A chip's folder as the kernel shows it."""
    folder = root / f"hwmon{number}"
    folder.mkdir(parents=True)
    device = root / "devices" / address
    device.mkdir(parents=True)
    (folder / "device").symlink_to(device)
    for file, value in {"name": name, **files}.items():
        (folder / file).write_text(f"{value}\n")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An INA226 on a 5 V rail, an INA3221 as on a Jetson, and chips without power."""
    root = tmp_path / "hwmon"
    chip(root, 0, "acpitz", "thermal0", temp1_input=41000)
    chip(
        root,
        1,
        "ina226",
        "1-0040",
        in0_input=2,
        in1_input=5012,
        curr1_input=812,
        power1_input=4_075_000,
        update_interval=35,
        shunt_resistor=10_000,
    )
    chip(
        root,
        2,
        "ina3221",
        "1-0041",
        update_interval=20,
        samples=16,
        **{f"in{n}_input": volts for n, volts in ((1, 19_000), (2, 18_900), (3, 5_000), (4, 9), (5, 4), (6, 1))},
        **{f"curr{n}_input": amperes for n, amperes in ((1, 500), (2, 200), (3, 0), (4, 700))},
        in1_label="VDD_IN",
        in2_label="VDD_CPU_GPU_CV",
        in3_label="VDD_SOC",
        shunt1_resistor=5000,
    )
    return root


def meter_of(root: Path, time: FakeTime, sensor: SensorName, **more: object) -> PolledMeter:
    return hwmon_meter("rail", sensor, root=root, time=time, patience_s=0.5, **more)  # type: ignore[arg-type]


def recorded(meter: PolledMeter, time: FakeTime, context: PassContext, seconds: float = 1.0) -> Observation:
    meter.open()
    meter.arm(context)
    meter.start()
    time.let_pass(seconds)
    return meter.stop()


# ------------------------------------------------------------------------------------------------------------- which


def test_sensors_are_those_with_power_or_voltage_and_current(root: Path) -> None:
    assert list(map(str, sensors(root))) == [
        "ina226 at 1-0040, channel 1",
        "ina3221 at 1-0041, channel 1 'VDD_IN'",
        "ina3221 at 1-0041, channel 2 'VDD_CPU_GPU_CV'",
        "ina3221 at 1-0041, channel 3 'VDD_SOC'",
    ]


@pytest.mark.parametrize(
    ("sensor", "shown"),
    [
        (SensorName("ina226"), "4.075 W"),
        (SensorName(address="1-0040"), "4.075 W"),
        (SensorName(label="VDD_IN"), "19 V, 0.5 A"),
        (SensorName("ina3221", channel=2), "18.9 V, 0.2 A"),
    ],
    ids=str,
)
def test_a_sensor_is_found_and_read(sensor: SensorName, shown: str, root: Path, time: FakeTime) -> None:
    probe = meter_of(root, time, sensor).probe()
    assert probe.present
    assert f": {shown} now" in probe.detail


def test_its_facts_are_told(root: Path, time: FakeTime) -> None:
    assert meter_of(root, time, SensorName("ina226")).probe().facts == {
        "chip": "ina226",
        "channel": 1,
        "address": "1-0040",
        "shunt_resistor_ohm": pytest.approx(0.01),
        "update_interval_s": pytest.approx(0.035),
    }
    facts = meter_of(root, time, SensorName(label="VDD_IN")).probe().facts
    assert (facts["samples"], facts["shunt_resistor_ohm"], facts["label"]) == (16, pytest.approx(5e-3), "VDD_IN")


@pytest.mark.parametrize(
    ("sensor", "detail", "advice"),
    [
        (SensorName("ina3221"), "3 sensors", "VDD_SOC"),
        (SensorName("ina219"), "no sensor is called so", "ina226"),
        (SensorName("acpitz"), "no sensor is called so", "ina226"),
    ],
    ids=str,
)
def test_none_or_several_is_a_probe_with_advice(
    sensor: SensorName, detail: str, advice: str, root: Path, time: FakeTime
) -> None:
    meter = meter_of(root, time, sensor)
    probe = meter.probe()
    assert not probe.present
    assert detail in probe.detail
    assert advice in probe.advice
    with pytest.raises(HardwareError):
        meter.open()


def test_a_machine_without_sensors(tmp_path: Path, time: FakeTime) -> None:
    probe = meter_of(tmp_path, time, SensorName("ina226")).probe()
    assert not probe.present
    assert "device tree" in probe.advice


# ----------------------------------------------------------------------------------------------------------- reading


def test_power_of_the_chip_is_taken_where_it_has_it(root: Path, time: FakeTime, make_context: MakeContext) -> None:
    meter = meter_of(root, time, SensorName("ina226"), scope="board")
    seen = recorded(meter, time, context := make_context(), 2.0)
    assert seen.faults == ()
    (power,) = read_readings(context.record_root / seen.traces[0].path).channels.values()
    assert power.channel.measures == "power"
    assert power.channel.update_period_s == pytest.approx(0.035)
    assert power.channel.averaged_s == pytest.approx(0.035), "an INA226 converts all the time"
    assert power.value == pytest.approx([4.075] * power.value.size)
    assert power.begin_ns[1:] - power.begin_ns[:-1] == pytest.approx([17_500_000] * (power.value.size - 1))
    said = {item.name: item for item in seen.readings}
    assert said["update_period_s"].value == pytest.approx(0.035)
    assert said["update_period_s"].details["how"] == "stated by the meter"
    assert (meter.capabilities().scope, meter.capabilities().measures) == ("board", ("power",))
    meter.close()


def test_voltage_and_current_else(root: Path, time: FakeTime, make_context: MakeContext) -> None:
    meter = meter_of(root, time, SensorName(label="VDD_IN"), period_s=0.005)
    seen = recorded(meter, time, context := make_context())
    channels = read_readings(context.record_root / seen.traces[0].path).channels
    assert list(channels) == ["voltage", "current"]
    assert float(channels["voltage"].value[0] * channels["current"].value[0]) == pytest.approx(9.5)
    assert meter.capabilities().measures == ("voltage", "current")
    assert meter.capabilities().rate_hz == pytest.approx(200.0)
    meter.close()


def test_a_new_value_is_seen(root: Path, time: FakeTime, make_context: MakeContext) -> None:
    meter = meter_of(root, time, SensorName("ina226"))
    meter.open()
    meter.arm(context := make_context())
    meter.start()
    time.let_pass(0.5)
    (root / "hwmon1" / "power1_input").write_text("-250000\n")
    time.let_pass(0.5)
    seen = meter.stop()
    (power,) = read_readings(context.record_root / seen.traces[0].path).channels.values()
    assert power.value[0] == pytest.approx(4.075)
    assert power.value[-1] == pytest.approx(-0.25), "current may flow back"
    meter.close()


# ---------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("error", "code"),
    [(errno.ENODEV, "meter_unplugged"), (errno.ENXIO, "meter_unplugged"), (errno.EREMOTEIO, "meter_timeout")],
)
def test_a_chip_that_leaves_the_bus_midway(
    error: int,
    code: str,
    root: Path,
    time: FakeTime,
    make_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meter = meter_of(root, time, SensorName("ina226"))
    meter.open()
    meter.arm(context := make_context())
    meter.start()
    time.let_pass(0.5)

    def failing(*_: object) -> bytes:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(hwmon.os, "pread", failing)
    time.let_pass(1.0)
    seen = meter.stop()
    assert code in {fault.code for fault in seen.faults}
    assert read_readings(context.record_root / seen.traces[0].path).length == pytest.approx(0.5e9, rel=0.1)
    meter.close()


@pytest.mark.parametrize("text", ["", "nan", "4.5", "１２", "1_000", "9" * 40])
def test_a_file_that_shows_no_whole_number_is_refused(text: str, root: Path, time: FakeTime) -> None:
    (root / "hwmon1" / "power1_input").write_text(text)
    meter = meter_of(root, time, SensorName("ina226"))
    probe = meter.probe()
    assert not probe.present
    assert "cannot be read" in probe.detail
    with pytest.raises(HardwareError):
        meter.open()


def test_a_file_that_nobody_may_read(root: Path, time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    probe = meter_of(root, time, SensorName("ina226")).probe()
    assert not probe.present
    assert "Permission denied" in probe.detail
    assert "may read" in probe.advice


def test_this_machine_is_asked_and_nothing_is_raised() -> None:
    for sensor in sensors():
        assert hwmon_meter("rail", SensorName(sensor.chip, sensor.address, sensor.label, sensor.channel)).probe().detail
