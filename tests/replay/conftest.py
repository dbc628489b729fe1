"""Recorded sessions for the tests of the replay: seven real ones where the data is at hand, made-up ones anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from energyrunner_sessions import MadeSession, make_session, write_session

_SHARED = Path(os.environ.get("LAB_SHARED") or Path(__file__).parents[3] / "shared")
MLPERF_TINY = _SHARED / "data" / "mlperf_tiny"

REAL_SESSIONS = {
    "v0.5 L4R5ZI": "v0.5/closed/reference/results/Nucleo-L4R5ZI/ad/energy",
    "v0.7 arty": "v0.7/open/hls4ml-finn/results/arty-a7-100t/kws/KWS-W3A3/power",
    "v0.7 pynq": "v0.7/open/hls4ml-finn/results/pynq-z2/ic/CNV-W1A1/power",
    "v1.0 microtvm": "v1.0/closed/OctoML/results/microtvm_cmsis_nn/NUCLEO_L4R5ZI/kws/energy",
    "v1.1 H7A3ZI": "v1.1/closed/Krai/results/NUCLEO-H7A3ZI-Q_X-CUBE-AI-8.0/ad/energy",
    "v1.2 H7A3ZI": "v1.2/closed/STMicroelectronics/results/NUCLEO_H7A3ZI_Q/kws/energy",
    "v1.3 syntiant": "v1.3/closed/syntiant/results/syntiant_9120_0v9_30mhz/kws/energy",
}


@pytest.fixture(params=sorted(REAL_SESSIONS))
def real_session(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """Name and folder of each recorded session in turn."""
    folder = MLPERF_TINY / REAL_SESSIONS[request.param]
    if not folder.is_dir():
        pytest.skip(f"no recorded MLPerf Tiny session at {folder} (set LAB_SHARED to the folder with data/)")
    return request.param, folder


@pytest.fixture
def made(tmp_path: Path) -> tuple[MadeSession, Path]:
    """A made-up session with two windows, as JS110 would leave it, and its folder."""
    session = make_session(samples=5000, instants_s=(0.0104, 0.5003, 2.0118, 2.6006, 4.1239), inferences=40, seed=7)
    return session, write_session(session, tmp_path / "made")


@pytest.fixture
def damage(made: tuple[MadeSession, Path]) -> Callable[[str, bytes | str], Path]:
    """Overwrites one file of the made-up session; returns the session's folder."""

    def overwrite(name: str, content: bytes | str) -> Path:
        data = content if isinstance(content, bytes) else content.encode()
        (made[1] / name).write_bytes(data)
        return made[1]

    return overwrite
