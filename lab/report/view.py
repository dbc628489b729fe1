"""The page that shows a trace: one file, complete in itself, that draws and zooms in any browser without a network.

What is drawn lies in the page as numbers (:class:`_Numbers`), described by a small JSON object; ``templates/view.js``
draws it. Every text that comes from a record is escaped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.figures.names import quantity_title, sentence_case
from analysis.figures.style import INK, ORIGIN_COLOURS, ORIGIN_GLYPHS
from analysis.figures.units import tick_text
from analysis.view.model import Finding, MeterView, Span, View
from analysis.view.steps import Steps
from analysis.view.tiles import QUANTITIES, Line, Series, Tile
from lab.record.quantity import Verdict
from lab.report.build import ORIGIN_MEANINGS, OriginShare, reason_text
from lab.report.format import MISSING, grouped, plural, show
from lab.report.pages import page_environment

GLYPHS = {"valid": "✓", "degraded": "◐", "invalid": "✕", "noted": "○"}

SPAN_WORDS = {"window": "window", "warmup": "warm-up", "idle_before": "idle before", "idle_after": "idle after"}

_MOST_PLACES = 4
_MOST_STRETCHES = 60
_MOST_GAPS = 5000
_MOST_SPANS = 1000

_FIRST = (
    *("energy_net_j", "energy_gross_j", "energy_process_net_j", "energy_process_gross_j", "energy_recorded_j"),
    *("energy_warmup_j", "power_active_w", "power_recorded_w", "power_idle_w", "window_s", "recorded_s"),
)


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    jump: str


class _Numbers:
    """Arrays one after the other, each at a multiple of eight bytes, so that a script can look at them as they are."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0

    def add(self, values: NDArray[Any], kind: str = "f4") -> list[Any]:
        """Keep an array; returns [kind, byte offset, length] for the script."""
        data = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()
        place = [kind, self._bytes, len(values)]
        self._parts.append(data + bytes(-len(data) % 8))
        self._bytes += len(self._parts[-1])
        return place

    def text(self) -> str:
        """All of it in base64."""
        return base64.b64encode(b"".join(self._parts)).decode("ascii")


def render_view(view: View, channels: Sequence[str] = QUANTITIES, command: str = "lab view") -> str:
    """The page as text. ``channels`` are shown at first; ``command`` is how to ask for this view again."""
    from markupsafe import Markup

    environment = page_environment()
    environment.globals["plural"] = plural
    numbers = _Numbers()
    payload = json.dumps(_payload(view, channels, numbers), allow_nan=False, separators=(",", ":"))
    # Inside a script element only this could end it.
    safe = payload.replace("<", "\\u003c")
    content = _content(view, command) | {"payload": Markup(safe), "numbers": Markup(numbers.text())}
    return environment.get_template("view.html.j2").render(content)


