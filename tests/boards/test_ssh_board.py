"""A board behind SSH, with the agent and without it: what is started ends, what is printed arrives, nothing stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_sshd import HOST, NEEDS_NAMESPACES, LoopbackSshd

from instruments.protocol import EventRequest
from lab.boards.agent.binary import agent_binary
from lab.boards.protocol import (
    AnswersQuestions,
    Board,
    ChecksItself,
    Command,
    CommandResult,
    ComparesClock,
    CountsEvents,
    Reconnects,
    RunsBinaries,
    Settles,
)
from lab.boards.ssh.board import SshBoard
from lab.boards.ssh.complaints import HostKeyError
from lab.boards.ssh.processes import MARK
from lab.boards.ssh.settings import SshSettings
from lab.boards.ssh.target import SshTarget
from lab.errors import HardwareError, LinkLostError, UsageError
from lab.record.host_clock import host_ns
from lab.record.quantity import Origin

TARGET = SshTarget(HOST)
WAYS = ("required", "none")
SELDOM = ("required", pytest.param("none", marks=pytest.mark.slow))
"""For tests that wait for what is slow by nature: without the agent only in the longer suite."""


def have_agent(cache: Path) -> None:
    try:
        agent_binary(os.uname().machine, cache)
    except UsageError as error:
        pytest.skip(f"{error.message}; {error.advice}")


@pytest.fixture
def settings(sshd: LoopbackSshd, tmp_path: Path, agent_cache: Path) -> SshSettings:
    """As a bench file would have it, with the working folder in the test's own."""
    return SshSettings(
        cache=agent_cache,
        workdir=str(tmp_path / "board's folder"),
        config=sshd.ssh_config,
        output_limit=1_000_000,
        reconnect_for_s=10.0,
    )


@pytest.fixture
def opened(settings: SshSettings, agent_cache: Path) -> Iterator[Callable[..., SshBoard]]:
    """Opens a board; it is closed after the test."""
    boards: list[SshBoard] = []

    def open_(agent: str, **changes: object) -> SshBoard:
        if agent == "required":
            have_agent(agent_cache)
        board = SshBoard("board", TARGET, replace(settings, agent=agent, **changes))
        boards.append(board)
        board.open()
        return board

    yield open_
    for board in boards:
        with contextlib.suppress(HardwareError):
            board.close()


class Runs:
    """Runs programs on a board and keeps what they print."""

    def __init__(self, board: Board, folder: Path) -> None:
        self.board = board
        self.stdout, self.stderr = folder / "stdout", folder / "stderr"
        self.workdir = board.make_workdir("t0001.latency")

    def __call__(self, *argv: str, **keys: object) -> CommandResult:
        return self.board.run(Command(argv, workdir=self.workdir, **keys), self.stdout, self.stderr)


