"""Figures of the pruning grid: a map for each quantity, the number in each cell; and bytes over sparsity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.figures.build import NothingToDrawError
from analysis.figures.dots import Drawn
from analysis.figures.panels import Line, Look, Panel, draw_panels
from analysis.figures.style import INK, PALETTE, PAPER, heading, new_figure, place_axes, sorted_origins, watermark
from analysis.studies.mcu_pruning.points import Pruned, grid

_WIDTH_IN = 9.0
_LEFT_IN, _RIGHT_IN, _GAP_IN, _TOP_IN, _BOTTOM_IN = 0.7, 0.25, 0.35, 1.05, 0.78
_MOST_IN = 4.1
_RAMP = "cividis"


@dataclass(frozen=True, slots=True)
class Map:
    """One panel: a value for each pair, how to write it, and what its title says."""

    title: str
    value: Callable[[Pruned], float]
    text: Callable[[float], str]


def draw_maps(points: Sequence[Pruned], maps: Sequence[Map], title: str, subtitle: str, footer: str) -> Drawn:
    """The maps side by side; each has colours of its own, from its smallest to its largest value."""
    if not points:
        raise NothingToDrawError("no network was pruned")
    side = min(_MOST_IN, (_WIDTH_IN - _LEFT_IN - _RIGHT_IN - _GAP_IN * (len(maps) - 1)) / len(maps))
    figure = new_figure(_WIDTH_IN, _TOP_IN + side + _BOTTOM_IN)
    origins = sorted_origins(point.origin for point in points)
    used = side * len(maps) + _GAP_IN * (len(maps) - 1)
    begin = _LEFT_IN + (_WIDTH_IN - _LEFT_IN - _RIGHT_IN - used) / 2
    for number, shown in enumerate(maps):
        left = begin + number * (side + _GAP_IN)
        axes = place_axes(figure, left, _BOTTOM_IN, _WIDTH_IN - left - side, _TOP_IN)
        initials, finals, values = grid(points, shown.value)
        _draw_map(axes, values, shown.text, side)
        axes.set_xticks(range(len(initials)), [f"{share:g}" for share in initials])
        axes.set_yticks(range(len(finals)), [f"{share:g}" for share in finals])
        axes.set_title(shown.title, size=8.5, loc="left", pad=4, weight="bold")
        axes.set_xlabel("initial sparsity")
        if number == 0:
            axes.set_ylabel("final sparsity")
        watermark(axes, origins)
    heading(figure, title, subtitle, origins, footer)
    return Drawn(figure, {})


def _draw_map(axes: object, values: Sequence[Sequence[float]], text: Callable[[float], str], side_in: float) -> None:
    from matplotlib import colormaps
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    flat = [value for row in values for value in row if math.isfinite(value)]
    low, high = min(flat), max(flat)
    ramp = colormaps[_RAMP]
    axes.imshow(values, origin="lower", cmap=_RAMP, vmin=low, vmax=max(high, low + 1e-9), aspect="auto", zorder=0.3)
    axes.tick_params(length=0)
    size = min(8.0, 72 * side_in / max(len(values), len(values[0])) / 3.0)
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            if math.isfinite(value):
                red, green, blue, _ = ramp((value - low) / (high - low) if high > low else 0.0)
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
                axes.text(column, row, text(value), size=size, color=PAPER if dark else INK, ha="center", va="center")


def draw_formats(points: Sequence[Pruned], title: str, footer: str) -> Drawn:
    """Bytes over the share of zeros that was reached, for each form in flash; the mean of equal shares."""
    if not points:
        raise NothingToDrawError("no network was pruned")
    formats = {
        "every weight a byte": "avr_dense_bytes",
        "bit map of the zeros": "bitmap_bytes",
        "distance and weight (AVR kernel)": "avr_sparse_bytes",
    }
    lines = []
    for text, quantity in formats.items():
        at: dict[float, list[float]] = {}
        for point in points:
            if quantity in point.values:
                at.setdefault(round(point["sparsity"], 2), []).append(point[quantity])
        if at:
            xs = sorted(at)
            ys = [sum(at[x]) / len(at[x]) for x in xs]
            lines.append(
                Line(text, xs, ys, texts=[f"{text}: {x:.0%} zeros, {y:,.0f} B" for x, y in zip(xs, ys, strict=True)])
            )
    if not lines:
        raise NothingToDrawError("no size was stated")
    colours = dict(zip(formats, PALETTE, strict=False))
    look = Look(
        "share of weights that are zero",
        "flash for weights and biases",
        colours,
        y_unit="B",
        y_range=(0.0,),
        footer=footer,
    )
    return draw_panels([Panel("", lines)], title, sorted({point.origin for point in points}), look)
