"""Whatever a board says is kept byte for byte, and is harmless wherever a person or a program looks at it.

The board is this machine: what its programs print comes the same way as from any other.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile_words import ATTACK, PAYLOADS, SAY, harmless

from lab.boards.local import LocalBoard
from lab.boards.protocol import Command, CommandResult
from lab.cli.main import main
from lab.errors import HardwareError
from lab.record.reader import Record

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

EXPERIMENT = """\
experiment: hostile
bench: bench.yaml
workload:
  kind: program
  source: .
  command: [sh, "{{source}}/say.sh", "{{source}}/payload"]
  reader: {reader}
  per: process
passes: {{latency: {{}}}}
repeats: 1
"""
BENCH = "bench: here\nboard: {kind: local}\ninstruments: {resources: {kind: process_resources}}\n"


def files(folder: Path, payload: bytes, reader: str = "hdrnn") -> Path:
    """An experiment whose program says these bytes on both its outputs, and fails if their number is odd."""
    (folder / "say.sh").write_text(SAY)
    (folder / "payload").write_bytes(payload)
    (folder / "bench.yaml").write_text(BENCH)
    path = folder / "hostile.yaml"
    path.write_text(EXPERIMENT.format(reader=reader))
    return path


def attack(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board whose every string is an attack: model, kernel, what it noticed of a pass."""
    run = LocalBoard.run

    def noticed(self: LocalBoard, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        result = run(self, command, stdout, stderr)
        return CommandResult(
            result.exit_status, result.elapsed_s, result.usage, result.timed_out, (("throttled", ATTACK),)
        )

    monkeypatch.setattr(LocalBoard, "run", noticed)
    monkeypatch.setattr(
        LocalBoard, "fingerprint", lambda _: {"model": ATTACK, "kernel": ATTACK * 100, "tools": {"perf": [ATTACK]}}
    )


@pytest.mark.parametrize("name", PAYLOADS)
def test_output_is_kept_byte_for_byte_and_not_believed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    payload = PAYLOADS[name]
    code = main(["run", str(files(tmp_path, payload)), "--records", str(tmp_path / "r"), "--no-report"])
    said = capsys.readouterr()
    assert code == (5 if len(payload) % 2 else 0), said.err
    assert harmless(said.out + said.err)
    (root,) = (tmp_path / "r").glob("*/*")
    for stream in ("stdout", "stderr"):
        assert (root / "output" / "t0001.latency" / f"{stream}.txt").read_bytes() == payload
    Record.open(root).require_unchanged(advice="")
    rows = {row["quantity"]: row for row in csv.DictReader(io.StringIO((root / "results.csv").read_text()))}
    assert (rows["accuracy"]["value"], rows["accuracy"]["verdict"]) == ("", "invalid")
    assert "output_unreadable" in rows["accuracy"]["reasons"]
    for arguments in (["show"], ["show", "--faults"], ["show", "--json"], ["show", "--provenance"], ["process"]):
        assert main([*arguments, str(root)]) == 0
        assert harmless(capsys.readouterr().out)


class Tags(HTMLParser):
    """What a browser would make of a page: its elements and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def hostile(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record of a board that attacks."""
    attack(monkeypatch)
    path = files(tmp_path, PAYLOADS["html"] + b"\n" * (len(PAYLOADS["html"]) % 2), reader="none")
    assert main(["run", str(path), "--records", str(tmp_path / "r")]) == 0
    said = capsys.readouterr()
    assert harmless(said.out + said.err)
    (root,) = (tmp_path / "r").glob("*/*")
    return root


def test_what_a_board_says_of_itself_is_harmless_everywhere(hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads((hostile / "manifest.json").read_bytes())["board"]["fingerprint"]["model"] == ATTACK
    (fault,) = [fault for data in Record.open(hostile).passes().values() for fault in data.faults]
    assert fault.detail == ATTACK
    for command in (["show", "--faults"], ["show", "--faults", "--json"], ["show", "--provenance"]):
        assert main([*command, str(hostile)]) == 0
        said = capsys.readouterr().out
        assert harmless(said)
        if "--json" in command or "--provenance" in command:
            assert any(ATTACK in text for text in _texts(json.loads(said))), "JSON reads back what was there"
        else:
            assert "\\x1b]0;owned\\x07" in said, "what was there is seen"
    page = (hostile / "report.html").read_bytes().decode("utf-8")
    assert harmless(page)
    assert "&lt;script&gt;document.documentElement.dataset.owned" in page
    assert "\\u202egnp.exe" in page
    assert "{{ 7*7 }}" in html.unescape(page)
    tags = Tags()
    tags.feed(page)
    assert "img" not in {tag for tag, _ in tags.found}
    assert not [attributes for _, attributes in tags.found if any(name.startswith("on") for name in attributes)]
    # The script of the page itself, and no other.
    assert sum(tag == "script" for tag, _ in tags.found) == 1


def _texts(data: object) -> list[str]:
    if isinstance(data, dict):
        return [text for value in data.values() for text in _texts(value)]
    if isinstance(data, list):
        return [text for value in data for text in _texts(value)]
    return [data] if isinstance(data, str) else []


@pytest.mark.skipif(BROWSER is None, reason="no chromium here: apt install chromium")
def test_no_script_of_a_board_runs_in_a_browser(hostile: Path) -> None:
    done = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=1000", "--dump-dom"),
            f"--user-data-dir={hostile.parent / 'browser'}",
            (hostile / "report.html").as_uri(),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    (root,) = re.findall(rb"<html[^>]*>", done.stdout)
    assert b"owned" not in root
    assert b"gnp.exe" in done.stdout, "the page was drawn"


def test_an_error_of_a_board_cannot_write_on_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise HardwareError(f"board: {ATTACK}\n{'x' * 1_000_000}", advice=ATTACK)

    monkeypatch.setattr(LocalBoard, "open", broken)
    assert main(["run", str(files(tmp_path, b"")), "--records", str(tmp_path / "r")]) == 3
    said = capsys.readouterr().err
    assert harmless(said)
    assert "\\x1b]0;owned" in said
    assert "(999000 more characters)" in said
    assert len(said) < 6000


def test_a_label_cannot_steer_the_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    from lab.cli.progress_bar import ProgressBar

    heard = io.StringIO()
    monkeypatch.setattr(sys, "stderr", heard)
    bar = ProgressBar()
    bar.campaign_begins(1, 0, 0.0)
    bar.step(ATTACK)
    bar.pass_begins("t0001.latency", ATTACK)
    bar.pass_ends("t0001.latency", "failed", (ATTACK,))
    bar.close()
    assert harmless(heard.getvalue())
    assert "[red]rich[/red]" in heard.getvalue(), "its own words, not colours of ours"
