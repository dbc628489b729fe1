"""What the report says of cache fit, in sentences computed from the table."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from analysis.fits import ALONE, COLUMNS, LESS, MORE, OPEN, STUDY
from lab.report.cache_fit import families_note, fit_sentences, fits_table


def row(measure: str, kind: str = "fit", **values: Any) -> dict[str, Any]:
    plain = {"y": "latency_s", "measure": measure, "kind": kind, "group": "CPU", "source": "", "origin": "simulated"}
    counts = {"n": 22, "n_networks": 11, "n_clusters": 4, "cluster": "network", "verdict": "", "note": ""}
    return dict.fromkeys(COLUMNS) | plain | counts | values


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))


STUDYS = row(STUDY, explained=0.5, partial=-0.1, partial_low=-0.9, partial_high=0.8)
MACS = row("macs", "size", explained=0.98)


def better(verdict: str, low: float, high: float) -> dict[str, Any]:
    difference: dict[str, Any] = {
        "explained_difference": 0.3,
        "explained_difference_low": low,
        "explained_difference_high": high,
    }
    return row("spilled_l1_bytes", explained=0.8, verdict=verdict, **difference)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (better(OPEN, -0.2, 0.8), "which of the two explains more cannot be told (+30 points of percent [−20, +80])"),
        (better(MORE, 0.1, 0.5), "explains most (80 %): more than the study's (+30 points of percent [+10, +50])"),
        (better(MORE + ALONE, 0.01, 0.6), "if this were the only comparison"),
        (better(OPEN, float("nan"), float("nan")), "too few families for an interval"),
    ],
)
def test_which_explains_more_is_said_plainly(other: dict[str, Any], words: str) -> None:
    (sentence,) = fit_sentences(frame(STUDYS, other, MACS))
    assert sentence.startswith("Latency per inference, CPU (22 points, 11 distinct networks, 4 families)")
    assert "the study's measure explains 50 % of the variance, multiply-accumulates alone 98 %" in sentence
    assert words in sentence
    assert "r = −0.10 [−0.90, 0.80]: nothing can be told." in sentence


def test_less_is_said_too() -> None:
    worse = row("bytes_over_l2_pct", explained=0.1, verdict=LESS, explained_difference=-0.4)
    worse |= {"explained_difference_low": -0.6, "explained_difference_high": -0.2}
    (sentence,) = fit_sentences(frame(STUDYS, worse, MACS))
    assert "less than the study's (−40 points of percent [−60, −20])" in sentence


def test_without_figures_there_is_no_sentence() -> None:
    assert fit_sentences(frame(row(STUDY, note="fewer than 4 points"))) == []
    assert fit_sentences(frame()) == []
    assert fits_table(frame(row(STUDY)), "latency_s") is None


def test_few_families_are_named_and_many_are_not() -> None:
    assert families_note(frame(STUDYS)).startswith("There are only 4 families")
    assert families_note(frame(STUDYS | {"n_clusters": 12})) == ""
    assert families_note(frame()) == ""
    nothing = row("spilled_l2_bytes", n=0, n_clusters=0)
    assert families_note(frame(STUDYS, nothing)).startswith("There are only 4 families")


def test_points_without_families_stand_for_themselves() -> None:
    (sentence,) = fit_sentences(frame(STUDYS | {"cluster": "", "n_clusters": 22}, better(OPEN, -0.2, 0.8)))
    assert "11 distinct networks, each for itself" in sentence
    assert families_note(frame(STUDYS | {"cluster": "", "n_clusters": 7})) == ""


def test_a_measure_of_fewer_points_says_so() -> None:
    fewer = better(OPEN, -0.2, 0.8) | {"n": 12, "explained_study": 0.5}
    (sentence,) = fit_sentences(frame(STUDYS, fewer))
    assert "(80 % of 12 points that have a logarithm, where the study's measure explains 50 %)" in sentence
