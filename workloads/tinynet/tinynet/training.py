# SPDX-License-Identifier: Apache-2.0
"""Trains a network on examples, batch by batch. The same seed gives the same network on the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinynet.architecture import check, shapes
from tinynet.data import Examples
from tinynet.errors import TinynetError
from tinynet.inference import batches
from tinynet.losses import LOSSES, Loss
from tinynet.network import Layer, Network
from tinynet.optimizers import OPTIMIZERS
from tinynet.passes import Parameters, Pass, make_pass

Floats = NDArray[np.float32]


class DivergedError(Exception):
    """Training left the finite numbers; there is no network to speak of."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to train; the defaults are those of the microcontroller study's tables 4.1 and 4.3."""

    epochs: int = 10
    batch: int = 64
    rate: float = 0.001
    optimizer: str = "adam"
    loss: str = "cross_entropy"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One time through the training examples.

    ``loss`` and ``accuracy`` are means over the epoch while the network changes, as Keras prints them; those of the
    tests are of the network after it. ``seconds`` are the training's, without the test.
    """

    epoch: int
    loss: float
    accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float


class Pruner(Protocol):
    """Something that holds weights at zero while training goes on."""

    def before_step(self, step: int, layers: dict[str, Floats]) -> None:
        """Before step ``step``, counted from 0: set weights to zero. ``layers`` are weights by the layer's name."""
        ...

    def at_end(self, layers: dict[str, Floats]) -> None:
        """After an epoch's last step."""
        ...


def train(
    network: Network,
    examples: Examples,
    tests: Examples,
    options: TrainingOptions,
    *,
    pruner: Pruner | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
) -> Network:
    """The network, trained further; the one given stays as it is.

    ``on_epoch`` hears of each epoch. Raises :class:`TinynetError` for options, labels or shapes that do not fit,
    :class:`DivergedError` if a loss or a weight is not finite.
    """
    session = _Session(network, options)
    session.check_labels(examples)
    session.check_labels(tests)
    train_inputs, test_inputs = session.fixed_part(examples), session.fixed_part(tests)
    generator = np.random.Generator(np.random.PCG64([options.seed, 1]))
    step = 0
    for epoch in range(1, options.epochs + 1):
        begin = time.perf_counter()
        order = generator.permutation(len(examples))
        loss_sum, right = 0.0, 0
        for first in range(0, len(order), options.batch):
            chosen = order[first : first + options.batch]
            if pruner is not None:
                pruner.before_step(step, session.weights)
            loss, hits = session.step(np.take(train_inputs, chosen, axis=0), examples.labels[chosen])
            loss_sum += loss * len(chosen)
            right += hits
            step += 1
        if pruner is not None:
            pruner.at_end(session.weights)
        if not np.isfinite(loss_sum) or not np.isfinite(session.parameters).all():
            raise DivergedError(f"diverged in epoch {epoch}: loss or weights are not finite; try a smaller rate")
        seconds = time.perf_counter() - begin
        test_loss, test_accuracy = session.test(test_inputs, tests.labels)
        result = EpochResult(epoch, loss_sum / len(examples), right / len(examples), test_loss, test_accuracy, seconds)
        if on_epoch is not None:
            on_epoch(result)
    return session.network()


def evaluate(network: Network, examples: Examples, loss: str = "cross_entropy") -> tuple[float, float]:
    """Mean loss, and the share of examples named rightly."""
    session = _Session(network, TrainingOptions(loss=loss))
    session.check_labels(examples)
    return session.test(session.fixed_part(examples), examples.labels)


