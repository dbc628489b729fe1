"""Idle power: its standard error holds for power with a memory, and drift and too short an idle are said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from analysis_fakes import ArrayTrace
from numpy.typing import NDArray

from analysis.idle import IdlePower, IdleSide, idle_power, idle_side
from analysis.power_source import SampledPower
from analysis.windows import Stretch

RATE_HZ = 1000.0


def side(
    power_w: float, se_w: float | None = 1e-3, dof: int = 15, memory: float = 0.0, coverage: float = 1.0
) -> IdleSide:
    return IdleSide(power_w, se_w, dof, memory, coverage, 5.0, power_w / 5.0)


def coloured(rng: np.random.Generator, n: int, memory_samples: float) -> NDArray[np.float64]:
    """First-order autoregressive noise of unit variance that forgets over so many samples."""
    from scipy.signal import lfilter

    keep = math.exp(-1.0 / memory_samples)
    drive = rng.normal(0.0, math.sqrt(1 - keep * keep), n)
    drive[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -keep], drive))


def measured_idle(power_w: NDArray[np.float64]) -> IdlePower:
    half = power_w.size // 2
    trace = SampledPower(ArrayTrace(RATE_HZ, power=power_w))
    found = idle_power(idle_side(trace, Stretch(0, half)), idle_side(trace, Stretch(half, power_w.size)))
    assert found is not None
    return found


def test_the_standard_error_holds_for_noise_with_a_memory() -> None:
    """Naively (samples taken as independent) the error of the mean would come out four times too small."""
    rng = np.random.default_rng(2)
    found = [measured_idle(1.0 + 0.05 * coloured(rng, 4000, 8)) for _ in range(400)]
    spread = float(np.std([item.power_w for item in found]))
    stated = float(np.sqrt(np.mean([item.se_w**2 for item in found])))
    assert stated == pytest.approx(spread, rel=0.15)
    assert spread > 3.5 * 0.05 / math.sqrt(4000)


def test_steady_idle_is_neither_drifting_nor_too_short() -> None:
    rng = np.random.default_rng(3)
    flagged = [bool(measured_idle(3.0 + 0.05 * coloured(rng, 4000, 5)).reasons) for _ in range(300)]
    assert sum(flagged) <= 3


def test_idle_as_short_as_its_memory_is_too_short() -> None:
    rng = np.random.default_rng(4)
    flagged = ["idle_too_short" in measured_idle(3.0 + 0.05 * coloured(rng, 4000, 1500)).reasons for _ in range(50)]
    assert sum(flagged) >= 40


def test_drift_is_said_and_counted() -> None:
    found = idle_power(side(3.00), side(3.06))
    assert found is not None
    assert found.reasons == ("idle_drift",)
    assert found.power_w == pytest.approx(3.03)
    assert found.drift_w == pytest.approx(0.06)
    assert found.drift_u_w == pytest.approx(0.06 / math.sqrt(12))
    assert found.se_w == pytest.approx(1e-3 / math.sqrt(2))
    assert found.dof == pytest.approx(30)


def test_a_difference_within_scatter_or_below_the_floor_is_no_drift() -> None:
    for before, after in ((side(3.0, 0.05), side(3.1, 0.05)), (side(3.0, 1e-6), side(3.014, 1e-6))):
        found = idle_power(before, after)
        assert found is not None
        assert found.reasons == ()
        assert found.drift_u_w > 0.0


def test_one_side_alone_is_used_and_said() -> None:
    for before, after in ((side(3.0), None), (None, side(3.0)), (side(3.0), side(9.0, se_w=None, dof=0))):
        found = idle_power(before, after)
        assert found is not None
        assert found.power_w == 3.0
        assert found.drift_w is None
        assert found.reasons == ("idle_too_short",)


def test_no_side_no_idle_power() -> None:
    assert idle_power(None, None) is None
    assert idle_power(side(3.0, se_w=None, dof=0), None) is None
    nothing = SampledPower(ArrayTrace(RATE_HZ, power=np.full(100, np.nan)))
    assert idle_side(nothing, Stretch(0, 100)) is None


def test_too_few_samples_give_no_standard_error() -> None:
    found = idle_side(SampledPower(ArrayTrace(RATE_HZ, power=np.ones(100))), Stretch(0, 5))
    assert found is not None
    assert found.se_w is None


def test_a_gap_in_the_idle_is_said() -> None:
    power = np.full(2000, 3.0)
    power[100:140] = np.nan
    found = measured_idle(power)
    assert found.reasons == ("samples_dropped",)
    assert found.coverage == pytest.approx(0.96)
    assert found.power_w == pytest.approx(3.0)