def write_view(view: View, path: Path, channels: Sequence[str] = QUANTITIES, command: str = "lab view") -> None:
    """Write the page, replacing an earlier one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(render_view(view, channels, command), encoding="utf-8")
    temporary.replace(path)


# ---------------------------------------------------------------------------------------------------- for the script


def _payload(view: View, channels: Sequence[str], numbers: _Numbers) -> dict[str, Any]:
    return {
        "channels": list(channels),
        "groups": list(_groups(view)),
        "stretch": None if view.stretch is None else [at if at < float("inf") else None for at in view.stretch],
        "meters": [_meter(meter, numbers) for meter in view.meters if not meter.problem],
    }


def _groups(view: View) -> list[list[str]]:
    """The names of meters that share an axis."""
    groups: dict[int, list[str]] = {}
    for meter in view.meters:
        if not meter.problem:
            groups.setdefault(meter.group, []).append(meter.name)
    return [groups[number] for number in sorted(groups)]


def _meter(meter: MeterView, numbers: _Numbers) -> dict[str, Any]:
    missing = meter.missing
    starts = np.zeros(0) if missing is None else missing.start[:_MOST_GAPS]
    stops = np.zeros(0) if missing is None else missing.stop[:_MOST_GAPS]
    return {
        "name": meter.name,
        "text": meter_text(meter),
        "length": meter.length,
        "zero": meter.zero_s,
        "dt": meter.sample_s,
        "bound": meter.bound_s,
        "expectedEnd": meter.expected_end,
        "limits": dict(meter.limits),
        "noWindow": any(note.code == "no_window" for note in meter.notes),
        "tiles": [_tile(tile, meter.product, numbers) for tile in meter.tiles],
        "steps": [_steps(item, numbers) for item in meter.steps],
        "gaps": {"start": numbers.add(starts, "f8"), "stop": numbers.add(stops, "f8")},
        "lines": [_line(name, line, meter.wiring.get(name, ""), numbers) for name, line in meter.lines.items()],
        "spans": [_span(span) for span in meter.spans[:_MOST_SPANS]],
        "marks": [{"name": mark.name, "at": mark.sample, "u": mark.u_samples} for mark in meter.marks],
        "notes": _notes(meter),
    }


def _tile(tile: Tile, product: bool, numbers: _Numbers) -> dict[str, Any]:
    return {
        "start": tile.start,
        "stop": tile.stop,
        "per": tile.per,
        "series": _samples(tile, product, numbers)
        if tile.per == 1
        else {name: _buckets(item, tile, numbers) for name, item in tile.series.items()},
    }


def _samples(tile: Tile, product: bool, numbers: _Numbers) -> dict[str, Any]:
    """Single samples; power that is a product of two channels is multiplied where it is drawn."""
    found = {
        name: {"value": numbers.add(item.low)}
        for name, item in tile.series.items()
        if not (product and name == "power")
    }
    if product and "power" in tile.series:
        # A gap that only the record names is NaN in the tile, so the product of the two is too.
        found["power"] = {"product": [found["current"]["value"], found["voltage"]["value"]]}
    return {name: found[name] for name in tile.series}


def _buckets(series: Series, tile: Tile, numbers: _Numbers) -> dict[str, Any]:
    partly = np.flatnonzero(series.count != tile.sizes())
    return {
        "low": numbers.add(series.low),
        "mean": numbers.add(series.mean),
        "high": numbers.add(series.high),
        "partly": np.stack([partly, series.count[partly]], axis=1).tolist(),
    }


def _steps(steps: Steps, numbers: _Numbers) -> dict[str, Any]:
    return {
        "name": steps.name,
        "quantity": steps.quantity,
        "kind": steps.kind,
        "check": steps.cross_check,
        "at": numbers.add(steps.at_ns, "f8"),
        "value": numbers.add(steps.value, "f8"),
    }


def _line(name: str, line: Line, meaning: str, numbers: _Numbers) -> dict[str, Any]:
    changes = line.changes
    return {
        "name": name,
        "meaning": meaning,
        "first": line.first_level,
        "start": numbers.add(changes.start, "f8"),
        "stop": numbers.add(changes.stop, "f8"),
        "pieces": numbers.add(changes.pieces, "f4"),
        "level": numbers.add(changes.level, "f4"),
    }


def _span(span: Span) -> dict[str, Any]:
    return {
        "name": span.name,
        "begin": span.begin,
        "end": span.end,
        "complete": span.complete,
        "power": span.power_w,
    }


def _notes(meter: MeterView) -> list[dict[str, Any]]:
    """A row for each code, the gravest first. A stretch has its bar in that row; only an instant is a line besides."""
    rows: dict[str, dict[str, Any]] = {}
    for note in meter.notes:
        row = rows.setdefault(note.code, {"text": note.text, "verdict": str(note.verdict), "places": [], "wide": False})
        row["places"].append([note.begin, note.end])
        row["wide"] |= note.end - note.begin > 1.0
    return list(rows.values())


# -------------------------------------------------------------------------------------------------------- for people


def meter_text(meter: MeterView) -> str:
    """A meter and the resolution of what is shown of it, in a line."""
    parts = [meter.detail] if meter.detail else []
    if meter.problem:
        return meter.problem
    if meter.format == "readings":
        count = sum(item.readings for item in meter.steps)
        parts.append(f"{plural(count, 'reading')} in {tick_text(meter.duration_s, 's')}")
        return ", ".join(parts)
    parts.append(f"{grouped(str(meter.length))} samples at {tick_text(meter.rate_hz, 'Hz')}")
    parts.append(tick_text(meter.length / meter.rate_hz, "s"))
    if meter.tiles and meter.tiles[0].per > 1:
        parts.append(f"drawn in steps of {plural(meter.tiles[0].per, 'sample')}, finer around marks, gaps and faults")
    else:
        parts.append("every sample is in this page")
    if len(meter.missing or ()) > _MOST_GAPS:
        parts.append(f"the first {grouped(str(_MOST_GAPS))} gaps are hatched")
    return ", ".join(parts)


def _content(view: View, command: str) -> dict[str, Any]:
    meters = {meter.name: meter for meter in view.meters}
    groups = _groups(view)
    spans = [(meter, span) for meter in view.meters for span in meter.spans]
    coarse = [meter for meter in view.meters if meter.tiles and meter.tiles[0].per > 1]
    return {
        "title": view.title,
        "subtitle": view.subtitle,
        "record_id": view.record_id,
        "verdict": "" if view.verdict is None else str(view.verdict),
        "glyphs": GLYPHS,
        "origins": [_origin(name) for name in view.origins],
        "findings": [_finding(item, meters, groups) for item in view.findings],
        "problems": _problems(view),
        "groups": groups,
        "sampled": any(meter.tiles for meter in view.meters),
        "quantities": _quantity_lines(view),
        "stretches": [_stretch_line(meter, span, groups) for meter, span in spans[:_MOST_STRETCHES]],
        "stretches_left_out": max(len(spans) - _MOST_STRETCHES, 0),
        "meters": [{"name": meter.name, "text": meter_text(meter)} for meter in view.meters],
        "facts": list(view.facts.items()),
        "remarks": list(dict.fromkeys(remark for meter in view.meters for remark in meter.remarks)),
        "deeper": "Between marks, gaps and faults a zoom ends at the steps named above. Every sample of a stretch:"
        if coarse
        else "",
        "command": f"{command} --from {_example_s(view):.6g} --to {_example_s(view) + 0.05:.6g}",
        "stderr_tail": view.stderr_tail,
    }


def _problems(view: View) -> list[str]:
    """What keeps a meter from being shown, and what a view without verdict does not say of itself."""
    found = [f"{meter.name} cannot be shown: {meter.problem}" for meter in view.meters if meter.problem]
    empty = [meter for meter in view.meters if meter.missing is not None and meter.missing.samples == meter.length]
    found += [
        f"{meter.name}: not one sample of its power is there, from beginning to end" for meter in empty if meter.length
    ]
    return found


def _example_s(view: View) -> float:
    """An instant worth looking at more closely: the first finding's, else the window's begin."""
    meters = {meter.name: meter for meter in view.meters}
    places = [meters[name].at_s(begin) for item in view.findings for name, begin, _ in item.places]
    windows = [meter.at_s(span.begin) for meter in view.meters for span in meter.spans if span.name == "window"]
    return round(max(0.0, next(iter([*places, *windows]), 0.0)), 3)


def _origin(name: str) -> OriginShare:
    meaning = ORIGIN_MEANINGS.get(name, "an origin this version does not know")
    return OriginShare(name, ORIGIN_GLYPHS.get(name, "?"), ORIGIN_COLOURS.get(name, INK), meaning, 0)


def _finding(item: Finding, meters: Mapping[str, MeterView], groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {
        "code": item.code,
        "verdict": str(item.verdict) if item.hits else "noted",
        "text": item.text if item.hits else f"{item.text} (no result of this pass suffers)",
        "advice": item.advice,
        "details": item.details,
        "places": [
            _Place(f"show {'' if len(item.places) == 1 else number}".strip(), _jump(meters[name], begin, end, groups))
            for number, (name, begin, end) in enumerate(item.places[:_MOST_PLACES], start=1)
        ],
        "more": max(len(item.places) - _MOST_PLACES, 0),
    }


def _jump(meter: MeterView, begin: float, end: float, groups: Sequence[Sequence[str]]) -> str:
    """Group, begin and end to zoom to, with some trace to either side."""
    group = next(number for number, names in enumerate(groups) if meter.name in names)
    margin = max(0.6 * (end - begin), 200.0 if meter.format != "readings" else 0.02 * meter.length)
    return f"{group} {meter.at_s(begin - margin):.9f} {meter.at_s(end + margin):.9f}"


def _quantity_lines(view: View) -> list[dict[str, Any]]:
    """The pass's results, energies first; invalid ones without their number."""
    order = {name: place for place, name in enumerate(_FIRST)}
    items = sorted(view.quantities, key=lambda item: (item.window or 0, order.get(item.quantity.name, len(order))))
    lines: list[dict[str, Any]] = []
    for item in items:
        quantity = item.quantity
        value = None if quantity.verdict is Verdict.INVALID else quantity.value
        lines.append(
            {
                "title": sentence_case(quantity_title(quantity.name)),
                "window": item.window,
                "value": show(value, quantity.expanded_u, quantity.unit).text,
                "verdict": str(quantity.verdict),
                "why": reason_text(quantity.reasons),
                "source": quantity.source,
            }
        )
    return lines


