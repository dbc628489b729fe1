"""What the lab keeps beside a pass of how its firmware was made: ``made.json``.

``steps`` (name → command, and the last JSON object that it printed), ``image`` (name, SHA-256), ``quantities`` (name →
number, taken from what steps printed).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MADE_FILE = "made.json"


def read_made(folder: Path) -> Mapping[str, Any]:
    """The file of a pass's output; empty where it is missing or damaged."""
    try:
        made = json.loads((folder / MADE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return made if isinstance(made, dict) else {}
