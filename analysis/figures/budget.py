"""The uncertainty budget as a picture: which term makes up how much of u², by colour group and family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.data import Matrix, factor_cell, number, text_of
from analysis.figures.dots import Drawn
from analysis.figures.legend import colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.names import term_title
from analysis.figures.style import (
    PAPER,
    colours_for,
    heading,
    new_figure,
    place_axes,
    shortened,
    sorted_origins,
    text_width_in,
)

if TYPE_CHECKING:
    import pandas as pd

_WIDTH_IN = 9.0
_ROW_IN = 0.27
_BOTTOM_IN = 0.68
_LABEL_SIZE = 8.0
_SMALL = 0.015
"""Terms that nowhere reach this share are drawn together as one."""

OTHERS = "all smaller terms"


@dataclass(frozen=True)
class Shares:
    """Mean share of each counted term in u², for one group of points."""

    title: str
    shares: dict[str, float]
    points: int


def shares_of(budget: pd.DataFrame, summary: pd.DataFrame, matrix: Matrix, quantity: str) -> list[Shares]:
    """The mean shares by colouring factor and family, in the experiment's order.

    Shares are taken from the counted terms of each point alone, so that they add up to one, and then averaged over the
    group's points: a group's bar is not ruled by its point of largest energy.
    """
    if budget.empty or summary.empty:
        return []
    points = summary[summary["quantity"] == quantity].drop_duplicates("point_id")
    places: dict[str, tuple[tuple[int, ...], str]] = {}
    names = [name for name in (matrix.hue, matrix.group) if name is not None]
    for row in points.to_dict("records"):
        values = [factor_cell(row, name) for name in names]
        order = tuple(
            matrix.factors[name].index(value) if value in matrix.factors[name] else 999
            for name, value in zip(names, values, strict=False)
        )
        title = " · ".join(values) if values else text_of(row.get("label"))
        places[str(row["point_id"])] = (order, title)
    terms: dict[str, dict[str, float]] = {}
    for row in budget[budget["quantity"] == quantity].to_dict("records"):
        u = number(row.get("u"))
        if u is not None and bool(row.get("counted", True)):
            term = terms.setdefault(str(row["point_id"]), {})
            term[str(row["term"])] = term.get(str(row["term"]), 0.0) + u * u
    groups: dict[tuple[tuple[int, ...], str], list[dict[str, float]]] = {}
    for point_id, squares in terms.items():
        total = sum(squares.values())
        if total > 0 and point_id in places:
            share = {name: square / total for name, square in squares.items()}
            groups.setdefault(places[point_id], []).append(share)
    return [Shares(title, _mean(members), len(members)) for (_, title), members in sorted(groups.items())]


def _mean(members: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for member in members for name in member)
    return {name: sum(member.get(name, 0.0) for member in members) / len(members) for name in names}


def draw_budget(rows: Sequence[Shares], origins: Sequence[str], title: str, footer: str = "") -> Drawn:
    """Draw the shares as stacked horizontal bars. ``rows`` must not be empty."""
    peak: dict[str, float] = {}
    for row in rows:
        for name, share in row.shares.items():
            peak[name] = max(peak.get(name, 0.0), share)
    large = sorted((name for name in peak if peak[name] >= _SMALL), key=lambda name: (-peak[name], name))[:7]
    rest = [name for name in peak if name not in large]
    colours = colours_for([*large])
    named = {term_title(name): colour for name, colour in colours.items()}
    if rest:
        named[OTHERS] = "#aab2bc"
    legend = in_lines(colour_entries(named), _WIDTH_IN)
    top = top_margin_in(legend)
    label_in = min(3.2, max(text_width_in(row.title, _LABEL_SIZE) for row in rows) + 0.15)
    figure = new_figure(_WIDTH_IN, max(2.2, top + _BOTTOM_IN + _ROW_IN * len(rows)))
    axes = place_axes(figure, 0.2 + label_in, _BOTTOM_IN, 0.3, top)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(range(len(rows)), [shortened(row.title, label_in, _LABEL_SIZE) for row in rows])
    axes.set_xlabel("Share of the squared standard uncertainty u² [%], mean over the group's points")
    left = [0.0] * len(rows)
    for name, colour in [*colours.items(), *([(OTHERS, named[OTHERS])] if rest else [])]:
        members = rest if name == OTHERS else [name]
        widths = [100 * sum(row.shares.get(term, 0.0) for term in members) for row in rows]
        axes.barh(range(len(rows)), widths, left=left, height=0.72, color=colour, edgecolor=PAPER, linewidth=0.6)
        for index, width in enumerate(widths):
            if width >= 9:
                axes.text(
                    left[index] + width / 2,
                    index,
                    f"{width:.0f}",
                    size=7,
                    color=_ink_on(colour),
                    ha="center",
                    va="center_baseline",
                )
        left = [start + width for start, width in zip(left, widths, strict=True)]
    draw_legend(figure, legend)
    heading(figure, title, "", sorted_origins(origins), footer)
    return Drawn(figure, {})


def _ink_on(colour: str) -> str:
    """White or dark text, whichever reads better on a colour (relative luminance of sRGB)."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return "#10151c" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45 else "#ffffff"
