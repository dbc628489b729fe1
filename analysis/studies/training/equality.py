"""Weights of several programs that began from the same ones: how far apart they are after each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.studies.training.difference import Difference, difference
from analysis.studies.training.networks import read_network
from analysis.studies.training.trainings import Training, Trainings
from lab.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_DOUBLE = "float64"


@dataclass(frozen=True, slots=True)
class Apart:
    """Two trainings of one shape, after an epoch."""

    shape: str
    one: Training
    other: Training
    epoch: int
    difference: Difference


class Equality:
    """The comparisons that a record allows; none where its programs left no weights."""

    def __init__(self, trainings: Trainings) -> None:
        self.trainings = trainings

    @cached_property
    def shapes(self) -> tuple[str, ...]:
        """Those with weights of two programs at least."""
        return tuple(shape for shape in self.trainings.shapes if len(self.members(shape)) > 1)

    def members(self, shape: str) -> list[Training]:
        """The first repeat of each program that left weights, in order of precision and implementation."""
        found = [
            self.trainings.first(implementation, shape, precision)
            for precision in self.trainings.precisions
            for implementation in self.trainings.implementations
        ]
        return [item for item in found if item is not None and item.weights]

    def reference(self, shape: str) -> Training | None:
        """What all are held against: the first implementation's in float64."""
        doubles = [item for item in self.members(shape) if item.precision == _DOUBLE]
        return doubles[0] if doubles else None

    def from_reference(self, shape: str) -> dict[str, list[Apart]]:
        """Program → its distance from the reference, epoch by epoch. Empty where there is no reference."""
        reference = self.reference(shape)
        if reference is None:
            return {}
        return {
            item.program: _known(_apart(shape, item, reference, epoch) for epoch in _common(item, reference))
            for item in self.members(shape)
            if item is not reference
        }

    def pairs(self, shape: str, epochs: Sequence[int] | None = None) -> Iterator[Apart]:
        """All pairs of one precision; after ``epochs``, or after the last that both have."""
        for precision in self.trainings.precisions:
            members = [item for item in self.members(shape) if item.precision == precision]
            for one, other in combinations(members, 2):
                common = _common(one, other)
                chosen = common[-1:] if epochs is None else [item for item in epochs if item in common]
                yield from _known(_apart(shape, one, other, epoch) for epoch in chosen)

    def repeated(self) -> list[tuple[Training, bool]]:
        """Programs that trained more than once from the same seeds: did all repeats leave the same bytes?"""
        found = []
        for shape in self.trainings.shapes:
            for first in self.members(shape):
                again = [
                    item
                    for item in self.trainings.of(
                        implementation=first.implementation, shape=shape, precision=first.precision
                    )
                    if item is not first and item.weights
                ]
                if again:
                    found.append((first, all(_last_bytes(item) == _last_bytes(first) for item in again)))
        return found


def _apart(shape: str, one: Training, other: Training, epoch: int) -> Apart | None:
    """``None`` where a file is damaged or they are of different networks: there is nothing to compare."""
    try:
        return Apart(shape, one, other, epoch, difference(_read(one.weights[epoch]), _read(other.weights[epoch])))
    except (DataError, ValueError):
        return None


def _known(found: Iterable[Apart | None]) -> list[Apart]:
    return [item for item in found if item is not None]


def _common(one: Training, other: Training) -> list[int]:
    return sorted(one.weights.keys() & other.weights.keys())


@lru_cache(maxsize=64)
def _read(path: Path) -> NDArray[np.floating]:
    """A file of a record does not change."""
    return read_network(path).parameters


def _last_bytes(training: Training) -> bytes:
    return training.weights[max(training.weights)].read_bytes()


# ------------------------------------------------------------------------------------------------------------ tables

_MEASURES = {
    "largest |Δ|": "largest",
    "rms Δ": "rms",
    "relative rms": "relative",
    "median (ULP)": "ulp_median",
    "largest (ULP)": "ulp_largest",
    "equal weights (%)": "equal",
}


def _cells(found: Difference) -> dict[str, float]:
    cells = {title: float(getattr(found, name)) for title, name in _MEASURES.items()}
    return cells | {"equal weights (%)": 100.0 * found.equal}


def reference_frame(equality: Equality) -> pd.DataFrame:
    """A row for each shape, program and epoch 0, 1 and the last: the distance from the reference."""
    import pandas as pd

    rows = []
    for shape in equality.shapes:
        for program, series in equality.from_reference(shape).items():
            rows += [
                {
                    "hidden layers": shape,
                    "program": program,
                    "reference": apart.other.program,
                    "after epoch": apart.epoch,
                    **_cells(apart.difference),
                    "accuracy (%)": _accuracy(apart.one, apart.epoch),
                    "reference's accuracy (%)": _accuracy(apart.other, apart.epoch),
                }
                for apart in series
                if apart.epoch in (0, 1, series[-1].epoch)
            ]
    return pd.DataFrame(rows)


def pairs_frame(equality: Equality) -> pd.DataFrame:
    """A row for each shape and pair of implementations in one precision, after the first and the last epoch."""
    import pandas as pd

    rows = []
    for shape in equality.shapes:
        members = equality.members(shape)
        last = max((max(item.weights) for item in members), default=0)
        rows += [
            {
                "hidden layers": shape,
                "precision": apart.one.precision,
                "one": apart.one.implementation,
                "other": apart.other.implementation,
                "after epoch": apart.epoch,
                **_cells(apart.difference),
            }
            for apart in equality.pairs(shape, (1, last) if last > 1 else (last,))
        ]
    return pd.DataFrame(rows)


def _accuracy(training: Training, epoch: int) -> float | None:
    return 100.0 * training.accuracies[epoch - 1] if 0 < epoch <= len(training.accuracies) else None
