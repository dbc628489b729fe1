#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small networks from data to microcontroller: ``python3 tn.py COMMAND …``; ``tn.py --help`` lists the commands."""

import os
import sys
from pathlib import Path

# One thread: these networks are too small for more, and sums in one order give the same network each time. NumPy reads
# this when it is imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tinynet.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
