# SPDX-License-Identifier: Apache-2.0
"""Write the layer tables of the benchmark's networks, computed from the Keras definitions.

    python workloads/networks/make_layer_tables.py --output lab/networks/data

Each network is a Keras application without its top, followed by Flatten, Dense(256, relu) and Dense(100): the head that
gives the parameter counts printed in E. Frennborn, A. Oliv, "Neural Networks, Edge Computing or Offloading", Chalmers
2022. Weights are not downloaded; only shapes matter here. One CSV file per network and input size, one row per Keras
layer, in the order of execution.

Columns: ``name``; ``kind`` (the Keras class); ``parameters`` (trainable or not); ``macs`` (multiply-accumulates of one
inference; 0 for layers that only move or compare data); ``input_elements`` (of all inputs together) and
``output_elements``, for one image; ``kernel`` and ``stride`` as HxW, empty where there is none; ``output_shape``
without the batch axis, as HxWxC.

The definitions themselves are in ``lab/networks/building/definitions.py``. Needs Keras 3 with any backend.
"""

from __future__ import annotations

import argparse
import csv
import io
import platform
import sys
from pathlib import Path

# Runs in whatever environment has Keras, where the lab need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab.networks.building.definitions import CLASSES, COLUMNS, HIDDEN_UNITS, base_model, layer_rows, with_head
from lab.networks.tables import INPUT_SIZES


def table(network: str, input_size: int) -> tuple[str, int, int]:
    """The CSV text of one network, its number of layers and its parameters."""
    import keras

    model = with_head(base_model(network, input_size))
    text = io.StringIO()
    text.write(
        f"# {network}, input {input_size}x{input_size}x3, without top, then Flatten, Dense({HIDDEN_UNITS}, relu), "
        f"Dense({CLASSES}). Made by workloads/networks/make_layer_tables.py with Keras {keras.__version__} "
        f"({keras.backend.backend()}), Python {platform.python_version()}.\n"
    )
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(layer_rows(model))
    return text.getvalue(), len(model.layers), int(model.count_params())


def main() -> int:
    """Write all tables into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Write the layer tables of the benchmark's networks.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the CSV files")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for network, input_sizes in INPUT_SIZES.items():
        for input_size in input_sizes:
            text, layers, parameters = table(network, input_size)
            path = arguments.output / f"{network}_{input_size}.csv"
            path.write_text(text, encoding="utf-8")
            print(f"{path}: {layers} layers, {parameters} parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
