"""Quantities with units in configuration files: ``10 s``, ``5 kHz``, ``32 KiB``, ``100 µA``, ``0.2 %``.

Each type is a plain ``float`` (``Size``: ``int``) in SI units once validated; a number without a unit is taken to be in
that SI unit already. A text that is not such a quantity gives one error that says what was found and what is expected.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from lab.config.fields import config_error

_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*([^0-9]*?)\s*")

_MICRO_SIGNS = str.maketrans({"\u00b5": "u", "\u03bc": "u"})
"""The two characters that look like µ both mean the ASCII ``u`` of the tables below."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """A kind of quantity: its name for people, the spellings of its units with their factors to SI, and examples."""

    name: str
    units: Mapping[str, Decimal]
    examples: tuple[str, ...]
    whole: bool = False
    """Only whole numbers of the SI unit make sense (bytes)."""
    usual: Mapping[str, str] = field(default_factory=dict)
    """Usual spellings that are none of ours → what they mean; where letters alone would suggest another unit."""

    @property
    def expected(self) -> str:
        """What a message says is expected."""
        return f"a {self.name} such as {', '.join(repr(text) for text in self.examples)}"


def _table(**spellings: str) -> dict[str, Decimal]:
    return {unit: Decimal(factor) for unit, factor in spellings.items()}


def _scaled(symbol: str, prefixes: str) -> dict[str, Decimal]:
    factors = {"n": "1e-9", "u": "1e-6", "m": "1e-3", "": "1", "k": "1e3", "M": "1e6", "G": "1e9"}
    return {prefix + symbol: Decimal(factors[prefix]) for prefix in [*prefixes, ""]}


DURATION = Dimension(
    "duration",
    _scaled("s", "num") | _table(min="60", h="3600"),
    ("10 s", "500 ms", "2 min"),
)
FREQUENCY = Dimension("frequency", _scaled("Hz", "mkMG"), ("5 kHz", "1 MHz"))
SIZE = Dimension(
    "size",
    _table(B="1", kB="1e3", MB="1e6", GB="1e9", KiB="1024", MiB="1048576", GiB="1073741824"),
    ("32 KiB", "512 KiB", "4096"),
    whole=True,
)
CURRENT = Dimension("current", _scaled("A", "num"), ("2 A", "100 uA"))
VOLTAGE = Dimension("voltage", _scaled("V", "um"), ("12 V", "1.5 mV"))
POWER = Dimension("power", _scaled("W", "numk"), ("1.5 W", "20 mW"))
TEMPERATURE = Dimension(
    "temperature in degrees Celsius",
    {"°C": Decimal(1), "℃": Decimal(1), "C": Decimal(1), "degC": Decimal(1)},
    ("45 °C", "45"),
)
BANDWIDTH = Dimension(
    "bandwidth",
    {f"{prefix}B/s": Decimal(factor) for prefix, factor in (("k", "1e3"), ("M", "1e6"), ("G", "1e9"), ("", "1"))}
    | {f"{prefix}bit/s": Decimal(factor) / 8 for prefix, factor in (("k", "1e3"), ("M", "1e6"), ("G", "1e9"))},
    ("3.04 MB/s", "202 Mbit/s"),
    # A small b is a bit, an eighth of what differs from it in a capital only.
    usual={
        f"{spelled}{bits}": f"{prefix}bit/s"
        for spelled, prefix in zip("kMGmg", "kMGMG", strict=True)
        for bits in ("b/s", "bps", "bits/s")
    },
)
BYTE_ENERGY = Dimension("energy per byte", _scaled("J/B", "num"), ("128 nJ/B", "0.2 uJ/B"))
RATIO = Dimension("ratio", {"%": Decimal("0.01"), "ppm": Decimal("1e-6"), "": Decimal(1)}, ("0.2 %", "50 ppm", "0.002"))


def parse(dimension: Dimension, value: object) -> Decimal:
    """The exact value in SI units of a text or number; never negative, never infinite.

    Raises :class:`pydantic_core.PydanticCustomError` with what was expected, and a suggestion for a misspelt unit.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise config_error("not a quantity", expected=dimension.expected)
    exact = _from_text(dimension, value) if isinstance(value, str) else _from_number(dimension, value)
    if not math.isfinite(exact):
        raise config_error("not a finite number", expected=dimension.expected)
    if exact < 0:
        raise config_error("must not be negative", expected=dimension.expected)
    if dimension.whole and exact != exact.to_integral_value():
        raise config_error("must be a whole number of bytes", expected=dimension.expected)
    return exact


