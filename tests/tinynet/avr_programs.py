"""Firmware built around networks, and run in simavr without a terminal."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tinynet.quantized import QuantizedNetwork

FIRMWARE = Path(__file__).parents[2] / "workloads" / "tinynet" / "firmware"
CLOCK_HZ = 20_000_000

needs_avr_gcc = pytest.mark.skipif(
    shutil.which("avr-gcc") is None or not Path("/usr/lib/avr/include").is_dir(),
    reason="no avr-gcc here: `make emulators` installs it (apt install gcc-avr avr-libc)",
)
needs_simavr = pytest.mark.skipif(
    not Path("/usr/include/simavr/sim_avr.h").exists(),
    reason="no libsimavr here: `make emulators` installs it (apt install libsimavr-dev)",
)


@dataclass(frozen=True)
class Answered:
    """What the firmware sent, and when (in cycles) the pin was up and a layer was done."""

    bytes: bytes
    windows: list[tuple[int, int]]
    layers: list[list[int]]

    def outputs(self, network: QuantizedNetwork) -> np.ndarray:
        return np.frombuffer(self.bytes, np.int8).reshape(-1, network.outputs)


def make(target: str, *options: str) -> Path:
    """Build one of the Makefile's files in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tinynet-firmware-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = subprocess.run(
        ["make", "-s", "-C", FIRMWARE, f"BUILD={folder}", *options, f"{folder}/{target}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / target


@functools.cache
def simavr_feed() -> Path:
    return make("simavr_feed")


def feed(elf: Path, requests: bytes, request: int, answer: int, seconds: float = 20) -> Answered:
    """Run a firmware on requests of ``request`` bytes each, answered with ``answer`` bytes."""
    done = subprocess.run(
        [str(simavr_feed()), str(elf), str(CLOCK_HZ), str(request), str(answer), str(seconds)],
        input=requests,
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, f"simavr_feed ended with {done.returncode} after {len(done.stdout)} bytes"
    windows: list[tuple[int, int]] = []
    layers: list[list[int]] = []
    begin = 0
    for line in done.stderr.decode().splitlines():
        what, value, cycle = line.split()
        if (what, value) == ("window", "1"):
            begin = int(cycle)
            layers.append([])
        elif what == "window" and begin:
            windows.append((begin, int(cycle)))
        elif what == "layer" and layers:
            layers[-1].append(int(cycle))
    return Answered(done.stdout, windows, layers)
