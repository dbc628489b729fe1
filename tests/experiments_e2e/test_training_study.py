"""The training study with real programs, cut down: equal weights, figures and tables, early stopping by the rule."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from lab_command import ROOT, lab, only_record, settings

EXPERIMENTS = ROOT / "experiments"
HOST = "bench:instruments.perf=null"
ENV = {"LAB_DATA": None, "HDRNN_PYTHON": None}
QUICK = (
    'workload.build=[make, -C, "{source}", "BUILD={build}", c, python]',
    'workload.prepare=[python3, "{source}/../digits/draw_digits.py", --out, "{data}", --train, "9", --test, "400"]',
)
"""Eigen's program takes longer to compile than everything here to run; it is in the slow test. And few digits."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine (apt install gcc libc6-dev)")
    return tmp_path_factory.mktemp("cache")


def record_of(name: str, cache: Path, records: Path, *overrides: str, quick: tuple[str, ...] = QUICK) -> Path:
    done = lab(
        "run",
        EXPERIMENTS / f"hdrnn_{name}.yaml",
        "--records",
        records,
        *settings((HOST, *quick, *overrides)),
        env={**ENV, "LAB_CACHE": str(cache)},
        timeout_s=600,
    )
    assert done.code == 0, done.err
    return only_record(records)


