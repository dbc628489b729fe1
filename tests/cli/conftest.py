"""A small record of the study on the simulated bench, made once by the real command."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "campaign"))

from campaigns import SHORT, SMALL
from lab_command import STUDY, Here, lab, lab_here, only_record, settings


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """The command in this very process: quick, for what neither runs programs nor takes signals."""
    return lab_here(capsys)


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record; not to be changed."""
    records = tmp_path_factory.mktemp("records")
    overrides = (
        *SHORT,
        *SMALL,
        "factors.platform=[NPU, CPU 1-core]",
        "repeats=2",
        "analysis.figures=[]",
        "analysis.correlations=[]",
    )
    done = lab("run", STUDY, "--records", records, "--no-report", *settings(overrides))
    assert done.code == 0, done.err
    assert done.err == "", "nothing but faults is said where nobody looks"
    return only_record(records)


@pytest.fixture
def record(sealed: Path, tmp_path: Path) -> Path:
    """A copy of the record, to be damaged."""
    return Path(shutil.copytree(sealed, tmp_path / "records" / "imx8_npu" / sealed.name))
