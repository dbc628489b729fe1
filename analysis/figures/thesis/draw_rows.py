"""A row per variation, a mark per place of computing: figures 4.1, 4.4–4.7 and A.14–A.16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.axes import draw_bars, set_axis
from analysis.figures.data import axis_title
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry
from analysis.figures.style import BAND, GRID, MUTED, cross_style, shortened, text_width_in
from analysis.figures.thesis.context import Context, Series
from analysis.figures.thesis.cost_claims import thresholds_of
from analysis.figures.thesis.look import (
    DEGRADED,
    LABEL_SIZE,
    Page,
    degraded_entry,
    interval_entry,
    page_height,
    where_colour,
    where_style,
)
from analysis.figures.thesis.offloading import ETHERNET_GPU, RADIO_GPU, Way
from analysis.figures.thesis.shapes import Only, Rows, Where
from analysis.figures.thesis.study import Role, Value, Variation
from analysis.figures.units import tick_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_IN = 0.195
_BOTTOM_IN = 0.68
_THRESHOLD_IN = 0.16
_OFFLOADED_AT = {"CPU": -0.2, "GPU": 0.2}
"""Where in its row an offloaded mark lies: the device's own are in the middle."""


@dataclass(frozen=True)
class _Line:
    text: str
    variation: Variation | None


