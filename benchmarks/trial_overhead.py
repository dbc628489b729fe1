"""What a trial costs beyond its program: the lab on this host with `perf stat`, against bare `perf stat` in a loop.

    python benchmarks/trial_overhead.py

The program is `true`, so nearly all of the time is overhead. The peer starts `perf stat -j -o FILE -e … -- true` from
Python and does nothing else; the lab starts the same, keeps what was printed, reads the counts, and appends every
document to the record, flushed. What happens once in a campaign (plan, opening, manifest, checksums, processing) is not
counted. Needs perf.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyperf

from lab.bench.model import Bench
from lab.experiment.load import LoadedExperiment
from lab.experiment.model import Experiment
from lab.runner.progress import Silent
from lab.runner.session import start

EVENTS = ("page-faults", "context-switches", "task-clock")
TRIALS = 50
"""Trials of one timed value."""

BENCH = Bench.model_validate(
    {
        "bench": "this_host",
        "board": {"kind": "local"},
        "instruments": {"perf": {"kind": "counters", "events": list(EVENTS)}},
    }
)


class Stopwatch(Silent):
    """Hears when the first pass of a campaign begins and when the last one ended."""

    def __init__(self) -> None:
        self.began_s: float | None = None
        self.ended_s = 0.0

    def pass_begins(self, pass_id: str, label: str) -> None:
        if self.began_s is None:
            self.began_s = time.perf_counter()

    def pass_ends(self, pass_id: str, state: str, faults: tuple[str, ...]) -> None:
        assert state == "done", f"{pass_id}: {faults}"
        self.ended_s = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        """From the beginning of the first pass to the end of the last."""
        assert self.began_s is not None
        return self.ended_s - self.began_s


def by_lab(trials: int) -> float:
    """Seconds that a campaign spends in so many trials of one pass each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment = Experiment.model_validate(
            {
                "experiment": "overhead",
                "workload": {
                    "kind": "program",
                    "source": name,
                    "command": ["true"],
                    "reader": "none",
                    "per": "process",
                },
                "passes": {"counters": {"events": list(EVENTS)}},
                "repeats": trials,
            }
        )
        loaded = LoadedExperiment(
            experiment=experiment,
            bench=BENCH,
            experiment_path=folder / "overhead.yaml",
            bench_path=folder / "bench.yaml",
            experiment_text="",
            bench_text="",
        )
        watch = Stopwatch()
        start(loaded, folder / "records", folder / "cache", watch)
        return watch.elapsed_s


def bare(trials: int) -> float:
    """Seconds that so many calls of perf take."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["perf", "stat", "-j", "-o", f"{folder}/perf.json", "-e", ",".join(EVENTS), "--", "true"]
        began_s = time.perf_counter()
        for _ in range(trials):
            subprocess.run(command, check=True)
        return time.perf_counter() - began_s


def main() -> None:
    """Time both with pyperf and print them side by side."""
    if shutil.which("perf") is None:
        sys.exit("trial_overhead.py: perf is not installed (Debian: apt install linux-perf)")
    runner = pyperf.Runner(processes=5, values=3, warmups=1, loops=TRIALS)
    args = runner.parse_args([*sys.argv[1:], "--quiet"])
    # pyperf prints a line of its own for each; the table below says it all.
    with contextlib.redirect_stdout(io.StringIO()):
        peer = runner.bench_time_func("perf stat", bare)
        lab = runner.bench_time_func("lab", by_lab)
    if args.worker:
        return
    print(f"{'one trial of `true`':<28}{'mean':>10}{'std dev':>12}{'beyond perf':>14}{'ratio':>9}")
    for name, benchmark in (("perf stat in a loop", peer), ("lab run, counters", lab)):
        extra = benchmark.mean() - peer.mean()
        print(
            f"{name:<28}{benchmark.mean() * 1e3:>7.2f} ms{benchmark.stdev() * 1e3:>9.2f} ms"
            f"{extra * 1e3:>11.2f} ms{benchmark.mean() / peer.mean():>8.2f}×"
        )


if __name__ == "__main__":
    main()
