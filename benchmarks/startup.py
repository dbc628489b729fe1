"""Start-up time of the command, against a bare interpreter and the help of other tools on the same interpreter.

    python benchmarks/startup.py

Each command is started many times by pyperf; what is printed last is the time on top of `python -c pass`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pyperf

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "lab --help": [str(BIN / "lab"), "--help"],
    "lab check imx8_npu.yaml": [str(BIN / "lab"), "check", str(ROOT / "experiments" / "imx8_npu.yaml")],
    "pyperf --help": [sys.executable, "-m", "pyperf", "--help"],
    "pytest --help": [sys.executable, "-m", "pytest", "--help"],
}


def mean_s(name: str, command: list[str], folder: Path) -> float:
    """Mean wall time of one start, by pyperf."""
    output = folder / f"{len(list(folder.iterdir()))}.json"
    subprocess.run(
        [
            *[sys.executable, "-m", "pyperf", "command", "--quiet", "--processes=10", "--values=2", "--warmups=1"],
            *["--name", name, "--output", str(output), "--", *command],
        ],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    return float(pyperf.BenchmarkSuite.load(str(output)).get_benchmark(name).mean())


def main() -> None:
    """Time each command and print them side by side."""
    with tempfile.TemporaryDirectory() as folder:
        times = {name: mean_s(name, command, Path(folder)) for name, command in COMMANDS.items()}
    bare = times["python -c pass"]
    print(f"{'command':<26}{'mean':>10}{'on top of a bare interpreter':>32}")
    for name, seconds in times.items():
        print(f"{name:<26}{seconds * 1e3:>8.0f} ms{(seconds - bare) * 1e3:>29.0f} ms")


if __name__ == "__main__":
    main()
