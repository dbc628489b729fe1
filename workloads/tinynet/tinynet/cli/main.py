# SPDX-License-Identifier: Apache-2.0
"""Commands, found by name; a command's module is imported only when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

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


class Command(Protocol):
    """What a command's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The command's options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit code. Raises :class:`TinynetError` for what the user can mend."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 done, 1 it failed, 2 wrong arguments or files."""
    parser = argparse.ArgumentParser(prog="tn.py", description="Small networks from data to microcontroller")
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        command = parsers.add_parser(name, help=text, description=text)
        if name == chosen:
            module = cast("Command", import_module(f"tinynet.cli.{name}"))
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    args = parser.parse_args(words)
    try:
        return int(args.run(args))
    except TinynetError as error:
        print(f"tn.py {args.command}: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
