"""The local board and ``lab doctor`` with the state of a board made of files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_linux_board import CPU, THERMAL, FakeBoard, imx8mp

from instruments.commands import RunCommand
from lab.bench.assemble_boards import make_board
from lab.bench.boards import LocalBoard as LocalBoardModel
from lab.boards.local import LocalBoard
from lab.boards.protocol import ChecksItself, Command, Settles
from lab.boards.state.board_state import BoardState
from lab.boards.state.settings import StateSettings, TemperatureGate
from lab.cli.main import main
from lab.errors import HardwareError

GOVERNOR = f"{CPU}/cpu0/cpufreq/scaling_governor"


@pytest.fixture
def evk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    """This machine, which says that it is an i.MX 8M Plus."""
    board = imx8mp(tmp_path / "evk")

    def state(_: RunCommand, settings: StateSettings, *, name: str) -> BoardState:
        return BoardState(board.run, settings, name=name, root=str(board.root), sleep=lambda _: None)

    monkeypatch.setattr("lab.boards.local.BoardState", state)
    return board


@pytest.fixture
def opened(evk: FakeBoard, tmp_path: Path) -> Iterator[LocalBoard]:
    assert evk.text(GOVERNOR) == "schedutil"
    board = LocalBoard("host", root=tmp_path, state=StateSettings(governor="performance"))
    board.open()
    yield board
    board.close()


def test_it_settles_and_checks_itself(opened: LocalBoard) -> None:
    assert isinstance(opened, Settles)
    assert isinstance(opened, ChecksItself)
    assert opened.settle() == ()
    assert dict(opened.checks())["governor CPU 0-3"].detail.startswith("performance")
    assert opened.fingerprint()["model"] == "NXP i.MX8MPlus EVK board"
    assert opened.caches["l2"] == 524288


def test_governor_from_open_to_close(evk: FakeBoard, opened: LocalBoard) -> None:
    assert evk.text(GOVERNOR) == "performance"
    opened.close()
    assert evk.text(GOVERNOR) == "schedutil"
    opened.close()


def test_governor_after_an_exception_in_the_campaign(evk: FakeBoard, opened: LocalBoard, tmp_path: Path) -> None:
    with pytest.raises(HardwareError):
        opened.run(Command(["true"], workdir="/no/such/folder"), tmp_path / "o", tmp_path / "e")
    opened.close()
    assert evk.text(GOVERNOR) == "schedutil"


def test_a_board_that_cannot_be_prepared_does_not_open_and_leaves_nothing(evk: FakeBoard, tmp_path: Path) -> None:
    evk.refuse()
    folder = tmp_path / "work"
    folder.mkdir()
    board = LocalBoard("host", root=folder, state=StateSettings(governor="performance"))
    with pytest.raises(HardwareError, match="Permission denied"):
        board.open()
    assert list(folder.iterdir()) == []
    board.close()
    assert evk.text(GOVERNOR) == "schedutil"


def test_throttling_while_a_program_runs_is_the_results_fault(
    evk: FakeBoard, opened: LocalBoard, tmp_path: Path
) -> None:
    hot = threading.Timer(0.1, evk.write, [{f"{THERMAL}/cooling_device0/cur_state": 1}])
    hot.start()
    result = opened.run(Command(["sleep", "0.3"]), tmp_path / "o", tmp_path / "e")
    hot.join()
    ((code, detail),) = result.faults
    assert (code, detail.startswith("cpufreq-cpu0 at cooling state 0 before it and 1 of 2 after")) == (
        "throttled",
        True,
    )


def test_looking_is_left_out_of_the_programs_time(opened: LocalBoard, tmp_path: Path) -> None:
    result = opened.run(Command(["sleep", "0.05"]), tmp_path / "o", tmp_path / "e")
    assert (result.exit_status, result.faults) == (0, ())
    assert result.usage["elapsed_s"] == result.elapsed_s < 0.5


def test_folder_that_cannot_be_set_back_is_still_removed(evk: FakeBoard, opened: LocalBoard) -> None:
    folder = Path(opened.make_workdir("x")).parent
    evk.refuse()
    with pytest.raises(HardwareError, match="not set back"):
        opened.close()
    assert not folder.exists()
    evk.refuse(False)


class TestBenchFile:
    def model(self, **keys: Any) -> LocalBoardModel:
        return LocalBoardModel.model_validate({"kind": "local", **keys})

    def settings(self, monkeypatch: pytest.MonkeyPatch, model: LocalBoardModel) -> StateSettings:
        seen: list[StateSettings] = []
        monkeypatch.setattr("lab.boards.local.BoardState", lambda _, settings, **__: seen.append(settings))
        make_board(model, Path("bench.yaml"))
        return seen[0]

    def test_keys_become_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        state = {
            "governor": "performance",
            "frequency": "1.8 GHz",
            "sudo": True,
            "temperature": {"zone": "cpu-thermal", "below": "45 °C", "timeout": "5 min"},
        }
        settings = self.settings(monkeypatch, self.model(affinity=[2, 0], state=state))
        assert (settings.governor, settings.frequency_hz, settings.sudo) == ("performance", 1.8e9, True)
        assert settings.temperature == TemperatureGate(45.0, "cpu-thermal", 300.0)
        assert settings.cpus == (0, 2)
        assert (settings.files, settings.npu) == ({}, False)

    def test_only_what_the_file_says_itself_must_be_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = self.settings(monkeypatch, self.model(tflite={"benchmark_model": "/opt/b"}))
        assert (settings.files, settings.npu) == ({"benchmark_model": "/opt/b"}, False)
        settings = self.settings(monkeypatch, self.model(tflite={"npu": "nnapi"}))
        assert (settings.files, settings.npu) == ({}, True)

    @pytest.mark.parametrize("below", ["45 F", "-3", "hot", "inf"])
    def test_what_is_no_temperature(self, below: str) -> None:
        with pytest.raises(ValueError, match="below"):
            self.model(state={"temperature": {"below": below}})


class TestDoctor:
    BENCH = """\
