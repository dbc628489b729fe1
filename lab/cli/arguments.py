"""Options that several subcommands share, spelled and explained once."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_experiment_arguments(parser: argparse.ArgumentParser) -> None:
    """The experiment file, the bench to put it on, and overrides."""
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT.yaml", help="what to measure")
    parser.add_argument(
        "--bench", type=Path, metavar="BENCH.yaml", help="on what and with what (default: the one the experiment names)"
    )
    add_override_argument(parser)


def add_bench_argument(parser: argparse.ArgumentParser) -> None:
    """The bench whose meters are used, where no experiment names one."""
    parser.add_argument(
        "--bench",
        type=Path,
        metavar="BENCH.yaml",
        help="the meters of this bench (default: every Joulescope that is connected)",
    )


def duration(text: str) -> float:
    """Seconds of a time such as ``10s`` or ``2 min``, for argparse; must be longer than nothing."""
    from pydantic_core import PydanticCustomError

    from lab.config.units import DURATION, parse

    try:
        seconds = float(parse(DURATION, text))
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.message()}, expected {DURATION.expected}") from None
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a time longer than 0")
    return seconds


def add_override_argument(parser: argparse.ArgumentParser) -> None:
    """``--set``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="change a value, e.g. --set repeats=3 or --set bench:instruments.meter.rate=10kHz; "
        "bench:instruments.NAME=null leaves an instrument out; may be repeated",
    )


def add_records_argument(parser: argparse.ArgumentParser) -> None:
    """Where records lie."""
    parser.add_argument(
        "--records",
        type=Path,
        default=Path(os.environ.get("LAB_RECORDS", "records")),
        metavar="DIR",
        help="folder of all records (default: $LAB_RECORDS or ./records)",
    )


def add_record_argument(parser: argparse.ArgumentParser) -> None:
    """One record, by path, short id, experiment or ``latest``."""
    parser.add_argument(
        "record",
        metavar="RECORD",
        help="a record's folder, its short id, an experiment's name (its newest record), or `latest`",
    )
    add_records_argument(parser)


def add_verify_argument(parser: argparse.ArgumentParser) -> None:
    """``--no-verify``."""
    parser.add_argument(
        "--no-verify",
        action="store_true",
        help="take the raw files as they are: changed ones too, and what is left of damaged ones",
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
