"""The figure of where the time goes: one bar for each program, cut by function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.figures.build import NothingToDrawError
from analysis.figures.dots import Drawn
from analysis.figures.style import (
    GRID,
    INK,
    MUTED,
    PALETTE,
    PAPER,
    heading,
    new_figure,
    place_axes,
    shortened,
    sorted_origins,
    watermark,
)
from analysis.studies.training.profile import OTHER, OTHER_OF_OBJECT, Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_IN, _BAR_IN, _GAP_IN, _LABEL_IN = 9.0, 0.3, 0.92, 1.55
_TOP_IN, _BOTTOM_IN = 0.82, 0.62
_SHOWN = 7
_PROGRAM = "hdrnn"
"""The compiled programs' own name: their functions need no other."""
_SIZE = 7.5
_REST = "#c9cfd6"


def draw_profile(profiles: Sequence[Profile], title: str, origins: Sequence[str], footer: str) -> Drawn:
    """A row for each profile; below each bar its functions with their shares."""
    if not profiles:
        raise NothingToDrawError("no pass left a profile")
    rows = len(profiles)
    figure = new_figure(_WIDTH_IN, _TOP_IN + _BOTTOM_IN + rows * (_BAR_IN + _GAP_IN))
    axes = place_axes(figure, _LABEL_IN, _BOTTOM_IN, 0.3, _TOP_IN)
    step = 1.0 + _GAP_IN / _BAR_IN
    axes.set_xlim(0, 100)
    axes.set_ylim(rows * step - 0.6, -0.7)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Share of the whole process [%]")
    axes.grid(visible=True, axis="x", color=GRID)
    for row, profile in enumerate(profiles):
        y = row * step
        name = f"{profile.implementation} {profile.shape}".strip()
        axes.annotate(
            f"{name}\n{profile.total} {'samples' if profile.tool == 'perf' else 'instructions'}",
            (0, y), xytext=(-6, 0), textcoords="offset points", ha="right", va="center", size=8, color=INK,
            annotation_clip=False,
        )  # fmt: skip
        left = 0.0
        parts = _parts(profile)
        for place, (words, share) in enumerate(parts):
            colour = _REST if words == OTHER else PALETTE[place % len(PALETTE)]
            axes.barh(y, 100 * share, 1.0, left, color=colour, edgecolor=PAPER, linewidth=0.8, zorder=2)
            left += 100 * share
        _key(axes, parts, y + 0.78)
    watermark(axes, sorted_origins(origins))
    heading(figure, title, "Samples of the processor's time (perf), or instructions (callgrind)", list(origins), footer)
    return Drawn(figure, {})


def _parts(profile: Profile) -> list[tuple[str, float]]:
    """(words, share): the largest functions by name, then the rest."""
    named = [(_words(item, function), share) for item, function, share in profile.main(0.02) if function != OTHER]
    named = named[:_SHOWN]
    rest = 1.0 - sum(share for _, share in named)
    return [*named, (OTHER, rest)] if rest > 5e-4 else named


def _words(item: str, function: str) -> str:
    if function == OTHER_OF_OBJECT:
        return f"{function} of {_short(item)}"
    return function if item in ("", function, _PROGRAM) else f"{function} ({_short(item)})"


def _short(item: str) -> str:
    """The object's name without version: ``libopenblas``, ``python3``."""
    return item.partition(".so")[0].partition(".cpython")[0].partition("-")[0]


def _key(axes: Axes, parts: Sequence[tuple[str, float]], y: float) -> None:
    """The names below a bar, two in a line."""
    per_line = 2
    width = 100.0 / per_line
    inches = (_WIDTH_IN - _LABEL_IN - 0.3) / per_line
    for place, (words, share) in enumerate(parts):
        line, column = divmod(place, per_line)
        colour = _REST if words == OTHER else PALETTE[place % len(PALETTE)]
        at = column * width, y + 0.62 * line
        axes.plot([at[0] + 0.7], [at[1]], marker="s", markersize=5, color=colour, linestyle="none", clip_on=False)
        text = shortened(words, inches - 0.62, _SIZE)
        axes.annotate(
            f"{text} {100 * share:.0f} %", at, xytext=(9, 0), textcoords="offset points", va="center_baseline",
            size=_SIZE, color=MUTED if words == OTHER else INK, annotation_clip=False,
        )  # fmt: skip
