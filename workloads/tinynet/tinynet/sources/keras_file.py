# SPDX-License-Identifier: Apache-2.0
"""Reads models that Keras saved, ``.keras`` and ``.h5``, with h5py alone: Keras itself need not be there."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError
from tinynet.network import Function, InputScale, Layer, Network

Arrays = Sequence[NDArray[np.float32]]

_LARGEST_WEIGHTS = 1 << 28
"""Bytes of weights that a ``.keras`` file may unpack to."""
_NOTHING_AT_INFERENCE = ("InputLayer", "Dropout", "GaussianNoise", "ActivityRegularization")
_ACTIVATIONS = ("relu", "tanh", "sigmoid", "softmax")


def read(path: Path, scale: InputScale) -> Network:
    """A model whose layers follow one another. Raises :class:`TinynetError` for any other, or without h5py."""
    try:
        import h5py
    except ImportError:
        raise TinynetError("reading Keras files needs h5py: pip install h5py") from None
    try:
        if path.suffix == ".keras":
            config, weights = _from_archive(path, h5py)
        else:
            config, weights = _from_hdf5(path, h5py)
        return _network(config, weights, scale)
    except (OSError, zipfile.BadZipFile) as error:
        raise TinynetError(f"not a Keras file, or damaged: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise TinynetError(f"not a Keras model of a kind that is read: {error!r}") from None


def _from_archive(path: Path, h5py: Any) -> tuple[dict[str, Any], dict[str, Arrays]]:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        entry = archive.getinfo("model.weights.h5")
        if entry.file_size > _LARGEST_WEIGHTS:
            raise TinynetError(f"{entry.file_size} bytes of weights are more than is read")
        contents = io.BytesIO(archive.read(entry))
    weights: dict[str, Arrays] = {}
    with h5py.File(contents, "r") as file:
        for group in file["layers"].values() if "layers" in file else ():
            variables = group.get("vars")
            if variables is not None and len(variables):
                name = variables.attrs.get("name", group.name.rpartition("/")[2])
                weights[_text(name)] = [_array(variables[str(i)]) for i in range(len(variables))]
    return config, weights


def _from_hdf5(path: Path, h5py: Any) -> tuple[dict[str, Any], dict[str, Arrays]]:
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise TinynetError("it holds weights without the model (saved with save_weights?)")
        config = json.loads(_text(file.attrs["model_config"]))
        weights: dict[str, Arrays] = {}
        for name, group in file["model_weights"].items():
            found = [_array(group[_text(weight)]) for weight in group.attrs.get("weight_names", ())]
            if found:
                weights[name] = found
    return config, weights


def _network(config: Mapping[str, Any], weights: Mapping[str, Arrays], scale: InputScale) -> Network:
    if config["class_name"] not in ("Sequential", "Functional", "Model"):
        raise TinynetError(f"a model of class {config['class_name']}; only Sequential and Functional ones are read")
    items = config["config"]["layers"]
    if config["class_name"] != "Sequential":
        _check_chain(items)
    layers = [layer for item in items for layer in _layers(item, weights)]
    facts = {"source": f"keras {config['config'].get('name', '')}".strip()}
    return Network(_input_shape(config, items), scale, tuple(layers), facts)


def _input_shape(config: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    first = items[0]["config"]
    shape = first.get("batch_shape") or first.get("batch_input_shape") or config["config"].get("build_input_shape")
    if not shape or any(side is None for side in shape[1:]):
        raise TinynetError("it does not say the shape of its input")
    return tuple(int(side) for side in shape[1:])


def _check_chain(items: Sequence[Mapping[str, Any]]) -> None:
    """Every layer takes the output of the one before it, and no other."""
    for before, item in itertools.pairwise(items):
        sources = list(_histories(item.get("inbound_nodes", [])))
        own = item.get("name", item["config"].get("name"))
        if sources != [before.get("name", before["config"].get("name"))]:
            raise TinynetError(f"layer {own} does not follow the one before it alone; only chains are read")


def _histories(node: Any) -> Iterator[str]:
    """Names of the layers that inbound nodes speak of, in the form of Keras 2 or 3."""
    if isinstance(node, Mapping):
        for value in node.values():
            yield from _histories(value)
    elif isinstance(node, list):
        if len(node) >= 3 and isinstance(node[0], str) and all(isinstance(value, int) for value in node[1:3]):
            yield node[0]
            return
        for value in node:
            yield from _histories(value)


def _layers(item: Mapping[str, Any], weights: Mapping[str, Arrays]) -> Iterator[Layer]:
    kind, config = str(item["class_name"]), item["config"]
    name = str(config["name"])
    if kind in _NOTHING_AT_INFERENCE:
        return
    if kind == "Dense":
        kernel, bias = _parameters(name, weights, config["units"])
        yield Layer("dense", name, np.ascontiguousarray(kernel.T), bias)
    elif kind == "Conv2D":
        _expect(name, config, {"data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1})
        size, stride = (_side(name, config, key) for key in ("kernel_size", "strides"))
        kernel, bias = _parameters(name, weights, config["filters"])
        filters = np.ascontiguousarray(kernel.transpose(3, 0, 1, 2))
        yield Layer("conv2d", name, filters, bias, size=size, stride=stride, padding=_padding(name, config))
    elif kind in ("MaxPooling2D", "AveragePooling2D"):
        _expect(name, config, {"data_format": "channels_last", "padding": "valid"})
        size, stride = _side(name, config, "pool_size"), _side(name, config, "strides")
        yield Layer("maxpool" if kind.startswith("Max") else "avgpool", name, size=size, stride=stride)
    elif kind == "Flatten":
        _expect(name, config, {"data_format": "channels_last"})
        yield Layer("flatten", name)
    elif kind == "ReLU":
        plain = {"max_value": None, "negative_slope": 0, "threshold": 0}
        _expect(name, config, plain)
        yield Layer("activation", name, function="relu")
    elif kind == "Softmax":
        _expect(name, config, {"axis": -1})
        yield Layer("activation", name, function="softmax")
    elif kind == "Activation":
        yield from _activation(name, config["activation"])
    else:
        raise TinynetError(f"layer {name}: there is no {kind} here")
    if kind in ("Dense", "Conv2D"):
        yield from _activation(f"{name} activation", config.get("activation", "linear"))


def _activation(name: str, function: Any) -> Iterator[Layer]:
    if function == "linear":
        return
    if function not in _ACTIVATIONS:
        raise TinynetError(f"layer {name}: there is no function {function} here")
    yield Layer("activation", name, function=cast("Function", function))


def _parameters(
    name: str, weights: Mapping[str, Arrays], outputs: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    arrays = weights.get(name, ())
    if not 1 <= len(arrays) <= 2 or arrays[0].shape[-1] != outputs:
        raise TinynetError(f"layer {name}: its weights are missing, or not those of {outputs} outputs")
    return arrays[0], arrays[1] if len(arrays) == 2 else np.zeros(outputs, np.float32)


def _padding(name: str, config: Mapping[str, Any]) -> Literal["valid", "same"]:
    if config["padding"] == "valid":
        return "valid"
    if config["padding"] == "same":
        return "same"
    raise TinynetError(f"layer {name}: there is no padding {config['padding']} here")


def _side(name: str, config: Mapping[str, Any], key: str) -> int:
    value = config[key]
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) != 2 or sides[0] != sides[1]:
        raise TinynetError(f"layer {name}: {key} {value}; only the same in both directions is read")
    return int(sides[0])


def _expect(name: str, config: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
    for key, value in usual.items():
        if config.get(key, value) != value:
            raise TinynetError(f"layer {name}: {key} {config[key]!r}; only {value!r} is read")


def _array(dataset: Any) -> NDArray[np.float32]:
    array = np.asarray(dataset)
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise TinynetError("weights that are no finite numbers")
    return array.astype(np.float32)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
