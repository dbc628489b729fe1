"""Campaigns for the tests: the shipped study on the simulated bench, cut down to what a test asks about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.process import Results, process
from lab.experiment.load import load_experiment
from lab.record.reader import Record
from lab.runner.progress import Silent
from lab.runner.session import start

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "experiments" / "imx8_npu.yaml"

ENERGY_ONLY = ("passes.latency=null", "passes.counters=null", "analysis.figures=[]", "analysis.correlations=[]")
"""Overrides that leave the energy passes alone."""

SHORT = ("bench:instruments.meter.rate=1 kHz", "passes.energy.duration=2 s", "passes.energy.idle=1 s")
"""Overrides that make energy passes short; idle and window still hold thousands of samples."""

SMALL = ("factors.network=[MobileNet]", "factors.input=[32]", "factors.compression=[PQ]")
"""Overrides that leave one variation on the three platforms."""


@dataclass(frozen=True)
class Campaign:
    """A finished campaign, its results, and what the model knows."""

    record: Record
    results: Results

    def truth(self) -> dict[str, dict[str, Any]]:
        """By pass: what the simulated board wrote beside the program's output."""
        return {
            data.pass_id: json.loads((self.record.path(str(data.end.output)) / "simulated_truth.json").read_text())
            for data in self.record.passes().values()
            if data.plan["kind"] == "energy"
        }

    def true_means(self, quantity: str) -> dict[str, float]:
        """By point: the model's mean, which is what the mean over repeats estimates."""
        truth = self.truth()
        trials = self.record.manifest["plan"]["trials"]
        return {trial["point_id"]: truth[f"{trial['trial_id']}.energy"][quantity] for trial in trials}

    def rows(self, quantity: str) -> pd.DataFrame:
        """The results of one quantity, a row per trial."""
        return self.results.results[self.results.results["quantity"] == quantity]

    def points(self, quantity: str) -> pd.DataFrame:
        """The summary of one quantity, a row per point."""
        return self.results.summary[self.results.summary["quantity"] == quantity]


def run_study(folder: Path, *overrides: str) -> Campaign:
    """Run the study on the simulated bench with overrides, and process its record."""
    loaded = load_experiment(STUDY, overrides)
    finished = start(loaded, folder / "records", folder / "cache", Silent())
    record = Record.open(finished.root)
    return Campaign(record, process(record))


def as_arguments(overrides: Sequence[str]) -> list[str]:
    """Overrides as a command line has them."""
    return [part for override in overrides for part in ("--set", override)]
