"""What the range channel says, made whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.joulescope.models import RANGE_CODES, CurrentRange, MeterModel


class RangeWatch:
    """Follows the range in use.

    Codes that stand for no range (the JS110's for *off* and *missing*, with which each of its streams begins) are no
    change of range: the samples are NaN there, and the range is taken to be the one next to them. ``wrong`` counts the
    samples that were measured in another range than the fixed one.
    """

    def __init__(self, meter: MeterModel, fixed: CurrentRange | None) -> None:
        self._is_range = np.zeros(RANGE_CODES, dtype=np.bool_)
        self._is_range[[item.code for item in meter.current_ranges]] = True
        self._fixed = fixed
        self._last: int | None = None
        self.wrong = 0

    def known(self, codes: NDArray[Any]) -> NDArray[np.uint8]:
        """The codes of consecutive samples, those that stand for no range replaced."""
        codes = codes & (RANGE_CODES - 1)
        ranged = self._is_range[codes]
        if self._fixed is not None:
            self.wrong += int(np.count_nonzero(ranged & (codes != self._fixed.code)))
        if not ranged.all():
            codes = self._filled(codes, ranged)
        self._last = int(codes[-1])
        return codes.astype(np.uint8, copy=False)

    def _filled(self, codes: NDArray[Any], ranged: NDArray[np.bool_]) -> NDArray[Any]:
        if self._last is not None:
            before = self._last
        elif ranged.any():
            before = int(codes[np.argmax(ranged)])
        else:
            before = self._fixed.code if self._fixed is not None else 0
        # Position of the last sample with a range, or -1 before the first.
        latest = np.maximum.accumulate(np.where(ranged, np.arange(codes.size), -1))
        return np.where(latest < 0, before, codes[latest])
