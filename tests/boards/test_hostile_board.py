"""A board at the end of a link that lies, shouts and never stops: kept as it came, harmless, and ended in time."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_sshd import HOST, LoopbackSshd

sys.path.append(str(Path(__file__).parents[1] / "campaign"))

from hostile_words import ATTACK, PAYLOADS, SAY, harmless

from lab.cli.main import main
from lab.record.reader import Record

LIMIT = 1024 * 1024

EXPERIMENT = """\
experiment: hostile
bench: bench.yaml
workload:
  kind: program
  source: program
  command: [sh, "{{source}}/say.sh", "{{source}}/payload"]
  reader: {reader}
  per: process
passes: {{latency: {{}}}}
deadline: 60 s
"""
BENCH = """\
bench: far
board:
  {{kind: ssh, host: {host}, ssh_config: {config}, workdir: {workdir}, agent: {agent}, output_limit: 1 MiB}}
instruments: {{resources: {{kind: process_resources}}}}
"""


@pytest.fixture(params=["auto", "none"])
def experiment(
    request: pytest.FixtureRequest,
    sshd: LoopbackSshd,
    tmp_path: Path,
    agent_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Path]:
    """Writes an experiment for a board with the agent or without, whose program says something."""
    monkeypatch.setenv("LAB_CACHE", str(agent_cache))

    def write(payload: bytes, say: str = SAY, reader: str = "hdrnn") -> Path:
        program = tmp_path / "program"
        program.mkdir()
        (program / "say.sh").write_text(say)
        (program / "payload").write_bytes(payload)
        bench = BENCH.format(host=HOST, config=sshd.ssh_config, workdir=tmp_path / "there", agent=request.param)
        (tmp_path / "bench.yaml").write_text(bench)
        path = tmp_path / "hostile.yaml"
        path.write_text(EXPERIMENT.format(reader=reader))
        return path

    return write


def result_of(tmp_path: Path, quantity: str) -> dict[str, str]:
    (table,) = (tmp_path / "r").glob("*/*/results.csv")
    with table.open(encoding="utf-8", newline="") as file:
        return next(row for row in csv.DictReader(file) if row["quantity"] == quantity)


@pytest.mark.parametrize("name", ["binary", "html", "nul", "no utf-8"])
def test_output_over_a_link_is_kept_byte_for_byte(
    name: str, experiment: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    payload = PAYLOADS[name]
    code = main(["run", str(experiment(payload)), "--records", str(tmp_path / "r"), "--no-report"])
    said = capsys.readouterr()
    assert code == (5 if len(payload) % 2 else 0), said.err
    assert harmless(said.out + said.err)
    (output,) = (tmp_path / "r").glob("*/*/output/t0001.latency")
    assert (output / "stdout.txt").read_bytes() == payload
    assert (output / "stderr.txt").read_bytes() == payload
    assert "output_unreadable" in result_of(tmp_path, "accuracy")["reasons"]


def test_a_program_that_never_stops_talking_is_stopped(
    experiment: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s = time.monotonic()
    path = experiment(b"", "yes '<script>alert(1)</script>'\n", "none")
    code = main(["run", str(path), "--records", str(tmp_path / "r"), "--no-report"])
    assert code == 5
    assert harmless(capsys.readouterr().err)
    assert time.monotonic() - began_s < 30, "long before its deadline"
    (root,) = (tmp_path / "r").glob("*/*")
    (pass_,) = Record.open(root).passes().values()
    assert "output_too_long" in {fault.code for fault in pass_.faults}
    kept = (root / "output" / "t0001.latency" / "stdout.txt").stat().st_size
    assert 0 < kept <= 2 * LIMIT
    assert "output_too_long" in result_of(tmp_path, "elapsed_s")["reasons"]


def test_a_server_whose_banner_attacks_is_shown_as_text(
    tmp_path: Path, sshd: LoopbackSshd, capsys: pytest.CaptureFixture[str]
) -> None:
    """The banner comes before anybody has logged in; what follows is no shell but another attack."""
    words = ATTACK.encode("utf-8", "surrogateescape")
    (sshd.folder / "banner").write_bytes(words)
    (sshd.folder / "attack").write_bytes(words)
    other = LoopbackSshd(
        sshd.folder, options=(f"Banner {sshd.folder}/banner", f"ForceCommand cat {sshd.folder}/attack; exit 3")
    )
    sshd.stop()
    other.start()
    try:
        bench = BENCH.format(host=HOST, config=other.ssh_config, workdir=tmp_path / "there", agent="none")
        (tmp_path / "bench.yaml").write_text(bench)
        assert main(["doctor", "--bench", str(tmp_path / "bench.yaml")]) == 3
        said = capsys.readouterr()
    finally:
        other.stop()
    assert harmless(said.out + said.err)
    assert "ssh board" in said.out
