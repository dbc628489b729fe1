"""``inputs/networks.json``: what the analysis needs to know of the networks of a campaign. Its shape::

{
  "schema": "lab.networks/1",
  "networks": {
    "MobileNet 32": {                  # network and input size, whatever the compression
      "network": "MobileNet", "input_size": 32,
      "parameters": 3516964, "depth": 56, "macs": 11873792,
      "layers": [                      # all Keras layers, in order; sizes in elements, for one image
        {"name": "conv1", "kind": "Conv2D", "parameters": 864, "macs": 221184,
         "input_elements": 3072, "output_elements": 8192}, ...
      ]
    }, ...
  },
  "points": [                          # one per distinct settings of the plan's trials
    {"settings": {...},                # equal to the trial's "settings" in the manifest
     "variation": "MobileNet PQ 32", "network": "MobileNet 32",
     "weight_bytes": 1, "activation_bytes": 1,     # 4 for float32
     "threads": 4, "accelerator": "cpu"},          # what it ran on; null where the workload does not know
    ...
  ]
}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.networks.tables import Network

FILE = "networks.json"
SCHEMA = "lab.networks/1"


@dataclass(frozen=True, slots=True)
class PointNetwork:
    """Which network a point of the matrix runs. ``title`` names its table, ``variation`` what was made of it."""

    settings: Mapping[str, Any]
    network: Network
    title: str
    variation: str
    element_bytes: int
    threads: int | None = None
    accelerator: str | None = None


def networks_file(points: Iterable[PointNetwork]) -> dict[str, bytes]:
    """The file, by its name, as a workload hands it to the record."""
    networks: dict[str, Any] = {}
    entries: list[dict[str, Any]] = []
    for point in points:
        entry = {
            "settings": dict(point.settings),
            "variation": point.variation,
            "network": point.title,
            "weight_bytes": point.element_bytes,
            "activation_bytes": point.element_bytes,
            "threads": point.threads,
            "accelerator": point.accelerator,
        }
        if entry in entries:
            continue
        entries.append(entry)
        networks.setdefault(point.title, _table(point.network))
    content = {"schema": SCHEMA, "networks": networks, "points": entries}
    return {FILE: (json.dumps(content, separators=(",", ":")) + "\n").encode()}


def _table(network: Network) -> dict[str, Any]:
    return {
        "network": network.name,
        "input_size": network.input_size,
        "parameters": network.parameters,
        "depth": network.depth,
        "macs": network.macs,
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "parameters": layer.parameters,
                "macs": layer.macs,
                "input_elements": layer.input_elements,
                "output_elements": layer.output_elements,
            }
            for layer in network.layers
        ],
    }
