"""Records of the simulated bench, each with one fault, made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "campaign"))
sys.path.append(str(Path(__file__).parents[1] / "cli"))

from campaigns import ENERGY_ONLY, SHORT, SMALL, run_study
from lab_command import Here, lab_here
from view_traces import FAULTS, Faulty

from lab.record.reader import Record


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Faulty:
    """A record of two passes hit by the fault of that name; not to be changed."""
    made: dict[str, Record] = {}

    def record(name: str) -> Record:
        if name not in made:
            faults = [f"bench:instruments.meter.faults=[{FAULTS[name]}]"] if FAULTS[name] else []
            small = (*SHORT, *SMALL, "factors.platform=[NPU]", *ENERGY_ONLY, "repeats=2")
            made[name] = run_study(tmp_path_factory.mktemp("view"), *small, *faults).record
        return made[name]

    return record


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """The command in this very process."""
    return lab_here(capsys)