def marked() -> list[str]:
    """Command lines of all living processes that the lab started on a board."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}=".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text(errors="replace").replace("\0", " "))
    return found


def gone(words: str, within_s: float = 10.0) -> bool:
    """Do all processes with these words in their command line end in time?"""
    end_s = time.monotonic() + within_s
    while any(words in line for line in marked()):
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def wait_for(words: str) -> None:
    """Until a program with these words in its command line runs."""
    end_s = time.monotonic() + 10
    while not any(words in line for line in marked()):
        assert time.monotonic() < end_s
        time.sleep(0.01)


def later(action: Callable[[], object], words: str) -> threading.Thread:
    """Do something once a program runs."""

    def act() -> None:
        wait_for(words)
        action()

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


# ------------------------------------------------------------------------------------------------- running programs


@pytest.mark.parametrize("agent", WAYS)
def test_programs_run_and_end_as_they_do_anywhere(opened: Callable[..., SshBoard], tmp_path: Path, agent: str) -> None:
    board = opened(agent)
    run = Runs(board, tmp_path)

    done = run("printf", "%s\\n", "it's", "$HOME `x` *", "", env={})
    assert done.exit_status == 0
    assert run.stdout.read_text() == "it's\n$HOME `x` *\n\n"
    assert done.elapsed_s >= 0
    assert not done.timed_out

    done = run("sh", "-c", 'echo "$WORD" >&2; echo "$LC_ALL"; pwd; cat; exit 3', env={"WORD": "a 'b'\nc"})
    assert done.exit_status == 3
    assert run.stderr.read_text() == "a 'b'\nc\n"
    assert run.stdout.read_text() == f"C\n{run.workdir}\n"  # and its standard input was empty

    assert run("no such program").exit_status == 127
    assert "no such program" in run.stderr.read_text()
    assert run("sh", "-c", "kill -9 $$").exit_status == -9

    # Time, to what each way can tell.
    done = run("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
    assert 0.02 < done.usage["user_s"] < 20
    assert abs(done.usage["elapsed_s"] - done.elapsed_s) < 0.03

    # The folder of a pass is fresh, files are put into the campaign's and fetched from there.
    (tmp_path / "file").write_text("content")
    place = board.put(tmp_path / "file", "data/file")
    assert run("cat", place).exit_status == 0
    assert run.stdout.read_text() == "content"
    run("sh", "-c", "echo left >here")
    board.fetch(f"{run.workdir}/here", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_text() == "left\n"
    board.make_workdir("t0001.latency")
    with pytest.raises(FileNotFoundError):
        board.fetch("t0001.latency/here", tmp_path / "fetched")
    for outside in ("../x", "/etc/passwd", ".", "a/../.."):
        with pytest.raises(ValueError, match="not below"):
            board.fetch(outside, tmp_path / "x")


@pytest.mark.parametrize("agent", SELDOM)
def test_a_deadline_ends_a_program_with_all_its_children(
    opened: Callable[..., SshBoard], tmp_path: Path, agent: str
) -> None:
    run = Runs(opened(agent), tmp_path)
    stubborn = "echo begun; trap '' TERM; (setsid sleep 4321 &); sleep 4321 & while :; do sleep 0.1; done"
    began_s = time.monotonic()
    done = run("sh", "-c", stubborn, deadline_s=0.3)
    assert done.timed_out
    assert done.exit_status < 0
    assert time.monotonic() - began_s < 15
    assert run.stdout.read_text() == "begun\n"
    assert gone("sleep 4321", within_s=0)


@pytest.mark.parametrize("agent", SELDOM)
def test_what_a_program_leaves_running_ends_with_it(
    opened: Callable[..., SshBoard], tmp_path: Path, agent: str
) -> None:
    run = Runs(opened(agent), tmp_path)
    done = run("sh", "-c", "(setsid sleep 4322 >/dev/null 2>&1 &); sleep 4322 & exit 0", deadline_s=60.0)
    assert (done.exit_status, done.timed_out) == (0, False)
    assert gone("sleep 4322", within_s=0)


@pytest.mark.parametrize("agent", WAYS)
def test_an_interrupt_ends_the_program_and_the_board_goes_on(
    opened: Callable[..., SshBoard], tmp_path: Path, agent: str
) -> None:
    run = Runs(opened(agent), tmp_path)
    thread = later(lambda: os.kill(os.getpid(), signal.SIGINT), "sleep 4323")
    with pytest.raises(KeyboardInterrupt):
        run("sh", "-c", "sleep 4323 & sleep 4323")
    thread.join()
    assert gone("sleep 4323", within_s=0)
    assert run("echo", "on").exit_status == 0


@pytest.mark.parametrize("agent", WAYS)
def test_hostile_output_arrives_as_it_is_and_endless_output_is_cut(
    opened: Callable[..., SshBoard], tmp_path: Path, agent: str
) -> None:
    board = opened(agent)
    run = Runs(board, tmp_path)
    content = bytes(range(256)) * 300 + b"\x1b[2J\x1b]0;title\x07<script>alert(1)</script>\r\n~.\0status 0\n"
    (tmp_path / "hostile").write_bytes(content)
    place = board.put(tmp_path / "hostile", "hostile")
    done = run("sh", "-c", 'cat "$0"; cat "$0" >&2', place)
    assert done.exit_status == 0
    assert run.stdout.read_bytes() == run.stderr.read_bytes() == content

    done = run("sh", "-c", "exec cat /dev/zero", deadline_s=60.0)
    assert "output_too_long" in [code for code, _ in done.faults]
    assert done.exit_status != 0
    assert not done.timed_out
    assert 1_000_000 <= run.stdout.stat().st_size <= 1_000_001
    # One that goes on for all that, and ends by itself.
    done = run("sh", "-c", "trap '' PIPE TERM; head -c 3000000 /dev/zero >&2; exit 5", deadline_s=60.0)
    assert "output_too_long" in [code for code, _ in done.faults]
    assert 1_000_000 <= run.stderr.stat().st_size <= 1_000_001


@pytest.mark.slow
@pytest.mark.parametrize("agent", WAYS)
def test_two_hundred_megabytes_of_output(opened: Callable[..., SshBoard], tmp_path: Path, agent: str) -> None:
    run = Runs(opened(agent, output_limit=1 << 30), tmp_path)
    assert run("head", "-c", "200000000", "/dev/zero").exit_status == 0
    assert run.stdout.stat().st_size == 200_000_000


@pytest.mark.parametrize("agent", WAYS)
def test_programs_are_held_to_cpus_and_made_nice(opened: Callable[..., SshBoard], tmp_path: Path, agent: str) -> None:
    cpu = max(os.sched_getaffinity(0))
    run = Runs(opened(agent, affinity=(cpu,), nice=7), tmp_path)
    run("sh", "-c", "grep Cpus_allowed_list /proc/self/status; nice")
    assert run.stdout.read_text().split() == ["Cpus_allowed_list:", str(cpu), "7"]


@pytest.mark.parametrize("agent", WAYS)
def test_a_working_folder_that_is_gone_is_an_error_of_the_board(
    opened: Callable[..., SshBoard], tmp_path: Path, agent: str
) -> None:
    run = Runs(opened(agent), tmp_path)
    shutil.rmtree(run.workdir)
    with pytest.raises(HardwareError, match="t0001"):
        run("true")


def test_a_board_with_nothing_but_busybox(sshd: LoopbackSshd, opened: Callable[..., SshBoard], tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox (Debian: apt install busybox-static)")
    applets = tmp_path / "applets"
    applets.mkdir()
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        (applets / name).symlink_to(busybox)
    sshd.stop()
    sshd._options = (f"SetEnv SHLVL=1 PATH={applets}",)
    sshd.start()
    board = opened("none")
    run = Runs(board, tmp_path)
    assert run("sh", "-c", "(setsid sleep 4328 &); echo $PATH; exit 3").exit_status == 3
    assert run.stdout.read_text() == f"{applets}\n"
    assert gone("sleep 4328", within_s=0)
    assert run("sh", "-c", "sleep 4328 & trap '' TERM; while :; do sleep 0.1; done", deadline_s=0.3).timed_out
    assert gone("sleep 4328", within_s=0)
    done = run("cat", "/dev/zero")
    assert [code for code, _ in done.faults] == ["precision_lost", "output_too_long"]
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "a b").write_text("x")
    assert run("cat", board.put(tmp_path / "folder", "folder") + "/deep/a b").exit_status == 0
    assert run.stdout.read_text() == "x"
    before, there, after = board.ping()
    assert before <= there <= after


def test_what_the_bench_file_asks_for_and_a_bare_board_cannot_do_is_said_at_once(
    opened: Callable[..., SshBoard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.boards.ssh.shell_programs.ABILITIES", "echo proc; echo fifo; echo head")
    with pytest.raises(HardwareError, match=r"board\.nice needs nice"):
        opened("none", nice=5)
    monkeypatch.setattr("lab.boards.ssh.shell_programs.ABILITIES", "echo proc")
    with pytest.raises(HardwareError, match="lacks mkfifo"):
        opened("none")


def test_without_the_agent_the_result_says_what_it_lacks(opened: Callable[..., SshBoard], tmp_path: Path) -> None:
    board = opened("none")
    run = Runs(board, tmp_path)
    event = EventRequest("page-faults", "software", 2)
    done = run("true", events=(event,), opens_window=True)
    ((code, detail),) = done.faults
    assert code == "precision_lost"
    assert "the bench file wants none" in detail
    for part in ("10 ms", "page faults", "window was not watched", "events were not counted"):
        assert part in detail
    (count,) = done.counts
    assert (count.name, count.value, bool(count.error)) == ("page-faults", None, True)
    assert "peak_rss_bytes" not in done.usage
    assert not board.can_count().present


def test_with_the_agent_the_board_counts(opened: Callable[..., SshBoard], tmp_path: Path) -> None:
    board = opened("required")
    found = board.can_count()
    if not found.present:
        pytest.skip(found.detail)
    run = Runs(board, tmp_path)
    done = run("true", events=(EventRequest("page-faults", "software", 2),))
    assert [count.name for count in done.counts] == ["page-faults"]
    assert done.counts[0].value is not None
    assert done.counts[0].value > 0
    assert done.faults == ()
    assert done.usage["peak_rss_bytes"] > 10_000


# --------------------------------------------------------------------------------------------------- the clock


@pytest.mark.parametrize("agent", WAYS)
def test_the_clock_is_enclosed(opened: Callable[..., SshBoard], agent: str) -> None:
    board = opened(agent)
    for _ in range(5):
        before, there, after = board.ping()
        assert before <= there <= after  # the board's clock is ours
        assert after - before < 1e9


def test_a_clock_that_follows_ntp_is_enclosed_too(
    opened: Callable[..., SshBoard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.boards.ssh.shell_programs.RAW_CLOCKS", {})
    board = opened("none")
    for _ in range(3):
        before, there, after = board.ping()
        assert before <= there <= after
    # Half the width is what NTP may have done since the start of this machine.
    assert (after - before) / 2 >= 500e-6 * host_ns()


# --------------------------------------------------------------------------------------------------- the link


@pytest.mark.parametrize("agent", SELDOM)
def test_a_link_that_breaks_in_the_middle_of_a_program(
    opened: Callable[..., SshBoard], sshd: LoopbackSshd, tmp_path: Path, agent: str
) -> None:
    board = opened(agent)
    run = Runs(board, tmp_path)
    (tmp_path / "file").write_text("content")
    place = board.put(tmp_path / "file", "kept")
    thread = later(sshd.cut, "sleep 4324")
    with pytest.raises(LinkLostError, match="broke"):
        run("sh", "-c", "trap '' TERM HUP; (setsid sleep 4324 &); sleep 4324")
    thread.join()
    board.reconnect()
    assert gone("sleep 4324", within_s=0)
    # The folder is as it was.
    assert run("cat", place).exit_status == 0
    assert run.stdout.read_text() == "content"
    board.ping()


def test_a_board_that_does_not_come_back(opened: Callable[..., SshBoard], sshd: LoopbackSshd) -> None:
    board = opened("none", reconnect_for_s=1.0)
    sshd.stop()
    with pytest.raises(LinkLostError):
        board.make_workdir("x")
    with pytest.raises(HardwareError, match=r"refuses connections.*tried for 1 s") as raised:
        board.reconnect()
    assert not isinstance(raised.value, LinkLostError)


def test_a_board_that_comes_back_as_another(opened: Callable[..., SshBoard], sshd: LoopbackSshd) -> None:
    board = opened("none", reconnect_for_s=60.0)
    sshd.stop()
    sshd.change_host_key()
    sshd.start()
    began_s = time.monotonic()
    with pytest.raises(HostKeyError, match="another host key"):
        board.reconnect()
    assert time.monotonic() - began_s < 10


def test_a_board_that_comes_back_without_its_folder(
    opened: Callable[..., SshBoard], sshd: LoopbackSshd, settings: SshSettings
) -> None:
    board = opened("none")
    sshd.cut()
    shutil.rmtree(settings.workdir)
    with pytest.raises(HardwareError, match="is gone"):
        board.reconnect()


@NEEDS_NAMESPACES
@pytest.mark.parametrize("agent", ["required", pytest.param("none", marks=pytest.mark.slow)])
def test_a_cable_that_is_pulled_and_put_back(
    opened: Callable[..., SshBoard],
    far_sshd: tuple[LoopbackSshd, Callable[[str], None]],
    tmp_path: Path,
    agent: str,
) -> None:
    server, cable = far_sshd
    board = opened(agent, config=server.ssh_config, silence_s=3.0, connect_timeout_s=5.0)
    run = Runs(board, tmp_path)
    thread = later(lambda: cable("down"), "sleep 4325")
    began_s = time.monotonic()
    with pytest.raises(LinkLostError, match="broke"):
        run("sh", "-c", "(setsid sleep 4325 &); sleep 4325")
    assert time.monotonic() - began_s < 15  # noticed, though nothing came that said so
    thread.join()
    # The board knows nothing of it: the program still runs there.
    assert not gone("sleep 4325", within_s=0)
    cable("up")
    board.reconnect()
    assert gone("sleep 4325", within_s=0)
    assert run("echo", "on").exit_status == 0


# --------------------------------------------------------------------------------------------- opening and closing


@pytest.mark.parametrize("agent", WAYS)
def test_nothing_is_left_behind(
    opened: Callable[..., SshBoard], settings: SshSettings, tmp_path: Path, agent: str
) -> None:
    board = opened(agent)
    run = Runs(board, tmp_path)
    run("sh", "-c", "mkdir -p a/b; touch a/b/c; chmod 000 a/b/c; (setsid sleep 4326 &)")
    board.ping()
    assert Path(settings.workdir).is_dir()
    board.close()
    board.close()
    assert not Path(settings.workdir).exists()
    # Other boards may be open meanwhile: whatever serves this one has its folder in its command line.
    assert gone("sleep 4326", within_s=0)
    assert not [line for line in marked() if settings.workdir in line]


def test_others_folders_stay(opened: Callable[..., SshBoard], settings: SshSettings) -> None:
    other = Path(settings.workdir, "somebody's")
    other.mkdir(parents=True)
    board = opened("none")
    board.close()
    assert [path.name for path in Path(settings.workdir).iterdir()] == ["somebody's"]


def test_nothing_is_left_behind_after_a_lost_link(
    opened: Callable[..., SshBoard], settings: SshSettings, sshd: LoopbackSshd
) -> None:
    board = opened("none")
    sshd.cut()
    board.close()
    assert not Path(settings.workdir).exists()


def test_an_agent_that_shall_stay_stays_and_is_not_copied_again(
    opened: Callable[..., SshBoard], settings: SshSettings, tmp_path: Path
) -> None:
    place = tmp_path / "kept" / "lab-agent"
    opened("required", keep_agent=str(place)).close()
    assert os.access(place, os.X_OK)
    first = place.stat()
    opened("required", keep_agent=str(place)).close()
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    place.write_bytes(b"something else")
    opened("required", keep_agent=str(place)).close()
    assert place.stat().st_size == first.st_size
    assert not Path(settings.workdir).exists()


def test_an_agent_that_cannot_run_is_done_without_or_insisted_on(
    opened: Callable[..., SshBoard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "agent"
    broken.write_bytes(b"\x7fELF and nothing more")
    broken.chmod(0o755)
    monkeypatch.setattr("lab.boards.ssh.agent_start.agent_binary", lambda *_: broken)
    board = opened("auto")
    run = Runs(board, tmp_path)
    ((_, detail),) = run("true").faults
    assert "does not run on the board" in detail
    checks = dict(board.checks())
    assert "not used" in checks["agent"].detail
    monkeypatch.setattr("test_ssh_board.have_agent", lambda _: None)
    with pytest.raises(HardwareError, match="does not run on the board"):
        opened("required")


def test_an_agent_that_cannot_be_built_is_done_without_or_insisted_on(
    opened: Callable[..., SshBoard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(architecture: str, _: Path) -> Path:
        raise UsageError(f"no compiler for {architecture} is here", advice="install one")

    monkeypatch.setattr("lab.boards.ssh.agent_start.agent_binary", none)
    assert "no compiler" in Runs(opened("auto"), tmp_path)("true").faults[0][1]
    monkeypatch.setattr("test_ssh_board.have_agent", lambda _: None)
    with pytest.raises(UsageError):
        opened("required")


def test_a_place_where_nothing_can_be_written(opened: Callable[..., SshBoard]) -> None:
    with pytest.raises(HardwareError, match="no folder can be made below /proc/lab"):
        opened("none", workdir="/proc/lab")


def test_a_login_shell_that_talks_is_refused(sshd: LoopbackSshd, opened: Callable[..., SshBoard]) -> None:
    sshd.stop()
    sshd._options = ("ForceCommand echo Welcome to the board; eval $SSH_ORIGINAL_COMMAND",)
    sshd.start()
    with pytest.raises(HardwareError, match="does not leave commands as they are: it says 'Welcome"):
        opened("none")


def test_a_board_tells_what_it_is(opened: Callable[..., SshBoard], settings: SshSettings) -> None:
    board = opened("none")
    assert board.architecture == os.uname().machine
    found = board.fingerprint()
    assert found["kind"] == "ssh"
    assert found["kernel"] == f"Linux {os.uname().release}"
    assert found["host_key"].startswith("ssh-ed25519 SHA256:")
    assert board.ask(["sh", "-c", "echo out; echo err >&2; exit 4"]) == (4, "out\n", "err\n")
    assert board.ask(["no such tool"])[0] == 127
    for protocol in (ComparesClock, Reconnects, RunsBinaries, CountsEvents, Settles, ChecksItself, AnswersQuestions):
        assert isinstance(board, protocol)
    assert SshBoard("b", TARGET, settings, origin=Origin.EMULATED, kind="qemu").origin is Origin.EMULATED


def test_a_question_that_is_not_answered_ends_there_too(
    opened: Callable[..., SshBoard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.boards.ssh.board._ASK_S", 0.5)
    board = opened("none")
    with pytest.raises(subprocess.TimeoutExpired):
        board.ask(["sleep", "4327"])
    assert gone("sleep 4327", within_s=0)


def test_a_probe_never_raises(sshd: LoopbackSshd, settings: SshSettings) -> None:
    board = SshBoard("board", TARGET, settings)
    found = board.probe()
    assert found.present
    assert os.uname().release in found.detail
    sshd.stop()
    found = board.probe()
    assert not found.present
    assert "refuses connections" in found.detail
    assert found.advice


def test_what_is_not_open_says_so(settings: SshSettings) -> None:
    board = SshBoard("board", TARGET, settings)
    for action in (board.ping, board.can_count, board.reconnect, board.checks, lambda: board.make_workdir("x")):
        with pytest.raises(HardwareError, match="not open"):
            action()
    board.close()


@pytest.mark.parametrize("way", WAYS)
def test_output_that_is_to_be_collected_later_stays_on_the_board_until_then(
    opened: Callable[..., SshBoard], tmp_path: Path, way: str
) -> None:
    board = opened(way)
    out, err = tmp_path / "out", tmp_path / "err"
    result = board.run(Command(["echo", "said"], collect_later=True), out, err)
    assert result.exit_status == 0
    assert not out.exists(), "bringing it is work that would show in the idle power"
    board.collect()
    assert out.read_text() == "said\n"
    board.run(Command(["echo", "first"], collect_later=True), out, err)
    board.run(Command(["echo", "second"]), tmp_path / "out2", err)
    assert out.read_text() == "first\n", "another program does not overwrite it"
    assert (tmp_path / "out2").read_text() == "second\n"