bench: evk
board: {{kind: local, state: {state}}}
instruments:
  resources: {{kind: process_resources}}
"""

    @pytest.fixture(autouse=True)
    def _only_the_bench(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lab.runner.checkup.host_findings", list)

    def doctor(self, tmp_path: Path, state: str, *options: str) -> int:
        bench = tmp_path / "bench.yaml"
        bench.write_text(self.BENCH.format(state=state))
        return main(["doctor", "--bench", str(bench), *options])

    def test_marks_and_advice(self, evk: FakeBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.doctor(tmp_path, "{}") == 0
        said = capsys.readouterr().out
        assert "✓  bench  machine            NXP i.MX8MPlus EVK board, Cortex-A53" in said
        lines = said.splitlines()
        (row,) = [number for number, line in enumerate(lines) if "governor CPU 0-3" in line]
        assert lines[row].startswith("  !  ")
        assert f"echo performance | sudo tee /{GOVERNOR}" in lines[row + 1]
        assert any("resources (process_resources)" in line for line in lines)

    def test_it_sets_what_the_bench_asks_for_and_sets_it_back(
        self, evk: FakeBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.doctor(tmp_path, "{governor: performance}", "--json") == 0
        findings = json.loads(capsys.readouterr().out)
        (governor,) = [item for item in findings if item["name"] == "governor CPU 0-3"]
        assert governor["detail"].startswith("performance")
        assert evk.written() == [f"{GOVERNOR}=performance", f"{GOVERNOR}=schedutil"]

    def test_a_board_that_does_not_open_is_still_looked_at(
        self, evk: FakeBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        evk.refuse()
        assert self.doctor(tmp_path, "{governor: performance, temperature: {below: 30 °C}}") == 3
        said = capsys.readouterr().out
        assert "✗  bench  open local board" in said
        assert "!  bench  governor CPU 0-3" in said
        assert "✓  bench  swap" in said
        assert "resources (process_resources)" in said

    def test_what_cannot_be_set_back_is_a_finding(
        self, evk: FakeBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checks = LocalBoard.checks

        def then_refuse(board: LocalBoard) -> Any:
            evk.refuse()
            return checks(board)

        monkeypatch.setattr(LocalBoard, "checks", then_refuse)
        assert self.doctor(tmp_path, "{governor: performance}") == 3
        said = capsys.readouterr().out
        assert "✗  bench  close local board" in said
        assert f"→ run on the board: echo schedutil | sudo tee /{GOVERNOR}" in said

    def test_interrupted_it_sets_back(self, evk: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(_: LocalBoard) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(LocalBoard, "checks", interrupt)
        assert self.doctor(tmp_path, "{governor: performance}") == 130
        assert evk.text(GOVERNOR) == "schedutil"

    def test_a_wrong_key_is_said_with_its_place(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.doctor(tmp_path, "{temperature: {below: 45 F}}") == 2
        assert "board.state.temperature.below: unknown unit 'F'" in capsys.readouterr().err
