"""Throttling is seen from what the kernel says right before and right after a program, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_linux_board import CPU, THERMAL, FakeBoard, imx6, imx8mp, pc, raspberry_pi, vm

from lab.boards.state.board_state import BoardState
from lab.boards.state.settings import StateSettings
from lab.errors import LinkLostError
from lab.record.reasons import REASONS

TIMES = f"{CPU}/cpu0/cpufreq/stats/time_in_state"
GOVERNOR = f"{CPU}/cpu0/cpufreq/scaling_governor"
MOST = f"{CPU}/cpu0/cpufreq/scaling_max_freq"
NOW = f"{CPU}/cpu0/cpufreq/scaling_cur_freq"
COOLING = f"{THERMAL}/cooling_device0"


def watching(board: FakeBoard, **settings: Any) -> BoardState:
    return BoardState(board.run, StateSettings(**settings), root=str(board.root), sleep=lambda _: None)


def befallen(board: FakeBoard, during: Mapping[str, str | bytes | int], **settings: Any) -> dict[str, str]:
    """What a run is said to have suffered in which these files changed."""
    state = watching(board, **settings)
    state.prepare()
    state.begin_run()
    board.write(during)
    faults = state.end_run()
    assert {code for code, _ in faults} <= REASONS.keys()
    assert len(dict(faults)) == len(faults)
    return dict(faults)


@pytest.fixture
def evk(tmp_path: Path) -> FakeBoard:
    """An i.MX 8M Plus at rest in its highest clock."""
    return imx8mp(tmp_path / "root").write({GOVERNOR: "performance", NOW: 1800000})


def test_a_run_at_one_clock_and_temperature_below_the_trips(evk: FakeBoard) -> None:
    during = {TIMES: "1200000 1000\n1600000 1000\n1800000 2500", f"{THERMAL}/thermal_zone0/temp": 71000}
    assert befallen(evk, during, governor="performance") == {}


def test_time_spent_below_the_clock_though_it_is_back_at_the_end(evk: FakeBoard) -> None:
    during = {TIMES: "1200000 1125\n1600000 1250\n1800000 1625", f"{THERMAL}/thermal_zone0/temp": 86000}
    assert befallen(evk, during, governor="performance") == {
        "throttled": "CPU 0-3 ran 38% of the time (3.75 s) below 1800 MHz, down to 1200 MHz; cpu-thermal 45.0 → 86.0 °C"
    }


def test_a_single_tick_is_the_accounting_and_no_throttling(evk: FakeBoard) -> None:
    assert befallen(evk, {TIMES: "1200000 1001\n1600000 1000\n1800000 2500"}, governor="performance") == {}


def test_a_pinned_clock(evk: FakeBoard) -> None:
    ran = {TIMES: "1200000 1000\n1600000 3000\n1800000 1000"}
    assert befallen(evk, ran, frequency_hz=1.6e9) == {}
    slow = {TIMES: "1200000 1500\n1600000 3500\n1800000 1000"}
    assert "50% of the time" in befallen(evk, slow, frequency_hz=1.6e9)["throttled"]


def test_a_governor_that_scales_by_itself_proves_nothing(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    assert befallen(board, {TIMES: "1200000 1900\n1600000 1000\n1800000 1000", NOW: 1200000}) == {}


def test_a_limit_that_came_down(evk: FakeBoard) -> None:
    text = befallen(evk, {MOST: 1200000})["throttled"]
    assert text.startswith("CPU 0-3 is held to 1200 MHz after it, to 1800 MHz before")


def test_without_the_account_of_times_the_clock_at_the_end(tmp_path: Path) -> None:
    board = imx6(tmp_path / "root").write({GOVERNOR: "performance", NOW: 996000})
    board.remove(f"{CPU}/cpu0/cpufreq/stats")
    assert befallen(board, {NOW: 396000})["throttled"].startswith("CPU 0-3 at 396 MHz after it, not 996 MHz")


def test_a_cooling_device_at_work(evk: FakeBoard) -> None:
    text = befallen(evk, {f"{COOLING}/cur_state": 2})["throttled"]
    assert text.startswith("cpufreq-cpu0 at cooling state 0 before it and 2 of 2 after it")


def test_a_cooling_device_that_was_at_work_in_between(evk: FakeBoard) -> None:
    evk.write({f"{COOLING}/stats/time_in_state_ms": "state0\t5000\nstate1\t40\nstate2\t0"})
    during = {f"{COOLING}/stats/time_in_state_ms": "state0\t9000\nstate1\t1240\nstate2\t300"}
    assert befallen(evk, during)["throttled"].startswith("cpufreq-cpu0 in a cooling state for 1.50 s")


def test_a_fan_is_no_throttling(tmp_path: Path) -> None:
    assert befallen(pc(tmp_path / "root"), {f"{THERMAL}/cooling_device1/cur_state": 9}) == {}


def test_counts_of_x86(tmp_path: Path) -> None:
    during = {
        f"{CPU}/cpu1/thermal_throttle/core_throttle_count": 8,
        f"{CPU}/cpu2/thermal_throttle/package_throttle_count": 10,
    }
    text = befallen(pc(tmp_path / "a"), during)["throttled"]
    assert text == "CPU 1: core throttled 3 times; CPU 2: package throttled 1 times; x86_pkg_temp 55.0 → 55.0 °C"
    assert befallen(pc(tmp_path / "b"), during, cpus=(0, 3)) == {}, "other CPUs than the programs'"


def test_on_x86_a_low_clock_at_rest_is_no_throttling(tmp_path: Path) -> None:
    board = pc(tmp_path / "root")
    board.write({f"{CPU}/cpu{n}/cpufreq/scaling_governor": "performance" for n in range(4)})
    during = {f"{CPU}/cpu{n}/cpufreq/scaling_cur_freq": 800123 for n in range(4)}
    assert befallen(board, during) == {}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("0", "0", None),
        ("0", "50000", "firmware: under-voltage meanwhile; firmware: throttled meanwhile"),
        ("0", "50005", "firmware: under-voltage after it; firmware: throttled after it"),
        ("80000", "80000", None),
        ("0", "80008", "firmware: soft temperature limit after it"),
        ("x", "zz", None),
    ],
)
def test_a_raspberry_pis_firmware(tmp_path: Path, before: str, after: str, said: str | None) -> None:
    path = "sys/devices/platform/soc/soc:firmware/get_throttled"
    board = raspberry_pi(tmp_path / "root").write({path: before})
    text = befallen(board, {path: after}).get("throttled")
    assert text == (None if said is None else f"{said}; cpu-thermal 52.0 → 52.0 °C")


def test_a_raspberry_pi_without_the_file_is_asked_by_its_tool(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path / "root", tools={"vcgencmd": '#!/bin/sh\necho "throttled=$(cat "$FAKE_ROOT/bits")"\n'})
    assert befallen(board.write({"bits": "0x0"}), {"bits": "0x4"}) == {"throttled": "firmware: throttled after it"}


def test_something_else_changed_the_governor(evk: FakeBoard) -> None:
    found = befallen(evk, {GOVERNOR: "ondemand"}, governor="performance")
    assert found == {"governor_changed": "CPU 0-3: governor ondemand, not performance"}


def test_a_board_that_tells_nothing_is_asked_once(tmp_path: Path) -> None:
    board = vm(tmp_path / "root")
    state = watching(board)
    for _ in range(3):
        state.begin_run()
        assert state.end_run() == ()
    assert board.calls == 1


def test_two_questions_a_run_and_no_more(evk: FakeBoard) -> None:
    state = watching(evk)
    state.begin_run()
    assert state.end_run() == ()
    assert evk.calls == 2


def test_a_board_that_does_not_answer_costs_a_doubt_and_not_the_campaign(evk: FakeBoard) -> None:
    state = watching(evk)
    evk.breaks_at = 1
    state.begin_run()
    ((code, detail),) = state.end_run()
    assert (code, "no route" in detail) == ("state_unread", True)
    state.begin_run()
    evk.breaks_at = evk.calls + 1
    assert [code for code, _ in state.end_run()] == ["state_unread"]
    state.begin_run()
    assert state.end_run() == ()


def test_a_lost_link_is_the_callers(evk: FakeBoard) -> None:
    state = watching(evk)
    evk.breaks_at, evk.error = 1, LinkLostError("gone")
    with pytest.raises(LinkLostError):
        state.begin_run()
    state.begin_run()
    evk.breaks_at = evk.calls + 1
    with pytest.raises(LinkLostError):
        state.end_run()


def test_an_end_without_a_beginning_says_nothing(evk: FakeBoard) -> None:
    assert watching(evk).end_run() == ()
