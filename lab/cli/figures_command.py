"""``lab figures``: draw a record's figures, or those of the thesis that its data allow."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.arguments import add_json_argument, add_record_argument, add_verify_argument
from lab.cli.opened_record import opened_record
from lab.errors import ExitCode, UsageError
from lab.record.printable import json_text

if TYPE_CHECKING:
    import pandas as pd

    from analysis.figures.thesis.build import ThesisFile
    from analysis.offload.scenario import Scenario
    from lab.record.reader import Record

FOLDER = "figures/thesis"
_FORMATS = ("png", "svg")
_MOST_JOBS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab figures``."""
    add_record_argument(parser)
    parser.add_argument(
        "--thesis",
        action="store_true",
        help="the figures of the edge-or-offload thesis (4.1 to 4.8, 5.1 to 5.12, A.1 to A.31) instead of those that "
        "the experiment asks for",
    )
    parser.add_argument(
        "--only", metavar="NUMBERS", default="", help="of the thesis, these only: 4.1,A.5; 4, 5 or A for a chapter"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=f"where to (default: {FOLDER} in the record)")
    parser.add_argument("--format", metavar="FORMATS", default="png,svg", help="png, svg or both (default: png,svg)")
    parser.add_argument(
        "--scenario", type=Path, metavar="FILE.yaml", help="what offloading is computed in (default: the study's own)"
    )
    parser.add_argument("--process", action="store_true", help="rebuild the results from the raw files first")
    parser.add_argument(
        "--jobs", type=int, metavar="N", default=min(os.cpu_count() or 1, _MOST_JOBS), help="processes that draw"
    )
    add_verify_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Draw, and say what was drawn, what was not and why; exit code 4 if a raw file changed since the record was
    sealed."""
    formats = _formats(args.format)
    if not args.thesis:
        return _own_figures(args)
    from analysis.figures.thesis.build import chosen, context_of, write_thesis_figures
    from analysis.figures.thesis.gallery import described, write_gallery

    figures = chosen([part for part in args.only.split(",") if part.strip()])
    scenario = _scenario(args.scenario)
    record = opened_record(args)
    context = context_of(_summary(record, again=args.process), record.manifest, **scenario)
    folder = args.out if args.out is not None else record.root / FOLDER
    files = write_thesis_figures(context, figures, folder, formats, max(1, args.jobs))
    indexes = write_gallery(context, files, folder)
    if args.json:
        print(json_text({"folder": str(folder), **described(context, files)}))
    else:
        print(_text(files))
        print(*indexes, sep="\n")
    return int(ExitCode.OK)


def _formats(text: str) -> tuple[str, ...]:
    wanted = [part.strip().lower() for part in text.split(",") if part.strip()]
    unknown = [part for part in wanted if part not in _FORMATS]
    if unknown or not wanted:
        raise UsageError(f"--format {text!r}: there is no such format", advice="png, svg or png,svg")
    return tuple(name for name in _FORMATS if name in wanted)


def _scenario(path: Path | None) -> dict[str, Scenario]:
    if path is None:
        return {}
    from analysis.offload.scenario import scenario_of
    from lab.experiment.offload_scenario import load_scenario

    return {"scenario": scenario_of(load_scenario(path).resolved())}


def _summary(record: Record, *, again: bool) -> pd.DataFrame:
    """The record's table of results by point: as it lies there if it is not older than the log, else made anew."""
    from analysis.process import process

    table, log = record.root / "summary.parquet", record.root / "events.jsonl"
    if not again and table.is_file() and (not log.is_file() or table.stat().st_mtime_ns >= log.stat().st_mtime_ns):
        import pandas as pd

        return pd.read_parquet(table)
    return process(record).summary


def _own_figures(args: argparse.Namespace) -> int:
    """The figures that the experiment asks for, as the report has them."""
    given = [name for name in ("only", "out", "scenario") if getattr(args, name)]
    if given:
        raise UsageError(f"--{given[0]} is for the figures of the thesis", advice="give --thesis too")
    from analysis.figures.build import write_figures
    from analysis.process import process

    record = opened_record(args)
    files = write_figures(record.root, record.manifest, process(record))
    if args.json:
        described: list[dict[str, Any]] = [
            {
                "name": file.name,
                "title": file.title,
                "caption": file.caption,
                "origins": list(file.origins),
                "files": {path.suffix[1:]: str(path) for path in (file.png, file.svg) if path is not None},
                "missing": file.missing or None,
            }
            for file in files
        ]
        print(json_text({"folder": str(record.root / "figures"), "figures": described}))
    else:
        for file in files:
            print(f"{file.name:<28} {file.png if file.png is not None else f'not drawn: {file.missing}'}")
    return int(ExitCode.OK)


def _text(files: list[ThesisFile]) -> str:
    lines = []
    for file in files:
        state = f"not drawn: {file.missing}" if file.missing else file.outcome
        lines.append(f"{file.figure.number:<5} {file.figure.title:<44} {state}")
    drawn = sum(not file.missing for file in files)
    lines.append(f"{drawn} of {len(files)} drawn")
    return "\n".join(lines)