def draw_rows(context: Context, shape: Rows, title: str, footer: str) -> Drawn:
    """Draw a quantity of all variations wherever it is known."""
    places: list[Where] = [*context.present(), *shape.ways]
    series = {place: context.series(place, shape.quantity, idle=shape.idle, only=shape.only) for place in places}
    series = {place: values for place, values in series.items() if values}
    lost = {
        role: [item for item in context.study.absent(role, shape.quantity) if item in context.variations(shape.only)]
        for role in context.present()
    }
    shown = {item for values in series.values() for item in values}
    lines = _lines([item for item in context.variations(shape.only) if item in shown], shape.only)
    values = [value for members in series.values() for value in members.values()]
    entries = [Entry(where_style(place, 6.0), context.name(place), strong=True) for place in series]
    marks = interval_entry(values, on_the_page=_visible(values)) + degraded_entry(values)
    if any(lost.values()):
        marks.append(Entry(cross_style() | {"markeredgecolor": MUTED}, "no valid value"))
    thresholds = {way: item for way, item in thresholds_of(context, shape).items() if shape.thresholds}
    thresholds = {way: item for way, item in thresholds.items() if way in (ETHERNET_GPU, RADIO_GPU)}
    extra = _THRESHOLD_IN if thresholds else 0.0
    page = Page(entries + marks, page_height(entries + marks, extra + _BOTTOM_IN + _ROW_IN * (len(lines) + 0.2)))
    label_in = min(2.2, max(text_width_in(line.text, LABEL_SIZE) for line in lines) + 0.12)
    axes = page.axes(left=0.2 + label_in, bottom=_BOTTOM_IN, right=0.3, top=extra)
    unit = values[0].unit
    reach = [end for value in values for end in (value.low, value.value, value.high) if end > 0]
    set_axis(axes, "x", axis_title(shape.quantity), reach, unit, log=True)
    _names(axes, lines, label_in)
    tooltips = _marks(axes, context, series, lines)
    _crosses(axes, lost, lines)
    for way, item in thresholds.items():
        axes.axvline(item.mean, color=where_colour(way), linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        side = "right" if way == ETHERNET_GPU else "left"
        axes.annotate(
            f"{way.medium} {tick_text(item.mean, unit)}",
            (item.mean, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-2 if side == "right" else 2, 2.5),
            textcoords="offset points",
            size=LABEL_SIZE,
            color=where_colour(way),
            ha=side,
            va="bottom",
        )
    subtitle = f"{shape.only[0].upper()}{shape.only[1:]}: {len(shown)}"
    if thresholds:
        subtitle += "; dashed: mean of the offloaded ones, with a GPU at the other end"
    origins = context.origins({place: members.values() for place, members in series.items()})
    return Drawn(page.finish(title, subtitle, origins, footer, [axes]), tooltips)


def _lines(variations: list[Variation], only: Only) -> list[_Line]:
    """A heading for each network, then its variations."""
    lines: list[_Line] = []
    network = None
    for item in variations:
        if item.network != network:
            network = item.network
            lines.append(_Line(network, None))
        name = item.name.removeprefix(network).strip()
        lines.append(_Line(name if only is Only.ALL else str(item.size), item))
    return lines


def _names(axes: Axes, lines: list[_Line], label_in: float) -> None:
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    transform = axes.get_yaxis_transform()
    for index, line in enumerate(lines):
        heading = line.variation is None
        axes.annotate(
            shortened(line.text, label_in, LABEL_SIZE + 0.5),
            (0.0, index),
            xycoords=transform,
            xytext=(-label_in * 72 if heading else -6, 0),
            textcoords="offset points",
            ha="left" if heading else "right",
            va="center_baseline",
            size=LABEL_SIZE + 0.5,
            weight="bold" if heading else "normal",
            annotation_clip=False,
        )
        if heading:
            axes.axhline(index - 0.5, color=GRID, linewidth=0.8, zorder=0.5)
        elif index % 2:
            axes.axhspan(index - 0.5, index + 0.5, color=BAND, linewidth=0, zorder=0.2)


def _marks(axes: Axes, context: Context, series: dict[Where, Series], lines: list[_Line]) -> dict[str, list[str]]:
    at = {line.variation: index for index, line in enumerate(lines) if line.variation is not None}
    local = [place for place in series if isinstance(place, Role)]
    tooltips: dict[str, list[str]] = {}
    for number, (place, values) in enumerate(series.items()):
        shift = (
            _OFFLOADED_AT.get(place.server, 0.0)
            if isinstance(place, Way)
            else 0.1 * (local.index(place) - len(local) // 2)
        )
        heights = [at[item] + shift for item in values]
        xs = [value.value for value in values.values()]
        halves = [value.expanded_u or 0.0 for value in values.values()]
        draw_bars(axes, "x", heights, xs, halves, where_colour(place))
        gid = f"place{number}"
        order = 3.0 if isinstance(place, Way) else 3.5
        axes.plot(xs, heights, gid=gid, zorder=order, **where_style(place))
        tooltips[gid] = [f"{item.name} · {context.name(place)}: {value_words(value)}" for item, value in values.items()]
        doubtful = [(value.value, at[item] + shift) for item, value in values.items() if value.verdict != "valid"]
        if doubtful:
            axes.plot(*zip(*doubtful, strict=True), zorder=4, **DEGRADED)
    return tooltips


def _crosses(axes: Axes, lost: dict[Role, list[Variation]], lines: list[_Line]) -> None:
    """Beyond the right end: what was to have a value and has none."""
    at = {line.variation: index for index, line in enumerate(lines) if line.variation is not None}
    for place, (role, variations) in enumerate(lost.items()):
        heights = [at[item] for item in variations if item in at]
        style = cross_style(4.5) | {"markeredgecolor": where_colour(role), "clip_on": False}
        across = [1.01 + 0.018 * place] * len(heights)
        axes.plot(across, heights, transform=axes.get_yaxis_transform(), **style)


def _visible(values: list[Value]) -> bool:
    """True if some interval is wider than a mark on a logarithmic axis of the usual span."""
    return any((value.expanded_u or 0.0) > 0.04 * value.value for value in values)


def value_words(value: Value) -> str:
    """A value with its interval and origin."""
    text = tick_text(value.value, value.unit)
    if value.expanded_u is not None:
        text += f" ± {tick_text(value.expanded_u, value.unit)}"
    note = f" [{value.verdict}: {', '.join(value.reasons)}]" if value.verdict != "valid" else ""
    return f"{text}{note} ({value.origin})"
