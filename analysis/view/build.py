"""From a pass of a record, or a bare trace file, to what one sees of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.alignment import PlacedMarks, place_marks
from analysis.energy import stretch_energy
from analysis.measured import Measured
from analysis.trace_clock import trace_on_host
from analysis.trial import Campaign, pass_codes, trial_quantities
from analysis.view.detail import detail_tiles, finest, is_product
from analysis.view.findings import find, own_time_of
from analysis.view.model import MeterView, Span, View
from analysis.view.passes import gravest_first, label_of
from analysis.view.places import expected_end, fault_samples, full_scale_samples, known
from analysis.view.steps import MOST_POINTS, Steps, steps_of, thinned
from analysis.view.tiles import Ranges, Scan, Tile, lines_of, quantities_of, scan
from analysis.windows import pass_stretches
from lab.errors import DataError
from lab.record.documents import Fault, Mark, TraceRef
from lab.record.manifest import FILE
from lab.record.manifest_shape import ANALYSIS, require
from lab.record.printable import printable_lines
from lab.record.quantity import Verdict
from lab.record.reader import PassData, Record
from lab.record.traces import TraceReader, open_trace, readings
from lab.record.traces.jls_trace import JlsTrace
from lab.record.traces.protocol import is_simulated

BUDGET_BYTES = 2_400_000
"""Of numbers in a view, all meters together; as text in a page they are a third more."""

_OVERVIEW_SHARE, _STRETCH_SHARE = 0.5, 0.35
_MOST_BUCKETS = 30_000
_MOST_MARKS = 4000
_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class _Request:
    """What is to be made of each trace. ``stretch`` in seconds of the trace's own clock."""

    budget_bytes: int
    stretch: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What a record says of one trace beside its samples."""

    marks: tuple[Mark, ...] = ()
    bound_s: float = 0.0
    remarks: tuple[str, ...] = ()
    planned_idle_s: float | None = None
    faults: tuple[Fault, ...] = ()
    gaps: Ranges = ()
    wiring: Mapping[str, str] = field(default_factory=dict)


def view_pass(
    record: Record,
    pass_id: str,
    *,
    stretch: tuple[float, float] | None = None,
    budget_bytes: int = BUDGET_BYTES,
) -> View:
    """A pass of a record. ``stretch`` (seconds since the trace began) is kept in more detail.

    Raises ``KeyError`` for a pass that never ended, :class:`DataError` if it left no trace, or none that can be read.
    """
    require(record.manifest, ANALYSIS, str(record.root / FILE))
    data = record.passes()[pass_id]
    if not data.end.traces:
        told = "; ".join(f"{item.source}: {item.code}: {item.detail}" for item in data.faults)
        raise DataError(f"{pass_id} left no trace" + (f" ({told})" if told else ""), advice=_advice(data))
    request = _Request(budget_bytes // len(data.end.traces), stretch)
    campaign = Campaign.of(record)
    meters = [_meter(record, data, ref, campaign, request) for ref in data.end.traces]
    if all(meter.problem for meter in meters):
        raise DataError("\n  ".join(f"{meter.problem}" for meter in meters), advice="restore the trace from a copy")
    items = [item for item in trial_quantities(campaign, data.trial) if item.pass_id == pass_id]
    findings, meters = find(data, items, meters, own_time_of(campaign.output(data)))
    return View(
        title=label_of(data),
        subtitle=f"pass {pass_id}",
        record_id=str(record.manifest.get("record_id") or record.root.name),
        pass_id=pass_id,
        origins=_origins(campaign, data),
        verdict=_verdict(data, items),
        findings=tuple(findings),
        quantities=tuple(items),
        meters=tuple(_on_common_axes(record, data, meters)),
        stretch=stretch,
        facts=_facts(record, data),
        stderr_tail=_stderr_tail(record, data),
    )


def view_file(path: Path, *, stretch: tuple[float, float] | None = None, budget_bytes: int = BUDGET_BYTES) -> View:
    """A trace file by itself: a closed JLS file, or a trace of readings.

    Raises :class:`DataError` if it is missing, damaged, or neither.
    """
    request = _Request(budget_bytes, stretch)
    kind = readings.FORMAT if path.name.endswith(readings.SUFFIX) else "jls"
    ref = TraceRef(instrument=path.name, path=path.name, format=kind, rate_hz=readings.RATE_HZ, samples=0)
    seen = _read(path.parent, ref, _Known(), request)
    meter = replace(seen, name=path.name)
    return View(
        title=path.name,
        subtitle="a bare file: what it was recorded for, and whether it can be trusted, is not known",
        record_id="",
        pass_id="",
        origins=("simulated",) if kind == "jls" and _by_simulation(path) else (),
        verdict=None,
        findings=(),
        quantities=(),
        meters=(meter,),
        stretch=stretch,
        facts={"File": str(path.name), "Size": f"{path.stat().st_size / 1e6:,.1f} MB".replace(",", "\u202f")},
    )


def _by_simulation(path: Path) -> bool:
    """Does a bare file say that a simulated meter recorded it?"""
    with JlsTrace(path) as trace:
        return any(is_simulated(model) for model in trace.models)


def _advice(data: PassData) -> str:
    advice = [known(code)[2] for code in gravest_first(pass_codes(data))]
    return "; ".join(dict.fromkeys(filter(None, advice))) or "see `lab show --faults RECORD`"


def _verdict(data: PassData, items: Sequence[Measured]) -> Verdict:
    if items:
        return Verdict.worst(item.quantity.verdict for item in items)
    return Verdict.worst(known(code)[0] for code in pass_codes(data))


def _origins(campaign: Campaign, data: PassData) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(campaign.origin(ref.instrument)) for ref in data.end.traces))


def _facts(record: Record, data: PassData) -> dict[str, str]:
    board = record.manifest["board"]
    model = (board.get("fingerprint") or {}).get("model")
    bench = ((record.manifest.get("bench") or {}).get("resolved") or {}).get("title")
    experiment = (record.manifest["experiment"].get("resolved") or {}).get("experiment")
    facts = {
        "Experiment": str(experiment or ""),
        "On": str(bench or model or board.get("kind") or ""),
        "Trial": f"{data.trial['trial_id']}, repeat {data.trial['repeat'] + 1}, order {data.trial['order']}",
        "Pass": f"{data.plan['kind']}, attempt {data.end.attempt}, {data.end.state}",
        "Recorded": data.end.t_utc[:19].replace("T", " ") + (" UTC" if data.end.t_utc else ""),
    }
    if data.end.exit_status is not None:
        facts["Program"] = f"exit status {data.end.exit_status}"
    return {name: text for name, text in facts.items() if text.strip()}


def _stderr_tail(record: Record, data: PassData) -> str:
    """The last lines that the program complained with, if it failed."""
    if data.end.exit_status in (0, None) or not data.end.output:
        return ""
    try:
        text = (record.path(data.end.output) / "stderr.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return printable_lines("\n".join(text.splitlines()[-_TAIL_LINES:]))


# ------------------------------------------------------------------------------------------------------- one meter


def _meter(record: Record, data: PassData, ref: TraceRef, campaign: Campaign, request: _Request) -> MeterView:
    entry = (record.manifest.get("instruments") or {}).get(ref.instrument) or {}
    others = set(data.plan["instruments"]) - {ref.instrument}
    try:
        record.path(ref.path)
        placed = _placed(record, data, ref)
        told = _Known(
            marks=placed.marks,
            bound_s=placed.bound_s,
            remarks=placed.notes,
            planned_idle_s=data.plan.get("idle_s"),
            faults=tuple(fault for fault in data.faults if fault.source not in others),
            gaps=ref.gaps,
            wiring=_wiring(record, ref.instrument, entry),
        )
        seen = _read(record.root, ref, told, request)
    except DataError as error:
        seen = _unreadable(ref, str(error))
    return replace(
        seen,
        name=ref.instrument,
        kind=str(entry.get("kind") or ""),
        origin=str(campaign.origin(ref.instrument)),
        detail=str((entry.get("probe") or {}).get("detail") or ""),
    )


def _unreadable(ref: TraceRef, problem: str) -> MeterView:
    return MeterView(
        name=ref.instrument,
        kind="",
        origin="",
        detail="",
        format=ref.format,
        rate_hz=ref.rate_hz,
        length=0,
        lines={},
        wiring={},
        limits={},
        sample_s=1.0 / ref.rate_hz if ref.rate_hz > 0 else 1.0,
        problem=problem,
    )


def _placed(record: Record, data: PassData, ref: TraceRef) -> PlacedMarks:
    if ref.format == readings.FORMAT:
        return place_marks(record, data, ref, None)
    with open_trace(record.root, ref) as trace:
        return place_marks(record, data, ref, trace)


def _wiring(record: Record, name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """What the logic lines mean, as the instrument said, else as the bench file says."""
    said = ((entry.get("probe") or {}).get("facts") or {}).get("wiring")
    if isinstance(said, Mapping):
        return {str(line): str(meaning) for line, meaning in said.items()}
    resolved = (record.manifest.get("bench") or {}).get("resolved") or {}
    bench = (resolved.get("instruments") or {}).get(name) or {}
    wiring = {str(bench["window_line"]): "window"} if bench.get("window_line") else {}
    lines = bench.get("lines")
    return wiring | ({str(line): str(meaning) for line, meaning in lines.items()} if isinstance(lines, Mapping) else {})


def _read(root: Path, ref: TraceRef, told: _Known, request: _Request) -> MeterView:
    if ref.format == readings.FORMAT:
        return _read_readings(root / ref.path, ref, told)
    with open_trace(root, ref) as trace:
        return _read_samples(trace, ref, told, request)


def _read_samples(trace: TraceReader, ref: TraceRef, told: _Known, request: _Request) -> MeterView:
    if not trace.length:
        raise DataError(f"{ref.path}: the trace is empty: it holds not one sample", advice="look at the meter's faults")
    budget = request.budget_bytes
    share = _OVERVIEW_SHARE if request.stretch is None else _OVERVIEW_SHARE - _STRETCH_SHARE / 2
    per = finest(trace, trace.length, int(budget * share))
    while per > 1 and -(-trace.length // per) > _MOST_BUCKETS:
        per *= 2
    found = scan(trace, per, lines=lines_of(trace), gaps=ref.gaps or told.gaps)
    spans = _spans(told, trace.length, trace.rate_hz)
    spans = [_measured(item, _sampled_mean(trace, item, told.gaps), trace.rate_hz) for item in spans]
    limits = {
        name: abs(float(trace.read(name, sample, sample + 1)[0]))
        for name, sample in full_scale_samples(told.faults, trace.length).items()
        if name in trace.channels
    }
    tiles = [found.tile]
    if request.stretch is not None:
        start, stop = _stretch_samples(request.stretch, trace.length, trace.rate_hz)
        finer = finest(trace, stop - start, int(budget * _STRETCH_SHARE))
        start = start // finer * finer
        if finer < per:
            tiles.append(scan(trace, finer, start=start, stop=stop, gaps=told.gaps).tile)
    places = _interesting(trace, spans, told, found)
    left = int(budget * (1 - share - (_STRETCH_SHARE if request.stretch else 0.0)))
    tiles += detail_tiles(trace, places, per, left, told.gaps)
    return MeterView(
        name=ref.instrument,
        kind="",
        origin="",
        detail="",
        format=ref.format,
        rate_hz=trace.rate_hz,
        length=trace.length,
        tiles=tuple(tiles),
        product=is_product(trace),
        missing=found.missing,
        lines=found.lines,
        wiring=told.wiring,
        spans=tuple(spans),
        marks=told.marks[:_MOST_MARKS],
        bound_s=told.bound_s,
        remarks=told.remarks,
        limits=limits,
        expected_end=expected_end(told.faults, trace.length, trace.rate_hz),
        sample_s=1.0 / trace.rate_hz,
    )


def _read_readings(path: Path, ref: TraceRef, told: _Known) -> MeterView:
    trace = readings.read_readings(path)
    steps = steps_of(trace)
    if not steps:
        raise DataError(f"{path}: the trace holds too few readings to draw", advice="look at the meter's faults")
    length = max(trace.length, 1)
    per = 1
    while -(-length // per) > _MOST_BUCKETS:
        per *= 2
    drawn = tuple(item for item in steps if item.at_ns.size <= MOST_POINTS)
    many = [item for item in steps if item.at_ns.size > MOST_POINTS and not item.cross_check]
    spans = _spans(told, length, readings.RATE_HZ)
    power = next((item for item in steps if item.quantity == "power"), None)
    spans = [_measured(item, _step_mean(power, item), readings.RATE_HZ) for item in spans]
    unseen = [item for item in steps if item.at_ns.size > MOST_POINTS and item.cross_check]
    left_out = [f"{item.name}: {item.readings} readings, which only check the others, are not drawn" for item in unseen]
    torn = ("the file's last line is cut short: whoever wrote it was killed",) if trace.torn else ()
    return MeterView(
        name=ref.instrument,
        kind="",
        origin="",
        detail="",
        format=ref.format,
        rate_hz=readings.RATE_HZ,
        length=length,
        tiles=tuple(thinned(item, per, length) for item in many),
        steps=drawn,
        lines={},
        wiring={},
        spans=tuple(spans),
        marks=told.marks[:_MOST_MARKS],
        bound_s=told.bound_s,
        remarks=(*told.remarks, *torn, *left_out),
        limits={},
        expected_end=expected_end(told.faults, length, readings.RATE_HZ),
        sample_s=1.0 / readings.RATE_HZ,
    )


def _stretch_samples(stretch: tuple[float, float], length: int, rate_hz: float) -> tuple[int, int]:
    """The samples of a stretch that was asked for, at least one. Raises :class:`DataError` if the trace has none."""
    length_s = length / rate_hz
    if stretch[0] >= length_s or stretch[1] <= 0:
        raise DataError(f"nothing lies between {stretch[0]:g} s and {stretch[1]:g} s: the trace is {length_s:g} s long")
    return max(int(stretch[0] * rate_hz), 0), length if stretch[1] >= length_s else int(stretch[1] * rate_hz) + 1


def _spans(told: _Known, length: int, rate_hz: float) -> list[Span]:
    """The stretches that the analysis uses, then those of other marks; a window without its end reaches to the trace's.

    In order of time.
    """
    stretches = pass_stretches(told.marks, samples=length, rate_hz=rate_hz, planned_idle_s=told.planned_idle_s)
    index_of = {(mark.name, mark.sample): mark.index for mark in told.marks}
    spans = [
        Span(name, index_of.get((f"{name}_begin", item.begin), 0), item.begin, item.end, item.u_samples, item.method)
        for name, items in (("window", stretches.measured), ("warmup", stretches.warmup))
        for item in items
    ]
    if told.marks:
        # Without any mark, the planned idle is a guess at what the trace's ends show, and nothing worth drawing.
        spans += [
            Span(name, 0, item.begin, item.end, item.u_samples, item.method)
            for name, item in (("idle_before", stretches.idle_before), ("idle_after", stretches.idle_after))
            if item is not None
        ]
    begins = {(mark.name.removesuffix("_begin"), mark.index): mark for mark in told.marks if _is(mark, "_begin")}
    ends = {(mark.name.removesuffix("_end"), mark.index): mark for mark in told.marks if _is(mark, "_end")}
    have = {item.name for item in spans} | {"idle_before", "idle_after"}
    for name, index in dict.fromkeys([*begins, *ends]):
        if name in have:
            continue
        begin, end = begins.get((name, index)), ends.get((name, index))
        first = begin.sample if begin is not None else 0.0
        last = end.sample if end is not None else float(length)
        u = max(mark.u_samples for mark in (begin, end) if mark is not None)
        method = next(mark.method for mark in (begin, end) if mark is not None)
        if last > first:
            spans.append(Span(name, index, first, last, u, method, complete=begin is not None and end is not None))
    return sorted(spans, key=lambda item: (item.begin, item.end))[:_MOST_MARKS]


def _is(mark: Mark, suffix: str) -> bool:
    return mark.name.endswith(suffix)


def _measured(span: Span, mean: tuple[float | None, float], rate_hz: float) -> Span:
    power_w, coverage = mean
    energy_j = None if power_w is None else power_w * (span.end - span.begin) / rate_hz
    return replace(span, power_w=power_w, energy_j=energy_j, coverage=coverage)


def _sampled_mean(trace: TraceReader, span: Span, gaps: Ranges) -> tuple[float | None, float]:
    if "power" not in quantities_of(trace):
        return None, 0.0
    energy = stretch_energy(trace, span.begin, span.end, gaps)
    return (None, 0.0) if energy is None else (energy.power_w, energy.coverage)


def _step_mean(power: Steps | None, span: Span) -> tuple[float | None, float]:
    return (None, 0.0) if power is None else power.mean(span.begin, span.end)


def _interesting(trace: TraceReader, spans: Sequence[Span], told: _Known, found: Scan) -> list[float]:
    """The samples around which to keep detail, the most important first."""
    length, missing = found.tile.stop, found.missing
    windows = [item for item in spans if item.name == "window"]
    others = [item for item in spans if item.name != "window"]
    places = [edge for item in windows[:2] for edge in (item.begin, item.end)]
    places += [float(item) for item in fault_samples(told.faults, length)]
    places += [float(item) for pair in zip(missing.start[:12], missing.stop[:12], strict=True) for item in pair]
    places += [edge for item in [*others[:8], *windows[2:12]] for edge in (item.begin, item.end)]
    places += [mark.sample for mark in told.marks[:16]]
    places += [float(item) for line in found.lines.values() for item in line.changes.stop[:4]]
    return [*places, *_extremes(trace, found.tile, told.gaps), float(length)]


def _extremes(trace: TraceReader, overview: Tile, gaps: Ranges) -> list[float]:
    """The largest and the least sample of all: a spike of one sample is worth a closer look."""
    name, lead = next(iter(overview.series.items()))
    if not np.isfinite(lead.high).any():
        return []
    found: list[float] = []
    for bucket, largest in ((np.nanargmax(lead.high), True), (np.nanargmin(lead.low), False)):
        start = overview.start + int(bucket) * overview.per
        stop = min(start + overview.per, overview.stop)
        samples = scan(trace, 1, start=start, stop=stop, quantities=(name,), gaps=gaps).tile.series[name].low
        found.append(float(start + int(np.nanargmax(samples) if largest else np.nanargmin(samples))))
    return found


# ------------------------------------------------------------------------------------------------------- time axes


def _on_common_axes(record: Record, data: PassData, meters: Sequence[MeterView]) -> list[MeterView]:
    """The meters with their place on the time axis of the first one, where the clocks allow; else each on its own.

    A trace is placed by the host's instants of its first and its last sample, a straight line between them.
    """
    refs = {ref.instrument: ref for ref in data.end.traces}
    first: tuple[float, float] | None = None
    placed: list[MeterView] = []
    for number, meter in enumerate(meters):
        if len(meters) == 1 or meter.problem:
            placed.append(replace(meter, group=number))
            continue
        try:
            clock = trace_on_host(record, data, refs[meter.name])
        except DataError:
            placed.append(replace(meter, group=number))
            continue
        end_ns = clock.zero_ns + round(max(meter.duration_s, 1e-3) * 1e9)
        begin_at, end_at = clock.sample(clock.zero_ns), clock.sample(end_ns)
        sample_s = (end_ns - clock.zero_ns) * 1e-9 / (end_at - begin_at)
        begin_s = clock.zero_ns * 1e-9 - begin_at * sample_s
        if first is None:
            first = (begin_s, sample_s / meter.sample_s)
            placed.append(replace(meter, group=0))
            continue
        stretch = 1.0 / first[1]
        placed.append(replace(meter, group=0, zero_s=(begin_s - first[0]) * stretch, sample_s=sample_s * stretch))
    return placed
