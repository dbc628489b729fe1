"""Networks of fully connected layers alone, such as the one that reads digits (784-32-10), as layer tables.

Counted as Keras counts them: an input layer, which has no parameters and is a layer all the same, then one ``Dense``
layer for each further size, with a weight for every input and a bias for every neuron. Multiply-accumulates are those
of one inference: a bias is an addition, and activations are no work of this kind.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from lab.errors import UsageError
from lab.networks.tables import Layer, Network

ELEMENT_BYTES: Final = {"float64": 8, "float32": 4, "float16": 2, "int16": 2, "int8": 1}
"""Type of weights and activations → bytes of one."""


def dense_network(shape: str) -> Network:
    """The network with these sizes, inputs first: ``784,32,10``; commas, spaces or hyphens between them.

    Raises :class:`lab.errors.UsageError` if there are fewer than two sizes, or one is no positive whole number.
    """
    parts = [part for part in re.split(r"[\s,-]+", shape.strip()) if part]
    if len(parts) < 2 or not all(re.fullmatch(r"0*[1-9][0-9]{0,8}", part) for part in parts):
        raise UsageError(
            f"workload.network.dense: {shape!r} is no shape of a network",
            advice="name the number of inputs and of each layer's neurons, such as 784,32,10",
        )
    sizes = [int(part) for part in parts]
    layers = [_layer("input_layer", "InputLayer", 0, 0, 0, sizes[0])]
    layers += [
        _layer(f"dense_{number}", "Dense", neurons * (inputs + 1), neurons * inputs, inputs, neurons)
        for number, (inputs, neurons) in enumerate(pairwise(sizes), start=1)
    ]
    return Network("-".join(map(str, sizes)), sizes[0], tuple(layers))


def _layer(name: str, kind: str, parameters: int, macs: int, inputs: int, outputs: int) -> Layer:
    return Layer(name, kind, parameters, macs, inputs, outputs, kernel=None, stride=None, output_shape=(outputs,))
