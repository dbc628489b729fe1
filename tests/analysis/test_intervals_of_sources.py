"""Sampled, polled and counting meters whose every error is drawn: how often does the stated interval hold the truth?

The traces are files, written and read by the real code. A doubled or halved uncertainty fails: the errors' root mean
square in standard uncertainties is near one, and half of the interval holds the truth far less often.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from readings_records import INFERENCES, Campaign, Meter

import analysis.energy_pass
from analysis.alignment import PlacedMarks, place_marks
from analysis.process import process
from lab.record.documents import TraceRef
from lab.record.reader import PassData, Record

METERS = {
    "sampled": Meter("sampled"),
    "polled": Meter("polled", gain_p=0.0005, offset_p_w=0.002),
    "renewed": Meter("polled", gain_p=0.001, update_s=0.05, asked_s=0.01),
    "slow": Meter("polled", gain_p=0.001, update_s=0.05, asked_s=0.1),
    "counter": Meter("counter", update_s=0.1, asked_s=0.004, question_s=3e-3),
    "quick counter": Meter("counter", update_s=0.001, asked_s=0.02, question_s=1e-4, gain_p=0.0005, offset_p_w=0.002),
}
ERRORS = {
    ("quick counter", "energy_gross_j"): (0.5, 1.2),
    ("counter", "energy_gross_j"): (0.6, 1.2),
}
"""Root mean squares of the errors, in standard uncertainties, where they are not about one: a counter's ends state
E·τ/(√6·T), which is an upper limit for the linear interpolation."""

PASSES, CLOCK_BOUND_S = 120, 0.01


def check(
    monkeypatch: pytest.MonkeyPatch, root: Path, name: str, passes: int, seed: int, clock_bound_s: float = 0.0
) -> None:
    """Assert that both energies are within their intervals as often as they claim."""
    meter = replace(METERS[name], clock_bound_s=clock_bound_s)

    def with_bound(record: Record, data: PassData, ref: TraceRef, trace: object) -> PlacedMarks:
        return PlacedMarks(place_marks(record, data, ref, trace).marks, meter.clock_bound_s)  # type: ignore[arg-type]

    monkeypatch.setattr(analysis.energy_pass, "place_marks", with_bound)
    campaign = Campaign(meter, trials=passes, seed=seed)
    results = process(campaign.write(root / "record")).results
    gross = np.array([truth.gross_j for truth in campaign.truths]) / INFERENCES
    idle_j = campaign.board.idle_w * campaign.board.window_s / INFERENCES
    for quantity, truth in (("energy_gross_j", gross), ("energy_net_j", gross - idle_j)):
        rows = results[results["quantity"] == quantity]
        assert set(rows["verdict"]) <= {"valid", "degraded"}
        error = rows["value"].to_numpy() - truth
        inside = float(np.mean(np.abs(error) <= rows["U"].to_numpy()))
        rms = float(np.sqrt(np.mean((error / rows["u"].to_numpy()) ** 2)))
        chance = 3.0 * math.sqrt(0.95 * 0.05 / passes)
        low, high = ERRORS.get((name, quantity), (0.7, 1.3))
        assert inside >= 0.95 - chance, (name, quantity, inside)
        assert low <= rms <= high, (name, quantity, rms)


@pytest.mark.parametrize("name", METERS)
def test_the_interval_holds_the_truth(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, tmp_path, name, PASSES, seed=3)


@pytest.mark.parametrize("name", ["sampled", "polled", "counter"])
def test_the_interval_holds_the_truth_with_clocks_that_are_off(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(monkeypatch, tmp_path, name, PASSES, 4, CLOCK_BOUND_S)


@pytest.mark.slow
@pytest.mark.parametrize("clock_bound_s", [0.0, CLOCK_BOUND_S])
@pytest.mark.parametrize("name", METERS)
def test_the_interval_holds_the_truth_at_length(
    name: str, clock_bound_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(monkeypatch, tmp_path, name, 1000, 5, clock_bound_s)
