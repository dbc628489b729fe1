"""Energy from a JLS file: ours beside the vendor's library, naive NumPy, and what the machine can give, in one run.

    python benchmarks/trace_engine.py [--seconds 60] [--repeats 5] [--folder DIR] [--json]

Writes three traces of 2 MSps to a temporary folder and deletes them at the end: voltage, current and one logic line
under a load that comes and goes (1 GB for 60 s), the same under a constant load, and power alone (half of that). They
are read on one core, from the page cache: from one that was filled by reading the file, as when a record is looked at
later, and for one row from one that was filled by writing it, whose smaller pieces take longer to copy.

Every way of summing runs in a process of its own, from opening the file to closing it, the ways in turn; the shortest
time of all repeats is shown, the median beside it. Errors are relative to the exact sum, which is known because the
load repeats. Memory is the peak of what the process needed on top of what it had before it began. The heap is told to
keep what was freed: else glibc may give each block back and fetch fresh pages for the next, which more than halves the
speed of the ways that take a new array for every block (not of ours).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trace_engine_methods import METHODS

from analysis.trace_energy import PowerPyramid, window_energies
from lab.record.sealing import verified_sha256
from lab.record.traces.jls_trace import JlsTrace
from lab.record.traces.jls_writer import JlsWriter

RATE_HZ = 2_000_000
WRITTEN_AT_ONCE = 1 << 16
PERIOD = 1 << 19
SOURCE_RESISTANCE_OHM = 0.1
WINDOWS = 100_000
LENGTHS = (1_000, 100_000, 10_000_000)
PROGRAM = Path(__file__).with_name("trace_engine_methods.py")
KEEPING_HEAP = {"MALLOC_TRIM_THRESHOLD_": str(1 << 28), "MALLOC_MMAP_THRESHOLD_": str(1 << 27)}

JUST_WRITTEN = "ours, just written"
METHOD_OF = {JUST_WRITTEN: "ours"}

Load = dict[str, NDArray[Any]]


def changing_load() -> Load:
    """One period of a load that comes and goes, with noise; the supply sags under it."""
    rng = np.random.default_rng(1)
    busy = 1.0 + np.arange(PERIOD) // 20_000 % 2
    current = (busy * rng.lognormal(-1, 0.5, PERIOD)).astype(np.float32)
    voltage = (5 - SOURCE_RESISTANCE_OHM * current + 0.01 * rng.standard_normal(PERIOD)).astype(np.float32)
    logic = (np.arange(PERIOD) // 1000 % 2).astype(np.uint8)
    return {"current": current, "voltage": voltage, "power": current * voltage, "gpi0": logic}


def constant_load() -> Load:
    """The worst case of a float32 total: every addition rounds the same way."""
    logic = np.zeros(PERIOD, np.uint8)
    return {"current": np.full(PERIOD, 0.1, np.float32), "voltage": np.full(PERIOD, 3.3, np.float32), "gpi0": logic}


def write(path: Path, samples: int, load: Load, channels: tuple[str, ...]) -> None:
    """A trace of a load, again and again."""
    with JlsWriter(path, source="JS110", serial="0", rate_hz=RATE_HZ, channels=channels) as writer:
        for start in range(0, samples, WRITTEN_AT_ONCE):
            place = start % PERIOD
            stop = min(place + WRITTEN_AT_ONCE, place + samples - start)
            for channel in channels:
                writer.write(channel, start, load[channel][place:stop])
    with path.open("rb") as file:
        os.fsync(file.fileno())  # nobody shall be writing it to the disk while it is read


def read_back(path: Path) -> None:
    """Let go of a file's pages in the cache, and fetch them from the disk again."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while file.read(1 << 22):
            pass


def exact_sum(load: Load, samples: int) -> float:
    """Σ i·v over the samples that :func:`write` wrote; products of float32 are exact in float64, and fsum is exact."""
    products = (load["current"].astype(np.float64) * load["voltage"].astype(np.float64)).tolist()
    whole, rest = divmod(samples, PERIOD)
    return math.fsum([whole * math.fsum(products), math.fsum(products[:rest])])


