"""Recorded MLPerf Tiny sessions through the path of a live Joulescope: into JLS, to marks, to the energy of a pass."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from energyrunner_sessions import MadeSession

from analysis.each_window import each_window
from analysis.process import process
from analysis.replay import WindowEnergy, session_energies
from lab.record.reader import Record
from lab.record.traces import open_trace
from lab.record.traces.energyrunner import load_session
from lab.runner.progress import Silent
from lab.runner.replaying import ReplayRequest, prepared
from lab.runner.session import start

PUBLISHED_DIGITS = 6.5e-9
"""Relative: what the last printed digit of a published energy leaves open."""


def replayed(folder: Path, tmp_path: Path) -> Record:
    ready = prepared(ReplayRequest(path=folder))
    return Record.open(start(ready.loaded, tmp_path / "records", tmp_path / "cache", Silent()).root)


def value(results: pd.DataFrame, name: str) -> pd.Series:
    (row,) = (row for _, row in results.iterrows() if row["quantity"] == name)
    return row


def check(folder: Path, tmp_path: Path) -> None:
    record = replayed(folder, tmp_path)
    expected = session_energies(load_session(folder))
    (data,) = record.passes().values()
    (ref,) = data.end.traces
    assert ref.format == "jls"
    assert {mark.method for mark in data.marks} == {"timestamps"}

    seen = each_window(record, data, ref)
    assert len(seen) == len(expected)
    for window, known in zip(seen, expected, strict=True):
        assert window.coverage == 1.0
        assert window.energy_j == pytest.approx(known.energy_j, rel=2e-9)
        # The published energy lies as far away as the stamps' rounding leaves the edges open, and no farther.
        assert abs(window.energy_j - known.published_j) <= known.edge_bound_j + 0.5e-9 + 1e-9 * known.published_j
    for known in expected:
        check_matched_sum(record, known)

    results = process(record).results
    energy = value(results, "energy_gross_j")
    assert energy["origin"] == "replayed"
    assert energy["verdict"] in ("valid", "degraded")
    inferences = sum(known.inferences or 0 for known in expected)
    assert energy["value"] == pytest.approx(math.fsum(known.energy_j for known in expected) / inferences, rel=2e-9)
    assert value(results, "inferences")["value"] == inferences
    published = value(results, "energy_published_j")["value"]
    bound_j = sum(known.edge_bound_j for known in expected) / inferences
    assert abs(energy["value"] - published) <= bound_j + 1e-9 * published


def check_matched_sum(record: Record, known: WindowEnergy) -> None:
    """As many whole samples as were published, from the trace in the record: the published energy."""
    if known.samples is None or known.matched_start is None:
        return
    (data,) = record.passes().values()
    (ref,) = data.end.traces
    with open_trace(record.root, ref) as trace:
        power_w = trace.read("power", known.matched_start, known.matched_start + known.samples).astype(np.float64)
    assert math.fsum(power_w) / trace.rate_hz == pytest.approx(known.published_j, rel=PUBLISHED_DIGITS)


def test_real_sessions(real_session: tuple[str, Path], tmp_path: Path) -> None:
    check(real_session[1], tmp_path)


def test_a_made_up_session(made: tuple[MadeSession, Path], tmp_path: Path) -> None:
    check(made[1], tmp_path)


def test_the_note_beside_the_trace_names_meter_and_publication(made: tuple[MadeSession, Path], tmp_path: Path) -> None:
    record = replayed(made[1], tmp_path)
    (data,) = record.passes().values()
    note = json.loads(next(record.path(str(data.end.output)).glob("*.recorded.json")).read_text())
    assert note["meter"] == "JS110"
    assert [item["energy_j"] for item in note["published"]] == pytest.approx(
        [window.energy_uj * 1e-6 for window in made[0].windows]
    )
