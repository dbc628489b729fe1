"""The view of a pass as a picture: what the page shows at first sight, for documents and tickets."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.figures.axes import set_axis
from analysis.figures.style import (
    GRID,
    IDLE,
    INK,
    INVALID_COLOUR,
    MUTED,
    PALETTE,
    PAPER,
    WARM_UP,
    WINDOW,
    drawing,
    heading,
    new_figure,
    place_axes,
    png_bytes,
    watermark,
)
from analysis.figures.units import scale_for, tick_text
from analysis.view.columns import envelope
from analysis.view.model import MeterView, View
from analysis.view.tiles import QUANTITIES, Tile
from lab.record.quantity import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 1400
_WIDTH, _LEFT, _RIGHT = 11.0, 1.05, 0.25
_TALL, _SHORT, _LANE, _GAP = 2.0, 0.85, 0.17, 0.1
_LEGEND_LINES = 9
_UNITS = {"power": "W", "current": "A", "voltage": "V"}
_COLOURS = dict(zip(QUANTITIES, PALETTE, strict=False))
_SHADES = {"window": WINDOW, "warmup": WARM_UP, "idle_before": IDLE, "idle_after": IDLE}
_WORDS = {"warmup": "warm-up", "idle_before": "idle", "idle_after": "idle"}
_VERDICTS = {Verdict.VALID: "#1b7f4d", Verdict.DEGRADED: "#a86400", Verdict.INVALID: INVALID_COLOUR}
_MOST_DRAWN = 400
"""Gaps, spans or edges of one kind that are drawn one by one: more of them are less than a pixel each."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One strip of the picture: a quantity of a meter, a logic line, its stretches, or one reason's places."""

    meter: MeterView
    kind: str
    name: str
    height_in: float


def write_view_picture(view: View, path: Path, channels: Sequence[str] = QUANTITIES) -> None:
    """Draw the view (the stretch that was asked for, else all of it) as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with drawing():
        path.write_bytes(png_bytes(draw_view(view, channels)))


def draw_view(view: View, channels: Sequence[str] = QUANTITIES) -> Figure:
    """The view as a figure: verdict and reasons in words, then each meter's stretches, findings, quantities, lines."""
    meters = [meter for meter in view.meters if not meter.problem]
    rows = [row for meter in meters for row in _rows(meter, channels, named=len(view.meters) > 1)]
    words = _words(view)
    head = 0.75 + 0.17 * len(words)
    height = head + sum(row.height_in + _GAP for row in rows) + 0.75
    figure = new_figure(_WIDTH, height)
    top = head
    ranges = _ranges(view, meters)
    axes: Axes | None = None
    for row in rows:
        axes = place_axes(figure, _LEFT, height - top - row.height_in, _RIGHT, top)
        axes.set_xlim(*ranges[row.meter.group])
        _DRAW[row.kind](axes, row)
        last = row is rows[-1] or rows[rows.index(row) + 1].meter.group != row.meter.group
        axes.tick_params(labelbottom=last, bottom=last)
        if row.kind == "quantity" and row.height_in == _TALL:
            watermark(axes, view.origins)
        top += row.height_in + _GAP
    if axes is not None:
        axes.set_xlabel("Time since the trace began [s]")
    footer = f"record {view.record_id}" if view.record_id else "a bare file: origin unknown"
    heading(figure, view.title, view.subtitle, view.origins, footer)
    for number, (text, verdict) in enumerate(words):
        colour = _VERDICTS.get(verdict, MUTED) if verdict is not None else MUTED
        weight = "bold" if number == 0 and view.verdict is not None else "normal"
        y = 1 - (0.66 + 0.17 * number) / height
        figure.text(0.18 / _WIDTH, y, text, size=8.5, color=colour, weight=weight, va="top", ha="left")
    return figure


