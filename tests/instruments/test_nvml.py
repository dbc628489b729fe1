"""A GPU as a meter: its energy counter from edge to edge, its power as a check, and what it refuses."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator

import numpy as np
import pynvml
import pytest
from fake_nvml import FakeGpu, FakeNvml
from fake_polled import FakeTime

from instruments.nvml import devices
from instruments.nvml.instrument import nvml_meter
from instruments.nvml.library import vendor_library
from instruments.polling.meter import PolledMeter
from instruments.protocol import Observation, PassContext
from lab.errors import HardwareError
from lab.record.traces.readings import Readings, read_readings

MakeContext = Callable[..., PassContext]

NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED
ENERGY, POWER, FIELDS = "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetFieldValues"


@pytest.fixture
def time() -> Iterator[FakeTime]:
    yield (fake := FakeTime())
    fake.stop_waiting()


def meter_of(nvml: FakeNvml, device: str | None = None) -> PolledMeter:
    return nvml_meter("gpu", device, factory=lambda: nvml, time=nvml.time, patience_s=1.0)


def recorded(nvml: FakeNvml, context: PassContext, seconds: float = 3.0) -> Observation:
    meter = meter_of(nvml)
    meter.open()
    meter.arm(context)
    meter.start()
    nvml.time.let_pass(seconds)
    seen = meter.stop()
    meter.close()
    assert nvml.open_count == 0
    return seen


def trace_of(seen: Observation, context: PassContext) -> Readings:
    return read_readings(context.record_root / seen.traces[0].path)


def codes(seen: Observation) -> set[str]:
    return {fault.code for fault in seen.faults}


def test_the_fake_has_the_real_ones_names_and_arguments() -> None:
    functions = [name for name in vars(FakeNvml) if name.startswith("nvml")]
    assert len(functions) > 10
    for name in functions:
        real, fake = (inspect.signature(getattr(owner, name)).parameters for owner in (pynvml, FakeNvml))
        assert [item for item in fake if item != "self"] == list(real), name


# ------------------------------------------------------------------------------------------------------------ energy


def busy_between(begin_s: float, end_s: float, idle_w: float = 70.0, busy_w: float = 500.0) -> Callable[[float], float]:
    """Energy since 0 of a GPU that is busy for a while."""
    return lambda t: idle_w * t + (busy_w - idle_w) * (min(max(t, begin_s), end_s) - begin_s)


def test_energy_is_counted_from_edge_to_edge_with_power_beside_it(time: FakeTime, make_context: MakeContext) -> None:
    energy_j = busy_between(2.5, 3.5)
    nvml = FakeNvml(time, [FakeGpu(power_w=lambda t: 500.0 if 2.5 <= t < 3.5 else 70.0, energy_j=energy_j)])
    seen = recorded(nvml, context := make_context(), 4.0)
    assert seen.faults == ()
    trace = trace_of(seen, context)
    energy, power = trace.channels["energy"], trace.channels["power"]
    assert not energy.channel.cross_check
    assert power.channel.cross_check
    assert power.channel.averaged_s == 0.0
    assert energy.channel.update_period_s == pytest.approx(0.1, rel=0.01)
    edges = np.flatnonzero(np.diff(energy.value)) + 1
    first, last = int(edges[0]), int(edges[-1])
    assert last == energy.value.size - 1
    zero_s = (trace.zero_ns - 5_000_000_000_000) * 1e-9
    truth_j = energy_j(zero_s + energy.middle_ns[last] * 1e-9) - energy_j(zero_s + energy.middle_ns[first] * 1e-9)
    assert energy.value[last] - energy.value[first] == pytest.approx(truth_j, abs=70.0 * 0.008), "two calls' length"
    gaps_ns = [energy.end_ns[edge] - energy.begin_ns[edge - 1] for edge in edges]
    assert max(gaps_ns) <= 25e6, "each edge is seen to a fraction of the update period"


def test_both_give_the_same_energy_or_it_is_said(time: FakeTime, make_context: MakeContext) -> None:
    seen = recorded(FakeNvml(time), make_context(), 5.0)
    check = next(item for item in seen.readings if item.name == "energy_by_power_samples_j")
    assert check.value == pytest.approx(70.0 * check.details["duration_s"], rel=0.01)
    assert check.details["counter_j"] == pytest.approx(check.value, rel=0.05)
    lying = FakeNvml(FakeTime(), [FakeGpu(power_w=lambda _: 60.0)])
    seen = recorded(lying, make_context("t0002.energy"), 5.0)
    assert codes(seen) == {"statistics_disagree"}
    assert "the samples of power" in seen.faults[0].detail
    lying.time.stop_waiting()


@pytest.mark.parametrize("period_s", [0.007, 0.03, 0.4, 2.0])
def test_a_load_that_comes_and_goes_is_no_disagreement(
    period_s: float, time: FakeTime, make_context: MakeContext
) -> None:
    def energy_j(t: float) -> float:
        whole, rest = divmod(t, period_s)
        return 70.0 * t + 430.0 * (whole * period_s / 2 + min(rest, period_s / 2))

    gpu = FakeGpu(power_w=lambda t: 500.0 if t % period_s < period_s / 2 else 70.0, energy_j=energy_j)
    assert recorded(FakeNvml(time, [gpu]), make_context(), 10.0).faults == ()


def test_power_is_the_main_thing_where_energy_is_not_supported(time: FakeTime, make_context: MakeContext) -> None:
    power_w = lambda t: 70.0 + 5.0 * math.sin(t)  # noqa: E731
    nvml = FakeNvml(time, [FakeGpu(power_w=power_w, refuses={ENERGY: NOT_SUPPORTED})])
    seen = recorded(nvml, context := make_context())
    channels = trace_of(seen, context).channels
    assert list(channels) == ["power"]
    assert not channels["power"].channel.cross_check
    assert channels["power"].channel.update_period_s == pytest.approx(0.082, rel=0.05)
    assert channels["power"].value.mean() == pytest.approx(70.0, rel=0.1)
    assert seen.faults == ()


@pytest.mark.parametrize(
    ("architecture", "averaged_s"), [(pynvml.NVML_DEVICE_ARCH_TURING, 0.0), (pynvml.NVML_DEVICE_ARCH_ADA, 1.0)]
)
def test_without_instant_power_the_mean_of_the_last_second_is_called_so(
    architecture: int, averaged_s: float, time: FakeTime, make_context: MakeContext
) -> None:
    seen = recorded(FakeNvml(time, [FakeGpu(instant=False, architecture=architecture)]), context := make_context())
    assert trace_of(seen, context).channels["power"].channel.averaged_s == averaged_s


def test_a_driver_too_old_for_field_values_still_gives_power(time: FakeTime, make_context: MakeContext) -> None:
    old = FakeGpu(refuses={FIELDS: pynvml.NVML_ERROR_FUNCTION_NOT_FOUND})
    seen = recorded(FakeNvml(time, [old]), context := make_context())
    assert set(trace_of(seen, context).channels) == {"energy", "power"}


# ----------------------------------------------------------------------------------------------------- which, if any


def test_a_probe_reads_it_and_leaves_the_library_closed(time: FakeTime) -> None:
    nvml = FakeNvml(time)
    probe = meter_of(nvml).probe()
    assert probe.present
    assert "NVIDIA H200" in probe.detail
    assert "70 W" in probe.detail
    assert probe.facts == {
        "name": "NVIDIA H200",
        "uuid": "GPU-11111111-2222-3333-4444-555555555555",
        "serial": "1652923012345",
        "pci_bus_id": "00000000:65:00.0",
        "driver": "570.124.06",
        "power_limit_w": 700.0,
        "persistence_mode": True,
        "channels": {"energy": "the energy", "power": "a cross-check"},
    }
    assert nvml.open_count == 0


def test_facts_that_a_gpu_refuses_are_left_out(time: FakeTime) -> None:
    gpu = FakeGpu(refuses={"nvmlDeviceGetSerial": NOT_SUPPORTED, "nvmlDeviceGetEnforcedPowerLimit": NOT_SUPPORTED})
    probe = meter_of(FakeNvml(time, [gpu])).probe()
    assert probe.present
    assert not {"serial", "power_limit_w"} & probe.facts.keys()


@pytest.mark.parametrize("device", ["1", "GPU-b", "00000000:b3:00.0"])
def test_a_gpu_is_chosen_by_index_uuid_or_bus(device: str, time: FakeTime) -> None:
    nvml = FakeNvml(time, [FakeGpu(), FakeGpu(name="the other", uuid="GPU-b", bus="00000000:b3:00.0")])
    assert meter_of(nvml, device).probe().facts["name"] == "the other"


def test_several_gpus_want_a_name(time: FakeTime) -> None:
    nvml = FakeNvml(time, [FakeGpu(), FakeGpu(name="the other", uuid="GPU-b")])
    probe = meter_of(nvml).probe()
    assert not probe.present
    assert "1: the other (GPU-b)" in probe.advice
    assert devices.connected(nvml) == [f"0: NVIDIA H200 ({FakeGpu().uuid})", "1: the other (GPU-b)"]


@pytest.mark.parametrize(
    ("nvml", "device", "detail", "advice"),
    [
        (lambda t: FakeNvml(t, starts=pynvml.NVML_ERROR_DRIVER_NOT_LOADED), None, "Driver Not Loaded", "nvidia-smi"),
        (lambda t: FakeNvml(t, []), None, "no NVIDIA GPU", "nvidia-smi"),
        (lambda t: FakeNvml(t), "3", "no GPU '3'", "0: NVIDIA H200"),
        (lambda t: FakeNvml(t), "GPU-x", "no GPU 'GPU-x'", "0: NVIDIA H200"),
        (
            lambda t: FakeNvml(t, [FakeGpu(refuses=dict.fromkeys((ENERGY, POWER, FIELDS), NOT_SUPPORTED))]),
            None,
            "Not Supported",
            "hwmon",
        ),
        (
            lambda t: FakeNvml(
                t, [FakeGpu(refuses=dict.fromkeys((ENERGY, POWER, FIELDS), pynvml.NVML_ERROR_NO_PERMISSION))]
            ),
            None,
            "Insufficient Permissions",
            "",
        ),
        (
            lambda t: FakeNvml(t, [FakeGpu(refuses={ENERGY: pynvml.NVML_ERROR_GPU_IS_LOST})]),
            None,
            "GPU is lost",
            "dmesg",
        ),
    ],
    ids=["no driver", "no GPU", "no such index", "no such UUID", "a Jetson", "forbidden", "lost"],
)
def test_a_gpu_that_is_not_there_is_a_probe_with_advice(
    nvml: Callable[[FakeTime], FakeNvml], device: str | None, detail: str, advice: str, time: FakeTime
) -> None:
    library = nvml(time)
    meter = meter_of(library, device)
    probe = meter.probe()
    assert not probe.present
    assert detail in probe.detail
    assert advice in probe.advice
    with pytest.raises(HardwareError) as raised:
        meter.open()
    assert detail in raised.value.message
    assert raised.value.advice
    assert library.open_count == 0
    meter.close()


def test_the_real_library_without_a_driver_is_absent_with_advice() -> None:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        probe = nvml_meter("gpu", factory=vendor_library).probe()
        assert not probe.present
        assert probe.detail == "NVML does not start: NVML Shared Library Not Found"
        assert probe.advice
        with pytest.raises(HardwareError):
            devices.connected(vendor_library())
    else:
        pynvml.nvmlShutdown()
        assert nvml_meter("gpu", "0").probe().detail, "this machine has a driver: it is asked, whatever it says"


# ----------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (pynvml.NVML_ERROR_GPU_IS_LOST, "meter_unplugged"),
        (pynvml.NVML_ERROR_RESET_REQUIRED, "meter_unplugged"),
        (pynvml.NVML_ERROR_UNINITIALIZED, "meter_unplugged"),
        (pynvml.NVML_ERROR_TIMEOUT, "meter_timeout"),
        (pynvml.NVML_ERROR_UNKNOWN, "meter_timeout"),
    ],
)
def test_what_a_gpu_answers_midway_has_its_reason(
    code: int, reason: str, time: FakeTime, make_context: MakeContext
) -> None:
    nvml = FakeNvml(time)
    meter = meter_of(nvml)
    meter.open()
    meter.arm(context := make_context())
    meter.start()
    time.let_pass(1.0)
    nvml.gpus[0].refuses = {ENERGY: code}
    time.let_pass(3.0)
    seen = meter.stop()
    assert reason in codes(seen)
    assert trace_of(seen, context).channels["energy"].value.size > 50
    nvml.gpus[0].refuses = {}
    meter.arm(context := make_context("t0002.energy"))
    meter.start()
    time.let_pass(1.0)
    assert meter.stop().faults == (), "it is back"
    meter.close()


def test_a_counter_that_begins_anew_ends_the_trace(time: FakeTime, make_context: MakeContext) -> None:
    nvml = FakeNvml(time)
    meter = meter_of(nvml)
    meter.open()
    meter.arm(context := make_context())
    meter.start()
    time.let_pass(1.0)
    nvml.gpus[0].before_mj = 0
    time.let_pass(1.0)
    seen = meter.stop()
    assert codes(seen) == {"counter_jumped"}
    assert trace_of(seen, context).channels["energy"].value.size > 50
    meter.close()


def test_a_counter_that_stops_is_stale(time: FakeTime, make_context: MakeContext) -> None:
    nvml = FakeNvml(time)
    meter = meter_of(nvml)
    meter.open()
    meter.arm(make_context())
    meter.start()
    time.let_pass(1.0)
    stopped_s = time.now_s
    nvml.gpus[0].energy_j = lambda t: 70.0 * min(t, stopped_s)
    time.let_pass(4.0)
    assert codes(meter.stop()) == {"meter_stale", "statistics_disagree"}
    meter.close()
