"""The networks of a sweep over widths, with what was measured of each: the mean over its trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

NONE = "none"
_WIDTHS = ("width1", "width2", "width3")
_NEEDED = ("accuracy", "int8_bytes", "parameters", "activation_bytes", "file_bytes")
INPUTS = 196
"""Values behind the 2 × 2 pooling of 28 × 28."""


@dataclass(frozen=True, slots=True)
class Swept:
    """One network. ``widths`` of its hidden layers; ``accuracies`` (0…1) one for each seed, on the test images."""

    widths: tuple[int, ...]
    accuracies: tuple[float, ...]
    int8_bytes: float
    activation_bytes: float
    parameters: float
    file_bytes: float
    origin: str

    @property
    def accuracy(self) -> float:
        """The mean over the seeds."""
        return sum(self.accuracies) / len(self.accuracies)

    @property
    def name(self) -> str:
        """``64-16``."""
        return "-".join(map(str, self.widths))


def swept(results: pd.DataFrame) -> list[Swept]:
    """The networks in the order of their widths; those without a valid accuracy or size are left out."""
    if not {*_WIDTHS, "quantity", "value", "verdict"} <= set(results.columns):
        return []
    rows = results[results["quantity"].isin(_NEEDED) & (results["verdict"] != "invalid")]
    found: list[Swept] = []
    for key, group in rows.groupby(list(_WIDTHS), sort=False, dropna=False):
        widths = _widths(key)
        values = {name: part["value"].astype(float).tolist() for name, part in group.groupby("quantity")}
        if widths is None or any(not values.get(name) for name in _NEEDED):
            continue
        sizes = {name: values[name][0] for name in _NEEDED[1:]}
        origin = str(group["origin"].iloc[0])
        found.append(Swept(widths, tuple(values["accuracy"]), origin=origin, **sizes))
    return sorted(found, key=lambda item: (len(item.widths), item.widths))


def front(networks: Sequence[Swept]) -> list[Swept]:
    """Those that no other is at least as accurate as with fewer bytes; smallest first."""
    best, kept = -math.inf, []
    for network in sorted(networks, key=lambda item: (item.int8_bytes, -item.accuracy)):
        if network.accuracy > best:
            kept.append(network)
            best = network.accuracy
    return kept


def standard_error(accuracy: float, images: int) -> float:
    """That of a share of so many images. Further trainings are tested with the same images and leave it as it is."""
    return math.sqrt(max(accuracy * (1 - accuracy), 0.0) / images)


def _widths(key: object) -> tuple[int, ...] | None:
    values = [str(value) for value in key] if isinstance(key, tuple) else []
    given = [value for value in values if value not in (NONE, "nan", "")]
    if not given or not all(value.removesuffix(".0").isdigit() for value in given):
        return None
    return tuple(int(value.removesuffix(".0")) for value in given)
