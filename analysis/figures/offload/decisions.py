"""Here or there, for every network on every platform: a grid of decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, draw_legend, in_lines, top_margin_in
from analysis.figures.offload.labels import label_width_in, name_rows, rows_by_label
from analysis.figures.style import INVALID_COLOUR, MUTED, PALETTE, PAPER, heading, new_figure, place_axes
from analysis.offload.decision import Choice
from analysis.offload.grid import Grid
from analysis.offload.points import Cost

if TYPE_CHECKING:
    import pandas as pd

LOOK = {
    Choice.LOCAL.value: (PALETTE[0], ""),
    Choice.OFFLOAD.value: (PALETTE[4], ""),
    Choice.UNDECIDED.value: ("#dfe3e8", "?"),
    "": (PAPER, "×"),
}
"""Choice → colour and sign. The two colours differ in lightness as well as in hue."""
_MEANINGS = {
    Choice.LOCAL.value: "here",
    Choice.OFFLOAD.value: "offload",
    Choice.UNDECIDED.value: "?: not told apart, or not known",
    "": "×: no valid value",
}
_WIDTH_IN, _ROW_IN, _HEAD_IN, _BOTTOM_IN = 9.0, 0.185, 0.95, 0.42


def draw_decisions(grid: Grid, decisions: pd.DataFrame, which: Cost, idle: int, title: str, footer: str) -> Drawn:
    """A row for each network; a block of columns for each medium and server, a column in it for each platform."""
    from matplotlib.collections import PolyCollection

    name = "" if which is Cost.LATENCY else grid.scenario.idle[idle].name
    chosen = decisions[(decisions["cost"] == which.value) & (decisions["idle"] == name)]
    found = {
        (row["label"], row["platform"], row["medium"], row["server"]): row["choice"]
        for row in chosen.to_dict("records")
    }
    platforms = list(dict.fromkeys(point.platform for point in grid.points))
    ways = [(medium.name, server.name) for medium in grid.scenario.media for server in grid.scenario.servers]
    rows = rows_by_label(grid)
    label_in = label_width_in(rows)
    entries = [
        Entry({"marker": "s", "linestyle": "none", "markersize": 9, "color": colour, "markeredgecolor": MUTED}, text)
        for key, text in _MEANINGS.items()
        for colour, _ in [LOOK[key]]
        if key in set(found.values())
    ]
    legend = in_lines(entries, _WIDTH_IN)
    top = top_margin_in(legend) + _HEAD_IN
    figure = new_figure(_WIDTH_IN, top + _BOTTOM_IN + _ROW_IN * len(rows))
    axes = place_axes(figure, 0.25 + label_in, _BOTTOM_IN, 0.25, top)
    name_rows(axes, rows, label_in, band=False)
    cells: dict[str, list[tuple[float, float]]] = {}
    gap = 0.5
    width = len(platforms) + gap
    axes.set_xlim(-0.2, len(ways) * width - gap + 0.2)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    for w, (medium, server) in enumerate(ways):
        begin = w * width
        axes.annotate(
            f"{medium}\n→ {server}",
            (begin + len(platforms) / 2, -0.6),
            xytext=(0, _HEAD_IN * 72 - 26),
            textcoords="offset points",
            size=8,
            weight="bold",
            ha="center",
            annotation_clip=False,
        )
        for column, platform in enumerate(platforms):
            x = begin + column
            axes.annotate(
                platform or "this device",
                (x + 0.5, -0.6),
                xytext=(0, 3),
                textcoords="offset points",
                size=6.5,
                rotation=60,
                ha="left",
                va="bottom",
                rotation_mode="anchor",
                color=MUTED,
                annotation_clip=False,
            )
            for index, row in enumerate(rows):
                if row.is_heading:
                    continue
                label = grid.points[row.places[0]].label
                key = found.get((label, platform, medium, server))
                if key is None:
                    continue
                cells.setdefault(key, []).append((x + 0.04, index - 0.45))
    for key, corners in cells.items():
        colour, sign = LOOK[key]
        boxes = [[(x, y), (x + 0.92, y), (x + 0.92, y + 0.9), (x, y + 0.9)] for x, y in corners]
        axes.add_collection(PolyCollection(boxes, facecolors=colour, linewidths=0, zorder=2), autolim=False)
        if sign:
            ink = INVALID_COLOUR if key == "" else MUTED
            for x, y in corners:
                axes.text(x + 0.46, y + 0.45, sign, size=6.5, color=ink, ha="center", va="center_baseline", zorder=3)
    draw_legend(figure, legend)
    heading(figure, title, "", grid.origins, footer)
    return Drawn(figure, {})
