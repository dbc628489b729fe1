"""What the agent counts: the program's events and nobody else's, in its window and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_sessions import TOUCHER, Agent, agent, compiled, open_folder

from analysis.board_marks import read_board_marks
from instruments.protocol import EventRequest
from lab.boards.agent.session import AgentEnded

WORKLOADS = Path(__file__).parents[2] / "workloads"
HDRNN, DRAW = WORKLOADS / "hdrnn", WORKLOADS / "digits" / "draw_digits.py"

PAGES = 1024
"""4 MiB."""

FAULTS = EventRequest("page-faults", "software", 2)
CLOCK = EventRequest("task-clock", "software", 1)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Agent]:
    with agent("native", tmp_path) as one:
        if one.session.hello()["counts"] == "nothing":
            pytest.skip("this kernel counts nothing: it needs CONFIG_PERF_EVENTS, kernel.perf_event_paranoid <= 2")
        yield one


def touch(board: Agent, outside: int, inside: int, windows: int = 1, family: int = 0, **more: object) -> AgentEnded:
    program = compiled(TOUCHER)
    ended = board.run([str(program), *map(str, (outside, inside, windows, family))], **more)
    assert ended.exit_status == 0
    return ended


def counted(ended: AgentEnded, index: int = 0) -> int:
    """The count of one event, which must be there."""
    value = ended.counts[index].value
    assert value is not None
    return value


def test_only_the_window_is_counted_and_all_of_it(board: Agent) -> None:
    """Touching 4 MiB in the window and 16 MiB outside gives as many faults as 4 MiB have pages, exactly."""
    for windows in (1, 3):
        ended = touch(board, 4 * PAGES, PAGES, windows, events=[FAULTS], opens_window=True, window_only=True)
        assert (ended.exit_status, ended.windows) == (0, windows)
        assert ended.counts[0].value == windows * PAGES
        assert ended.counts[0].enabled_ns == ended.counts[0].running_ns > 0


def test_without_a_window_all_is_counted(board: Agent) -> None:
    empty = counted(touch(board, 0, 0, events=[FAULTS]))
    for more in ({}, {"opens_window": True}):
        ended = touch(board, 4 * PAGES, PAGES, events=[FAULTS], **more)
        assert ended.windows == 1
        assert abs(counted(ended) - empty - 9 * PAGES) <= 8
    # The account of the operating system and the counter agree: what they differ by is the process's own making.
    assert 0 <= ended.usage["minor_faults"] - counted(ended) < 200


def test_children_are_counted_wherever_they_go(board: Agent) -> None:
    alone = counted(touch(board, 0, PAGES, 0, 0, events=[FAULTS]))
    family = counted(touch(board, 0, PAGES, 0, 3, events=[FAULTS]))
    assert 3 * PAGES <= family - alone < 3 * PAGES + 600


def test_a_window_that_nobody_opens_counts_nothing_and_says_so(board: Agent) -> None:
    ended = touch(board, PAGES, PAGES, 0, events=[FAULTS, CLOCK], opens_window=True, window_only=True)
    assert ended.windows == 0
    assert [(count.value, count.enabled_ns) for count in ended.counts] == [(0, 0), (0, 0)]


def test_a_window_left_open_ends_with_the_program(board: Agent) -> None:
    script = 'echo enable >"${LAB_WINDOW%%,*}"; read -r x <"${LAB_WINDOW#*,}"; /bin/true; exit 3'
    ended = board.shell(script, events=[FAULTS], opens_window=True, window_only=True, marks="marks.txt")
    assert (ended.exit_status, ended.windows) == (3, 1)
    assert counted(ended) > 0
    assert [line.split()[0] for line in board.text("marks.txt").splitlines()] == ["window_begin", "window_end"]


def test_strange_words_harm_nobody(board: Agent) -> None:
    script = 'exec 3>"${LAB_WINDOW%%,*}"; head -c 100000 /dev/urandom >&3; printf "\\0enable\\n\\0disable\\n" >&3'
    ended = board.shell(script + "; sleep 0.05", events=[FAULTS], opens_window=True, deadline_s=10.0)
    assert ended.exit_status == 0
    # The first word of ours follows on whatever the garbage ended with.
    assert ended.windows in (0, 1)
    assert board.run(["true"]).exit_status == 0


def test_a_group_is_counted_together(board: Agent) -> None:
    """All members for the same time, in several groups; one that is not there does not take the others with it."""
    absent = EventRequest("absent", "software", 999)
    events = [
        absent,
        *(EventRequest(f"a{i}", "software", code, 0) for i, code in enumerate((2, 1, 3))),
        *(EventRequest(f"b{i}", "software", code, 7) for i, code in enumerate((2, 5))),
    ]
    ended = touch(board, 0, PAGES, events=events)
    first, *others = ended.counts
    assert (first.value, first.error) == (None, "ENOENT")
    assert len({count.enabled_ns for count in others[:3]}) == len({count.enabled_ns for count in others[3:]}) == 1
    assert abs(counted(ended, 1) - counted(ended, 4)) <= 2
    assert PAGES <= counted(ended, 1) < PAGES + 400


def test_users_and_the_kernels_part_are_told_apart(board: Agent) -> None:
    """Both together are the whole: a fault is taken in user space or inside a system call."""
    if board.session.hello()["counts"] != "all":
        pytest.skip("this kernel lets us count in user space only")
    parts = [
        EventRequest("both", "software", 2, 0),
        EventRequest("user", "software", 2, 1, kernel=False),
        EventRequest("kernel", "software", 2, 2, user=False),
    ]
    ended = touch(board, 0, PAGES, events=parts)
    both, user, kernel = (counted(ended, index) for index in range(3))
    assert both == user + kernel
    assert user >= PAGES


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")
def test_where_the_kernels_part_is_forbidden_it_says_so() -> None:
    """An ordinary user may count user space at kernel.perf_event_paranoid = 2, and nothing from 3 on."""
    level = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    if level < 2:
        pytest.skip("kernel.perf_event_paranoid is below 2: nothing is forbidden")
    folder = open_folder()
    folder.chmod(0o777)
    with agent("native", folder, user=65534) as one:
        hello = one.session.hello()
        ended = touch(one, 0, PAGES, events=[FAULTS])
        count = ended.counts[0]
        if hello["counts"] == "nothing":
            assert (count.value, count.error) in ((None, "EACCES"), (None, "EPERM"))
        else:
            assert hello["counts"] == "user"
            assert hello["counts_error"] in ("EACCES", "EPERM")
            assert count.user_only
            assert PAGES <= counted(ended) < PAGES + 400


def test_a_program_is_not_charged_for_whoever_starts_it(board: Agent) -> None:
    """The agent is small, and so is what a program's peak memory begins with."""
    small = board.run(["true"]).usage["peak_rss_bytes"]
    assert small < 4 << 20
    large = touch(board, 8 * PAGES, 0).usage["peak_rss_bytes"]
    assert 32 << 20 <= large < 36 << 20