def _stretch_line(meter: MeterView, span: Span, groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {
        "name": SPAN_WORDS.get(span.name, span.name) + (f" {span.index}" if span.index else ""),
        "meter": meter.name,
        "begin": f"{meter.at_s(span.begin):.6f} s",
        "length": show((span.end - span.begin) * meter.sample_s, None, "s").text,
        "power": show(span.power_w, None, "W").text,
        "energy": show(span.energy_j, None, "J").text,
        "coverage": MISSING if span.power_w is None else f"{100 * span.coverage:.4g} %",
        "whole": span.coverage > 1 - 1e-9 or span.power_w is None,
        "complete": span.complete,
        "method": span.method,
        "jump": _jump(meter, span.begin, span.end, groups),
    }


def summary(view: View) -> dict[str, Any]:
    """The view in numbers, for scripts: verdict, findings, results, and of each meter its stretches and resolution."""
    return {
        "record": view.record_id or None,
        "pass": view.pass_id or None,
        "title": view.title,
        "origins": list(view.origins),
        "verdict": None if view.verdict is None else str(view.verdict),
        "findings": [
            {
                "code": item.code,
                "verdict": str(item.verdict) if item.hits else "noted",
                "text": item.text,
                "advice": item.advice,
                "hits": list(item.hits),
                "details": [list(detail) for detail in item.details],
                "places": [list(place) for place in item.places],
            }
            for item in view.findings
        ],
        "quantities": [
            {
                "quantity": item.quantity.name,
                "value": item.quantity.value,
                "unit": item.quantity.unit,
                "U": item.quantity.expanded_u,
                "verdict": str(item.quantity.verdict),
                "reasons": list(item.quantity.reasons),
                "source": item.quantity.source,
                "window": item.window,
            }
            for item in view.quantities
        ],
        "meters": [_meter_summary(meter) for meter in view.meters],
    }


def _meter_summary(meter: MeterView) -> dict[str, Any]:
    missing = meter.missing
    return {
        "name": meter.name,
        "problem": meter.problem or None,
        "rate_hz": meter.rate_hz,
        "samples": meter.length,
        "duration_s": meter.duration_s,
        "expected_end_s": None if meter.expected_end is None else meter.at_s(meter.expected_end),
        "samples_per_step": meter.tiles[0].per if meter.tiles else None,
        "gaps": [] if missing is None else _pairs(missing.start, missing.stop),
        "missing_samples": None if missing is None else missing.samples,
        "lines": {name: int(line.changes.pieces.sum()) for name, line in meter.lines.items()},
        "stretches": [
            {
                "name": span.name,
                "index": span.index,
                "begin_s": meter.at_s(span.begin),
                "end_s": meter.at_s(span.end),
                "complete": span.complete,
                "power_w": span.power_w,
                "energy_j": span.energy_j,
                "coverage": span.coverage,
            }
            for span in meter.spans
        ],
        "remarks": list(meter.remarks),
    }


def _pairs(starts: Iterable[Any], stops: Iterable[Any]) -> list[list[int]]:
    return [[int(start), int(stop)] for start, stop in zip(starts, stops, strict=True)][:_MOST_GAPS]
