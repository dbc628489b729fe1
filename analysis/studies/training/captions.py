"""What stands below the study's figures: its own sentence, and what this record shows beside it."""

from __future__ import annotations

from analysis.studies.training.claims import CLAIMS, Evidence

_DECIDING = {claim.says: claim for claim in CLAIMS}

ERROR = (
    "The draft asks for the error in accuracy and has no figure of it. All programs begin with the same weights and "
    "see the images in the same order, so that rounding alone makes them differ."
)
VARIATION = (
    "The draft asks for the coefficient of variation between the applications and has none. It is that of the "
    "implementations' means, not of repeats."
)
STOPPING = (
    "The study leaves early stopping out, for it would leave no standard setting to compare by. Here it follows from "
    "the accuracies of whole trainings, by the rule of the programs' --early-stop N: end after N epochs without a "
    "better one."
)
WEIGHTS = (
    "The draft asks for the error in weights and biases and has none. All programs begin with the same weights; a line "
    "that is not there is a program whose weights equal the reference's."
)
ULPS = (
    "The same difference in steps between neighbouring numbers of the program's own precision, for the median weight."
)
WEIGHT_ACCURACY = "Test images named rightly, minus the reference's: what rounding does to what the network is for."
PROFILE = (
    "The draft's section on profiling (6.2.3) is empty. Starting the program and reading the data are part of the "
    "process and of the bar."
)


def accuracy(evidence: Evidence) -> str:
    """Below figure 6.1."""
    return _held(
        evidence,
        "the implementations perform similarly in accuracy",
        "above 32 neurons in a layer the C program loses accuracy (a bug)",
        "another layer of 16 improves accuracy",
    )


def run_time(evidence: Evidence) -> str:
    """Below figure 6.2."""
    return _held(evidence, "… without significantly more run time; for larger networks even with less")


def memory(evidence: Evidence) -> str:
    """Below figure 6.3."""
    return _held(
        evidence,
        "peak memory does not depend on the hidden layers, in any implementation",
        "Eigen needs the least memory, NumPy the most",
    )


def by_epoch(evidence: Evidence) -> str:
    """Below the curves of accuracy."""
    return _held(evidence, "by epoch 30 the accuracy has dropped significantly (overfitting)")


def growth(evidence: Evidence) -> str:
    """Below run time against parameters."""
    return _held(evidence, "run time increases exponentially with the size of the network")


def _held(evidence: Evidence, *sentences: str) -> str:
    parts = []
    for sentence in sentences:
        outcome, found = _DECIDING[sentence].decide(evidence)
        parts.append(f"The study: {sentence}. Here: {outcome} ({found}).")
    return " ".join(parts)
