"""The microcontroller experiments from the repository, in subsets: digits drawn, trained, quantised, compiled, run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lab_command import ROOT, Done, lab, only_record, settings

from tinynet.quantized import QuantizedNetwork

EXPERIMENTS = ROOT / "experiments"

pytestmark = pytest.mark.skipif(
    shutil.which("avr-gcc") is None
    or not Path("/usr/lib/avr/include").is_dir()
    or not Path("/usr/include/simavr/sim_avr.h").exists(),
    reason="no avr-gcc or no libsimavr here: `make emulators` installs both",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def campaign(name: str, folder: Path, cache: Path, *chosen: str) -> tuple[Done, Path]:
    arguments = ("run", EXPERIMENTS / f"{name}.yaml", "--records", folder / "records")
    done = lab(*arguments, *settings(chosen), env={"LAB_DATA": None, "LAB_CACHE": str(cache)}, timeout_s=600)
    return done, only_record(folder / "records")


def summary(record: Path) -> pd.DataFrame:
    points = pd.read_csv(record / "summary.csv", keep_default_na=False, na_values={"value": [""]})
    return points.set_index(["label", "quantity"])


def outputs(record: Path) -> tuple[np.ndarray, dict[str, object]]:
    """What the board gave for each input of the first pass, and how its firmware was made."""
    folder = record / "output" / "t0001.latency"
    events = [json.loads(line) for line in (folder / "stdout.txt").read_text().splitlines()]
    given = np.array([event["output"] for event in events if event["event"] == "inferred"], dtype=np.int8)
    return given, json.loads((folder / "made.json").read_text())


def test_options_from_pen_strokes_to_cycles(tmp_path: Path, cache: Path) -> None:
    done, record = campaign(
        "mcu_options", tmp_path, cache, "factors.width=[8]", 'factors.option=["O1","Os"]', "repeats=2"
    )
    assert done.code == 0, done.err
    rows = summary(record)
    for option in ("O1", "Os"):
        time_s = rows.loc[(f"8 {option}", "latency_s"), "value"]
        layers = [rows.loc[(f"8 {option}", f"latency_layer_{number}_s"), "value"] for number in (1, 2)]
        # A multiply-accumulate takes eight cycles at least, and the study's quickest of this width took 7.01 ms.
        assert 8 * 6352 / 20e6 < time_s < 7.01e-3
        assert layers[0] > 10 * layers[1]
        assert sum(layers) == pytest.approx(time_s, rel=0.02)
    assert set(rows["origin"]) == {"emulated"}
    assert set(rows["verdict"]) == {"valid"}
    given, made = outputs(record)
    quantize = next((cache / "firmware").glob("quantize-*")) / "net.q.npz"
    network = QuantizedNetwork.load(quantize)
    inputs = np.fromfile(next((cache / "firmware").glob("inputs-*")) / "inputs.bin", dtype=np.int8)
    assert (given == network.infer(inputs.reshape(len(given), -1))).all(), "bit for bit the reference's"
    assert made["steps"]["firmware"]["printed"]["model_hash"] == network.hash.hex()  # type: ignore[index]
    table = pd.read_csv(record / "study" / "table_4_5.csv")
    assert table["printed (ms)"].tolist() == [9.06, 7.01]
    assert {path.stem for path in (record / "figures").glob("*.png")} >= {"table_4_5", "time_by_layer"}
    assert "ATmega4809 at 20 MHz, NNoM" in (record / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_accuracy_on_the_board_is_that_of_the_reference(tmp_path: Path, cache: Path) -> None:
    done, record = campaign("mcu_accuracy", tmp_path, cache, "factors.width=[8]", "factors.seed=[1]")
    assert done.code == 0, done.err
    rows = summary(record)
    for scheme in ("pow2", "per-channel"):
        label = f"8 {scheme} 1"
        assert rows.loc[(label, "accuracy"), "value"] == rows.loc[(label, "accuracy_integers"), "value"]
    assert pd.read_csv(record / "study" / "figure_4_3.csv")["images"].tolist() == [1000, 1000, 1000]


@pytest.mark.slow
def test_down_sampling(tmp_path: Path, cache: Path) -> None:
    chosen = ('factors.pooling=[{"value":"max 2","settings":{"pooling_words":"maxpool2"}}]', "factors.seed=[1]")
    done, record = campaign("mcu_downsample", tmp_path, cache, *chosen, 'factors.activation=["relu"]')
    assert done.code == 0, done.err
    table = pd.read_csv(record / "study" / "down_sampling.csv")
    assert len(table) == 3
    assert table["time (ms)"].max() < 7


@pytest.mark.slow
def test_a_convolutional_network(tmp_path: Path, cache: Path) -> None:
    chosen = (
        'factors.network=[{"value":"small","settings":{"layers":"conv4x3s2 relu maxpool2 flatten dense10 softmax"}}]',
    )
    done, record = campaign("mcu_cnn", tmp_path, cache, *chosen, 'factors.option=["Os"]')
    assert done.code == 0, done.err
    row = summary(record).loc[("small Os", "latency_s")]
    assert 10e-3 < row["value"] < 100e-3


@pytest.mark.slow
def test_the_notebook_shows_each_experiment(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first cells on a record of the options; the rest is of the same kind."""
    _, record = campaign("mcu_options", tmp_path, cache, "factors.width=[8]", 'factors.option=["Os"]', "repeats=1")
    monkeypatch.setenv("LAB_RECORDS", str(record.parents[1]))
    content = json.loads((ROOT / "notebooks" / "microcontroller.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "notebook"}
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells[:4], start=1):
        exec(compile(cell, f"microcontroller.ipynb, cell {number}", "exec"), names)
    for name in ("mcu_options", "mcu_accuracy", "mcu_downsample", "mcu_cnn"):
        assert f'study_record("{name}")' in "\n".join(cells)
