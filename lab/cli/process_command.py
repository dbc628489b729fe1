"""``lab process``: rebuild every number, figure and page of a record from its raw files alone."""

from __future__ import annotations

import argparse
import json

from lab.cli.arguments import add_json_argument, add_record_argument, add_verify_argument
from lab.cli.opened_record import opened_record
from lab.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab process``."""
    add_record_argument(parser)
    add_verify_argument(parser)
    parser.add_argument("--no-report", action="store_true", help="results only: no figures, no report.html")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Process one record; exit code 4 if a raw file changed since the record was sealed, 5 if passes are missing."""
    from lab.runner.processing import process_record

    outcome = process_record(opened_record(args), report=not args.no_report)
    if args.json:
        print(json.dumps(outcome.to_json(), indent=1))
    else:
        print(outcome.describe())
    return int(ExitCode.PARTIAL if outcome.missing else ExitCode.OK)
