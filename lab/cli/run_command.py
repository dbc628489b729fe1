"""``lab run``: one experiment on one bench, from the plan to the report."""

from __future__ import annotations

import argparse
import json
import signal
import sys

from lab.cache import cache_folder
from lab.cli.arguments import add_experiment_arguments, add_json_argument, add_records_argument
from lab.cli.progress_bar import campaign_progress
from lab.record.printable import printable_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab run``."""
    add_experiment_arguments(parser)
    add_records_argument(parser)
    parser.add_argument("--no-report", action="store_true", help="results only: no figures, no report.html")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run a campaign and process its record, also one that was interrupted: what is there is worth seeing."""
    from lab.experiment.load import load_experiment
    from lab.runner.session import start

    stop_on_terminate()
    loaded = load_experiment(args.experiment, args.overrides, args.bench)
    progress = campaign_progress(args.quiet)
    if sys.stderr.isatty() and not args.quiet:
        board = f"{loaded.bench.board.kind} board"
        print(f"{loaded.experiment.experiment} on {loaded.bench.bench} ({board})", file=sys.stderr)
    finished = start(loaded, args.records, cache_folder(), progress)
    return show_finished(finished, args)


def stop_on_terminate() -> None:
    """Let SIGTERM end a campaign as Ctrl-C does: programs are stopped, the record is sealed and can be resumed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def show_finished(finished: object, args: argparse.Namespace) -> int:
    """Process the record of a campaign that ended, say what came of it; returns the exit code."""
    from lab.record.reader import Record
    from lab.runner.processing import described, process_record
    from lab.runner.session import Finished

    assert isinstance(finished, Finished)
    outcome = finished.outcome
    if outcome.state == "interrupted":
        print(f"interrupted; `lab resume {finished.root}` goes on", file=sys.stderr)
    if outcome.lost is not None:
        raise outcome.lost
    for fault in outcome.damaged_traces:
        print(printable_line(f"{fault.pass_id}: a damaged trace: {fault.detail}"), file=sys.stderr)
    processed = process_record(Record.open(finished.root), report=not args.no_report)
    if args.json:
        print(json.dumps({"state": outcome.state, **processed.to_json()}, indent=1))
    else:
        print(described("record", finished.root), described("state", outcome.state), processed.describe(), sep="\n")
    return int(outcome.exit_code)
