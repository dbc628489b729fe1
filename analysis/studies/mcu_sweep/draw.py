"""Figures of the sweep: size and accuracy over the widths, and accuracy over size with its front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures.axes import set_axis
from analysis.figures.build import NothingToDrawError
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.style import (
    INK,
    MUTED,
    PALETTE,
    heading,
    new_figure,
    place_axes,
    sorted_origins,
    text_width_in,
    watermark,
)
from analysis.studies.mcu_sweep.avrs import AVRS, CODE_BYTES
from analysis.studies.mcu_sweep.points import Swept, front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_IN = 9.0
_LARGEST_MARK_PT = 30.0
_SMALLEST_SHARE = 0.2
"""Of the largest diameter: a dot whose colour can still be told."""
_BAR_IN = 0.16
_RAMP = "cividis"
DEPTHS = {1: "one hidden layer", 2: "two hidden layers", 3: "three hidden layers"}


def draw_two_layers(networks: Sequence[Swept], title: str, footer: str) -> Drawn:
    """Figure 4.1: widths of two hidden layers on the axes, accuracy as colour, size as area."""
    shown = [network for network in networks if len(network.widths) == 2]
    if not shown:
        raise NothingToDrawError("no network of two hidden layers was trained")
    return _draw_bubbles({"": shown}, title, footer, height_in=4.6, columns=1)


def draw_three_layers(networks: Sequence[Swept], title: str, footer: str) -> Drawn:
    """Figure 4.2: the same for each width of a third layer."""
    thirds = sorted({network.widths[2] for network in networks if len(network.widths) == 3})
    if not thirds:
        raise NothingToDrawError("no network of three hidden layers was trained")
    panels = {
        f"third layer {third}": [item for item in networks if len(item.widths) == 3 and item.widths[2] == third]
        for third in thirds
    }
    return _draw_bubbles(panels, title, footer, height_in=1.95, columns=min(4, len(panels)))


def _draw_bubbles(
    panels: Mapping[str, Sequence[Swept]], title: str, footer: str, *, height_in: float, columns: int
) -> Drawn:
    """``panels`` by name; all share axes, colours and sizes."""
    every = [network for panel in panels.values() for network in panel]
    origins = sorted_origins(network.origin for network in every)
    rows = math.ceil(len(panels) / columns)
    top, bottom, left, right, gap_x, gap_y = 0.98, 0.72, 0.75, 1.15, 0.22, 0.36
    figure = new_figure(_WIDTH_IN, top + rows * height_in + (rows - 1) * gap_y + bottom)
    total_in = float(figure.get_size_inches()[1])
    width_in = (_WIDTH_IN - left - right - (columns - 1) * gap_x) / columns
    low, high = min(n.accuracy for n in every), max(n.accuracy for n in every)
    largest = max(n.int8_bytes for n in every)
    ticks = sorted({width for network in every for width in network.widths[:2]})
    room = min(1.0, 0.95 * 72 * min(height_in, width_in) / (len(ticks) + 0.4) / _LARGEST_MARK_PT)
    tooltips: dict[str, list[str]] = {}
    for number, (name, panel) in enumerate(panels.items()):
        row, column = divmod(number, columns)
        begin = left + column * (width_in + gap_x)
        above = top + row * (height_in + gap_y)
        end, below = _WIDTH_IN - begin - width_in, total_in - above - height_in
        axes = place_axes(figure, begin, below, end, above)
        _log2_axes(axes, ticks, first=column == 0, last=number + columns >= len(panels))
        if name:
            axes.set_title(name, size=8.5, loc="left", pad=3, weight="bold")
        colours = [(network.accuracy - low) / (high - low) if high > low else 1.0 for network in panel]
        gid = f"panel{number}"
        axes.scatter(
            [math.log2(network.widths[0]) for network in panel],
            [math.log2(network.widths[1]) for network in panel],
            s=[(room * _diameter(network.int8_bytes, largest)) ** 2 for network in panel],
            c=_colours(colours), linewidths=0.3, edgecolors=INK, zorder=3, gid=gid,
        )  # fmt: skip
        tooltips[gid] = [f"{n.name}: {n.accuracy:.1%}, {n.int8_bytes:,.0f} B in int8" for n in panel]
        watermark(axes, origins)
    _colour_bar(figure, low, high, total_in, top, bottom)
    key = f"Area: size, the largest {largest:,.0f} B of 8-bit weights and 32-bit biases. Colour: accuracy"
    heading(figure, title, key, origins, footer)
    return Drawn(figure, tooltips)


def draw_front(networks: Sequence[Swept], title: str, footer: str) -> Drawn:
    """Accuracy over flash, all networks, the front, and what each AVR holds."""
    if not networks:
        raise NothingToDrawError("no network was trained")
    origins = sorted_origins(network.origin for network in networks)
    best = front(networks)
    colours = {text: PALETTE[index] for index, (depth, text) in enumerate(DEPTHS.items()) if _has(networks, depth)}
    bar = {"marker": "_", "markersize": 11, "markeredgewidth": 1.3, "color": INK, "linestyle": "none"}
    line = Entry(bar, "nothing smaller is as accurate")
    legend = in_lines([*colour_entries(colours), line], _WIDTH_IN)
    top = top_margin_in(legend)
    figure = new_figure(_WIDTH_IN, top + 4.3 + 0.72)
    axes = place_axes(figure, 0.8, 0.72, 0.25, top)
    sizes = [network.int8_bytes for network in networks]
    limits = _flash_limits(max(sizes))
    set_axis(axes, "x", "8-bit weights and 32-bit biases", [*sizes, *limits.values()], "B", log=True)
    set_axis(axes, "y", "accuracy on the test images", [network.accuracy for network in networks], "1", log=False)
    axes.grid(visible=True, which="major")
    tooltips: dict[str, list[str]] = {}
    for depth, text in DEPTHS.items():
        members = [network for network in networks if len(network.widths) == depth]
        if members:
            gid = f"depth{depth}"
            axes.plot(
                [n.int8_bytes for n in members], [n.accuracy for n in members], gid=gid, linestyle="none", marker="o",
                markersize=2.6, color=colours[text], alpha=0.75, markeredgewidth=0, zorder=2,
            )  # fmt: skip
            tooltips[gid] = [f"{n.name}: {n.accuracy:.1%}, {n.int8_bytes:,.0f} B" for n in members]
    axes.plot(
        [n.int8_bytes for n in best], [n.accuracy for n in best], color=INK, linewidth=1.2, marker="o", markersize=3.6,
        markerfacecolor="none", markeredgecolor=INK, drawstyle="steps-post", zorder=3, gid="front",
    )  # fmt: skip
    tooltips["front"] = [f"{n.name}: {n.accuracy:.1%}, {n.int8_bytes:,.0f} B" for n in best]
    for name, size in limits.items():
        axes.axvline(size, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
        axes.annotate(
            name, (size, 0), xycoords=("data", "axes fraction"), xytext=(-3, 5), textcoords="offset points", size=7.5,
            color=MUTED, rotation=90, ha="right", va="bottom",
        )  # fmt: skip
    _name_some(axes, best)
    watermark(axes, origins)
    draw_legend(figure, legend)
    heading(figure, title, f"Dashed: flash less {CODE_BYTES:,} B for code", origins, footer)
    return Drawn(figure, tooltips)


def _has(networks: Sequence[Swept], depth: int) -> bool:
    return any(len(network.widths) == depth for network in networks)


def _flash_limits(largest: float) -> dict[str, float]:
    """Room in flash for a network → the AVRs' names; those far beyond every network are left out."""
    named: dict[float, list[str]] = {}
    for avr in AVRS:
        named.setdefault(avr.flash_bytes - CODE_BYTES, []).append(avr.name)
    return {", ".join(names): float(size) for size, names in named.items() if size < 2.5 * largest}


