"""One quantity against another, a mark per variation: figures 4.8, 5.5–5.10, A.5–A.10 and A.17–A.31."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.correlation import Correlation
from analysis.figures.axes import draw_bars, set_axis
from analysis.figures.build import NothingToDrawError
from analysis.figures.data import axis_title
from analysis.figures.dots import Drawn
from analysis.figures.style import MUTED
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.draw_rows import value_words
from analysis.figures.thesis.look import (
    DEGRADED,
    LABEL_SIZE,
    Page,
    compression_entries,
    compression_style,
    dark,
    dashes_entry,
    degraded_entry,
    interval_entry,
    network_colours,
    network_entries,
    network_shapes,
    rank_of,
)
from analysis.figures.thesis.placing import Label, Spot, place_labels, spot_of
from analysis.figures.thesis.related import correlation_of, correlation_words
from analysis.figures.thesis.shapes import Relation
from analysis.figures.thesis.study import Value, Variation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Pair = tuple[Variation, Value, Value]
_NEAR_PT = 11.0
_STEP_PT = 5.0


def draw_relation(context: Context, shape: Relation, title: str, footer: str) -> Drawn:
    """Draw y against x on logarithmic axes. Raises :class:`NothingToDrawError` where no point has a place on them."""
    pairs = context.pairs(shape)
    placed = [pair for pair in pairs if pair[1].value > 0 and pair[2].value > 0]
    if not placed:
        raise NothingToDrawError("no variation has both quantities above zero")
    networks = [name for name in context.study.networks if any(item.network == name for item, _, _ in placed)]
    compressions = [
        name for name in context.study.compressions if any(item.compression == name for item, _, _ in placed)
    ]
    values = [value for _, x, y in placed for value in (x, y)]
    entries = network_entries(networks, context.study.networks) + compression_entries(compressions)
    entries += interval_entry(values, on_the_page=_visible(values)) + degraded_entry(values)
    found = correlation_of(context, shape)
    line = _power_law(placed) if _clear(found) else None
    if line is not None:
        entries.append(dashes_entry(f"y ∝ x^{line[0]:.2f}".replace("-", "−")))
    page = Page(entries)
    axes = page.axes()
    axes.grid(visible=True, which="major")
    for which, quantity, side in (("x", shape.x, 1), ("y", shape.y, 2)):
        reach = [end for pair in placed for end in _reach(_side(pair, side))]
        set_axis(axes, which, axis_title(quantity), reach, _side(placed[0], side).unit, log=True)
    if line is not None:
        _draw_line(axes, placed, *line)
    tooltips = _draw_marks(axes, placed, context.study.networks, compressions)
    obstacles = _along_bars(axes, placed) + (_along_line(axes, placed, *line) if line is not None else [])
    _write_sizes(axes, placed, context.study.networks, obstacles)
    names = f"{len(placed)} variations {context.phrase(shape.where)}"
    idle = f", {shape.idle} idle power" if shape.idle is not None else ""
    subtitle = f"{names}{idle}; {correlation_words(found)}"
    origins = context.origins({shape.where: values})
    return Drawn(page.finish(title, subtitle, origins, footer, [axes]), tooltips)


def _side(pair: _Pair, side: int) -> Value:
    return pair[1] if side == 1 else pair[2]


def _reach(value: Value) -> list[float]:
    return [value.value] if value.low < 0.3 * value.value else [value.low, value.value, value.high]


def _visible(values: Sequence[Value]) -> bool:
    return any((value.expanded_u or 0.0) > 0.04 * value.value for value in values)


def _clear(found: Correlation) -> bool:
    """Is there a correlation, so that a line through the points says something?"""
    low, high = found.pearson_low, found.pearson_high
    return low is not None and high is not None and (low > 0.0 or high < 0.0)


def _power_law(pairs: Sequence[_Pair]) -> tuple[float, float] | None:
    """Exponent and logarithm of the factor of the straight line through the logarithms, by least squares."""
    xs, ys = (np.log([_side(pair, side).value for pair in pairs]) for side in (1, 2))
    if len(pairs) < 4 or np.ptp(xs) < 0.05:
        return None
    exponent, offset = np.polyfit(xs, ys, 1)
    return float(exponent), float(offset)


def _draw_line(axes: Axes, pairs: Sequence[_Pair], exponent: float, offset: float) -> None:
    ends = [pick(pair[1].value for pair in pairs) for pick in (min, max)]
    heights = [math.exp(offset + exponent * math.log(x)) for x in ends]
    axes.plot(ends, heights, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)


def _draw_marks(
    axes: Axes, pairs: Sequence[_Pair], networks: Sequence[str], compressions: Sequence[str]
) -> dict[str, list[str]]:
    colours, shapes = network_colours(networks), network_shapes(networks)
    groups: dict[tuple[str, str], list[_Pair]] = {}
    for pair in pairs:
        groups.setdefault((pair[0].network, pair[0].compression), []).append(pair)
    tooltips: dict[str, list[str]] = {}
    for number, ((network, compression), members) in enumerate(groups.items()):
        xs, ys = ([_side(pair, side).value for pair in members] for side in (1, 2))
        for which, at, along, side in (("x", ys, xs, 1), ("y", xs, ys, 2)):
            halves = [_side(pair, side).expanded_u or 0.0 for pair in members]
            draw_bars(axes, which, at, along, halves, colours[network])
        gid = f"series{number}"
        rank = rank_of(compression, compressions) if len(compressions) > 1 else 1
        style = compression_style(colours[network], shapes[network], rank)
        axes.plot(xs, ys, gid=gid, zorder=3 + 0.1 * rank, **style)
        tooltips[gid] = [f"{item.name}: {value_words(y)} at {value_words(x)}" for item, x, y in members]
        doubtful = [(x.value, y.value) for _, x, y in members if "degraded" in (x.verdict, y.verdict)]
        if doubtful:
            axes.plot(*zip(*doubtful, strict=True), zorder=4, **DEGRADED)
    return tooltips


def _along_bars(axes: Axes, pairs: Sequence[_Pair]) -> list[Spot]:
    """Places on the intervals beside their marks, for labels to keep off."""
    spots = []
    for _, x, y in pairs:
        middle = spot_of(axes, x.value, y.value)
        for ends in (((x.low, y.value), (x.high, y.value)), ((x.value, y.low), (x.value, y.high))):
            for end in ends:
                if min(end) > 0:
                    spots += _between(middle, spot_of(axes, *end), 12.0)
    return spots


def _along_line(axes: Axes, pairs: Sequence[_Pair], exponent: float, offset: float) -> list[Spot]:
    """Places on the line through the points."""
    ends = [pick(pair[1].value for pair in pairs) for pick in (min, max)]
    low, high = (spot_of(axes, x, math.exp(offset + exponent * math.log(x))) for x in ends)
    return _between(low, high, 6.0)


def _between(start: Spot, end: Spot, weight: float) -> list[Spot]:
    steps = int(_distance(start, end) / _STEP_PT)
    return [
        Spot(start.x + (end.x - start.x) * i / steps, start.y + (end.y - start.y) * i / steps, 0.5, weight)
        for i in range(1, steps + 1)
    ]


def _write_sizes(axes: Axes, pairs: Sequence[_Pair], networks: Sequence[str], obstacles: Sequence[Spot]) -> None:
    """The input size beside the marks: once for marks of one network and size that lie together."""
    spots = {pair[0]: spot_of(axes, pair[1].value, pair[2].value, 4.4) for pair in pairs}
    colours = network_colours(networks)
    clusters: list[list[Variation]] = []
    for item, spot in spots.items():
        for members in clusters:
            if members[0].title == item.title and any(_distance(spots[other], spot) < _NEAR_PT for other in members):
                members.append(item)
                break
        else:
            clusters.append([item])
    labels = [
        Label(_middle([spots[item] for item in members]), str(members[0].size), dark(colours[members[0].network]))
        for members in clusters
    ]
    place_labels(axes, labels, [*spots.values(), *obstacles], LABEL_SIZE)


def _distance(a: Spot, b: Spot) -> float:
    return math.hypot(a.x - b.x, a.y - b.y)


def _middle(spots: Sequence[Spot]) -> Spot:
    x, y = (sum(getattr(spot, name) for spot in spots) / len(spots) for name in ("x", "y"))
    reach = max(math.hypot(spot.x - x, spot.y - y) for spot in spots)
    return Spot(x, y, 4.4 + reach)
