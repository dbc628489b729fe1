"""The HDR-NN study on this machine, cut down: built and run for real, watched by what this machine has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from lab_command import ROOT, Done, lab, only_record, settings

EXPERIMENT = ROOT / "experiments" / "host_hdrnn.yaml"
SMALL = ('factors.hidden=["2"]', "factors.images=[300]", "factors.epochs=[1]", "repeats=1")
TOOLS = {"perf": "perf", "cachegrind": "valgrind"}
"""Instrument of the bench → the program it stands on."""

EMULATED = ("instructions", "L1-dcache-loads", "L1-dcache-load-misses")

SHARED = Path(os.environ.get("LAB_SHARED") or ROOT.parent / "shared")


def works(instrument: str) -> bool:
    """Does the bench's own probe find the instrument?"""
    findings = lab("doctor", "--bench", EXPERIMENT.parent / "benches" / "host.yaml", "--json").json()
    (found,) = [item["present"] for item in findings if item["name"].startswith(f"{instrument} (")]
    return bool(found)


@pytest.fixture(scope="module")
def present() -> dict[str, bool]:
    """Which of the instruments that need a tool are here."""
    return {name: works(name) for name in TOOLS}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, present: dict[str, bool]) -> Iterator[tuple[Done, Path]]:
    """The experiment with what is here; instruments whose tool is missing are left out, as the lab advises."""
    folder = tmp_path_factory.mktemp("host")
    without = [f"bench:instruments.{name}=null" for name, here in present.items() if not here]
    done = lab(
        "run",
        EXPERIMENT,
        "--records",
        folder / "records",
        *settings((*SMALL, *without)),
        env={"LAB_DATA": None, "LAB_CACHE": str(folder / "cache")},
    )
    assert done.code == 0, done.err
    yield done, only_record(folder / "records")
    shutil.rmtree(folder)


def summary(record: Path) -> pd.DataFrame:
    return pd.read_csv(record / "summary.csv", keep_default_na=False, na_values={"value": [""]}).set_index("quantity")


def test_the_program_was_built_and_ran(finished: tuple[Done, Path]) -> None:
    done, record = finished
    assert done.err == ""
    points = summary(record)
    for quantity in ("elapsed_s", "user_s", "peak_rss_bytes", "accuracy", "training_s"):
        assert points.loc[quantity, "value"] > 0, quantity
        assert points.loc[quantity, "origin"] == "measured"
        assert points.loc[quantity, "reasons"] == "single_repeat"
    assert 0 < points.loc["accuracy", "value"] <= 1
    assert points.loc["elapsed_s", "value"] < 20


def test_the_record_says_which_digits_were_read(finished: tuple[Done, Path]) -> None:
    versions = lab("show", finished[1], "--provenance").json()["workload"]["versions"]
    assert versions["data"] == "made by draw_digits.py"
    assert len(versions["data_sha256"]) == len(versions["source_sha256"]) == 64
    assert versions["compiler"]


def test_energy_is_unavailable_with_the_reason(finished: tuple[Done, Path]) -> None:
    energy = summary(finished[1])[lambda table: table.index.str.startswith(("energy_", "power_"))]
    assert set(energy.index) >= {"energy_process_gross_j", "energy_process_net_j"}
    assert set(energy["reasons"]) == {"no_power_meter"}
    assert set(energy["verdict"]) == {"invalid"}
    assert energy["value"].isna().all()
    page = (finished[1] / "report.html").read_text()
    assert "no instrument on this bench measures power" in page


def test_page_faults_are_measured_where_perf_counts(finished: tuple[Done, Path], present: dict[str, bool]) -> None:
    points = summary(finished[1])
    if not present["perf"]:
        assert points.loc["page-faults", "reasons"] == "no_counter_source"
        pytest.skip("perf does not count here (apt install linux-perf): its values cannot be looked at")
    assert points.loc["page-faults", ["origin", "source"]].tolist() == ["measured", "perf"]
    assert points.loc["page-faults", "value"] > 100


def test_cache_counts_are_emulated(finished: tuple[Done, Path], present: dict[str, bool]) -> None:
    points = summary(finished[1])
    if not present["cachegrind"]:
        assert set(points.loc[list(EMULATED), "reasons"]) == {"no_counter_source"}
        pytest.skip("valgrind does not run here (apt install valgrind): its values cannot be looked at")
    assert set(points.loc[list(EMULATED), "origin"]) == {"emulated"}
    assert points.loc["instructions", "value"] > points.loc["L1-dcache-loads", "value"]
    assert points.loc["L1-dcache-loads", "value"] > points.loc["L1-dcache-load-misses", "value"] > 0
    shown = lab("show", finished[1]).out
    assert "● MEASURED + ■ EMULATED" in shown


