#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the models that ``hdrnn tflite`` trains with, one for each shape; needs TensorFlow.

hdrnn_tflite_model.py --out DIR --batch_size 10 --shape 32 --shape 32,16
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hdrnn.launch import prepare


def main() -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(description="Write the TFLite models of trainings.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where they go (made if absent)")
    parser.add_argument("--batch_size", type=int, default=10, metavar="N", help="images per step (10)")
    parser.add_argument("--shape", action="append", required=True, metavar="32,16", help="neurons of the hidden layers")
    options = parser.parse_args()
    prepare(numpy="NumPy", tensorflow="TensorFlow")
    # Its notes on standard error are no concern of anybody's here.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from hdrnn.errors import HdrnnError
    from hdrnn.netfile import write_whole
    from hdrnn.options import hidden_sizes
    from hdrnn.tflite_model import model_bytes
    from hdrnn.tflite_training import model_name

    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for shape in options.shape:
            sizes = hidden_sizes("--shape", shape)
            write_whole(options.out / model_name(sizes, options.batch_size), model_bytes(sizes, options.batch_size))
    except HdrnnError as error:
        print(f"hdrnn_tflite_model: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
