"""The host's clock that everything on this side of the wire is stamped with.

``CLOCK_MONOTONIC_RAW`` never jumps and is not slewed by NTP, so that two readings of it differ by what an oscillator
counted between them. Only differences mean anything: its zero is the host's start.
"""

from __future__ import annotations

import time


def host_ns() -> int:
    """Now, in nanoseconds of the host's clock."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
