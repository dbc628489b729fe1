"""Which measure of cache fit explains more: worlds in which the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.fits import ALONE, COLUMNS, FIT, GIVEN, LESS, MEASURES, MORE, OPEN, SIZE, STUDY, fits_frame

SIZES = (1, 2, 3)


def manifest(**cache_fit: Any) -> dict[str, Any]:
    resolved = {
        "factors": {"network": ["a"], "input": [1], "platform": ["CPU"]},
        "analysis": {"label": "{network} {input}", "hue": "platform", "cache_fit": cache_fit},
    }
    return {"experiment": {"resolved": resolved}, "plan": {"trials": []}}


def world(families: int, latency_of: str, seed: int = 1, noise: float = 0.05) -> pd.DataFrame:
    """A summary in which the latency follows one measure, and the measures go their own ways."""
    rng = np.random.default_rng(seed)
    rows = []
    for family in range(families):
        own = rng.normal(size=len(MEASURES))
        for size in SIZES:
            values = {
                measure.quantity: float(np.exp(level + 0.4 * rng.normal() + 0.2 * size))
                for measure, level in zip(MEASURES, own, strict=True)
            }
            values["latency_s"] = 1e-3 * values[latency_of] * float(np.exp(noise * rng.normal()))
            rows += [
                {
                    "point_id": f"p{family}{size}",
                    "network": f"n{family}",
                    "input": size,
                    "platform": "CPU",
                    "quantity": quantity,
                    "value": value,
                    "verdict": "valid",
                    "origin": "simulated",
                    "source": "",
                    "scope": "",
                    "reasons": "",
                }
                for quantity, value in values.items()
            ]
    return pd.DataFrame(rows)


def of_latency(summary: pd.DataFrame, **cache_fit: Any) -> Any:
    frame = fits_frame(summary, manifest(cluster="network", **cache_fit), 7)
    return frame[frame["y"] == "latency_s"].set_index("measure")


def test_a_measure_that_explains_all_is_told_from_the_studys_where_families_are_many() -> None:
    found = of_latency(world(16, "spilled_l1_bytes"))
    row = found.loc["spilled_l1_bytes"]
    assert row["verdict"] == MORE
    assert row["explained"] > 0.95
    assert row["partial"] > 0.95
    assert row["explained_difference_low"] > 0.0
    assert row["beyond"] > row["beyond_study"]
    assert found.loc[STUDY, "verdict"] == ""
    assert (row["n"], row["n_networks"], row["n_clusters"]) == (48, 48, 16)


def test_nothing_is_told_from_it_where_the_studys_measure_explains_all() -> None:
    found = of_latency(world(16, STUDY))
    assert found.loc[STUDY, "explained"] > 0.95
    others = found[(found["kind"] == FIT) & (found.index != STUDY)]
    assert set(others["verdict"]) <= {LESS, LESS + ALONE}
    assert LESS in set(others["verdict"])


def test_four_families_that_know_nothing_tell_nothing() -> None:
    told = 0
    for seed in range(5):
        found = of_latency(world(4, GIVEN, seed, noise=1.0))
        others = found[(found["kind"] == FIT) & (found.index != STUDY)]
        told += sum(verdict in (MORE, LESS) for verdict in others["verdict"])
    assert told == 0


def test_a_larger_network_is_not_a_worse_fit() -> None:
    """Where latency follows the multiply-accumulates, and another measure follows them too, it says nothing beyond."""
    summary = world(12, GIVEN)
    rng = np.random.default_rng(3)
    macs = summary[summary["quantity"] == GIVEN].set_index("point_id")["value"]
    rows = summary["quantity"] == "spilled_l2_bytes"
    summary.loc[rows, "value"] = [value * np.exp(0.3 * rng.normal()) for value in macs]
    row = of_latency(summary).loc["spilled_l2_bytes"]
    assert row["pearson_low"] > 0.5
    assert row["partial_low"] < 0.0 < row["partial_high"]
    assert row["beyond"] < 0.02


def test_holm_is_over_the_measures_of_one_group() -> None:
    found = of_latency(world(16, "spilled_l1_bytes"))
    tested = found["explained_difference_p"].dropna().sort_values()
    assert len(tested) == len(MEASURES) - 1
    assert found.loc[tested.index[0], "explained_difference_p_holm"] == pytest.approx(len(tested) * tested.iloc[0])


def test_what_cannot_be_said_says_why() -> None:
    summary = world(6, STUDY)
    summary.loc[summary["quantity"] == "macs_over_l1_pct", "value"] = 100.0
    nothing_spilled = (summary["quantity"] == "spilled_ram_bytes") & (summary["input"] == 1)
    summary.loc[nothing_spilled, "value"] = 0.0
    invalid = (summary["quantity"] == "latency_s") & (summary["network"] == "n0")
    summary.loc[invalid, "verdict"] = "invalid"
    found = of_latency(summary)
    assert found.loc["macs_over_l1_pct", "note"] == "one of the two is constant"
    assert pd.isna(found.loc["macs_over_l1_pct", "explained"])
    assert found.loc["macs_over_l1_pct", "verdict"] == ""
    assert found.loc["spilled_ram_bytes", "n"] == 10
    assert "5 points without a logarithm" in found.loc["spilled_ram_bytes", "note"]
    assert found.loc[STUDY, "n"] == 15
    two = of_latency(world(2, STUDY))
    assert "families: no interval" in two.loc[STUDY, "note"]
    assert two.loc[STUDY, "pearson"] is not None
    assert pd.isna(two.loc[STUDY, "pearson_low"])
    assert two.loc["parameters", "verdict"] == OPEN


def test_points_can_be_chosen_and_so_can_quantities() -> None:
    summary = world(6, STUDY)
    assert of_latency(summary, only={"input": [1, 2]}).loc[STUDY, "n"] == 12
    assert fits_frame(summary, manifest(against=["instructions"]), 1).empty
    assert fits_frame(summary, manifest(), 1).loc[0, "cluster"] == ""


def test_without_networks_there_is_nothing() -> None:
    summary = world(4, STUDY)
    assert fits_frame(summary[summary["quantity"] == "latency_s"], manifest(), 1).empty
    assert list(fits_frame(summary.iloc[:0], manifest(), 1).columns) == list(COLUMNS)


def test_the_same_seed_gives_the_same_table() -> None:
    summary = world(9, STUDY)
    pd.testing.assert_frame_equal(of_latency(summary), of_latency(summary))


def test_kinds_of_measures() -> None:
    assert {measure.kind for measure in MEASURES} == {FIT, SIZE}
    assert len({measure.quantity for measure in MEASURES}) == len(MEASURES)
