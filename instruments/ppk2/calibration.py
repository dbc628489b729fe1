"""What a PPK2 says of itself: the errors of its five ranges, and how it is set.

The answer is text, ``R0: 1003.3506`` and so on, one value a line, ``END`` last. There is no checksum, and kits with
damaged values have been seen (a shunt of 3·10²⁷ Ω, offsets of 10¹⁵ counts): every value must be one that such a part
can have, or the meter is not used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

END = "END"
"""The last line."""

RANGES = 5
"""From the smallest currents to the largest."""

RANGE_ENDS_A = (50e-6, 500e-6, 5e-3, 60e-3, 1.0)
"""Where the meter leaves a range for the next one, about; it is only used to judge whether values make sense."""

FULL_SCALE_A = 1.0
"""What a PPK2 is made for."""

ADC_TOP = (1 << 14) - 1
"""The converter's end."""

_VOLT_PER_COUNT = 1.8 / 163840
_NOMINAL_OHM = (1031.64, 101.65, 10.15, 0.94, 0.043)
_NEUTRAL = {"UG": 1.0, "S": 0.0, "I": 0.0}
"""Values that older firmware does not have, and what stands for them."""

_LONGEST = 8192
_LINE = re.compile(r"\s*([A-Za-z]+[0-9]?)\s*:\s*(\S+)\s*")


class MetadataError(Exception):
    """What was read is not the metadata of a PPK2, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The errors of the ranges; each array has shape (5,).

    With the converter's count n (14 bits, times 4): ``x = (n − o)·1.8 V/163840/r`` and
    ``I = ug·(x·(gs·x + gi) + s·U + i)`` in ampere, U the supply voltage in volt.
    """

    r: NDArray[np.float64]
    gs: NDArray[np.float64]
    gi: NDArray[np.float64]
    o: NDArray[np.float64]
    s: NDArray[np.float64]
    i: NDArray[np.float64]
    ug: NDArray[np.float64]

    def amperes(self, counts: NDArray[np.uint32], ranges: NDArray[np.uint32], volts: float) -> NDArray[np.float32]:
        """The currents of converter counts (14 bits), each measured in a range (0 to 4)."""
        x = (counts * 4.0 - self.o[ranges]) * (_VOLT_PER_COUNT / self.r[ranges])
        bias = self.s * volts + self.i
        amperes = self.ug[ranges] * (x * (self.gs[ranges] * x + self.gi[ranges]) + bias[ranges])
        return np.asarray(amperes, np.float32)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a PPK2 says of itself. ``mode`` is 1 as an ampere meter, 2 as a source; what it does not say is ``None``."""

    calibration: Calibration
    mode: int | None
    vdd_mv: int | None
    hardware: str
    calibrated: str


def parse_metadata(text: str) -> Metadata:
    """The metadata in a text. Raises :class:`MetadataError` if it is none, or a value cannot be."""
    if len(text) > _LONGEST or END not in text:
        raise MetadataError("it did not end its answer" if len(text) <= _LONGEST else "its answer has no end")
    values: dict[str, str] = {}
    for line in text.partition(END)[0].splitlines():
        if (match := _LINE.fullmatch(line)) is not None:
            values[match[1].upper()] = match[2]
    if not values:
        raise MetadataError("it did not answer as a PPK2")
    found = {name: np.array([_number(values, name, k) for k in range(RANGES)]) for name in ("R", "GS", "GI", "O")}
    found |= {name: np.array([_number(values, name, k) for k in range(RANGES)]) for name in _NEUTRAL}
    _check(found)
    return Metadata(
        Calibration(**{name.lower(): column for name, column in found.items()}),
        mode=_whole(values, "MODE"),
        vdd_mv=_whole(values, "VDD"),
        hardware=values.get("HW", ""),
        calibrated=values.get("CALIBRATED", ""),
    )


def _number(values: Mapping[str, str], name: str, place: int) -> float:
    key = f"{name}{place}"
    if key not in values:
        if name in _NEUTRAL:
            return _NEUTRAL[name]
        raise MetadataError(f"it says nothing of {key}")
    try:
        value = float(values[key])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MetadataError(f"its calibration is damaged: {key} is {values[key][:40]!r}")
    return value


def _whole(values: Mapping[str, str], name: str) -> int | None:
    text = values.get(name, "")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _check(found: Mapping[str, NDArray[np.float64]]) -> None:
    """Each value within what a part can have: far wider than parts scatter, far narrower than what damage leaves."""
    ends, ohm = np.array(RANGE_ENDS_A), np.array(_NOMINAL_OHM)
    plausible = {
        "R": (found["R"] > ohm / 3) & (found["R"] < ohm * 3),
        "GI": (found["GI"] > 0.5) & (found["GI"] < 2),
        "UG": (found["UG"] > 0.5) & (found["UG"] < 2),
        "GS": np.abs(found["GS"]) * ends < 0.5,
        "O": np.abs(found["O"]) < 0.1 * 4 * ADC_TOP,
        "S": np.abs(found["S"]) * 5.0 < ends,
        "I": np.abs(found["I"]) < ends,
    }
    for name, good in plausible.items():
        if not good.all():
            place = int(np.argmin(good))
            raise MetadataError(f"its calibration is damaged: {name}{place} is {found[name][place]:g}")
