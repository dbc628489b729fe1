# SPDX-License-Identifier: Apache-2.0
"""The study's network, trained on captured gestures with tinynet: 180 inputs → 50 → 15 → one output per gesture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesture.errors import GestureError
from gesture.files import Performances
from gesture.scaling import as_bytes, scaled, shuffled
from tinynet.architecture import create_network
from tinynet.data import Examples, write_idx
from tinynet.network import Network
from tinynet.scales import SCALES, parse_scale
from tinynet.training import EpochResult, TrainingOptions, train

HIDDEN = (50, 15)
HELD_BACK = 0.2
INPUT_SCALES = ("unit", "signed")
"""The study's 0…1, and the same centred on zero."""

EPOCHS = 600
BATCH = 1
"""Of the tutorial that the study cites; the study does not say."""


@dataclass(frozen=True, slots=True, eq=False)
class GestureData:
    """What to train on, what to watch meanwhile (the study's validation), and what nobody has seen."""

    names: tuple[str, ...]
    training: Examples
    validation: Examples
    unseen: Examples | None

    @classmethod
    def split(cls, performances: Performances, seed: int, unseen: Performances | None = None) -> GestureData:
        """Shuffled by the seed, a fifth held back, all of it scaled and made bytes.

        Raises :class:`GestureError` if there are too few performances, or the unseen ones are of other gestures.
        """
        if unseen is not None and unseen.names != performances.names:
            raise GestureError(f"unseen: {', '.join(unseen.names)}; trained on: {', '.join(performances.names)}")
        chosen, held = shuffled(len(performances.labels), HELD_BACK, seed)
        if not len(held) or len(set(performances.labels[chosen])) < len(performances.names):
            raise GestureError(f"{len(performances.labels)} performances are too few to hold a fifth of them back")
        whole = examples_of(performances)
        return cls(
            performances.names,
            Examples(whole.inputs[chosen], whole.labels[chosen]),
            Examples(whole.inputs[held], whole.labels[held]),
            None if unseen is None else examples_of(unseen),
        )

    def write(self, folder: Path) -> None:
        """As IDX files, for ``tn.py``: ``train-…`` to train on, ``t10k-…`` the unseen (or the validation)."""
        folder.mkdir(parents=True, exist_ok=True)
        for part, examples in (("train", self.training), ("t10k", self.unseen or self.validation)):
            write_idx(folder / f"{part}-images-idx3-ubyte", examples.inputs)
            write_idx(folder / f"{part}-labels-idx1-ubyte", examples.labels)


def examples_of(performances: Performances) -> Examples:
    """Inputs as bytes (n, 180), labels (n,)."""
    return Examples(as_bytes(scaled(performances.values)), performances.labels.astype(np.uint8))


def layers_of(outputs: int) -> str:
    """The network in tinynet's words."""
    return " ".join([*(f"dense{width} relu" for width in HIDDEN), f"dense{outputs} softmax"])


def train_network(
    data: GestureData,
    options: TrainingOptions,
    scale: str = "unit",
    on_epoch: Callable[[EpochResult], None] | None = None,
) -> Network:
    """A network, trained; the same seed gives the same one. Raises what :func:`tinynet.training.train` raises."""
    if scale not in INPUT_SCALES:
        raise GestureError(f"scale {scale!r}: expected one of {', '.join(INPUT_SCALES)}")
    assert scale in SCALES
    width = data.training.inputs.shape[1]
    network = create_network(layers_of(len(data.names)), (width,), parse_scale(scale), options.seed)
    return train(network, data.training, data.validation, options, on_epoch=on_epoch)


def first_of_each(examples: Examples, count: int) -> Examples:
    """The first ``count`` of each gesture, or as many as there are, in their order."""
    labels = examples.labels
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]))
    return Examples(examples.inputs[chosen], labels[chosen])
