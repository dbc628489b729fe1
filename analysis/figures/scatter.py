"""The ``scatter`` figure: one quantity against another, one mark per point of the matrix, families named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analysis.figures.axes import draw_bars, set_axis
from analysis.figures.data import Matrix, Point, axis_title, hue_values, unit_of
from analysis.figures.dots import Drawn
from analysis.figures.legend import colour_entries, draw_legend, in_lines, mark_entries, top_margin_in
from analysis.figures.style import (
    INK,
    MUTED,
    PAPER,
    colours_for,
    cross_style,
    heading,
    marker_style,
    new_figure,
    place_axes,
    sorted_origins,
    watermark,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_IN = 9.0
_HEIGHT_IN = 5.6
_PANEL_HEIGHT_IN = 4.4


@dataclass(frozen=True, slots=True)
class Pair:
    """The same point of the matrix on both axes."""

    x: Point
    y: Point

    @property
    def family(self) -> str:
        """The value of the factor that makes families."""
        return self.y.group

    @property
    def verdict(self) -> str:
        """The worse of the two verdicts."""
        ranks = ("valid", "degraded", "invalid")
        return max(self.x.verdict, self.y.verdict, key=lambda word: ranks.index(word) if word in ranks else 2)

    @property
    def origin(self) -> str:
        """The origin furthest from a measurement."""
        return sorted_origins([self.x.origin, self.y.origin])[-1]

    def fits(self, *, log: bool) -> bool:
        """True if the pair has a place on the axes."""
        return self.x.fits(log=log) and self.y.fits(log=log)

    def describe(self, hue_factor: str | None) -> str:
        """One line for a tooltip."""
        x_text, y_text = self.x.describe(hue_factor), self.y.describe(None)
        return f"{x_text}; {y_text.removeprefix(self.y.label + ': ')}"


def pair_up(xs: Sequence[Point], ys: Sequence[Point]) -> list[Pair]:
    """Every y with every x of the same point (a point has several only where several sources gave the quantity)."""
    by_id: dict[str, list[Point]] = {}
    for point in xs:
        by_id.setdefault(point.point_id, []).append(point)
    return [Pair(x, y) for y in ys for x in by_id.get(y.point_id, ())]


@dataclass(frozen=True, slots=True)
class Note:
    """A short line about one group of points, for a free corner of the axes."""

    group: str
    text: str


def draw_scatter(
    pairs: Sequence[Pair],
    matrix: Matrix,
    x_quantity: str,
    y_quantity: str,
    title: str,
    *,
    log: bool,
    hue: str | None = None,
    panels: Sequence[str] = (),
    notes: Sequence[Note] = (),
    footer: str = "",
) -> Drawn:
    """Draw y against x. ``pairs`` must not be empty.

    ``panels`` are the values of the factor that splits the figure, each in axes of its own with common scales.
    """
    points = [pair.y for pair in pairs]
    hue_factor = hue if hue is not None else matrix.hue
    colours = colours_for(hue_values(points, matrix, hue))
    on_both = [pair for pair in pairs if pair.fits(log=log)]
    sides = [[pair.x for pair in on_both], [pair.y for pair in on_both]]
    entries = colour_entries(colours) + mark_entries([_merged(pair) for pair in pairs], sides, log=log)
    legend = in_lines(entries, _WIDTH_IN)
    figure = new_figure(_WIDTH_IN, _HEIGHT_IN if len(panels) < 2 else _PANEL_HEIGHT_IN)
    origins = sorted_origins(pair.origin for pair in pairs)
    tooltips: dict[str, list[str]] = {}
    all_axes = _panel_axes(figure, max(1, len(panels)), top_margin_in(legend) + (0.2 if panels else 0.0))
    for index, axes in enumerate(all_axes):
        members = [pair for pair in pairs if not panels or pair.y.panel == panels[index]]
        axes.grid(visible=True, which="major")
        for which, quantity in (("x", x_quantity), ("y", y_quantity)):
            side = [point for pair in pairs if (point := getattr(pair, which)).fits(log=log)]
            set_axis(axes, which, axis_title(quantity), _reach(side), unit_of(side), log=log)
        if index:
            axes.set_ylabel("")
            axes.tick_params(axis="y", labelleft=False)
        if panels:
            axes.set_title(panels[index], size=9, weight="bold", loc="left")
        placed = [pair for pair in members if pair.fits(log=log)]
        tooltips |= _draw_pairs(axes, placed, colours, hue_factor, f"panel{index}-")
        absent = [pair for pair in members if not pair.fits(log=log)]
        tooltips |= _draw_absent(axes, absent, hue_factor, f"panel{index}-", log=log)
        if len(panels) < 3:
            _name_families(axes, placed, colours)
        own = [note for note in notes if not panels or note.group == panels[index]]
        named = len(own) > 1
        _write_notes(axes, placed, [f"{note.group}: {note.text}" if named else note.text for note in own])
        watermark(axes, origins)
    draw_legend(figure, legend)
    heading(figure, title, "", origins, footer)
    return Drawn(figure, tooltips)


def _panel_axes(figure: Figure, count: int, top: float) -> list[Axes]:
    left, right, gap = 0.95, 0.3, 0.22
    width = (_WIDTH_IN - left - right - gap * (count - 1)) / count
    return [
        place_axes(figure, begin := left + index * (width + gap), 0.72, _WIDTH_IN - begin - width, top)
        for index in range(count)
    ]


def _merged(pair: Pair) -> Point:
    value = pair.y.value if pair.x.shown and pair.y.shown else None
    return replace(pair.y, verdict=pair.verdict, origin=pair.origin, value=value)


def _reach(points: Sequence[Point]) -> list[float]:
    """Values and the ends of their intervals: what an axis has to hold."""
    ends: list[float] = []
    for point in points:
        value, half = point.value or 0.0, point.expanded_u or 0.0
        ends += [value] if half > 0.7 * abs(value) else [value - half, value, value + half]
    return ends


def _draw_pairs(
    axes: Axes, pairs: Sequence[Pair], colours: dict[str, str], hue_factor: str | None, prefix: str
) -> dict[str, list[str]]:
    series: dict[tuple[str, str, str], list[Pair]] = {}
    for pair in pairs:
        series.setdefault((pair.y.hue, pair.origin, pair.verdict), []).append(pair)
    tooltips: dict[str, list[str]] = {}
    for index, ((hue, origin, verdict), members) in enumerate(series.items()):
        colour = colours[hue]
        xs = [pair.x.value or 0.0 for pair in members]
        ys = [pair.y.value or 0.0 for pair in members]
        x_half = [pair.x.expanded_u or 0.0 for pair in members]
        y_half = [pair.y.expanded_u or 0.0 for pair in members]
        draw_bars(axes, "x", ys, xs, x_half, colour)
        draw_bars(axes, "y", xs, ys, y_half, colour)
        gid = f"{prefix}pairs{index}"
        axes.plot(xs, ys, gid=gid, zorder=3, **marker_style(colour, origin, verdict))
        tooltips[gid] = [pair.describe(hue_factor) for pair in members]
    return tooltips


def _draw_absent(
    axes: Axes, pairs: Sequence[Pair], hue_factor: str | None, prefix: str, *, log: bool
) -> dict[str, list[str]]:
    """Crosses on the edge of the axes where one of the two values is missing; the rest are counted in words."""
    x_low, y_low = axes.get_xlim()[0], axes.get_ylim()[0]
    on_x = [pair for pair in pairs if pair.x.fits(log=log)]
    on_y = [pair for pair in pairs if pair.y.fits(log=log)]
    style = cross_style(6.0) | {"clip_on": False, "zorder": 5}
    tooltips: dict[str, list[str]] = {}
    if on_x:
        axes.plot([pair.x.value or 0.0 for pair in on_x], [y_low] * len(on_x), gid=f"{prefix}absent-y", **style)
        tooltips[f"{prefix}absent-y"] = [pair.y.describe(hue_factor) for pair in on_x]
    if on_y:
        axes.plot([x_low] * len(on_y), [pair.y.value or 0.0 for pair in on_y], gid=f"{prefix}absent-x", **style)
        tooltips[f"{prefix}absent-x"] = [pair.x.describe(hue_factor) for pair in on_y]
    if pairs:
        both = len(pairs) - len(on_x) - len(on_y)
        text = f"× {len(pairs)} not on both axes: no valid value, or none above zero"
        text += f" ({both} on neither)" if both else ""
        axes.set_title(text, loc="right", size=7.5, color=MUTED, pad=3)
    return tooltips


def _name_families(axes: Axes, pairs: Sequence[Pair], colours: dict[str, str]) -> None:
    """Write each family's name beside the middle of its points, once per colour, where there is room."""
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        if pair.family:
            groups.setdefault((pair.y.hue, pair.family), []).append(pair)
    if len({family for _, family in groups}) < 2:
        return
    marks = [_on_screen(axes, pair.x.value or 0.0, pair.y.value or 0.0) for pair in pairs]
    taken: list[tuple[float, float, float, float]] = []
    for (hue, family), members in groups.items():
        spots = [_on_screen(axes, pair.x.value or 0.0, pair.y.value or 0.0) for pair in members]
        box = _free_box(axes, spots, marks, taken, width=len(family) * 4.7 + 4, height=11.0)
        if box is None:
            continue
        taken.append(box)
        middle = axes.transData.inverted().transform(
            [[(box[0] + box[2]) / 2 * axes.figure.dpi / 72, (box[1] + box[3]) / 2 * axes.figure.dpi / 72]]
        )[0]
        axes.text(
            middle[0],
            middle[1],
            family,
            size=7.5,
            color=colours[hue],
            ha="center",
            va="center",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.75},
            zorder=4,
        )


