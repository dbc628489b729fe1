"""``lab replay``: one recording into a record, and what it comes to."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cache import cache_folder
from lab.cli.arguments import add_json_argument, add_records_argument
from lab.errors import DataError, ExitCode

if TYPE_CHECKING:
    from analysis.each_window import WindowSeen
    from lab.record.reader import PassData, Record

_LINES = ("gpi0", "gpi1", "gpi2", "gpi3")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab replay``."""
    parser.add_argument(
        "recording", type=Path, metavar="FILE|FOLDER", help="a JLS file, a table of values, or an EnergyRunner session"
    )
    where = parser.add_argument_group("the window")
    where.add_argument(
        "--window",
        choices=(*_LINES, "whole", "stamps"),
        help="the logic line that is high meanwhile; default: a session's time stamps, gpi0 if it changes, else whole",
    )
    where.add_argument("--from", type=instant, dest="begin_s", metavar="TIME", help="begin of the window, such as 1.5s")
    where.add_argument("--to", type=instant, dest="end_s", metavar="TIME", help="end of the window")
    where.add_argument(
        "--inferences", type=_count, metavar="N", help="inferences in the window: energies per inference"
    )
    where.add_argument(
        "--idle", type=instant, default=0.0, metavar="TIME", help="so long the board was idle at begin and end"
    )
    what = parser.add_argument_group("what is in the recording")
    what.add_argument("--layout", type=Path, metavar="LAYOUT.yaml", help="which column of a table is what")
    what.add_argument("--source", metavar="NAME", help="the meter, where a JLS file holds several")
    what.add_argument(
        "--signal", type=_pair, action="append", default=[], metavar="CHANNEL=NAME", help="e.g. current=i_soc"
    )
    what.add_argument(
        "--line",
        type=_pair,
        action="append",
        default=[],
        metavar="LINE=MEANING",
        help="e.g. gpi1=inference, gpi2=warmup",
    )
    what.add_argument("--scope", default="board", help="what the energy is the energy of (default: board)")
    what.add_argument(
        "--accuracy",
        metavar="BENCH.yaml#METER",
        help="limits of error of the meter, from an instrument of a bench file",
    )
    parser.add_argument("--name", default="replay", help="folder of the record, for finding it again")
    add_records_argument(parser)
    parser.add_argument("--report", action="store_true", help="also draw the figures and write report.html")
    add_json_argument(parser)


def instant(text: str) -> float:
    """Seconds of a time such as ``1.5s`` or ``0``, for argparse."""
    from pydantic_core import PydanticCustomError

    from lab.config.units import DURATION, parse

    try:
        return float(parse(DURATION, text))
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.message()}, expected {DURATION.expected}") from None


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text, re.ASCII) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1 on")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name or not value:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return name, value


def run(args: argparse.Namespace) -> int:
    """Play the recording; exit code 4 if it could not be played to its end."""
    from lab.record.reader import Record
    from lab.runner.processing import process_record
    from lab.runner.progress import Silent
    from lab.runner.replaying import ReplayRequest, prepared
    from lab.runner.session import start

    ready = prepared(
        ReplayRequest(
            path=args.recording,
            window=args.window,
            begin_s=args.begin_s,
            end_s=args.end_s,
            inferences=args.inferences,
            layout=args.layout,
            accuracy=args.accuracy,
            source=args.source,
            signals=dict(args.signal),
            lines=dict(args.line),
            idle_s=args.idle,
            scope=args.scope,
            name=args.name,
        )
    )
    finished = start(ready.loaded, args.records, cache_folder(), Silent())
    record = Record.open(finished.root)
    processed = process_record(record, report=args.report)
    (data,) = record.passes().values()
    unreadable = [fault.detail for fault in data.faults if fault.code == "trace_unreadable"]
    if unreadable:
        raise DataError(unreadable[0], advice=f"the record {finished.root} says so, too")
    windows = _windows(record, data)
    if args.json:
        print(json.dumps(_to_json(record, data, windows, processed.to_json()), indent=1, allow_nan=False))
    else:
        _print(record, data, windows, ready.window)
    return int(ExitCode.OK)


def _windows(record: Record, data: PassData) -> list[WindowSeen]:
    from analysis.each_window import each_window

    return [window for ref in data.end.traces for window in each_window(record, data, ref)]


def _to_json(record: Record, data: PassData, windows: list[WindowSeen], processed: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from analysis.process import process

    rows: list[dict[str, Any]] = json.loads(process(record).summary.to_json(orient="records", double_precision=15))
    return {
        **processed,
        "recording": _noted(record, data),
        "windows": [asdict(window) for window in windows],
        "faults": [{"code": fault.code, "detail": fault.detail} for fault in data.faults],
        "results": rows,
    }


def _noted(record: Record, data: PassData) -> dict[str, Any]:
    """What the instrument noted of the recording it played."""
    assert data.end.output is not None
    (note,) = sorted(record.path(data.end.output).glob("*.recorded.json"))
    noted: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
    return noted


def _print(record: Record, data: PassData, windows: list[WindowSeen], said: str) -> None:
    from analysis.process import process
    from lab.report.format import show
    from lab.report.tables import aligned, results_text

    for ref in data.end.traces:
        length = f"{ref.samples / ref.rate_hz:.6g} s"
        print(f"trace    {length}" + (f" at {ref.rate_hz:g} Hz" if ref.format != "readings" else " of readings"))
    print(f"window   {said}")
    for fault in data.faults:
        print(f"fault    {fault.code}: {fault.detail}")
    if windows:
        published = [item["energy_j"] for item in _noted(record, data).get("published") or []]
        # Sessions without stamps of their own windows, or of which some were not found, cannot be put side by side.
        beside = published if len(published) == len(windows) else []
        head = ["window", "begin", "length", "u(edge)", "energy", "mean power", "coverage"]
        head += ["published", "difference"] if beside else []
        rows = [
            [
                str(item.number),
                f"{item.begin_s:.6f} s",
                f"{item.duration_s:.6f} s",
                show(item.u_edge_s, None, "s").text,
                show(item.energy_j, None, "J").text,
                show(item.power_w, None, "W").text,
                f"{item.coverage:.2%}",
                *(_compared(item, beside[item.number - 1]) if beside else ()),
            ]
            for item in windows
        ]
        print("", *aligned([head, *rows], right=tuple(range(1, len(head)))), "", sep="\n")
    print(results_text(record.manifest, process(record)).rstrip("\n"))
    print(f"\nrecord   {record.root}")


def _compared(window: WindowSeen, published_j: float) -> tuple[str, str]:
    from lab.report.format import MISSING, show

    if window.energy_j is None:
        return show(published_j, None, "J").text, MISSING
    return show(published_j, None, "J").text, f"{window.energy_j / published_j - 1:+.1e}"
