"""The ways of computing energy from a JLS file that ``trace_engine.py`` compares, each run in a process of its own.

    python benchmarks/trace_engine_methods.py METHOD FILE SAMPLES

prints what it took, what came out and how much memory it needed, as JSON. What is imported, and for the limits of the
memory what is filled, comes before the clock starts.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from analysis.trace_energy import window_energies
from lab.record.traces.crc32c import vendor_crc32c
from lab.record.traces.jls_trace import JlsTrace

CHUNK = 1 << 16
"""Samples that are read at once, where the caller chooses: the size at which the vendor's library is fastest."""

PIECE = 1 << 20
"""Bytes."""

Way = Callable[[], float | None]
"""Computes Σ i·v in W; ``None`` where it only shows what the machine can do."""


def ours(path: Path, _samples: int) -> Way:
    """Open, sum, close."""
    vendor_crc32c()

    def run() -> float:
        with JlsTrace(path) as trace:
            return float(trace.block_sums().sum())

    return run


def ours_as_window(path: Path, samples: int) -> Way:
    """Open, energy of one window over all samples with its coverage, close."""
    vendor_crc32c()

    def run() -> float:
        with JlsTrace(path) as trace:
            return float(window_energies(trace, 0, samples).seen_energy_j[0]) * trace.rate_hz

    return run


def pyjls_chunks(path: Path, samples: int) -> Way:
    """The vendor's library, 64 k samples at a time, with a float64 total."""
    from pyjls import Reader

    def run() -> float:
        total = 0.0
        with Reader(str(path)) as reader:
            for start in range(0, samples, CHUNK):
                count = min(CHUNK, samples - start)
                current, voltage = reader.fsr(1, start, count), reader.fsr(2, start, count)
                total += float(np.dot(current.astype(np.float64), voltage.astype(np.float64)))
        return total

    return run


def pyjls_statistics(path: Path, samples: int) -> Way:
    """The vendor's summaries: mean current times mean voltage, which is not the mean of the products."""
    from pyjls import Reader

    def run() -> float:
        with Reader(str(path)) as reader:
            current, voltage = (float(reader.fsr_statistics(signal, 0, samples, 1)[0, 0]) for signal in (1, 2))
        return current * voltage * samples

    return run


def numpy_float32(path: Path, samples: int) -> Way:
    """Whole channels as they come, one dot product."""
    from pyjls import Reader

    def run() -> float:
        with Reader(str(path)) as reader:
            return float(np.dot(reader.fsr(1, 0, samples), reader.fsr(2, 0, samples)))

    return run


def numpy_float64(path: Path, samples: int) -> Way:
    """Whole channels, widened to float64 before they are multiplied and summed."""
    from pyjls import Reader

    def run() -> float:
        with Reader(str(path)) as reader:
            current, voltage = reader.fsr(1, 0, samples), reader.fsr(2, 0, samples)
        return float(np.sum(current.astype(np.float64) * voltage.astype(np.float64)))

    return run


def file_read(path: Path, _samples: int) -> Way:
    """The file's bytes out of the page cache into one small buffer, nothing computed."""
    buffer = memoryview(bytearray(PIECE))

    def run() -> None:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    return run


def memory_dot(_path: Path, samples: int) -> Way:
    """float32 dot products of slices of two arrays that lie in memory."""
    left, right = np.ones(samples, np.float32), np.ones(samples, np.float32)

    def run() -> None:
        for start in range(0, samples, CHUNK):
            np.dot(left[start : start + CHUNK], right[start : start + CHUNK])

    return run


def memory_sum(_path: Path, samples: int) -> Way:
    """np.sum over as many float32 bytes as two channels have, lying in memory."""
    both = np.ones(2 * samples, np.float32)

    def run() -> None:
        both.sum()

    return run


def memory_copy(_path: Path, samples: int) -> Way:
    """These bytes copied, a piece at a time, into a buffer that stays in the cache."""
    both, target = np.ones(2 * samples, np.float32), np.empty(PIECE // 4, np.float32)

    def run() -> None:
        for start in range(0, both.size, target.size):
            piece = both[start : start + target.size]
            np.copyto(target[: piece.size], piece)

    return run


METHODS: dict[str, Callable[[Path, int], Way]] = {
    "ours": ours,
    "ours, as one window": ours_as_window,
    "pyjls, 64 k chunks": pyjls_chunks,
    "pyjls fsr_statistics": pyjls_statistics,
    "NumPy, whole, float32": numpy_float32,
    "NumPy, whole, float64": numpy_float64,
    "read the file": file_read,
    "memory: np.dot": memory_dot,
    "memory: np.sum": memory_sum,
    "memory: copy": memory_copy,
}


def memory_mib(field: str) -> float:
    """A field of /proc/self/status in MiB; 0 where there is none."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def measured(method: str, path: Path, samples: int) -> dict[str, Any]:
    """One run in this fresh process."""
    way = METHODS[method](path, samples)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # begin a new peak
    except OSError:
        return {"error": "this system does not tell a process its peak memory"}
    before = memory_mib("VmRSS")
    cpu, start = time.process_time(), time.perf_counter()
    value = way()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "cpu_s": cpu, "value": value, "memory_mib": max(memory_mib("VmHWM") - before, 0.0)}


def main() -> int:
    """Run one method."""
    method, path, samples = sys.argv[1:]
    print(json.dumps({"pid": os.getpid(), **measured(method, Path(path), int(samples))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
