"""The gesture study cut down: sensor, capture, training, small forms, figures and tables, and the microcontroller."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lab_command import ROOT, Done, lab, only_record, settings

SMALL = (
    "factors.gestures=[2]",
    "factors.hand=[practised]",
    "factors.epochs=[30]",
    'workload.prepare=[python3, "{source}/gestures.py", collect, --out, "{data}", --gestures, "flex,punch", --hands, '
    'practised, --count, "10", --unseen, "8"]',
)
TOOLS = {"avr-gcc": "gcc-avr avr-libc", "cc": "gcc"}
FIGURES = ("accelerometer", "gyroscope", "loss", "accuracy", "sizes", "form_loss")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("gesture")
    yield ran(folder, "gesture.yaml", "factors.scale=[unit]", "factors.seed=[1]")[1]
    shutil.rmtree(folder)


def ran(folder: Path, name: str, *more: str) -> tuple[Done, Path]:
    done = lab(
        "run",
        ROOT / "experiments" / name,
        "--records",
        folder / "records",
        *settings((*SMALL, *more)),
        env={"LAB_GESTURES": None, "LAB_CACHE": str(folder / "cache")},
    )
    assert done.code == 0, done.err
    return done, only_record(folder / "records")


def table(record: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(record / "study" / f"gesture_{name}.csv")


def test_the_study_s_figures_are_drawn_and_stamped(record: Path) -> None:
    for name in FIGURES:
        for kind in ("png", "svg"):
            assert (record / "figures" / f"gesture_{name}.{kind}").stat().st_size > 5000
        stamp = "MEASURED" if name == "sizes" else "SIMULATED"
        assert stamp in (record / "figures" / f"gesture_{name}.svg").read_text()
    page = (record / "report.html").read_text()
    assert "Network structure (table 1)" in page
    assert "gesture_form_loss" in page


def test_table_1_is_the_printed_one(record: Path) -> None:
    structure = table(record, "structure")
    assert structure["parameters"].tolist() == structure["printed parameters"].tolist() == [9050, 765, 32, 9847]
    assert structure["outputs"].tolist()[:3] == [50, 15, 2]


def test_table_2_has_the_printed_results_beside_ours(record: Path) -> None:
    results = table(record, "results")
    assert results.loc[0, "validation accuracy"] == 0.9167
    assert results.loc[0, "validation loss"] == 0.3393
    assert results.loc[1, "trainings"] == 1
    assert results.loc[1, "unseen accuracy"] >= 0.9
    assert results.loc[1, "unseen gestures"] == 16


def test_sizes_say_that_the_printed_file_was_not_of_sixteen_bits(record: Path) -> None:
    sizes = table(record, "sizes").set_index("form")["bytes"]
    assert sizes["quantised, called 16-bit"] == 14008
    assert sizes["float16"] > sizes["the parameters alone, 2 bytes each"] == 19694 > 14008
    assert sizes["int8"] < 14008


def test_the_record_says_where_the_gestures_come_from_and_keeps_the_networks(record: Path) -> None:
    versions = json.loads((record / "manifest.json").read_text())["workload"]["versions"]
    assert versions["data"] == "made by gestures.py"
    (out,) = record.glob("output/*/out")
    for name in ("gesture.npz", "gesture_float16.h", "gesture_int8.q.npz", "gesture_int8_c/network.c"):
        assert (out / name).is_file(), name
    summary = pd.read_csv(record / "summary.csv").set_index("quantity")
    assert summary.loc["parameters", "value"] == 9847
    assert summary.loc["float16_bytes", "value"] == len((out / "gesture_float16.bin").read_bytes())


def test_the_notebook_shows_them_all(
    record: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_RECORDS", str(record.parents[1]))
    content = json.loads((ROOT / "notebooks" / "gesture.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(content["cells"], start=1):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"gesture.ipynb, cell {number}", "exec"), names)
    said = capsys.readouterr().out
    assert said.count("Origin: ") == len(FIGURES)
    assert "not drawn" not in said
    assert f"record {record.name}" in said


@pytest.mark.slow
def test_gestures_of_one_s_own_are_used_instead(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "practised").mkdir(parents=True)
    done = lab(
        "run",
        ROOT / "experiments" / "gesture.yaml",
        "--records",
        tmp_path / "records",
        *settings((*SMALL, "factors.scale=[unit]", "factors.seed=[1]")),
        env={"LAB_GESTURES": str(folder)},
    )
    # There are no files in it: the program says so, and the pass has failed.
    assert done.code != 0
    (failed,) = (tmp_path / "records").glob("gesture/*/output/*/stderr.txt")
    assert "flex.csv: No such file" in failed.read_text()


def test_the_microcontroller_answers_byte_for_byte_what_the_host_computes(tmp_path: Path) -> None:
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing or not Path("/usr/include/simavr").is_dir():
        pytest.skip(f"needs avr-gcc and simavr (apt install {' '.join(missing) or 'libsimavr-dev'} libsimavr-dev)")
    more = ("factors.form=[int8]", "factors.option=[Os]", "factors.count=[6]")
    _, record = ran(tmp_path, "gesture_avr.yaml", *more)
    (row,) = table(record, "board").to_dict("records")
    assert row["gestures shown"] == 12
    assert row["bytes that differ"] == 0
    assert row["accuracy, board"] == row["accuracy, host"] >= 0.8
    assert row["loss, board"] == pytest.approx(row["loss, host"], abs=1e-9)
    assert 2 < row["inference time (ms)"] < 10
    assert row["flash (bytes)"] < 32768
    assert row["fits an ATmega328P"] == "yes"
    summary = pd.read_csv(record / "summary.csv").set_index("quantity")
    assert summary.loc["latency_s", "origin"] == "emulated"
    assert (record / "figures" / "gesture_board_loss.png").stat().st_size > 5000
