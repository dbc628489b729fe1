"""``lab process``: rebuild every number, figure and page of a record from its raw files alone."""

from __future__ import annotations

import argparse
import json

from lab.cli.arguments import add_json_argument, add_record_argument
from lab.errors import DataError, ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab process``."""
    add_record_argument(parser)
    parser.add_argument("--no-verify", action="store_true", help="do not check the raw files' checksums first")
    parser.add_argument("--no-report", action="store_true", help="results only: no figures, no report.html")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Process one record; exit code 4 if a raw file changed since the record was sealed, 5 if passes are missing."""
    from lab.record.reader import Record
    from lab.record.store import resolve_record
    from lab.runner.processing import process_record

    root = resolve_record(args.records, args.record)
    record = Record.open(root)
    if not args.no_verify and record.manifest["state"] != "running" and (problems := record.verify()):
        raise DataError(
            f"{root}: the raw files are not what was recorded:\n  " + "\n  ".join(problems),
            advice="restore them, or process what is there with --no-verify",
        )
    outcome = process_record(record, report=not args.no_report)
    if args.json:
        print(json.dumps(outcome.to_json(), indent=1))
    else:
        print(outcome.describe())
    return int(ExitCode.PARTIAL if outcome.missing else ExitCode.OK)
