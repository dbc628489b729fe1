"""Units as people read them: which SI prefix suits a set of values, and the words on a logarithmic axis.

Inside the lab everything is in plain SI units; this is where a joule becomes a millijoule, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

_PREFIXES: dict[int, str] = {
    -15: "f",
    -12: "p",
    -9: "n",
    -6: "µ",
    -3: "m",
    0: "",
    3: "k",
    6: "M",
    9: "G",
    12: "T",
    15: "P",
}
_PREFIXED_UNITS = frozenset({"s", "J", "W", "A", "V", "Hz", "J·s", "B"})
_COUNT_UNITS = frozenset({"1", ""})
_WHOLE_UNITS = frozenset({"B"}) | _COUNT_UNITS
"""Units that come in whole pieces: there is no millibyte."""

_UNIT_SPELLINGS = {"Js": "J·s", "J*s": "J·s", "J s": "J·s", "bytes": "B", "percent": "%", "count": "1"}


@dataclass(frozen=True, slots=True)
class Scale:
    """How to show values of one unit: multiply by ``factor``, write ``unit`` behind (empty for a bare number)."""

    factor: float
    unit: str


def plain_unit(unit: str) -> str:
    """The unit in the one spelling that the figures and the report use (``Js`` → ``J·s``)."""
    return _UNIT_SPELLINGS.get(unit, unit)


def has_prefixes(unit: str) -> bool:
    """True if values in this unit are shown with SI prefixes (also counts, from a thousand up)."""
    spelled = plain_unit(unit)
    return spelled in _PREFIXED_UNITS or spelled in _COUNT_UNITS


def prefix_exponent(magnitude: float | Decimal, unit: str) -> int:
    """The power of ten (a multiple of three) of the prefix that puts ``magnitude`` between 1 and 1000.

    0 where the unit takes no prefix, or for zero and non-finite magnitudes.
    """
    spelled = plain_unit(unit)
    if not has_prefixes(spelled) or not math.isfinite(magnitude) or magnitude == 0:
        return 0
    lowest = 0 if spelled in _WHOLE_UNITS else min(_PREFIXES)
    return max(lowest, min(max(_PREFIXES), 3 * (decade_of(magnitude) // 3)))


def decade_of(magnitude: float | Decimal) -> int:
    """The power of ten of the first digit of a finite number that is not zero; exact, unlike a logarithm."""
    return (magnitude if isinstance(magnitude, Decimal) else Decimal(repr(float(magnitude)))).adjusted()


def prefixed(unit: str, exponent: int) -> str:
    """The unit with the prefix of a power of ten; a count gets the bare letter (``M`` for millions)."""
    spelled = plain_unit(unit)
    return _PREFIXES[exponent] + ("" if spelled in _COUNT_UNITS else spelled)


def scale_for(values: Iterable[float], unit: str) -> Scale:
    """One scale for a whole axis: the prefix that suits the median magnitude of ``values``.

    Counts and units without prefixes keep plain numbers unless those would be very long or very small; then a power of
    ten stands in the place of the unit.
    """
    magnitudes = sorted(abs(value) for value in values if math.isfinite(value) and value != 0.0)
    spelled = plain_unit(unit)
    if not magnitudes:
        return Scale(1.0, "" if spelled in _COUNT_UNITS else spelled)
    if spelled in _PREFIXED_UNITS:
        exponent = prefix_exponent(magnitudes[len(magnitudes) // 2], spelled)
        return Scale(10.0**-exponent, prefixed(spelled, exponent))
    decade = decade_of(magnitudes[-1])
    exponent = 0 if -3 <= decade < 6 else 3 * (decade // 3)
    power = f"×{power_text('1', exponent)}" if exponent else ""
    bare = "" if spelled in _COUNT_UNITS else spelled
    return Scale(10.0**-exponent, f"{power} {bare}".strip())


def tick_text(value: float, unit: str) -> str:
    """A value of an axis tick in words: ``10 ms``, ``1 µJ``, ``2 M``."""
    exponent = prefix_exponent(float(f"{value:.3g}"), unit)
    scaled = value / 10.0**exponent
    number = f"{scaled:.3g}" if abs(scaled) < 1000 else f"{scaled:.6g}"
    if "e" in number:
        mantissa, _, power = number.partition("e")
        number = power_text(mantissa, int(power))
    suffix = prefixed(unit, exponent) if has_prefixes(unit) else plain_unit(unit)
    return f"{number} {suffix}".strip()


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_text(mantissa: str, exponent: int) -> str:
    """``2.5×10⁻⁸``; the mantissa is left out where it is 1."""
    power = "10" + str(exponent).translate(_SUPERSCRIPTS)
    return power if mantissa == "1" else f"{mantissa}×{power}"
