"""What the study says of training, each sentence held against a record. A sentence that a record cannot decide is said
to be undecided, never true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.studies.training.growth import EXPONENTIAL, LINEAR, POWER, laws
from analysis.studies.training.points import Matrices, value_of
from analysis.studies.training.trainings import Trainings

if TYPE_CHECKING:
    import pandas as pd

HOLDS, FAILS, PARTLY, OPEN = "holds", "does not hold", "holds in part", "not decided"
_SIMILAR = 0.01
"""Accuracies within a percentage point are 'similar'."""
_SAME_MEMORY = 1.05
_CLEARLY = 1.5
"""A law whose points lie so much farther off than another's is the wrong one."""
_DROP = 0.01
"""An accuracy that has fallen by more than a percentage point has dropped 'significantly'."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a record has to say: results by shape and implementation, and the trainings epoch by epoch."""

    matrices: Matrices
    trainings: Trainings


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the study, where it stands, and what decides it here: (outcome, what was found)."""

    says: str
    where: str
    decide: Callable[[Evidence], tuple[str, str]]


def claims_frame(evidence: Evidence) -> pd.DataFrame | None:
    """A row for each claim; ``None`` where the record is not a study of several shapes."""
    import pandas as pd

    if len(evidence.matrices.shapes) < 2:
        return None
    rows = []
    for claim in CLAIMS:
        outcome, found = claim.decide(evidence)
        rows.append({"the study says": claim.says, "where": claim.where, "here": outcome, "because": found})
    return pd.DataFrame(rows)


# ---------------------------------------------------------------------------------------------------------- accuracy


def _similar(evidence: Evidence) -> tuple[str, str]:
    accuracy = evidence.matrices.values("accuracy")
    widest, at = 0.0, ""
    for shape in evidence.matrices.shapes:
        here = {name: value_of(accuracy, shape, name) for name in evidence.matrices.implementations}
        known = [value for value in here.values() if value is not None]
        if len(known) > 1 and (not at or max(known) - min(known) > widest):
            widest, at = max(known) - min(known), shape
    if not at:
        return OPEN, "fewer than two implementations"
    return (HOLDS if widest <= _SIMILAR else FAILS), f"they differ by {100 * widest:.2f} % points at most ({at})"


def _wide_c(evidence: Evidence) -> tuple[str, str]:
    accuracy = evidence.matrices.values("accuracy")
    first = evidence.matrices.implementations[0]
    wide = [shape for shape in evidence.matrices.shapes if _widest(shape) > 32]
    worst: tuple[float, str] | None = None
    for shape in wide:
        own = value_of(accuracy, shape, first)
        others = [value_of(accuracy, shape, name) for name in evidence.matrices.implementations[1:]]
        known = [value for value in others if value is not None]
        if own is not None and known:
            behind = max(known) - own, shape
            worst = behind if worst is None else max(worst, behind)
    if worst is None:
        return OPEN, f"no shape above 32 with {first} and another implementation"
    text = f"{first} is {100 * worst[0]:.2f} % points behind the best of the others at most ({worst[1]})"
    return (HOLDS if worst[0] > _DROP else FAILS), text


def _widest(shape: str) -> int:
    """Neurons of the largest hidden layer; 0 for what is no shape."""
    return max((int(part) for part in shape.split(",") if part.strip().isdigit()), default=0)


def _pairs(matrices: Matrices) -> list[tuple[str, str]]:
    return [(one, f"{one},16") for one in matrices.shapes if f"{one},16" in matrices.shapes]


def _layer_helps(evidence: Evidence) -> tuple[str, str]:
    accuracy = evidence.matrices.values("accuracy")
    gains = []
    for one, two in _pairs(evidence.matrices):
        for name in evidence.matrices.implementations:
            before, after = value_of(accuracy, one, name), value_of(accuracy, two, name)
            if before is not None and after is not None:
                gains.append((after - before, f"{one} → {two}"))
    if not gains:
        return OPEN, "no shape with and without the layer of 16"
    least, most = min(gains), max(gains)
    outcome = HOLDS if least[0] > 0 else FAILS if most[0] <= 0 else PARTLY
    return outcome, f"{100 * least[0]:+.2f} ({least[1]}) to {100 * most[0]:+.2f} % points ({most[1]})"


def _layer_costs(evidence: Evidence) -> tuple[str, str]:
    times = evidence.matrices.values("elapsed_s")
    ratios = []
    for one, two in _pairs(evidence.matrices):
        for name in evidence.matrices.implementations:
            before, after = value_of(times, one, name), value_of(times, two, name)
            if before and after:
                ratios.append((after / before, f"{name}, {one} → {two}"))
    if not ratios:
        return OPEN, "no time with and without the layer of 16"
    least, most = min(ratios), max(ratios)
    outcome = HOLDS if most[0] < 1.1 and least[0] < 1 else FAILS if least[0] >= 1.1 else PARTLY
    return outcome, f"run time × {least[0]:.2f} ({least[1]}) to × {most[0]:.2f} ({most[1]})"


def _drops(evidence: Evidence) -> tuple[str, str]:
    drops = [
        (max(item.accuracies) - item.accuracies[-1], f"{item.implementation}, {item.shape}")
        for item in evidence.trainings.members
        if item.accuracies
    ]
    if not drops:
        return OPEN, "no accuracy per epoch"
    most = max(drops)
    share = sum(drop > _DROP for drop, _ in drops)
    outcome = FAILS if share == 0 else HOLDS if share == len(drops) else PARTLY
    text = f"{100 * most[0]:.2f} % points below the best epoch at most ({most[1]})"
    return outcome, f"{text}; more than {100 * _DROP:g} in {share} of {len(drops)} trainings"


# ------------------------------------------------------------------------------------------------------ time, memory


def _exponential(evidence: Evidence) -> tuple[str, str]:
    parameters, times = evidence.matrices.values("parameters"), evidence.matrices.values("user_s")
    words, verdicts = [], set()
    for name in evidence.matrices.implementations:
        shapes = evidence.matrices.shapes
        pairs = [(value_of(parameters, shape, name), value_of(times, shape, name)) for shape in shapes]
        known = [(size, time) for size, time in pairs if size is not None and time is not None]
        off = {law.kind: law.off for law in laws([size for size, _ in known], [time for _, time in known])}
        if off:
            other = min((LINEAR, POWER), key=lambda kind: off[kind])
            words.append(f"{name}: {other} {100 * off[other]:.0f} % off, exponential {100 * off[EXPONENTIAL]:.0f} %")
            far = off[EXPONENTIAL] > _CLEARLY * off[other]
            verdicts.add(FAILS if far else HOLDS if off[other] > _CLEARLY * off[EXPONENTIAL] else OPEN)
    if not words:
        return OPEN, "too few shapes with a time"
    outcome = verdicts.pop() if len(verdicts) == 1 else PARTLY if HOLDS in verdicts else OPEN
    return outcome, "; ".join(words)


def _memory_constant(evidence: Evidence) -> tuple[str, str]:
    memory = evidence.matrices.values("peak_rss_bytes")
    ratios = {}
    for name in evidence.matrices.implementations:
        known = [value for shape in evidence.matrices.shapes if (value := value_of(memory, shape, name)) is not None]
        if len(known) > 1:
            ratios[name] = max(known) / min(known)
    if not ratios:
        return OPEN, "no memory of two shapes"
    constant = [name for name, ratio in ratios.items() if ratio <= _SAME_MEMORY]
    outcome = HOLDS if len(constant) == len(ratios) else PARTLY if constant else FAILS
    text = ", ".join(f"{name} × {ratio:.2f}" for name, ratio in ratios.items())
    return outcome, f"largest over smallest of the shapes: {text}"


def _memory_order(evidence: Evidence) -> tuple[str, str]:
    memory = evidence.matrices.values("peak_rss_bytes")
    means = {}
    for name in evidence.matrices.implementations:
        known = [value for shape in evidence.matrices.shapes if (value := value_of(memory, shape, name)) is not None]
        if known:
            means[name] = sum(known) / len(known) / 1024**2
    if not {"Eigen", "NumPy"} <= means.keys():
        return OPEN, "it takes Eigen and NumPy"
    order = sorted(means, key=lambda name: means[name])
    least, most = order[0] == "Eigen", order[-1] == "NumPy"
    outcome = HOLDS if least and most else PARTLY if least or most else FAILS
    return outcome, ", ".join(f"{name} {means[name]:.0f} MiB" for name in order)


CLAIMS = (
    Claim("the implementations perform similarly in accuracy", "6.1.1, figure 6.1", _similar),
    Claim("above 32 neurons in a layer the C program loses accuracy (a bug)", "6.1.1, figure 6.1", _wide_c),
    Claim("another layer of 16 improves accuracy", "6.1.1", _layer_helps),
    Claim("… without significantly more run time; for larger networks even with less", "6.1.1", _layer_costs),
    Claim("run time increases exponentially with the size of the network", "6.2.1, figure 6.2", _exponential),
    Claim(
        "peak memory does not depend on the hidden layers, in any implementation", "6.2.2, figure 6.3", _memory_constant
    ),
    Claim("Eigen needs the least memory, NumPy the most", "6.2.2, figure 6.3", _memory_order),
    Claim("by epoch 30 the accuracy has dropped significantly (overfitting)", "7.2", _drops),
)
