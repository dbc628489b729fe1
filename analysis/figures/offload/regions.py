"""Maps of where offloading wins: over bandwidth and round trip, and over idle power and local energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.figures.axes import set_axis
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.style import INK, MUTED, PAPER, colours_for, heading, new_figure, place_axes, watermark
from analysis.offload import map as maps
from analysis.offload.cost import Floats
from analysis.offload.grid import Grid
from analysis.offload.points import Cost

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_IN = 9.0
_POINTS, _STEPS = 72, 10
MOST_PLATFORMS, MOST_SERVERS = 4, 3


def draw_link_map(grid: Grid, which: Cost, idle: int, title: str, footer: str) -> Drawn:
    """For how many networks offloading wins, over upload bandwidth and round trip: a column for each platform, a row
    for each server, the scenario's media where they lie. ``which`` is latency or energy."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    platforms = list(dict.fromkeys(point.platform for point in grid.points if which in point.costs))[:MOST_PLATFORMS]
    servers = [s for s in range(len(grid.scenario.servers)) if np.isfinite(grid.remote_s[:, 0, s, 0]).any()]
    servers = servers[:MOST_SERVERS]
    media = grid.scenario.media
    ups, trips = [medium.up_bytes_s for medium in media], [medium.round_trip_s for medium in media]
    up_bytes_s = np.geomspace(min(1e4, min(ups) / 3), max(1e8, max(ups) * 3), _POINTS)
    lowest, highest = min(1e-4, min(trips) / 3), max(1.0, max(trips) * 3)
    networks = len(grid.labels)
    colours = colours_for([medium.name for medium in media])
    mark: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 6, "markeredgecolor": PAPER}
    entries = [Entry(mark | {"color": colour}, name, strong=True) for name, colour in colours.items()]
    line = {"marker": "_", "linestyle": "none", "markersize": 12, "color": INK}
    entries.append(Entry(line | {"markeredgewidth": 1.6}, "half of the networks"))
    shades = [to_hex(colormaps["Blues"](0.04 + 0.8 * step / _STEPS)) for step in range(_STEPS + 1)]
    legend = in_lines(entries, _WIDTH_IN)
    top, left, right, gap, height = top_margin_in(legend) + 0.25, 0.95, 1.25, 0.2, 2.35
    figure = new_figure(_WIDTH_IN, top + 0.72 + len(servers) * height + (len(servers) - 1) * 0.35)
    width = (_WIDTH_IN - left - right - gap * (len(platforms) - 1)) / len(platforms)
    total_in = float(figure.get_size_inches()[1])
    for r, s in enumerate(servers):
        for c, platform in enumerate(platforms):
            begin, above = left + c * (width + gap), top + r * (height + 0.35)
            axes = place_axes(figure, begin, total_in - above - height, _WIDTH_IN - begin - width, above)
            set_axis(axes, "x", "Upload bandwidth", list(up_bytes_s), "B", log=True)
            set_axis(axes, "y", "Round trip", [lowest, highest], "s", log=True)
            axes.set_xlim(up_bytes_s[0], up_bytes_s[-1])
            axes.set_ylim(lowest, highest)
            axes.set_facecolor(shades[0])
            limits = _limits(grid, which, idle, platform, s)
            for step, shade in enumerate(shades[1:], start=1):
                number = max(1, round(step / _STEPS * networks))
                if number <= limits[0].size:
                    edge = maps.boundary(up_bytes_s, *limits, number)
                    axes.fill_between(
                        up_bytes_s, lowest, np.maximum(edge, lowest), color=shade, linewidth=0, zorder=0.3
                    )
            half = (networks + 1) // 2
            if half <= limits[0].size:
                edge = maps.boundary(up_bytes_s, *limits, half)
                begin = max(0, int(np.argmax(edge > lowest)) - 1)
                if edge[-1] > lowest:
                    line_s = np.maximum(edge, lowest)
                    axes.plot(up_bytes_s[begin:], line_s[begin:], color=INK, linewidth=1.6, zorder=2)
            for medium in media:
                style = mark | {"color": colours[medium.name], "zorder": 5, "markersize": 7}
                axes.plot([medium.up_bytes_s], [medium.round_trip_s], **style)
            name = f"{platform or 'here'}, or offload to {grid.scenario.servers[s].name}"
            axes.set_title(name, size=8.5, weight="bold", loc="left")
            _inner_ticks(axes)
            if c:
                axes.set_ylabel("")
                axes.tick_params(axis="y", labelleft=False)
            axes.set_xlabel("Upload bandwidth [per second]" if r == len(servers) - 1 else "")
            if r < len(servers) - 1:
                axes.tick_params(axis="x", labelbottom=False)
            watermark(axes, grid.origins)
    _scale(place_axes(figure, _WIDTH_IN - 1.05, 0.72, 0.85, top), shades, networks)
    draw_legend(figure, legend)
    heading(figure, title, "", grid.origins, footer)
    return Drawn(figure, {})


def _scale(axes: Axes, shades: list[str], networks: int) -> None:
    """What the shades mean, as a bar at the right."""
    for step, shade in enumerate(shades):
        axes.axhspan(step - 0.5, step + 0.5, color=shade, linewidth=0)
    axes.set_ylim(-0.5, len(shades) - 0.5)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    half = (len(shades) - 1) / 2
    axes.set_yticks([0, half, len(shades) - 1], ["none", "half", f"all {networks}"], size=7.5)
    axes.set_ylabel("networks for which offloading wins", size=7.5, labelpad=3)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _inner_ticks(axes: Axes) -> None:
    """No labels at the ends of a narrow panel, where they would meet those of the next."""
    low, high = axes.get_xlim()
    texts = [label.get_text() for label in axes.get_xticklabels()]
    places = list(axes.get_xticks())
    kept = [text if low * 3 < at < high / 3 else "" for at, text in zip(places, texts, strict=True)]
    shown = [text for text in kept if text]
    skip = set(shown[1::2]) if len(shown) > 3 else set()
    axes.set_xticks(places, ["" if text in skip else text for text in kept])


