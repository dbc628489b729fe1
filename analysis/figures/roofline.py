"""The ``roofline`` figure: what each network attained, under what the board can do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.figures.axes import set_axis
from analysis.figures.data import Matrix
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, colour_entries, draw_legend, in_lines, mark_entries, top_margin_in
from analysis.figures.style import (
    INK,
    MUTED,
    PAPER,
    colours_for,
    heading,
    marker_style,
    new_figure,
    place_axes,
    sorted_origins,
    text_width_in,
    watermark,
)
from analysis.figures.units import tick_text
from analysis.roofline import Ceiling, RooflinePoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_IN, _HEIGHT_IN = 9.0, 5.2
_SOURCES = {"model": "the model's own", "measured": "measured", "datasheet": "from a data sheet"}


def draw_roofline(points: Sequence[RooflinePoint], matrix: Matrix, title: str, footer: str = "") -> Drawn:
    """Draw attained multiply-accumulates per second against those per byte moved, a panel for each colouring value.

    A bar spans the intensity from *layer by layer* to *at best*, the mark stands at the latter. ``points`` must not be
    empty.
    """
    present = {point.point.hue for point in points}
    panels = [value for value in matrix.factors.get(matrix.hue or "", ("",)) if value in present] or sorted(present)
    elements = list(dict.fromkeys(point.element for point in points))
    colours = colours_for(elements)
    origins = sorted_origins(point.point.origin for point in points)
    bar = {"marker": "_", "markersize": 13, "markeredgewidth": 1.3, "color": MUTED, "linestyle": "none"}
    entries = [
        *colour_entries(colours),
        *mark_entries([point.point for point in points], [], log=True),
        Entry(bar, "from layer by layer (left) to at best (mark)"),
    ]
    ceilings = {point.ceiling for point in points if point.ceiling is not None}
    if ceilings:
        sources = " and ".join(sorted({_SOURCES.get(ceiling.source, ceiling.source) for ceiling in ceilings}))
        line = {"marker": "", "linestyle": "-", "linewidth": 1.6, "color": MUTED}
        entries.append(Entry({**line, "marker": (2, 0, -45), "markersize": 8, "linestyle": "none"}, f"roof: {sources}"))
    legend = in_lines(entries, _WIDTH_IN)
    figure = new_figure(_WIDTH_IN, _HEIGHT_IN)
    left, right, gap = 0.8, 0.2, 0.62
    width = (_WIDTH_IN - left - right - gap * (len(panels) - 1)) / len(panels)
    tooltips: dict[str, list[str]] = {}
    xs = [end for point in points for end in (point.traffic.intensity_by_layer, point.traffic.intensity_at_best)]
    for index, panel in enumerate(panels):
        begin = left + index * (width + gap)
        axes = place_axes(figure, begin, 0.72, _WIDTH_IN - begin - width, top_margin_in(legend) + 0.22)
        axes.grid(visible=True, which="major")
        members = [point for point in points if point.point.hue == panel]
        ys = [point.attained for point in members]
        ys += [point.ceiling.mac_per_s for point in members if point.ceiling is not None]
        set_axis(axes, "x", "MACs per byte moved", xs, "1", log=True)
        set_axis(axes, "y", "MACs per second", ys, "1", log=True)
        if index:
            axes.set_ylabel("")
        axes.set_title(panel, size=9, weight="bold", loc="left")
        for element in elements:
            chosen = [point for point in members if point.element == element]
            for ceiling in dict.fromkeys(point.ceiling for point in chosen if point.ceiling is not None):
                _draw_roof(axes, ceiling, colours[element])
            tooltips |= _draw_points(axes, chosen, colours[element], f"panel{index}-{element}")
        _name_families(axes, members)
        watermark(axes, origins)
    draw_legend(figure, legend)
    heading(figure, title, "", origins, footer)
    return Drawn(figure, tooltips)


def _draw_roof(axes: Axes, ceiling: Ceiling, colour: str) -> None:
    low, high = axes.get_xlim()
    corners = [low, *([ceiling.ridge] if low < ceiling.ridge < high else []), high]
    axes.plot(corners, [ceiling.roof(x) for x in corners], color=colour, linewidth=1.5, zorder=1.5)
    axes.annotate(
        tick_text(ceiling.mac_per_s, "1") + "/s",
        (high, ceiling.roof(high)),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        size=7,
        color=colour,
        bbox={"boxstyle": "round,pad=0.08", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.7},
    )


def _draw_points(axes: Axes, points: Sequence[RooflinePoint], colour: str, gid: str) -> dict[str, list[str]]:
    tooltips: dict[str, list[str]] = {}
    for verdict in dict.fromkeys(point.point.verdict for point in points):
        chosen = [point for point in points if point.point.verdict == verdict]
        best = [point.traffic.intensity_at_best for point in chosen]
        attained = [point.attained for point in chosen]
        axes.hlines(
            attained,
            [point.traffic.intensity_by_layer for point in chosen],
            best,
            color=colour,
            linewidth=1.1,
            alpha=0.4,
        )
        name = f"{gid}-{verdict}"
        style = marker_style(colour, chosen[0].point.origin, verdict, 4.6)
        axes.plot(best, attained, gid=name, zorder=3, **style)
        tooltips[name] = [described(point) for point in chosen]
    return tooltips


def described(point: RooflinePoint) -> str:
    """One line on a point, for a tooltip."""
    traffic = point.traffic
    text = f"{point.point.label} · {point.point.hue}: {tick_text(point.attained, '1')} MAC/s at "
    text += f"{traffic.intensity_by_layer:.3g} … {traffic.intensity_at_best:.3g} MAC per byte"
    if point.shares is not None:
        text += f"; {100 * point.shares[0]:.0f} % of the roof at best; bound by {point.bound}"
    return f"{text} ({point.point.origin})"


def _name_families(axes: Axes, points: Sequence[RooflinePoint]) -> None:
    """The families' names below those of their points that lie lowest, where there is room."""
    lowest: dict[tuple[str, str], RooflinePoint] = {}
    for point in points:
        key = (point.point.group, point.element)
        if point.point.group and (key not in lowest or point.attained < lowest[key].attained):
            lowest[key] = point
    if len({family for family, _ in lowest}) < 2:
        return
    (x_low, x_high), (y_low, y_high) = axes.get_xlim(), axes.get_ylim()
    extent = axes.get_window_extent()
    width_in, height_in = extent.width / axes.figure.dpi, extent.height / axes.figure.dpi

    def place(point: RooflinePoint) -> tuple[float, float]:
        x = math.log(point.traffic.intensity_at_best / x_low) / math.log(x_high / x_low)
        return x * width_in, math.log(point.attained / y_low) / math.log(y_high / y_low) * height_in

    marks = [place(point) for point in points]
    taken: list[tuple[float, float, float]] = []
    for (family, _), point in lowest.items():
        half = text_width_in(family, 6.5) / 2
        x, y = place(point)
        x, y = min(max(x, half), width_in - half), y - 0.13
        covered = any(abs(x - mark_x) < half + 0.03 and abs(y - mark_y) < 0.09 for mark_x, mark_y in marks)
        near = any(abs(x - other) < half + reach and abs(y - height) < 0.13 for other, height, reach in taken)
        if covered or near or y < 0.06:
            continue
        taken.append((x, y, half))
        axes.text(
            x / width_in, y / height_in, family, transform=axes.transAxes, size=6.5, color=INK, ha="center", va="center"
        )
