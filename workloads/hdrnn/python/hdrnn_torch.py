#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hdrnn in PyTorch, eager, on one thread."""

from __future__ import annotations

import sys

from hdrnn.launch import loading, prepare


def main() -> int:
    """Run the program; returns its exit code."""
    prepare(numpy="NumPy", torch="PyTorch")
    with loading():
        from hdrnn.program import run
        from hdrnn.torch_eager import TorchEngine

    return run(sys.argv[1:], TorchEngine)


if __name__ == "__main__":
    sys.exit(main())