def test_emulated_and_measured_never_share_a_row(finished: tuple[Done, Path]) -> None:
    results = pd.read_csv(finished[1] / "results.csv", keep_default_na=False)
    assert results.groupby(["pass_id", "source"])["origin"].nunique().eq(1).all()
    points = pd.read_csv(finished[1] / "summary.csv", keep_default_na=False)
    assert not points.duplicated(["point_id", "quantity", "origin", "source"]).any()
    assert not points["origin"].str.contains("[;+,]", regex=True).any()


def test_one_event_from_two_sources_stays_two_columns(tmp_path: Path, present: dict[str, bool]) -> None:
    if not all(present.values()):
        pytest.skip(f"needs perf and valgrind (apt install linux-perf valgrind), found {present}")
    more = ("bench:instruments.perf.events=[page-faults, task-clock, instructions]", "passes.energy=null")
    done = lab(
        "run",
        EXPERIMENT,
        "--records",
        tmp_path / "r",
        "--no-report",
        *settings((*SMALL, *more)),
        env={"LAB_DATA": None},
    )
    assert done.code == 0, done.err
    record = only_record(tmp_path / "r")
    rows = summary(record).loc[["instructions"]]
    assert sorted(zip(rows["origin"], rows["source"], strict=True)) == [
        ("emulated", "cachegrind"),
        ("measured", "perf"),
    ]
    # Many virtual machines have no hardware counters: perf's row then says so, and has no column of its own.
    heads = [
        line for line in lab("show", record).out.splitlines() if line.startswith("Point") and "instructions" in line
    ]
    assert heads[0].split().count("instructions") == rows["value"].notna().sum(), "a column for each origin"


@pytest.mark.parametrize("missing", sorted(TOOLS))
def test_a_missing_tool_ends_with_one_clear_line(tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("env", "true", "uname", "cat", "cc", "make", "sh", *TOOLS.values()):
        found = shutil.which(name)
        if found is not None and name != TOOLS[missing]:
            (folder / name).symlink_to(found)
    without = [f"bench:instruments.{name}=null" for name in TOOLS if name != missing]
    done = lab("run", EXPERIMENT, "--records", tmp_path / "r", *settings((*SMALL, *without)), env={"PATH": str(folder)})
    assert (done.code, done.out) == (3, "")
    first, second = done.complaint()
    assert first.startswith(f"lab: {missing}: ")
    assert f"--set bench:instruments.{missing}=null" in second
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("what", ["missing", "a file", "empty"])
def test_a_wrong_data_folder_is_said_clearly(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "mnist"
    if what == "a file":
        folder.touch()
    elif what == "empty":
        folder.mkdir()
    done = run_with_data(tmp_path, folder)
    assert (done.code, done.out) == (2, "")
    first, second = done.complaint()
    assert str(folder) in first
    assert "LAB_DATA" in second
    assert "or unset it" in second


def test_half_of_mnist_is_refused_by_name(tmp_path: Path) -> None:
    folder = SHARED / "data" / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no MNIST at {folder} (set LAB_SHARED to the folder with data/)")
    if any(folder.glob("train-*")):
        pytest.skip(f"{folder} holds the training images too")
    done = run_with_data(tmp_path, folder)
    assert (done.code, done.out) == (2, "")
    assert "no train-images-idx3-ubyte, train-labels-idx1-ubyte there" in done.complaint()[0]


def test_a_program_that_does_not_build(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    broken = (f"workload.source={tmp_path / 'src'}", 'workload.build=[cc, "{source}/no.c"]')
    done = run_with_data(tmp_path, None, *broken)
    assert done.code == 4
    assert "ended with exit status 1" in done.complaint()[0]
    assert not (tmp_path / "records").exists()


def run_with_data(tmp_path: Path, folder: Path | None, *overrides: str) -> Done:
    """The experiment without the instruments that need tools, with ``LAB_DATA`` naming a folder."""
    without = [f"bench:instruments.{name}=null" for name in TOOLS]
    return lab(
        "run",
        EXPERIMENT,
        "--records",
        tmp_path / "records",
        *settings((*SMALL, *without, *overrides)),
        env={"LAB_DATA": None if folder is None else str(folder)},
    )