def _from_number(dimension: Dimension, value: float) -> Decimal:
    if not math.isfinite(value):
        raise config_error("not a finite number", expected=dimension.expected)
    return Decimal(value)


def _from_text(dimension: Dimension, text: str) -> Decimal:
    match = _QUANTITY.fullmatch(text.translate(_MICRO_SIGNS))
    if match is None:
        raise config_error("not a quantity", expected=dimension.expected)
    number, unit = match.groups()
    if unit not in dimension.units and unit:
        raise config_error(
            f"unknown unit {text.strip()[-len(unit) :]!r}",
            expected=dimension.expected,
            suggestion=_closest_unit(dimension, number, unit),
        )
    return Decimal(number) * dimension.units.get(unit, Decimal(1))


def _closest_unit(dimension: Dimension, number: str, unit: str) -> str | None:
    """The whole quantity with the unit that was probably meant: same letters in other case first, then similar ones."""
    if unit in dimension.usual:
        return f"{number} {dimension.usual[unit]}"
    same_letters = [known for known in dimension.units if known.lower() == unit.lower()]
    closest = same_letters or difflib.get_close_matches(unit, dimension.units, n=1, cutoff=0.5)
    return f"{number} {closest[0]}" if len(closest) == 1 else None


def _validator(dimension: Dimension) -> Callable[[object], float]:
    def validate(value: object) -> float:
        """Decimal up to here, so that ``0.2 %`` is the float nearest to 0.002."""
        return float(parse(dimension, value))

    return validate


def _whole_validator(dimension: Dimension) -> Callable[[object], int]:
    def validate(value: object) -> int:
        return int(parse(dimension, value))

    return validate


def _json_schema(dimension: Dimension) -> dict[str, Any]:
    units = "|".join(re.escape(unit).replace("u", "[uµμ]") for unit in dimension.units if unit)
    return {
        "anyOf": [
            {"type": "integer" if dimension.whole else "number", "minimum": 0},
            {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*(?:{units})?\s*$"},
        ],
        "description": dimension.expected[0].upper() + dimension.expected[1:],
    }


Duration = Annotated[float, BeforeValidator(_validator(DURATION)), WithJsonSchema(_json_schema(DURATION))]
"""Seconds."""
Frequency = Annotated[float, BeforeValidator(_validator(FREQUENCY)), WithJsonSchema(_json_schema(FREQUENCY))]
"""Hertz."""
Size = Annotated[int, BeforeValidator(_whole_validator(SIZE)), WithJsonSchema(_json_schema(SIZE))]
"""Bytes. ``kB`` is 1000 bytes, ``KiB`` 1024."""
Current = Annotated[float, BeforeValidator(_validator(CURRENT)), WithJsonSchema(_json_schema(CURRENT))]
"""Ampere."""
Voltage = Annotated[float, BeforeValidator(_validator(VOLTAGE)), WithJsonSchema(_json_schema(VOLTAGE))]
"""Volt."""
Power = Annotated[float, BeforeValidator(_validator(POWER)), WithJsonSchema(_json_schema(POWER))]
"""Watt."""
Bandwidth = Annotated[float, BeforeValidator(_validator(BANDWIDTH)), WithJsonSchema(_json_schema(BANDWIDTH))]
"""Bytes per second. ``MB/s`` is a million of them, ``Mbit/s`` an eighth of that."""
ByteEnergy = Annotated[float, BeforeValidator(_validator(BYTE_ENERGY)), WithJsonSchema(_json_schema(BYTE_ENERGY))]
"""Joules per byte."""
Temperature = Annotated[float, BeforeValidator(_validator(TEMPERATURE)), WithJsonSchema(_json_schema(TEMPERATURE))]
"""Degrees Celsius (the one unit here that is not of the SI's base)."""
Ratio = Annotated[float, BeforeValidator(_validator(RATIO)), WithJsonSchema(_json_schema(RATIO))]
"""A plain ratio: ``0.2 %`` is 0.002."""
Probability = Annotated[float, BeforeValidator(_validator(RATIO)), Field(le=1), WithJsonSchema(_json_schema(RATIO))]
"""A ratio between 0 and 1."""
