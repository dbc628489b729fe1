"""The one look of the thesis's figures: what colour, shape and filling mean, the page's width, title, stamp and legend.

Every meaning has a shape or a filling beside its colour, so that figures printed in grey read the same. The origin is
stamped on the figure and stands faintly behind the data; shapes are not free for it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures.legend import Entry, draw_legend, in_lines, top_margin_in
from analysis.figures.style import (
    INK,
    MUTED,
    PALETTE,
    PAPER,
    colours_for,
    heading,
    new_figure,
    place_axes,
    sorted_origins,
    watermark,
)
from analysis.figures.thesis.shapes import Where
from analysis.figures.thesis.study import Role, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 7.2
"""A page's text width and a little: printed on A4 the letters keep nearly their size."""
HEIGHT_IN = 5.3
_LOWER_IN = 0.08
"""The legend stands so much further below a subtitle."""
SIZE = 5.2
LABEL_SIZE = 7.0

NETWORK_SHAPES = ("o", "s", "^", "D", "v", "p", "h", "<")
COMPRESSION_LINES = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (5, 2, 1, 2)))

_WHERE: dict[str, tuple[str, str, bool]] = {
    Role.ONE_CORE: ("#d55e00", "o", True),
    Role.CORES: ("#e69f00", "s", True),
    Role.NPU: ("#7b2d8b", "^", True),
    "Radio CPU": ("#3b8fd0", "v", False),
    "Radio GPU": ("#0b4f8a", "v", True),
    "Ethernet CPU": ("#2aa884", "D", False),
    "Ethernet GPU": ("#00604a", "D", True),
    "5G CPU": ("#8c6d46", "p", False),
    "5G GPU": ("#5d452a", "p", True),
}
"""Place → colour, shape, filled: circles, squares and triangles up are the device's, open marks a remote CPU's."""

ROUND_TRIP, BYTES, EXECUTION = "#0b4f8a", "#8fc1e8", "#e69f00"
HATCHES = {ROUND_TRIP: "", BYTES: "////", EXECUTION: "...."}


def where_style(where: Where, size: float = SIZE) -> dict[str, Any]:
    """The mark of a place of computing."""
    key = where if isinstance(where, Role) else where.name
    colour, shape, filled = _WHERE.get(key, (PALETTE[6], "P", True))
    return {
        "linestyle": "none",
        "marker": shape,
        "markersize": size * (0.85 if shape == "D" else 1.0),
        "markerfacecolor": colour if filled else PAPER,
        "markeredgecolor": colour if not filled else PAPER,
        "markeredgewidth": 1.1 if not filled else 0.5,
    }


def where_colour(where: Where) -> str:
    """The colour of a place of computing."""
    return str(_WHERE.get(where if isinstance(where, Role) else where.name, (PALETTE[6], "P", True))[0])


def network_colours(networks: Sequence[str]) -> dict[str, str]:
    """A colour for each network, in the experiment's order."""
    return colours_for(networks)


def network_shapes(networks: Sequence[str]) -> dict[str, str]:
    """A shape for each network, in the experiment's order."""
    return {name: NETWORK_SHAPES[place % len(NETWORK_SHAPES)] for place, name in enumerate(networks)}


