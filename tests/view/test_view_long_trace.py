"""A minute at two million samples a second opens in little memory, and its one odd sample is seen."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from view_traces import Page

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from long_view import RATE_HZ, measured, write_trace

SECONDS = 60


@pytest.mark.slow
def test_a_minute_at_full_rate(tmp_path: Path) -> None:
    trace, page = tmp_path / "trace.jls", tmp_path / "trace.html"
    write_trace(trace, SECONDS)
    _, peak_mb = measured("view", trace, "-o", page)
    assert peak_mb < 300
    assert page.stat().st_size < 5_000_000
    shown = Page(page.read_text())
    (meter,) = shown.data["meters"]
    assert meter["length"] == SECONDS * RATE_HZ
    overview, *finer = meter["tiles"]
    assert overview["per"] <= 8192
    high = shown.array(overview["series"]["power"]["high"])
    spike = (SECONDS // 2) * RATE_HZ + RATE_HZ // 3
    assert np.nanargmax(high) == spike // overview["per"]
    assert any(tile["per"] == 1 and tile["start"] <= spike < tile["stop"] for tile in finer)
    gap = (SECONDS // 2) * RATE_HZ + RATE_HZ // 2
    assert shown.array(meter["gaps"]["start"]).tolist() == [gap]
    assert shown.array(meter["gaps"]["stop"]).tolist() == [gap + RATE_HZ // 25]
