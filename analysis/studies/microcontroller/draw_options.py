"""Table 4.5 as a figure, and the time by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures.axes import set_axis
from analysis.figures.build import NothingToDrawError
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.style import (
    BAND,
    INK,
    MUTED,
    ORIGIN_COLOURS,
    PALETTE,
    heading,
    marker_style,
    new_figure,
    place_axes,
    watermark,
)
from analysis.studies.microcontroller import printed
from analysis.studies.microcontroller.points import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_IN, _ROW_IN, _LABEL_IN, _BOTTOM_IN, _GAP_IN = 9.0, 0.25, 0.95, 0.68, 0.35
_SUBTITLE_IN = 0.18
_PRINTED_STYLE: dict[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 5.0,
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 1.1,
}


def draw_table_4_5(points: Sequence[Point], subtitle: str, footer: str) -> Drawn:
    """Inference time and flash of each width and option, ours and the study's."""
    rows = [(int(point.values["width"]), str(point.values["option"]), point) for point in points]
    ours = marker_style(ORIGIN_COLOURS.get(points[0].origin, PALETTE[0]), points[0].origin, "valid", 6.0)
    entries = [Entry(ours, "ours", strong=True), Entry(_PRINTED_STYLE, "printed by the study", strong=True)]
    limit = Entry(
        {"linestyle": "none", "marker": "|", "markersize": 9, "color": MUTED, "markeredgewidth": 1.2},
        "48 KiB, all flash of the ATmega4809",
    )
    legend = in_lines([*entries, limit], _WIDTH_IN)
    top = top_margin_in(legend) + _SUBTITLE_IN
    figure = new_figure(_WIDTH_IN, top + _BOTTOM_IN + _ROW_IN * len(rows))
    width_in = (_WIDTH_IN - _LABEL_IN - 0.3 - _GAP_IN) / 2
    tooltips: dict[str, list[str]] = {}
    shown = (("latency_s", "inference time", "s", 0), ("flash_bytes", "program memory", "B", 1))
    for place, (quantity, title, unit, index) in enumerate(shown):
        left = _LABEL_IN + place * (width_in + _GAP_IN)
        axes = place_axes(figure, left, _BOTTOM_IN, _WIDTH_IN - left - width_in, top)
        values = [(row, value) for row, (_, _, point) in enumerate(rows) if (value := point.get(quantity)) is not None]
        theirs = [
            (row, float(cell[index]))
            for row, (width, option, _) in enumerate(rows)
            if (cell := printed.TABLE_4_5.get((width, option))) is not None
        ]
        reach = [0.0, *(value for _, value in (*values, *theirs))]
        set_axis(axes, "x", title, reach, unit, log=False)
        axes.set_xlim(left=0)
        _rows(axes, rows, named=place == 0)
        if quantity == "flash_bytes":
            axes.axvline(printed.FLASH_BYTES, linestyle=(0, (4, 3)), color=MUTED, linewidth=1.0)
        axes.plot([value for _, value in theirs], [row for row, _ in theirs], zorder=3, **_PRINTED_STYLE)
        gid = f"ours-{quantity}"
        axes.plot([value for _, value in values], [row for row, _ in values], gid=gid, zorder=4, **ours)
        tooltips[gid] = [f"{rows[row][0]} wide, -{rows[row][1]}: {value:.5g} {unit}" for row, value in values]
        watermark(axes, [points[0].origin])
    draw_legend(figure, legend, _SUBTITLE_IN)
    heading(figure, "Inference time and program memory by compiler option", subtitle, [points[0].origin], footer)
    return Drawn(figure, tooltips)


def draw_layers(points: Sequence[Point], title: str, subtitle: str, footer: str) -> Drawn:
    """How the time splits by layer: a bar for each point, its parts the layers in order."""
    names = sorted({name for point in points for name in point.found if name.startswith("latency_layer_")}, key=_number)
    if not names:
        raise NothingToDrawError("no firmware marked the end of its layers")
    colours = {f"layer {_number(name)}": PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}
    legend = in_lines(colour_entries(colours), _WIDTH_IN)
    top = top_margin_in(legend) + _SUBTITLE_IN
    figure = new_figure(_WIDTH_IN, top + _BOTTOM_IN + _ROW_IN * len(points))
    label_in = 0.2 + max(0.075 * len(point.label) for point in points)
    axes = place_axes(figure, label_in, _BOTTOM_IN, 0.9, top)
    totals = [sum(point.get(name) or 0.0 for name in names) for point in points]
    set_axis(axes, "x", "time in an inference", [0.0, *totals], "s", log=False)
    axes.set_xlim(left=0)
    starts = [0.0] * len(points)
    for name, colour in zip(names, colours.values(), strict=True):
        parts = [point.get(name) or 0.0 for point in points]
        axes.barh(range(len(points)), parts, left=starts, height=0.62, color=colour, zorder=2)
        starts = [start + part for start, part in zip(starts, parts, strict=True)]
    for row, total in enumerate(totals):
        axes.annotate(
            f"{1e3 * total:.2f} ms", (total, row), xytext=(4, 0), textcoords="offset points", va="center", size=8
        )
    axes.set_yticks(range(len(points)), [point.label for point in points])
    axes.set_ylim(len(points) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x")
    watermark(axes, [points[0].origin])
    draw_legend(figure, legend, _SUBTITLE_IN)
    heading(figure, title, subtitle, [points[0].origin], footer)
    return Drawn(figure, {})


def _number(name: str) -> int:
    return int(name.removeprefix("latency_layer_").removesuffix("_s"))


def _rows(axes: Axes, rows: Sequence[tuple[int, str, Point]], *, named: bool) -> None:
    """A line for each width and option; every other width on a band."""
    widths = list(dict.fromkeys(width for width, _, _ in rows))
    for width in widths[::2]:
        own = [row for row, item in enumerate(rows) if item[0] == width]
        axes.axhspan(min(own) - 0.5, max(own) + 0.5, color=BAND, zorder=0.2)
    axes.set_yticks(range(len(rows)), [f"{width} wide, -{option}" for width, option, _ in rows] if named else [])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x")
