"""What the agent promises, on every architecture that can be tried here."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_sessions import EMULATED, Agent, agent, alive, soon

from analysis.board_marks import read_board_marks
from instruments.protocol import EventRequest
from lab.boards.agent.session import AgentRun
from lab.errors import HardwareError
from lab.record.host_clock import host_ns

KINDS = ("native", "checked", *EMULATED)
FAULTS = EventRequest("page-faults", "software", 2)

SPEAKER = """
exec 3>"${LAB_WINDOW%%,*}" 4<"${LAB_WINDOW#*,}"
for i in 1 2 3; do
    echo enable >&3; read -r answer <&4; echo "$i $answer"
    echo disable >&3; read -r answer <&4
done
"""


@pytest.fixture(params=KINDS)
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agent]:
    with agent(request.param, tmp_path) as one:
        yield one


def test_a_conversation(board: Agent) -> None:
    """One after the other on one agent: it is one process for a whole campaign."""
    hello = board.session.hello()
    assert hello["protocol"] == "1"
    assert int(hello["pid"]) == board.process.pid
    assert hello["kernel"] == platform.release()
    assert hello["architecture"] == (board.kind if board.kind in EMULATED else platform.machine())

    before = host_ns()
    sent, there, received = board.session.ping()
    assert before <= sent <= there <= received <= host_ns(), "it is the same clock"

    ended = board.shell(
        'echo "$1|$0|$GREETING|$LC_ALL|$(pwd)"; echo oops >&2; cat; exit 7', env={"GREETING": "good ‰ day\n="}
    )
    assert (ended.exit_status, ended.timed_out, ended.faults) == (7, False, ())
    assert board.text() == f"|sh|good ‰ day\n=|C|{board.folder}\n"
    assert board.text("stderr") == "oops\n"
    assert {"elapsed_s", "user_s", "system_s", "peak_rss_bytes", "minor_faults"} <= set(ended.usage)

    # Any bytes at all, and as many arguments as there are.
    strange = [bytes(range(1, 256)).decode("utf-8", "surrogateescape"), "", " ", "%41", "*", "a=b", "\n"]
    board.run(["printf", "%s\\n", *strange, *map(str, range(3000))])
    written = "".join(f"{one}\n" for one in (*strange, *range(3000)))
    assert (board.folder / "stdout").read_bytes() == written.encode("utf-8", "surrogateescape")

    missing = board.run(["/nonesuch/program"], events=[FAULTS])
    assert missing.exit_status == 127
    assert board.text("stderr") == "/nonesuch/program: No such file or directory\n"
    (board.folder / "plain").write_text("")
    assert board.run(["./plain"]).exit_status == 126
    assert board.shell("kill -9 $$").exit_status == -9
    assert board.shell("exec >out; echo both").exit_status == 0

    last = min(os.sched_getaffinity(0))
    board.shell("nice; grep Cpus_allowed_list /proc/self/status", cpus=[last], nice=5)
    assert board.text().split() == ["5", "Cpus_allowed_list:", str(last)]

    assert board.end() == 0
    assert not (board.folder / "agent.pid").exists()


def test_time_limits_and_families(board: Agent) -> None:
    """At the deadline everything that descends from the program ends, wherever it went."""
    marker = f"94{board.process.pid}.5"
    begin = time.monotonic()
    script = f"setsid sleep {marker} & (setsid sh -c 'sleep {marker} & sleep {marker}' &) ; sleep {marker}"
    ended = board.shell(script, deadline_s=0.5)
    assert ended.timed_out
    assert ended.exit_status < 0
    assert 0.5 <= ended.elapsed_s <= time.monotonic() - begin < 5.0
    assert not alive(marker)
    # What a program leaves behind ends with it.
    ended = board.shell(f"(setsid sleep {marker} &) ; sleep 0.1")
    assert (ended.exit_status, ended.timed_out) == (0, False)
    assert not alive(marker)


def test_windows_and_marks(board: Agent) -> None:
    first = host_ns()
    ended = board.shell(SPEAKER, opens_window=True, marks="marks.txt")
    assert ended.windows == 3
    assert board.text() == "1 ack\n2 ack\n3 ack\n"
    marks = read_board_marks(board.folder / "marks.txt").marks
    assert [mark.name for mark in marks] == ["window_begin", "window_end"] * 3
    assert first < marks[0].ns < marks[-1].ns < host_ns()

    # Marks of the program's own stand alone: they are nearer to what it times. So do those that were there before.
    (board.folder / "own.txt").write_text("code_begin 5\n")
    board.shell("echo window_begin 6 >>own.txt", marks="own.txt")
    assert board.text("own.txt") == "code_begin 5\nwindow_begin 6\n"

    # A program that says nothing; one that is not asked to.
    assert board.shell(":", opens_window=True, marks="none.txt").windows == 0
    assert board.text("none.txt") == ""
    assert board.shell(":", marks="whole.txt").windows == 1
    assert len(read_board_marks(board.folder / "whole.txt").marks) == 2


def test_what_cannot_be_had_is_said(board: Agent, tmp_path: Path) -> None:
    for wrong, said in (
        ({"cpus": [1023]}, "CPUs"),
        ({"pin": ("/dev/null", 3)}, "/dev/null: line 3: "),
        ({"pin": ("/dev/gpiochip99", 3)}, "No such file"),
        ({"window_only": True}, "window_only"),
    ):
        with pytest.raises(HardwareError, match=said):
            board.run(["true"], **wrong)
    with pytest.raises(HardwareError, match="No such file"):
        board.session.run(AgentRun(["true"], str(tmp_path / "none"), "out", "err"))
    with pytest.raises(ValueError, match="zero byte"):
        board.run(["a\0b"])
    # The agent is none the worse for it.
    assert board.run(["true"]).exit_status == 0


def test_output_is_limited(board: Agent) -> None:
    ended = board.shell("yes", output_limit=1_000_000, deadline_s=20.0)
    assert [code for code, _ in ended.faults] == ["output_too_long"]
    assert not ended.timed_out
    assert (board.folder / "stdout").stat().st_size == 1_000_000
    quick = board.shell("head -c 5000 /dev/zero >&2", output_limit=1000)
    assert [code for code, _ in quick.faults] == ["output_too_long"]
    assert (board.folder / "stderr").stat().st_size == 1000
    assert board.shell("head -c 1000 /dev/zero", output_limit=1000).faults == ()


def test_events_are_counted_or_not_and_it_says_why(board: Agent) -> None:
    can = board.session.hello()["counts"]
    unknown = EventRequest("x", "no_such_pmu", 1, 1)
    counts = board.run(["true"], events=[FAULTS, unknown]).counts
    assert [count.name for count in counts] == ["page-faults", "x"]
    assert (counts[1].value, counts[1].error) == (None, "ENODEV")
    if can == "nothing":
        assert counts[0].value is None
        assert counts[0].error
    else:
        assert counts[0].value is not None
        assert counts[0].enabled_ns == counts[0].running_ns > 0


def test_the_agent_goes_when_the_link_does(board: Agent) -> None:
    marker = f"95{board.process.pid}.5"
    pid_file = board.folder / "agent.pid"
    board.session.hello()
    assert pid_file.read_text().split()[0] == str(board.process.pid)
    board.begin(["sh", "-c", f"(setsid sleep {marker} &) ; exec sleep {marker}"])
    assert soon(lambda: len(alive(marker)) == 2)
    assert board.hang_up() == 0
    assert not alive(marker)
    assert not pid_file.exists()
