"""RAPL's counters: perf first, powercap second, wraps undone, and a reason for each way that is barred."""

from __future__ import annotations

import errno
import os
import time as real_time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_polled import FakeTime
from fake_rapl import PACKAGE, POWER_W, Machine

from instruments.polling.meter import PolledMeter
from instruments.protocol import Observation, PassContext
from instruments.rapl import counters, perf_open
from instruments.rapl.counters import Domain, domains_listed
from instruments.rapl.source import rapl_meter
from lab.errors import HardwareError
from lab.record.traces.readings import read_readings

MakeContext = Callable[..., PassContext]


@pytest.fixture
def time() -> Iterator[FakeTime]:
    yield (fake := FakeTime())
    fake.stop_waiting()


@pytest.fixture
def machine(tmp_path: Path, time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "sys", time)
    monkeypatch.setattr(perf_open, "read_event", made.read_event)
    monkeypatch.setattr(counters.os, "pread", made.pread)
    return made


def recorded(meter: PolledMeter, time: FakeTime, context: PassContext, seconds: float = 2.0) -> Observation:
    meter.open()
    meter.arm(context)
    meter.start()
    time.let_pass(seconds)
    return meter.stop()


def check_energy(seen: Observation, context: PassContext, wraps: int = 0) -> None:
    energy = read_readings(context.record_root / seen.traces[0].path).channels["energy"]
    length_s = (energy.middle_ns[-1] - energy.middle_ns[1]) * 1e-9
    assert length_s > 1.9
    assert energy.value[-1] - energy.value[1] == pytest.approx(POWER_W * length_s, rel=1e-3)
    assert energy.wraps == wraps
    assert energy.channel.update_period_s == pytest.approx(1e-3, rel=0.02)


# ------------------------------------------------------------------------------------------------------ the two ways


def test_perf_comes_first(machine: Machine, time: FakeTime, make_context: MakeContext) -> None:
    machine.with_perf("energy-pkg", "energy-ram").with_powercap()
    meter = machine.meter()
    assert meter.capabilities().scope == "package-0"
    seen = recorded(meter, time, context := make_context())
    assert list(machine.opened.values()) == [(23, 2, 0)]
    assert seen.faults == ()
    check_energy(seen, context)
    probe = machine.meter().probe()
    assert probe.facts["source"] == "perf power/energy-pkg/ on CPU 0"
    assert "45 W now" in probe.detail
    meter.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(next(iter(machine.opened)))


def test_each_socket_is_a_meter_of_its_own_and_its_dies_are_added_up(machine: Machine) -> None:
    machine.with_perf("energy-pkg", cpumask="0,8,16-17").with_sockets({0: 0, 8: 1, 16: 1, 17: 2})
    probe = machine.meter(Domain("package", 1)).probe()
    assert "CPU 8, 16" in probe.facts["source"]
    assert "90 W now" in probe.detail
    assert "there is no package 5" in machine.meter(Domain("package", 5)).probe().detail


@pytest.mark.parametrize(
    ("domain", "code"), [("package", 2), ("cores", 1), ("dram", 3), ("psys", 5)], ids=lambda item: str(item)
)
def test_each_domain_has_its_event(domain: str, code: int, machine: Machine) -> None:
    machine.with_perf("energy-pkg", "energy-cores", "energy-ram", "energy-psys", cpumask="0,8").with_sockets({8: 1})
    probe = machine.meter(Domain(domain, 0)).probe()
    assert probe.present
    assert list(machine.opened.values()) == [(23, code, 0)]


def test_powercap_is_second_and_its_wraps_are_undone(
    machine: Machine, time: FakeTime, make_context: MakeContext
) -> None:
    machine.range_uj = 39_999_999
    meter = machine.with_powercap().meter()
    seen = recorded(meter, time, context := make_context())
    assert seen.faults == ()
    check_energy(seen, context, wraps=2)
    assert meter.probe().facts["modulus"] == 40_000_000
    meter.close()


def test_it_is_asked_often_enough_for_its_range(machine: Machine, time: FakeTime, make_context: MakeContext) -> None:
    machine.range_uj = 29_999_999
    seen = recorded(machine.with_powercap().meter(), time, context := make_context(), 1.0)
    energy = read_readings(context.record_root / seen.traces[0].path).channels["energy"]
    assert max(energy.begin_ns[2:] - energy.begin_ns[1:-1]) < 2e6, "10 kW would go through half of 30 J in 1.5 ms"


@pytest.mark.parametrize(
    ("domain", "zone"),
    [
        (PACKAGE, "intel-rapl:0"),
        (Domain("package", 1), "intel-rapl:1"),
        (Domain("cores", 0), "intel-rapl:0:0"),
        (Domain("dram", 0), "intel-rapl:0:1"),
        (Domain("dram", 1), "intel-rapl:1:0"),
        (Domain("psys", 0), "intel-rapl:2"),
    ],
    ids=str,
)
def test_a_powercap_zone_is_found_by_its_name_and_package(domain: Domain, zone: str, machine: Machine) -> None:
    assert machine.with_powercap().meter(domain).probe().facts["source"] == f"powercap {zone}"


