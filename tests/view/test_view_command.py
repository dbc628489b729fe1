"""``lab view``: where it writes, what it says, and how it fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from lab_command import Here
from view_traces import Faulty, Page, write_jls

from lab.record.reader import Record


@pytest.fixture
def unplugged(faulty: Faulty, tmp_path: Path) -> Path:
    """A copy of a record, to be written into or damaged."""
    return Path(shutil.copytree(faulty("unplug").root, tmp_path / "records" / "x" / "20260101T000000Z-abcdef"))


def test_the_worst_pass_is_shown_and_the_others_are_named(here: Here, unplugged: Path) -> None:
    done = here("view", unplugged)
    assert (done.code, done.err) == (0, "")
    page = unplugged / "views" / "t0001.energy.html"
    assert done.out.splitlines()[0] == str(page)
    assert "invalid  [SIMULATED]" in done.out
    assert "check the cable, then resume" in done.out
    assert "t0002.energy" in done.out
    assert Page(page.read_text()).data["meters"]
    assert Record.open(unplugged).verify() == [], "a view changes nothing that was sealed"


def test_one_pass_where_it_is_wanted(here: Here, unplugged: Path, tmp_path: Path) -> None:
    page, picture = tmp_path / "new" / "a.html", tmp_path / "new" / "a.png"
    done = here("view", unplugged, "t0002.energy", "-o", page, "--png", picture, "--channels", "power,voltage")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [str(page), str(picture)]
    assert "t0001" not in done.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert Page(page.read_text()).data["channels"] == ["power", "voltage"]
    assert not (unplugged / "views").exists()


def test_list(here: Here, unplugged: Path) -> None:
    done = here("view", unplugged, "--list")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["t0001.energy", "invalid"],
        ["t0002.energy", "invalid"],
    ]
    rows = here("view", unplugged, "--list", "--json").json()
    assert rows[0].keys() == {"pass", "trial", "verdict", "reasons"}
    assert not (unplugged / "views").exists()


def test_json(here: Here, unplugged: Path) -> None:
    said = here("view", unplugged, "--json").json()
    assert (said["pass"], said["verdict"]) == ("t0001.energy", "invalid")
    assert [Path(path).is_file() for path in said["written"]] == [True]


def test_a_pass_that_is_not_there(here: Here, unplugged: Path) -> None:
    done = here("view", unplugged, "t0001.enrgy")
    assert done.code == 2
    assert "did you mean t0001.energy" in " ".join(done.complaint())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--from", "2", "--to", "1"), "expected the end after the beginning"),
        (("--from", "soon"), "expected seconds"),
        (("--from", "nan"), "expected seconds"),
        (("--channels", "charge"), "expected some of power,current,voltage"),
    ],
)
def test_options_that_make_no_sense(here: Here, unplugged: Path, options: tuple[str, ...], complaint: str) -> None:
    done = here("view", unplugged, *options)
    assert done.code == 2
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_a_changed_trace_is_refused_unless_asked_for(here: Here, unplugged: Path) -> None:
    trace = unplugged / "traces" / "t0001.energy.jls"
    content = bytearray(trace.read_bytes())
    content[20_000] ^= 1
    trace.write_bytes(content)
    done = here("view", unplugged, "t0001.energy")
    assert done.code == 4
    assert "changed since the record was sealed" in done.complaint()[0]
    assert here("view", unplugged, "t0002.energy").code == 0, "other passes' files do not matter"
    assert here("view", unplugged, "t0001.energy", "--no-verify").code in (0, 4)
    trace.unlink()
    assert "missing" in here("view", unplugged, "t0001.energy").complaint()[0]
    assert here("view", unplugged, "t0001.energy", "--no-verify").code == 4


def test_a_bare_file(here: Here, tmp_path: Path) -> None:
    path = write_jls(tmp_path / "a.jls", np.ones(100))
    done = here("view", path)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{path}.view.html\n"
    assert here("view", path, "--from", "0.01", "--to", "0.02").code == 0
    assert here("view", path, "--from", "7").code == 4
    assert here("view", path, "t0001").code == 2


@pytest.mark.parametrize("damage", ["empty trace", "nothing", "garbage", "cut", "unclosed"])
def test_damaged_files_are_told_in_a_line_or_two(here: Here, tmp_path: Path, damage: str) -> None:
    path = write_jls(tmp_path / "a.jls", np.zeros(0) if damage == "empty trace" else np.ones(5000))
    whole = path.read_bytes()
    if damage != "empty trace":
        unclosed = whole[:16] + bytes(8) + whole[24:]
        path.write_bytes(
            {"nothing": b"", "garbage": b"hello", "cut": whole[: len(whole) // 2], "unclosed": unclosed}[damage]
        )
    done = here("view", path)
    assert done.code == 4
    assert 1 <= len(done.complaint()) <= 2
    assert not path.with_name("a.jls.view.html").exists()


def test_a_damaged_manifest(here: Here, unplugged: Path) -> None:
    manifest = unplugged / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"settings"', '"unsettled"'))
    done = here("view", unplugged)
    assert done.code == 4
    assert "damaged manifest" in done.complaint()[0]
