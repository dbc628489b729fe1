"""``lab plan``: what would run, in what order, how long it takes and how much disk; nothing is touched."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from lab.cli.arguments import add_experiment_arguments, add_json_argument
from lab.errors import ExitCode
from lab.record.printable import printable

if TYPE_CHECKING:
    from lab.experiment.estimate import Estimate
    from lab.experiment.load import LoadedExperiment
    from lab.experiment.plan import Plan

_SHOWN_TRIALS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab plan``."""
    add_experiment_arguments(parser)
    parser.add_argument("--all", action="store_true", help=f"list every trial, not only the first {_SHOWN_TRIALS}")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    from dataclasses import asdict

    from lab.experiment.load import load_experiment
    from lab.experiment.plan import build_plan
    from lab.runner.equip import make_workload
    from lab.runner.session import estimated

    loaded = load_experiment(args.experiment, args.overrides, args.bench).discovered()
    plan = build_plan(loaded.experiment, loaded.bench)
    folders = loaded.experiment_path.parent, loaded.bench_path.parent
    workload = make_workload(loaded.experiment.workload, loaded.bench, *folders)
    cost = estimated(loaded.experiment, loaded.bench, plan, workload)
    if args.json:
        print(json.dumps({"estimate": asdict(cost), **plan.to_json()}, indent=1))
    else:
        _print_plan(loaded, plan, cost, None if args.all else _SHOWN_TRIALS)
    return int(ExitCode.OK)


def _print_plan(loaded: LoadedExperiment, plan: Plan, cost: Estimate, shown: int | None) -> None:
    from lab.experiment.withheld import notes_of

    experiment, bench = loaded.experiment, loaded.bench
    points = len({trial.point_id for trial in plan.trials})
    print(f"{experiment.experiment} on {bench.bench} ({bench.board.kind} board), seed {experiment.seed}")
    print(f"{points} points × {experiment.repeats} repeats = {cost.trials} trials, {cost.passes} passes")
    print(f"order {experiment.order}")
    print(f"about {_duration(cost.duration_s)} of board time, {_size(cost.disk_bytes)} of disk")
    if bench.board.kind == "simulated":
        print("the board is simulated: its time is virtual and passes in a fraction of that")
    for lacking in plan.unavailable:
        print(f"not to be had on this bench: {lacking.what} ({lacking.reason})")
    for note in notes_of(experiment, bench):
        print(note)
    print()
    if plan.trials:
        print("each trial:")
        for item in plan.trials[0].passes:
            what = ", ".join(item.events) if item.events else "—"
            watchers = ", ".join(item.instruments) or "—"
            print(f"  {item.pass_id.partition('.')[2]:<20} watched by {watchers:<16} events {what}")
        print()
    width = max((len(trial.label) for trial in plan.trials), default=0)
    for trial in plan.trials[:shown]:
        factors = ", ".join(f"{name}={value}" for name, value in trial.values.items())
        print(printable(f"  {trial.trial_id}  {trial.label:<{width}}  repeat {trial.repeat}  {factors}"))
    if shown is not None and len(plan.trials) > shown:
        print(f"  … {len(plan.trials) - shown} more (--all lists them)")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
