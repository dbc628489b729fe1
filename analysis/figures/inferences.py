"""The distribution of the energy of single inferences, a panel for each point of the matrix.

Empirical distribution functions instead of histograms: no bins to choose, every inference is in them, and repeats can
lie in one panel. All panels span the same per cent of their median, so that widths may be compared by eye.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.figures.data import Matrix, factor_cell, text_of
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry, draw_legend, in_lines, top_margin_in
from analysis.figures.style import (
    INK,
    MUTED,
    PALETTE,
    WINDOW,
    heading,
    new_figure,
    place_axes,
    shortened,
    sorted_origins,
    watermark,
)
from analysis.figures.units import scale_for
from analysis.single_inferences import FILE
from analysis.sources import Part, parts_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_PANELS = 24
_DECIDING = "energy_inference_median_j"
_WIDTH_IN = 9.0
_LEFT_IN, _RIGHT_IN, _GAP_IN = 0.7, 0.2, 0.28
_PANEL_IN, _ROW_IN = 1.35, 2.1
_BOTTOM_IN = 0.75
_STEPS = 400
"""Most steps drawn of one curve: more would not be seen, and make the file large."""
_REACH = (0.005, 0.995)
"""What the panels hold at least; a rare outlier far away is named, not drawn."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One point of the matrix as one meter saw it: the energies in J of each pass with a valid distribution, sorted."""

    title: str
    origin: str
    curves: tuple[NDArray[np.float64], ...]

    @property
    def all_j(self) -> NDArray[np.float64]:
        """All energies of the panel."""
        return np.concatenate(self.curves)


def read_panels(record_root: Path, results: pd.DataFrame, matrix: Matrix) -> dict[Part, list[Panel]]:
    """The panels of each meter that saw single inferences, in the order of the matrix; none without a line for them.

    Passes whose distribution is invalid have no curve: their rows are in the file, but they say nothing.
    """
    import pandas as pd

    path = record_root / FILE
    if not path.is_file() or results.empty:
        return {}
    decided = results[results["quantity"] == _DECIDING]
    if decided.empty:
        return {}
    frame = pd.read_parquet(path, columns=["pass_id", "source", "energy_j"])
    energies = {key: np.sort(group.to_numpy()) for key, group in frame.groupby(["pass_id", "source"])["energy_j"]}
    found: dict[Part, list[Panel]] = {}
    for part in parts_of(decided, [_DECIDING]):
        rows = part.of(decided).to_dict("records")
        if not part.source:
            part = Part(text_of(rows[0].get("source")), text_of(rows[0].get("scope")))
        points: dict[str, list[dict[Any, Any]]] = {}
        for row in sorted(rows, key=lambda item: _order(item, matrix)):
            points.setdefault(str(row["point_id"]), []).append(row)
        found[part] = [_panel(members, energies, matrix) for members in points.values()]
    return found


def _order(row: Mapping[Any, Any], matrix: Matrix) -> tuple[int, ...]:
    cells = ((values, factor_cell(row, name)) for name, values in matrix.factors.items())
    return tuple(values.index(cell) if cell in values else len(values) for values, cell in cells)


def _panel(rows: Sequence[Mapping[Any, Any]], energies: Mapping[Any, NDArray[np.float64]], matrix: Matrix) -> Panel:
    hue = factor_cell(rows[0], matrix.hue) if matrix.hue else ""
    title = " · ".join(part for part in (text_of(rows[0].get("label")), hue) if part)
    keys = [(str(row["pass_id"]), text_of(row.get("source"))) for row in rows if row.get("verdict") != "invalid"]
    curves = tuple(energies[key] for key in keys if key in energies and energies[key].size)
    return Panel(title, text_of(rows[0].get("origin")) or "unknown", curves)


def shown_of(panels: Sequence[Panel]) -> list[Panel]:
    """The panels that a figure has room for: those with a curve, the first of them."""
    return [panel for panel in panels if panel.curves][:MOST_PANELS]


