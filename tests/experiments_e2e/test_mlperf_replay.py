"""The replay of recorded MLPerf Tiny sessions, made-up ones and real ones: computed and published energies agree."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from energyrunner_sessions import make_session, write_session
from lab_command import ROOT, Here, lab, only_record

EXPERIMENT = ROOT / "experiments" / "mlperf_tiny_replay.yaml"
SHARED = Path(os.environ.get("LAB_SHARED") or ROOT.parent / "shared")
RECORDED = SHARED / "data" / "mlperf_tiny"


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two made-up sessions, somewhere below it."""
    folder = tmp_path_factory.mktemp("sessions")
    for name, seed in (("board_a/kws/energy", 3), ("board_b/ad/energy", 4)):
        session = make_session(
            samples=5000, instants_s=(0.0104, 0.5003, 2.0118, 2.6006, 4.1239), inferences=40, seed=seed
        )
        write_session(session, folder / "closed" / name)
    return folder


def replay(sessions: Path, records: Path, *options: str) -> Path:
    """Run the experiment on a folder of sessions; its record."""
    done = lab("run", EXPERIMENT, "--records", records, *options, env={"LAB_SESSIONS": str(sessions)})
    assert (done.code, done.err) == (0, "")
    return only_record(records)


def check_agreement(record: Path, sessions: int) -> None:
    """Every computed energy is replayed, and its published one lies within the bound."""
    results = pd.read_csv(record / "results.csv")
    assert set(results["origin"]) == {"replayed"}
    assert set(results["verdict"]) <= {"valid", "degraded"}
    assert results["trial_id"].nunique() == sessions

    def values(quantity: str) -> np.ndarray:
        return results[results["quantity"] == quantity]["value"].to_numpy()

    computed, published = values("energy_gross_j"), values("energy_published_j")
    assert len(computed) == len(published) >= 2 * sessions
    assert (np.abs(computed - published) <= values("energy_edge_bound_j")).all()
    # The same number of whole samples gives the published sum, to its last printed digit (0.001 µJ).
    assert (np.abs(values("match_residual_rel")) * published <= 0.6e-9).all()
    page = (record / "report.html").read_text()
    assert "REPLAYED" in page[page.index('<div class="banner') :][:400]


def test_made_up_sessions(sessions: Path, tmp_path: Path) -> None:
    record = replay(sessions, tmp_path / "r")
    check_agreement(record, sessions=2)
    before = (record / "report.html").read_bytes()
    again = lab("process", record, env={"LAB_SESSIONS": None})
    assert (again.code, again.err) == (0, ""), "the record needs the sessions no more"
    assert (record / "report.html").read_bytes() == before


def test_recorded_sessions(tmp_path: Path) -> None:
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded sessions at {RECORDED} (set LAB_SHARED to the folder with data/)")
    record = replay(RECORDED, tmp_path / "r", "--set", "analysis.figures=[]")
    check_agreement(record, sessions=len(list(RECORDED.rglob("trace1-energy.bin"))))


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("value", [None, "", "/no/such/folder", "empty"])
def test_sessions_that_are_not_there(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, value: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    if value is None:
        monkeypatch.delenv("LAB_SESSIONS", raising=False)
    else:
        monkeypatch.setenv("LAB_SESSIONS", str(tmp_path) if value == "empty" else value)
    done = here(command, EXPERIMENT)
    assert (done.code, done.out) == (2, "")
    assert "factors.session" in done.complaint()[0]
    assert len(done.complaint()) <= 2
    assert not (tmp_path / "records").exists()


def test_import_as_json(here: Here, sessions: Path) -> None:
    done = here("import", "energyrunner", sessions / "closed" / "board_a", "--json")
    assert (done.code, done.err) == (0, "")
    said = done.json()
    assert (said["origin"], said["problems"], said["rate_hz"]) == ("replayed", [], 1000.0)
    assert [window["window"] for window in said["windows"]] == [2, 4]
    for window in said["windows"]:
        assert window["within_bound"] is True
        assert window["inferences"] == 40
        error = abs(window["energy_gross_j"] - window["energy_published_j"])
        assert error <= window["energy_edge_bound_j"]


def test_import_for_people(here: Here, sessions: Path) -> None:
    done = here("import", "energyrunner", sessions / "closed" / "board_a" / "kws" / "energy")
    assert (done.code, done.err) == (0, "")
    assert "replayed: JS110, 3.3 V, 1000 Hz" in done.out


@pytest.mark.parametrize("what", ["several", "none", "a file", "missing"])
def test_import_of_what_is_no_session(here: Here, sessions: Path, tmp_path: Path, what: str) -> None:
    (tmp_path / "file").touch()
    folder = {"several": sessions, "none": tmp_path, "a file": tmp_path / "file", "missing": tmp_path / "no"}[what]
    done = here("import", "energyrunner", folder)
    assert (done.code, done.out) == (4, "")
    assert str(folder) in done.complaint()[0]


@pytest.mark.parametrize(
    ("file", "kept"), [("trace1-energy.bin", 40), ("trace1-timestamps.json", 10), ("results.txt", 40)]
)
def test_import_of_a_damaged_session(here: Here, tmp_path: Path, file: str, kept: int) -> None:
    session = make_session(samples=5000, instants_s=(0.0104, 0.5003, 2.0118, 2.6006, 4.1239), inferences=40, seed=5)
    folder = write_session(session, tmp_path / "s")
    (folder / file).write_bytes((folder / file).read_bytes()[:kept])
    done = here("import", "energyrunner", folder)
    assert (done.code, done.out) == (4, "")
    assert file in done.err
    done.complaint()


def test_import_of_a_session_that_contradicts_itself(here: Here, tmp_path: Path) -> None:
    session = make_session(samples=5000, instants_s=(0.0104, 0.5003, 2.0118, 2.6006, 4.1239), inferences=40, seed=5)
    folder = write_session(session, tmp_path / "s")
    text = (folder / "results.txt").read_text()
    window = session.windows[0]
    (folder / "results.txt").write_text(
        text.replace(f"{window.energy_uj:12.3f} uJ", f"{1.05 * window.energy_uj:12.3f} uJ", 1)
    )
    done = here("import", "energyrunner", folder, "--json")
    assert (done.code, done.err) == (4, "")
    assert done.json()["problems"]
