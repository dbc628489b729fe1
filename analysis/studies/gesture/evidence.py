"""What a gesture record shows of the study's claims: numbers made of the passes, no drawing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from analysis.readers.gesture import GestureOutput
from analysis.studies.gesture.passes import StudyPass

OWN_FORMS = ("float32", "float16", "dynamic", "int8", "int8_pow2")
TFLITE_FORMS = ("float32", "float16", "dynamic", "int8_float_io", "int8")
FORM_WORDS = {
    "float32": "float32",
    "float16": "float16",
    "dynamic": "dynamic (int8 weights)",
    "int8_float_io": "int8, float in and out",
    "int8": "int8",
    "int8_pow2": "int8, powers of two",
}
_NEAR_ACCURACY = 0.02
_NEAR_LOSS = 0.05


def accuracy_settles(accuracies: Sequence[float]) -> int | None:
    """The epoch from which on an accuracy stays within 0.02 of its last value; ``None`` without epochs."""
    return _settles(accuracies, _NEAR_ACCURACY)


def loss_settles(losses: Sequence[float]) -> int | None:
    """The epoch from which on a loss stays within a twentieth of where it began (at most) of its last value."""
    return _settles(losses, _NEAR_LOSS * max(losses[0], 1e-9)) if losses else None


def _settles(values: Sequence[float], near: float) -> int | None:
    if not values:
        return None
    away = [index for index, value in enumerate(values) if abs(value - values[-1]) > near]
    return (away[-1] + 2) if away else 1


def wilson(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share (E. B. Wilson, JASA 22, 1927)."""
    share = right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def share_words(accuracy: float, count: int) -> str:
    """``91.67 % (11 of 12; 95 % interval 64.6 to 98.5 %)``."""
    right = round(accuracy * count)
    low, high = wilson(right, count)
    return f"{100 * accuracy:.2f} % ({right} of {count}; 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"


def loss_change(output: GestureOutput, form: str, part: str = "all", maker: str = "own") -> float | None:
    """How much a form's mean loss lies above float32's; ``None`` if either is missing."""
    whole, small = output.form("float32"), output.form(form, maker)
    if whole is None or small is None or part not in whole.judged or part not in small.judged:
        return None
    return small.judged[part].loss - whole.judged[part].loss


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are there."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def middle(values: Sequence[int | None]) -> int | None:
    """The median of those that are there, rounded down."""
    known = [value for value in values if value is not None]
    return int(statistics.median_low(known)) if known else None


def pooled(passes: Sequence[StudyPass], part: str) -> tuple[float, int] | None:
    """Accuracy over the sets of all these passes together, and how many gestures that were; ``None`` if none."""
    judged = [item.output.trained[part] for item in passes if part in item.output.trained]
    count = sum(item.count for item in judged)
    return (sum(item.accuracy * item.count for item in judged) / count, count) if count else None
