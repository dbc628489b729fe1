#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hdrnn in NumPy, on one thread: a batch at a time, or with ``--per-sample`` image by image, as the study's program."""

from __future__ import annotations

import sys

from hdrnn.launch import loading, prepare


def main() -> int:
    """Run the program; returns its exit code."""
    prepare(numpy="NumPy")
    with loading():
        from hdrnn.numpy_batched import BatchedEngine
        from hdrnn.numpy_per_sample import PerSampleEngine
        from hdrnn.program import run

    return run(sys.argv[1:], BatchedEngine, {"--per-sample": PerSampleEngine})


if __name__ == "__main__":
    sys.exit(main())
