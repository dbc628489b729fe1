# SPDX-License-Identifier: Apache-2.0
"""Networks from files of other programs: Keras (.keras, .h5) and TensorFlow Lite (.tflite, of floating point).

Each module has ``read(path, scale) -> Network``. What a file says is checked as if a stranger had written it; a layer
that this package has no kind for is refused by name, never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinynet.architecture import as_layers_see_it, check
from tinynet.errors import TinynetError
from tinynet.network import InputScale, Layer, Network

SUFFIXES = (".keras", ".h5", ".hdf5", ".tflite")


def read_network(path: Path, scale: InputScale, input_shape: Sequence[int] | None = None) -> Network:
    """Read a file by its suffix. Such files do not say how bytes become inputs: ``scale`` does.

    ``input_shape``: that of the data, where the network takes its values in one row. Raises :class:`TinynetError`.
    """
    if not path.is_file():
        raise TinynetError(f"there is no file {path}")
    if path.suffix in {".keras", ".h5", ".hdf5"}:
        from tinynet.sources.keras_file import read
    elif path.suffix == ".tflite":
        from tinynet.sources.tflite_file import read
    else:
        raise TinynetError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
    try:
        network = read(path, scale)
        if input_shape is not None:
            network = _taking(network, as_layers_see_it(input_shape))
        check(network)
    except TinynetError as error:
        raise TinynetError(f"{path}: {error}") from None
    return network


def _taking(network: Network, shape: tuple[int, ...]) -> Network:
    """The network with a flattening before it that makes one row of examples of that shape."""
    if network.input_shape == shape:
        return network
    if network.input_shape != (math.prod(shape),):
        raise TinynetError(f"it takes inputs of shape {network.input_shape}, which {shape} is not")
    flatten = Layer("flatten", "flatten the input")
    return replace(network, input_shape=shape, layers=(flatten, *network.layers))
