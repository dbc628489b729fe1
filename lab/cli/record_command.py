"""``lab record``: a plain recording of what the power meters see, without any program."""

from __future__ import annotations

import argparse
import sys

from lab.cache import cache_folder
from lab.cli.arguments import (
    add_bench_argument,
    add_json_argument,
    add_override_argument,
    add_records_argument,
    duration,
)
from lab.cli.progress_bar import campaign_progress
from lab.cli.run_command import show_finished


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab record``."""
    parser.add_argument(
        "--duration", type=duration, required=True, metavar="TIME", help="how long, such as 10s or 2min"
    )
    add_bench_argument(parser)
    add_override_argument(parser)
    parser.add_argument("--name", default="recording", help="folder of the record, for finding it again")
    add_records_argument(parser)
    parser.add_argument("--no-report", action="store_true", help="results only: no figures, no report.html")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Record, and say what was seen. Ctrl-C ends the recording early and keeps it."""
    from lab.runner.recording import recording
    from lab.runner.session import start

    loaded = recording(args.duration, name=args.name, bench_path=args.bench, overrides=_for_bench(args.overrides))
    if sys.stderr.isatty() and not args.quiet:
        meters = ", ".join(name for name, item in loaded.bench.instruments.items() if item.measures_power)
        print(f"recording {args.duration:g} s with {meters}; Ctrl-C ends it and keeps what is there", file=sys.stderr)
    return show_finished(start(loaded, args.records, cache_folder(), campaign_progress(args.quiet)), args)


def _for_bench(overrides: list[str]) -> tuple[str, ...]:
    """There is no experiment file to change, so all overrides are the bench's, with its prefix or without."""
    return tuple(overrides)
