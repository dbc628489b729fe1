"""What each figure of a gesture record shows, beside what the study says of its own."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.studies.gesture import printed
from analysis.studies.gesture.evidence import accuracy_settles, loss_change, loss_settles, mean, middle
from analysis.studies.gesture.passes import StudyPass, groups

EXAMPLE = (
    "The first captured performance of each gesture, from the sample that started the capture on. The study shows one "
    "performance of one gesture and does not name it."
)
SIZES = (
    f"The study's model of 113 kB came down to {printed.SMALL_BYTES:,} bytes, which it takes for a consequence of "
    "16-bit weights. The dashed line says why that cannot be: the weights alone take more in 16 bits. Its size is that "
    "of a file with 8-bit weights. And most of the 113 kB are not weights: a Keras file of a trained model holds the "
    "optimizer's state as well."
)


BOARD = (
    "The network in floating point, in whole numbers on the host, and on the microcontroller: the last two agree byte "
    "for byte, or the table below counts where not. The study ran its quantised network in an emulated environment."
)


def loss(passes: Sequence[StudyPass]) -> str:
    """Figure 4."""
    said = f"The study's losses reach saturation by epoch {printed.LOSS_SATURATES}. Here training's does by epoch "
    parts = [
        (name, middle([loss_settles([epoch.loss for epoch in item.output.epochs]) for item in members]))
        for name, members in groups(passes).items()
    ]
    return said + _listed(parts) + ". Validation's rises again where the network has learnt its examples by heart."


def accuracy(passes: Sequence[StudyPass]) -> str:
    """Figure 5."""
    said = f"The study's accuracy saturates by epoch {printed.ACCURACY_SATURATES}. Here training's does by epoch "
    parts = [
        (name, middle([accuracy_settles([epoch.accuracy for epoch in item.output.epochs]) for item in members]))
        for name, members in groups(passes).items()
    ]
    return said + _listed(parts) + "."


def form_loss(passes: Sequence[StudyPass]) -> str:
    """Figure 7."""
    parts = []
    for form, words in (("float16", "float16"), ("int8", "int8")):
        change = mean([loss_change(item.output, form) for item in passes])
        if change is not None:
            better = sum((loss_change(item.output, form) or 0.0) < 0 for item in passes)
            parts.append(
                f"{words} {change:+.5f} on average, less than before in {better} of {len(passes)}".replace("-", "−")
            )
    return (
        f"In the study the mean loss went from {printed.LOSS_BEFORE:.5f} to {printed.LOSS_AFTER:.5f}, a gain, it says. "
        f"Here, on training and validation set: {'; '.join(parts)} trainings. Rounding moves the loss either way."
    )


def _listed(parts: Sequence[tuple[str, int | None]]) -> str:
    return "; ".join(f"{'–' if epoch is None else epoch} ({name})" for name, epoch in parts)
