"""The JSON file beside each .tflite file, and what must hold between the two, the layer tables and Table 2.1."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lab.errors import DataError
from lab.networks.building.compress import CLUSTERS, COMPRESSED_KINDS, PLAIN
from lab.networks.building.definitions import times
from lab.networks.building.recipe import Recipe
from lab.networks.building.weights import kernel_elements
from lab.networks.tables import Layer, load_network, parse_variation

SCHEMA: Final = "lab.model/1"

TABLE_2_1: Final = {
    ("InceptionV3", 75): 22_353_028,
    ("InceptionV3", 128): 23_925_892,
    ("ResNet50", 32): 24_137_956,
    ("ResNet50", 75): 28_332_260,
    ("ResNet50", 128): 32_002_276,
    ("MobileNet", 32): 3_516_964,
    ("MobileNet", 75): 4_303_396,
    ("MobileNet", 128): 7_449_124,
    ("VGG16", 32): 14_871_716,
    ("VGG16", 75): 15_264_932,
    ("VGG16", 128): 16_837_796,
}
"""Parameters as printed in Table 2.1 of E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or Offloading*,
Chalmers 2022. Its depths are those of Keras's list of applications, with other tops; MobileNet's is MobileNetV2's."""


NOTHING_COMES_OUT: Final = 1e-8
"""Below it, the step of a quantised output is what the converter gives to values that are all zero (2·10⁻⁶ / 255)."""


def metadata_path(model: Path) -> Path:
    """Where the metadata of a .tflite file is."""
    return model.with_suffix(".json")


def made_metadata(
    recipe: Recipe, content: bytes, layers: list[dict[str, Any]], built: Mapping[str, Any]
) -> dict[str, Any]:
    """The metadata of a file just built; ``layers`` and ``built`` are the worker's answers."""
    kernels: Mapping[str, Mapping[str, int]] = built["kernels"]
    rows = [{**row, "kernel_weights": kernels.get(row["name"])} for row in layers]
    weighted = [row for row in built["operators"] if "weights" in row]
    item = recipe.variation
    return {
        "schema": SCHEMA,
        "file": item.file_name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, 6, mtime=0)),
        "network": item.network,
        "input_size": item.input_size,
        **recipe.facts,
        "key": recipe.key,
        "parameters": sum(row["parameters"] for row in rows),
        "depth": sum(row["parameters"] > 0 for row in rows),
        "macs": sum(row["macs"] for row in rows),
        "sparsity": sum(row["zeros"] for row in weighted) / sum(row["elements"] for row in weighted),
        "input": built["input"],
        "output": built["output"],
        "layers": rows,
        "operators": built["operators"],
    }


def read_metadata(model: Path) -> dict[str, Any]:
    """The metadata beside a .tflite file.

    Raises :class:`lab.errors.DataError` if there is none, or it is damaged.
    """
    path = metadata_path(model)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{model} has no metadata: there is no {path.name} beside it",
            advice="`lab models build` writes it with the model",
        ) from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise DataError(f"{path} is no metadata of a model ({SCHEMA})")
    return found


def check_model(model: Path, metadata: Mapping[str, Any]) -> None:
    """Hold a file and its metadata against each other, the layer tables and Table 2.1.

    Raises :class:`lab.errors.DataError` with everything that does not agree.
    """
    try:
        content = model.read_bytes()
    except OSError as error:
        raise DataError(f"{model}: {error.strerror or error}") from None
    wrong = []
    if len(content) != metadata.get("bytes") or hashlib.sha256(content).hexdigest() != metadata.get("sha256"):
        wrong.append("the file is not the one that the metadata describes (SHA-256)")
    try:
        wrong += mismatches(metadata)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        wrong.append(f"the metadata is incomplete: {type(error).__name__}: {error}")
    if wrong:
        raise DataError(f"{model.name}: " + "; ".join(wrong))


def mismatches(metadata: Mapping[str, Any]) -> list[str]:
    """What in a model's metadata is not as the study's table, the lab's layer tables and its compression demand."""
    return [*_network_mismatches(metadata), *_compression_mismatches(metadata)]


def _network_mismatches(metadata: Mapping[str, Any]) -> Iterator[str]:
    item = parse_variation(metadata["name"])
    network = load_network(item.network, item.input_size)
    printed = TABLE_2_1[item.network, item.input_size]
    if metadata["parameters"] != printed:
        yield f"{metadata['parameters']} parameters, and Table 2.1 has {printed}"
    if metadata["depth"] != network.depth:
        yield f"{metadata['depth']} layers with parameters, and the layer table has {network.depth}"
    if len(metadata["layers"]) != len(network.layers):
        yield f"{len(metadata['layers'])} layers, and the layer table has {len(network.layers)}"
    for row, layer in zip(metadata["layers"], network.layers, strict=False):
        if different := [name for name, value in table_row(layer).items() if row[name] != value]:
            yield f"layer {layer.name}: not as in the layer table: {', '.join(different)}"
    found = sorted(row["elements"] for row in metadata["operators"] if "weights" in row)
    expected = sorted(kernel_elements(layer) for layer in network.layers if layer.macs)
    if found != expected:
        yield f"{len(found)} operators with weights, not of the sizes of the layer table's {len(expected)} kernels"


def _compression_mismatches(metadata: Mapping[str, Any]) -> Iterator[str]:
    compression = metadata["compression"]
    dtype = "int8" if compression["quantization"] else "float32"
    for end in ("input", "output"):
        if metadata[end]["dtype"] != dtype:
            yield f"{end} is {metadata[end]['dtype']}, not {dtype}"
    if any(row.get("weights", dtype) != dtype for row in metadata["operators"]):
        yield f"not all weights are {dtype}"
    for number, row in enumerate(metadata["operators"]):
        if (scale := row.get("output_scale")) is not None and scale < NOTHING_COMES_OUT:
            yield f"operator {number} ({row['kind']}): nothing but zero comes out, and not every kernel can run that"
    pruning, clustering = compression["pruning"], compression["clustering"]
    keeps_zeros = pruning and not (clustering and clustering["kind"] == PLAIN)
    for row in metadata["layers"]:
        if row["kind"] not in COMPRESSED_KINDS:
            continue
        kernel = row["kernel_weights"]
        kept = max(round(kernel["elements"] * (1 - pruning["sparsity"])), 1) if pruning else kernel["elements"]
        if keeps_zeros and kernel["zeros"] < kernel["elements"] - kept:
            yield f"layer {row['name']}: {kernel['zeros']} zeros, at least {kernel['elements'] - kept} were to be"
        if clustering and kernel["distinct"] > CLUSTERS:
            yield f"layer {row['name']}: {kernel['distinct']} different weights after clustering to {CLUSTERS}"
    zeros = sum(row["kernel_weights"]["zeros"] for row in metadata["layers"] if row["kernel_weights"])
    if keeps_zeros and sum(row.get("zeros", 0) for row in metadata["operators"]) < zeros:
        yield "zeros were lost in conversion"


def table_row(layer: Layer) -> dict[str, Any]:
    """A layer of the lab's table, as Keras's definition gives it."""
    return {
        "name": layer.name,
        "kind": layer.kind,
        "parameters": layer.parameters,
        "macs": layer.macs,
        "input_elements": layer.input_elements,
        "output_elements": layer.output_elements,
        "kernel": times(layer.kernel),
        "stride": times(layer.stride),
        "output_shape": times(layer.output_shape),
    }
