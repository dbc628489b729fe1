# SPDX-License-Identifier: Apache-2.0
"""Commands, found by name; a command's module is imported only when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from gesture.errors import GestureError
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


class Command(Protocol):
    """What a command's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The command's options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit code. Raises :class:`GestureError` for what the user can mend."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 done, 1 it failed, 2 wrong arguments, files or lines."""
    parser = argparse.ArgumentParser(prog="gestures.py", description="Gestures from sensor to network")
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        command = parsers.add_parser(name, help=text, description=text)
        if name == chosen:
            module = cast("Command", import_module(f"gesture.cli.{name}"))
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    args = parser.parse_args(words)
    try:
        return int(args.run(args))
    except (GestureError, TinynetError) as error:
        print(f"gestures.py {args.command}: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
