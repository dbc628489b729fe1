# SPDX-License-Identifier: Apache-2.0
"""Files of trained networks: ``NET.npz``, NumPy's own format, the same bytes for the same network.

The header says format, input shape, scale, layers and facts; ``000.weights``, ``000.bias``, … are the arrays of the
layers that have them, binary32. Files are read with suspicion: nothing in them is executed, shapes must fit, values
must be finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from tinynet.architecture import check
from tinynet.array_file import file_bytes, read_arrays, write_arrays
from tinynet.errors import TinynetError
from tinynet.network import Function, InputScale, Kind, Layer, Network

FORMAT = "tinynet.network/1"
_FLOAT = np.dtype("<f4")
_LARGEST_SIDE = 1 << 20
_WITH_WINDOWS = ("conv2d", "maxpool", "avgpool")
_WITH_WEIGHTS = ("dense", "conv2d")


def save(network: Network, path: Path) -> None:
    """Write a network; aside first, then under its name, so that no half file is ever there.

    Raises :class:`TinynetError` if the network does not hold together or the place cannot be written.
    """
    write_arrays(path, *_contents(network))


def to_bytes(network: Network) -> bytes:
    """The bytes of a network's file."""
    return file_bytes(*_contents(network))


def load(path: Path) -> Network:
    """Read a network. Raises :class:`TinynetError` for a file that is missing or not such a network."""
    header, arrays = read_arrays(Path(path))
    if header.get("format") != FORMAT:
        raise TinynetError(f"{path} is not a trained network ({FORMAT}); it says {header.get('format')!r}")
    try:
        network = _network(header, arrays)
        check(network)
    except TinynetError as error:
        raise TinynetError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise TinynetError(f"{path}: its header is damaged: {error}") from None
    return network


def header_of(network: Network, file_format: str) -> dict[str, Any]:
    """What a file says of a network besides its arrays."""
    return {
        "format": file_format,
        "input_shape": list(network.input_shape),
        "scale": [network.scale.offset, network.scale.divisor],
        "layers": [
            {
                "kind": layer.kind,
                "name": layer.name,
                "function": layer.function,
                "size": layer.size,
                "stride": layer.stride,
                "padding": layer.padding,
            }
            for layer in network.layers
        ],
        "facts": network.facts,
    }


def _contents(network: Network) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    check(network)
    header = header_of(network, FORMAT)
    arrays: dict[str, NDArray[Any]] = {}
    for index, layer in enumerate(network.layers):
        for part, array in (("weights", layer.weights), ("bias", layer.bias)):
            if array is not None:
                arrays[f"{index:03}.{part}"] = np.ascontiguousarray(array, _FLOAT)
    return header, arrays


def _network(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Network:
    shape = tuple(_whole(side, "input shape", 1) for side in header["input_shape"])
    offset, divisor = (float(value) for value in header["scale"])
    if not shape or not math.isfinite(offset) or not math.isfinite(divisor) or divisor == 0:
        raise TinynetError("its input shape or scale is damaged")
    layers = tuple(_layer(index, item, arrays) for index, item in enumerate(header["layers"]))
    if not isinstance(header["facts"], dict):
        raise TinynetError("its facts are damaged")
    parts = {f"{i:03}.{part}" for i, layer in enumerate(layers) if layer.weights is not None for part in _PARTS}
    if spare := sorted(set(arrays) - parts):
        raise TinynetError(f"the array {spare[0]} belongs to no layer")
    return Network(shape, InputScale(offset, divisor), layers, header["facts"])


_PARTS = ("weights", "bias")


def _layer(index: int, item: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Layer:
    kind, function = item["kind"], item["function"]
    where = f"layer {index}"
    if kind not in get_args(Kind) or item["padding"] not in ("valid", "same") or not isinstance(item["name"], str):
        raise TinynetError(f"{where}: of an unknown kind or padding")
    if (function is not None) != (kind == "activation") or function not in (None, *get_args(Function)):
        raise TinynetError(f"{where}: {kind} with function {function!r}")
    if kind != "conv2d" and item["padding"] != "valid":
        raise TinynetError(f"{where}: only convolutions are padded")
    size, stride = _whole(item["size"], where, int(kind in _WITH_WINDOWS)), _whole(item["stride"], where, 1)
    weights = bias = None
    if kind in _WITH_WEIGHTS:
        weights, bias = (_parameters(arrays, f"{index:03}.{part}") for part in _PARTS)
        expected = (size, size) if kind == "conv2d" else ()
        if weights.ndim != 2 + len(expected) or weights.shape[1:-1] != expected or bias.shape != weights.shape[:1]:
            raise TinynetError(f"{where}: weights of shape {weights.shape} with biases of shape {bias.shape}")
    return Layer(kind, item["name"], weights, bias, function, size, stride, item["padding"])


def _parameters(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    if name not in arrays:
        raise TinynetError(f"the array {name} is missing")
    array = arrays[name]
    if array.dtype != _FLOAT or array.ndim == 0 or array.size == 0:
        raise TinynetError(f"{name}: {array.dtype} of shape {array.shape}, expected binary32 numbers")
    if not np.isfinite(array).all():
        raise TinynetError(f"{name}: holds values that are not finite")
    return np.asarray(array, np.float32)


def _whole(value: object, what: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST_SIDE:
        raise TinynetError(f"{what}: {value!r} is no size")
    return value
