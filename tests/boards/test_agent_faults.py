"""What goes wrong around the agent: links that break, programs that do not end, agents that were killed."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_sessions import Agent, agent, alive, binary, soon

from lab.boards.agent.session import AgentRun, AgentSession
from lab.errors import HardwareError, LinkLostError

KINDS = ("native", pytest.param("checked", marks=pytest.mark.slow))


@pytest.fixture(params=KINDS)
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agent]:
    with agent(request.param, tmp_path / "board") as one:
        yield one


def family(marker: str) -> str:
    """A program with a child in its group and one that left it."""
    return f"sleep {marker} & (setsid sleep {marker} &) ; exec sleep {marker}"


# ------------------------------------------------------------------------------------------- while a program runs


def test_questions_are_answered_while_a_program_runs(board: Agent) -> None:
    marker = f"81{board.process.pid}.5"
    board.begin(["sh", "-c", family(marker)])
    assert soon(lambda: len(alive(marker)) == 3)
    assert board.session.ping()[1] > 0
    with pytest.raises(HardwareError, match="a program is running"):
        board.run(["true"])
    begin = time.monotonic()
    board.input.write(b"stop 901\n")
    assert soon(lambda: not alive(marker)), "stop reaches all of them"
    assert time.monotonic() - begin < 1.5
    assert board.run(["true"]).exit_status == 0, "the next program runs as if nothing had been"


@pytest.mark.parametrize("way", ["interrupt", "exception"])
def test_an_interrupt_stops_the_program_and_goes_on(board: Agent, way: str) -> None:
    marker = f"82{board.process.pid}.5"
    raised = KeyboardInterrupt if way == "interrupt" else RuntimeError

    def interrupt(*_: object) -> None:
        raise raised

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.4)
        with pytest.raises(raised):
            board.shell(family(marker))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not alive(marker)
    assert board.run(["true"]).exit_status == 0


def test_a_program_that_does_not_want_to_end_is_killed(board: Agent) -> None:
    marker = f"83{board.process.pid}.5"
    script = f"trap '' TERM HUP INT; (trap '' TERM; sleep {marker}) & while :; do sleep 0.1; done"
    begin = time.monotonic()
    ended = board.shell(script, deadline_s=0.3)
    assert (ended.exit_status, ended.timed_out) == (-9, True)
    assert 2.2 < time.monotonic() - begin < 4.0, "it has two seconds to end by itself"
    assert not alive(marker)


def test_a_stopped_program_ends_too(board: Agent) -> None:
    ended = board.shell("kill -STOP $$; exit 5", deadline_s=0.2)
    assert (ended.exit_status, ended.timed_out) == (-15, True)


def test_a_program_may_end_well_after_the_deadline(board: Agent) -> None:
    ended = board.shell("trap 'echo saved; exit 4' TERM; while :; do sleep 0.01; done", deadline_s=0.2)
    assert (ended.exit_status, ended.timed_out, board.text()) == (4, True, "saved\n")


def test_those_that_make_new_ones_all_the_time_end(board: Agent) -> None:
    marker = f"84{board.process.pid}.5"
    make = f"(setsid sleep {marker} &)"
    script = f"(while :; do {make}; sleep 0.005; done) & while :; do {make}; sleep 0.01; done"
    begin = time.monotonic()
    ended = board.shell(script, deadline_s=0.4)
    assert ended.faults == ()
    assert time.monotonic() - begin < 4.0
    time.sleep(0.05)
    assert not alive(marker)


def test_no_time_at_all(board: Agent) -> None:
    assert board.run(["sleep", "5"], deadline_s=0.0).timed_out


# -------------------------------------------------------------------------------------------- the link and the agent


def test_a_killed_agent_takes_its_program_with_it(board: Agent) -> None:
    """Its children at once; those that left the family when the next agent comes."""
    marker = f"85{board.process.pid}.5"
    lost: list[BaseException] = []

    def run() -> None:
        try:
            board.shell(family(marker))
        except LinkLostError as error:
            lost.append(error)

    running = threading.Thread(target=run)
    running.start()
    assert soon(lambda: len(alive(marker)) == 3)
    board.process.kill()
    running.join(10)
    assert [str(error) for error in lost] == ["board: the agent went away"]
    assert soon(lambda: len(alive(marker)) < 3), "the program itself ends with the agent"
    with agent("native", board.folder) as new:
        assert new.session.hello()["took_over"] == "1"
        assert not alive(marker)
        assert new.end() == 0
    assert not (board.folder / "agent.pid").exists()


@pytest.mark.parametrize("state", ["running", pytest.param("stopped", marks=pytest.mark.slow)])
def test_a_new_agent_ends_a_stale_one(board: Agent, state: str) -> None:
    marker = f"86{board.process.pid}.5"
    board.begin(["sh", "-c", family(marker)])
    assert soon(lambda: len(alive(marker)) == 3)
    if state == "stopped":
        os.kill(board.process.pid, signal.SIGSTOP)
    with agent("native", board.folder) as new:
        hello = new.session.hello()
        assert hello["took_over"] == "1"
        assert board.process.wait(5) in (0, -9)
        assert not alive(marker)
        assert new.run(["true"]).exit_status == 0
        assert (board.folder / "agent.pid").read_text().split()[0] == hello["pid"]


def test_many_agents_at_once_leave_one(tmp_path: Path) -> None:
    """Each ends the one before it, whatever the order: the last one to come stays, and no process is left."""
    several = [Agent("native", tmp_path) for _ in range(6)]
    answers = []
    for one in several:
        try:
            answers.append(one.session.hello()["pid"])
        except LinkLostError:
            answers.append("")
    assert soon(lambda: sum(one.process.poll() is None for one in several) == 1)
    left = next(one for one in several if one.process.poll() is None)
    assert (tmp_path / "agent.pid").read_text().split()[0] == str(left.process.pid)
    assert left.session.ping()
    assert left.end() == 0
    for one in several:
        assert one.process.stdout is not None
        one.input.close()
        one.process.stdout.close()
        one.stderr.close()


def test_another_process_with_that_number_is_left_alone(tmp_path: Path) -> None:
    """Process numbers come again: the file of an agent long gone may name somebody else by now."""
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "agent.pid").write_text(f"{bystander.pid} 12345 LAB_AGENT=5_x\n")
        with agent("native", tmp_path) as one:
            assert one.session.hello()["took_over"] == "0"
            assert one.end() == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("content", ["", "x\n", "1 1 LAB_AGENT=x\n", "-5 0 LAB_AGENT=x\n", "5 5 PATH=/\n", "9" * 5000])
def test_whatever_the_file_says(tmp_path: Path, content: str) -> None:
    (tmp_path / "agent.pid").write_text(content)
    with agent("checked", tmp_path) as one:
        assert one.session.hello()["took_over"] == "0"
        assert one.end() == 0


def test_a_folder_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "agent.pid").symlink_to("target")
    for folder, said in ((tmp_path, "symbolic links"), (tmp_path / "target", "Not a directory")):
        one = subprocess.run(
            [*binary("native"), "--folder", folder], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        assert one.returncode == 3
        assert said.replace(" ", "%20").encode() in one.stdout
    assert (tmp_path / "target").read_text() == "precious"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_it_and_all(board: Agent, number: signal.Signals) -> None:
    marker = f"87{board.process.pid}.5"
    board.begin(["sh", "-c", family(marker)])
    assert soon(lambda: len(alive(marker)) == 3)
    board.process.send_signal(number)
    assert board.process.wait(5) == 0
    assert not alive(marker)
    assert not (board.folder / "agent.pid").exists()


def test_goodbye_while_a_program_runs(board: Agent) -> None:
    marker = f"88{board.process.pid}.5"
    board.begin(["sh", "-c", family(marker)])
    assert soon(lambda: len(alive(marker)) == 3)
    assert board.end() == 0
    assert not alive(marker)
    board.session.close()


def test_nobody_reads_any_more(board: Agent) -> None:
    """The reader is gone, the writer is not: half a link is none."""
    marker = f"89{board.process.pid}.5"
    board.begin(["sh", "-c", family(marker)])
    assert soon(lambda: len(alive(marker)) == 3)
    assert board.process.stdout is not None
    board.process.stdout.close()
    board.input.write(b"ping 5\n")
    assert board.process.wait(5) == 0
    assert not alive(marker)


def test_it_is_asked_now_and_then_whether_it_still_lives(board: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.boards.agent.session._ALIVE_S", 0.1)
    monkeypatch.setattr("lab.boards.agent.session._ANSWER_S", 0.5)
    assert board.shell("sleep 0.5; exit 3").exit_status == 3
    stop = threading.Timer(0.3, lambda: os.kill(board.process.pid, signal.SIGSTOP))
    stop.start()
    with pytest.raises(LinkLostError, match="does not answer within"):
        board.shell("sleep 5")
    stop.join()
    os.kill(board.process.pid, signal.SIGCONT)


def test_a_terminal_is_no_obstacle(tmp_path: Path) -> None:
    """A serial console: it echoes, edits lines and turns line feeds into others, until the agent tells it not to."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen([*binary("checked"), "--folder", tmp_path], stdin=slave, stdout=slave)
    try:
        with os.fdopen(os.dup(master), "rb", 0) as read, os.fdopen(os.dup(master), "wb", 0) as write:
            session = AgentSession(read, write, name="console")
            assert session.hello()["protocol"] == "1"
            arguments = ["printf", "%s", "\x03\x04\x1a\r\n" + "x" * 10_000]
            ended = session.run(AgentRun(arguments, str(tmp_path), "out", "err"))
            assert ended.exit_status == 0
            assert (tmp_path / "out").read_bytes() == arguments[2].encode()
            session.close()
            assert process.wait(5) == 0
        assert termios.tcgetattr(slave) == before
        assert not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


