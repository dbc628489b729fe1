"""Early stopping, worked out from trainings that ran to their end: where would it have stopped, and at what price?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.studies.training.trainings import Training, Trainings

PATIENCES = (1, 2, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class Stop:
    """What becomes of a training that stops after ``patience`` epochs without a better accuracy.

    ``epochs`` it trains, of ``planned``; ``best`` is the best accuracy until then and ``best_epoch`` the first with it;
    ``final`` the accuracy at the end of the whole training, ``highest`` the best of it; ``saved`` the share of the
    epochs that are saved.
    """

    patience: int
    epochs: int
    planned: int
    best: float
    best_epoch: int
    final: float
    highest: float
    saved: float

    @property
    def stopped(self) -> bool:
        """True if it stops before the last epoch."""
        return self.epochs < self.planned


def stop_of(accuracies: Sequence[float], patience: int) -> Stop:
    """Apply the rule of the programs' ``--early-stop``. Raises ``ValueError`` without an epoch."""
    if not accuracies:
        raise ValueError("no epoch to stop after")
    best, best_epoch, epochs = -1.0, 0, len(accuracies)
    for epoch, accuracy in enumerate(accuracies, start=1):
        if accuracy > best:
            best, best_epoch = accuracy, epoch
        elif epoch - best_epoch >= patience:
            epochs = epoch
            break
    saved = 1.0 - epochs / len(accuracies)
    return Stop(patience, epochs, len(accuracies), best, best_epoch, accuracies[-1], max(accuracies), saved)


def stops(trainings: Trainings) -> dict[str, tuple[Training, list[Stop]]]:
    """Shape → what each patience does to the first implementation's first repeat. All programs train the same."""
    found = {}
    for shape in trainings.shapes:
        firsts = [
            item
            for implementation in trainings.implementations
            if (item := trainings.first(implementation, shape)) is not None and len(item.accuracies) > 1
        ]
        if firsts:
            training = firsts[0]
            found[shape] = (
                training,
                [
                    stop_of(training.accuracies, patience)
                    for patience in PATIENCES
                    if patience < len(training.accuracies)
                ],
            )
    return found
