"""Weights where no trained ones are at hand: drawn from a seed, in NumPy, the same with every version of Keras.

Latency and energy of an inference do not depend on them; its answers do. Kernels are drawn as K. He et al., *Delving
deep into rectifiers* (2015), have it, normal with variance 2 / fan-in, which keeps activations in range through many
layers; normalisations get scales and statistics near those of a trained network, so that folding them has work to do.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lab.errors import UsageError
from lab.networks.tables import Layer, Network

Weights = NDArray[np.float32]

WITH_SCALE: Final = 4
"""Arrays of a normalisation: scale, offset, mean, variance; the scale is left out where an activation follows that does
not need it (InceptionV3)."""

PRETRAINED_FILES: Final = {
    "InceptionV3": "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "ResNet50": "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "MobileNet": "mobilenet_1_0_224_tf_no_top.h5",
    "VGG16": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
}
"""The names under which Keras publishes its ImageNet weights without top, and keeps them in ``~/.keras/models``."""


def trained_weights(folder: Path, network: Network) -> tuple[Path, bool]:
    """The file in a user's folder with trained weights of a network, and whether it holds the head too.

    ``MobileNet_32.weights.h5`` is one's own, of the whole network at that input size; else Keras's own file without
    top. Raises :class:`lab.errors.UsageError` if there is neither.
    """
    own = folder / f"{network.name}_{network.input_size}.weights.h5"
    if own.is_file():
        return own, True
    published = folder / PRETRAINED_FILES[network.name]
    if published.is_file():
        return published, False
    raise UsageError(
        f"{folder} has no weights of {network.title}: neither {own.name} nor {published.name}",
        advice="take the folder where Keras keeps what it loads (~/.keras/models), or leave --weights out",
    )


def seeded_weights(network: Network, seed: int) -> dict[str, list[Weights]]:
    """Layer → its arrays, in the order and shapes that Keras has them in."""
    title = zlib.crc32(network.title.encode())
    drawn: dict[str, list[Weights]] = {}
    for number, layer in enumerate(network.layers):
        if layer.parameters:
            drawn[layer.name] = _arrays(layer, np.random.Generator(np.random.PCG64([seed, title, number])))
    return drawn


def kernel_elements(layer: Layer) -> int:
    """Weights of a layer's kernel, biases apart; 0 for a layer that multiplies nothing."""
    channels = layer.output_shape[-1]
    return layer.macs * channels // layer.output_elements


def kernel_shape(layer: Layer) -> tuple[int, ...]:
    """The kernel's shape in Keras: height, width, input and output channels; depthwise 1 instead of the last; of a
    ``Dense`` layer inputs and neurons."""
    outputs = layer.output_shape[-1]
    if layer.kernel is None:
        return (layer.input_elements, outputs)
    height, width = layer.kernel
    if layer.kind == "DepthwiseConv2D":
        return (height, width, outputs, 1)
    return (height, width, kernel_elements(layer) // (height * width * outputs), outputs)


def _arrays(layer: Layer, generator: np.random.Generator) -> list[Weights]:
    channels = layer.output_shape[-1]
    if layer.kind == "BatchNormalization":
        scale, variance = (generator.uniform(0.75, 1.25, channels) for _ in range(2))
        offset, mean = (generator.normal(0, 0.1, channels) for _ in range(2))
        arrays = [scale, offset, mean, variance]
        return [array.astype(np.float32) for array in arrays[WITH_SCALE - layer.parameters // channels :]]
    shape = kernel_shape(layer)
    fan_in = shape[0] * shape[1] if layer.kind == "DepthwiseConv2D" else int(np.prod(shape[:-1]))
    kernel = generator.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / fan_in))
    if layer.parameters == kernel.size:
        return [kernel]
    return [kernel, generator.normal(0, 0.05, channels).astype(np.float32)]
