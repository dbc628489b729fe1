"""What a board is told to change: each finding once it is so, with the line that changes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_linux_board import ALL, CPU, THERMAL, FakeBoard, imx6, imx8mp, pc, raspberry_pi, vm

from instruments.protocol import Probe
from lab.boards.state.board_state import BoardState
from lab.boards.state.settings import StateSettings, TemperatureGate


def checked(board: FakeBoard, busy: Mapping[str, str] | None = None, **settings: Any) -> dict[str, Probe]:
    """The findings by name; ``busy`` are files that change while it watches for other work."""
    state = BoardState(
        board.run, StateSettings(**settings), root=str(board.root), sleep=lambda _: board.write(busy or {}) and None
    )
    return dict(state.checks())


def mark(probe: Probe) -> str:
    return "missing" if not probe.present else "consider" if probe.advice else "well"


def test_every_board_is_checked_and_what_is_missing_has_advice(tmp_path: Path) -> None:
    for name, make in ALL.items():
        for what, probe in checked(make(tmp_path / name)).items():
            assert what
            assert probe.detail
            assert probe.present, f"{name}: {what}: nothing was asked for"


def test_the_lines_to_run_are_lines_of_a_shell(tmp_path: Path) -> None:
    lines = 0
    for name, make in ALL.items():
        for probe in checked(make(tmp_path / name), governor="performance", frequency_hz=1e9).values():
            _, found, line = probe.advice.partition("run on the board: ")
            lines += bool(found)
            assert not found or shlex.split(line.partition(";")[0])
    assert lines > 8


class TestClock:
    def test_scaling_governor(self, tmp_path: Path) -> None:
        probe = checked(imx8mp(tmp_path / "root"))["governor CPU 0-3"]
        assert mark(probe) == "consider"
        line = f"echo performance | sudo tee /{CPU}/cpu0/cpufreq/scaling_governor"
        assert probe.advice.endswith(f"run on the board: {line}")
        assert "board: {state: {governor: performance}}" in probe.advice

    def test_a_governor_that_is_there(self, tmp_path: Path) -> None:
        assert "governor: interactive" in checked(imx6(tmp_path / "root"))["governor CPU 0-3"].advice

    def test_governor_as_asked_and_not(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root")
        assert mark(checked(board, governor="schedutil")["governor CPU 0-3"]) == "well"
        assert mark(checked(board, governor="performance")["governor CPU 0-3"]) == "missing"

    def test_frequency(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root")
        assert mark(checked(board)["frequency CPU 0-3"]) == "well"
        assert mark(checked(board, frequency_hz=1.8e9)["frequency CPU 0-3"]) == "missing"
        board.write({f"{CPU}/cpu0/cpufreq/scaling_min_freq": 1800000})
        assert checked(board, frequency_hz=1.8e9)["frequency CPU 0-3"].detail == "pinned at 1800 MHz"
        board.write({f"{CPU}/cpu0/cpufreq/scaling_max_freq": 1600000})
        assert mark(checked(board)["frequency CPU 0-3"]) == "consider"

    def test_no_cpufreq(self, tmp_path: Path) -> None:
        board = vm(tmp_path / "root")
        assert mark(checked(board)["governor"]) == "well"
        assert mark(checked(board, governor="performance")["governor"]) == "missing"

    def test_turbo(self, tmp_path: Path) -> None:
        board = pc(tmp_path / "root")
        assert f"echo 1 | sudo tee /{CPU}/intel_pstate/no_turbo" in checked(board)["boost"].advice
        assert mark(checked(board.write({f"{CPU}/intel_pstate/no_turbo": 1}))["boost"]) == "well"
        board = imx8mp(tmp_path / "evk").write({f"{CPU}/cpufreq/boost": 1})
        assert f"echo 0 | sudo tee /{CPU}/cpufreq/boost" in checked(board)["boost"].advice


class TestHeat:
    def test_near_a_trip_point(self, tmp_path: Path) -> None:
        probe = checked(imx6(tmp_path / "root"))["temperature"]
        assert probe.detail == "imx_thermal_zone 61.0 °C; the kernel slows the board down at 65 °C"
        assert "below: 45 °C" in probe.advice

    def test_gate(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root")
        assert "temperature gate" not in checked(board, temperature=TemperatureGate(50.0))
        assert mark(checked(board, temperature=TemperatureGate(40.0))["temperature gate"]) == "consider"
        probe = checked(board, temperature=TemperatureGate(40.0, "gpu"))["temperature gate"]
        assert (probe.present, probe.advice) == (False, "state.temperature.zone is one of: cpu-thermal, soc-thermal")
        assert not checked(vm(tmp_path / "vm"), temperature=TemperatureGate(40.0))["temperature"].present

    def test_a_raspberry_pi_that_throttled_before(self, tmp_path: Path) -> None:
        board = raspberry_pi(tmp_path / "root")
        assert "firmware" not in checked(board)
        board.write({"sys/devices/platform/soc/soc:firmware/get_throttled": "50001"})
        detail = "under-voltage now, under-voltage since it booted, throttled since it booted"
        assert checked(board)["firmware"].detail == detail


class TestCpus:
    def test_no_affinity(self, tmp_path: Path) -> None:
        found = checked(imx8mp(tmp_path / "root"))
        assert "affinity: [3]" in found["affinity"].advice, "the isolated one"
        assert "affinity: [3]" in found["isolated CPUs"].advice

    def test_isolated_cpu_in_use(self, tmp_path: Path) -> None:
        found = checked(imx8mp(tmp_path / "root"), cpus=(3,))
        assert "isolated CPUs" not in found
        assert mark(found["affinity"]) == "well"

    def test_cpu_that_is_off(self, tmp_path: Path) -> None:
        probe = checked(imx8mp(tmp_path / "root"), cpus=(3, 5))["affinity"]
        assert (probe.present, "cpu5/online" in probe.advice) == (False, True)

    def test_two_kinds_of_cores(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root").write({f"{CPU}/cpu3/regs/identification/midr_el1": "0x410fd083"})
        assert "Cortex-A53 (CPU 0-2), Cortex-A72 (CPU 3)" in checked(board)["cores"].detail
        assert "cores" not in checked(board, cpus=(0, 1))

    def test_sibling_threads(self, tmp_path: Path) -> None:
        board = pc(tmp_path / "root")
        assert checked(board, cpus=(2,))["SMT"].detail == "CPU 3 shares its core with the programs'"
        assert "SMT" not in checked(board, cpus=(2, 3))


def test_other_work(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    rest = {"proc/stat": "cpu  100 0 50 9400 10 0 0 0 0 0\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1"}
    assert checked(board, rest)["other work"].detail == "other programs take 0.00 CPUs, load 0.08"
    board = imx8mp(tmp_path / "other")
    work = {"proc/stat": "cpu  200 0 50 9300 10 0 0 0 0 0\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1"}
    probe = checked(board, work)["other work"]
    assert (probe.detail, mark(probe)) == ("other programs take 1.00 CPUs, load 0.08", "consider")


def test_swap(tmp_path: Path) -> None:
    assert checked(imx8mp(tmp_path / "evk"))["swap"].detail == "none"
    probe = checked(pc(tmp_path / "pc"))["swap"]
    assert (probe.detail, mark(probe)) == ("20.0 MiB of memory are out on 1 swap area(s)", "consider")


@pytest.mark.parametrize(
    ("paranoid", "uid", "expected"),
    [(2, 1000, "consider"), (3, 1000, "consider"), (1, 1000, "well"), (3, 0, "well"), (-1, 1000, "well")],
)
def test_perf_permission(tmp_path: Path, paranoid: int, uid: int, expected: str) -> None:
    board = imx8mp(tmp_path / "root").write(
        {"proc/sys/kernel/perf_event_paranoid": paranoid, "proc/self/status": f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}"}
    )
    probe = checked(board)["perf events"]
    assert mark(probe) == expected
    assert not probe.advice or probe.advice.endswith("sudo sysctl -w kernel.perf_event_paranoid=1")


def test_watchdog_takes_a_counter(tmp_path: Path) -> None:
    assert "kernel.nmi_watchdog=0" in checked(pc(tmp_path / "root"))["NMI watchdog"].advice


def test_clock_source(tmp_path: Path) -> None:
    assert mark(checked(imx8mp(tmp_path / "evk"))["clock source"]) == "well"
    assert "echo tsc | sudo tee" in checked(pc(tmp_path / "pc"))["clock source"].advice


class TestFolder:
    """The file system of a real folder, with what /proc/mounts says of it."""

    def probe(self, tmp_path: Path, kind: str, options: str, free_kib: int) -> Probe:
        df = f"#!/bin/sh\necho head\necho '/dev/x 1000 10 {free_kib} 1% /mnt'\n"
        board = FakeBoard(tmp_path / "root", tools={"df": df})
        board.write({"proc/mounts": f"/dev/x /mnt {kind} {options} 0 0"})
        return checked(board, workdir=str(tmp_path))["folder"]

    def test_flash(self, tmp_path: Path) -> None:
        probe = self.probe(tmp_path, "ext4", "rw", 500 * 1024)
        assert (mark(probe), probe.detail) == ("well", f"{tmp_path} on ext4, 500 MiB free")

    def test_memory(self, tmp_path: Path) -> None:
        assert self.probe(tmp_path, "tmpfs", "rw,nosuid", 500 * 1024).detail.endswith("(in memory)")

    def test_nothing_starts_there(self, tmp_path: Path) -> None:
        probe = self.probe(tmp_path, "tmpfs", "rw,noexec", 500 * 1024)
        assert (mark(probe), "remount,exec /mnt" in probe.advice) == ("missing", True)

    def test_nearly_full(self, tmp_path: Path) -> None:
        assert mark(self.probe(tmp_path, "ext4", "rw", 1024)) == "consider"

    def test_over_the_network(self, tmp_path: Path) -> None:
        assert "over the network" in self.probe(tmp_path, "nfs", "rw", 500 * 1024).detail


class TestTools:
    def test_perf_and_taskset(self, tmp_path: Path) -> None:
        found = checked(imx8mp(tmp_path / "root"))
        assert found["perf"].detail == "perf version 6.6.36"
        assert "util-linux" in found["taskset"].advice

    def test_what_the_bench_names(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root")
        named = {"benchmark_model": "benchmark_model", "delegate": "/usr/lib/libvx_delegate.so"}
        found = checked(board, files=named)
        assert mark(found["benchmark_model"]) == "well"
        assert (found["delegate"].present, "board.tflite.delegate" in found["delegate"].advice) == (False, True)
        (board.root / "program").touch()
        probe = checked(board, files={"benchmark_model": str(board.root / "program")})["benchmark_model"]
        assert probe.advice.startswith("run on the board: chmod +x")

    def test_npu(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root")
        assert "galcore 6.4.11.p2" in checked(board, npu=True)["NPU"].detail
        board.remove("dev/galcore")
        assert not checked(board, npu=True)["NPU"].present
        assert mark(checked(board)["NPU"]) == "well"
        board.remove("sys/module")
        probe = checked(board, npu=True)["NPU"]
        assert (probe.present, probe.advice.startswith("modprobe galcore")) == (False, True)
        assert "NPU" not in checked(board)


def test_what_a_board_calls_itself_is_cut_to_a_line(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root").write(
        {"proc/device-tree/model": b"A" * 100_000, f"{THERMAL}/thermal_zone0/type": "B" * 9999}
    )
    assert all(len(probe.detail) <= 400 and len(probe.advice) <= 600 for probe in checked(board).values())


def test_many_clocks_set_alike_are_one_finding(tmp_path: Path) -> None:
    board = pc(tmp_path / "root").write({f"{CPU}/cpu1/cpufreq/scaling_cur_freq": 3100000})
    probe = checked(board)["governor CPU 0-3"]
    assert probe.detail.startswith("powersave at 800 MHz to 3100 MHz")
    assert f"tee /{CPU}/cpu*/cpufreq/scaling_governor" in probe.advice
    board.write({f"{CPU}/cpu3/cpufreq/scaling_governor": "performance"})
    assert {"governor CPU 0-2", "governor CPU 3"} <= set(checked(board))
