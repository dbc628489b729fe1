"""Parameters over input size or depth, the area of a mark being the latency: figures 5.3 and 5.4."""

from __future__ import annotations

import math
from typing import Any

from analysis.figures.axes import set_axis
from analysis.figures.build import NothingToDrawError
from analysis.figures.data import axis_title
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry
from analysis.figures.style import MUTED, PAPER
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.draw_rows import value_words
from analysis.figures.thesis.look import (
    LABEL_SIZE,
    Page,
    dark,
    disc_entries,
    network_colours,
)
from analysis.figures.thesis.placing import Label, place_labels, spot_of
from analysis.figures.thesis.shapes import INPUT, Bubbles
from analysis.figures.thesis.study import Value, Variation
from analysis.figures.units import tick_text

_LARGEST_PT = 36.0
_SMALLEST_PT = 2.2


def draw_bubbles(context: Context, shape: Bubbles, title: str, footer: str) -> Drawn:
    """Draw the bubbles, the largest at the back. Raises :class:`NothingToDrawError` where nothing has all it needs."""
    latencies = context.series(shape.role, "latency_s", only=shape.only)
    parameters = context.series(shape.role, "parameters", only=shape.only)
    across = _across(context, shape)
    known = [item for item in latencies if item in parameters and item in across]
    if not known:
        raise NothingToDrawError("no variation has parameters, latency and depth")
    networks = [name for name in context.study.networks if any(item.network == name for item in known)]
    most = max(latencies[item].value for item in known)
    page = Page(disc_entries(networks, context.study.networks) + _sizes(most))
    axes = page.axes()
    axes.grid(visible=True, which="major")
    xs, ys = [across[item] for item in known], [parameters[item].value for item in known]
    span = (max(xs) - min(xs)) or 1.0
    set_axis(axes, "y", axis_title("parameters"), [0.0, 1.12 * max(ys)], "1", log=False)
    axes.set_xlim(min(xs) - 0.1 * span, max(xs) + 0.2 * span)
    ticks = sorted(set(xs))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("Input size: pixels along a side" if shape.x == INPUT else "Depth: layers that have parameters")
    colours = network_colours(context.study.networks)
    labels, tooltips = [], {}
    for number, item in enumerate(sorted(known, key=lambda item: -latencies[item].value)):
        size, gid, colour = _diameter(latencies[item].value, most), f"bubble{number}", colours[item.network]
        style: dict[str, Any] = {
            "marker": "o",
            "markersize": size,
            "linestyle": "none",
            "markeredgewidth": 0.7,
        }
        axes.plot(
            [across[item]],
            [parameters[item].value],
            gid=gid,
            zorder=3 + 0.01 * number,
            markerfacecolor=f"{colour}99",
            markeredgecolor=PAPER if size > 6 else colour,
            **style,
        )
        tooltips[gid] = [
            f"{item.name}: {value_words(latencies[item])}, {tick_text(parameters[item].value, '1')} parameters"
        ]
        spot = spot_of(axes, across[item], parameters[item].value, size / 2)
        latency = tick_text(latencies[item].value, "s")
        name = item.network if shape.x == INPUT else f"{item.network} {item.size}"
        labels.append(Label(spot, f"{name}, {latency}", dark(colour)))
    place_labels(axes, labels, [label.spot for label in labels], LABEL_SIZE)
    compression = next(iter(known)).compression or "uncompressed"
    subtitle = f"{len(known)} variations ({compression}) {context.phrase(shape.role)}; area of a mark: latency"
    origins = context.origins({shape.role: [series[item] for series in (latencies, parameters) for item in known]})
    return Drawn(page.finish(title, subtitle, origins, footer, [axes]), tooltips)


def _across(context: Context, shape: Bubbles) -> dict[Variation, float]:
    if shape.x == INPUT:
        return {item: float(item.size) for item in context.variations(shape.only)}
    found: dict[Variation, Value] = context.series(shape.role, shape.x, only=shape.only)
    return {item: value.value for item, value in found.items()}


def _diameter(latency_s: float, most_s: float) -> float:
    return max(_SMALLEST_PT, _LARGEST_PT * math.sqrt(latency_s / most_s))


def _sizes(most_s: float) -> list[Entry]:
    """Three areas and the latencies that they stand for."""
    decade = 10.0 ** math.floor(math.log10(most_s))
    entries = []
    for latency in (0.01 * decade, 0.1 * decade, decade):
        size = _diameter(latency, most_s)
        style = {"marker": "o", "markersize": min(size, 13.0), "markerfacecolor": "none", "markeredgecolor": MUTED}
        if size <= 13.0:
            entries.append(Entry({**style, "linestyle": "none"}, tick_text(latency, "s")))
    return entries
