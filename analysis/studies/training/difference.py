"""How far two sets of weights lie apart: largest and root mean square difference, relative, and in units in the last
place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Difference:
    """Of n weights: ``largest`` and ``rms`` of |a − b|; ``relative`` the rms over that of the larger set of weights;
    ``ulp_median`` and ``ulp_largest`` of |a − b| over the distance of two neighbouring numbers at the larger of |a|,
    |b|, in the coarser of the two precisions; ``equal`` the share of weights with the same value."""

    largest: float
    rms: float
    relative: float
    ulp_median: float
    ulp_largest: float
    equal: float

    @property
    def is_none(self) -> bool:
        """True if all weights have the same value."""
        return self.equal == 1.0


def difference(a: NDArray[np.floating], b: NDArray[np.floating]) -> Difference:
    """Compare two sets of weights (n,) of any float type, subtracting in float64.

    Raises ``ValueError`` for different lengths, or none.
    """
    import numpy as np

    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"weights of {a.shape} and {b.shape} cannot be compared")
    coarse = np.float32 if np.float32 in (a.dtype, b.dtype) else np.float64
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    apart = np.abs(wide_a - wide_b)
    larger = np.maximum(np.abs(wide_a), np.abs(wide_b))
    # Adjacent numbers at zero are 1.4e-45 apart, which says nothing of a weight that has just passed through it; the
    # spacing at the smallest normal number is the least that counts.
    spacing = np.spacing(np.maximum(larger, np.finfo(coarse).tiny).astype(coarse)).astype(np.float64)
    ulps = apart / spacing
    rms = math.sqrt(float(np.mean(apart**2)))
    size = math.sqrt(max(float(np.mean(wide_a**2)), float(np.mean(wide_b**2))))
    return Difference(
        largest=float(apart.max()),
        rms=rms,
        relative=rms / size if size > 0 else 0.0,
        ulp_median=float(np.median(ulps)),
        ulp_largest=float(ulps.max()),
        equal=float(np.mean(apart == 0.0)),
    )
