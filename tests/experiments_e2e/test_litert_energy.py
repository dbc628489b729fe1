"""Energy per inference of a network on this host, end to end: load and warm-up stay out of it and are reported apart.

LiteRT is a stand-in whose inferences take a known time, the meter NVIDIA's library with a GPU that knows what it drew;
everything between them is real: the program, its marks, the window, the tables.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

sys.path.extend(str(Path(__file__).parents[1] / name) for name in ("instruments", "workloads"))

from fake_nvml import FakeGpu, FakeNvml
from litert_program import MODEL, fake_environment

import instruments.nvml.instrument as nvml_instrument
from analysis.board_marks import read_board_marks
from lab.cli.main import main

POWER_W = 80.0
INFERENCE_S = 0.01

EXPERIMENT = """\
experiment: network
bench: bench.yaml
workload: {kind: tflite_benchmark, network: MobileNet, input: 32}
passes: {energy: {duration: 2 s, warmup_runs: 60, idle: 1 s}}
"""
BENCH = """\
bench: server
board: {kind: local, models: ., tflite: {runtime: litert}}
instruments:
  gpu:
    kind: nvml
    scope: gpu
    accuracy: {source: calibration, timebase_ppm: 100, power: {gain: 1 %, offset: 0.5 W}}
"""


class WallTime:
    """The time of a fake library that takes real time."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._began_s

    def spend(self, seconds: float) -> None:
        if seconds > 1e-5:
            time.sleep(seconds)


def test_warm_up_and_loading_stay_out_of_the_energy_per_inference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "network.yaml").write_text(EXPERIMENT)
    (tmp_path / "bench.yaml").write_text(BENCH)
    (tmp_path / "MobileNet_32.tflite").write_bytes(MODEL)
    for name, value in fake_environment(tmp_path, inference_s=INFERENCE_S).items():
        monkeypatch.setenv(name, value)
    gpu = FakeGpu(power_w=lambda _: POWER_W, energy_j=lambda until_s: POWER_W * until_s)
    nvml = FakeNvml(WallTime(), [gpu])  # type: ignore[arg-type]
    monkeypatch.setattr(nvml_instrument, "nvml_meter", partial(nvml_instrument.nvml_meter, factory=lambda: nvml))
    records = tmp_path / "records"
    assert main(["run", str(tmp_path / "network.yaml"), "--records", str(records), "-q", "--no-report"]) == 0
    (folder,) = records.glob("*/*")
    results = pd.read_parquet(folder / "results.parquet").set_index("quantity")

    window_s, count = results.loc["window_s", "value"], results.loc["inferences", "value"]
    assert 2.0 <= window_s < 2.2, "the window is that of the inferences, not of the program"
    assert count * INFERENCE_S <= window_s
    energy = results.loc["energy_gross_j"]
    assert energy["verdict"] in ("valid", "degraded"), energy["reasons"]
    assert energy["value"] == pytest.approx(POWER_W * window_s / count, rel=0.05)
    (marks,) = folder.glob("output/*/marks.txt")
    begin, end = read_board_marks(marks).named("warmup_begin", "warmup_end")
    warmup_s = (end.ns - begin.ns) * 1e-9
    assert warmup_s >= 60 * INFERENCE_S
    assert results.loc["energy_warmup_j", "value"] == pytest.approx(POWER_W * warmup_s, rel=0.25), "apart"
