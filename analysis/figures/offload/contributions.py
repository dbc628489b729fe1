"""What an offloaded latency consists of: the way there and back, the bytes, and the server's own time."""

from __future__ import annotations

import numpy as np

from analysis.figures.dots import Drawn
from analysis.figures.legend import colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.offload.labels import label_width_in, name_rows, rows_by_cost
from analysis.figures.style import MUTED, PALETTE, PAPER, heading, new_figure, place_axes, watermark
from analysis.figures.units import scale_for
from analysis.offload.grid import Grid

ROUND_TRIP, BYTES, SERVER = "network: round trip", "network: bytes", "execution on the server"
COLOURS = {ROUND_TRIP: PALETTE[0], BYTES: PALETTE[5], SERVER: PALETTE[1]}
_WIDTH_IN, _ROW_IN, _BOTTOM_IN, _GAP_IN = 9.0, 0.205, 0.68, 0.22
MOST_PANELS = 4


def draw_contributions(grid: Grid, server: int, title: str, footer: str) -> Drawn:
    """One panel for each medium, each with an axis of its own; the share of the network stands at the bars' ends."""
    media = grid.scenario.media[:MOST_PANELS]
    rows = rows_by_cost(grid)
    label_in = label_width_in(rows)
    legend = in_lines(colour_entries(COLOURS), _WIDTH_IN)
    top = top_margin_in(legend) + 0.22
    figure = new_figure(_WIDTH_IN, max(2.4, top + _BOTTOM_IN + _ROW_IN * len(rows)))
    left = 0.25 + label_in
    width = (_WIDTH_IN - left - 0.25 - _GAP_IN * (len(media) - 1)) / len(media)
    for m, medium in enumerate(media):
        begin = left + m * (width + _GAP_IN)
        axes = place_axes(figure, begin, _BOTTOM_IN, _WIDTH_IN - begin - width, top)
        name_rows(axes, rows, label_in, write=m == 0)
        axes.set_title(medium.name, size=9, weight="bold", loc="left")
        axes.grid(visible=True, axis="x")
        parts = {
            ROUND_TRIP: np.full(len(grid.points), medium.round_trip_s),
            BYTES: grid.network_s[:, m, 0, 0] - medium.round_trip_s,
            SERVER: grid.remote_s[:, 0, server, 0],
        }
        total = grid.total_s[:, m, server, 0]
        known = total[np.isfinite(total)]
        scale = scale_for([float(known.max())] if known.size else [], "s")
        axes.set_xlim(0, (float(known.max()) if known.size else 1.0) * scale.factor * 1.24)
        axes.set_xlabel(f"Latency [{scale.unit}]")
        for index, row in enumerate(rows):
            if row.is_heading:
                continue
            place = row.places[0]
            if not np.isfinite(total[place]):
                axes.text(0, index, " " + grid.missing(place, m, server)[:60], size=6.5, color=MUTED, va="center")
                continue
            start = 0.0
            for name, values in parts.items():
                long = float(values[place]) * scale.factor
                axes.barh(index, long, left=start, height=0.72, color=COLOURS[name], edgecolor=PAPER, linewidth=0.5)
                start += long
            share = 100 * grid.network_s[place, m, 0, 0] / total[place]
            axes.text(start, index, f" {share:.0f} %", size=7, color=MUTED, va="center_baseline")
        watermark(axes, [origin for origin in grid.origins if origin != "measured"])
    draw_legend(figure, legend)
    heading(figure, title, "", grid.origins, footer)
    return Drawn(figure, {})
