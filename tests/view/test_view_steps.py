"""Readings of polled meters as steps: energy is kept, whatever they are thinned to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.view.steps import HELD, JOINED, Steps, steps_of, thinned
from lab.record.traces.readings import Channel, ReadingsWriter, read_readings


def written(path: Path, rows: list[tuple[str, int, int, float]], **channels: Channel) -> list[Steps]:
    with ReadingsWriter(path, 0, channels) as writer:
        for name, begin, end, value in rows:
            writer.write(name, begin, end, value)
    return steps_of(read_readings(path))


def test_a_counter_gives_power_between_its_steps_only(tmp_path: Path) -> None:
    second = 1_000_000_000
    rows = [("e", k * second // 10, k * second // 10, float(k // 5 * 50)) for k in range(16)]
    (steps,) = written(tmp_path / "a.readings.csv", rows, e=Channel(measures="energy"))
    assert steps.kind == HELD
    assert steps.at_ns.tolist() == [0.0, 0.5e9, 1e9, 1.5e9], "readings that say nothing new are no steps"
    assert steps.value[:-1].tolist() == [100.0, 100.0, 100.0]
    assert steps.mean(0.2e9, 1.2e9) == (pytest.approx(100.0), pytest.approx(1.0))
    assert steps.mean(1.0e9, 2.0e9) == (pytest.approx(100.0), pytest.approx(0.5))
    assert steps.mean(3.0e9, 4.0e9) == (None, 0.0)


def test_what_only_checks_comes_last(tmp_path: Path) -> None:
    rows = [(name, k * 1000, k * 1000, float(k)) for k in range(3) for name in ("p", "e")]
    channels = {"p": Channel(measures="power", cross_check=True), "e": Channel(measures="energy")}
    first, second = written(tmp_path / "a.readings.csv", rows, **channels)
    assert (first.name, second.name, second.kind) == ("e", "p", JOINED)


POINTS = st.lists(st.tuples(st.integers(1, 50), st.floats(-50, 50)), min_size=2, max_size=30)


@settings(max_examples=150, deadline=None)
@given(points=POINTS, per=st.integers(1, 60), kind=st.sampled_from([HELD, JOINED]))
def test_thinning_keeps_the_integral_and_the_extremes(points: list[tuple[int, float]], per: int, kind: str) -> None:
    at = np.cumsum([gap for gap, _ in points]).astype(np.float64)
    value = np.array([item for _, item in points])
    if kind == HELD:
        value[-1] = np.nan
    steps = Steps("x", "power", kind, at, value, len(points), False)
    tile = thinned(steps, per, int(at[-1]) + 7)
    series = tile.series["power"]
    assert int(series.count.sum()) == int(at[-1] - at[0])
    held = np.nan_to_num(series.mean) * series.count
    widths = np.diff(at)
    total = (value[:-1] * widths).sum() if kind == HELD else ((value[1:] + value[:-1]) / 2 * widths).sum()
    assert held.sum() == pytest.approx(total, abs=1e-6)
    kept = value[:-1] if kind == HELD else value
    assert np.nanmin(series.low) == pytest.approx(kept.min(), rel=1e-6, abs=1e-6)
    assert np.nanmax(series.high) == pytest.approx(kept.max(), rel=1e-6, abs=1e-6)
    known = series.count > 0
    assert (series.low[known] <= series.mean[known] + 1e-4).all()
    assert (series.mean[known] <= series.high[known] + 1e-4).all()
