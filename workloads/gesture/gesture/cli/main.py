# SPDX-License-Identifier: Apache-2.0
"""The program's commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from gesture.errors import GestureError
from tinynet.cli.commands import run_command
from tinynet.errors import TinynetError

COMMANDS = {
    "sensor": "a simulated sensor and board behind a pseudo terminal, in real time",
    "collect": "perform gestures before the simulated sensor and capture them, one CSV file per gesture",
    "capture": "capture a gesture from a board on a serial port",
    "dataset": "make captured gestures files that tn.py trains on and quantises with",
    "study": "train, shrink and judge the study's network, saying each step",
    "inputs": "unseen gestures as the bytes that a microcontroller takes",
    "classify": "name gestures as they come from a board on a serial port",
}
"""Name → what it does. The module is ``gesture.cli.NAME``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 done, 1 it failed, 2 wrong arguments, files or lines."""
    parser = argparse.ArgumentParser(prog="gestures.py", description="Gestures from sensor to network")
    return run_command(parser, COMMANDS, "gesture.cli", (GestureError, TinynetError), argv)
