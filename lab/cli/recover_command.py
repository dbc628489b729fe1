"""``lab recover``: what is left of a JLS file that was never closed, was cut short or is damaged."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.cli.arguments import add_json_argument
from lab.errors import ExitCode
from lab.record.printable import json_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab recover``."""
    parser.add_argument("damaged", type=Path, metavar="FILE.jls", help="the file; it is only read")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.jls", help="the new file (default: FILE.recovered.jls beside it)"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the new file and say what was lost."""
    from lab.record.traces.jls_recovery import recover

    source: Path = args.damaged
    target: Path = args.output or source.with_name(f"{source.stem}.recovered.jls")
    recovery = recover(source, target)
    if args.json:
        print(json_text(recovery.to_json()))
        return int(ExitCode.OK)
    for signal in recovery.signals:
        missing = f", {signal.missing} missing in between" if signal.missing else ""
        print(f"{signal.name:<16}  {signal.samples} samples, {signal.duration_s:.6f} s{missing}")
    for text in recovery.lost:
        print(f"lost              {text}")
    print(f"written           {recovery.target}")
    return int(ExitCode.OK)
