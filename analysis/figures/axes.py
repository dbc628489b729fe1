"""Axes for people: limits around the data, ticks in words (``10 ms``), linear or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.figures.units import power_text, scale_for, tick_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


def limits(values: Sequence[float], *, log: bool, margin: float = 0.04) -> tuple[float, float]:
    """Axis limits that hold all values (for ``log`` the positive ones) with a margin at both ends."""
    usable = [value for value in values if not log or value > 0]
    if not usable:
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = min(usable), max(usable)
    if log:
        span = max(math.log10(high / low), 0.3)
        middle = math.log10(low) + math.log10(high / low) / 2
        half = span * (0.5 + margin)
        return 10.0 ** (middle - half), 10.0 ** (middle + half)
    if low > 0 and low < 0.5 * high:
        low = 0.0
    span = (high - low) or abs(high) or 1.0
    return (low - (0.0 if low == 0.0 else margin * span)), high + margin * span


def set_axis(axes: Axes, which: str, title: str, values: Sequence[float], unit: str, *, log: bool) -> None:
    """Scale, limits, ticks and label of the ``x`` or ``y`` axis for values in a plain SI unit."""
    low, high = limits(values, log=log)
    axis: Axis = getattr(axes, f"{which}axis")
    getattr(axes, f"set_{which}scale")("log" if log else "linear")
    getattr(axes, f"set_{which}lim")(low, high)
    if log:
        _log_ticks(axis, low, high, unit)
        axis.set_label_text(title)
    else:
        scale = scale_for(values, unit)
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axis.set_major_locator(MaxNLocator(6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * scale.factor:.6g}".replace("-", "−")))
        axis.set_label_text(f"{title} [{scale.unit}]" if scale.unit else title)


def draw_bars(
    axes: Axes, which: str, at: Sequence[float], values: Sequence[float], halves: Sequence[float], colour: str
) -> None:
    """Bars of ± ``halves`` along ``x`` or ``y`` around values at ``at`` on the other axis; none for a zero half.

    On a logarithmic axis a bar that reaches down to zero ends at the axis's end, and is drawn fainter: its lower end is
    not where it seems.
    """
    lowest = getattr(axes, f"get_{which}lim")()[0]
    log = getattr(axes, f"get_{which}scale")() == "log"
    draw = axes.hlines if which == "x" else axes.vlines
    for faint in (False, True):
        chosen = [
            (place, max(lowest, value - half), value + half)
            for place, value, half in zip(at, values, halves, strict=True)
            if half > 0 and (log and value <= half) == faint
        ]
        if chosen:
            places, lows, highs = (list(column) for column in zip(*chosen, strict=True))
            draw(places, lows, highs, color=colour, linewidth=1.2, alpha=0.25 if faint else 0.7, zorder=2)


def _log_ticks(axis: Axis, low: float, high: float, unit: str) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter

    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    span = math.log10(high / low)
    steps: tuple[float, ...] = (1.0,) if span > 2.6 else (1.0, 3.0) if span > 1.2 else (1.0, 2.0, 5.0)
    if span < 0.5:
        steps = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    stride = 1 if span <= 7 else 2 if span <= 14 else 4
    major = [
        step * 10.0**decade
        for decade in decades
        for step in steps
        if decade % stride == 0 and low <= step * 10.0**decade <= high
    ]
    minor = [step * 10.0**decade for decade in decades for step in range(1, 10) if low <= step * 10.0**decade <= high]
    axis.set_major_locator(FixedLocator(major))
    axis.set_minor_locator(FixedLocator(minor))
    axis.set_minor_formatter(NullFormatter())
    axis.set_ticks(major, [_tick_words(value, unit) for value in major])


def _tick_words(value: float, unit: str) -> str:
    """Percentages and plain numbers over a wide range as powers of ten, everything else with its prefix."""
    if unit == "1" and value < 1e-3:
        mantissa, _, exponent = f"{value:.0e}".partition("e")
        return power_text(mantissa, int(exponent))
    return tick_text(value, unit)
