"""``lab view``: a page that shows a pass's trace and what speaks against it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli.arguments import add_json_argument, add_records_argument, add_verify_argument
from lab.errors import DataError, ExitCode, UsageError
from lab.record.printable import json_text, printable_lines

if TYPE_CHECKING:
    from analysis.view.model import View
    from analysis.view.passes import PassState
    from lab.record.reader import PassData, Record

FOLDER = "views"
_SHOWN_PASSES = 12
_SUFFIX = ".view.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab view``."""
    parser.add_argument(
        "what",
        metavar="RECORD|FILE",
        help="a record's folder, its short id, an experiment's name (its newest record) or `latest`; or a trace file "
        "by itself (.jls, .readings.csv)",
    )
    parser.add_argument(
        "pass_id",
        nargs="?",
        metavar="PASS",
        help="a pass such as t0003.energy (default: the one with the worst verdict)",
    )
    add_records_argument(parser)
    parser.add_argument("--list", action="store_true", help="only list the passes that left a trace, the worst first")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.html",
        help=f"where to write the page (default: {FOLDER}/ in the record)",
    )
    parser.add_argument("--png", type=Path, metavar="OUT.png", help="write a picture, too")
    parser.add_argument(
        "--from", type=_seconds, dest="begin_s", metavar="SECONDS", help="keep every detail from here …"
    )
    parser.add_argument("--to", type=_seconds, dest="end_s", metavar="SECONDS", help="… to here, and show that first")
    parser.add_argument(
        "--channels", type=_channels, metavar="NAMES", help="of power,current,voltage: which to draw (default: all)"
    )
    add_verify_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page and say where it lies, why the pass is as it is, and which others there are.

    Exit code 2 for a pass that is not there, 4 if a trace cannot be read or changed since the record was sealed.
    """
    stretch = _stretch(args)
    path = Path(args.what)
    if path.is_file():
        if args.pass_id or args.list:
            raise UsageError(f"{path} is a file, which has no passes", advice="name a record to choose a pass of")
        return _view_file(path, stretch, args)
    return _view_record(stretch, args)


def _view_file(path: Path, stretch: tuple[float, float] | None, args: argparse.Namespace) -> int:
    from analysis.view.build import view_file

    view = view_file(path, stretch=stretch)
    output = args.output or path.with_name(path.name + _SUFFIX)
    _write(view, output, f"lab view {path.name}", args, states=[])
    return int(ExitCode.OK)


def _view_record(stretch: tuple[float, float] | None, args: argparse.Namespace) -> int:
    from analysis.view.build import view_pass
    from analysis.view.passes import pass_states
    from lab.record.manifest import FILE
    from lab.record.manifest_shape import ANALYSIS, require
    from lab.record.reader import Record
    from lab.record.store import resolve_record

    record = Record.open(resolve_record(args.records, args.what), salvage=args.no_verify)
    require(record.manifest, ANALYSIS, str(record.root / FILE))
    passes = record.passes()
    if args.pass_id is not None and args.pass_id not in passes:
        raise _no_such_pass(record, args.pass_id)
    states = [] if args.pass_id is not None else pass_states(record)
    if args.list:
        _list(states, args.json)
        return int(ExitCode.OK)
    if args.pass_id is None and not states:
        raise DataError(f"{record.root}: no pass left a trace", advice="`lab show --faults RECORD` may say why")
    pass_id = args.pass_id or states[0].pass_id
    if not args.no_verify:
        _require_unchanged(record, passes[pass_id])
    view = view_pass(record, pass_id, stretch=stretch)
    output = args.output or record.root / FOLDER / f"{pass_id}.html"
    _write(view, output, f"lab view {args.what} {pass_id}", args, states)
    return int(ExitCode.OK)


def _seconds(text: str) -> float:
    """Seconds since the trace began, for argparse."""
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds since the trace began, such as 1.25")
    return value


def _channels(text: str) -> tuple[str, ...]:
    from analysis.view.tiles import QUANTITIES

    names = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in names if name not in QUANTITIES]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: expected some of {','.join(QUANTITIES)}")
    return names


def _stretch(args: argparse.Namespace) -> tuple[float, float] | None:
    if args.begin_s is None and args.end_s is None:
        return None
    begin_s = args.begin_s or 0.0
    end_s = float("inf") if args.end_s is None else args.end_s
    if end_s <= begin_s:
        raise UsageError(f"--from {begin_s:g} --to {end_s:g}: expected the end after the beginning")
    return begin_s, end_s


def _no_such_pass(record: Record, pass_id: str) -> UsageError:
    from difflib import get_close_matches

    planned = record.planned()
    if pass_id in planned:
        return UsageError(
            f"{pass_id} of {record.root.name} was never completed", advice=f"`lab resume {record.root.name}` does it"
        )
    near = get_close_matches(pass_id, planned, n=3) or list(planned)[:3]
    return UsageError(
        f"{record.root.name} has no pass {pass_id!r}", advice=f"did you mean {', '.join(near)}? `--list` shows all"
    )


def _require_unchanged(record: Record, data: PassData) -> None:
    """Raise :class:`DataError` if a file of this pass is not the one that was recorded; the others are not read."""
    from lab.record.manifest import sha256_of

    sealed: dict[str, str] = record.manifest.get("files") or {}
    traces = {ref.path for ref in data.end.traces}
    own = [
        name
        for name in sealed
        if any(name == path or name.startswith(f"{path}/") for path in traces)
        or (data.end.output and name.startswith(f"{data.end.output}/"))
    ]
    for name in own:
        path = record.path(name)
        if not path.is_file() or sha256_of(path) != sealed[name]:
            what = "changed since the record was sealed" if path.is_file() else "missing"
            raise DataError(
                f"{record.root}: {name}: {what}", advice="restore it, or look at what is there with --no-verify"
            )


def _write(view: View, output: Path, command: str, args: argparse.Namespace, states: list[PassState]) -> None:
    from analysis.view.tiles import QUANTITIES
    from lab.report.view import summary, write_view

    channels = args.channels or QUANTITIES
    write_view(view, output, channels, command)
    written = [output]
    if args.png is not None:
        from analysis.figures.view import write_view_picture

        write_view_picture(view, args.png, channels)
        written.append(args.png)
    if args.json:
        said = summary(view) | {"written": [str(path) for path in written]}
        print(json_text(said))
        return
    for path in written:
        print(path)
    for line in _said(view):
        print(printable_lines(line))
    others = [state for state in states if state.pass_id != view.pass_id]
    if others:
        print(f"\nother passes of this record, the worst first (`lab view {args.what} PASS` shows one):")
        _list(others, as_json=False, most=_SHOWN_PASSES)


def _said(view: View) -> list[str]:
    """Verdict and findings, a line each."""
    if view.verdict is None:
        return []
    origins = ", ".join(view.origins).upper()
    lines = [f"{view.pass_id}  {view.title}  {view.verdict}  [{origins}]"]
    for item in view.findings:
        lines.append(f"  {item.verdict if item.hits else 'noted'}: {item.text} ({item.code})")
        lines += [f"    {source}: {text}" for source, text in item.details]
        if item.advice and item.hits:
            lines.append(f"    → {item.advice}")
    return lines


def _list(states: list[PassState], as_json: bool, most: int | None = None) -> None:
    if as_json:
        rows = [
            {"pass": item.pass_id, "trial": item.label, "verdict": str(item.verdict), "reasons": list(item.reasons)}
            for item in states
        ]
        print(json_text(rows))
        return
    if not states:
        print("no pass left a trace", file=sys.stderr)
    for item in states[:most]:
        print(f"  {item.pass_id:<16} {item.verdict:<9} {item.label:<34} {', '.join(item.reasons)}".rstrip())
    if most is not None and len(states) > most:
        print(f"  … and {len(states) - most} more; --list shows all")