def table(record: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(record / "study" / f"{name}.csv")


SMALL = (
    "factors.epochs=[2]",
    "factors.split=[300/100]",
    'factors.hidden=["8"]',
    'factors.rate=["1"]',
    "factors.implementation=[C, NumPy]",
)


@pytest.fixture(scope="module")
def equality(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("equality")
    return record_of("equality", cache, folder, *SMALL, "repeats=2")


def test_programs_that_begin_alike_train_alike(equality: Path) -> None:
    rows = table(equality, "weights_against_reference").set_index(["program", "after epoch"])
    assert set(rows.index.get_level_values("program")) == {"C float32", "NumPy float32", "NumPy float64"}
    for program, bound in (("C float32", 1e-5), ("NumPy float32", 1e-5), ("NumPy float64", 1e-13)):
        assert rows.loc[(program, 0), "equal weights (%)"] == 100.0, "the same first weights, to the bit"
        assert 0.0 <= rows.loc[(program, 2), "relative rms"] < bound
    assert rows.loc[("C float32", 2), "relative rms"] > 0.0, "single precision is not double"
    pairs = table(equality, "weights_in_pairs")
    assert set(zip(pairs["one"], pairs["other"], pairs["precision"], strict=True)) == {
        ("C", "NumPy", "float32"),
        ("C", "NumPy", "float64"),
    }


def test_the_same_program_twice_leaves_the_same_bytes(equality: Path) -> None:
    repeats = table(equality, "repeats_equal")
    assert len(repeats) == 4
    assert repeats["same bytes"].all()


def test_weights_are_in_the_record_and_figures_are_drawn(equality: Path) -> None:
    files = sorted((equality / "output" / "t0001.latency" / "out").iterdir())
    assert [path.name for path in files] == [f"epoch-{epoch:04d}.nn" for epoch in range(3)]
    for name in ("weight_error", "weight_ulps", "weight_accuracy"):
        assert (equality / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (equality / "report.html").read_text()
    assert "Weights against the float64 reference" in page


@pytest.fixture(scope="module")
def study(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    small = ("factors.epochs=[3]", 'factors.images=["--split=300/100"]', 'factors.hidden=["2", "4", "8", "8,16"]')
    small += ("factors.implementation=[C, NumPy]", "repeats=1", "passes.counters=null")
    return record_of("host", cache, folder, *small)


def test_the_study_has_its_figures_tables_and_claims(study: Path) -> None:
    drawn = {path.stem for path in (study / "figures").glob("training_*.png")}
    assert drawn == {
        f"training_{name}"
        for name in (
            *("accuracy", "run_time", "memory", "accuracy_by_epoch", "accuracy_error", "variation", "growth"),
            "early_stopping",
        )
    }
    experiments = table(study, "experiments")
    assert len(experiments) == 8
    assert (experiments["elapsed (s)"] > 0).all()
    assert dict(zip(experiments["hidden layers"], experiments["parameters"], strict=True))["8,16"] == 6280 + 144 + 170
    claims = table(study, "claims").set_index("the study says")
    assert len(claims) == 8
    assert set(claims["here"]) <= {"holds", "does not hold", "holds in part", "not decided"}
    assert claims.loc["Eigen needs the least memory, NumPy the most", "here"] == "not decided", (
        "no Eigen in this record"
    )
    assert set(table(study, "growth")["law"]) == {"linear", "power", "exponential"}


def test_results_have_what_the_program_said_of_its_epochs(study: Path) -> None:
    results = pd.read_csv(study / "results.csv").set_index(["trial_id", "quantity"])["value"]
    for trial in results.index.get_level_values("trial_id").unique():
        said = [
            json.loads(line) for line in (study / "output" / f"{trial}.latency" / "stdout.txt").read_text().splitlines()
        ]
        accuracies = [line["accuracy"] for line in said[:-1]]
        assert results[trial, "accuracy"] == accuracies[-1]
        assert results[trial, "accuracy_best"] == max(accuracies)
        assert results[trial, "epoch_best"] == 1 + accuracies.index(max(accuracies))
        assert results[trial, "epochs"] == 3
        assert results[trial, "epoch_s"] == pytest.approx(said[-1]["seconds"] / 3)


def program_of(cache: Path) -> Path:
    return next((cache / "build").glob("*/hdrnn"))


@pytest.mark.usefixtures("study")
def test_the_programs_stop_early_where_the_table_says(cache: Path) -> None:
    from analysis.studies.training.early_stopping import stop_of

    digits = next((cache / "data").glob("*/t10k-images*")).parent
    command = [program_of(cache), "c", "train", "--json", "-s", "4", "-e", "15", "--split", "300/100", "--data", digits]

    def accuracies(*more: str) -> list[float]:
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=True, env=dict(os.environ))
        return [json.loads(line)["accuracy"] for line in done.stdout.splitlines()[:-1]]

    whole = accuracies()
    for patience in (1, 2, 3):
        stop = stop_of(whole, patience)
        assert accuracies("--early-stop", str(patience)) == whole[: stop.epochs]


@pytest.fixture(scope="module")
def profile(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("perf") is None and shutil.which("valgrind") is None:
        pytest.skip("neither perf nor valgrind on this machine (apt install linux-perf valgrind)")
    folder = tmp_path_factory.mktemp("profile")
    return record_of("profile", cache, folder, "factors.implementation=[C]", "factors.split=[300/100]")


@pytest.mark.slow
def test_the_profile_names_the_kernels(profile: Path) -> None:
    functions = table(profile, "profile")
    assert functions["share (%)"].sum() == pytest.approx(100.0, abs=0.2)
    assert functions["function"].str.startswith("kernel_").any(), "the loops in which the training spends its time"
    assert (profile / "figures" / "training_profile.png").is_file()


def test_the_notebook_shows_both_records(
    study: Path, equality: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for record in (study, equality):
        (tmp_path / record.parent.name).symlink_to(record.parent)
    monkeypatch.setenv("LAB_RECORDS", str(tmp_path))
    content = json.loads((ROOT / "notebooks" / "training.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "notebook"}
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        exec(compile(cell, f"training.ipynb, cell {number}", "exec"), names)
    said = capsys.readouterr().out
    assert "not drawn" not in said
    assert said.count("Origin: measured") == said.count("Origin: ") == 10


@pytest.mark.slow
def test_all_programs_that_are_here_agree(cache: Path, tmp_path: Path) -> None:
    if not Path("/usr/include/eigen3/Eigen/Core").is_file():
        pytest.skip("no Eigen on this machine (apt install libeigen3-dev)")
    programs = "factors.implementation=[C, Eigen, NumPy, NumPy by sample]"
    overrides = [*SMALL[:-2], programs, "exclude=[{implementation: PyTorch}]", 'factors.hidden=["8", "32,16"]']
    record = record_of("equality", cache, tmp_path, *overrides, quick=QUICK[1:])
    rows = table(record, "weights_against_reference")
    gentle = rows[rows["hidden layers"].str.contains("step size 1")]
    assert set(gentle["program"].str.split(" float").str[0]) == {"C", "Eigen", "NumPy", "NumPy by sample"}
    assert (gentle[gentle["program"].str.contains("float32")]["relative rms"] < 1e-5).all()
    assert (gentle[gentle["program"].str.contains("float64")]["relative rms"] < 1e-13).all()
