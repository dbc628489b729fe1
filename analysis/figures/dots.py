"""The ``bars`` figure: one quantity for every label, drawn as a dot plot with one row per label.

Dots instead of bars: 33 labels on three platforms stay readable, a logarithmic axis needs no base line to lie about,
and every dot can carry its uncertainty. What has no valid value stands as a cross in a lane of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.axes import draw_bars, set_axis
from analysis.figures.data import Matrix, Point, axis_title, hue_values, unit_of
from analysis.figures.legend import colour_entries, draw_legend, in_lines, mark_entries, top_margin_in
from analysis.figures.style import (
    BAND,
    GRID,
    INVALID_COLOUR,
    LANE,
    MUTED,
    colours_for,
    cross_style,
    heading,
    marker_style,
    new_figure,
    place_axes,
    shortened,
    sorted_origins,
    text_width_in,
    watermark,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_IN = 0.205
_LABEL_SIZE = 8.0
_WIDTH_IN = 9.0
_LANE_IN = 0.5
_BOTTOM_IN = 0.68


@dataclass(frozen=True)
class Drawn:
    """A figure and the tooltips of its marker series."""

    figure: Figure
    tooltips: dict[str, list[str]]


@dataclass(frozen=True)
class _Row:
    text: str
    label: str | None
    """``None`` for the heading of a group."""


def draw_dots(
    points: Sequence[Point],
    matrix: Matrix,
    quantity: str,
    title: str,
    *,
    log: bool,
    hue: str | None = None,
    footer: str = "",
) -> Drawn:
    """Draw one quantity by label. ``points`` must not be empty."""
    hues = hue_values(points, matrix, hue)
    colours = colours_for(hues)
    rows = _rows(points)
    unit = unit_of(points)
    placed = [point for point in points if point.fits(log=log)]
    aside = [point for point in points if point not in placed]
    label_in = min(3.2, max(text_width_in(row.text, _LABEL_SIZE) for row in rows) + 0.15)
    legend = in_lines(colour_entries(colours) + mark_entries(points, [placed], log=log), _WIDTH_IN)
    top = top_margin_in(legend)
    height = top + _BOTTOM_IN + _ROW_IN * len(rows)
    figure = new_figure(_WIDTH_IN, max(2.4, height))
    lane_in = _LANE_IN if aside else 0.0
    axes = place_axes(figure, 0.25 + label_in, _BOTTOM_IN, 0.25 + lane_in, top)
    if placed:
        ends = [end for point in placed for end in _interval(point)]
        set_axis(axes, "x", axis_title(quantity), ends, unit, log=log)
    else:
        axes.set_xticks([])
        axes.text(
            0.5,
            0.5,
            "no valid value",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=INVALID_COLOUR,
        )
    _row_labels(axes, rows, label_in)
    if len(matrix.label_factors) == 1:
        axes.set_title(matrix.label_factors[0], size=_LABEL_SIZE, color=MUTED, loc="left", x=-0.008, ha="right", pad=4)
    offsets = _offsets(hues)
    position = {row.label: index for index, row in enumerate(rows) if row.label is not None}
    hue_factor = hue if hue is not None else matrix.hue
    tooltips = _draw_points(axes, placed, position, offsets, colours, hue_factor)
    if aside:
        lane = place_axes(figure, _WIDTH_IN - 0.25 - lane_in + 0.08, _BOTTOM_IN, 0.25, top)
        tooltips |= _draw_lane(lane, aside, position, offsets, colours, len(rows), hue_factor)
    watermark(axes, sorted_origins(point.origin for point in points))
    draw_legend(figure, legend)
    heading(figure, title, "", sorted_origins(point.origin for point in points), footer)
    return Drawn(figure, tooltips)


def _rows(points: Sequence[Point]) -> list[_Row]:
    rows: list[_Row] = []
    seen: set[str] = set()
    group = ""
    for point in points:
        if point.label in seen:
            continue
        seen.add(point.label)
        if point.group and point.group != group:
            group = point.group
            rows.append(_Row(group, None))
        rest = point.label.removeprefix(point.group).strip() if point.group else point.label
        rows.append(_Row(rest or point.label, point.label))
    return rows


def _row_labels(axes: Axes, rows: Sequence[_Row], label_in: float) -> None:
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    transform = axes.get_yaxis_transform()
    for index, row in enumerate(rows):
        is_heading = row.label is None
        axes.annotate(
            shortened(row.text, label_in, _LABEL_SIZE),
            (0.0, index),
            xycoords=transform,
            xytext=(-7 if not is_heading else -label_in * 72, 0),
            textcoords="offset points",
            ha="left" if is_heading else "right",
            va="center",
            size=_LABEL_SIZE,
            weight="bold" if is_heading else "normal",
            annotation_clip=False,
        )
        if is_heading:
            axes.axhline(index - 0.5, color=GRID, linewidth=0.8, xmin=0, zorder=0.5)
        elif index % 2:
            axes.axhspan(index - 0.5, index + 0.5, color=BAND, linewidth=0, zorder=0.2)


def _offsets(hues: Sequence[str]) -> dict[str, float]:
    """Where in its row each colour lies, so that equal values do not hide each other."""
    step = min(0.22, 0.56 / max(1, len(hues) - 1)) if len(hues) > 1 else 0.0
    middle = (len(hues) - 1) / 2
    return {hue: (index - middle) * step for index, hue in enumerate(hues)}


def _interval(point: Point) -> tuple[float, ...]:
    value, half = point.value or 0.0, point.expanded_u or 0.0
    return tuple(end for end in (value - half, value, value + half))


def _draw_points(
    axes: Axes,
    points: Sequence[Point],
    position: dict[str, int],
    offsets: dict[str, float],
    colours: dict[str, str],
    hue_factor: str | None,
) -> dict[str, list[str]]:
    series: dict[tuple[str, str, str], list[Point]] = {}
    for point in points:
        series.setdefault((point.hue, point.origin, point.verdict), []).append(point)
    tooltips: dict[str, list[str]] = {}
    for index, ((hue, origin, verdict), members) in enumerate(series.items()):
        heights = [position[point.label] + offsets[hue] for point in members]
        values = [point.value or 0.0 for point in members]
        halves = [point.expanded_u or 0.0 for point in members]
        draw_bars(axes, "x", heights, values, halves, colours[hue])
        gid = f"points{index}"
        axes.plot(values, heights, gid=gid, zorder=3, **marker_style(colours[hue], origin, verdict))
        tooltips[gid] = [point.describe(hue_factor) for point in members]
    return tooltips


def _draw_lane(
    lane: Axes,
    points: Sequence[Point],
    position: dict[str, int],
    offsets: dict[str, float],
    colours: dict[str, str],
    rows: int,
    hue_factor: str | None,
) -> dict[str, list[str]]:
    """The lane at the right: crosses for what has no valid value, ``◁`` for what a log axis cannot hold."""
    lane.set_xlim(0, 1)
    lane.set_ylim(rows - 0.4, -0.6)
    lane.set_xticks([])
    lane.set_yticks([])
    lane.set_facecolor(LANE)
    for spine in lane.spines.values():
        spine.set_visible(False)
    lane.set_xlabel("not on\nthe axis", size=7, color=MUTED)
    tooltips: dict[str, list[str]] = {}
    for gid, members, shape in (
        ("absent", [point for point in points if not point.shown], "x"),
        ("below", [point for point in points if point.shown], "<"),
    ):
        for hue in dict.fromkeys(point.hue for point in members):
            chosen = [point for point in members if point.hue == hue]
            style = cross_style() | {"marker": shape, "markeredgecolor": colours[hue]}
            if shape == "<":
                style |= {"markerfacecolor": "none"}
            name = f"{gid}{len(tooltips)}"
            lane.plot(
                [0.5] * len(chosen),
                [position[point.label] + offsets[hue] for point in chosen],
                gid=name,
                **style,
            )
            tooltips[name] = [point.describe(hue_factor) for point in chosen]
    return tooltips
