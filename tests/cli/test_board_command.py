"""``lab board``: what it lists, and what it says when it cannot do what was asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_command import Here, lab_here

from lab.boards.qemu.machines import MACHINES

NEVER = "qemu-vax"


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return lab_here(capsys)


def test_every_board_is_listed_and_none_is_up_at_first(here: Here) -> None:
    rows = here("board", "list", "--json").json()
    assert [row["name"] for row in rows] == list(MACHINES)
    for row in rows:
        assert row["state"] == "down"
        assert row["image_ready"] is False
        assert row["port"] is row["pid"] is row["uptime_s"] is None
    lines = here("board", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == list(MACHINES)
    assert all("image not built yet" in line for line in lines)


def test_taking_down_what_is_not_up_is_no_error(here: Here) -> None:
    assert here("board", "down", "qemu-a53").out == "qemu-a53 was not up\n"
    done = here("board", "down", "--all")
    assert (done.code, done.out) == (0, "")


@pytest.mark.parametrize(("action", "code"), [("up", 2), ("down", 2), ("ssh", 2)])
def test_a_board_that_there_is_not_is_refused_with_those_there_are(here: Here, action: str, code: int) -> None:
    done = here("board", action, NEVER)
    assert done.code == code
    first, second = done.complaint()
    assert NEVER in first
    assert all(name in second for name in MACHINES)


def test_logging_in_to_a_board_that_is_not_up_says_how_to_start_it(here: Here) -> None:
    done = here("board", "ssh", "qemu-a53", "--", "true")
    assert done.code == 3
    assert "`lab board up qemu-a53`" in done.complaint()[1]


@pytest.mark.parametrize("words", [["down"], ["down", "qemu-a53", "--all"]])
def test_down_wants_one_board_or_all(here: Here, words: list[str]) -> None:
    done = here("board", *words)
    assert done.code == 2
    assert "--all" in done.complaint()[0]


def test_what_is_needed_and_missing_is_said(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    done = here("board", "up", "qemu-a53")
    assert done.code == 3
    assert "no qemu-system-aarch64 is installed" in done.complaint()[0]


@pytest.mark.usefixtures("qemu_a53")
def test_one_that_is_up_is_listed_and_runs_commands(capfd: pytest.CaptureFixture[str]) -> None:
    from lab.cli.main import main

    assert main(["board", "list"]) == 0
    (line,) = [line for line in capfd.readouterr().out.splitlines() if line.startswith("qemu-a53 ")]
    assert " up " in line
    assert main(["board", "ssh", "qemu-a53", "--", "uname -m; exit 7"]) == 7
    assert capfd.readouterr().out == "aarch64\n"
    assert main(["board", "ssh", "qemu-a53", "echo", "a", "b"]) == 0
    assert capfd.readouterr().out == "a b\n"
