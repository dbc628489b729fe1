"""How long ``lab view`` takes over a long trace, and how much memory: 60 s at 2 MSps, which is 1 GB, unless told else.

    python benchmarks/long_view.py
    python benchmarks/long_view.py --seconds 10 --json

Writes the trace into a folder of its own, which is removed afterwards, and starts the real command on it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from lab.record.traces.jls_writer import JlsWriter

RATE_HZ = 2_000_000
_ACTIVE = (1 / 6, 5 / 6)

# What the kernel keeps of a process beyond its start (ru_maxrss) includes the parent it was forked from.
_COMMAND = """
import re, sys
from pathlib import Path
from lab.cli.main import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def write_trace(path: Path, seconds: int) -> None:
    """A noisy board, idle and at work in turn, with a gap of 40 ms and a spike of one sample."""
    rng = np.random.default_rng(1)
    current_noise, voltage_noise = (rng.normal(0, scale, RATE_HZ).astype(np.float32) for scale in (2e-3, 1e-3))
    phase = np.arange(RATE_HZ) % 3260 < 1800
    with JlsWriter(
        path, source="JS110", serial="1", rate_hz=RATE_HZ, channels=("current", "voltage", "gpi0")
    ) as writer:
        for second in range(seconds):
            active = _ACTIVE[0] <= second / seconds < _ACTIVE[1]
            current = (current_noise + (0.36 + 0.08 * phase if active else 0.25)).astype(np.float32)
            if second == seconds // 2:
                current[RATE_HZ // 3] = 1.9
                current[RATE_HZ // 2 : RATE_HZ // 2 + RATE_HZ // 25] = np.nan
            first = second * RATE_HZ
            writer.write("current", first, current)
            writer.write("voltage", first, (12.0 - 0.02 * np.nan_to_num(current) + voltage_noise).astype(np.float32))
            writer.write("gpi0", first, np.full(RATE_HZ, active, np.uint8))


def measured(*arguments: str | Path) -> tuple[float, float]:
    """Seconds that ``lab`` took, start of the interpreter included, and its peak resident memory in MB."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - begin, float(done.stdout.split()[-1]) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="length of the trace")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to write it")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        trace, page = Path(name) / "trace.jls", Path(name) / "trace.html"
        write_trace(trace, args.seconds)
        command = ("view", trace, "-o", page)
        runs = [measured(*command) for _ in range(args.repeats)]
        stretch = [measured(*command, "--from", "1", "--to", "1.05") for _ in range(args.repeats)]
        found = {
            "samples": args.seconds * RATE_HZ,
            "trace_mb": trace.stat().st_size / 1e6,
            "page_mb": page.stat().st_size / 1e6,
            "view_s": median(seconds for seconds, _ in runs),
            "view_with_stretch_s": median(seconds for seconds, _ in stretch),
            "peak_mb": max(peak for _, peak in [*runs, *stretch]),
        }
    if args.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{found['samples'] / 1e6:.0f} million samples, {found['trace_mb']:.0f} MB, page {found['page_mb']:.1f} MB")
    print(f"lab view                     {found['view_s']:6.2f} s")
    print(f"lab view --from 1 --to 1.05  {found['view_with_stretch_s']:6.2f} s")
    print(f"peak memory                  {found['peak_mb']:6.0f} MB")


if __name__ == "__main__":
    main()