def dark(colour: str) -> str:
    """A colour half way to ink: small letters in pale colours are hard to read."""
    mixed = ((int(colour[start : start + 2], 16) + int(INK[start : start + 2], 16)) // 2 for start in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def compression_style(colour: str, shape: str, rank: int, size: float = SIZE) -> dict[str, Any]:
    """The mark of a network compressed in the way of this rank: open if not at all (0), then filled, then a ring around
    (so that equal values of two compressions are both seen), then open and small."""
    square = 0.88 if shape in "sD" else 1.0
    filled = rank == 1
    return {
        "linestyle": "none",
        "marker": shape,
        "markersize": size * square * (1.0 if rank < 2 else 1.75 if rank == 2 else 0.6),
        "markerfacecolor": colour if filled else PAPER if rank in (0, 3) else "none",
        "markeredgecolor": PAPER if filled else colour,
        "markeredgewidth": 0.4 if filled else 1.3 if rank == 0 else 0.8,
    }


def compression_entries(compressions: Sequence[str]) -> list[Entry]:
    """What the fillings mean, where there are several."""
    if len(compressions) < 2:
        return []
    return [
        Entry(compression_style(MUTED, "o", rank_of(name, compressions)), name or "uncompressed")
        for name in compressions
    ]


def rank_of(compression: str, compressions: Sequence[str]) -> int:
    """The place of a compression among the record's, uncompressed being 0 also where there is none such."""
    if not compression:
        return 0
    return 1 + [name for name in compressions if name].index(compression)


def network_entries(networks: Sequence[str], known: Sequence[str]) -> list[Entry]:
    """What colours and shapes mean; ``known`` are all networks of the record, which decide who has which."""
    colours, shapes = network_colours(known), network_shapes(known)
    return [Entry(compression_style(colours[name], shapes[name], 1, 6.0), name, strong=True) for name in networks]


def disc_entries(networks: Sequence[str], known: Sequence[str]) -> list[Entry]:
    """What colours mean, where all shapes are circles because their areas say something."""
    colours = network_colours(known)
    return [Entry(compression_style(colours[name], "o", 1, 6.0), name, strong=True) for name in networks]


def interval_entry(values: Sequence[Value], *, on_the_page: bool) -> list[Entry]:
    """What the bars are, where a value has an interval; ``on_the_page`` if some reach beyond their marks."""
    if not any(value.expanded_u for value in values):
        return []
    bar = {"marker": "_", "markersize": 10, "markeredgewidth": 1.2, "color": MUTED, "linestyle": "none"}
    return [Entry(bar, "± U (95 %)" if on_the_page else "± U (95 %): within the marks")]


DEGRADED: dict[str, Any] = {
    "linestyle": "none",
    "marker": "x",
    "markersize": 2.8,
    "markeredgewidth": 0.9,
    "markeredgecolor": INK,
}
"""Drawn into a mark whose value is degraded."""


def degraded_entry(values: Sequence[Value]) -> list[Entry]:
    """What the small cross is, where there is one."""
    if all(value.verdict == "valid" for value in values):
        return []
    return [Entry(dict(DEGRADED), "degraded")]


def dashes_entry(text: str) -> Entry:
    """What a dashed line is."""
    from matplotlib.path import Path

    dashes = Path([(-1.0, 0.0), (-0.45, 0.0), (-0.1, 0.0), (0.45, 0.0), (0.8, 0.0), (1.0, 0.0)], [1, 2] * 3)
    style = {"marker": dashes, "markersize": 9, "markeredgewidth": 1.0, "markeredgecolor": MUTED, "linestyle": "none"}
    return Entry(style, text)


class Page:
    """A figure in the making: its legend measured, its axes placed; finished with title and stamp."""

    def __init__(self, entries: Sequence[Entry], height_in: float = HEIGHT_IN) -> None:
        self._legend = in_lines(entries, WIDTH_IN)
        self.top_in = top_margin_in(self._legend) + _LOWER_IN
        self.height_in = height_in
        self.figure: Figure = new_figure(WIDTH_IN, height_in)

    def axes(self, left: float = 0.85, bottom: float = 0.68, right: float = 0.25, top: float = 0.0) -> Axes:
        """Axes with these margins in inches, ``top`` beneath the legend."""
        return place_axes(self.figure, left, bottom, right, self.top_in + top)

    def finish(self, title: str, subtitle: str, origins: Sequence[str], footer: str, marked: Sequence[Axes]) -> Figure:
        """Write legend, title, origin and foot; ``marked`` are the axes with the origin behind their data."""
        stamps = sorted_origins(origins)
        for axes in marked:
            watermark(axes, stamps)
        draw_legend(self.figure, self._legend, _LOWER_IN)
        heading(self.figure, title, subtitle, stamps, footer)
        return self.figure


def page_height(entries: Sequence[Entry], content_in: float) -> float:
    """How tall a page is whose axes are to be this tall."""
    return top_margin_in(in_lines(entries, WIDTH_IN)) + _LOWER_IN + content_in
