#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gestures from sensor to network: ``python3 gestures.py COMMAND …``; ``gestures.py --help`` lists the commands."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tinynet"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from gesture.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