def draw_inferences(panels: Sequence[Panel], title: str, footer: str = "") -> Drawn:
    """Draw the distributions. At least one panel must have a curve."""
    shown = shown_of(panels)
    columns = 2 if len(shown) == 4 else min(len(shown), 3 if len(shown) <= 9 else 4)
    rows = -(-len(shown) // columns)
    legend = in_lines(_legend(), _WIDTH_IN)
    top = top_margin_in(legend) + 0.22
    figure = new_figure(_WIDTH_IN, top + _ROW_IN * rows - (_ROW_IN - _PANEL_IN) + _BOTTOM_IN)
    width = (_WIDTH_IN - _LEFT_IN - _RIGHT_IN - _GAP_IN * (columns - 1)) / columns
    height = float(figure.get_size_inches()[1])
    low, high = _span(shown)
    for index, panel in enumerate(shown):
        row, column = divmod(index, columns)
        left = _LEFT_IN + column * (width + _GAP_IN)
        above = top + row * _ROW_IN
        axes = place_axes(figure, left, height - above - _PANEL_IN, _WIDTH_IN - left - width, above)
        _draw_panel(axes, panel, low, high)
        axes.set_title(shortened(panel.title, width, 8.5), size=8.5, weight="bold", loc="left", pad=4)
        if column:
            axes.tick_params(axis="y", labelleft=False)
        else:
            axes.set_ylabel("Share of inferences [%]")
        watermark(axes, [panel.origin])
    draw_legend(figure, legend)
    subtitle = f"every panel from {100 * low:+.3g} % to {100 * high:+.3g} % of its median".replace("-", "−")
    heading(figure, title, subtitle, sorted_origins(panel.origin for panel in shown), footer)
    return Drawn(figure, {})


def _legend() -> list[Entry]:
    curve = {"marker": "_", "markersize": 11, "markeredgewidth": 1.3, "color": PALETTE[0], "linestyle": "none"}
    dashes = {"marker": "|", "markersize": 9, "markeredgewidth": 1.0, "color": INK, "linestyle": "none"}
    shade = {"marker": "s", "markersize": 8, "color": WINDOW, "linestyle": "none"}
    return [
        Entry(curve, "one repeat"),
        Entry(dashes, "median of all"),
        Entry(shade, "5 to 95 % of the inferences"),
    ]


def _span(panels: Sequence[Panel]) -> tuple[float, float]:
    """How far the widest panel reaches below and above its median, relative, with a margin."""
    ends = [np.quantile(panel.all_j, (_REACH[0], 0.5, _REACH[1])) for panel in panels]
    low = min(float(least / median - 1) for least, median, _ in ends)
    high = max(float(most / median - 1) for _, median, most in ends)
    margin = 0.08 * max(high - low, 1e-6)
    return low - margin, high + margin


def _draw_panel(axes: Axes, panel: Panel, low: float, high: float) -> None:
    p05, median, p95 = np.quantile(panel.all_j, (0.05, 0.5, 0.95)).tolist()
    left, right = median * (1 + low), median * (1 + high)
    axes.axvspan(p05, p95, color=WINDOW, linewidth=0, zorder=0.3)
    axes.axvline(median, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=4)
    for curve in panel.curves:
        energies, shares = _steps(curve)
        axes.plot(energies, shares, drawstyle="steps-post", color=PALETTE[0], linewidth=0.9, alpha=0.75, zorder=3)
    axes.set_xlim(left, right)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.grid(visible=True)
    _energy_axis(axes, right)
    beyond = int(np.count_nonzero((panel.all_j < left) | (panel.all_j > right)))
    count = f"{panel.all_j.size:,}".replace(",", " ")
    text = f"n = {count}" + (f", {beyond} beyond" if beyond else "")
    axes.annotate(
        text, (1.0, 0.0), xycoords="axes fraction", xytext=(-4, 4), textcoords="offset points", size=7, color=MUTED,
        ha="right", va="bottom",
    )  # fmt: skip


def _energy_axis(axes: Axes, right: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    scale = scale_for([right], "J")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * scale.factor:.6g}"))
    axes.set_xlabel(f"Energy per inference [{scale.unit}]")


def _steps(energies: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The curve's steps: energies, and the per cent of inferences up to each; thinned evenly, ends kept."""
    count = energies.size
    kept = np.unique(np.linspace(0, count - 1, min(count, _STEPS)).round().astype(np.int64))
    shares = 100.0 * (kept + 1) / count
    return np.concatenate([energies[:1], energies[kept]]), np.concatenate([[0.0], shares])
