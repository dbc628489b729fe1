"""``lab record`` and ``lab measure``: what the meters see, with no program and no experiment file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab_command import ROOT, Here, only_record

from instruments.joulescope.discovery import Device
from lab.bench.connected import connected_bench
from lab.errors import HardwareError
from lab.record.reader import Record

SIMULATED = ROOT / "experiments" / "benches" / "imx8mp_simulated.yaml"
HOST = ROOT / "experiments" / "benches" / "host.yaml"


def test_a_recording_is_a_record_like_any_other(here: Here, tmp_path: Path) -> None:
    done = here("record", "--duration", "2s", "--bench", SIMULATED, "--records", tmp_path, "--json", "-q")
    assert done.code == 0, done.err
    record = Record.open(only_record(tmp_path))
    assert record.manifest["state"] == "complete"
    (passed,) = record.passes().values()
    (ref,) = passed.end.traces
    assert ref.samples == pytest.approx(2 * ref.rate_hz, rel=0.01)
    rows = {row["quantity"]: row for row in here("show", "recording", "--records", tmp_path, "--json").json()}
    idle_w = rows["power_recorded_w"]["value"]
    # The model's idle power; the meter may be wrong by what its limits allow.
    assert idle_w == pytest.approx(3.05, abs=rows["power_recorded_w"]["U"] + 0.03)
    assert rows["energy_recorded_j"]["value"] == pytest.approx(idle_w * rows["recorded_s"]["value"], rel=1e-9)
    assert {row["verdict"] for row in rows.values()} == {"valid"}
    assert {row["origin"] for row in rows.values()} == {"simulated"}
    assert not record.verify()


def test_a_recording_can_be_set_up_from_the_command_line(here: Here, tmp_path: Path) -> None:
    named = ("--name", "warm_board", "--set", "bench:instruments.meter.rate=2kHz")
    done = here("record", "--duration", "0.5 s", "--bench", SIMULATED, *named, "--records", tmp_path, "-q")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].startswith(f"record        {tmp_path / 'warm_board'}")
    (ref,) = next(iter(Record.open(only_record(tmp_path)).passes().values())).end.traces
    assert ref.rate_hz == 2000


def test_ctrl_c_ends_a_recording_and_keeps_it(tmp_path: Path) -> None:
    """On a real clock: the simulated bench has none to interrupt. No meter is needed to see the pass kept."""
    code = (
        "import signal, sys, threading\n"
        "from pathlib import Path\n"
        "from lab.boards.unreached import UnreachedBoard\n"
        "from lab.workloads.observe import Observation\n"
        "from lab.workloads.protocol import PassRequest\n"
        "from lab.record.writer import RecordWriter\n"
        "from lab.runner.one_pass import PassJob, run_pass\n"
        "from lab.record.manifest import SCHEMA\n"
        "root = Path(sys.argv[1])\n"
        "plan = {'pass_id': 't1.energy', 'kind': 'energy', 'instruments': [], 'events': [], 'runs': None,\n"
        "        'min_duration_s': 60.0, 'idle_s': 0.0, 'warmup_runs': None, 'baseline': False}\n"
        "writer = RecordWriter(root, {'schema': SCHEMA, 'files': {}})\n"
        "print('ready', flush=True)\n"
        "job = PassJob({'settings': {}}, plan, 1, 0, None)\n"
        "done = run_pass(job, UnreachedBoard('board'), [], Observation(60.0, ends_early=True), writer)\n"
        "print(done.state)\n"
    )
    root = tmp_path / "record"
    root.mkdir()
    with subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        assert child.stdout.read() == "done\n"
    assert child.returncode == 0


def test_live_numbers_come_as_json_lines(here: Here) -> None:
    done = here("measure", "--bench", SIMULATED, "--duration", "0.2s", "--period", "0.1s", "--json")
    assert done.code == 0, done.err
    rounds = [json.loads(line) for line in done.out.splitlines()]
    assert len(rounds) in (2, 3)
    last = rounds[-1]["meters"]["meter"]
    assert last["origin"] == "simulated"
    assert last["total_energy_j"] == pytest.approx(sum(item["meters"]["meter"]["energy_j"] for item in rounds))
    assert last["power_min_w"] <= last["power_w"] <= last["power_max_w"]
    assert last["power_w"] == pytest.approx(3.05, abs=0.1)


def test_live_numbers_for_people_say_that_they_are_simulated(here: Here) -> None:
    done = here("measure", "--bench", SIMULATED, "--duration", "0.1s")
    assert done.code == 0
    (line,) = done.out.splitlines()
    assert "meter (simulated, board)" in line
    assert " W" in line
    assert "energy so far" in line


def test_a_bench_without_a_meter_has_nothing_to_show(here: Here, tmp_path: Path) -> None:
    for arguments in (("measure",), ("record", "--duration", "1s", "--records", tmp_path)):
        done = here(*arguments, "--bench", HOST)
        assert done.code == 2
        assert "power" in " ".join(done.complaint())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["x", "0s", "-1 s", "10 W", "nan"])
def test_a_time_that_is_none_is_refused(here: Here, text: str) -> None:
    done = here("record", f"--duration={text}", "--bench", SIMULATED)
    assert done.code == 2
    assert "argument --duration" in done.err
    assert "Traceback" not in done.err


def test_without_a_bench_the_connected_meters_are_taken() -> None:
    devices = (Device("u/js220/000001", "JS220", "000001"), Device("u/js110/000002", "JS110", "000002"))
    bench, text = connected_bench(lambda: devices)
    assert list(bench.instruments) == ["js220_000001", "js110_000002"]
    assert bench.board.kind == "none"
    assert all(name in text for name in bench.instruments)
    one, _ = connected_bench(lambda: devices[:1])
    assert list(one.instruments) == ["meter"]
    with pytest.raises(HardwareError, match="no Joulescope is connected"):
        connected_bench(tuple)
