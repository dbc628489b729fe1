"""Wall time and peak memory of all figures of the thesis from a record of 33 variations × 3 platforms × 10 repeats.

python benchmarks/thesis_figures.py [RECORDS]

The record is made on the simulated bench once (some minutes) and kept in RECORDS, `.cache/thesis_figures` if none is
named; it is found there the next time. On a busy machine processor time says more than wall time.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAB = Path(sys.executable).parent / "lab"
REPEATS = 10
TARGET_S = 20.0


def main() -> None:
    """Make or find the record, draw everything from it, and print what it took."""
    records = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".cache" / "thesis_figures"
    record = _record(records)
    print(f"{'lab figures --thesis':<34}{'measured':>12}{'target':>12}{'kept':>8}{'processor':>12}")
    for title, options in (
        ("results as they lie there", []),
        ("results rebuilt from raw files", ["--process"]),
        ("one process", ["--jobs", "1"]),
    ):
        wall_s, used_s, drawn = _drawn(record, options)
        kept = "yes" if wall_s <= TARGET_S else "NO"
        print(f"{f'{title}, {drawn} figures':<34}{wall_s:>10.1f} s{TARGET_S:>10.0f} s{kept:>8}{used_s:>10.1f} s")
    # Linux gives the largest process's peak in KiB.
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    print(f"{'peak memory of a process':<34}{peak_mb:>9.0f} MB")


def _record(records: Path) -> Path:
    for manifest in sorted(records.glob("*/*/manifest.json"), reverse=True):
        content = json.loads(manifest.read_text(encoding="utf-8"))
        if content["state"] == "complete" and content["experiment"]["resolved"]["repeats"] == REPEATS:
            return manifest.parent
    experiment = ["experiments/imx8_npu.yaml", "--set", f"repeats={REPEATS}"]
    command = [str(LAB), "run", *experiment, "--records", str(records.resolve()), "--quiet", "--no-report"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return max(records.glob("*/*/manifest.json")).parent


def _drawn(record: Path, options: list[str]) -> tuple[float, float, int]:
    """Seconds from the command line to the last file, processor time of all processes, how many figures were drawn."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(LAB), "figures", str(record), "--thesis", "--out", folder, "--json", *options]
        began_s, before_s = time.perf_counter(), _processor_s()
        done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
        wall_s = time.perf_counter() - began_s
    return wall_s, _processor_s() - before_s, int(json.loads(done.stdout)["drawn"])


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
