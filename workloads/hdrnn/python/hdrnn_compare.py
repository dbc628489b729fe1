#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Says how far apart the parameters of networks are: ``hdrnn_compare.py REFERENCE.nn OTHER.nn ...``."""

from __future__ import annotations

import sys
from pathlib import Path

from hdrnn.launch import loading, prepare


def main() -> int:
    """Run the program; returns its exit code."""
    prepare(numpy="NumPy")
    with loading():
        import numpy as np

        from hdrnn.errors import HdrnnError
        from hdrnn.netfile import read_network

    if len(sys.argv) < 3:
        print("hdrnn_compare: expected the network files to compare, the reference first", file=sys.stderr)
        return 2
    try:
        reference, *others = [read_network(Path(path), np.dtype(np.float64)) for path in sys.argv[1:]]
    except HdrnnError as error:
        print(f"hdrnn_compare: {error}", file=sys.stderr)
        return error.exit_code
    for path, other in zip(sys.argv[2:], others, strict=True):
        if other.sizes != reference.sizes:
            print(f"hdrnn_compare: {path}: of another shape than {sys.argv[1]}", file=sys.stderr)
            return 2
        apart = other.parameters - reference.parameters
        rms = float(np.sqrt(np.mean(apart**2)))
        print(f"{path}: at most {np.abs(apart).max():.2g} apart, {rms:.2g} root mean square")
    return 0


if __name__ == "__main__":
    sys.exit(main())
