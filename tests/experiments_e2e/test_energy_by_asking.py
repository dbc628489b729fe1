"""A real program on this host, in real time, watched by a GPU's energy counter: from the bench file to the budget.

The GPU is a stand-in for NVIDIA's library that knows what it drew; everything else is what runs on an offload server.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parents[1] / "instruments"))

from fake_nvml import FakeGpu, FakeNvml

import instruments.nvml.instrument as nvml_instrument
from lab.boards.local import LocalBoard
from lab.boards.protocol import Command, CommandResult
from lab.cli.main import main

IDLE_W, WORK_W = 70.0, 120.0

EXPERIMENT = """\
experiment: served
bench: bench.yaml
workload: {kind: program, source: ., command: [sleep, "3"], reader: none, per: process}
passes: {energy: {idle: 1.5 s}}
repeats: 1
"""
BENCH = """\
bench: server
board: {kind: local}
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
        self.worked: list[list[float]] = []

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._began_s

    def spend(self, seconds: float) -> None:
        if seconds > 1e-5:
            time.sleep(seconds)

    def energy_j(self, until_s: float) -> float:
        """What the GPU drew until then: idle all the time, and more while a program ran."""
        busy_s = sum(max(0.0, min(until_s, end) - begin) for begin, end in self.worked)
        return IDLE_W * until_s + WORK_W * busy_s

    def power_w(self, at_s: float) -> float:
        return IDLE_W + WORK_W * any(begin <= at_s < end for begin, end in self.worked)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallTime:
    wall = WallTime()
    nvml = FakeNvml(wall, [FakeGpu(power_w=wall.power_w, energy_j=wall.energy_j)])  # type: ignore[arg-type]
    monkeypatch.setattr(nvml_instrument, "nvml_meter", partial(nvml_instrument.nvml_meter, factory=lambda: nvml))
    run = LocalBoard.run

    def noted(self: LocalBoard, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        wall.worked.append([wall.now_s, float("inf")])
        result = run(self, command, stdout, stderr)
        wall.worked[-1][1] = wall.now_s
        return result

    monkeypatch.setattr(LocalBoard, "run", noted)
    return wall


def test_what_the_gpu_drew_for_a_program_lies_in_the_interval(wall: WallTime, tmp_path: Path) -> None:
    (tmp_path / "served.yaml").write_text(EXPERIMENT)
    (tmp_path / "bench.yaml").write_text(BENCH)
    assert (
        main(["run", str(tmp_path / "served.yaml"), "--records", str(tmp_path / "records"), "-q", "--no-report"]) == 0
    )
    (folder,) = (tmp_path / "records").glob("*/*")
    results = pd.read_parquet(folder / "results.parquet")
    net = results[results["quantity"] == "energy_process_net_j"].sort_values("order")
    assert net["source"].unique().tolist() == ["gpu"]
    assert net["origin"].unique().tolist() == ["measured"]
    for (_, row), (begin_s, end_s) in zip(net.iterrows(), wall.worked, strict=True):
        truth_j = WORK_W * (end_s - begin_s)
        assert abs(row["value"] - truth_j) <= row["U"], (row["value"], truth_j, row["U"])
        assert row["U"] < 0.1 * truth_j, "an interval that says something"
        assert row["verdict"] in ("valid", "degraded")
    idle = results[results["quantity"] == "power_idle_w"]
    assert idle["value"].to_numpy() == pytest.approx(IDLE_W, rel=0.02)
    budget = pd.read_csv(folder / "budget.csv")
    terms = set(budget[budget["quantity"] == "energy_process_net_j"]["term"])
    assert {"gain P", "update period", "clock offset"} <= terms
    assert "gain I" not in terms
