"""``lab check``: validate files, and show every mistake at once with its position."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lab.cli.arguments import add_json_argument, add_override_argument
from lab.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab check``."""
    parser.add_argument("file", type=Path, metavar="FILE.yaml", help="an experiment file, or a bench file")
    parser.add_argument("--bench", type=Path, metavar="BENCH.yaml", help="put the experiment on this bench")
    add_override_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Check an experiment with the bench it names (or ``--bench``), or a bench file alone; exit code 2 for mistakes."""
    from lab.config.document import read_document
    from lab.config.problems import ConfigErrors
    from lab.experiment.load import load_bench, load_experiment

    try:
        keys = read_document(args.file).data.keys()
        if "board" in keys and "experiment" not in keys:
            bench = load_bench(args.file, args.overrides)
            said = f"{args.file}: ok (bench {bench.bench})"
        else:
            loaded = load_experiment(args.file, args.overrides, args.bench)
            said = f"{args.file}: ok (experiment {loaded.experiment.experiment} on bench {loaded.bench.bench})"
    except ConfigErrors as errors:
        if not args.json:
            raise
        print(json.dumps(errors.to_json(), indent=1))
        return int(errors.exit_code)
    print("[]" if args.json else said)
    return int(ExitCode.OK)
