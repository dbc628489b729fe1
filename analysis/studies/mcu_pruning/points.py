"""The pruned networks of a grid of initial and final sparsity: the mean over its trainings of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FACTORS = ("initial", "final")
_NEEDED = ("accuracy", "base_accuracy", "sparsity", "int8_text_bytes", "avr_sparse_bytes", "base_avr_dense_bytes")
USUAL_LOSS = "cross_entropy"


@dataclass(frozen=True, slots=True)
class Pruned:
    """One pair of sparsities under one loss. ``values`` are means over the seeds, by quantity."""

    initial: float
    final: float
    loss: str
    values: dict[str, float]
    lowest_accuracy: float
    highest_accuracy: float
    trainings: int
    origin: str

    def __getitem__(self, quantity: str) -> float:
        return self.values[quantity]

    @property
    def change(self) -> float:
        """What pruning did to the accuracy, in shares of the test images."""
        return self["accuracy"] - self["base_accuracy"]


def pruned(results: pd.DataFrame) -> list[Pruned]:
    """All pairs, in order; those without a valid value of what the figures need are left out."""
    if not {*_FACTORS, "quantity", "value", "verdict"} <= set(results.columns):
        return []
    rows = results[(results["verdict"] != "invalid") & results["value"].notna()]
    losses = rows["loss"].astype(str) if "loss" in rows.columns else USUAL_LOSS
    found: list[Pruned] = []
    keys = [rows["initial"].astype(float), rows["final"].astype(float), losses]
    for (initial, final, loss), group in rows.assign(_loss=losses).groupby([*keys[:2], "_loss"]):
        parts = {str(name): part["value"].astype(float) for name, part in group.groupby("quantity")}
        if any(name not in parts for name in _NEEDED):
            continue
        accuracy = parts["accuracy"]
        found.append(
            Pruned(
                float(str(initial)),
                float(str(final)),
                str(loss),
                {name: float(values.mean()) for name, values in parts.items()},
                float(accuracy.min()),
                float(accuracy.max()),
                len(accuracy),
                str(group["origin"].iloc[0]),
            )
        )
    return found


def grid(
    points: Sequence[Pruned], value: Callable[[Pruned], float]
) -> tuple[list[float], list[float], list[list[float]]]:
    """(initial sparsities, final sparsities, values): a row for each final one; NaN where a pair was not tried."""
    initials = sorted({point.initial for point in points})
    finals = sorted({point.final for point in points})
    at = {(point.initial, point.final): value(point) for point in points}
    return initials, finals, [[at.get((initial, final), float("nan")) for initial in initials] for final in finals]
