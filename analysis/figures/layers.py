"""The ``layers`` figure: one network, layer by layer, against the memories of the board: which layer spills where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.cache_fit import LayerFit
from analysis.figures.axes import set_axis
from analysis.figures.dots import Drawn
from analysis.figures.legend import colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.style import GRID, INK, MUTED, PALETTE, heading, new_figure, place_axes, text_width_in, watermark
from analysis.figures.units import tick_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEMORY_TITLES = {"l1d": "L1d", "l2": "L2", "ram": "RAM"}

_WIDTH_IN, _HEIGHT_IN = 9.0, 6.0
_LEFT_IN, _RIGHT_IN = 0.85, 0.95
_MACS_IN = 1.15
_BOTTOM_IN = 0.68
_GAP_IN = 0.3
_FAR = 50
"""A memory more than so many times as large as the largest working set is not drawn."""

_NAMED = 6
"""So many layers, those with the largest working sets, are named on the figure."""

_HELD_COLOURS = {"l1d": PALETTE[5], "l2": PALETTE[0], "ram": PALETTE[4], None: PALETTE[1]}


def draw_layers(
    title: str, fits: Sequence[LayerFit], memories: Mapping[str, int], origin: str, footer: str = ""
) -> Drawn:
    """Draw the working set of each executed layer, in the order of execution, and its share of the work below.

    ``fits`` must not be empty; ``memories`` are bytes by name, those that the layers were held against.
    """
    from matplotlib.ticker import MaxNLocator

    largest = max(fit.working_set_bytes for fit in fits)
    # A memory far beyond every layer would squeeze the layers into a corner.
    memories = {name: size for name, size in memories.items() if size <= _FAR * largest}
    present = [held for held in (*MEMORY_TITLES, None) if _of(fits, held)]
    colours = {held: _HELD_COLOURS.get(held, PALETTE[6]) for held in present}
    words = {held_words(held, fits): colour for held, colour in colours.items()}
    legend = in_lines(colour_entries(words), _WIDTH_IN)
    figure = new_figure(_WIDTH_IN, _HEIGHT_IN)
    upper = place_axes(figure, _LEFT_IN, _BOTTOM_IN + _MACS_IN + _GAP_IN, _RIGHT_IN, top_margin_in(legend))
    lower = place_axes(figure, _LEFT_IN, _BOTTOM_IN, _RIGHT_IN, _HEIGHT_IN - _BOTTOM_IN - _MACS_IN)
    work = [float(fit.working_set_bytes) for fit in fits]
    set_axis(upper, "y", "Working set", [*(value for value in work if value > 0), *memories.values()], "B", log=True)
    tooltips: dict[str, list[str]] = {}
    for held, colour in colours.items():
        chosen = [(place, fit) for place, fit in enumerate(fits, start=1) if fit.held_by == held]
        places = [float(place) for place, _ in chosen]
        values = [float(fit.working_set_bytes) for _, fit in chosen]
        lowest = upper.get_ylim()[0]
        upper.vlines(places, lowest, [max(lowest, value) for value in values], color=colour, linewidth=1.1, alpha=0.55)
        gid = f"held-{held or 'nowhere'}"
        upper.plot(places, values, gid=gid, linestyle="none", marker="o", markersize=4.2, color=colour, zorder=3)
        tooltips[gid] = [described(place, fit) for place, fit in chosen]
        lower.bar(places, [100 * share for share in _shares(fits, held)], color=colour, width=0.85)
    _draw_memories(upper, memories)
    _name_largest(upper, fits)
    for axes in (upper, lower):
        axes.set_xlim(0.2, len(fits) + 0.8)
        axes.grid(visible=True, axis="y", which="major", color=GRID)
    upper.tick_params(axis="x", labelbottom=False)
    lower.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    upper.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    lower.set_xlabel("Layer, in the order of execution")
    lower.set_ylabel("Share of\nMACs [%]")
    watermark(upper, [origin])
    draw_legend(figure, legend)
    heading(figure, title, "weights + inputs + outputs of each executed layer", [origin], footer)
    return Drawn(figure, tooltips)


def _draw_memories(axes: Axes, memories: Mapping[str, int]) -> None:
    """A line for each memory, its name at the right, pushed up where the one below is too near."""
    low, high = axes.get_ylim()
    height_in = axes.get_window_extent().height / axes.figure.dpi
    last_in = -1.0
    for name, size in sorted(memories.items(), key=lambda item: item[1]):
        axes.axhline(size, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=2)
        at_in = max(height_in * math.log(size / low) / math.log(high / low), last_in + 0.15)
        last_in = at_in
        axes.text(
            1.005,
            at_in / height_in,
            f"{MEMORY_TITLES.get(name, name)} {binary_size(size)}",
            transform=axes.transAxes,
            size=7.5,
            color=INK,
            va="center",
        )


def _of(fits: Sequence[LayerFit], held: str | None) -> list[LayerFit]:
    return [fit for fit in fits if fit.held_by == held]


def _shares(fits: Sequence[LayerFit], held: str | None) -> list[float]:
    total = sum(fit.layer.macs for fit in fits)
    return [fit.layer.macs / total if total else 0.0 for fit in _of(fits, held)]


def held_words(held: str | None, fits: Sequence[LayerFit]) -> str:
    """Such as ``fit L2: 40 layers, 71 % of MACs``."""
    count, share = len(_of(fits, held)), 100 * sum(_shares(fits, held))
    what = f"fit {MEMORY_TITLES.get(held, held)}" if held is not None else "fit none"
    percent = "0" if share == 0 else "< 0.1" if share < 0.1 else f"{share:.1f}" if share < 10 else f"{share:.0f}"
    return f"{what}: {count} layer{'' if count == 1 else 's'}, {percent} % of MACs"


def described(place: int, fit: LayerFit) -> str:
    """One line on a layer, for a tooltip."""
    held = f"fits {MEMORY_TITLES.get(fit.held_by, fit.held_by)}" if fit.held_by else "fits none"
    parts = f"weights {binary_size(fit.weight_bytes)}, inputs {binary_size(fit.input_bytes)}, outputs "
    parts += binary_size(fit.output_bytes)
    return f"{place} {fit.layer.name} ({fit.layer.kind}): {binary_size(fit.working_set_bytes)}, {held}; {parts}"


def binary_size(size: int) -> str:
    """Bytes in KiB or MiB, as caches are given."""
    for power, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= power:
            return f"{size / power:.4g} {unit}"
    return tick_text(size, "B")


def _name_largest(axes: Axes, fits: Sequence[LayerFit]) -> None:
    """Names above the largest working sets, as far as they do not cover each other."""
    width_in = axes.get_window_extent().width / axes.figure.dpi
    taken: list[tuple[float, float, float]] = []
    for place in sorted(range(len(fits)), key=lambda place: -fits[place].working_set_bytes)[:_NAMED]:
        name, y = fits[place].layer.name, float(fits[place].working_set_bytes)
        half = text_width_in(name, 7.0) / 2
        x = min(max((place + 0.8) / (len(fits) + 0.6) * width_in, half), width_in - half)
        near = any(abs(x - other) < half + reach + 0.05 and 0.55 < y / height < 1.8 for other, height, reach in taken)
        if not name or near:
            continue
        taken.append((x, y, half))
        axes.annotate(
            name,
            (x / width_in, y),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 4),
            textcoords="offset points",
            size=7,
            color=MUTED,
            ha="center",
            va="bottom",
        )
