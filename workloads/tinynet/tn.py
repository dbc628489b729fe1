#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small networks from data to microcontroller: ``python3 tn.py COMMAND …``; ``tn.py --help`` lists the commands."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tinynet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
