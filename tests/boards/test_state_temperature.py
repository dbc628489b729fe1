"""The gate before a trial: it waits as long as it must, never longer than it may."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_linux_board import THERMAL, FakeBoard, imx8mp, pc, vm, zone
from hypothesis import given
from hypothesis import strategies as st

from lab.boards.state.board_state import BoardState
from lab.boards.state.settings import StateSettings, TemperatureGate
from lab.boards.state.temperature import Zone, cool_down
from lab.errors import HardwareError, LinkLostError


class Cooling:
    """A board that cools by so many thousandths of a degree per second of a clock that sleeping moves on."""

    def __init__(self, board: FakeBoard, milli_c: float, per_s: float) -> None:
        self.board, self.milli_c, self.per_s = board, milli_c, per_s
        self.time = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds
        at = round(self.milli_c - self.per_s * self.time)
        self.board.write({f"{THERMAL}/thermal_zone0/temp": at})

    def state(self, gate: TemperatureGate) -> BoardState:
        self.board.write({f"{THERMAL}/thermal_zone0/temp": round(self.milli_c)})
        settings = StateSettings(temperature=gate)
        return BoardState(
            self.board.run, settings, name="evk", root=str(self.board.root), sleep=self.sleep, now=self.now
        )


def test_a_cool_board_is_not_kept_waiting(tmp_path: Path) -> None:
    cooling = Cooling(imx8mp(tmp_path / "root"), 45000, 0)
    assert cooling.state(TemperatureGate(50.0, "cpu-thermal")).settle() == ()
    assert (cooling.waits, cooling.board.calls) == ([], 1)


def test_it_waits_until_the_board_is_cool(tmp_path: Path) -> None:
    cooling = Cooling(imx8mp(tmp_path / "root"), 60000, 500)
    assert cooling.state(TemperatureGate(50.0, "cpu-thermal")).settle() == ()
    assert 20.0 <= cooling.time <= 30.5, "no more than one wait too long"
    assert cooling.waits == sorted(cooling.waits), "asked more and more rarely"
    assert cooling.waits[-1] <= 10.0


def test_it_gives_up_in_time_and_says_so(tmp_path: Path) -> None:
    cooling = Cooling(imx8mp(tmp_path / "root"), 60000, 10)
    ((code, detail),) = cooling.state(TemperatureGate(50.0, "cpu-thermal", timeout_s=42.0)).settle()
    assert (code, cooling.time) == ("too_hot", 42.0)
    assert detail == "cpu-thermal 59.6 °C after 42 s of waiting for less than 50 °C"


def test_no_wait_at_all(tmp_path: Path) -> None:
    cooling = Cooling(imx8mp(tmp_path / "root"), 60000, 10)
    ((code, _),) = cooling.state(TemperatureGate(50.0, timeout_s=0.0)).settle()
    assert (code, cooling.waits) == ("too_hot", [])


def test_the_hottest_zone_counts_where_none_is_named(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root").write({f"{THERMAL}/thermal_zone1/temp": 70000})
    cooling = Cooling(board, 40000, 0)
    ((_, detail),) = cooling.state(TemperatureGate(50.0, timeout_s=5.0)).settle()
    assert "soc-thermal 70.0 °C" in detail
    assert cooling.state(TemperatureGate(50.0, "thermal_zone0", timeout_s=5.0)).settle() == ()


def test_a_sensor_that_falls_silent(tmp_path: Path) -> None:
    cooling = Cooling(imx8mp(tmp_path / "root"), 45000, 0)
    state = cooling.state(TemperatureGate(50.0, "cpu-thermal"))
    state.prepare()
    cooling.board.write({f"{THERMAL}/thermal_zone0/temp": "-274000"})
    assert state.settle() == (("state_unread", "thermal zone cpu-thermal gives no temperature"),)


def test_a_gate_that_cannot_be_kept_is_said_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match="no thermal zone 'gpu'") as caught:
        Cooling(imx8mp(tmp_path / "a"), 45000, 0).state(TemperatureGate(50.0, "gpu")).prepare()
    assert caught.value.advice == "there are: cpu-thermal 45.0 °C, soc-thermal 43.5 °C"
    silent, none = pc(tmp_path / "b"), vm(tmp_path / "c")
    for board, zone_name, said in ((silent, "iwlwifi_1", "cannot be read"), (none, None, "has no thermal zone")):
        settings = StateSettings(temperature=TemperatureGate(50.0, zone_name))
        state = BoardState(board.run, settings, root=str(board.root))
        with pytest.raises(HardwareError, match=said):
            state.prepare()


def test_a_board_that_does_not_answer_meanwhile(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    cooling = Cooling(board, 60000, 10)
    state = cooling.state(TemperatureGate(50.0))
    board.breaks_at = 3
    ((code, detail),) = state.settle()
    assert (code, "no route" in detail) == ("state_unread", True)
    board.breaks_at, board.error = board.calls + 2, LinkLostError("gone")
    with pytest.raises(LinkLostError):
        state.settle()


@given(st.lists(st.one_of(st.none(), st.floats(-50, 150)), min_size=1), st.floats(0, 1000), st.floats(0, 100))
def test_the_wait_never_exceeds_its_limit(readings: list[float | None], timeout_s: float, below_c: float) -> None:
    clock = [0.0]
    left = list(readings)

    def sleep(seconds: float) -> None:
        assert seconds >= 0
        clock[0] += seconds

    def look() -> list[Zone]:
        return [Zone("thermal_zone0", "cpu", left.pop(0) if len(left) > 1 else left[0])]

    faults = cool_down(TemperatureGate(below_c, timeout_s=timeout_s), look, sleep, lambda: clock[0])
    assert clock[0] <= timeout_s * (1 + 1e-9)
    assert {code for code, _ in faults} <= {"too_hot", "state_unread"}


def test_trips_that_are_switched_off_are_none(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root").write(zone(0, "cpu-thermal", 45000, {"passive": 0, "critical": -274000}))
    facts = BoardState(board.run, root=str(board.root)).fingerprint()
    assert facts["thermal_zones"][0]["trips"] == []
