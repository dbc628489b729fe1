"""Taking back the shift that clustering gives to a layer's outputs, in the place of fine-tuning.

Plain clustering moves all pruned weights to one centroid beside zero. Behind a rectifier inputs are not negative, so
that such a shift adds up: without anything done about it whole layers die, and some of the files cannot be run at all,
because nothing is left to quantise. What is done is the empirical bias correction of M. Nagel et al., *Data-Free
Quantization Through Weight Equalization and Bias Correction* (2019), with the representative images:
layer by layer, the mean error of each output channel is taken from the layer's bias, or added to the mean that its
normalisation subtracts. Each layer is corrected for what really reaches it, after the layers before it have been.
Kernels stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Kernels = Mapping[str, NDArray[np.float32]]


def mean_errors(model: Any, kernels: Kernels, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Layer → by how much the mean of each of its channels is off with these kernels, over all images and positions.

    ``model`` has the kernels from before. Walks through its layers once, with the activations of both networks, the one
    from before and the corrected one, and forgets them when they have been used: (count, height, width, 3) images.
    """
    import tensorflow as tf

    uses = Counter(id(tensor) for layer in model.layers for tensor in _inputs(layer))
    values: dict[int, tuple[Any, Any]] = {id(model.inputs[0]): (tf.constant(images), tf.constant(images))}
    errors: dict[str, NDArray[np.float32]] = {}
    for layer in model.layers:
        if id(layer.output) in values:
            continue
        inputs = [values[id(tensor)] for tensor in _inputs(layer)]
        if layer.name in kernels:
            ((before, after),) = inputs
            kernel, *bias = layer.get_weights()
            wanted, found = _product(layer, before, kernel), _product(layer, after, kernels[layer.name])
            axes = list(range(found.shape.rank - 1))
            error = tf.reduce_mean(found, axes) - tf.reduce_mean(wanted, axes)
            errors[layer.name] = error.numpy()
            offset = bias[0] if bias else 0.0
            result = (layer.activation(wanted + offset), layer.activation(found - error + offset))
        else:
            result = (_applied(layer, [pair[0] for pair in inputs]), _applied(layer, [pair[1] for pair in inputs]))
        values[id(layer.output)] = result
        for tensor in _inputs(layer):
            uses[id(tensor)] -= 1
            if not uses[id(tensor)]:
                del values[id(tensor)]
    return errors


def correct_biases(model: Any, errors: Mapping[str, NDArray[np.float32]]) -> None:
    """Take the errors of :func:`mean_errors` from the model's biases, or add them to the means of normalisations."""
    for name, error in errors.items():
        layer = model.get_layer(name)
        arrays = layer.get_weights()
        if len(arrays) > 1:
            layer.set_weights([arrays[0], arrays[1] - error])
            continue
        follower = next(item for item in model.layers if item.input is layer.output)
        *others, mean, variance = follower.get_weights()
        follower.set_weights([*others, mean + error, variance])


def _inputs(layer: Any) -> list[Any]:
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _applied(layer: Any, inputs: list[Any]) -> Any:
    return layer(inputs if isinstance(layer.input, list) else inputs[0])


def _product(layer: Any, inputs: Any, kernel: NDArray[np.float32]) -> Any:
    """What the layer computes before its bias and its activation."""
    import tensorflow as tf

    if kernel.ndim == 2:
        return tf.matmul(inputs, kernel)
    return tf.nn.convolution(inputs, kernel, strides=layer.strides, padding=layer.padding.upper())
