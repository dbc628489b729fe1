"""Where the lab keeps what it built or made and can make again: programs, drawn data, images of emulated boards."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Kept between campaigns: ``$LAB_CACHE``, else the user's cache folder. It need not exist yet."""
    if chosen := os.environ.get("LAB_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "embedded-lab"
