"""Labels beside marks: each where it covers no other label and as few marks as can be, with a line where it lies far.

Everything is in points (1/72 inch) from the figure's lower left corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.style import MUTED, text_width_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DISTANCES = (4.0, 7.0, 11.0, 16.0, 23.0, 32.0, 44.0)
_DIRECTIONS = tuple((math.cos(angle), math.sin(angle)) for angle in (step * math.pi / 8 for step in range(16)))
_LINE_FROM = 8.5
_CROSSED = 40.0
_TOO_MUCH = 120.0


@dataclass(frozen=True, slots=True)
class Spot:
    """A mark on the page: its middle, its radius, and how bad it is to cover it."""

    x: float
    y: float
    radius: float = 3.0
    weight: float = 40.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text that belongs to a mark."""

    spot: Spot
    text: str
    colour: str


Box = tuple[float, float, float, float]


def spot_of(axes: Axes, x: float, y: float, radius: float = 3.0) -> Spot:
    """Where a point of the data lies on the page. The axes' limits must be final."""
    scale = 72 / axes.figure.dpi
    at_x, at_y = axes.transData.transform((x, y))
    return Spot(float(at_x) * scale, float(at_y) * scale, radius)


def page_of(axes: Axes) -> Figure:
    """The figure that the axes lie on."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("these axes are on no figure")
    return figure


def place_labels(axes: Axes, labels: Sequence[Label], marks: Sequence[Spot], size: float) -> int:
    """Write the labels; returns how many found no place and were left out.

    Those with the most marks near are placed first: they have the least choice.
    """
    scale = 72 / axes.figure.dpi
    extent = axes.get_window_extent()
    frame = (extent.x0 * scale, extent.y0 * scale, extent.x1 * scale, extent.y1 * scale)
    taken: list[Box] = []
    lines: list[tuple[Spot, tuple[float, float]]] = []
    left_out = 0

    def crowd(label: Label) -> int:
        return sum(math.hypot(mark.x - label.spot.x, mark.y - label.spot.y) < 30 for mark in marks)

    for label in sorted(labels, key=crowd, reverse=True):
        width, height = text_width_in(label.text, size) * 72 + 1.0, size * 1.12
        reach = _DISTANCES[-1] + label.spot.radius + width + size
        near = [mark for mark in marks if abs(mark.x - label.spot.x) < reach and abs(mark.y - label.spot.y) < reach]
        box = _best(label, width, height, frame, taken, near, lines)
        if box is None:
            left_out += 1
            continue
        taken.append(box)
        end = _line_end(label.spot, box)
        if end is not None:
            lines.append((label.spot, end))
        _write(axes, label, box, end, size)
    return left_out


def _best(
    label: Label,
    width: float,
    height: float,
    frame: Box,
    taken: Sequence[Box],
    marks: Sequence[Spot],
    lines: Sequence[tuple[Spot, tuple[float, float]]],
) -> Box | None:
    best: tuple[float, Box] | None = None
    spot = label.spot
    for distance in _DISTANCES:
        if best is not None and best[0] < distance:
            break
        for dx, dy in _DIRECTIONS:
            reach = spot.radius + distance
            x, y = spot.x + dx * (reach + width / 2 * abs(dx)), spot.y + dy * (reach + height / 2 * abs(dy))
            if abs(dx) > 0.3:
                x = spot.x + dx * reach + math.copysign(width / 2, dx)
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            if box[0] < frame[0] + 1 or box[1] < frame[1] + 1 or box[2] > frame[2] - 1 or box[3] > frame[3] - 1:
                continue
            if any(_overlap(box, other) for other in taken) or (best is not None and best[0] <= distance - 1.5):
                continue
            covered = sum(mark.weight for mark in marks if _touches(box, mark))
            crossed = sum(_CROSSED for line in lines if _crosses(box, line))
            cost = distance + covered + crossed - 1.5 * (dx > 0.9)
            if best is None or cost < best[0]:
                best = (cost, box)
    return best[1] if best is not None and best[0] < _TOO_MUCH else None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _touches(box: Box, mark: Spot) -> bool:
    x, y = min(max(mark.x, box[0]), box[2]), min(max(mark.y, box[1]), box[3])
    return math.hypot(mark.x - x, mark.y - y) < mark.radius + 0.8


def _crosses(box: Box, line: tuple[Spot, tuple[float, float]]) -> bool:
    (start, (x1, y1)), steps = line, 8
    points = ((start.x + (x1 - start.x) * i / steps, start.y + (y1 - start.y) * i / steps) for i in range(steps + 1))
    return any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in points)


def _line_end(spot: Spot, box: Box) -> tuple[float, float] | None:
    """Where a line from the mark meets the label; ``None`` where the label is near enough to need none."""
    x, y = min(max(spot.x, box[0]), box[2]), min(max(spot.y, box[1]), box[3])
    return (x, y) if math.hypot(x - spot.x, y - spot.y) - spot.radius > _LINE_FROM else None


def _write(axes: Axes, label: Label, box: Box, end: tuple[float, float] | None, size: float) -> None:
    from matplotlib.lines import Line2D

    figure = page_of(axes)
    width, height = figure.get_size_inches() * 72
    if end is not None:
        away = math.hypot(end[0] - label.spot.x, end[1] - label.spot.y)
        start_x = label.spot.x + (end[0] - label.spot.x) * label.spot.radius / away
        start_y = label.spot.y + (end[1] - label.spot.y) * label.spot.radius / away
        xs, ys = [start_x / width, end[0] / width], [start_y / height, end[1] / height]
        figure.add_artist(Line2D(xs, ys, color=MUTED, linewidth=0.5, zorder=2))
    middle = ((box[0] + box[2]) / 2 / width, (box[1] + box[3]) / 2 / height)
    figure.text(*middle, label.text, size=size, color=label.colour, ha="center", va="center_baseline")
