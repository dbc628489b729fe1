# SPDX-License-Identifier: Apache-2.0
"""How good a form of the network is: accuracy and mean categorical cross-entropy on sets of gestures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gesture.training import GestureData
from tinynet.data import Examples
from tinynet.quantized import QuantizedNetwork

Shares = NDArray[np.floating]
Classifier = Callable[[NDArray[np.uint8]], Shares]
"""Inputs as bytes (n, 180) → shares of one for each gesture, (n, gestures)."""

LEAST_SHARE = 1e-7
"""A share below counts as this much (Keras's epsilon), so that one sure mistake does not make the loss infinite."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one set."""

    accuracy: float
    loss: float
    count: int


def judge(shares: Shares, labels: NDArray[np.integer]) -> Judgement:
    """Of equal shares the first is the choice."""
    right = float(np.mean(shares.argmax(axis=1) == labels))
    given = np.clip(shares[np.arange(len(labels)), labels].astype(np.float64), LEAST_SHARE, 1.0)
    return Judgement(right, abs(float(np.log(given).mean())), len(labels))


def judge_all(classifier: Classifier, data: GestureData) -> dict[str, Judgement]:
    """By set: ``training``, ``validation``, ``all`` (both, as in the study's figure 7), ``unseen`` if there is any."""
    train, held = data.training, data.validation
    sets = {
        "training": train,
        "validation": held,
        "all": Examples(np.concatenate([train.inputs, held.inputs]), np.concatenate([train.labels, held.labels])),
    }
    if data.unseen is not None:
        sets["unseen"] = data.unseen
    return {name: judge(classifier(examples.inputs), examples.labels) for name, examples in sets.items()}


def integer_shares(network: QuantizedNetwork, outputs: NDArray[np.int8]) -> Shares:
    """Shares of one from a quantised network's outputs (n, gestures), which are the values before softmax."""
    values = outputs.astype(np.float64) * network.output_step
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
