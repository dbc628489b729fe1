"""``lab report``: rebuild figures and report from a record."""

from __future__ import annotations

import argparse

from lab.cli.arguments import add_record_argument, add_verify_argument
from lab.cli.opened_record import opened_record
from lab.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab report``."""
    add_record_argument(parser)
    add_verify_argument(parser)
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(args: argparse.Namespace) -> int:
    """Write report.html and say where it lies; exit code 4 if a raw file changed since the record was sealed."""
    from analysis.process import process
    from lab.report.build import write_report

    record = opened_record(args)
    path = write_report(record.root, process(record))
    print(path)
    if args.open:
        import webbrowser

        webbrowser.open(path.as_uri())
    return int(ExitCode.OK)
