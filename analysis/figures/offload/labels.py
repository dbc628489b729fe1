"""Rows of the offload figures: networks, those that cost the same everywhere together, in families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.figures.style import BAND, GRID, shortened, text_width_in
from analysis.offload.grid import Grid

SIZE = 8.0


@dataclass(frozen=True, slots=True)
class Row:
    """A network of the figure: the places of the points it stands for; none for the heading of a family."""

    text: str
    places: tuple[int, ...] = ()

    @property
    def is_heading(self) -> bool:
        """Does it only name the family below?"""
        return not self.places


def rows_by_label(grid: Grid) -> list[Row]:
    """A row for each network of the record, under the heading of its family where there are families."""
    return _with_families(grid, [(label, tuple(places)) for label, places in grid.labels.items()])


def rows_by_cost(grid: Grid) -> list[Row]:
    """The same, but variations whose offloaded latency is the same over every medium to every server share a row, named
    by what their names have in common."""
    groups: dict[tuple[str, tuple[float, ...]], list[str]] = {}
    total = grid.total_s
    for label, places in grid.labels.items():
        key = tuple(float(value) for value in total[places[0]].ravel())
        groups.setdefault((grid.points[places[0]].family, key), []).append(label)
    named = []
    for labels in groups.values():
        common = _common(labels)
        text = f"{common} (×{len(labels)})" if len(labels) > 1 and common else ", ".join(labels)
        named.append((text, tuple(place for label in labels for place in grid.labels[label])))
    return _with_families(grid, named)


def _common(labels: Sequence[str]) -> str:
    """The words that all labels have, in the first one's order."""
    shared = set.intersection(*(set(label.split()) for label in labels))
    return " ".join(word for word in labels[0].split() if word in shared)


def _with_families(grid: Grid, named: Sequence[tuple[str, tuple[int, ...]]]) -> list[Row]:
    rows: list[Row] = []
    family = ""
    for text, places in named:
        own = grid.points[places[0]].family
        if own and own != family:
            family = own
            rows.append(Row(own))
        rows.append(Row((text.removeprefix(own).strip() or text) if own else text, places))
    return rows


def label_width_in(rows: Sequence[Row]) -> float:
    """The room that the rows' names need."""
    return min(3.2, max(text_width_in(row.text, SIZE) * (1.1 if row.is_heading else 1.0) for row in rows) + 0.15)


def name_rows(axes: object, rows: Sequence[Row], label_in: float, *, write: bool = True, band: bool = True) -> None:
    """Set up the rows of an axes; ``write`` their names at its left."""
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for index, row in enumerate(rows):
        if row.is_heading:
            axes.axhline(index - 0.5, color=GRID, linewidth=0.8, zorder=0.5)
        elif band and index % 2:
            axes.axhspan(index - 0.5, index + 0.5, color=BAND, linewidth=0, zorder=0.2)
        if write:
            axes.annotate(
                shortened(row.text, label_in, SIZE),
                (0.0, index),
                xycoords=axes.get_yaxis_transform(),
                xytext=(-label_in * 72 if row.is_heading else -7, 0),
                textcoords="offset points",
                ha="left" if row.is_heading else "right",
                va="center",
                size=SIZE,
                weight="bold" if row.is_heading else "normal",
                annotation_clip=False,
            )
