"""``lab check``: validate files, and show every mistake at once with its position."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from lab.cli.arguments import add_json_argument, add_override_argument
from lab.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab check``."""
    parser.add_argument("file", type=Path, metavar="FILE.yaml", help="an experiment, a bench or an offload scenario")
    parser.add_argument("--bench", type=Path, metavar="BENCH.yaml", help="put the experiment on this bench")
    add_override_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Check an experiment on its bench (or ``--bench``), or a bench or scenario alone; exit code 2 for mistakes."""
    from lab.config.problems import ConfigErrors
    from lab.experiment.load import load_bench, load_experiment
    from lab.experiment.offload_scenario import load_scenario
    from lab.experiment.withheld import notes_of

    notes: list[str] = []
    try:
        keys = _keys(args.file)
        if "offload" in keys and "experiment" not in keys:
            scenario = load_scenario(args.file).scenario
            said = f"{args.file}: ok (offload scenario {scenario.offload})"
        elif "board" in keys and "experiment" not in keys:
            bench = load_bench(args.file, args.overrides)
            said = f"{args.file}: ok (bench {bench.bench})"
        else:
            loaded = load_experiment(args.file, args.overrides, args.bench)
            said = f"{args.file}: ok (experiment {loaded.experiment.experiment} on bench {loaded.bench.bench})"
            notes = notes_of(loaded.experiment, loaded.bench)
    except ConfigErrors as errors:
        if not args.json:
            raise
        print(json.dumps(errors.to_json(), indent=1))
        return int(errors.exit_code)
    print("[]" if args.json else "\n".join([said, *notes]))
    return int(ExitCode.OK)


def _keys(path: Path) -> set[str]:
    """The keys of the file that say which kind it is. Only looked at: reading it properly is left to its loader, which
    also says what is wrong with a file that cannot be read."""
    try:
        return set(re.findall(r"^(experiment|board|offload):", path.read_text(encoding="utf-8"), re.MULTILINE))
    except (OSError, UnicodeDecodeError):
        return set()
