"""Wall time and peak memory of the whole simulated study, from the command line to the report, against its targets.

python benchmarks/study.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAB = Path(sys.executable).parent / "lab"
TARGET_S = 60.0
TARGET_MB = 500.0


def main() -> None:
    """Run the study once in a fresh folder and print what it took."""
    with tempfile.TemporaryDirectory() as records:
        began_s = time.perf_counter()
        subprocess.run(
            [str(LAB), "run", "experiments/imx8_npu.yaml", "--quiet", "--records", records],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        wall_s = time.perf_counter() - began_s
        record_mb = sum(path.stat().st_size for path in Path(records).rglob("*") if path.is_file()) / 1e6
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Linux gives the largest process's peak in KiB.
    peak_mb = used.ru_maxrss * 1024 / 1e6
    print(f"{'lab run imx8_npu.yaml':<24}{'measured':>12}{'target':>12}{'kept':>8}")
    print(f"{'wall time':<24}{wall_s:>10.1f} s{TARGET_S:>10.0f} s{_kept(wall_s <= TARGET_S):>8}")
    print(f"{'peak memory':<24}{peak_mb:>9.0f} MB{TARGET_MB:>9.0f} MB{_kept(peak_mb <= TARGET_MB):>8}")
    print(f"{'processor time':<24}{used.ru_utime + used.ru_stime:>10.1f} s")
    print(f"{'size of the record':<24}{record_mb:>9.0f} MB")


def _kept(fulfilled: bool) -> str:
    return "yes" if fulfilled else "NO"


if __name__ == "__main__":
    main()
