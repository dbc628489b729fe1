"""The helpers that other folders of tests have: the real command, campaigns run small, made-up recordings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.extend(str(Path(__file__).parents[1] / name) for name in ("cli", "campaign", "replay"))

from lab_command import Here, lab_here


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """The command in this very process."""
    return lab_here(capsys)
