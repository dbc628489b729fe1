"""Governor and frequency: set, seen to be set, and set back whatever happens in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_linux_board import CPU, SHELLS, FakeBoard, frequency, imx6, imx8mp, pc, vm

from lab.boards.state.board_state import BoardState
from lab.boards.state.settings import StateSettings
from lab.errors import HardwareError, LinkLostError

GOVERNOR = f"{CPU}/cpu0/cpufreq/scaling_governor"
LEAST, MOST = f"{CPU}/cpu0/cpufreq/scaling_min_freq", f"{CPU}/cpu0/cpufreq/scaling_max_freq"


def state(board: FakeBoard, **settings: Any) -> BoardState:
    return BoardState(board.run, StateSettings(**settings), name="evk", root=str(board.root), sleep=lambda _: None)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_governor_is_set_and_set_back(tmp_path: Path, shell: list[str]) -> None:
    board = imx8mp(tmp_path / "root", shell)
    held = state(board, governor="performance")
    held.prepare()
    assert board.text(GOVERNOR) == "performance"
    held.restore()
    assert board.text(GOVERNOR) == "schedutil"
    if not board.has_applets:
        assert board.written() == [f"{GOVERNOR}=performance", f"{GOVERNOR}=schedutil"], "and nothing else is touched"


def test_nothing_asked_for_is_nothing_done(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    held = state(board)
    held.prepare()
    assert held.settle() == ()
    held.restore()
    assert (board.calls, board.written()) == (0, [])


def test_what_is_right_already_is_left_alone_and_stays(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root").write(dict.fromkeys([GOVERNOR], "performance"))
    held = state(board, governor="performance")
    held.prepare()
    held.restore()
    assert (board.text(GOVERNOR), board.written()) == ("performance", [])


def test_both_may_be_called_again(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    held = state(board, governor="performance")
    held.prepare()
    held.prepare()
    held.restore()
    calls = board.calls
    held.restore()
    assert (board.text(GOVERNOR), board.calls) == ("schedutil", calls)
    held.prepare()
    assert board.text(GOVERNOR) == "performance"
    held.restore()
    assert board.text(GOVERNOR) == "schedutil"


def test_a_board_that_booted_anew_is_prepared_anew(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    held = state(board, governor="performance")
    held.prepare()
    board.write({GOVERNOR: "ondemand"})
    held.prepare()
    assert board.text(GOVERNOR) == "performance"
    held.restore()
    assert board.text(GOVERNOR) == "schedutil", "what was found first"


@pytest.mark.parametrize("found", [(1200000, 1800000), (1800000, 1800000), (1200000, 1200000), (1600000, 1600000)])
@pytest.mark.parametrize("hz", [1.2e9, 1.6e9, 1.8e9])
def test_a_frequency_is_pinned_from_anywhere_and_set_back(tmp_path: Path, found: tuple[int, int], hz: float) -> None:
    """The kernel refuses least above most at every single step."""
    board = imx8mp(tmp_path / "root").write({LEAST: found[0], MOST: found[1]})
    held = state(board, frequency_hz=hz, governor="performance")
    held.prepare()
    assert (board.text(LEAST), board.text(MOST)) == (str(round(hz / 1000)),) * 2
    held.restore()
    assert (board.text(LEAST), board.text(MOST), board.text(GOVERNOR)) == (*map(str, found), "schedutil")


def test_only_the_clocks_of_the_cpus_asked_for(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root").write(frequency(range(2), "ondemand", (1000, 2000)))
    board.write(frequency(range(2, 4), "ondemand", (1000, 3000)))
    held = state(board, governor="performance", cpus=(3,))
    held.prepare()
    assert [board.text(f"{CPU}/cpu{n}/cpufreq/scaling_governor") for n in (0, 2)] == ["ondemand", "performance"]
    held.restore()
    assert board.text(f"{CPU}/cpu2/cpufreq/scaling_governor") == "ondemand"


class TestCannot:
    def refused(self, board: FakeBoard, **settings: Any) -> HardwareError:
        before = {path: path.read_bytes() for path in (board.root / CPU).rglob("*") if path.is_file()}
        with pytest.raises(HardwareError) as caught:
            state(board, **settings).prepare()
        assert {path: path.read_bytes() for path in before} == before, "all is as it was"
        assert caught.value.message.startswith("board 'evk'")
        assert caught.value.advice
        return caught.value

    def test_no_permission(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root")
        board.refuse()
        error = self.refused(board, governor="performance")
        assert "Permission denied" in error.message
        assert f"echo performance | sudo tee /{GOVERNOR}" in str(error.advice)

    def test_sudo_where_it_is_asked_for(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root")
        board.refuse()
        held = state(board, governor="performance", sudo=True)
        held.prepare()
        assert board.text(GOVERNOR) == "performance"
        held.restore()
        assert board.text(GOVERNOR) == "schedutil"

    def test_no_such_governor(self, tmp_path: Path) -> None:
        error = self.refused(imx6(tmp_path / "root"), governor="performance")
        assert "no governor 'performance'" in error.message
        assert "there are: interactive" in str(error.advice)
        assert "modprobe cpufreq_performance" in str(error.advice)

    def test_no_cpufreq(self, tmp_path: Path) -> None:
        error = self.refused(vm(tmp_path / "root"), governor="performance")
        assert "no cpufreq" in error.message

    def test_no_such_frequency(self, tmp_path: Path) -> None:
        error = self.refused(imx8mp(tmp_path / "root"), frequency_hz=1.7e9)
        assert (error.message, error.advice) == (
            "board 'evk': CPU 0-3 cannot run at 1700 MHz",
            "state.frequency is one of: 1200 MHz, 1600 MHz, 1800 MHz",
        )

    def test_frequency_beyond_the_limits(self, tmp_path: Path) -> None:
        board = pc(tmp_path / "root")
        for cpu in range(4):
            board.remove(f"{CPU}/cpu{cpu}/cpufreq/scaling_available_frequencies")
        error = self.refused(board, frequency_hz=9e9)
        assert "between 800 MHz and 4500 MHz" in str(error.advice)

    def test_some_of_several_clocks(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root").write(frequency(range(2), "ondemand", (1000, 2000)))
        board.write(frequency(range(2, 4), "ondemand", (1000, 3000), governors="ondemand"))
        error = self.refused(board, governor="performance")
        assert "CPU 2-3 has no governor" in error.message

    def test_a_governor_with_a_hostile_name(self, tmp_path: Path) -> None:
        board = imx8mp(tmp_path / "root")
        self.refused(board, governor="'; touch \"$FAKE_ROOT/broken\"; '")
        assert not (board.root / "broken").exists()


@pytest.mark.parametrize("error", [LinkLostError("gone"), KeyboardInterrupt(), OSError("pipe")], ids=repr)
def test_broken_off_anywhere_it_is_as_before_at_the_end(tmp_path: Path, error: BaseException) -> None:
    """Every question and every write of prepare and restore fails once; close then finds what there is to do."""
    for breaks_at in range(1, 12):
        board = imx8mp(tmp_path / f"root{breaks_at}")
        board.breaks_at, board.error = breaks_at, error
        held = state(board, governor="performance", frequency_hz=1.6e9)
        try:
            held.prepare()
            held.restore()
        except (HardwareError, KeyboardInterrupt):
            held.restore()
        assert (board.text(GOVERNOR), board.text(LEAST), board.text(MOST)) == ("schedutil", "1200000", "1800000")
        if board.calls < breaks_at:
            break
    else:
        pytest.fail("the fault was never past the end")


def test_what_cannot_be_set_back_is_said_with_the_line_that_does_it(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    held = state(board, governor="performance", frequency_hz=1.8e9)
    held.prepare()
    board.refuse()
    with pytest.raises(HardwareError, match="not set back") as caught:
        held.restore()
    assert f"echo schedutil | sudo tee /{GOVERNOR}" in str(caught.value.advice)
    assert f"echo 1200000 | sudo tee /{LEAST}" in str(caught.value.advice)
    board.refuse(False)
    held.restore()
    assert (board.text(GOVERNOR), board.text(LEAST)) == ("schedutil", "1200000")


def test_a_governor_changed_by_something_else_is_set_again_before_a_trial(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    held = state(board, governor="performance")
    held.prepare()
    board.write({GOVERNOR: "ondemand"})
    assert held.settle() == ()
    assert board.text(GOVERNOR) == "performance"
    board.refuse()
    board.write({GOVERNOR: "ondemand"})
    ((code, detail),) = held.settle()
    assert code == "governor_changed"
    assert "Permission denied" in detail


def test_settling_costs_one_round_trip_when_all_is_well(tmp_path: Path) -> None:
    board = imx8mp(tmp_path / "root")
    held = state(board, governor="performance")
    held.prepare()
    calls = board.calls
    held.settle()
    assert board.calls == calls + 1
