"""The ``explained`` figure: how much of a quantity each measure of cache fit explains, beside the study's measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures.data import number, text_of
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.names import quantity_title, sentence_case
from analysis.figures.style import (
    BAND,
    INK,
    MUTED,
    colours_for,
    heading,
    marker_style,
    new_figure,
    place_axes,
    sorted_origins,
    text_width_in,
    watermark,
)
from analysis.fits import GIVEN, LESS, MORE, SIZE, STUDY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_IN = 9.0
_ROW_IN = 0.34
_BOTTOM_IN = 0.62
_SIZE = 8.0
_SHARE_IN = 2.35
_GAP_IN = 0.3

_Row = Mapping[Any, Any]


def measure_title(name: str) -> str:
    """What a measure is called in a narrow column."""
    return f"{quantity_title(name)} (the study's)" if name == STUDY else quantity_title(name)


def draw_explained(rows: Sequence[_Row], quantity: str, footer: str = "") -> Drawn:
    """Draw R² of every measure with one quantity, a dot for each group, and its difference from the study's measure.

    ``rows`` are those of :func:`analysis.fits.fits_frame` for that quantity, and must not be empty.
    """
    measures = list(dict.fromkeys(str(row["measure"]) for row in rows))
    groups = list(dict.fromkeys(text_of(row["group"]) for row in rows))
    colours = colours_for(groups)
    origins = sorted_origins(text_of(row["origin"]) for row in rows)
    bar: dict[str, Any] = {"marker": "_", "markersize": 11, "markeredgewidth": 1.3, "color": MUTED, "linestyle": "none"}
    families = any(text_of(row["cluster"]) for row in rows)
    open_mark = marker_style(MUTED, origins[0], "degraded", 5.0)
    entries = [
        *colour_entries(colours),
        Entry(bar, "95 % interval" + (", families drawn as a whole" if families else "")),
    ]
    entries.append(Entry(open_mark, "open: cannot be told from no difference"))
    legend = in_lines(entries, _WIDTH_IN)
    top = top_margin_in(legend) + 0.22
    figure = new_figure(_WIDTH_IN, top + _BOTTOM_IN + _ROW_IN * len(measures))
    label_in = 1.12 * max(text_width_in(sentence_case(measure_title(name)), _SIZE) for name in measures) + 0.3
    left = place_axes(figure, label_in, _BOTTOM_IN, _WIDTH_IN - label_in - _SHARE_IN, top)
    right = place_axes(figure, label_in + _SHARE_IN + _GAP_IN, _BOTTOM_IN, 0.3, top)
    for axes, words in ((left, "Variance explained, R²"), (right, "R² less that of the study's measure")):
        axes.set_ylim(len(measures) - 0.5, -0.5)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=True, axis="x")
        axes.set_xlabel(words)
        for place in range(0, len(measures), 2):
            axes.axhspan(place - 0.5, place + 0.5, color=BAND, linewidth=0, zorder=0.2)
    _label(left, measures, {str(row["measure"]): str(row["kind"]) for row in rows})
    left.set_xlim(-0.03, 1.03)
    right.set_xlim(-1.05, 1.05)
    right.axvline(0.0, color=INK, linewidth=1.0, zorder=1)
    step = min(0.24, 0.7 / max(1, len(groups)))
    tooltips: dict[str, list[str]] = {}
    for index, group in enumerate(groups):
        members = [row for row in rows if text_of(row["group"]) == group]
        offset = (index - (len(groups) - 1) / 2) * step
        tooltips |= _draw_shares(left, members, measures, offset, colours[group], f"share{index}")
        _draw_differences(right, members, measures, offset, colours[group])
    right.set_title("explains less   ·   explains more", size=7.5, color=MUTED, pad=4)
    for axes in (left, right):
        watermark(axes, origins)
    draw_legend(figure, legend)
    heading(figure, f"What measures of cache fit explain: {quantity_title(quantity)}", "", origins, footer)
    return Drawn(figure, tooltips)


def _label(axes: Axes, measures: Sequence[str], kinds: Mapping[str, str]) -> None:
    transform = axes.get_yaxis_transform()
    for place, name in enumerate(measures):
        axes.annotate(
            sentence_case(measure_title(name)),
            (0.0, place),
            xycoords=transform,
            xytext=(-7, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            size=_SIZE,
            weight="bold" if name == STUDY else "normal",
            color=MUTED if kinds.get(name) == SIZE else INK,
            style="italic" if kinds.get(name) == SIZE else "normal",
            annotation_clip=False,
        )


def _draw_shares(
    axes: Axes, rows: Sequence[_Row], measures: Sequence[str], offset: float, colour: str, gid: str
) -> dict[str, list[str]]:
    placed = [(row, value) for row in rows if (value := number(row["explained"])) is not None]
    for row, value in placed:
        place = measures.index(str(row["measure"])) + offset
        style = marker_style(colour, text_of(row["origin"]), "valid", 5.0)
        axes.plot([value], [place], zorder=3, **style)
    if not placed:
        return {}
    # One invisible series carries the tooltips of all of them.
    heights = [measures.index(str(row["measure"])) + offset for row, _ in placed]
    axes.plot(
        [value for _, value in placed],
        heights,
        gid=gid,
        linestyle="none",
        marker="o",
        markersize=7,
        alpha=0.0,
        zorder=4,
    )
    return {gid: [_described(row, value) for row, value in placed]}


def _described(row: _Row, value: float) -> str:
    given = number(row["partial"])
    text = f"{measure_title(str(row['measure']))}, {text_of(row['group'])}: R² = {value:.2f}"
    if given is not None and row["measure"] != GIVEN:
        text += f"; r given the multiply-accumulates {given:.2f}"
    return f"{text}; n = {int(row['n'])} in {int(row['n_clusters'])} families".replace("-", "−")


def _draw_differences(axes: Axes, rows: Sequence[_Row], measures: Sequence[str], offset: float, colour: str) -> None:
    """Filled where it can be told from none, open where not."""
    placed = [(row, value) for row in rows if (value := number(row["explained_difference"])) is not None]
    low_end, high_end = axes.get_xlim()
    for row, value in placed:
        place = measures.index(str(row["measure"])) + offset
        low, high = number(row["explained_difference_low"]), number(row["explained_difference_high"])
        if low is not None and high is not None:
            axes.hlines(
                place, max(low, low_end), min(high, high_end), color=colour, linewidth=1.3, alpha=0.75, zorder=2
            )
        told = text_of(row["verdict"]) in (MORE, LESS)
        style = marker_style(colour, text_of(row["origin"]), "valid" if told else "degraded", 5.0)
        axes.plot([value], [place], zorder=3, **style)
