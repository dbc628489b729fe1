"""A quantity over the input size, a line per network and compression: figures 5.1, 5.2 and A.1–A.4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.axes import draw_bars, set_axis
from analysis.figures.build import NothingToDrawError
from analysis.figures.data import axis_title
from analysis.figures.dots import Drawn
from analysis.figures.style import text_width_in
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.cost_claims import lines_of
from analysis.figures.thesis.draw_rows import value_words
from analysis.figures.thesis.look import (
    COMPRESSION_LINES,
    LABEL_SIZE,
    Page,
    compression_entries,
    compression_style,
    dark,
    degraded_entry,
    interval_entry,
    network_colours,
    network_entries,
    network_shapes,
    rank_of,
)
from analysis.figures.thesis.placing import page_of, spot_of
from analysis.figures.thesis.shapes import Growth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE = "Input size: pixels along a side"


_GAP_PT = 20.0
_LINE_PT = 9.0


@dataclass(frozen=True, slots=True)
class _End:
    """The right end of a line, in points."""

    network: str
    colour: str
    x: float
    y: float


def draw_growth(context: Context, shape: Growth, title: str, footer: str) -> Drawn:
    """Draw the lines. Raises :class:`NothingToDrawError` where no network has two input sizes."""
    lines = lines_of(context, shape)
    if not lines:
        raise NothingToDrawError("no network of this record has two input sizes")
    series = context.series(shape.role, shape.quantity)
    drawn = [item for members in lines.values() for item in members]
    networks = [name for name in context.study.networks if any(item.network == name for item in drawn)]
    compressions = [name for name in context.study.compressions if any(item.compression == name for item in drawn)]
    values = [series[item] for item in drawn]
    entries = network_entries(networks, context.study.networks) + compression_entries(compressions)
    visible = any((value.expanded_u or 0.0) > 0.04 * value.value for value in values)
    page = Page(entries + interval_entry(values, on_the_page=visible) + degraded_entry(values))
    room = max(text_width_in(name, LABEL_SIZE) for name in networks) + _GAP_PT / 72 + 0.15
    axes = page.axes(right=room)
    axes.grid(visible=True, which="major")
    sizes = sorted({item.size for item in drawn})
    margin = 0.05 * (sizes[-1] - sizes[0])
    axes.set_xlim(sizes[0] - margin, sizes[-1] + margin)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlabel(_SIDE)
    reach = [end for value in values for end in (value.low, value.high) if end > 0]
    set_axis(axes, "y", axis_title(shape.quantity), reach, values[0].unit, log=True)
    colours, shapes = network_colours(context.study.networks), network_shapes(context.study.networks)
    tooltips: dict[str, list[str]] = {}
    ends: list[_End] = []
    for number, ((network, compression), members) in enumerate(lines.items()):
        xs, ys = [float(item.size) for item in members], [series[item].value for item in members]
        rank, gid = rank_of(compression, context.study.compressions), f"line{number}"
        draw_bars(axes, "y", xs, ys, [series[item].expanded_u or 0.0 for item in members], colours[network])
        dashes = COMPRESSION_LINES[rank % len(COMPRESSION_LINES)]
        axes.plot(xs, ys, color=colours[network], linewidth=1.0, linestyle=dashes, zorder=2)
        axes.plot(xs, ys, gid=gid, zorder=3 + 0.1 * rank, **compression_style(colours[network], shapes[network], rank))
        tooltips[gid] = [f"{item.name}: {value_words(series[item])}" for item in members]
        spot = spot_of(axes, xs[-1], ys[-1])
        ends.append(_End(network, colours[network], spot.x, spot.y))
    _name_ends(axes, ends)
    subtitle = f"{len(drawn)} variations {context.phrase(shape.role)}"
    return Drawn(page.finish(title, subtitle, context.origins({shape.role: values}), footer, [axes]), tooltips)


def _name_ends(axes: Axes, ends: Sequence[_End]) -> None:
    """The network's name at the right of its lines, once where several end together, none upon another."""
    from matplotlib.lines import Line2D

    groups: list[list[_End]] = []
    for end in sorted(ends, key=lambda item: item.y):
        for members in groups:
            if members[0].network == end.network and end.y - members[-1].y < _LINE_PT:
                members.append(end)
                break
        else:
            groups.append([end])
    scale = 72 / axes.figure.dpi
    extent = axes.get_window_extent()
    at = max(max(end.x for end in ends) + _GAP_PT, extent.x1 * scale + 4.0)
    middles = [sum(end.y for end in members) / len(members) for members in groups]
    figure = page_of(axes)
    width, height = figure.get_size_inches() * 72
    order = sorted(range(len(groups)), key=lambda place: middles[place])
    for place, y in zip(order, spread([middles[place] for place in order], _LINE_PT), strict=True):
        first = groups[place][0]
        for end in groups[place]:
            xs, ys = [(end.x + 5.0) / width, (at - 2.0) / width], [end.y / height, y / height]
            figure.add_artist(Line2D(xs, ys, color=first.colour, linewidth=0.5, alpha=0.7))
        colour = dark(first.colour)
        figure.text(at / width, y / height, first.network, size=LABEL_SIZE, color=colour, va="center_baseline")


def spread(wanted: Sequence[float], least: float) -> list[float]:
    """Rising places at least ``least`` apart, each as near to the one wanted (rising too) as the others leave it."""
    blocks: list[tuple[float, int]] = []
    for place in wanted:
        middle, count = place, 1
        while blocks and blocks[-1][0] + (blocks[-1][1] + count) * least / 2 > middle:
            before, size = blocks.pop()
            middle = (before * size + middle * count) / (size + count)
            count += size
        blocks.append((middle, count))
    return [middle + (place - (count - 1) / 2) * least for middle, count in blocks for place in range(count)]
