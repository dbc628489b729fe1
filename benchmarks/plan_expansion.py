"""Time to make a plan of 10,000 trials, against a matrix and a shuffle written by hand.

    python benchmarks/plan_expansion.py

Three factors of 10, 10 and 20 values, five repeats, three passes each. The hand-written peer is what a measuring script
usually has: `itertools.product`, a dictionary per trial, `random.shuffle` per repeat. A plan of the lab holds more
than that: ids that stay the same whatever else is in the matrix, labels, settings, exclusions, and the passes of every
trial.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import sys
from typing import Any

import pyperf

from lab.bench.model import Bench
from lab.experiment.model import Experiment
from lab.experiment.plan import Plan, build_plan

SIZES = {"network": 10, "input": 10, "threads": 20}
REPEATS = 5
SEED = 1

EXPERIMENT = Experiment.model_validate(
    {
        "experiment": "many_trials",
        "seed": SEED,
        "workload": {"kind": "tflite_benchmark", "network": "{network}", "input": "{input}", "threads": "{threads}"},
        "factors": {name: list(range(1, size + 1)) for name, size in SIZES.items()},
        "repeats": REPEATS,
        "passes": {"latency": {"runs": 50}, "energy": {"duration": 10.0}, "counters": {"events": ["instructions"]}},
    }
)
METER = {
    "kind": "simulated_joulescope",
    "model": "JS220",
    "rate": 5000.0,
    "range": "10 A",
    "accuracy": {
        "source": "datasheet",
        "timebase_ppm": 50,
        "ranges": {"10 A": {"full_scale": 10.0, "gain_i": 0.0, "offset_i": 0.0, "gain_v": 0.0, "offset_v": 0.0}},
    },
}
BENCH = Bench.model_validate(
    {
        "bench": "in_memory",
        "board": {"kind": "simulated"},
        "instruments": {"meter": METER, "perf": {"kind": "counters", "core": "cortex-a53"}},
    }
)


def by_lab() -> Plan:
    """The lab's plan."""
    return build_plan(EXPERIMENT, BENCH)


def by_hand() -> list[dict[str, Any]]:
    """The same trials as a script would make them."""
    source = random.Random(SEED)
    values = [range(1, size + 1) for size in SIZES.values()]
    trials: list[dict[str, Any]] = []
    for repeat in range(REPEATS):
        part = [dict(zip(SIZES, point, strict=True), repeat=repeat) for point in itertools.product(*values)]
        source.shuffle(part)
        trials += part
    return trials


def main() -> None:
    """Time both with pyperf and print them side by side."""
    runner = pyperf.Runner(processes=5, values=3, warmups=1)
    args = runner.parse_args([*sys.argv[1:], "--quiet"])
    # pyperf prints a line of its own for each; the table below says it all.
    with contextlib.redirect_stdout(io.StringIO()):
        lab = runner.bench_func("lab", by_lab)
        hand = runner.bench_func("by hand", by_hand)
    if args.worker:
        return
    trials = len(by_lab().trials)
    assert trials == len(by_hand())
    print(f"a plan of {trials} trials{'mean':>15}{'per trial':>14}{'ratio':>10}")
    for name, benchmark in (("product and shuffle by hand", hand), ("lab, build_plan", lab)):
        seconds = benchmark.mean()
        print(f"{name:<28}{seconds * 1e3:>8.1f} ms{seconds / trials * 1e6:>11.2f} µs{seconds / hand.mean():>9.1f}×")


if __name__ == "__main__":
    main()