def best(action: Callable[[], object], repeats: int) -> float:
    """Shortest time of several [s]."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def run_method(method: str, path: Path, samples: int) -> dict[str, Any]:
    """One run of a way of summing, in a process of its own."""
    program = [sys.executable, str(PROGRAM), method, str(path), str(samples)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, env={**os.environ, **KEEPING_HEAP})
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def whole_file(pair: Path, constant: Path, samples: int, repeats: int) -> list[dict[str, Any]]:
    """Σ i·v over the whole file, every way."""
    exact, exact_constant = (exact_sum(load, samples) for load in (changing_load(), constant_load()))
    runs: dict[str, list[dict[str, Any]]] = {method: [] for method in METHODS}
    runs[JUST_WRITTEN] = [run_method("ours", pair, samples) for _ in range(repeats)]
    read_back(pair)
    for _ in range(repeats):
        for method in METHODS:
            runs[method].append(run_method(method, pair, samples))
    rows: list[dict[str, Any]] = []
    for method, several in runs.items():
        seconds = [item["seconds"] for item in several]
        row = {
            "method": method,
            "seconds": seconds,
            "mpairs_per_s": samples / min(seconds) / 1e6,
            "median_mpairs_per_s": samples / statistics.median(seconds) / 1e6,
            "memory_mib": max(item["memory_mib"] for item in several),
            "error": None,
            "error_constant_load": None,
        }
        if several[0]["value"] is not None:
            row["error"] = abs(several[0]["value"] / exact - 1)
            constant_sum = run_method(METHOD_OF.get(method, method), constant, samples)["value"]
            row["error_constant_load"] = abs(constant_sum / exact_constant - 1)
        rows.append(row)
    return rows


def many_windows(path: Path, samples: int, repeats: int) -> dict[str, float]:
    """Windows of random place, as one per inference would be: opening the file included."""
    begins = np.sort(np.random.default_rng(1).uniform(0, samples - samples / WINDOWS, WINDOWS))
    ends = begins + 0.9 * samples / WINDOWS

    def run() -> None:
        with JlsTrace(path) as trace:
            window_energies(trace, begins, ends)

    return {"windows": WINDOWS, "seconds": best(run, repeats)}


def single_windows(path: Path, samples: int, repeats: int) -> list[dict[str, float]]:
    """One window of a power channel by its pyramid, beside the vendor's (which knows no fractional edges)."""
    from pyjls import Reader

    rows = []
    with JlsTrace(path) as trace, Reader(str(path)) as reader:
        pyramid = PowerPyramid(trace, ())
        for length in (*(length for length in LENGTHS if length < samples // 2), samples - 1_000):
            starts = np.linspace(100.25, samples - length - 100.25, 100).tolist()
            ours = [best(partial(pyramid.window, start, start + length), repeats) for start in starts]
            theirs = [best(partial(reader.fsr_statistics, 1, int(start), length, 1), repeats) for start in starts]
            found = pyramid.window(starts[0], starts[0] + length).seen_energy_j[0]
            exact = window_energies(trace, starts[0], starts[0] + length).seen_energy_j[0]
            rows.append(
                {
                    "samples": length,
                    "mean_us": 1e6 * statistics.mean(ours),
                    "slowest_us": 1e6 * max(ours),
                    "pyjls_mean_us": 1e6 * statistics.mean(theirs),
                    "error": abs(found / exact - 1),
                }
            )
    return rows


def once_per_file(pair: Path, power: Path, repeats: int) -> dict[str, float]:
    """What is done once to a file: opening, checking the pyramid, searching for gaps, checking all checksums."""
    with JlsTrace(power) as trace:
        pyramid_s = best(lambda: PowerPyramid(trace, ()), repeats)
        gaps_s = best(lambda: trace.missing("power"), repeats)
    with JlsTrace(pair) as trace:
        verify_s = best(trace.verify, repeats)
    size = pair.stat().st_size
    return {
        "opening_s": best(lambda: JlsTrace(pair).close(), repeats),
        "pyramid_s": pyramid_s,
        "gaps_s": gaps_s,
        "verify_mb_per_s": size / verify_s / 1e6,
        "sealing_mb_per_s": size / best(lambda: verified_sha256(pair), repeats) / 1e6,
    }


def show(found: dict[str, Any]) -> None:
    """The figures, for people."""
    rows = {row["method"]: row for row in found["whole_file"]}
    peer = rows["pyjls, 64 k chunks"]["mpairs_per_s"]
    print(f"energy of a whole file, from opening to closing: {found['samples'] / 1e6:.0f} M pairs, one core")
    print(f"{'':<24}{'Mpair/s':>9}{'median':>8}{'× pyjls':>9}{'memory':>11}{'error':>9}{'constant load':>15}")
    for method, row in rows.items():
        if method == "pyjls fsr_statistics":
            rates = f"{'summary':>9}{'only':>8}{'':>9}"
        else:
            rates = f"{row['mpairs_per_s']:>9.0f}{row['median_mpairs_per_s']:>8.0f}{row['mpairs_per_s'] / peer:>9.2f}"
        errors = "" if row["error"] is None else f"{row['error']:>9.0e}{row['error_constant_load']:>15.0e}"
        print(f"{method:<24}{rates}{row['memory_mib']:>7.0f} MiB{errors}")
    many = found["many_windows"]
    print(f"\n{many['windows']} windows in that file, opening it included: {many['seconds']:.2f} s")
    print(f"\n{'one window of a power channel':<30}{'mean':>8}{'slowest of 100':>17}{'pyjls':>9}{'error':>9}")
    for row in found["single_windows"]:
        print(
            f"{row['samples']:>21,} samples{row['mean_us']:>8.0f} µs{row['slowest_us']:>14.0f} µs"
            f"{row['pyjls_mean_us']:>6.0f} µs{row['error']:>9.0e}"
        )
    once = found["once_per_file"]
    print(
        f"\nonce per file: {once['opening_s'] * 1e3:.0f} ms to open it, {once['pyramid_s'] * 1e3:.0f} ms to check its "
        f"pyramid, {once['gaps_s'] * 1e3:.0f} ms to search it for gaps\n"
        f"all checksums: {once['verify_mb_per_s']:.0f} MB/s; with a SHA-256, as at sealing: "
        f"{once['sealing_mb_per_s']:.0f} MB/s"
    )
    print("\ntargets")
    for name, figure, met in targets(found):
        print(f"  {'met ' if met else 'MISSED'} {name}: {figure}")


def targets(found: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Each target, what was measured and whether it is met."""
    rows = {row["method"]: row for row in found["whole_file"]}
    ours = rows["ours"]
    error = max(ours["error"], ours["error_constant_load"])
    slowest_us = max(row["slowest_us"] for row in found["single_windows"])
    seconds = found["many_windows"]["seconds"]
    return [
        ("a whole file at 700 Mpair/s", f"{ours['mpairs_per_s']:.0f} Mpair/s", ours["mpairs_per_s"] >= 700),
        ("in less than 64 MiB", f"{ours['memory_mib']:.0f} MiB", ours["memory_mib"] < 64),
        ("with a relative error of at most 1e-8", f"{error:.0e}", error <= 1e-8),
        ("a window by the pyramid in 150 µs", f"{slowest_us:.0f} µs", slowest_us <= 150),
        ("100,000 windows in 1 s", f"{seconds:.2f} s", seconds <= 1),
    ]


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the traces")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where to write them")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    samples = int(chosen.seconds * RATE_HZ)
    needed = 22 * samples
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        if shutil.disk_usage(folder).free < 2 * needed:
            print(f"{folder}: less than {2 * needed / 1e9:.1f} GB free", file=sys.stderr)
            return 2
        pair, constant, power = (Path(folder) / name for name in ("pair.jls", "constant.jls", "power.jls"))
        write(pair, samples, changing_load(), ("current", "voltage", "gpi0"))
        write(constant, samples, constant_load(), ("current", "voltage", "gpi0"))
        write(power, samples, changing_load(), ("power",))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        found = {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "samples": samples,
            "whole_file": whole_file(pair, constant, samples, chosen.repeats),
            "many_windows": many_windows(pair, samples, chosen.repeats),
            "single_windows": single_windows(power, samples, chosen.repeats),
            "once_per_file": once_per_file(pair, power, chosen.repeats),
        }
    if chosen.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)
    return 0 if all(met for _, _, met in targets(found)) else 1


if __name__ == "__main__":
    sys.exit(main())
