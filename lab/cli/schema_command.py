"""``lab schema``: the JSON Schema that lets an editor complete and check experiment, bench and scenario files."""

from __future__ import annotations

import argparse

from lab.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab schema``."""
    parser.add_argument("file", choices=["experiment", "bench", "offload"], help="which kind of file")


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    from lab.experiment.schema import schema_text

    print(schema_text(args.file), end="")
    return int(ExitCode.OK)