def _rows(meter: MeterView, channels: Sequence[str], *, named: bool) -> list[_Row]:
    # Above the name there is room for the time axis of the meter before.
    rows = [_Row(meter, "title", meter.name, 2 * _LANE)] if named else []
    rows += [_Row(meter, "stretches", "stretches", _LANE)] if meter.spans else []
    rows += [_Row(meter, "places", code, _LANE) for code in dict.fromkeys(note.code for note in meter.notes)]
    has = {name for tile in meter.tiles for name in tile.series} | {steps.quantity for steps in meter.steps}
    shown = [name for name in QUANTITIES if name in has and name in channels] or [n for n in QUANTITIES if n in has][:1]
    rows += [_Row(meter, "quantity", name, _TALL if name == shown[0] else _SHORT) for name in shown]
    return rows + [_Row(meter, "line", name, _LANE) for name in meter.lines]


def _words(view: View) -> list[tuple[str, Verdict | None]]:
    """Verdict and findings, as many lines as a picture bears."""
    if view.verdict is None:
        return []
    lines: list[tuple[str, Verdict | None]] = [(view.verdict.upper(), view.verdict)]
    for item in view.findings:
        verdict = item.verdict if item.hits else None
        details = "; ".join(text for _, text in item.details)
        text = f"{item.text} ({item.code})" + (f": {details}" if details else "")
        advice = f" → {item.advice}" if item.advice else ""
        lines += [(line, verdict) for line in textwrap.wrap(text + advice, 150, subsequent_indent="    ")]
    if len(lines) > _LEGEND_LINES:
        lines = [*lines[: _LEGEND_LINES - 1], ("…", None)]
    return lines


def _ranges(view: View, meters: Sequence[MeterView]) -> dict[int, tuple[float, float]]:
    """The time axis of each group."""
    found: dict[int, tuple[float, float]] = {}
    for meter in meters:
        low, high = meter.at_s(0), meter.at_s(max(meter.length, meter.expected_end or 0))
        before = found.get(meter.group, (low, high))
        found[meter.group] = (min(low, before[0]), max(high, before[1]))
    if view.stretch is None:
        return found
    asked = view.stretch
    return {group: (max(asked[0], low), min(asked[1], high)) for group, (low, high) in found.items()}


def _quantity(axes: Axes, row: _Row) -> None:
    meter = row.meter
    low_s, high_s = axes.get_xlim()
    axes.grid(visible=True, color=GRID)
    for span in meter.spans[:_MOST_DRAWN]:
        if span.name in _SHADES:
            axes.axvspan(meter.at_s(span.begin), meter.at_s(span.end), color=_SHADES[span.name], lw=0, zorder=0.3)
            if span.name == "window":
                for edge in (span.begin, span.end):
                    axes.axvline(meter.at_s(edge), color=INK, lw=0.7, ls=(0, (4, 3)), zorder=3.5)
    values = _draw_values(axes, row, low_s, high_s)
    if meter.missing is not None:
        runs = zip(meter.missing.start[:_MOST_DRAWN], meter.missing.stop[:_MOST_DRAWN], strict=True)
        for start, stop in runs:
            _hatch(axes, meter.at_s(float(start)), meter.at_s(float(stop)))
    if meter.expected_end is not None:
        _hatch(axes, meter.at_s(meter.length), meter.at_s(meter.expected_end))
    for note in meter.notes[:_MOST_DRAWN]:
        if note.end - note.begin <= 1.0:
            axes.axvline(meter.at_s(note.begin), color=_VERDICTS[note.verdict], lw=1.0, zorder=3.6)
    axes.set_xlim(low_s, high_s)
    present = values[np.isfinite(values)]
    if not present.size:
        axes.set_yticks([])
        axes.text(0.5, 0.5, f"no {row.name} was recorded here", transform=axes.transAxes, ha="center", color=MUTED)
        return
    unit = _UNITS[row.name]
    if row.height_in == _TALL:
        set_axis(axes, "y", row.name.capitalize(), [float(present.min()), float(present.max())], unit, log=False)
        return
    # A low strip: two ticks, and the unit beside the name.
    scale = scale_for([float(present.max())], unit)
    margin = 0.08 * float(np.ptp(present)) or 0.01 * abs(float(present.max())) or 1.0
    axes.set_ylim(float(present.min()) - margin, float(present.max()) + margin)
    axes.locator_params(axis="y", nbins=3)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * scale.factor:.6g}")
    axes.set_ylabel(f"{row.name.capitalize()} [{scale.unit}]", fontsize=7.5)