def test_all_domains_are_listed(machine: Machine) -> None:
    machine.with_powercap().with_perf("energy-pkg", "energy-psys", cpumask="0,8").with_sockets({0: 0, 8: 1})
    assert set(map(str, domains_listed(machine.root))) == {
        "package-0",
        "package-1",
        "cores-0",
        "dram-0",
        "dram-1",
        "psys",
    }
    assert domains_listed(machine.root / "nowhere") == []


# ------------------------------------------------------------------------------------------------- barred and broken


def test_a_forbidden_event_goes_over_to_powercap(machine: Machine) -> None:
    machine.with_perf("energy-pkg").with_powercap()
    machine.refuses = OSError(errno.EACCES, "Permission denied")
    assert machine.meter().probe().facts["source"].startswith("powercap")
    barred = machine.meter(way="perf").probe()
    assert not barred.present
    assert "Permission denied" in barred.detail
    assert "perf_event_paranoid" in barred.advice


def test_files_for_root_alone_say_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    machine.with_powercap()
    monkeypatch.setattr(counters.os, "open", forbidden)
    probe = machine.meter().probe()
    assert not probe.present
    assert "root" in probe.advice
    assert "virtual machines" not in probe.advice, "what helps is said, not what does not"
    with pytest.raises(HardwareError) as raised:
        machine.meter().open()
    assert raised.value.advice == probe.advice


def test_a_virtual_machine_with_an_empty_pmu_has_no_rapl(machine: Machine) -> None:
    machine.with_perf()
    probe = machine.meter().probe()
    assert not probe.present
    assert "no event energy-pkg" in probe.detail
    assert probe.advice


def test_a_counter_that_nothing_feeds_is_not_there(machine: Machine) -> None:
    machine.with_perf("energy-pkg").with_powercap().standing = True
    probe = machine.meter().probe()
    assert not probe.present
    assert probe.detail.count("stands still") == 2


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("type", "what\n"),
        ("events/energy-pkg", "config1=7\n"),
        ("events/energy-pkg.scale", "nan\n"),
        ("events/energy-pkg.scale", "-1\n"),
        ("events/energy-pkg.scale", "much\n"),
        ("events/energy-pkg.unit", "Watts\n"),
        ("cpumask", "\n"),
    ],
)
def test_files_that_make_no_sense_are_refused(file: str, text: str, machine: Machine) -> None:
    (machine.with_perf("energy-pkg").root / "bus/event_source/devices/power" / file).write_text(text)
    probe = machine.meter(way="perf").probe()
    assert not probe.present
    assert probe.detail
    assert probe.advice


@pytest.mark.parametrize("text", ["", "-1", "many", "99999999999999999999999"])
def test_a_range_that_makes_no_sense_is_refused(text: str, machine: Machine) -> None:
    (machine.with_powercap().root / "class/powercap/intel-rapl:0/max_energy_range_uj").write_text(text)
    assert not machine.meter().probe().present


@pytest.mark.parametrize("way", ["perf", "powercap"])
def test_a_counter_that_goes_away_midway(way: str, machine: Machine, time: FakeTime, make_context: MakeContext) -> None:
    meter = machine.with_perf("energy-pkg").with_powercap().meter(way=way)
    meter.open()
    meter.arm(make_context())
    meter.start()
    time.let_pass(1.0)
    machine.gone = True
    time.let_pass(1.0)
    assert {fault.code for fault in meter.stop().faults} == {"meter_unplugged"}
    meter.close()


# ----------------------------------------------------------------------------------------------- the real system call


def test_the_kernel_opens_and_counts_an_event_of_its_own() -> None:
    """What RAPL's events go through, on one that every machine has: the CPU's clock."""
    try:
        descriptor = perf_open.open_event(
            perf_open.TYPE_SOFTWARE, perf_open.SOFTWARE_CPU_CLOCK, cpu=-1, pid=0, exclude_kernel=os.geteuid() != 0
        )
    except OSError as error:
        pytest.skip(f"this kernel lets nobody open an event: {error} (sysctl kernel.perf_event_paranoid=2 or less)")
    try:
        before, began = perf_open.read_event(descriptor), real_time.thread_time_ns()
        while real_time.thread_time_ns() - began < 20_000_000:
            pass
        assert perf_open.read_event(descriptor) - before == pytest.approx(20e6, rel=0.2)
    finally:
        os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        perf_open.read_event(descriptor)


def test_the_kernel_says_why_it_opens_nothing() -> None:
    with pytest.raises(OSError, match=r"No such file|Permission denied|not permitted|Invalid"):
        perf_open.open_event(12345, 2, cpu=0)


def test_this_machine_is_asked_and_nothing_is_raised() -> None:
    probe = rapl_meter("cpu", PACKAGE).probe()
    assert probe.detail
    assert probe.present or probe.advice
