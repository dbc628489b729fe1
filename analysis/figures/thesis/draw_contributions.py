"""What network and execution add to an offloaded inference's time: figures 4.2, 4.3, 5.11, 5.12 and A.11–A.13."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.figures.axes import draw_bars, set_axis
from analysis.figures.build import NothingToDrawError
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry
from analysis.figures.style import GRID, INK, MUTED, PAPER, place_axes, text_width_in
from analysis.figures.thesis.context import Context, Series
from analysis.figures.thesis.look import (
    BYTES,
    EXECUTION,
    HATCHES,
    LABEL_SIZE,
    ROUND_TRIP,
    WIDTH_IN,
    Page,
    page_height,
    where_colour,
    where_style,
)
from analysis.figures.thesis.offloading import STUDY_SCENARIO, Cost
from analysis.figures.thesis.shapes import Contributions, Where
from analysis.figures.thesis.study import Role, Variation
from analysis.figures.units import scale_for, tick_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_IN = 0.25
_BOTTOM_IN = 0.68
_END_IN = 1.1
_PARTS = {ROUND_TRIP: "round trip", BYTES: "bytes of the image", EXECUTION: "execution on the server"}


def draw_contributions(context: Context, shape: Contributions, title: str, footer: str) -> Drawn:
    """Draw a bar per network and input size; per variation where the compressions differ over there.

    Raises :class:`NothingToDrawError` where nothing is known of the networks.
    """
    rows = _rows(context, shape)
    if not rows:
        raise NothingToDrawError("no offloaded time is known")
    swatch = {"marker": "s", "markersize": 7, "linestyle": "none", "markeredgewidth": 0}
    entries = [Entry({**swatch, "color": colour}, name, strong=True) for colour, name in _PARTS.items()]
    beside = _beside(context, shape)
    entries += [Entry(_style(place, 6.0), context.name(place), strong=True) for place in beside]
    page = Page(entries, page_height(entries, _BOTTOM_IN + 0.2 + _ROW_IN * len(rows)))
    label_in = max(text_width_in(name, LABEL_SIZE + 0.5) for name in rows) + 0.2
    middle = 0.53 * WIDTH_IN if beside else WIDTH_IN
    axes = page.axes(
        left=0.15 + label_in, bottom=_BOTTOM_IN, right=WIDTH_IN - middle + (0.9 if beside else _END_IN), top=0.2
    )
    totals = context.series(shape.way, "latency_s")
    _bars(axes, rows, [totals[members[0]].expanded_u or 0.0 for members, _ in rows.values()])
    tooltips: dict[str, list[str]] = {}
    if beside:
        other = place_axes(page.figure, middle + 0.15, _BOTTOM_IN, 0.3, page.top_in + 0.2)
        tooltips |= _compare(other, context, beside, list(rows.values()))
    own = context.offloading.scenario == STUDY_SCENARIO
    subtitle = f"{len(rows)} networks offloaded by {shape.way.name}"
    subtitle += "; remote times are inferred, not printed ones" if own else ""
    shown = {shape.way: context.series(shape.way, "latency_s"), **beside}
    origins = context.origins({place: series.values() for place, series in shown.items()})
    return Drawn(page.finish(title, subtitle, origins, footer, [axes]), tooltips)


def _rows(context: Context, shape: Contributions) -> dict[str, tuple[list[Variation], Cost]]:
    """Name of the row → its variations and what they cost."""
    groups: dict[str, list[Variation]] = {}
    for variation in context.variations():
        groups.setdefault(variation.title, []).append(variation)
    if not all(context.offloading.alike(members, [shape.way]) for members in groups.values()):
        groups = {variation.name: [variation] for variation in context.variations()}
    costs = {name: context.offloading.cost(members[0], shape.way) for name, members in groups.items()}
    return {name: (groups[name], cost) for name, cost in costs.items() if cost is not None}


def _bars(axes: Axes, rows: dict[str, tuple[list[Variation], Cost]], halves: list[float]) -> None:
    totals = [cost.total_s for _, cost in rows.values()]
    set_axis(axes, "x", "Time of an offloaded inference", [0.0, *totals], "s", log=False)
    axes.set_xlim(0.0, 1.02 * max(total + half for total, half in zip(totals, halves, strict=True)))
    _frame(axes, len(rows))
    axes.set_yticks(range(len(rows)), list(rows), size=LABEL_SIZE + 0.5)
    left = [0.0] * len(rows)
    for colour, name in _PARTS.items():
        widths = [_part(cost, colour) for _, cost in rows.values()]
        axes.barh(
            range(len(rows)),
            widths,
            left=left,
            height=0.66,
            color=colour,
            hatch=HATCHES[colour],
            edgecolor=PAPER,
            linewidth=0.4,
            label=name,
        )
        left = [start + width for start, width in zip(left, widths, strict=True)]
    scale = scale_for(totals, "s")
    axes.text(
        1.0,
        1.0,
        f"{scale.unit} (network)",
        transform=axes.transAxes,
        size=LABEL_SIZE,
        color=MUTED,
        va="bottom",
        ha="left",
    )
    for index, (_, cost) in enumerate(rows.values()):
        words = f"{cost.total_s * scale.factor:.3g} ({100 * cost.network_share:.0f} %)"
        axes.annotate(
            words,
            (1.0, index),
            xycoords=axes.get_yaxis_transform(),
            xytext=(3, 0),
            textcoords="offset points",
            size=LABEL_SIZE,
            color=INK,
            va="center_baseline",
            annotation_clip=False,
        )
    draw_bars(axes, "x", [float(place) for place in range(len(rows))], totals, halves, INK)


def _part(cost: Cost, colour: str) -> float:
    return {ROUND_TRIP: cost.round_trip_s, BYTES: cost.transfer_s, EXECUTION: cost.remote_s}[colour]


def _frame(axes: Axes, rows: int) -> None:
    axes.set_ylim(rows - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x")


def _beside(context: Context, shape: Contributions) -> dict[Where, Series]:
    """The latencies to compare with: the device's and the offloaded total's; none where none is asked for or known."""
    if not shape.beside:
        return {}
    local: dict[Where, Series] = {role: context.series(role, "latency_s") for role in context.present()}
    local = {place: series for place, series in local.items() if series}
    return {**local, shape.way: context.series(shape.way, "latency_s")} if local else {}


def _style(place: Where, size: float) -> dict[str, Any]:
    """The mark of a place in the comparison; the offloaded total is a bar across its row."""
    if isinstance(place, Role):
        return where_style(place, size)
    colour = where_colour(place)
    return {"marker": "|", "markersize": 12, "markeredgewidth": 1.8, "color": colour, "linestyle": "none"}


def _compare(
    axes: Axes, context: Context, beside: dict[Where, Series], rows: list[tuple[list[Variation], Cost]]
) -> dict[str, list[str]]:
    values = [value.value for series in beside.values() for value in series.values()]
    set_axis(axes, "x", "Latency per inference", values, "s", log=True)
    _frame(axes, len(rows))
    axes.set_yticks([])
    tooltips: dict[str, list[str]] = {}
    for index in range(len(rows) - 1):
        axes.axhline(index + 0.5, color=GRID, linewidth=0.6, zorder=0.5)
    local = [place for place in beside if isinstance(place, Role)]
    for number, (place, series) in enumerate(beside.items()):
        shift = 0.17 * (local.index(place) - (len(local) - 1) / 2) if isinstance(place, Role) else 0.0
        points = [
            (series[item].value, index + shift, item)
            for index, (members, _) in enumerate(rows)
            for item in members
            if item in series
        ]
        if not isinstance(place, Role):
            points = list({(x, y): (x, y, item) for x, y, item in points}.values())
        gid, style = f"beside{number}", _style(place, 4.6)
        axes.plot([x for x, _, _ in points], [y for _, y, _ in points], gid=gid, zorder=3, **style)
        tooltips[gid] = [f"{item.name} · {context.name(place)}: {tick_text(x, 's')}" for x, _, item in points]
    axes.set_title("every compression", size=LABEL_SIZE, color=MUTED, loc="left", pad=3)
    return tooltips