def _on_screen(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Where a data point lies, in typographic points from the figure's corner."""
    pixels = axes.transData.transform([[x, y]])[0]
    return pixels[0] * 72 / axes.figure.dpi, pixels[1] * 72 / axes.figure.dpi


def _free_box(
    axes: Axes,
    spots: Sequence[tuple[float, float]],
    marks: Sequence[tuple[float, float]],
    taken: Sequence[tuple[float, float, float, float]],
    *,
    width: float,
    height: float,
) -> tuple[float, float, float, float] | None:
    """The place near a family's points where a name of this size covers the fewest marks and no other name."""
    scale = 72 / axes.figure.dpi
    frame = axes.get_window_extent()
    best: tuple[float, tuple[float, float, float, float]] | None = None
    centre_x = sum(spot[0] for spot in spots) / len(spots)
    centre_y = sum(spot[1] for spot in spots) / len(spots)
    for x, y in spots:
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 1), (-0.8, 1), (0.8, -1), (-0.8, -1)):
            cx, cy = x + dx * (width / 2 + 5), y + dy * (height / 2 + 4)
            box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
            inside = (
                box[0] >= frame.x0 * scale
                and box[2] <= frame.x1 * scale
                and box[1] >= frame.y0 * scale
                and box[3] <= frame.y1 * scale
            )
            if not inside or any(_overlap(box, other) for other in taken):
                continue
            covered = sum(box[0] - 2 < mx < box[2] + 2 and box[1] - 2 < my < box[3] + 2 for mx, my in marks)
            cost = 60 * covered + math.hypot(cx - centre_x, cy - centre_y)
            if best is None or cost < best[0]:
                best = (cost, box)
    return best[1] if best is not None else None


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _write_notes(axes: Axes, pairs: Sequence[Pair], notes: Sequence[str]) -> None:
    """Write the notes into the corner where they cover the fewest points."""
    if not notes:
        return
    invert = axes.transAxes.inverted()
    spots = [
        invert.transform(axes.transData.transform([[pair.x.value or 0.0, pair.y.value or 0.0]]))[0] for pair in pairs
    ]
    width, height = 0.012 * max(len(line) for line in notes) * 0.75, 0.05 * len(notes) + 0.04

    def covered(corner: tuple[float, float]) -> int:
        return sum(abs(x - corner[0]) < width and abs(y - corner[1]) < height for x, y in spots)

    x, y = min(((0.99, 0.02), (0.01, 0.93), (0.01, 0.02), (0.99, 0.98)), key=covered)
    axes.text(
        x,
        y,
        "\n".join(notes),
        transform=axes.transAxes,
        size=7.5,
        color=INK,
        ha="right" if x > 0.5 else "left",
        va="top" if y > 0.5 else "bottom",
        linespacing=1.5,
        bbox={"boxstyle": "round,pad=0.5", "facecolor": PAPER, "edgecolor": "#cfd5dc", "linewidth": 0.6},
        zorder=6,
    )
