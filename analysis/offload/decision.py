"""Here or there: each choice with the uncertainty of both costs, and the map of where each way wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.offload.cost import Floats


class Choice(StrEnum):
    """What costs less; ``undecided`` where the difference is within its expanded uncertainty."""

    LOCAL = "local"
    OFFLOAD = "offload"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Decisions:
    """For each pair of costs: ``margin`` = local − offloaded (positive: offloading saves so much), its expanded
    uncertainty, and the choice."""

    margin: Floats
    expanded: Floats
    choice: tuple[Choice, ...]


def decide(local: ArrayLike, local_U: ArrayLike, offloaded: ArrayLike, offloaded_U: ArrayLike = 0.0) -> Decisions:
    """Hold costs against each other. The uncertainties are expanded ones (95 %) of independent costs, so they add in
    squares."""
    margin = np.atleast_1d(np.asarray(local, np.float64) - np.asarray(offloaded, np.float64))
    expanded = np.broadcast_to(
        np.hypot(np.asarray(local_U, np.float64), np.asarray(offloaded_U, np.float64)), margin.shape
    )
    return Decisions(margin, np.array(expanded), tuple(_choice(*pair) for pair in zip(margin, expanded, strict=True)))


def _choice(margin: float, expanded: float) -> Choice:
    if not abs(margin) > expanded:
        return Choice.UNDECIDED
    return Choice.OFFLOAD if margin > 0.0 else Choice.LOCAL


def cheapest(costs: Sequence[ArrayLike]) -> NDArray[np.int8]:
    """Which of several ways costs least at each point of a grid: their index, the first of equals.

    Costs are arrays that broadcast against each other; a way that is not possible at a point costs ``inf`` there. Only
    one array per way is ever held.
    """
    shape = np.broadcast_shapes(*(np.shape(cost) for cost in costs))
    best = np.full(shape, np.inf)
    winner = np.zeros(shape, np.int8)
    for index, cost in enumerate(costs):
        values = np.broadcast_to(np.asarray(cost, np.float64), shape)
        better = values < best
        np.copyto(best, values, where=better)
        winner[better] = index
    return winner
