"""Random numbers that do not depend on when a pass is run, or how often it was tried."""

from __future__ import annotations

import hashlib


def derived_seed(campaign_seed: int, *parts: object) -> int:
    """A 63-bit seed from the campaign's seed and what it is for; the same on every machine and Python version."""
    text = "/".join([str(campaign_seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
