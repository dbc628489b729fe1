"""``lab export``: a stretch of a trace of a record as CSV or Parquet, for other programs."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lab.cli.arguments import add_json_argument, add_record_argument, add_verify_argument
from lab.cli.opened_record import opened_record
from lab.cli.replay_command import instant
from lab.errors import DataError, ExitCode, UsageError

if TYPE_CHECKING:
    from analysis.samples import Column, Piece
    from lab.record.documents import TraceRef
    from lab.record.reader import PassData, Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab export``."""
    add_record_argument(parser)
    parser.add_argument(
        "pass_id", nargs="?", metavar="PASS", help="such as t0001.energy; needed where several have one"
    )
    parser.add_argument("--instrument", metavar="NAME", help="needed where several recorded in the pass")
    parser.add_argument("--from", type=instant, dest="begin_s", metavar="TIME", help="begin, on the trace's own clock")
    parser.add_argument("--to", type=instant, dest="end_s", metavar="TIME", help="end, on the trace's own clock")
    parser.add_argument(
        "--window",
        nargs="?",
        const=1,
        type=int,
        metavar="N",
        help="the measured window (the N-th where there are several) instead of --from and --to",
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--csv", type=Path, metavar="OUT.csv", help="write comma-separated values")
    target.add_argument("--parquet", type=Path, metavar="OUT.parquet", help="write Parquet, units in its metadata")
    add_verify_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the file, piece by piece; a missing sample is an empty cell, never a number."""
    target: Path = args.csv or args.parquet
    if target.exists():
        raise UsageError(f"{target}: is there already", advice="name another file, or remove it")
    if args.window is not None and (args.begin_s is not None or args.end_s is not None):
        raise UsageError("--window and --from/--to both say which stretch", advice="leave one of them out")
    record = opened_record(args)
    data, ref = _trace(record, args.pass_id, args.instrument)
    written = (
        _write_readings(record, data, ref, args, target)
        if ref.format == "readings"
        else _write_samples(record, data, ref, args, target)
    )
    if args.json:
        print(json.dumps(written, indent=1))
    else:
        print(f"{written['rows']} rows, {written['begin_s']:.9g} s to {written['end_s']:.9g} s of {ref.path}: {target}")
    return int(ExitCode.OK)


def _trace(record: Record, pass_id: str | None, instrument: str | None) -> tuple[PassData, TraceRef]:
    """The one trace that is meant. Raises :class:`UsageError` where there is none, or several would do."""
    passes = record.passes()
    if pass_id is not None and pass_id not in passes:
        raise UsageError(f"no pass {pass_id!r} in this record", advice=f"it has {_listed(passes)}")
    found = [
        (data, ref)
        for data in passes.values()
        for ref in data.end.traces
        if pass_id in (None, data.pass_id) and instrument in (None, ref.instrument)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        of_whom = "" if instrument is None else f" by {instrument!r}"
        with_trace = [data.pass_id for data in passes.values() if data.end.traces]
        raise UsageError(f"no such trace{of_whom}", advice=f"passes with traces: {_listed(with_trace) or 'none'}")
    if len({data.pass_id for data, _ in found}) > 1:
        raise UsageError("several passes have a trace", advice=f"name one of {_listed(d.pass_id for d, _ in found)}")
    raise UsageError(
        "several instruments recorded", advice=f"--instrument, one of {_listed(r.instrument for _, r in found)}"
    )


def _listed(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    return ", ".join(every[:12]) + (" …" if len(every) > 12 else "")


def _write_samples(
    record: Record, data: PassData, ref: TraceRef, args: argparse.Namespace, target: Path
) -> dict[str, Any]:
    from analysis.samples import columns_of, sample_pieces
    from lab.record.traces import open_trace

    with open_trace(record.root, ref) as trace:
        if args.window is not None:
            begin, end = _window(record, data, ref, args.window)
        else:
            begin = 0.0 if args.begin_s is None else args.begin_s * trace.rate_hz
            end = float(trace.length) if args.end_s is None else args.end_s * trace.rate_hz
        # A sample belongs to the stretch if any of it does; an instant that is a sample's begin up to rounding is.
        first, last = math.floor(begin + 1e-6), math.ceil(end - 1e-6)
        if not 0 <= first < last <= trace.length:
            raise UsageError(
                f"{begin / trace.rate_hz:.9g} s to {end / trace.rate_hz:.9g} s is not inside the trace, "
                f"which is {trace.length / trace.rate_hz:.9g} s long"
            )
        columns = columns_of(trace)
        about = _about(record, data, ref) | {"rate_hz": trace.rate_hz, "first_sample": first}
        rows = _write(columns, sample_pieces(trace, first, last, ref.gaps), about, args, target)
        return {"rows": rows, "begin_s": first / trace.rate_hz, "end_s": last / trace.rate_hz, "path": str(target)}


def _write_readings(
    record: Record, data: PassData, ref: TraceRef, args: argparse.Namespace, target: Path
) -> dict[str, Any]:
    from analysis.samples import READING_COLUMNS, reading_pieces
    from lab.record.traces.readings import RATE_HZ, read_readings

    readings = read_readings(record.path(ref.path))
    if args.window is not None:
        begin, end = _window(record, data, ref, args.window)
    else:
        begin = 0.0 if args.begin_s is None else args.begin_s * RATE_HZ
        end = float(readings.length) if args.end_s is None else args.end_s * RATE_HZ
    if end <= begin:
        raise UsageError(f"{begin / RATE_HZ:.9g} s to {end / RATE_HZ:.9g} s: an empty stretch")
    rows = _write(READING_COLUMNS, reading_pieces(readings, begin, end), _about(record, data, ref), args, target)
    return {"rows": rows, "begin_s": begin / RATE_HZ, "end_s": end / RATE_HZ, "path": str(target)}


def _window(record: Record, data: PassData, ref: TraceRef, number: int) -> tuple[float, float]:
    """Begin and end of the N-th window, in the trace's samples."""
    from analysis.alignment import place_marks
    from analysis.windows import pass_stretches
    from lab.record.traces import open_trace

    if ref.format == "readings":
        placed = place_marks(record, data, ref, None)
    else:
        with open_trace(record.root, ref) as trace:
            placed = place_marks(record, data, ref, trace)
    found = pass_stretches(placed.marks, samples=ref.samples, rate_hz=ref.rate_hz, planned_idle_s=None).measured
    if not found:
        raise DataError(
            f"{data.pass_id}: no window was found in the trace", advice="name the stretch with --from and --to"
        )
    if not 1 <= number <= len(found):
        raise UsageError(f"--window {number}: the pass has {len(found)} windows")
    return found[number - 1].begin, found[number - 1].end


def _about(record: Record, data: PassData, ref: TraceRef) -> dict[str, Any]:
    return {
        "record": record.root.name,
        "pass": data.pass_id,
        "instrument": ref.instrument,
        "origin": str(record.manifest["origin"]),
    }


def _write(
    columns: Sequence[Column], pieces: Iterator[Piece], about: dict[str, Any], args: argparse.Namespace, target: Path
) -> int:
    """Write to a file beside, which gets its name when it is whole; returns the number of rows."""
    with TemporaryDirectory(dir=target.parent, prefix=".exporting-") as folder:
        partial = Path(folder, "partial")
        rows = (_write_csv if args.csv else _write_parquet)(columns, pieces, about, partial)
        partial.rename(target)
    return rows


def _write_csv(columns: Sequence[Column], pieces: Iterator[Piece], about: dict[str, Any], path: Path) -> int:
    """Every number with all of its digits: reading it again gives the same one."""
    from pyarrow import csv

    rows = 0
    with path.open("xb") as file:
        file.write((",".join(column.name for column in columns) + "\n").encode("ascii"))
        options = csv.WriteOptions(include_header=False, quoting_style="none")
        for piece in pieces:
            csv.write_csv(_batch(columns, piece, about), file, options)
            rows += piece.rows
    return rows


def _write_parquet(columns: Sequence[Column], pieces: Iterator[Piece], about: dict[str, Any], path: Path) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    rows = 0
    writer = None
    try:
        for piece in pieces:
            batch = _batch(columns, piece, about)
            if writer is None:
                writer = parquet.ParquetWriter(path, batch.schema)
            writer.write_table(pa.Table.from_batches([batch]))
            rows += piece.rows
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise DataError("nothing to write: the stretch holds no reading")
    return rows


def _batch(columns: Sequence[Column], piece: Piece, about: dict[str, Any]) -> Any:
    """The rows as Arrow takes them: what is missing is null, units stand in the fields' metadata."""
    import pyarrow as pa

    arrays, fields = [], []
    for column in columns:
        array = pa.array(piece.values[column.name], mask=piece.missing.get(column.name))
        arrays.append(array)
        unit = {"unit": column.unit} if column.unit else None
        fields.append(pa.field(column.name, array.type, metadata=unit))
    about_text = {str(key): str(value) for key, value in about.items()}
    return pa.record_batch(arrays, schema=pa.schema(fields, metadata=about_text))
