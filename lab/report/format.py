"""Numbers as a person should see them: value ± U rounded after the GUM, with an SI prefix.

JCGM 100:2008, 7.2.6: an uncertainty is given to at most two significant digits, and the value to the same last place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from analysis.figures.units import decade_of, has_prefixes, plain_unit, power_text, prefix_exponent, prefixed

MISSING = "—"
"""What stands where there is no value."""

UNCERTAINTY_DIGITS = 2
VALUE_DIGITS = 4
"""Significant digits of a value for which no uncertainty is claimed."""

RATIO_DIGITS = 3
THIN_SPACE = "\u202f"
_CONTEXT = Context(prec=700, rounding=ROUND_HALF_EVEN)
"""Exact for every pair of floats: they span 308 + 324 decades."""
_COUNTS = frozenset({"1", ""})
_LONGEST_NUMERAL = 16


@dataclass(frozen=True, slots=True)
class Shown:
    """A value ready to be shown: the parts, so that a table can align them, and :attr:`text` with all of them."""

    value: str
    uncertainty: str
    unit: str

    @property
    def text(self) -> str:
        """``24.10 ± 0.23 mJ``; brackets where a unit follows a pair: ``(24.10 ± 0.23) mJ``."""
        if not self.uncertainty:
            return f"{self.value} {self.unit}".rstrip()
        pair = f"{self.value} ± {self.uncertainty}"
        return f"({pair}) {self.unit}" if self.unit else pair


def show(value: float | None, expanded_u: float | None, unit: str) -> Shown:
    """A value with its expanded uncertainty.

    ``None`` and non-finite values become a dash. An uncertainty of ``None`` (none claimed) or zero (the value did
    not vary at all) leaves the ± away: neither says how far the value may lie from the truth.
    """
    if value is None or not math.isfinite(value):
        return Shown(MISSING, "", "")
    spelled = plain_unit(unit)
    if not expanded_u or not math.isfinite(expanded_u):
        return _without_uncertainty(value, spelled)
    exponent = _exponent(_exact(max(abs(value), abs(expanded_u))), spelled)
    pair = round_pair(value, expanded_u, exponent)
    rounded = max(abs(Decimal(numeral)) for numeral in pair).scaleb(exponent)
    if (larger := _exponent(rounded, spelled)) > exponent:
        exponent, pair = larger, round_pair(value, expanded_u, larger)
    if max(len(numeral) for numeral in pair) > _LONGEST_NUMERAL:
        return Shown(f"{value:.3e}", f"{abs(expanded_u):.1e}", _unit_text(spelled, 0))
    return Shown(grouped(pair[0]), grouped(pair[1]), _unit_text(spelled, exponent))


def round_pair(value: float, expanded_u: float, exponent: int = 0) -> tuple[str, str]:
    """Value and uncertainty divided by 10^exponent as decimal numerals: U to two significant digits, the value to the
    same place. Both arguments are finite and ``expanded_u`` is not zero."""
    uncertainty = Decimal(repr(abs(float(expanded_u)))).scaleb(-exponent)
    place = _last_place(uncertainty)
    rounded = uncertainty.quantize(place, context=_CONTEXT)
    if rounded.adjusted() > uncertainty.adjusted():
        # 0.0996 rounds to 0.100: one digit too many
        place = place.scaleb(1)
        rounded = uncertainty.quantize(place, context=_CONTEXT)
    number = Decimal(repr(float(value))).scaleb(-exponent).quantize(place, context=_CONTEXT)
    return _plain(number), _plain(rounded)


def _last_place(uncertainty: Decimal) -> Decimal:
    return Decimal(1).scaleb(uncertainty.adjusted() - UNCERTAINTY_DIGITS + 1)


def _without_uncertainty(value: float, unit: str) -> Shown:
    exact = _exact(value)
    if value == 0 or (unit in _COUNTS and exact == exact.to_integral_value() and abs(value) < 1e12):
        return Shown(grouped(_plain(exact)), "", _unit_text(unit, 0))
    exponent = _exponent(exact, unit)
    rounded = _significant(exact.scaleb(-exponent))
    if (larger := _exponent(rounded.scaleb(exponent), unit)) > exponent:
        exponent, rounded = larger, _significant(exact.scaleb(-larger))
    return Shown(grouped(_plain(rounded)), "", _unit_text(unit, exponent))


def _significant(number: Decimal, digits: int = VALUE_DIGITS) -> Decimal:
    """Rounded to so many significant digits, trailing zeros behind the point kept."""
    rounded = Context(prec=digits, rounding=ROUND_HALF_EVEN).plus(number)
    return rounded.quantize(Decimal(1).scaleb(min(0, rounded.adjusted() - digits + 1)), context=_CONTEXT)


def _exponent(magnitude: Decimal, unit: str) -> int:
    """The power of ten to take out: the prefix's, or the decade where the unit takes none, far from 1."""
    decade = decade_of(magnitude) if magnitude else 0
    if unit in _COUNTS and -3 <= decade < 6:
        return 0
    exponent = prefix_exponent(magnitude, unit)
    if abs(decade - exponent) > 5 or (exponent == 0 and decade < -3):
        return decade
    return exponent


def _unit_text(unit: str, exponent: int) -> str:
    """The unit with its prefix; a power of ten where there is no such prefix, or nothing to prefix."""
    bare = "" if unit in _COUNTS else unit
    if exponent == 0:
        return bare
    if not bare or not has_prefixes(unit) or exponent != prefix_exponent(Decimal(1).scaleb(exponent), unit):
        return f"×{power_text('1', exponent)} {bare}".rstrip()
    return prefixed(unit, exponent)


def _exact(value: float) -> Decimal:
    """The float as the shortest decimal that gives it back; a whole one without its ``.0``."""
    exact = Decimal(repr(float(value)))
    return exact.quantize(Decimal(1), context=_CONTEXT) if exact == exact.to_integral_value() else exact


def _plain(number: Decimal) -> str:
    """Positional notation: no exponent, no negative zero."""
    text = f"{number:f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def grouped(numeral: str) -> str:
    """A decimal numeral with thin spaces between thousands from 10 000 up (ISO 80000-1)."""
    sign, digits = ("-", numeral[1:]) if numeral.startswith("-") else ("", numeral)
    whole, point, rest = digits.partition(".")
    if len(whole) > 4:
        head = len(whole) % 3
        parts = ([whole[:head]] if head else []) + [whole[start : start + 3] for start in range(head, len(whole), 3)]
        whole = THIN_SPACE.join(parts)
    return ("−" if sign else "") + whole + point + rest


def percent(share: float | None) -> str:
    """A share (0…1) in per cent, two significant digits; a dash for none."""
    if share is None or not math.isfinite(share):
        return MISSING
    value = 100 * share
    if value == 0:
        return "0 %"
    if abs(value) < 0.01:
        return "< 0.01 %"
    if abs(value) >= 99.5:
        return f"{value:.0f} %"
    return f"{value:.2g} %"


def ratio(value: float | None) -> str:
    """A ratio as ``12.3 ×``, three significant digits; a dash for none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{grouped(_plain(_significant(Decimal(repr(float(value))), RATIO_DIGITS)))}{THIN_SPACE}×"


def plural(count: int, noun: str, several: str | None = None) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{grouped(str(count))} {noun if count == 1 else several or noun + 's'}"
