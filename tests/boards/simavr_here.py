"""What tests need that run firmware in simavr: whether it is here, the demonstration firmware, benches."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest
from serial_line import make

needs_simavr = pytest.mark.skipif(
    shutil.which("avr-gcc") is None
    or not Path("/usr/lib/avr/include").is_dir()
    or not Path("/usr/include/simavr/sim_avr.h").exists(),
    reason="no avr-gcc or no libsimavr here: `make emulators` installs both",
)

BENCH = """
bench: simavr
board: {kind: simavr}
instruments: {}
"""


@functools.cache
def demo() -> Path:
    """The demonstration firmware, built once."""
    return make("demo.elf")