class _Session:
    """A network in training: all its parameters in one array, each layer working on its part of it.

    Layers before the first one with weights give the same for an example in every epoch, so their outputs are computed
    once. The softmax at the end is the loss's affair.
    """

    def __init__(self, network: Network, options: TrainingOptions) -> None:
        check(network)
        _check_options(options)
        if not network.layers or network.layers[-1].function != "softmax":
            raise TinynetError("training needs softmax as the network's last layer")
        if len(shapes(network)[-1]) != 1:
            raise TinynetError("training needs one output per class; put flatten and dense before softmax")
        self._network = network
        self._classes = shapes(network)[-1][0]
        self._loss: Loss = LOSSES[options.loss]
        self._batch = options.batch
        start = next((i for i, layer in enumerate(network.layers) if layer.weights is not None), None)
        if start is None:
            raise TinynetError("the network has no weights to train")
        self._fixed = [make_pass(layer) for layer in network.layers[:start]]
        size = sum(a.size for layer in network.layers for a in (layer.weights, layer.bias) if a is not None)
        self.parameters = np.empty(size, np.float32)
        self._gradient = np.zeros(size, np.float32)
        self.weights: dict[str, Floats] = {}
        self._biases: dict[str, Floats] = {}
        self._passes: list[Pass] = []
        used = 0
        for index, layer in enumerate(network.layers[start:-1]):
            parameters, used = self._place(layer, used)
            self._passes.append(make_pass(layer, parameters, first=index == 0))
        self._optimizer = OPTIMIZERS[options.optimizer](size, options.rate)

    def _place(self, layer: Layer, used: int) -> tuple[Parameters | None, int]:
        if layer.weights is None or layer.bias is None:
            return None, used
        views: list[Floats] = []
        for array in (layer.weights, layer.bias):
            part = slice(used, used + array.size)
            used += array.size
            views += [self.parameters[part].reshape(array.shape), self._gradient[part].reshape(array.shape)]
        weights, weights_gradient, bias, bias_gradient = views
        weights[:], bias[:] = layer.weights, layer.bias
        self.weights[layer.name], self._biases[layer.name] = weights, bias
        return Parameters(weights, bias, weights_gradient, bias_gradient), used

    def check_labels(self, examples: Examples) -> None:
        if not len(examples):
            raise TinynetError("no examples")
        if int(examples.labels.max()) >= self._classes:
            raise TinynetError(f"a label is {examples.labels.max()}, the network has {self._classes} outputs")

    def fixed_part(self, examples: Examples) -> Floats:
        """What the layers without weights at the beginning make of the examples."""
        parts = []
        for part in batches(self._network, examples.inputs):
            for layer_pass in self._fixed:
                part = layer_pass.forward(part)
            parts.append(part)
        return np.concatenate(parts)

    def _forward(self, inputs: Floats) -> Floats:
        for layer_pass in self._passes:
            inputs = layer_pass.forward(inputs)
        return inputs

    def step(self, inputs: Floats, labels: NDArray[np.uint8]) -> tuple[float, int]:
        """One batch: its mean loss and how many it names rightly, both before the step."""
        outputs = self._forward(inputs)
        loss, gradient = self._loss(outputs, labels)
        hits = int(np.count_nonzero(outputs.argmax(axis=1) == labels))
        for layer_pass in reversed(self._passes):
            gradient = layer_pass.backward(gradient)
        self._optimizer.step(self.parameters, self._gradient)
        return loss, hits

    def test(self, inputs: Floats, labels: NDArray[np.uint8]) -> tuple[float, float]:
        loss_sum, right = 0.0, 0
        for first in range(0, len(inputs), 500):
            part = slice(first, first + 500)
            outputs = self._forward(inputs[part])
            loss_sum += self._loss(outputs, labels[part])[0] * len(outputs)
            right += int(np.count_nonzero(outputs.argmax(axis=1) == labels[part]))
        return loss_sum / len(inputs), right / len(inputs)

    def network(self) -> Network:
        """The network with the parameters as they are now."""
        layers = tuple(
            replace(layer, weights=self.weights[layer.name].copy(), bias=self._biases[layer.name].copy())
            if layer.name in self.weights
            else layer
            for layer in self._network.layers
        )
        return replace(self._network, layers=layers)


def _check_options(options: TrainingOptions) -> None:
    if options.epochs < 0 or options.batch < 1:
        raise TinynetError("there must be at least one example in a batch, and no fewer than zero epochs")
    if not (np.isfinite(options.rate) and options.rate > 0):
        raise TinynetError(f"rate {options.rate}: expected a number above zero")
    for value, known, what in ((options.optimizer, OPTIMIZERS, "optimizer"), (options.loss, LOSSES, "loss")):
        if value not in known:
            raise TinynetError(f"{what} {value!r}: expected one of {', '.join(known)}")
