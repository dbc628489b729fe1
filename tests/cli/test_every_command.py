"""Each subcommand: its help, what it prints when all is well, and JSON that holds what the documentation says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from campaigns import SHORT, SMALL
from lab_command import COMMANDS, ROOT, STUDY, Done, Here, lab, settings

BENCHES = ROOT / "experiments" / "benches"
OFFLOAD = ROOT / "experiments" / "offload"


def test_help_names_every_command_and_the_exit_codes(here: Here) -> None:
    done = here("--help")
    assert (done.code, done.err) == (0, "")
    assert all(f"    {name} " in done.out for name in COMMANDS)
    assert "2 usage or configuration" in " ".join(done.out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(here: Here, name: str) -> None:
    done = here(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: lab {name}")


def test_help_and_check_load_nothing_heavy() -> None:
    for arguments in (["--help"], ["run", "--help"], ["check", str(STUDY)]):
        code = (
            "import sys, contextlib\nfrom lab.cli.main import main\n"
            f"with contextlib.suppress(SystemExit): main({arguments!r})\n"
            "print(sorted({'pandas', 'matplotlib', 'scipy', 'pyarrow', 'pyjls', 'jinja2'} & sys.modules.keys()))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]", arguments


def test_version(here: Here) -> None:
    assert here("--version").out.startswith("lab ")


SHIPPED = sorted([*(ROOT / "experiments").glob("*.yaml"), *BENCHES.glob("*.yaml"), *OFFLOAD.glob("*.yaml")])


@pytest.mark.parametrize("file", SHIPPED)
def test_check_of_what_is_shipped(here: Here, file: Path) -> None:
    done = here("check", file)
    assert (done.code, done.err) == (0, "")
    assert f"{file}: ok" in done.out
    assert here("check", file, "--json").json() == []


def test_check_as_json_gives_every_problem_with_its_place(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    text = STUDY.read_text().replace("benches/", f"{BENCHES}/").replace("offload/", f"{OFFLOAD}/")
    file.write_text(text.replace("repeats: 5", "repeats: five"))
    done = here("check", file, "--json")
    assert (done.code, done.err) == (2, "")
    (problem,) = done.json()
    assert problem.keys() == {"file", "line", "col", "path", "message", "found", "expected", "suggestion"}
    assert (problem["file"], problem["path"], problem["found"]) == (str(file), "repeats", "'five'")
    assert file.read_text().splitlines()[problem["line"] - 1][problem["col"] - 1 :].startswith("five")


def test_plan(here: Here) -> None:
    done = here("plan", STUDY)
    assert (done.code, done.err) == (0, "")
    assert "99 points × 5 repeats = 495 trials" in done.out
    assert "the board is simulated" in done.out
    assert "475 more" in done.out
    assert len(here("plan", STUDY, "--all").out.splitlines()) == len(done.out.splitlines()) - 1 + 475


def test_plan_as_json(here: Here) -> None:
    plan = here("plan", STUDY, "--json", *settings(SMALL)).json()
    assert plan.keys() == {"estimate", "trials", "unavailable"}
    assert plan["estimate"].keys() >= {"trials", "passes", "duration_s", "disk_bytes"}
    assert len(plan["trials"]) == plan["estimate"]["trials"] == 15
    assert plan["trials"][0].keys() >= {"trial_id", "point_id", "order", "repeat", "label", "values", "passes"}


def test_planning_leaves_nothing_behind(tmp_path: Path) -> None:
    lab("plan", STUDY, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_run_and_process_as_json(tmp_path: Path) -> None:
    small = settings((*SHORT, *SMALL, "factors.platform=[NPU]", "repeats=1"))
    done = lab("run", STUDY, "--records", tmp_path, "--no-report", "--json", *small)
    assert (done.code, done.err) == (0, "")
    said = done.json()
    assert said.keys() == {"state", "record", "origin", "verdicts", "missing_passes", "written"}
    assert (said["state"], said["origin"], said["missing_passes"]) == ("complete", "simulated", [])
    assert said["verdicts"].keys() == {"valid", "degraded", "invalid"}
    assert all(Path(path).is_file() for path in said["written"])
    again = lab("process", said["record"], "--no-report", "--json").json()
    assert {**said, "state": None} == {**again, "state": None}


def test_process_says_where_to_look(here: Here, record: Path) -> None:
    done = here("process", record, "--no-report")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()][:4] == ["origin", "verdicts", "results", "summary"]


def test_report(here: Here, record: Path) -> None:
    done = here("report", record, "--records", record.parents[1])
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{record / 'report.html'}\n"
    assert "SIMULATED" in (record / "report.html").read_text()


@pytest.mark.parametrize("name", ["latest", "imx8_npu", "path", "id", "folder"])
def test_a_record_is_found_by_the_names_people_use(here: Here, sealed: Path, name: str) -> None:
    named = {"path": str(sealed), "id": sealed.name.partition("-")[2], "folder": sealed.name}.get(name, name)
    done = here("show", named, "--records", sealed.parents[1])
    assert (done.code, done.err) == (0, "")
    assert sealed.name in done.out


def test_show(here: Here, sealed: Path) -> None:
    done = here("show", sealed)
    assert "◆ SIMULATED" in done.out
    assert "MobileNet PQ 32" in done.out
    rows = here("show", sealed, "--json").json()
    assert rows[0].keys() >= {"label", "quantity", "unit", "value", "u", "U", "verdict", "reasons", "origin", "source"}
    assert {row["origin"] for row in rows} == {"simulated"}
    assert all(row["value"] is not None or row["verdict"] == "invalid" for row in rows)


def test_show_budget(here: Here, sealed: Path) -> None:
    assert "gain of the current" in here("show", sealed, "--budget").out
    rows = here("show", sealed, "--budget", "--json").json()
    assert rows[0].keys() >= {"label", "quantity", "term", "u", "unit", "share", "kind", "counted", "note"}


def test_show_faults(here: Here, sealed: Path) -> None:
    assert here("show", sealed, "--faults").out == "no faults\n"
    assert here("show", sealed, "--faults", "--json").json() == []


def test_show_provenance(here: Here, sealed: Path) -> None:
    said = here("show", sealed, "--provenance").json()
    assert said["origin"] == "simulated"
    assert said["experiment"]["text"] == STUDY.read_text()
    assert said.keys() >= {
        "record_id",
        "created_utc",
        "lab_version",
        "state",
        "bench",
        "overrides",
        "board",
        "versions",
    }


def test_list(here: Here, sealed: Path, tmp_path: Path) -> None:
    records = sealed.parents[1]
    done = here("list", "--records", records)
    assert (done.code, done.err) == (0, "")
    assert done.out.split()[:3] == [str(sealed), "complete", "simulated"]
    (row,) = here("list", "imx8_npu", "--records", records, "--json").json()
    assert row.keys() >= {"path", "experiment", "record_id", "created_utc", "state", "origin", "trials", "problem"}
    assert (row["trials"], row["problem"]) == (4, None)
    assert here("list", "another", "--records", records, "--json").json() == []
    nothing = here("list", "--records", tmp_path / "none")
    assert (nothing.code, nothing.out) == (0, "")
    assert "no records" in nothing.err


def test_list_into_a_pipe_that_closes(sealed: Path) -> None:
    command = f"{sys.executable} -m lab show {sealed} --json | head -c 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=ROOT, check=True)
    assert (done.stdout, done.stderr) == ("[", "")


def test_doctor_on_a_bench_that_is_there(here: Here) -> None:
    done = here("doctor", "--bench", BENCHES / "imx8mp_simulated.yaml", "--json")
    assert (done.code, done.err) == (0, "")
    findings = done.json()
    assert all(item.keys() == {"group", "name", "present", "detail", "advice"} for item in findings)
    bench = [item for item in findings if item["group"] == "bench"]
    assert {"simulated board", "meter (simulated_joulescope)", "perf (counters)"} <= {item["name"] for item in bench}
    assert all(item["present"] for item in bench)
    assert all(item["advice"] for item in findings if not item["present"]), "who misses something is told what to do"


@pytest.mark.parametrize("kind", ["experiment", "bench", "offload"])
def test_schema_is_the_one_in_the_documentation(here: Here, kind: str) -> None:
    done = here("schema", kind)
    assert (done.code, done.err) == (0, "")
    assert done.out == (ROOT / "docs" / "schema" / f"{kind}.schema.json").read_text()
    assert json.loads(done.out)["type"] == "object"


def test_records_lie_where_the_environment_says(sealed: Path) -> None:
    done: Done = lab("list", "--json", env={"LAB_RECORDS": str(sealed.parents[1])}, cwd=Path(os.sep))
    assert [row["path"] for row in done.json()] == [str(sealed)]
