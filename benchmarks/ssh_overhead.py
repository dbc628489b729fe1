"""What a pass on a board behind SSH costs beyond its program: the lab, against bare `ssh BOARD perf stat` in a loop.

    python benchmarks/ssh_overhead.py [--host BOARD] [--passes 20] [--rounds 5] [--json]

The program is `true`, so nearly all of the time is overhead. Without `--host` the board is this machine: a server of
its own on 127.0.0.1, with keys made for it, so that no network adds to either side. The peers run
`perf stat -j -o FILE -e … -- true` on the board and bring FILE's content back: once over a new connection each time, as
one types it, and once over one that is kept (`ControlMaster`). The lab does the same through its agent and through
plain `sh`: a fresh folder for the pass, everything that the program left ended, output and counts fetched and kept,
every document appended to the record, flushed. What happens once in a campaign (connecting, copying the agent, plan,
manifest, checksums) is not counted.

The ways are run in turn, in rounds; shown are the median and the least of the rounds' means. Needs perf on the board,
and without `--host` an SSH server here.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trial_overhead import Stopwatch

from lab.bench.model import Bench
from lab.experiment.load import LoadedExperiment
from lab.experiment.model import Experiment
from lab.runner.session import start

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "boards"))
from loopback_sshd import ABSENT, HOST, MISSING, LoopbackSshd

EVENTS = ("page-faults", "context-switches", "task-clock")

NEW, KEPT, AGENT, SHELL = "ssh, a new connection each", "ssh, one connection kept", "lab, its agent", "lab, plain sh"


def by_lab(board: dict[str, Any], agent: str, passes: int, cache: Path) -> float:
    """Seconds that a campaign spends in so many passes."""
    bench = Bench.model_validate(
        {
            "bench": "far",
            "board": {"kind": "ssh", "agent": agent, **board},
            "instruments": {"perf": {"kind": "counters", "by": "perf_stat", "events": list(EVENTS)}},
        }
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "program"
        program.mkdir()
        experiment = Experiment.model_validate(
            {
                "experiment": "overhead",
                "workload": {
                    "kind": "program",
                    "source": str(program),
                    "command": ["true"],
                    "reader": "none",
                    "per": "process",
                },
                "passes": {"counters": {"events": list(EVENTS)}},
                "repeats": passes,
            }
        )
        loaded = LoadedExperiment(
            experiment=experiment,
            bench=bench,
            experiment_path=folder / "overhead.yaml",
            bench_path=folder / "bench.yaml",
            experiment_text="",
            bench_text="",
        )
        watch = Stopwatch()
        start(loaded, folder / "records", cache, watch)
        return watch.elapsed_s


def bare(ssh: list[str], passes: int) -> float:
    """Seconds that so many calls of perf take, each by an `ssh` of its own."""
    perf = f'perf stat -j -o "$f" -e {",".join(EVENTS)} -- true'
    command = [*ssh, f'f=$(mktemp) && {perf} && cat "$f"; rm -f "$f"']
    began_s = time.perf_counter()
    for _ in range(passes):
        done = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        assert b"page-faults" in done.stdout
    return time.perf_counter() - began_s


def measure(board: dict[str, Any], ssh: list[str], passes: int, rounds: int, folder: Path) -> dict[str, list[float]]:
    """Seconds of one pass in each round, every way in turn."""
    socket = folder / "kept"
    kept = [*ssh[:1], "-S", str(socket), *ssh[1:]]
    master = subprocess.Popen([*ssh[:1], "-M", "-N", "-S", str(socket), *ssh[1:]], stdin=subprocess.DEVNULL)
    try:
        while not socket.exists():
            if master.poll() is not None:
                sys.exit(f"ssh_overhead.py: no connection: {shlex.join(ssh)}")
            time.sleep(0.01)
        ways: dict[str, Callable[[], float]] = {
            NEW: lambda: bare(ssh, passes),
            KEPT: lambda: bare(kept, passes),
            AGENT: lambda: by_lab(board, "required", passes, folder / "cache"),
            SHELL: lambda: by_lab(board, "none", passes, folder / "cache"),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                times[name].append(way() / passes)
        return times
    finally:
        master.terminate()
        master.wait()


def show(times: dict[str, list[float]]) -> None:
    """The figures, for people."""
    new, kept = (statistics.median(times[name]) for name in (NEW, KEPT))
    print(f"{'one pass of `true`':<28}{'median':>10}{'least':>10}{'× new':>8}{'× kept':>8}")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(
            f"{name:<28}{middle * 1e3:>7.1f} ms{min(seconds) * 1e3:>7.1f} ms{middle / new:>8.2f}{middle / kept:>8.2f}"
        )


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", help="a board with perf, as for ssh; this machine if not given")
    parser.add_argument("--passes", type=int, default=20, help="passes of one timed value")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lab-") as name:
        folder = Path(name)
        if chosen.host is not None:
            times = measure({"host": chosen.host}, ["ssh", chosen.host], chosen.passes, chosen.rounds, folder)
        else:
            if ABSENT or shutil.which("perf") is None:
                sys.exit(f"ssh_overhead.py: {MISSING}, and perf (Debian: apt install linux-perf)")
            server = LoopbackSshd(folder)
            server.start()
            try:
                config = str(server.ssh_config)
                board = {"host": HOST, "ssh_config": config}
                times = measure(board, ["ssh", "-F", config, HOST], chosen.passes, chosen.rounds, folder)
            finally:
                server.stop()
    if chosen.json:
        print(json.dumps(times, indent=1))
    else:
        show(times)
    return 0


if __name__ == "__main__":
    sys.exit(main())