def _draw_values(axes: Axes, row: _Row, low_s: float, high_s: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Draw the quantity; returns everything that must fit in."""
    meter, colour = row.meter, _COLOURS[row.name]
    drawn = [np.zeros(0)]
    tile = _tile(meter, row.name, low_s, high_s)
    if tile is not None:
        start, stop = (int((at - meter.zero_s) / meter.sample_s) for at in (low_s, high_s))
        part = envelope(tile, row.name, _COLUMNS, max(start, tile.start), min(stop + 1, tile.stop))
        time_s = meter.zero_s + part.at * meter.sample_s
        if part.per_column > 1:
            axes.fill_between(time_s, part.low, part.high, color=colour, alpha=0.35, linewidth=0, zorder=2)
        axes.plot(time_s, part.mean, color=colour, linewidth=0.8, zorder=3)
        drawn += [part.low, part.high]
        _at_limits(axes, row, time_s, tile, part.per_column)
    for steps in meter.steps:
        if steps.quantity == row.name:
            time_s = meter.zero_s + steps.at_ns * meter.sample_s
            style = "steps-post" if steps.kind == "held" else "default"
            own = MUTED if steps.cross_check else colour
            axes.plot(time_s, steps.value, color=own, lw=0.8, ls="--" if steps.cross_check else "-", drawstyle=style)
            inside = (time_s >= low_s) & (time_s <= high_s)
            drawn.append(steps.value[inside])
    return np.concatenate(drawn)


def _at_limits(
    axes: Axes, row: _Row, time_s: np.ndarray[tuple[int], np.dtype[np.float64]], tile: Tile, per_column: int
) -> None:
    """A red edge above the columns in which a channel reaches its full scale."""
    for name, limit in row.meter.limits.items():
        if name not in tile.series or row.name not in (name, "power") or not time_s.size:
            continue
        start = int((time_s[0] - row.meter.zero_s) / row.meter.sample_s - per_column / 2)
        stop = int((time_s[-1] - row.meter.zero_s) / row.meter.sample_s + per_column / 2)
        part = envelope(tile, name, _COLUMNS, max(start, tile.start), min(stop, tile.stop))
        hit = np.fmax(part.high, -part.low) >= limit * (1 - 1e-6)
        at_s = row.meter.zero_s + part.at[hit] * row.meter.sample_s
        top = np.full(at_s.size, 0.985)
        axes.plot(at_s, top, "|", color=INVALID_COLOUR, ms=4, transform=axes.get_xaxis_transform(), zorder=5)


def _tile(meter: MeterView, quantity: str, low_s: float, high_s: float) -> Tile | None:
    """The finest tile that covers what is drawn; else the overview."""
    low, high = ((at - meter.zero_s) / meter.sample_s for at in (low_s, high_s))
    having = [tile for tile in meter.tiles if quantity in tile.series]
    inside = [tile for tile in having if tile.start <= max(low, 0) and tile.stop >= min(high, meter.length)]
    return min(inside, key=lambda tile: tile.per, default=having[0] if having else None)


def _hatch(axes: Axes, begin_s: float, end_s: float) -> None:
    axes.axvspan(begin_s, end_s, facecolor=PAPER, edgecolor=INVALID_COLOUR, hatch="////", lw=0.4, zorder=1.5)


def _title(axes: Axes, row: _Row) -> None:
    axes.set_axis_off()
    text = f"{row.name}: {row.meter.detail}" if row.meter.detail else row.name
    axes.text(0.0, 0.1, text, transform=axes.transAxes, size=8.5, weight="bold", va="bottom")


def _stretches(axes: Axes, row: _Row) -> None:
    _lane(axes, "stretches")
    for span in row.meter.spans[:_MOST_DRAWN]:
        begin_s, end_s = row.meter.at_s(span.begin), row.meter.at_s(span.end)
        axes.axvspan(begin_s, end_s, color=_SHADES.get(span.name, GRID), lw=0)
        word = _WORDS.get(span.name, span.name)
        text = f"{word} {tick_text(end_s - begin_s, 's')}" if span.complete else f"{word}: one edge was not seen"
        _in_lane(axes, begin_s, end_s, [text, word], INK if span.complete else INVALID_COLOUR)


def _places(axes: Axes, row: _Row) -> None:
    notes = [note for note in row.meter.notes if note.code == row.name][:_MOST_DRAWN]
    colour = _VERDICTS[notes[0].verdict] if notes[0].verdict is not Verdict.VALID else MUTED
    _lane(axes, notes[0].text, colour)
    low_s, high_s = axes.get_xlim()
    least = (high_s - low_s) / 400
    for note in notes:
        begin_s, end_s = row.meter.at_s(note.begin), row.meter.at_s(note.end)
        axes.axvspan(begin_s, max(end_s, begin_s + least), color=colour, lw=0)
    axes.set_xlim(low_s, high_s)


def _line(axes: Axes, row: _Row) -> None:
    meter, line = row.meter, row.meter.lines[row.name]
    meaning = meter.wiring.get(row.name, "")
    unseen = meaning == "window" and not len(line.changes) and any(note.code == "no_window" for note in meter.notes)
    colour = INVALID_COLOUR if unseen else INK
    _lane(axes, f"{row.name} {meaning}".strip(), colour if unseen else MUTED)
    axes.set_ylim(-0.25, 1.25)
    if line.first_level is None:
        return
    low_s, high_s = axes.get_xlim()
    changes = line.changes
    middle = (changes.start + changes.stop) / 2
    at_s = meter.zero_s + np.concatenate([[0.0], middle, [meter.length]]) * meter.sample_s
    level = np.concatenate([[line.first_level], changes.level, changes.level[-1:] if len(changes) else []])
    if not len(changes):
        level = np.full(2, line.first_level)
        text = f"no edges: the line stayed {'high' if line.first_level else 'low'}"
        axes.text(0.01, 0.5, text, transform=axes.transAxes, size=6.5, color=colour, va="center")
    axes.plot(at_s, level, color=colour, lw=0.8, drawstyle="steps-post")
    open_ = (changes.stop - changes.start > 1) | (changes.pieces > 1)
    for begin, end in zip(changes.start[open_][:_MOST_DRAWN], changes.stop[open_][:_MOST_DRAWN], strict=True):
        axes.axvspan(meter.at_s(float(begin)), meter.at_s(float(end)), color=MUTED, alpha=0.5, lw=0)
    axes.set_xlim(low_s, high_s)


def _lane(axes: Axes, name: str, colour: str = MUTED) -> None:
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_facecolor("#f4f6f8")
    axes.text(-0.006, 0.5, name, transform=axes.transAxes, size=7, color=colour, ha="right", va="center")


def _in_lane(axes: Axes, begin_s: float, end_s: float, texts: Sequence[str], colour: str) -> None:
    """The first text that fits into a stretch of the lane."""
    low_s, high_s = axes.get_xlim()
    begin_s, end_s = max(begin_s, low_s), min(end_s, high_s)
    room_in = (end_s - begin_s) / (high_s - low_s) * (_WIDTH - _LEFT - _RIGHT)
    text = next((item for item in texts if len(item) * 0.055 < room_in), None)
    if text:
        axes.text(begin_s + 0.004 * (high_s - low_s), 0.45, text, size=6.5, color=colour, va="center", clip_on=True)


_DRAW = {"title": _title, "quantity": _quantity, "stretches": _stretches, "places": _places, "line": _line}
