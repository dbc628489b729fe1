# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from gesture.errors import GestureError
from gesture.hands import GESTURES
from gesture.serial_line import BAUD
from gesture.sketch import START_DPS, START_G


def positive(text: str) -> int:
    """A count from 1."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 0")
    return int(text)


def above_zero(text: str) -> float:
    """A finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above zero")
    return value


def names(text: str) -> tuple[str, ...]:
    """Gestures with commas between."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if len(set(found)) != len(found) or not found:
        raise argparse.ArgumentTypeError(f"{text!r}: expected gestures with commas between, none twice")
    return found


def add_board_arguments(parser: argparse.ArgumentParser) -> None:
    """What the simulated board is told."""
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="draws the performances and the noise")
    parser.add_argument("--sensor", type=seed, default=0, metavar="N", help="draws the part: its offsets and gains")
    parser.add_argument(
        "--start-g", type=above_zero, default=START_G, metavar="G", help="force off 1 g that starts (%(default)s)"
    )
    parser.add_argument(
        "--start-dps", type=above_zero, default=START_DPS, metavar="R", help="rate in °/s that starts (%(default)s)"
    )


def add_port_arguments(parser: argparse.ArgumentParser) -> None:
    """The serial port."""
    parser.add_argument("--port", required=True, metavar="NAME", help="the board's serial port")
    parser.add_argument("--baud", type=positive, default=BAUD, metavar="N", help="default %(default)s")
    parser.add_argument(
        "--silence", type=above_zero, default=30.0, metavar="S", help="give up after S seconds of silence (%(default)s)"
    )


def known(chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Gestures that the simulated hand can perform. Raises :class:`GestureError` for others."""
    strange = [name for name in chosen if name not in GESTURES]
    if strange:
        raise GestureError(f"no gesture is called {strange[0]!r}; there are: {', '.join(GESTURES)}")
    return chosen


def made(folder: Path) -> Path:
    """The folder, made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GestureError(f"{folder}: {error.strerror}") from None
    return folder