def _limits(grid: Grid, which: Cost, idle: int, platform: str, server: int) -> tuple[Floats, Floats]:
    """What each network's way there and back may take on a platform, and its bytes: those of the first medium; their
    energy is that of the first medium that has one."""
    places = [
        p
        for p, point in enumerate(grid.points)
        if point.platform == platform and which in point.costs and point.costs[which].value is not None
    ]
    local = np.array([grid.points[p].costs[which].value for p in places], np.float64)
    if which is Cost.ENERGY:
        priced = next((m for m, medium in enumerate(grid.scenario.media) if medium.energy_known), 0)
        local = (local - grid.network_j[places, priced, 0, 0]) / grid.idle_w[places, 0, 0, idle]
    return local - grid.remote_s[places, 0, server, 0], grid.sent_bytes[places, 0, 0, 0]


def draw_idle_map(grid: Grid, title: str, footer: str) -> Drawn:
    """Over idle power, what offloading costs in energy: above a band offloading wins, below it the device itself. The
    record's own energies stand at the right."""
    media = [m for m, medium in enumerate(grid.scenario.media) if medium.energy_known]
    colours = colours_for([medium.name for medium in grid.scenario.media])
    shown = {grid.scenario.media[m].name: colours[grid.scenario.media[m].name] for m in media}
    faint = {"marker": "s", "linestyle": "none", "markersize": 9, "color": MUTED, "alpha": 0.3}
    dash = {"marker": "|", "linestyle": "none", "markersize": 10, "color": MUTED, "markeredgewidth": 1.2}
    tick = {"marker": "_", "linestyle": "none", "markersize": 9, "color": INK, "markeredgewidth": 1.0}
    entries = [
        *colour_entries(shown),
        Entry(faint, "all networks and servers, line: mean"),
        Entry(dash, "idle state"),
        Entry(tick, "a network here"),
    ]
    legend = in_lines(entries, _WIDTH_IN)
    top, left, lane = top_margin_in(legend), 0.95, 0.62
    platforms = list(dict.fromkeys(point.platform for point in grid.points if Cost.ENERGY in point.costs))
    right = 0.3 + lane * len(platforms)
    figure = new_figure(_WIDTH_IN, 5.4)
    axes = place_axes(figure, left, 0.72, right, top)
    states = [power for i in range(len(grid.scenario.idle)) if np.isfinite(power := _state_w(grid, i))]
    powers = np.geomspace(min(0.05, *states) if states else 0.05, max(10.0, *(2 * state for state in states)), 200)
    here = {
        name: [
            value
            for point in grid.points
            if point.platform == name and Cost.ENERGY in point.costs and (value := point.costs[Cost.ENERGY].value)
        ]
        for name in platforms
    }
    bands = {}
    for m in media:
        seconds = grid.total_s[:, m, :, 0]
        bytes_j = np.broadcast_to(grid.network_j[:, m, :, 0], seconds.shape)
        known = np.isfinite(seconds)
        if known.any():
            bands[m] = powers[:, None] * seconds[known][None, :] + bytes_j[known][None, :]
    ends = [float(end) for band in bands.values() for end in (band.min(), band.max())]
    ends += [value for values in here.values() for value in values]
    set_axis(axes, "x", "Power of the idle device while it waits", list(powers), "W", log=True)
    set_axis(axes, "y", "Energy per inference, idle included", ends, "J", log=True)
    axes.set_xlim(powers[0], powers[-1])
    axes.grid(visible=True)
    for m, band in bands.items():
        colour = colours[grid.scenario.media[m].name]
        axes.fill_between(powers, band.min(axis=1), band.max(axis=1), color=colour, alpha=0.22, linewidth=0, zorder=2)
        axes.plot(powers, band.mean(axis=1), color=colour, linewidth=1.6, zorder=3)
    for i, state in enumerate(grid.scenario.idle):
        power = _state_w(grid, i)
        if np.isfinite(power):
            axes.axvline(power, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1.5)
            axes.text(
                power, 0.985, f" {state.name}", transform=axes.get_xaxis_transform(), size=7.5, color=MUTED, va="top"
            )
    for text, y, va in (("offloading wins above a line", 0.93, "top"), ("the device itself below it", 0.03, "bottom")):
        axes.text(0.015, y, text, transform=axes.transAxes, size=8.5, color=MUTED, va=va, style="italic")
    lanes = place_axes(figure, _WIDTH_IN - right + 0.1, 0.72, 0.2, top)
    lanes.set_yscale("log")
    lanes.set_ylim(axes.get_ylim())
    lanes.set_xlim(0, max(1, len(platforms)))
    lanes.set_xticks(
        [index + 0.5 for index in range(len(platforms))],
        [name.replace(" ", "\n") or "here" for name in platforms],
        size=7,
    )
    lanes.tick_params(axis="y", which="both", left=False, labelleft=False)
    lanes.spines["left"].set_visible(False)
    lanes.grid(visible=True, axis="y")
    for index, values in enumerate(here.values()):
        lanes.hlines(values, index + 0.15, index + 0.85, color=INK, linewidth=0.9, alpha=0.75)
    watermark(axes, grid.origins)
    draw_legend(figure, legend)
    heading(figure, title, "", grid.origins, footer)
    return Drawn(figure, {})


def _state_w(grid: Grid, idle: int) -> float:
    """The power of an idle state: the mean over the points, where it was measured with each."""
    known = grid.idle_w[:, 0, 0, idle]
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else np.nan
