"""Tables of the pruning grid: each pair's numbers, and the study's claims beside what came out."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.studies import StudyTable
from analysis.studies.mcu_pruning.points import Pruned


def grid_table(points: Sequence[Pruned]) -> StudyTable:
    """A row for each pair of sparsities and loss."""
    rows = [
        {
            "loss": point.loss,
            "initial": point.initial,
            "final": point.final,
            "zeros reached (%)": round(100 * point["sparsity"], 1),
            "accuracy (%)": round(100 * point["accuracy"], 2),
            "lowest (%)": round(100 * point.lowest_accuracy, 2),
            "highest (%)": round(100 * point.highest_accuracy, 2),
            "before (%)": round(100 * point["base_accuracy"], 2),
            "header's numbers (B)": round(point["int8_text_bytes"]),
            "AVR, without zeros (B)": round(point["avr_sparse_bytes"]),
            "AVR, all weights (B)": round(point["base_avr_dense_bytes"]),
            "trainings": point.trainings,
        }
        for point in points
    ]
    return StudyTable("grid", "Pruned networks", pd.DataFrame(rows), "Means over the trainings; the study prints none.")


def claims_table(points: Sequence[Pruned]) -> StudyTable | None:
    """The study's claims (sections 4.2.5, 5.1, 5.2 and 7), ours beside; ``None`` where nothing was pruned."""
    if not points:
        return None
    least, most = min(points, key=lambda p: (p.final, p.initial)), max(points, key=lambda p: (p.final, p.initial))
    low, high = min(points, key=lambda p: p.change), max(points, key=lambda p: p.change)
    text = [point["base_with_adam_bytes"] / point["int8_text_bytes"] for point in points]
    files = sorted({round(point["base_with_adam_bytes"] / point["float_bytes"], 2) for point in points})
    rows = [
        {
            "claim": "accuracy falls by 5 %, whatever the sparsity",
            "here": f"change of {_points(low.change)} at {_pair(low)} to {_points(high.change)} at {_pair(high)}; "
            f"{_points(least.change)} at {_pair(least)}",
        },
        {
            "claim": "pruning alone compresses by a constant factor, about 1.5",
            "here": f"a file with Adam's two means over one without them: {' and '.join(map(str, files))}, "
            f"whatever is zero; deflated, {_ratio(least, 'deflated_bytes')} at {_pair(least)} and "
            f"{_ratio(most, 'deflated_bytes')} at {_pair(most)}",
        },
        {
            "claim": "together with the conversion to C, compression grows with the sparsity",
            "here": f"of the header's text {min(text):.2f} to {max(text):.2f}: a zero is a shorter number. The "
            "bytes in flash are the same",
        },
        {
            "claim": "quantisation makes the model about 3 times smaller",
            "here": f"{least['base_float_bytes'] / least['base_int8_bytes']:.2f} times in bytes of flash; the study "
            "compares a file with the optimizer's state to a text of decimal numbers",
        },
        {
            "claim": "what a sparse form gives in flash: not in the study",
            "here": f"{most['base_avr_dense_bytes'] / most['avr_sparse_bytes']:.2f} times smaller at {_pair(most)}; "
            f"it pays from {_pays_from(points)}",
        },
    ]
    note = "Changes in points of accuracy, (initial → final). Loss: " + ", ".join(sorted({p.loss for p in points}))
    return StudyTable("claims", "The study's claims about pruning", pd.DataFrame(rows), note)


def _points(change: float) -> str:
    return f"{100 * change:+.1f}".replace("-", "−")


def _pair(point: Pruned) -> str:
    return f"({point.initial:g} → {point.final:g})"


def _ratio(point: Pruned, quantity: str) -> str:
    return f"{point[f'base_{quantity}'] / point[quantity]:.2f}"


def _pays_from(points: Sequence[Pruned]) -> str:
    smaller = [
        point["sparsity"] for point in points if point["avr_sparse_bytes"] < 0.995 * point["base_avr_dense_bytes"]
    ]
    return f"{min(smaller):.0%} zeros on" if smaller else "no sparsity that was tried"
