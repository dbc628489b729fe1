"""Line charts in the house style: one panel for each part of the data, a line for each of what is compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis.figures.axes import draw_bars, set_axis
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.style import MUTED, heading, new_figure, place_axes, sorted_origins, watermark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN = 9.0
_COLUMNS = {1: 1, 2: 2, 4: 2, 7: 4, 8: 4}
_MOST_COLUMNS = 3
_HEIGHT_IN, _ALONE_IN = 1.75, 3.4
_GAP_X_IN, _GAP_Y_IN = 0.28, 0.42
_LEFT_IN, _RIGHT_IN, _BOTTOM_IN = 0.82, 0.2, 0.72
_SUBTITLE_IN = 0.18
_MARKERS = "os^DvP*X"

SOLID, DASHED, DOTTED = "-", (0, (4, 2)), (0, (1, 1.5))


@dataclass(frozen=True, slots=True)
class Line:
    """``key`` names the line's colour; ``halves`` are ± bars, none where empty; ``texts`` are the points' tooltips."""

    key: str
    xs: Sequence[float]
    ys: Sequence[float]
    dashes: Any = SOLID
    texts: Sequence[str] = ()
    halves: Sequence[float] = ()
    markers: bool = True
    joined: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel and its lines. ``notes`` are texts at the panel's upper left, a line each."""

    name: str
    lines: Sequence[Line]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Look:
    """What all panels of a figure share: axes, colours, and what dashes or other marks mean."""

    x_title: str
    y_title: str
    colours: Mapping[str, str]
    x_log: bool = False
    y_log: bool = False
    y_unit: str = "1"
    subtitle: str = ""
    footer: str = ""
    entries: Sequence[Entry] = ()
    y_range: tuple[float, ...] = ()
    """Further values that the y axis holds."""
    x_ticks: Mapping[float, str] = field(default_factory=dict)


def dash_entry(dashes: Any, text: str) -> Entry:
    """What a solid or a dashed line means, as a mark: a legend's entry is a single point."""
    from matplotlib.path import Path

    pieces = ((-1.3, 1.3),) if dashes == SOLID else ((-1.3, -0.25), (0.25, 1.3))
    thick = 0.16
    corners = [((low, -thick), (high, -thick), (high, thick), (low, thick), (low, -thick)) for low, high in pieces]
    vertices = [corner for piece in corners for corner in piece]
    codes = [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY] * len(pieces)
    shape = Path(vertices, codes)
    return Entry({"linestyle": "none", "color": MUTED, "marker": shape, "markersize": 12, "markeredgewidth": 0}, text)


def draw_panels(panels: Sequence[Panel], title: str, origins: Iterable[str], look: Look) -> Drawn:
    """Draw the panels row by row on common axes. There must be at least one point."""
    alone = len(panels) == 1
    columns = _COLUMNS.get(len(panels), _MOST_COLUMNS)
    rows = math.ceil(len(panels) / columns)
    used = {line.key for panel in panels for line in panel.lines}
    colours = {key: colour for key, colour in look.colours.items() if key in used}
    legend = in_lines([*colour_entries(colours), *look.entries], WIDTH_IN)
    lower = _SUBTITLE_IN if look.subtitle else 0.0
    top = top_margin_in(legend) + lower + (0.0 if alone else 0.2)
    height_in = _ALONE_IN if alone else _HEIGHT_IN
    height = top + rows * height_in + (rows - 1) * _GAP_Y_IN + _BOTTOM_IN
    figure = new_figure(WIDTH_IN, height)
    width_in = (WIDTH_IN - _LEFT_IN - _RIGHT_IN - (columns - 1) * _GAP_X_IN) / columns
    lines = [line for panel in panels for line in panel.lines]
    xs = [x for line in lines for x in line.xs]
    ys = [*_reach(lines), *look.y_range]
    tooltips: dict[str, list[str]] = {}
    marks = dict(zip(look.colours, _MARKERS * (1 + len(look.colours) // len(_MARKERS)), strict=False))
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        left = _LEFT_IN + column * (width_in + _GAP_X_IN)
        above = top + row * (height_in + _GAP_Y_IN)
        axes = place_axes(figure, left, height - above - height_in, WIDTH_IN - left - width_in, above)
        set_axis(axes, "x", look.x_title, xs, "1", log=look.x_log)
        set_axis(axes, "y", look.y_title, ys, look.y_unit, log=look.y_log)
        axes.grid(visible=True, which="major")
        if look.y_log and ys and max(ys) > 1e6 * min(y for y in ys if y > 0):
            axes.tick_params(axis="y", which="minor", left=False)
        _ticks(axes, look)
        if column:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
        if number + columns < len(panels):
            axes.set_xlabel("")
        if not alone:
            axes.set_title(panel.name, size=8.5, loc="left", pad=3, weight="bold")
        _lines(axes, panel, colours, marks, number, tooltips)
        for place, note in enumerate(panel.notes):
            axes.annotate(
                note, (0, 1), xycoords="axes fraction", xytext=(4, -9 - 10 * place), textcoords="offset points",
                size=7.5, color=MUTED,
            )  # fmt: skip
        watermark(axes, sorted_origins(origins))
    draw_legend(figure, legend, lower)
    heading(figure, title, look.subtitle, sorted_origins(origins), look.footer)
    return Drawn(figure, tooltips)


def _reach(lines: Sequence[Line]) -> list[float]:
    values = []
    for line in lines:
        halves = line.halves or [0.0] * len(line.ys)
        values += [end for y, half in zip(line.ys, halves, strict=True) for end in (y - half, y, y + half)]
    return values


def _ticks(axes: Axes, look: Look) -> None:
    if look.x_ticks:
        axes.minorticks_off()
        axes.set_xticks(list(look.x_ticks), list(look.x_ticks.values()))


def _lines(
    axes: Axes,
    panel: Panel,
    colours: Mapping[str, str],
    marks: Mapping[str, str],
    number: int,
    tooltips: dict[str, list[str]],
) -> None:
    for place, line in enumerate(panel.lines):
        colour = colours[line.key]
        if line.joined:
            axes.plot(line.xs, line.ys, color=colour, linewidth=1.1, linestyle=line.dashes, zorder=2)
        if line.halves:
            draw_bars(axes, "y", line.xs, line.ys, line.halves, colour)
        if line.markers:
            gid = f"panel{number}line{place}"
            axes.plot(
                line.xs, line.ys, gid=gid, linestyle="none", marker=marks[line.key], markersize=3.6, color=colour,
                markeredgewidth=0, zorder=3,
            )  # fmt: skip
            if line.texts:
                tooltips[gid] = list(line.texts)
