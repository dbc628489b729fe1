"""``lab import``: read a recording made by other software."""

from __future__ import annotations

import argparse

from lab.cli import import_energyrunner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand for each kind of recording."""
    import_energyrunner.add_parser(parser.add_subparsers(dest="kind", metavar="KIND", required=True))


def run(args: argparse.Namespace) -> int:
    """Hand over to the kind's own module."""
    return import_energyrunner.run(args)
