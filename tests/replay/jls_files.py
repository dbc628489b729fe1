"""JLS files as other programs leave them, for the tests only: any names, types and rates, written by the library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.record.traces.jls_writer import _reused_heap
from lab.record.traces.recordings import PlayedStretch, Recording

F32, F64, U1, U4, U8 = 0x2004, 0x4004, 0x0103, 0x0403, 0x0803


@dataclass(frozen=True)
class ForeignSignal:
    """A signal to write; ``samples`` one per element, ``first`` the number of the first by the signal's own count."""

    name: str
    samples: NDArray[Any]
    rate_hz: int = 1000
    first: int = 0
    data_type: int = F32
    units: str = ""
    source: int = 1
    utc: Sequence[tuple[int, int]] = ()


def packed(samples: NDArray[Any], data_type: int) -> NDArray[Any]:
    """As the library wants it: whole bytes of bits, two halves to a byte."""
    if data_type == U1:
        return np.packbits(np.append(samples, np.full(-samples.size % 8, samples[-1])), bitorder="little")
    if data_type == U4:
        even = np.append(samples, np.zeros(samples.size % 2, np.uint8)).astype(np.uint8)
        return even[::2] | even[1::2] << 4
    return samples.astype({F32: np.float32, F64: np.float64, U8: np.uint8}[data_type])


def write_foreign(
    path: Path,
    signals: Sequence[ForeignSignal],
    *,
    sources: Sequence[tuple[str, str]] = (("JS220-001234", "JS220"),),
    pieces: int = 4096,
    omit: bool = False,
) -> Path:
    """Write the signals a piece at a time, in turn. ``sources`` are (name, model); ``omit`` leaves chunks of constant
    level out."""
    from pyjls import Writer

    with _reused_heap():
        writer = Writer(str(path))
    with writer:
        for number, (name, model) in enumerate(sources, start=1):
            writer.source_def(number, name=name, vendor="Jetperch", model=model, serial_number=name[-6:])
        for number, signal in enumerate(signals, start=1):
            writer.signal_def(
                number,
                signal.source,
                data_type=signal.data_type,
                sample_rate=signal.rate_hz,
                name=signal.name,
                units=signal.units,
            )
            if omit and signal.data_type in (U1, U4, U8):
                # The library's switch is the wrong way round: false asks it to leave constant chunks out.
                writer.fsr_omit_data(number, False)
            for sample, ticks in signal.utc:
                writer.utc(number, sample, ticks)
        longest = max(signal.samples.size for signal in signals)
        for start in range(0, longest, pieces):
            for number, signal in enumerate(signals, start=1):
                part = signal.samples[start : start + pieces]
                if part.size:
                    writer.fsr(number, signal.first + start, packed(part, signal.data_type))
    return path


def load(length: int, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Current and voltage of some load."""
    rng = np.random.default_rng(seed)
    current = rng.lognormal(-2, 1, length).astype(np.float32)
    return current, (5 + 0.1 * rng.standard_normal(length)).astype(np.float32)


@dataclass
class Played:
    """Everything of a recording, missing samples NaN (255 of a line)."""

    analog: dict[str, NDArray[np.float32]]
    logic: dict[str, NDArray[np.uint8]]
    stretches: list[PlayedStretch]
    findings: tuple[tuple[str, str], ...]

    @property
    def present(self) -> NDArray[np.bool_]:
        return ~np.isnan(next(iter(self.analog.values())))

    @property
    def energy(self) -> float:
        """Sum of the power."""
        if "current" in self.analog:
            product = self.analog["current"].astype(np.float64) * self.analog["voltage"].astype(np.float64)
            return float(np.nansum(product))
        return float(np.nansum(self.analog["power"].astype(np.float64)))


def played(recording: Recording) -> Played:
    """Play a recording to its end."""
    analog = {name: np.full(recording.length, np.nan, np.float32) for name in recording.analog}
    logic = {name: np.full(recording.length, 255, np.uint8) for name in recording.lines}
    stretches = list(recording.stretches())
    end = 0
    for stretch in stretches:
        assert stretch.first_sample >= end
        size = next(iter(stretch.analog.values())).size
        end = stretch.first_sample + size
        assert end <= recording.length
        part = slice(stretch.first_sample, end)
        for name, samples in stretch.analog.items():
            assert samples.dtype == np.float32
            assert np.isfinite(samples).all()
            analog[name][part] = samples
        for name, levels in stretch.logic.items():
            assert set(np.unique(levels)) <= {0, 1}
            logic[name][part] = levels
    return Played(analog, logic, stretches, recording.findings())


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from lab.record.traces.jls_writer import JlsWriter
path, samples, kill_at = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(1)
current = rng.lognormal(-2, 1, samples).astype(np.float32)
voltage = (5 + 0.1 * rng.standard_normal(samples)).astype(np.float32)
level = np.zeros(samples, np.uint8)
level[samples // 4 : samples // 2] = 1
writer = JlsWriter(path, source="JS220", serial="7", rate_hz=100_000, channels=("current", "voltage", "gpi0"))
for start in range(0, samples, 5000):
    if start >= kill_at:
        writer._writer.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    part = slice(start, start + 5000)
    writer.write("current", start, current[part])
    writer.write("voltage", start, voltage[part])
    writer.write("gpi0", start, level[part])
"""


def killed_recording(path: Path, samples: int, kill_at: int) -> Path:
    """A file whose recorder was killed with SIGKILL once it had written ``kill_at`` samples of :func:`load`."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER, str(path), str(samples), str(kill_at)], capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr.decode()
    return path
