"""``lab show``: a record's results in the terminal."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from lab.cli.arguments import add_json_argument, add_record_argument, add_verify_argument
from lab.cli.opened_record import opened_record
from lab.errors import ExitCode
from lab.record.printable import json_text, printable, printable_line

if TYPE_CHECKING:
    import pandas as pd

    from lab.record.reader import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab show``."""
    add_record_argument(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--budget", action="store_true", help="the uncertainty budget, term by term")
    what.add_argument("--faults", action="store_true", help="every fault that was seen, pass by pass")
    what.add_argument("--provenance", action="store_true", help="what was measured on what, with which versions")
    add_verify_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print results (or budget, faults, provenance) of one record; exit code 4 if its raw files changed."""
    record = opened_record(args)
    if args.faults:
        _show(args.json, _faults(record), _faults_text(record))
    elif args.provenance:
        kept = {key: value for key, value in record.manifest.items() if key not in ("plan", "files")}
        _show(True, kept, "")
    else:
        from analysis.process import process
        from lab.report.tables import budget_text, results_text

        results = process(record)
        if args.budget:
            text = budget_text(record.manifest, results) or "no quantity of this record has an uncertainty budget"
            _show(args.json, _rows(results.budget), text)
        else:
            _show(args.json, _rows(results.summary), results_text(record.manifest, results))
    return int(ExitCode.OK)


def _show(as_json: bool, data: Any, text: str) -> None:
    print(json_text(data) if as_json else printable(text.rstrip("\n")))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON objects; a missing value is ``null``."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows


def _faults(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "pass": data.pass_id,
            "trial": data.trial["label"],
            "source": fault.source,
            "code": fault.code,
            "detail": fault.detail,
        }
        for data in record.passes().values()
        for fault in data.faults
    ]


def _faults_text(record: Record) -> str:
    lines = [
        f"{item['pass']:<28} {item['trial']:<28} {item['source']}: {item['code']}: {printable_line(item['detail'])}"
        for item in _faults(record)
    ]
    return "\n".join(lines) or "no faults"
