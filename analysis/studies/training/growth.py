"""How run time grows with the size of the network: a straight line, a power, or an exponential?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_POINTS = 4


@dataclass(frozen=True, slots=True)
class Law:
    """A law of two constants fitted to run times: ``a + b·P``, ``a·P^b`` or ``a·exp(b·P)`` with P the parameters.

    ``off`` is the typical distance of the points from it: the root mean square of the logarithms' differences, as a
    ratio minus one (0.1: ten percent).
    """

    kind: str
    a: float
    b: float
    off: float

    def time_s(self, parameters: float) -> float:
        """What it says for a network of that many parameters."""
        if self.kind == LINEAR:
            return self.a + self.b * parameters
        if self.kind == POWER:
            return float(self.a * parameters**self.b)
        return self.a * math.exp(self.b * parameters)

    def words(self) -> str:
        """The law with its constants."""
        if self.kind == LINEAR:
            return f"{self.a:.3g} s + {1e6 * self.b:.3g} µs · P"
        if self.kind == POWER:
            return f"{self.a:.3g} s · P^{self.b:.3g}"
        return f"{self.a:.3g} s · exp(P / {1 / self.b:.3g})" if self.b else f"{self.a:.3g} s"


LINEAR, POWER, EXPONENTIAL = "linear", "power", "exponential"


def laws(parameters: Sequence[float], times_s: Sequence[float]) -> list[Law]:
    """The three laws fitted to (parameters, run time), the nearest first; none with fewer than four sizes.

    All three minimise the same thing, the squares of the logarithms' differences: a point that is ten percent off
    counts the same whether it takes a second or an hour.
    """
    import numpy as np

    if len(set(parameters)) < _LEAST_POINTS or min(times_s) <= 0.0:
        return []
    sizes, logs = np.asarray(parameters, np.float64), np.log(np.asarray(times_s, np.float64))
    slope, start = np.polyfit(np.log(sizes), logs, 1)
    power = _law(POWER, math.exp(start), float(slope), sizes, logs)
    slope, start = np.polyfit(sizes, logs, 1)
    exponential = _law(EXPONENTIAL, math.exp(start), float(slope), sizes, logs)
    return sorted([_straight(sizes, logs), power, exponential], key=lambda law: law.off)


def _straight(sizes: NDArray[np.float64], logs: NDArray[np.float64]) -> Law:
    """``a + b·P`` with a, b ≥ 0: one unknown, the share of the constant, is searched; the scale follows from it."""
    import numpy as np
    from scipy.optimize import minimize_scalar

    middle = float(np.median(sizes))

    def parts(share: float) -> NDArray[np.float64]:
        return np.asarray(share + (1.0 - share) * sizes / middle)

    def miss(share: float) -> float:
        return float(np.var(logs - np.log(parts(share))))

    found = minimize_scalar(miss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-10})
    share = min((float(found.x), 0.0, 1.0), key=miss)
    scale = math.exp(float(np.mean(logs - np.log(parts(share)))))
    return _law(LINEAR, scale * share, scale * (1.0 - share) / middle, sizes, logs)


def _law(kind: str, a: float, b: float, sizes: NDArray[np.float64], logs: NDArray[np.float64]) -> Law:
    import numpy as np

    law = Law(kind, a, b, 0.0)
    missed = [log - math.log(law.time_s(float(size))) for size, log in zip(sizes, logs, strict=True)]
    return Law(kind, a, b, math.expm1(math.sqrt(float(np.mean(np.square(missed))))))
