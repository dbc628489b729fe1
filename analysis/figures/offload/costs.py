"""What the device's own inferences cost beside what offloading costs: the thresholds, on one logarithmic axis."""

from __future__ import annotations

import numpy as np

from analysis.figures.axes import draw_bars, set_axis
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.style import (
    GRID,
    INK,
    MUTED,
    colours_for,
    cross_style,
    heading,
    marker_style,
    new_figure,
    place_axes,
    shortened,
    text_width_in,
    watermark,
)
from analysis.offload.cost import Floats
from analysis.offload.grid import Grid
from analysis.offload.medium import Medium
from analysis.offload.points import UNITS, Cost, LocalPoint

TITLES = {
    Cost.LATENCY: "Latency per inference",
    Cost.ENERGY: "Energy per inference, idle included",
    Cost.EDP: "Energy-delay product, idle included",
}
_WIDTH_IN, _BOTTOM_IN, _LANE_IN, _WAY_IN, _SIZE = 9.0, 0.68, 0.62, 0.27, 8.0


def draw_costs(grid: Grid, which: Cost, idle: int, title: str, footer: str) -> Drawn:
    """A lane of networks for each platform, and below a bar for each way to offload: least to greatest, thick for the
    standard deviation around the mean, whose line runs up through the lanes."""
    lanes: dict[str, list[LocalPoint]] = {}
    for point in grid.points:
        if which in point.costs:
            lanes.setdefault(point.platform or "this device", []).append(point)
    values, _ = grid.offloaded(which)
    each = {
        f"{medium.name} → {server.name}{_at_least(which, medium)}": _by_network(grid, values[:, m, s, idle])
        for m, medium in enumerate(grid.scenario.media)
        for s, server in enumerate(grid.scenario.servers)
    }
    ways = {name: costs for name, costs in each.items() if costs.size}
    media = [medium.name for medium in grid.scenario.media]
    palette = colours_for(media)
    marks = [Entry(marker_style(MUTED, origin, "valid"), f"a network here ({origin})") for origin in grid.origins[:-1]]
    long = {"marker": "_", "linestyle": "none", "markersize": 9, "color": MUTED}
    marks += [
        Entry(long | {"markeredgewidth": 1.2}, "offloading: least to greatest"),
        Entry(long | {"markeredgewidth": 5.0}, "mean ± standard deviation"),
    ]
    legend = in_lines(colour_entries(palette) + marks, _WIDTH_IN)
    top = top_margin_in(legend)
    names = [*lanes, *ways]
    label_in = min(3.0, max(text_width_in(name, _SIZE) for name in names) + 0.15)
    inside_in = _LANE_IN * len(lanes) + _WAY_IN * len(ways) + 0.1
    figure = new_figure(_WIDTH_IN, top + _BOTTOM_IN + inside_in)
    axes = place_axes(figure, 0.25 + label_in, _BOTTOM_IN, 0.3, top)
    here = [value for members in lanes.values() for point in members if (value := point.costs[which].value)]
    set_axis(axes, "x", TITLES[which], here + [float(v) for c in ways.values() for v in c], UNITS[which], log=True)
    axes.set_ylim(inside_in, 0.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    transform = axes.get_yaxis_transform()

    def name_at(text: str, at: float) -> None:
        axes.text(-0.01, at, shortened(text, label_in, _SIZE), transform=transform, size=_SIZE, ha="right", va="center")

    at = 0.0
    tooltips: dict[str, list[str]] = {}
    for index, (name, members) in enumerate(lanes.items()):
        tooltips |= _lane(axes, members, which, at, f"lane{index}")
        at += _LANE_IN
        axes.axhline(at, color=GRID, linewidth=0.8)
        name_at(name, at - _LANE_IN / 2)
    at += 0.1
    for name, costs in ways.items():
        colour = palette[name.partition(" → ")[0]]
        mean, sd = float(costs.mean()), float(costs.std(ddof=1)) if costs.size > 1 else 0.0
        middle = at + _WAY_IN / 2
        axes.hlines(middle, costs.min(), costs.max(), color=colour, linewidth=1.2, zorder=3)
        lowest = max(mean - sd, axes.get_xlim()[0])
        axes.hlines(middle, lowest, mean + sd, color=colour, linewidth=6.0, capstyle="butt", zorder=3)
        axes.vlines(mean, 0.0, middle, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
        axes.plot([mean], [middle], marker="|", markersize=9, color=INK, markeredgewidth=1.2, zorder=4)
        name_at(name, middle)
        at += _WAY_IN
    watermark(axes, grid.origins)
    draw_legend(figure, legend)
    heading(figure, title, "", grid.origins, footer)
    return Drawn(figure, tooltips)


def _at_least(which: Cost, medium: Medium) -> str:
    return "" if which is Cost.LATENCY or medium.energy_known else " (at least)"


def _by_network(grid: Grid, values: Floats) -> Floats:
    found = [values[places][np.isfinite(values[places])] for places in grid.labels.values()]
    return np.array([part.mean() for part in found if part.size])


def _lane(axes: object, members: list[LocalPoint], which: Cost, at: float, prefix: str) -> dict[str, list[str]]:
    """The networks of a platform, one below the other in the experiment's order."""
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    step = (_LANE_IN - 0.12) / max(1, len(members) - 1)
    placed: dict[str, list[tuple[LocalPoint, float]]] = {}
    absent = []
    for index, point in enumerate(members):
        height = at + 0.06 + index * step
        local = point.costs[which]
        if local.value:
            placed.setdefault(local.origin, []).append((point, height))
        else:
            absent.append(height)
    tooltips = {}
    for origin, items in placed.items():
        values = [point.costs[which].value or 0.0 for point, _ in items]
        heights = [height for _, height in items]
        draw_bars(axes, "x", heights, values, [point.costs[which].expanded_u or 0.0 for point, _ in items], INK)
        gid = f"{prefix}-{origin}"
        axes.plot(values, heights, gid=gid, zorder=3, **marker_style(INK, origin, "valid", 4.2))
        tooltips[gid] = [
            f"{point.label}: {value:.4g} {UNITS[which]}" for (point, _), value in zip(items, values, strict=True)
        ]
    if absent:
        axes.plot([axes.get_xlim()[0]] * len(absent), absent, **cross_style(4.0), clip_on=False)
    return tooltips
