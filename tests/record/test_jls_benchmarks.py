"""The benchmarks of traces run, and what they say of correctness holds; how fast it goes is not asked here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def said(script: str, folder: Path, *arguments: str) -> tuple[int, Any]:
    """Exit code and what a benchmark prints as JSON."""
    program = [sys.executable, str(BENCHMARKS / script), "--folder", str(folder), "--json", *arguments]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
def test_the_trace_engine_beside_its_peers(tmp_path: Path) -> None:
    _, found = said("trace_engine.py", tmp_path, "--seconds", "1", "--repeats", "1")
    rows = {row["method"]: row for row in found["whole_file"]}
    for method in ("ours", "ours, as one window", "ours, just written"):
        assert max(rows[method]["error"], rows[method]["error_constant_load"]) < 1e-12
        assert rows[method]["memory_mib"] < 64
    assert rows["NumPy, whole, float32"]["error_constant_load"] > 1e-6
    assert all(window["error"] < 1e-8 for window in found["single_windows"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_live_ingest_loses_nothing(tmp_path: Path) -> None:
    code, outcome = said("live_ingest.py", tmp_path, "--meters", "2", "--seconds", "3")
    assert (code, outcome["lost_bytes"], outcome["missing_samples"], outcome["wrong_samples"]) == (0, 0, 0, 0)
    assert outcome["faults"] == []
    assert list(tmp_path.iterdir()) == []
