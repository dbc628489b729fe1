"""``lab resume``: finish a campaign that was interrupted, killed, or had passes fail."""

from __future__ import annotations

import argparse

from lab.cache import cache_folder
from lab.cli.arguments import add_json_argument, add_record_argument
from lab.cli.progress_bar import campaign_progress
from lab.cli.run_command import show_finished, stop_on_terminate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab resume``."""
    add_record_argument(parser)
    parser.add_argument("--no-report", action="store_true", help="results only: no figures, no report.html")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do what is missing, with the experiment and the bench as they were when the campaign began."""
    from lab.record.store import resolve_record
    from lab.runner.session import resume

    stop_on_terminate()
    root = resolve_record(args.records, args.record)
    return show_finished(resume(root, cache_folder(), campaign_progress(args.quiet)), args)
