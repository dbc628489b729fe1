# SPDX-License-Identifier: Apache-2.0
"""The program's commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tinynet.cli.commands import run_command
from tinynet.errors import TinynetError

COMMANDS = {
    "train": "train a network on images",
    "prune": "set small weights to zero, gradually, while training goes on",
    "convert": "read a network from a Keras or TFLite file",
    "quantize": "make an 8-bit network of a trained one, and prove that nothing overflows",
    "export": "write a quantised network as C",
    "infer": "run a network on images, and say how many it names rightly",
    "firmware": "build a microcontroller's firmware around a quantised network",
}
"""Name → what it does. The module is ``tinynet.cli.NAME``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 done, 1 it failed, 2 wrong arguments or files."""
    parser = argparse.ArgumentParser(prog="tn.py", description="Small networks from data to microcontroller")
    return run_command(parser, COMMANDS, "tinynet.cli", (TinynetError,), argv)