def test_perf_counts_the_same(board: Agent) -> None:
    program = [str(compiled(TOUCHER)), str(PAGES), "0", "1", "0"]
    command = ["perf", "stat", "-x,", "-e", "page-faults", *program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("perf does not run here: apt install linux-perf")
    agents = counted(board.run(program, events=[FAULTS]))
    assert agents == pytest.approx(int(done.stderr.split(",")[0]), abs=8)


def test_a_real_program_opens_its_window(board: Agent, tmp_path: Path) -> None:
    """hdrnn: what it counts in its epochs is less than in all, and its own marks are the ones that stand."""
    make = ["make", "-s", "-j4", "-C", HDRNN / "c", f"BUILD={tmp_path / 'hdrnn'}", "CFLAGS=-O0"]
    subprocess.run(make, check=True)
    draw = [sys.executable, DRAW, "--out", tmp_path / "digits", "--train", "200", "--test", "50"]
    subprocess.run(draw, check=True, capture_output=True)
    argv = [str(tmp_path / "hdrnn" / "hdrnn"), *["train", "-s", "4", "-e", "2", "--data", "digits"]]
    env = {"LAB_MARKS": str(tmp_path / "marks.txt")}
    alone = board.run(argv, events=[FAULTS, CLOCK])
    ended = board.run(
        argv, events=[FAULTS, CLOCK], opens_window=True, window_only=True, marks=env["LAB_MARKS"], env=env
    )
    assert (alone.exit_status, ended.exit_status, ended.windows) == (0, 0, 1)
    assert counted(ended) < counted(alone)
    begin, end = read_board_marks(tmp_path / "marks.txt").marks
    assert 0 < counted(ended, 1) <= end.ns - begin.ns + 2e6
