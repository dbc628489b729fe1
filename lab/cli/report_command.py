"""``lab report``: rebuild figures and report from a record."""

from __future__ import annotations

import argparse

from lab.cli.arguments import add_record_argument
from lab.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab report``."""
    add_record_argument(parser)
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(args: argparse.Namespace) -> int:
    """Write report.html and say where it lies."""
    from analysis.process import process
    from lab.record.reader import Record
    from lab.record.store import resolve_record
    from lab.report.build import write_report

    root = resolve_record(args.records, args.record)
    path = write_report(root, process(Record.open(root)))
    print(path)
    if args.open:
        import webbrowser

        webbrowser.open(path.as_uri())
    return int(ExitCode.OK)
