"""Answers as the process that builds a network does, in an instant: files hold no model, and say so.

Used by tests/networks/test_models_command.py in the place of an interpreter with Keras and TensorFlow. What is to go
wrong stands in STAND_IN: ``parameters`` (a layer has one too many), ``dense`` (pruning did not work), ``crash`` (the
process ends after the first file), ``mute`` (at once), ``refuse`` (the weights are not the network's), ``dead``
(nothing comes out of an operator).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

VERSIONS = {"python": "3.11.0", "keras": "3.99.0", "numpy": "2.0.0", "tensorflow": "2.99.0"}


def kernel(elements: int, build: dict[str, str]) -> dict[str, int]:
    """A kernel's statistics, as the compression would have them."""
    keeps = build["compression"] == "PQ" or (build["compression"] == "PWQ" and build["clustering"] == "sparse")
    zeros = (elements + 1) // 2 if keeps and os.environ.get("STAND_IN") != "dense" else 0
    return {"elements": elements, "zeros": zeros, "distinct": 16 if "W" in build["compression"] else elements}


def main() -> None:
    """Versions if that is asked for, else the answers to the request on standard input."""
    if "-c" in sys.argv:
        print(json.dumps(VERSIONS))
        return
    # What only building needs: the versions are asked for often.
    from lab.networks.building.compress import COMPRESSED_KINDS
    from lab.networks.building.metadata import table_row
    from lab.networks.building.weights import kernel_elements
    from lab.networks.tables import load_network

    print("chatter of a library", file=sys.stderr)
    mood = os.environ.get("STAND_IN")
    if mood == "mute":
        print("out of memory", file=sys.stderr)
        sys.exit(9)
    request = json.load(sys.stdin)
    if mood == "refuse":
        print(json.dumps({"event": "refused", "why": "ValueError: 13 layers, found 54"}))
        return
    network = load_network(request["network"], request["input_size"])
    rows = [table_row(layer) for layer in network.layers]
    if mood == "parameters":
        rows[1]["parameters"] += 1
    print(json.dumps({"event": "network", "layers": rows}), flush=True)
    for build in request["builds"]:
        print(json.dumps({"event": "begins", "file": build["file"]}), flush=True)
        Path(build["file"]).write_text(f"no model {json.dumps([request['seed'], build])}", encoding="utf-8")
        dtype = "float32" if build["compression"] == "none" else "int8"
        kernels = {
            layer.name: kernel(kernel_elements(layer), build)
            for layer in network.layers
            if layer.kind in COMPRESSED_KINDS
        }
        operators = [
            {
                "kind": "?",
                "weights": dtype,
                **kernels.get(layer.name, {**kernel(kernel_elements(layer), build), "zeros": 0}),
            }
            for layer in network.layers
            if layer.macs
        ]
        if mood == "dead":
            operators[7]["output_scale"] = 2e-6 / 255
        end = {"dtype": dtype, "shape": [1], "scale": None, "zero_point": None}
        answer = {"event": "built", "file": build["file"], "kernels": kernels, "operators": operators}
        print(json.dumps({**answer, "input": end, "output": end}), flush=True)
        if mood == "crash":
            print("Killed", file=sys.stderr)
            sys.exit(137)
    print(json.dumps({"event": "done", "peak_rss_bytes": 1_000_000}), flush=True)


if __name__ == "__main__":
    main()
