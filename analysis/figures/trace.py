"""One power trace as an example: idle, warm-up and the window of an energy pass, and its first inferences enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.figures.axes import set_axis
from analysis.figures.dots import Drawn
from analysis.figures.style import (
    GRID,
    IDLE,
    INK,
    INVALID_COLOUR,
    MUTED,
    PALETTE,
    WARM_UP,
    WINDOW,
    heading,
    new_figure,
    place_axes,
    watermark,
)
from analysis.figures.units import tick_text
from analysis.view.columns import Envelope, envelope
from analysis.view.tiles import scan
from lab.record.documents import Mark
from lab.record.traces import TraceReader

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 1400
_LEAST_NAMED = 0.05
"""A stretch shorter than this share of the pass is shaded, but has no room for its name."""
_LINE = PALETTE[0]
_SHADES = {
    "idle_before": (IDLE, "idle"),
    "warmup": (WARM_UP, "warm-up"),
    "window": (WINDOW, "window"),
    "idle_after": (IDLE, "idle"),
}


def power_envelope(reader: TraceReader, start: int, stop: int, columns: int = _COLUMNS) -> Envelope:
    """The power of a trace between two samples, thinned to at most ``columns`` stretches without losing its extremes.

    Raises :class:`lab.errors.DataError` if the trace has no power.
    """
    per_column = max(1, -(-(stop - start) // columns))
    return envelope(scan(reader, per_column, start=start, stop=stop, quantities=("power",)).tile, "power", columns)


def draw_trace(
    reader: TraceReader,
    marks: Sequence[Mark],
    origin: str,
    title: str,
    subtitle: str,
    *,
    latency_s: float | None = None,
    gaps: Sequence[tuple[int, int]] = (),
    footer: str = "",
) -> Drawn:
    """Draw the whole pass above and the window's beginning below."""
    spans = spans_of(marks, reader.rate_hz)
    figure = new_figure(9.0, 5.4)
    upper = place_axes(figure, 0.75, 2.95, 0.3, 0.85)
    _shade(upper, spans)
    _draw(upper, power_envelope(reader, 0, reader.length), reader.rate_hz)
    _power_axis(upper)
    upper.set_xlabel("Time since the trace began [s]")
    window = next((span for span in spans if span.name == "window"), None)
    lower = place_axes(figure, 0.75, 0.72, 0.3, 3.3)
    begin_s = window.begin_s if window else 0.0
    length_s = window.end_s - window.begin_s if window else reader.length / reader.rate_hz
    detail_s = min(length_s, max(6.0 * (latency_s or 0.0), 150 / reader.rate_hz))
    first = max(0, int((begin_s - 0.2 * detail_s) * reader.rate_hz))
    last = min(reader.length, int((begin_s + detail_s) * reader.rate_hz) + 1)
    _shade(lower, spans, named=False)
    _draw(lower, power_envelope(reader, first, last), reader.rate_hz)
    lower.set_xlim(first / reader.rate_hz, last / reader.rate_hz)
    _power_axis(lower)
    lower.set_xlabel("The window's beginning, enlarged [s]")
    for axes in (upper, lower):
        _mark_gaps(axes, gaps, reader.rate_hz)
        watermark(axes, [origin])
    heading(figure, title, subtitle, [origin], footer)
    return Drawn(figure, {})


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the trace between two marks."""

    name: str
    begin_s: float
    end_s: float


def spans_of(marks: Sequence[Mark], rate_hz: float) -> list[Span]:
    """The stretches that have both marks, in order of time; a pass of a recorded session has several windows."""
    at = {(mark.name, mark.index): mark.sample / rate_hz for mark in marks}
    spans = [
        Span(name, begin_s, at[f"{name}_end", index])
        for (mark, index), begin_s in at.items()
        if mark.endswith("_begin") and (name := mark.removesuffix("_begin")) in _SHADES
        if (f"{name}_end", index) in at
    ]
    return sorted(spans, key=lambda span: span.begin_s)


def _shade(axes: Axes, spans: Sequence[Span], *, named: bool = True) -> None:
    total = max((span.end_s for span in spans), default=1.0)
    for span in spans:
        colour, word = _SHADES[span.name]
        begin, end = span.begin_s, span.end_s
        axes.axvspan(begin, end, color=colour, linewidth=0, zorder=0.3)
        if named and (end - begin) / total > _LEAST_NAMED:
            axes.annotate(
                f"{word}\n{tick_text(end - begin, 's')}",
                ((begin + end) / 2, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                size=7,
                color=MUTED,
                ha="center",
                va="bottom",
                annotation_clip=True,
            )
        if not named and span.name == "window":
            axes.axvline(begin, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=4)


def _draw(axes: Axes, power: Envelope, rate_hz: float) -> None:
    time_s = power.at / rate_hz
    if power.per_column > 1:
        axes.fill_between(time_s, power.low, power.high, color=_LINE, alpha=0.35, linewidth=0, zorder=2)
    axes.plot(time_s, power.mean, color=_LINE, linewidth=0.9, zorder=3)
    values = np.concatenate([power.low, power.high])
    present = values[np.isfinite(values)]
    if present.size:
        set_axis(axes, "y", "Power", [float(present.min()), float(present.max())], "W", log=False)
    axes.set_xlim(time_s[0], time_s[-1])


def _mark_gaps(axes: Axes, gaps: Sequence[tuple[int, int]], rate_hz: float) -> None:
    """Where samples are missing: a red stripe, at least a hair's breadth wide."""
    left, right = axes.get_xlim()
    for first, last in gaps:
        if last / rate_hz > left and first / rate_hz < right:
            axes.axvspan(
                first / rate_hz, last / rate_hz, facecolor=INVALID_COLOUR, edgecolor=INVALID_COLOUR, alpha=0.3, zorder=1
            )


def _power_axis(axes: Axes) -> None:
    axes.grid(visible=True, color=GRID)
