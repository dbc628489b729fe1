"""``lab doctor``: what is here, what is not, and what to do about it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lab.cli.arguments import add_json_argument
from lab.errors import ExitCode
from lab.record.printable import printable_lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab doctor``."""
    parser.add_argument(
        "--bench", type=Path, metavar="BENCH.yaml", help="open this bench's board and check it and its instruments too"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Check by trying; exit code 3 if something that a named bench needs is not there."""
    from lab.runner.checkup import bench_findings, host_findings

    findings = host_findings()
    needed = bench_findings(args.bench) if args.bench else []
    if args.json:
        print(json.dumps([finding.to_json() for finding in findings + needed], indent=1))
    else:
        for finding in findings + needed:
            print(printable_lines(finding.line()))
            if finding.advice:
                print(f"        → {printable_lines(finding.advice)}")
    return int(ExitCode.OK if all(finding.present for finding in needed) else ExitCode.HARDWARE)
