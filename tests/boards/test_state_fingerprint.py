"""What a board is: read from trees of files as several boards have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_linux_board import ALL, CPU, SHELLS, FakeBoard, imx6, imx8mp, pc, raspberry_pi, vm

from lab.boards.state.board_state import BoardState
from lab.boards.state.cores import core_name
from lab.boards.state.settings import StateSettings


def state(board: FakeBoard, **settings: Any) -> BoardState:
    return BoardState(board.run, StateSettings(**settings), root=str(board.root), sleep=lambda _: None)


def fingerprint(board: FakeBoard, **settings: Any) -> dict[str, Any]:
    calls = board.calls
    facts = state(board, **settings).fingerprint()
    assert board.calls == calls + 1, "everything in one round trip"
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    return facts


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_imx8mp(tmp_path: Path, shell: list[str]) -> None:
    board = imx8mp(tmp_path / "root", shell)
    facts = fingerprint(board, files={"benchmark_model": "benchmark_model"})
    assert facts["model"] == "NXP i.MX8MPlus EVK board"
    assert facts["compatible"] == ["fsl,imx8mp-evk", "fsl,imx8mp"]
    assert (facts["soc"]["soc_id"], facts["soc"]["revision"]) == ("i.MX8MP", "1.1")
    assert facts["cores"] == [
        {"cpus": "0-3", "name": "Cortex-A53", "implementer": "0x41", "part": "0xd03", "revision": "r0p4"}
    ]
    assert (facts["cpu"], facts["cpus"], facts["cpus_online"], facts["cpus_isolated"]) == ("Cortex-A53", 4, "0-3", [3])
    assert facts["kernel"] == "Linux 6.6.36-lts-next-g1234"
    assert board.has_applets or facts["architecture"] == "aarch64"
    assert "isolcpus=3" in facts["kernel_command_line"]
    assert facts["system"] == "NXP i.MX Release Distro 6.6"
    assert [(row["level"], row["type"], row["size_bytes"], row["ways"]) for row in facts["caches"]] == [
        (1, "data", 32768, 4),
        (1, "instruction", 32768, 2),
        (2, "unified", 524288, 16),
    ]
    (clock,) = facts["frequencies"]
    assert (clock["cpus"], clock["driver"], clock["governor"]) == ("0-3", "cpufreq-dt", "schedutil")
    assert (clock["min_khz"], clock["max_khz"], clock["steps_khz"]) == (1200000, 1800000, [1200000, 1600000, 1800000])
    assert (facts["governors"], facts["max_frequency_khz"]) == (["schedutil"], ["1800000"])
    assert [item["name"] for item in facts["idle_states"]] == ["WFI", "cpu-pd-wait"]
    assert facts["thermal_zones"][0] == {
        "zone": "thermal_zone0",
        "type": "cpu-thermal",
        "temperature_c": 45.0,
        "trips": [{"type": "passive", "temperature_c": 85.0}, {"type": "critical", "temperature_c": 95.0}],
    }
    (npu,) = facts["accelerators"]
    assert (npu["driver"], npu["version"], npu["nodes"], npu["npu"]) == (
        "galcore",
        "6.4.11.p2",
        ["/dev/galcore"],
        True,
    )
    assert facts["gpiochips"] == ["/dev/gpiochip0", "/dev/gpiochip1"]
    assert facts["memory_bytes"] == 2013896 * 1024
    assert facts["tools"]["perf"] == "perf version 6.6.36"
    assert board.has_applets or facts["tools"]["taskset"] is None
    assert set(facts["files"]["benchmark_model"]) == {"path", "bytes", "sha256", "executable"}
    assert (facts["uptime_s"], facts["load"], facts["virtualised"]) == (5123.45, [0.08, 0.03, 0.01], None)


def test_old_arm_kernel_describes_all_its_cores_at_once(tmp_path: Path) -> None:
    facts = fingerprint(imx6(tmp_path / "root"))
    assert [(core["name"], core["cpus"], core["revision"]) for core in facts["cores"]] == [
        ("Cortex-A9", "0-3", "r2p10")
    ]
    assert (facts["architecture"], facts["caches"], facts["accelerators"]) == ("armv7l", [], [])
    assert facts["soc"] == {"machine": None, "family": None, "soc_id": None, "revision": None}


def test_raspberry_pi(tmp_path: Path) -> None:
    facts = fingerprint(raspberry_pi(tmp_path / "root"))
    assert (facts["cpu"], facts["firmware_throttled"]) == ("Cortex-A72", 0)
    assert facts["tools"]["taskset"] == "taskset from util-linux 2.38.1"


def test_pc(tmp_path: Path) -> None:
    facts = fingerprint(pc(tmp_path / "root"))
    assert (facts["model"], facts["cpu"], facts["boost"], facts["smt"]) == (
        "Some Maker Desk 9",
        "Some CPU @ 3 GHz",
        True,
        "on",
    )
    assert [clock["cpus"] for clock in facts["frequencies"]] == ["0", "1", "2", "3"]
    assert facts["thermal_zones"][1]["temperature_c"] is None, "-274 °C is no temperature"


def test_virtual_machine(tmp_path: Path) -> None:
    facts = fingerprint(vm(tmp_path / "root"))
    assert facts["virtualised"] == "virtual machine (kvm)"
    assert (facts["governors"], facts["frequencies"], facts["thermal_zones"], facts["model"]) == (None, [], [], None)


def test_two_kinds_of_cores(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root").write({f"{CPU}/cpu3/regs/identification/midr_el1": "0x00000000410fd083"})
    facts = fingerprint(board)
    assert [(core["cpus"], core["name"], core["revision"]) for core in facts["cores"]] == [
        ("0-2", "Cortex-A53", "r0p4"),
        ("3", "Cortex-A72", "r0p3"),
    ]
    assert facts["cpu"] == "Cortex-A53 + Cortex-A72"


def test_a_core_without_a_name_here_has_its_numbers(tmp_path: Path) -> None:
    board = vm(tmp_path / "root").write(
        {"proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x99\nCPU part\t: 0xabc\nCPU revision\t: 1"}
    )
    facts = fingerprint(board)
    assert facts["cpu"] == "implementer 0x99, part 0xabc"
    assert core_name(0x41, 0xFFF) is None


def test_keys_that_records_have_had_all_along_are_there_on_every_board(tmp_path: Path) -> None:
    keys = {
        *("model", "architecture", "cpu", "cpus", "cpus_usable", "kernel", "kernel_build", "system", "virtualised"),
        *("memory_bytes", "caches", "governors", "max_frequency_khz", "smt", "perf_event_paranoid"),
        *("address_space_randomised", "tools"),
    }
    for name, make in ALL.items():
        facts = fingerprint(make(tmp_path / name))
        assert keys <= set(facts)
        assert {"cc", "make", "perf", "valgrind"} <= set(facts["tools"])


def test_an_empty_tree_is_a_board_that_says_nothing(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path / "root")
    facts = fingerprint(board)
    assert (facts["model"], facts["cpu"], facts["kernel"], facts["cpus"]) == (None, None, None, None)
    assert state(board).cache_sizes() == {}
    assert state(board).model() is None
    assert state(board).checks()


GARBAGE = [
    b"\xff" * 40,
    b"99999999999999999999999999",
    b"nan",
    b"-1",
    b"a:b\nc:d\n",
    b"<script>alert(1)</script>",
    b"\x1b[31m",
]


@pytest.mark.parametrize("content", GARBAGE)
def test_garbage_in_every_file_is_no_error(tmp_path: Path, content: bytes) -> None:
    board = imx8mp(tmp_path / "root")
    for path in [item for item in board.root.rglob("*") if item.is_file() and "bin-of-the-board" not in str(item)]:
        path.write_bytes(content)
    facts = fingerprint(board)
    assert all(32 <= ord(char) < 127 or char == "°" for char in json.dumps(facts, ensure_ascii=False))
    watched = state(board)
    watched.begin_run()
    assert watched.end_run() == ()
    for _, probe in watched.checks():
        assert all(char >= " " and char != "\x7f" for char in probe.detail + probe.advice)


def test_sizes_of_the_caches(tmp_path: Path) -> None:
    sizes = state(imx8mp(tmp_path / "root")).cache_sizes()
    assert sizes == {"l1d": 32768, "l2": 524288, "ram": 2013896 * 1024}