def _name_some(axes: Axes, best: Sequence[Swept]) -> None:
    """Name the front's networks where there is room for a name."""
    previous: tuple[float, float] | None = None
    for network in reversed(best):
        place = axes.transData.transform((network.int8_bytes, network.accuracy)) / axes.figure.dpi
        if previous is not None and math.hypot(place[0] - previous[0], place[1] - previous[1]) < 0.62:
            continue
        previous = (float(place[0]), float(place[1]))
        axes.annotate(
            network.name, (network.int8_bytes, network.accuracy), xytext=(-4, 4), textcoords="offset points", size=7,
            color=INK, ha="right", zorder=4,
        )  # fmt: skip


def _log2_axes(axes: Axes, ticks: Sequence[int], *, first: bool, last: bool) -> None:
    places, names = [math.log2(tick) for tick in ticks], [str(tick) for tick in ticks]
    edge = 0.7
    axes.set_xlim(places[0] - edge, places[-1] + edge)
    axes.set_ylim(places[0] - edge, places[-1] + edge)
    axes.set_xticks(places, names, size=7)
    axes.set_yticks(places, names, size=7)
    axes.grid(visible=True)
    if last:
        axes.set_xlabel("first hidden layer")
    if first:
        axes.set_ylabel("second hidden layer")
    else:
        axes.tick_params(axis="y", labelleft=False)


def _diameter(size: float, largest: float) -> float:
    """In points; the area follows the size, down to a dot whose colour can still be told."""
    return _LARGEST_MARK_PT * max(_SMALLEST_SHARE, math.sqrt(size / largest))


def _colours(shares: Sequence[float]) -> Any:
    from matplotlib import colormaps

    return colormaps[_RAMP](list(shares))


def _colour_bar(figure: Figure, low: float, high: float, total_in: float, top: float, bottom: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import PercentFormatter

    height = min(2.6, total_in - top - bottom)
    axes = place_axes(figure, _WIDTH_IN - 0.9, total_in - top - height, 0.9 - _BAR_IN, top)
    bar = figure.colorbar(ScalarMappable(Normalize(low, max(high, low + 1e-9)), cmap=_RAMP), cax=axes)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    bar.outline.set_visible(False)
    bar.ax.set_title("accuracy", size=7.5, loc="left", pad=4, x=-text_width_in("a", 7.5))
