"""``lab list``: the records there are."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from lab.cli.arguments import add_json_argument, add_records_argument
from lab.errors import ExitCode
from lab.record.printable import printable_line

if TYPE_CHECKING:
    from lab.record.store import RecordFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab list``."""
    parser.add_argument("experiment", nargs="?", help="only records of this experiment")
    add_records_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """List records, oldest first; a damaged one is listed with its problem, and the exit code is then 4."""
    from lab.record.store import find_records

    found = [item for item in find_records(args.records) if args.experiment in (None, item.root.parent.name)]
    code = ExitCode.DATA if any(item.problem for item in found) else ExitCode.OK
    if args.json:
        print(json.dumps([_to_json(item) for item in found], indent=1))
        return int(code)
    if not found:
        print(f"no records below {args.records}; `lab run EXPERIMENT.yaml` makes one", file=sys.stderr)
    for item in found:
        _print_row(item)
    return int(code)


def _to_json(item: RecordFolder) -> dict[str, object]:
    manifest = item.manifest or {}
    keys = ("record_id", "created_utc", "state", "origin", "lab_version")
    return {
        "path": str(item.root),
        "experiment": item.root.parent.name,
        **{key: manifest.get(key) for key in keys},
        "trials": len(manifest["plan"]["trials"]) if item.manifest else None,
        "problem": item.problem or None,
    }


def _print_row(item: RecordFolder) -> None:
    row = _to_json(item)
    if item.problem:
        text = f"unreadable: {item.problem}"
    else:
        text = f"{row['state']:<11} {row['origin']:<9} {row['trials']} trials  lab {row['lab_version']}"
    print(printable_line(f"{item.root}  {text}"))
