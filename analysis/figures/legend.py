"""The legend above the axes: colours first, then what the shapes and marks in this figure mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.figures.axes import limits
from analysis.figures.data import Point
from analysis.figures.style import (
    INK,
    MUTED,
    cross_style,
    marker_style,
    sorted_origins,
    text_width_in,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = 8.0
_TOP_IN = 0.63
LINE_IN = 0.21
_AXIS_IN = 7.0
_MARK_RADIUS_PT = 2.6


@dataclass(frozen=True, slots=True)
class Entry:
    """A mark and what it means; ``strong`` for the colours, which are data, not convention."""

    style: dict[str, Any]
    text: str
    strong: bool = False

    @property
    def width_in(self) -> float:
        """How much of a line the entry takes."""
        return 0.17 + text_width_in(self.text, _SIZE) * (1.1 if self.strong else 1.0) + 0.2


def colour_entries(colours: dict[str, str]) -> list[Entry]:
    """One swatch per named colour, in a shape that no origin has; none where the only colour has no name."""
    swatch = ((-1.0, -0.55), (1.0, -0.55), (1.0, 0.55), (-1.0, 0.55))
    style: dict[str, Any] = {"marker": swatch, "linestyle": "none", "markersize": 10, "markeredgewidth": 0}
    return [Entry(style | {"color": colour}, name, strong=True) for name, colour in colours.items() if name]


def mark_entries(points: Sequence[Point], sides: Sequence[Sequence[Point]], *, log: bool) -> list[Entry]:
    """What shapes, open marks, crosses and bars mean, those only that occur.

    ``points`` are all that the figure is about, ``sides`` those with a place on each axis that shows values.
    """
    shown = [point for point in points if point.shown]
    entries = [
        Entry(marker_style(MUTED, origin, "valid"), origin)
        for origin in sorted_origins(point.origin for point in shown)
    ]
    degraded = next((point for point in shown if point.verdict == "degraded"), None)
    if degraded is not None:
        entries.append(Entry(marker_style(MUTED, degraded.origin, "degraded"), "open: degraded"))
    if len(shown) < len(points):
        entries.append(Entry(cross_style() | {"markeredgecolor": MUTED}, "no valid value"))
    claimed = [[point for point in side if point.expanded_u] for side in sides]
    if any(claimed):
        visible = any(_wider_than_a_mark(side, log=log) for side in claimed if side)
        meaning = "bar: ± U (95 %)" if visible else "± U (95 %): within the marks"
        bar = {"marker": "_", "markersize": 11, "markeredgewidth": 1.3, "color": MUTED, "linestyle": "none"}
        entries.append(Entry(bar, meaning))
    return entries


def _wider_than_a_mark(points: Sequence[Point], *, log: bool) -> bool:
    """True if any point's interval, drawn along the long axis of a usual figure, is wider than a mark."""
    values = [point.value or 0.0 for point in points]
    low, high = limits(values, log=log)
    per_unit = _AXIS_IN * 72 / (math.log(high / low) if log else high - low)
    for value, point in zip(values, points, strict=True):
        half = point.expanded_u or 0.0
        if per_unit * (math.log1p(half / value) if log else half) > _MARK_RADIUS_PT:
            return True
    return False


def in_lines(entries: Sequence[Entry], width_in: float) -> list[list[Entry]]:
    """The entries broken into lines that fit a figure of this width."""
    lines: list[list[Entry]] = []
    x_in = width_in
    for entry in entries:
        if x_in + entry.width_in > width_in - 0.18:
            lines.append([])
            x_in = 0.18
        lines[-1].append(entry)
        x_in += entry.width_in
    return lines


def top_margin_in(lines: Sequence[Sequence[Entry]]) -> float:
    """The room that title, subtitle and legend lines need above the axes."""
    return _TOP_IN + LINE_IN * len(lines) + 0.06


def draw_legend(figure: Figure, lines: Sequence[Sequence[Entry]], lower_in: float = 0.0) -> None:
    """Write the lines below the title, ``lower_in`` further down where a subtitle stands in between."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    for index, line in enumerate(lines):
        y = 1 - (_TOP_IN + lower_in + LINE_IN * index) / height
        x_in = 0.18
        for entry in line:
            figure.add_artist(Line2D([(x_in + 0.06) / width], [y], **entry.style))
            figure.text(
                (x_in + 0.17) / width,
                y,
                entry.text,
                size=_SIZE,
                va="center_baseline",
                ha="left",
                color=INK if entry.strong else MUTED,
                weight="bold" if entry.strong else "normal",
            )
            x_in += entry.width_in
