"""``lab schema``: the JSON Schema that lets an editor complete and check experiment and bench files."""

from __future__ import annotations

import argparse
import json

from lab.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab schema``."""
    parser.add_argument("file", choices=["experiment", "bench"], help="which kind of file")


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    from lab.config.schema import json_schema

    print(json.dumps(json_schema(args.file), indent=2, ensure_ascii=False))
    return int(ExitCode.OK)
