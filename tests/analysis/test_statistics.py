"""Speed-ups, correlations and derived products."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.correlation import correlate, holm
from analysis.derived import energy_delay, energy_delay_budget
from analysis.statistics import geometric_mean, speedup, standard_deviation
from analysis.uncertainty import Budget, Term

positive = st.floats(1e-6, 1e6)


def test_speedups_of_pairs() -> None:
    found = speedup([10.0, 8.0, 4.0], [1.0, 2.0, 4.0])
    assert (found.n, found.mean, found.maximum, found.minimum) == (3, 5.0, 10.0, 1.0)
    assert found.geometric_mean == pytest.approx(40 ** (1 / 3))


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=20))
def test_swapping_before_and_after_inverts_the_geometric_mean(pairs: list[tuple[float, float]]) -> None:
    before, after = zip(*pairs, strict=True)
    there, back = speedup(before, after), speedup(after, before)
    assert there.geometric_mean * back.geometric_mean == pytest.approx(1.0)
    assert there.minimum * (1 - 1e-9) <= there.geometric_mean <= there.mean * (1 + 1e-9)


def test_figures_that_cannot_be() -> None:
    assert standard_deviation([1.0]) is None
    for call in (lambda: geometric_mean([1.0, 0.0]), lambda: speedup([1.0], [0.0]), lambda: speedup([], [])):
        with pytest.raises(ValueError, match=r"positive|no values"):
            call()


# ------------------------------------------------------------------------------------------ correlation


def test_figures_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    x = np.exp(rng.normal(size=40))
    y = x**1.5 * np.exp(rng.normal(size=40))
    y[:5] = y[5]  # ties
    found = correlate(x.tolist(), y.tolist(), None, seed=3)
    assert found.pearson == pytest.approx(stats.pearsonr(np.log(x), np.log(y)).statistic)
    spearman = stats.spearmanr(x, y)
    assert found.spearman == pytest.approx(spearman.statistic)
    assert found.p == pytest.approx(spearman.pvalue)
    assert (found.n, found.n_clusters) == (40, 40)
    assert found.pearson_low is not None
    assert found.pearson_high is not None
    assert found.pearson_low < found.pearson < found.pearson_high  # type: ignore[operator]


def test_a_power_law_correlates_perfectly() -> None:
    x = [1.0, 2.0, 5.0, 30.0]
    found = correlate(x, [3 * value**0.5 for value in x], None, seed=1)
    assert found.pearson == pytest.approx(1.0)
    assert found.spearman == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    x, y = [1.0, 2, 3, 4, 5, 6], [1.0, 3, 2, 5, 4, 6]
    assert correlate(x, y, list("aabbcc"), seed=4) == correlate(x, y, list("aabbcc"), seed=4)


def test_families_make_the_interval_honest() -> None:
    """Points of one family say nearly the same: taken as independent, the interval is far too narrow."""
    rng = np.random.default_rng(8)
    covered = {True: 0, False: 0}
    sets = 60
    for number in range(sets):
        family = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 12)
        points = np.repeat(family, 6, axis=0) + rng.normal(0, 0.05, (72, 2))
        x, y = np.exp(points).T.tolist()
        names = np.repeat(np.arange(12), 6).tolist()
        for clustered in (True, False):
            found = correlate(x, y, names if clustered else None, seed=number, resamples=300)
            assert found.pearson_low is not None
            assert found.pearson_high is not None
            covered[clustered] += found.pearson_low <= 0.6 <= found.pearson_high
    assert covered[True] >= 0.8 * sets
    assert covered[False] <= 0.65 * sets


def test_what_cannot_be_correlated_says_why() -> None:
    assert "fewer than 4 points" in correlate([1.0, 2, 3], [1.0, 2, 3], None, seed=1).note
    assert "constant" in correlate([1.0] * 5, [1.0, 2, 3, 4, 5], None, seed=1).note
    few = correlate([1.0, 2, 3, 4], [1.0, 2, 4, 3], ["a", "a", "b", "b"], seed=1)
    assert few.pearson is not None
    assert few.pearson_low is None
    assert "families" in few.note
    dropped = correlate([1.0, 2, 3, 4, -1, 0], [1.0, 2, 4, 3, 5, 6], None, seed=1)
    assert dropped.n == 4
    assert "2 points without a positive value" in dropped.note
    with pytest.raises(ValueError, match="equally long"):
        correlate([1.0], [1.0, 2.0], None, seed=1)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == [0.03, 0.06, None, 0.06, 0.02]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


# ---------------------------------------------------------------------------------------------- derived


@pytest.mark.parametrize("power", [1, 2])
def test_energy_delay_propagates_like_a_simulation(power: int) -> None:
    rng = np.random.default_rng(9)
    energy_j, latency_s, u_e, u_t = 0.02, 0.03, 2e-4, 4e-4
    drawn = rng.normal(energy_j, u_e, 400_000) * rng.normal(latency_s, u_t, 400_000) ** power
    budget = energy_delay_budget(
        energy_j, Budget((Term("gain I", u_e, "B"),)), latency_s, Budget((Term("board clock", u_t, "B"),)), power
    )
    assert energy_delay(energy_j, latency_s, power) == pytest.approx(0.02 * 0.03**power)
    assert budget.u == pytest.approx(float(drawn.std()), rel=0.01)
    assert [term.name for term in budget.terms] == ["gain I", "latency: board clock"]


def test_energy_delay_claims_only_what_both_inputs_claim() -> None:
    claimed, not_claimed = Budget((Term("a", 1.0, "B"),)), Budget((Term("a", 1.0, "B"),), claims=False)
    assert energy_delay_budget(1.0, not_claimed, 1.0, claimed).expanded_u is None
    assert energy_delay_budget(1.0, claimed, 1.0, claimed).expanded_u == pytest.approx(1.96 * math.sqrt(2), abs=0.01)
