"""What a .tflite file is made from, and the key that stands for all of it."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lab.errors import UsageError
from lab.networks.building.compress import CLUSTERS, COMPRESSED_KINDS, PLAIN, SKIPPED, SPARSITY
from lab.networks.building.images import COUNT, representative_images
from lab.networks.building.weights import trained_weights
from lab.networks.tables import UNCOMPRESSED, Network, Variation, load_network, variations

RECIPE: Final = 1
"""Goes up with every change to how files are made, so that files made before are made again."""

DEFAULT_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user decides: the seed of everything drawn, how ``PWQ`` is clustered, whose images and weights."""

    seed: int = DEFAULT_SEED
    clustering: str = PLAIN
    dataset: Path | None = None
    weights: Path | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one file is made. ``facts`` is what its metadata says of that, and what its key is made from."""

    variation: Variation
    weights_file: Path | None
    whole: bool
    facts: Mapping[str, Any] = field(hash=False)

    @property
    def key(self) -> str:
        """A hash of everything that the file's content depends on."""
        text = json.dumps(self.facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def recipes(wanted: Sequence[Variation], choices: Choices, versions: Mapping[str, str]) -> list[Recipe]:
    """The recipe of each variation, where the tools have these versions.

    Raises :class:`lab.errors.UsageError` or :class:`lab.errors.DataError` if there are no such images or weights.
    """
    images = representative_images(choices.dataset, choices.seed, COUNT).facts
    sources = {
        (item.network, item.input_size): _weights_source(load_network(item.network, item.input_size), choices)
        for item in wanted
    }
    return [_recipe(item, choices, versions, images, *sources[item.network, item.input_size]) for item in wanted]


def _recipe(
    item: Variation,
    choices: Choices,
    versions: Mapping[str, str],
    images: Mapping[str, Any],
    weights: dict[str, Any],
    file: Path | None,
) -> Recipe:
    facts = {
        "recipe": RECIPE,
        "name": item.name,
        "seed": choices.seed,
        "weights": weights,
        "compression": compression_facts(item.compression, choices.clustering),
        "dataset": dict(images) if item.is_quantized else None,
        "versions": dict(versions),
    }
    return Recipe(item, file, bool(weights.get("whole")), facts)


def _weights_source(network: Network, choices: Choices) -> tuple[dict[str, Any], Path | None]:
    if choices.weights is None:
        return {"kind": "seeded"}, None
    file, whole = trained_weights(choices.weights, network)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return {"kind": "file", "file": file.name, "whole": whole, "sha256": digest}, file


def compression_facts(compression: str, clustering: str) -> dict[str, Any]:
    """What a compression such as ``PWQ`` does, in metadata's words."""
    pruned, clustered, quantized = ("P" in compression, "W" in compression, "Q" in compression)
    if compression == UNCOMPRESSED:
        pruned = clustered = quantized = False
    return {
        "name": compression,
        "pruning": {"schedule": "constant", "sparsity": SPARSITY, "fine_tuning": None} if pruned else None,
        "clustering": {
            "clusters": CLUSTERS,
            "centroids": "linear",
            "kind": clustering,
            "fine_tuning": None,
            "bias_correction": "empirical",
        }
        if clustered
        else None,
        "quantization": {"weights": "int8", "activations": "int8", "input": "int8", "output": "int8"}
        if quantized
        else None,
        "layers": list(COMPRESSED_KINDS) if pruned or clustered else [],
        "skipped": dict(SKIPPED) if pruned or clustered else {},
    }


def chosen_variations(patterns: Sequence[str]) -> list[Variation]:
    """The variations that patterns name, in the study's order; all 33 without patterns.

    A pattern is a file name (``MobileNet_PQ_32.tflite``: that file alone), or words that must each fit the network, the
    compression (``none``, ``PQ``, ``PWQ``) or the input size, with ``*`` and ``?`` as in file names: ``MobileNet``,
    ``VGG16 32``, ``PQ 75``. Case does not matter.

    Raises :class:`lab.errors.UsageError` for a pattern that fits none.
    """
    every = variations()
    chosen = set()
    for pattern in patterns:
        fitting = [item for item in every if _fits(item, pattern)]
        if not fitting:
            raise UsageError(
                f"no network fits {pattern!r}",
                advice="name a network, a compression (none, PQ, PWQ), an input size, or several: 'MobileNet 32'",
            )
        chosen.update(fitting)
    return [item for item in every if item in chosen or not patterns]


def _fits(item: Variation, pattern: str) -> bool:
    text = pattern.strip().lower()
    if text.endswith(".tflite"):
        return fnmatch.fnmatchcase(item.file_name.lower(), text)
    parts = [item.network.lower(), item.compression.lower(), str(item.input_size)]
    words = re.split(r"[\s_-]+", text)
    return all(any(fnmatch.fnmatchcase(part, word) for part in parts) for word in words)
