#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hdrnn by the training signature of a TFLite model, run by LiteRT on one thread."""

from __future__ import annotations

import sys

from hdrnn.launch import loading, prepare


def main() -> int:
    """Run the program; returns its exit code."""
    prepare(numpy="NumPy", ai_edge_litert="LiteRT")
    with loading():
        from hdrnn.program import run
        from hdrnn.tflite_training import TfliteEngine

    return run(sys.argv[1:], TfliteEngine)


if __name__ == "__main__":
    sys.exit(main())
