"""The link to a board breaks in the middle of a pass and comes back: what the campaign does then is the experiment's
word, and the record keeps every attempt."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from instruments.process_resources import ProcessResources
from lab.boards.local import LocalBoard
from lab.boards.protocol import Command, CommandResult
from lab.errors import ExitCode, HardwareError, LinkLostError
from lab.experiment.load import load_experiment
from lab.record.documents import Fault, PassBegin
from lab.record.reader import Record
from lab.runner import session
from lab.runner.campaign import ATTEMPTS_ON_LINK_LOSS, Equipment
from lab.runner.progress import Silent
from lab.workloads.program import ProgramSettings, ProgramWorkload

EXPERIMENT = """\
experiment: answer
bench: bench.yaml
workload: {{kind: program, source: program, command: [sh, "{{source}}/answer.sh"], reader: none, per: process}}
passes: {{latency: {{}}}}
repeats: 3
order: as_written
on_link_loss: {policy}
"""
BENCH = """\
bench: here
board: {kind: local}
instruments:
  resources: {kind: process_resources}
"""


class Breaking(LocalBoard):
    """This machine, at the end of a link that breaks in the runs of these numbers (counted from 1)."""

    def __init__(self, breaks: frozenset[int], *, comes_back: bool = True) -> None:
        super().__init__("board")
        self._breaks = breaks
        self._comes_back = comes_back
        self.runs = self.reconnected = 0

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        self.runs += 1
        if self.runs in self._breaks:
            stdout.write_text("half of")
            raise LinkLostError("the link to board.example broke")
        return super().run(command, stdout, stderr)

    def reconnect(self) -> None:
        if not self._comes_back:
            raise HardwareError("board.example does not come back", advice="look after it")
        self.reconnected += 1


def campaign(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    board: Breaking,
    policy: Literal["repeat", "go_on", "stop"] = "repeat",
) -> tuple[Record, session.Finished]:
    program = tmp_path / "program"
    program.mkdir()
    (program / "answer.sh").write_text("echo 42\n")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT.format(policy=policy))
    (tmp_path / "bench.yaml").write_text(BENCH)
    workload = ProgramWorkload(ProgramSettings(program, ("sh", "{source}/answer.sh"), "none"))
    equipment = Equipment(board, {"resources": ProcessResources("resources")}, workload)
    monkeypatch.setattr(session, "equip", lambda *_: equipment)
    loaded = load_experiment(tmp_path / "experiment.yaml")
    finished = session.start(loaded, tmp_path / "records", tmp_path / "cache", Silent())
    return Record.open(finished.root), finished


def attempts(record: Record) -> list[tuple[str, int]]:
    return [(item.pass_id, item.attempt) for item in record.documents if isinstance(item, PassBegin)]


def link_faults(record: Record) -> list[tuple[str | None, int]]:
    return [
        (item.pass_id, item.attempt)
        for item in record.documents
        if isinstance(item, Fault) and item.code == "link_lost" and "board.example" in item.detail
    ]


def test_a_pass_is_tried_again_and_the_broken_attempt_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Breaking(frozenset({2}))
    record, finished = campaign(tmp_path, monkeypatch, board)
    assert finished.outcome.state == "complete"
    assert finished.outcome.exit_code is ExitCode.OK
    assert attempts(record) == [("t0001.latency", 1), ("t0002.latency", 1), ("t0002.latency", 2), ("t0003.latency", 1)]
    assert link_faults(record) == [("t0002.latency", 1)]
    assert board.reconnected == 1
    again = record.passes()["t0002.latency"]
    assert again.end.state == "done"
    assert not again.faults
    assert (record.root / "output/t0002.latency/stdout.txt").read_text() == "half of"
    assert (record.root / "output/t0002.latency.attempt2/stdout.txt").read_text() == "42\n"


def test_a_link_that_breaks_each_time_is_not_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Breaking(frozenset(range(1, ATTEMPTS_ON_LINK_LOSS + 1)))
    record, finished = campaign(tmp_path, monkeypatch, board)
    assert finished.outcome.state == "partial"
    assert finished.outcome.failed_passes == ["t0001.latency"]
    assert [number for name, number in attempts(record) if name == "t0001.latency"] == [1, 2, 3]
    assert record.missing_passes() == ["t0001.latency"], "a resumed campaign tries it once more"


def test_the_campaign_goes_on_without_the_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Breaking(frozenset({2}))
    record, finished = campaign(tmp_path, monkeypatch, board, "go_on")
    assert finished.outcome.state == "partial"
    assert finished.outcome.exit_code is ExitCode.PARTIAL
    assert attempts(record) == [("t0001.latency", 1), ("t0002.latency", 1), ("t0003.latency", 1)]
    assert record.missing_passes() == ["t0002.latency"]
    assert board.reconnected == 1


def test_the_campaign_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, finished = campaign(tmp_path, monkeypatch, Breaking(frozenset({2})), "stop")
    assert finished.outcome.state == "interrupted"
    assert finished.outcome.exit_code is ExitCode.HARDWARE
    assert record.missing_passes() == ["t0002.latency", "t0003.latency"]


def test_a_board_that_does_not_come_back_ends_the_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, finished = campaign(tmp_path, monkeypatch, Breaking(frozenset({2}), comes_back=False))
    assert finished.outcome.exit_code is ExitCode.HARDWARE
    assert finished.outcome.lost is not None
    assert finished.outcome.lost.advice == "look after it"
    assert link_faults(record) == [("t0002.latency", 1)]
