"""Campaigns on a microcontroller in simavr: firmware made for each point, its times stated, the cable pulled."""

from __future__ import annotations

import html
import json
import os
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from serial_line import SOURCE
from simavr_here import BENCH, needs_simavr

from analysis.withholding import CYCLE_TRUE_SENTENCE
from lab.cli.main import main
from lab.record.reader import Record

EXPERIMENT = """
experiment: options
bench: bench.yaml
workload:
  kind: firmware
  source: {source}
  steps:
    sizes: [sh, -c, 'echo "{{{{\\"bytes\\": {{size}}}}}}"']
    build: [sh, -c, 'case {{option}} in O9) echo no such option >&2; exit 1;; esac;
            make -s -C {{source}} BUILD={{build}} AVR_OPT=-{{option}} avr']
  image: "{{build}}/demo.elf"
  command: [infer, --runs, "{{runs}}"]
  quantities:
    asked_bytes: sizes.bytes
factors:
  option: [{options}]
  runs: [{runs}]
  size: [7]
repeats: {repeats}
on_link_loss: {on_loss}
passes:
  latency: {{}}
  energy: {{}}
"""

pytestmark = needs_simavr


def campaign(
    folder: Path, *, options: str = "O1, Os", runs: int = 4, repeats: int = 2, on_loss: str = "repeat"
) -> tuple[int, Path]:
    (folder / "bench.yaml").write_text(BENCH)
    text = EXPERIMENT.format(source=SOURCE, options=options, runs=runs, repeats=repeats, on_loss=on_loss)
    (folder / "experiment.yaml").write_text(text)
    records = folder / "records"
    status = main(["run", str(folder / "experiment.yaml"), "--records", str(records), "--quiet"])
    (record,) = (path for path in records.glob("options/*") if path.is_dir() and not path.is_symlink())
    return status, record


def rows(record: Path, quantity: str) -> pd.DataFrame:
    results = pd.read_csv(record / "results.csv", keep_default_na=False, na_values={"value": [""]})
    return results[results["quantity"] == quantity]


def test_firmware_is_made_for_each_point_and_its_cycles_are_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    status, record = campaign(tmp_path)
    assert status == 0
    latency = rows(record, "latency_s")
    assert (len(latency), set(latency["verdict"]), set(latency["origin"])) == (4, {"valid"}, {"emulated"})
    assert latency["value"].between(0.5e-3, 2e-3).all()
    # To the tick the same again: nothing of this machine's pace is in it.
    assert (latency.groupby("option")["value"].std() < 1e-6).all()
    assert rows(record, "flash_bytes").groupby("option")["value"].first().nunique() == 2
    assert set(rows(record, "asked_bytes")["value"]) == {7.0}
    assert set(rows(record, "energy_gross_j")["reasons"]) == {"emulated_time"}
    budget = pd.read_csv(record / "budget.csv")
    assert "board clock" not in set(budget["term"]), "an emulated clock is neither fast nor slow"
    manifest = Record.open(record).manifest
    assert manifest["board"]["cycle_true"] is True
    assert "avr-gcc" in manifest["workload"]["versions"]["compiler"]
    made = json.loads((record / "output" / "t0001.latency" / "made.json").read_text())
    assert made["steps"]["build"]["command"][0] == "sh"
    assert str(tmp_path) not in json.dumps(made), "where things lie on this machine is nobody's business"
    assert len(list((tmp_path / "cache" / "firmware").iterdir())) == 3, "two builds, one step that both share"
    page = (record / "report.html").read_text(encoding="utf-8")
    assert CYCLE_TRUE_SENTENCE in html.unescape(page)


def test_a_point_whose_firmware_does_not_build_is_invalid_and_the_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    status, record = campaign(tmp_path, options="O9, Os", repeats=1)
    assert status == 5
    latency = rows(record, "latency_s").set_index("option")
    assert latency.loc["O9", "verdict"] == "invalid"
    assert "not_built" in latency.loc["O9", "reasons"].split(";")
    assert latency.loc["Os", "value"] > 0
    assert "no such option" in (record / "events.jsonl").read_text()


def pulled(folder: Path) -> threading.Thread:
    """Ends the emulator, and so closes the pseudo terminal, in the middle of the second pass."""

    def pull() -> None:
        while True:
            begun = [path.read_text().count('"pass_begin"') for path in folder.glob("records/options/*/events.jsonl")]
            if begun and begun[0] >= 2:
                break
            time.sleep(0.02)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    running = entry.read_bytes()
                    state = (entry.parent / "stat").read_text().rsplit(")", 1)[1].split()[0]
                except OSError:
                    continue
                if str(folder).encode() in running and b"--edges" in running and state in "RS":
                    os.kill(int(entry.parent.name), signal.SIGKILL)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=pull)
    thread.start()
    return thread


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cache, working folders and all below a folder of this test, by which its emulator is told from others'."""
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_line_that_breaks_in_mid_campaign_is_taken_up_again(here: Path) -> None:
    thread = pulled(here)
    status, record = campaign(here, options="Os", runs=3000, repeats=3)
    thread.join()
    assert '"link_lost"' in (record / "events.jsonl").read_text()
    latency = rows(record, "latency_s")
    assert (status, len(latency), set(latency["verdict"])) == (0, 3, {"valid"})


def test_a_campaign_that_stops_on_a_broken_line_resumes_cleanly(here: Path) -> None:
    thread = pulled(here)
    status, record = campaign(here, options="Os", runs=3000, repeats=3, on_loss="stop")
    thread.join()
    assert status == 3
    assert main(["process", str(record), "--no-report"]) in (0, 5)
    latency = rows(record, "latency_s")
    assert sorted(latency["verdict"]) == ["invalid", "invalid", "valid"]
    reasons = ";".join(latency[latency["verdict"] == "invalid"]["reasons"]).split(";")
    assert {"link_lost", "pass_missing"} <= set(reasons)
    before = latency[latency["verdict"] == "valid"]["value"].iloc[0]
    assert main(["resume", str(record), "--quiet"]) == 0
    latency = rows(record, "latency_s")
    assert (len(latency), set(latency["verdict"])) == (3, {"valid"})
    assert latency["value"].iloc[0] == before, "what was whole is not done again"
    assert latency["value"].std() < 1e-6
