# SPDX-License-Identifier: Apache-2.0
"""How bytes become a network's inputs: scales by name."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError
from tinynet.network import InputScale

SCALES: dict[str, InputScale] = {
    "study": InputScale(127.0, 8.0),
    "unit": InputScale(0.0, 255.0),
    "signed": InputScale(128.0, 128.0),
}
"""``study`` is that of the microcontroller study (its listing 4.1)."""


def parse_scale(text: str) -> InputScale:
    """A scale by its name, or ``OFFSET/DIVISOR``. Raises :class:`TinynetError`."""
    if text in SCALES:
        return SCALES[text]
    offset, slash, divisor = text.partition("/")
    try:
        scale = InputScale(float(offset), float(divisor))
    except ValueError:
        slash = ""
    names = ", ".join(SCALES)
    if not slash or not math.isfinite(scale.offset) or not math.isfinite(scale.divisor) or scale.divisor == 0:
        raise TinynetError(f"scale {text!r}: expected one of {names}, or OFFSET/DIVISOR such as 127/8")
    return scale


def scaled(scale: InputScale, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """``(byte - offset) / divisor``, each of the 256 values computed once in binary64 and rounded once."""
    table = ((np.arange(256, dtype=np.float64) - scale.offset) / scale.divisor).astype(np.float32)
    return table[inputs]
