"""The networks of the study on this machine by LiteRT, cut down: the whole way from the experiment file to the tables.

A stand-in for LiteRT takes its place wherever it is not the matter; the real one runs a real model where it is here.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lab_command import ROOT, Done, lab, only_record, settings

sys.path.append(str(Path(__file__).parents[1] / "workloads"))

from litert_program import MODEL, NEEDS_LITERT, fake_environment, has_litert
from tiny_tflite import write_tiny_model

EXPERIMENT = ROOT / "experiments" / "host_litert.yaml"
BENCH = ROOT / "experiments" / "benches" / "host_litert.yaml"
SMALL = (
    "factors.network=[MobileNet]",
    "factors.input=[32]",
    "repeats=1",
    "passes.latency.runs=5",
    "passes.latency.min_duration=50ms",
    "passes.counters.runs=6",
    "bench:instruments.cachegrind=null",
)
INFERENCE_S = 0.004


@pytest.fixture(scope="module")
def without_perf() -> tuple[str, ...]:
    """What to leave out of the bench here."""
    found = lab("doctor", "--bench", BENCH, "--json", env={"LAB_MODELS": str(ROOT)}).json()
    (present,) = [item["present"] for item in found if item["name"].startswith("perf (")]
    return () if present else ("bench:instruments.perf=null",)


def models(folder: Path, *names: str) -> Path:
    """A folder with files that the stand-in takes for models."""
    folder.mkdir()
    for name in names or ("MobileNet_32", "MobileNet_PQ_32", "MobileNet_PWQ_32"):
        (folder / f"{name}.tflite").write_bytes(MODEL)
    return folder


def campaign(folder: Path, *overrides: str, env: dict[str, str] | None = None, experiment: Path = EXPERIMENT) -> Done:
    """Run it with the stand-in, whose inferences take :data:`INFERENCE_S`."""
    place = {"LAB_MODELS": str(folder / "models"), "LAB_CACHE": str(folder / "cache")}
    fake = fake_environment(folder, inference_s=INFERENCE_S)
    return lab(
        "run",
        experiment,
        "--records",
        folder / "records",
        "--no-report",
        *settings((*SMALL, *overrides)),
        env={**fake, **place, **(env or {})},
    )


def summary(record: Path) -> pd.DataFrame:
    return pd.read_csv(record / "summary.csv", keep_default_na=False, na_values={"value": [""]}).set_index("quantity")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, without_perf: tuple[str, ...]) -> Path:
    folder = tmp_path_factory.mktemp("litert")
    models(folder / "models")
    done = campaign(folder, "factors.compression=[none, PQ]", *without_perf)
    assert (done.code, done.err) == (0, "")
    return only_record(folder / "records")


def test_latencies_are_those_of_the_inferences(finished: Path) -> None:
    points = summary(finished)
    for name in ("latency_s", "latency_median_s", "latency_first_s", "latency_warmup_s", "latency_min_s"):
        values = points.loc[name]
        assert len(values) == 4, "two variations, one thread and two"
        assert (values["value"] >= INFERENCE_S).all(), name
        assert set(values["origin"]) == {"measured"}
        assert set(values["source"]) == {"litert"}
    assert (points.loc["latency_median_s", "value"] < 3 * INFERENCE_S).all()
    peak, load = (points.loc[name, "value"].to_numpy() for name in ("memory_peak_bytes", "memory_load_bytes"))
    assert (peak > load).all()


def test_each_trial_ran_its_own_model_with_its_own_threads(finished: Path) -> None:
    diary = (finished.parents[2] / "diary").read_text().splitlines()
    made = {(Path(entry["model"]).name, entry["threads"]) for entry in map(json.loads, diary) if "model" in entry}
    assert made == {(f"MobileNet{name}_32.tflite", count) for name in ("", "_PQ") for count in (1, 2)}


def test_the_record_knows_the_networks_and_what_ran_them(finished: Path) -> None:
    networks = json.loads((finished / "inputs" / "networks.json").read_text())
    assert {point["variation"] for point in networks["points"]} == {"MobileNet 32", "MobileNet PQ 32"}
    versions = lab("show", finished, "--provenance").json()["workload"]["versions"]
    assert len(versions["MobileNet_PQ_32.tflite sha256"]) == 64
    assert versions["python"] == sys.version.split()[0]
    points = summary(finished)
    assert {"macs", "layer_fit_l1_pct"} <= set(points.index)


def test_page_faults_are_real(finished: Path, without_perf: tuple[str, ...]) -> None:
    points = summary(finished)
    assert (points.loc["minor_faults", "value"] > 500).all(), "those of the process, by the operating system's account"
    if without_perf:
        pytest.skip("perf does not count here (apt install linux-perf): its values cannot be looked at")
    assert (points.loc["page-faults_process", "value"] > 500).all()
    assert set(points.loc["page-faults_process", "source"]) == {"perf"}


def test_energy_is_unavailable_with_the_reason(finished: Path) -> None:
    energy = summary(finished)[lambda table: table.index.str.startswith("energy_")]
    assert set(energy["reasons"]) == {"no_power_meter"}
    assert energy["value"].isna().all()


def test_counting_in_the_window_alone(tmp_path: Path, without_perf: tuple[str, ...]) -> None:
    if without_perf:
        pytest.skip("perf does not count here (apt install linux-perf)")
    models(tmp_path / "models")
    inside = (
        "factors.compression=[none]",
        "factors.platform=[1 thread]",
        "passes.counters.baseline_runs=null",
        "passes.counters.window_only=true",
        "passes.counters.events=[page-faults, task-clock]",
        "analysis.figures=[]",
    )
    done = campaign(tmp_path, *inside)
    assert (done.code, done.err) == (0, "")
    points = summary(only_record(tmp_path / "records"))
    clock = points.loc["task-clock"]
    assert 0 < clock["value"] < 2 * INFERENCE_S, "neither Python's start nor the warm-up is in it"
    assert "in the window" in clock["scope"]
    assert points.loc["page-faults", "value"] < 50


def test_the_same_file_runs_on_a_board_with_benchmark_model(tmp_path: Path) -> None:
    simulated = EXPERIMENT.parent / "benches" / "imx8mp_simulated.yaml"
    small = [item for item in SMALL if not item.startswith("bench:")] + ["passes.energy=null"]
    done = lab(
        "run", EXPERIMENT, "--bench", simulated, "--records", tmp_path / "records", "--no-report", *settings(small)
    )
    assert done.code == 0, done.err
    points = summary(only_record(tmp_path / "records"))
    assert set(points.loc["latency_s", "source"]) == {"benchmark_model"}
    assert set(points.loc["latency_s", "origin"]) == {"simulated"}


def test_a_machine_without_litert_is_told_what_to_install(tmp_path: Path) -> None:
    models(tmp_path / "models")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    done = campaign(tmp_path, "bench:instruments.perf=null", f"bench:board.tflite.python={python}")
    assert (done.code, done.out) == (3, "")
    first, second = done.complaint()
    assert f"lab: {python} on the board" in first
    assert "LiteRT is not installed" in first
    assert "pip install '.[tflite]'" in second
    assert not list(tmp_path.glob("records/*/*"))


@pytest.mark.parametrize("what", ["no folder", "no file"])
def test_models_that_are_missing(tmp_path: Path, what: str) -> None:
    if what == "no file":
        models(tmp_path / "models", "MobileNet_32")
    done = campaign(tmp_path, "bench:instruments.perf=null", "order=as_written")
    assert done.code == (2 if what == "no folder" else 3)
    assert "Traceback" not in done.err
    said = f"{tmp_path / 'models'} is not a folder" if what == "no folder" else "there is no "
    assert said in done.err
    if what == "no file":
        assert "lab models build" in done.err
    assert not list(tmp_path.glob("records/*/*")), "told before there is a record"


def test_the_cache_experiment_holds_its_tongue_about_what_it_cannot_count(tmp_path: Path) -> None:
    done = lab("check", ROOT / "experiments" / "host_litert_caches.yaml", env={"LAB_MODELS": str(tmp_path)})
    assert done.code == 0, done.err


@pytest.mark.skipif(not has_litert(), reason=NEEDS_LITERT)
def test_a_real_model_in_the_real_litert(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_tiny_model(tmp_path / "models" / "MobileNet_32.tflite")
    small = ("factors.compression=[none]", "factors.platform=[1 thread]", "passes.counters=null", "analysis.figures=[]")
    done = campaign(
        tmp_path,
        *small,
        "bench:instruments.perf=null",
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )
    assert (done.code, done.err) == (0, "")
    record = only_record(tmp_path / "records")
    points = summary(record)
    assert 0 < points.loc["latency_median_s", "value"] < 1e-3
    assert points.loc["inferences", "value"] >= 5
    found: dict[str, Any] = lab("show", record, "--provenance").json()["workload"]["versions"]
    assert "ai_edge_litert" in found
