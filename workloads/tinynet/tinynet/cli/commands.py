# SPDX-License-Identifier: Apache-2.0
"""Running one of a program's commands, found by name; its module is imported only when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast


class Command(Protocol):
    """What a command's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The command's options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit code. Raises one of the program's errors for what the user can mend."""
        ...


def run_command(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, str],
    package: str,
    errors: tuple[type[Exception], ...],
    argv: Sequence[str] | None,
) -> int:
    """Run one of the ``commands`` (name → what it does), each the module of that name in ``package``.

    0 done, 1 it failed, 2 wrong arguments or one of the ``errors``, told in a line.
    """
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, text in commands.items():
        command = parsers.add_parser(name, help=text, description=text)
        if name == chosen:
            module = cast("Command", import_module(f"{package}.{name}"))
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    args = parser.parse_args(words)
    try:
        return int(args.run(args))
    except errors as error:
        print(f"{parser.prog} {args.command}: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
