"""Energy from a JLS file: ours beside the vendor's library, naive NumPy, and what the memory can give, in one run.

    python benchmarks/trace_engine.py [--seconds 60] [--folder DIR]

Writes a trace of 2 MSps voltage, current and one logic line (1 GB for 60 s), and one of power (half of that), to a
temporary folder, reads them on one core from the page cache, and deletes them. The best of several repeats is shown.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analysis.trace_energy import PowerPyramid, window_energies
from lab.record.traces.jls_mapped import MappedJls
from lab.record.traces.jls_writer import JlsWriter

RATE_HZ = 2_000_000
WRITTEN_AT_ONCE = 1 << 16
CHUNK = 1 << 16


def write(path: Path, samples: int, channels: tuple[str, ...]) -> None:
    """A load with noise, repeating every half million samples."""
    rng = np.random.default_rng(1)
    period = 1 << 19
    current = rng.lognormal(-1, 0.5, period).astype(np.float32)
    voltage = (5 + 0.01 * rng.standard_normal(period)).astype(np.float32)
    logic = (np.arange(period) // 1000 % 2).astype(np.uint8)
    data = {"current": current, "voltage": voltage, "power": current * voltage, "gpi0": logic}
    with JlsWriter(path, source="JS110", serial="0", rate_hz=RATE_HZ, channels=channels) as writer:
        for start in range(0, samples, WRITTEN_AT_ONCE):
            place = start % period
            stop = min(place + WRITTEN_AT_ONCE, place + samples - start)
            for channel in channels:
                writer.write(channel, start, data[channel][place:stop])


def best(action: Callable[[], object], repeats: int) -> float:
    """Shortest time of several [s]."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def pairs_chunked(reader: object, samples: int) -> float:
    """Σ i·v by the vendor's library, 64 k samples at a time, with a float64 total."""
    total = 0.0
    for start in range(0, samples, CHUNK):
        count = min(CHUNK, samples - start)
        current, voltage = reader.fsr(1, start, count), reader.fsr(2, start, count)  # type: ignore[attr-defined]
        total += float(np.dot(current.astype(np.float64), voltage.astype(np.float64)))
    return total


def pairs_naive(reader: object, samples: int) -> float:
    """Σ i·v of whole channels as float64 arrays."""
    current, voltage = reader.fsr(1, 0, samples), reader.fsr(2, 0, samples)  # type: ignore[attr-defined]
    return float(np.sum(current.astype(np.float64) * voltage.astype(np.float64)))


def memory_limit() -> float:
    """Pairs per second at which one core can read two float32 arrays from memory (a float32 dot product of slices)."""
    size = 1 << 25
    left, right = np.ones(size, np.float32), np.ones(size, np.float32)

    def read() -> None:
        for start in range(0, size, CHUNK):
            np.dot(left[start : start + CHUNK], right[start : start + CHUNK])

    return size / best(read, 5)


def whole_file(path: Path, samples: int) -> None:
    """Σ i·v over the whole file: every way."""
    from pyjls import Reader

    def first_pass() -> float:
        with MappedJls(path) as trace:
            return float(trace.block_sums().sum())

    limit = memory_limit()
    rows = {"memory, read only": limit}
    with MappedJls(path) as trace:
        rows["ours"] = samples / best(trace.block_sums, 5)
        ours = float(window_energies(trace, 0, samples).seen_energy_j[0]) * RATE_HZ
        tracemalloc.start()
        window_energies(trace, 0, samples)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        exact = np.longdouble(0)
        for _, power in trace.products():
            exact += power.astype(np.longdouble).sum()
    rows["ours, with opening and mapping"] = samples / best(first_pass, 3)
    reader = Reader(str(path))
    rows["pyjls, 64 k chunks"] = samples / best(lambda: pairs_chunked(reader, samples), 2)
    rows["naive NumPy, whole channels"] = samples / best(lambda: pairs_naive(reader, samples), 1)
    reader.close()
    print(f"energy of a whole file: {samples / 1e6:.0f} M pairs of voltage and current, one core")
    print(f"{'':<34}{'Mpair/s':>9}{'of memory':>11}{'× pyjls':>9}")
    for name, rate in rows.items():
        print(f"{name:<34}{rate / 1e6:>9.0f}{rate / limit:>11.2f}{rate / rows['pyjls, 64 k chunks']:>9.2f}")
    print(f"working memory {peak / 2**20:.1f} MiB; relative error {abs(ours / float(exact) - 1):.1e}")


def many_windows(path: Path, samples: int, count: int = 100_000) -> None:
    """Windows of random place, as one per inference would be."""
    begins = np.sort(np.random.default_rng(1).uniform(0, samples - samples / count, count))
    with MappedJls(path) as trace:
        seconds = best(lambda: window_energies(trace, begins, begins + 0.9 * samples / count), 3)
    print(f"\n{count} windows in that file: {seconds:.2f} s")


def single_windows(path: Path, samples: int) -> None:
    """One window of a power channel by its pyramid, beside the vendor's (which knows no fractional edges)."""
    from pyjls import Reader

    print(f"\none window of a power channel{'ours':>12}{'pyjls fsr_statistics':>24}{'against a whole sum':>22}")
    reader = Reader(str(path))
    with MappedJls(path) as trace:
        opening = best(lambda: PowerPyramid(trace, ()), 1)
        searching = best(lambda: trace.missing("power"), 1)
        pyramid = PowerPyramid(trace, ())
        for length in (1_000, 100_000, 10_000_000, samples - 1_000):
            starts = np.linspace(100.25, samples - length - 100.25, 100)
            ours = best(lambda starts=starts, length=length: [pyramid.window(s, s + length) for s in starts], 5)
            whole = [int(start) for start in starts]
            theirs = best(lambda whole=whole, length=length: [reader.fsr_statistics(1, s, length, 1) for s in whole], 5)
            found = pyramid.window(starts[0], starts[0] + length).seen_energy_j[0]
            error = found / window_energies(trace, starts[0], starts[0] + length).seen_energy_j[0] - 1
            print(f"{length:>17} samples{ours * 1e4:>14.0f} µs{theirs * 1e4:>21.0f} µs{abs(error):>22.1e}")
    reader.close()
    print(f"once per file: {opening * 1e3:.0f} ms to check the pyramid, {searching * 1e3:.0f} ms to search for gaps")


def checksums(path: Path) -> None:
    """The check of every checksum, as at sealing."""
    with MappedJls(path) as trace:
        seconds = best(trace.verify, 1)
    print(f"\nall checksums of {path.stat().st_size / 1e9:.2f} GB: {seconds:.1f} s")


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the trace")
    parser.add_argument("--folder", type=Path, default=None, help="where to write it")
    chosen = parser.parse_args()
    samples = int(chosen.seconds * RATE_HZ)
    needed = 14 * samples
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        if shutil.disk_usage(folder).free < 2 * needed:
            print(f"{folder}: less than {2 * needed / 1e9:.1f} GB free", file=sys.stderr)
            return 1
        pair, power = Path(folder) / "pair.jls", Path(folder) / "power.jls"
        write(pair, samples, ("current", "voltage", "gpi0"))
        write(power, samples, ("power",))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        whole_file(pair, samples)
        many_windows(pair, samples)
        single_windows(power, samples)
        checksums(pair)
    return 0


if __name__ == "__main__":
    sys.exit(main())
