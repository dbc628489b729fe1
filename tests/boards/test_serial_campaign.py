"""A whole campaign on a serial board, and one whose cable is pulled in the middle."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from serial_line import SOURCE, FaultyLine, running

from lab.cli.main import main
from lab.record.reader import Record

BENCH = """
bench: avr
board: {{kind: serial, port: "{port}", timeout: 500 ms, longest_inference: 1 s, reconnect: 10 s}}
instruments: {{}}
"""

EXPERIMENT = """
experiment: inference_time
bench: bench.yaml
workload:
  kind: program
  source: {source}
  command: [infer, --runs, "{{runs}}", --warmup-runs, "1"]
  reader: firmware
factors:
  runs: [5, 50]
repeats: 3
passes:
  latency: {{}}
deadline: 20 s
"""


def campaign(folder: Path, port: str) -> tuple[int, Record]:
    (folder / "bench.yaml").write_text(BENCH.format(port=port))
    (folder / "experiment.yaml").write_text(EXPERIMENT.format(source=SOURCE))
    records = folder / "records"
    status = main(["run", str(folder / "experiment.yaml"), "--records", str(records), "--quiet", "--no-report"])
    (record,) = (path for path in records.glob("inference_time/*") if path.is_dir() and not path.is_symlink())
    return status, Record.open(record)


def test_a_campaign_on_a_serial_board(tmp_path: Path) -> None:
    with running("--infer-us", "1000") as (port, _):
        status, record = campaign(tmp_path, port)
    assert status == 0
    results = pd.read_csv(record.root / "results.csv")
    latency = results[results["quantity"] == "latency_s"]
    assert (len(latency), set(latency["verdict"]), set(latency["origin"])) == (6, {"valid"}, {"measured"})
    assert latency["value"].between(1e-3, 10e-3).all()
    assert record.manifest["board"]["fingerprint"]["network"]["model"] == "dense 20-4, made up"
    budget = pd.read_csv(record.root / "budget.csv")
    assert {"board clock", "tick"} <= set(budget[budget["quantity"] == "latency_s"]["term"])


def test_doctor_asks_the_firmware(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running() as (port, _):
        (tmp_path / "bench.yaml").write_text(BENCH.format(port=port))
        assert main(["doctor", "--bench", str(tmp_path / "bench.yaml")]) == 0
    assert "this machine at 20 MHz: harness 1.0" in capsys.readouterr().out
    assert main(["doctor", "--bench", str(tmp_path / "bench.yaml")]) == 3
    assert "cannot be opened (No such file or directory)" in capsys.readouterr().out


def test_a_cable_pulled_in_mid_campaign(tmp_path: Path) -> None:
    port = tmp_path / "port"
    with FaultyLine("--infer-us", "4000") as line:
        port.symlink_to(line.port)

        def pull() -> None:
            events = tmp_path / "records" / "inference_time"
            while not any("pass_end" in path.read_text() for path in events.glob("*/events.jsonl")):
                time.sleep(0.01)
            line.unplug()
            port.unlink()
            time.sleep(0.5)
            line.plug()
            port.symlink_to(line.port)

        thread = threading.Thread(target=pull)
        thread.start()
        status, record = campaign(tmp_path, str(port))
        thread.join()
    text = (record.root / "events.jsonl").read_text()
    assert '"link_lost"' in text
    results = pd.read_csv(record.root / "results.csv")
    latency = results[results["quantity"] == "latency_s"]
    assert (status, len(latency), set(latency["verdict"])) == (0, 6, {"valid"})
    assert latency["value"].between(4e-3, 20e-3).all()