# --------------------------------------------------------------------------------------------------- hostile programs


def test_pipes_in_the_place_of_files_hold_nobody_up(board: Agent) -> None:
    ended = board.shell("mkfifo marks.txt", marks="marks.txt", deadline_s=5.0)
    assert [code for code, _ in ended.faults] == ["alignment_unchecked"]
    os.mkfifo(board.folder / "out")
    with pytest.raises(HardwareError, match="out: No such device"):
        board.session.run(AgentRun(["true"], str(board.folder), "out", "stderr"))
    ended = board.shell('rm -f "${LAB_WINDOW%%,*}"; exit 6', opens_window=True)
    assert ended.exit_status == 6


def test_a_flood_of_words_is_not_the_end(board: Agent) -> None:
    """A program that opens its window as fast as it can, without waiting: commands still come through."""
    script = 'exec 3>"${LAB_WINDOW%%,*}"; while :; do echo enable; echo disable; done >&3'
    ended = board.shell(script, opens_window=True, marks="marks.txt", deadline_s=0.5)
    assert ended.timed_out
    assert ended.windows > 100
    assert board.session.ping()


def test_signals_to_the_agent_by_its_own_program(board: Agent) -> None:
    """It can do that; then the link is lost, and that is what is told."""
    with pytest.raises((LinkLostError, HardwareError)):
        board.shell("kill -9 $PPID; sleep 5")
