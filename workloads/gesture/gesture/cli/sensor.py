# SPDX-License-Identifier: Apache-2.0
"""``gestures.py sensor``: what a board with a sensor prints, on a pseudo terminal, as fast as a hand moves."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator

from gesture.board import SimulatedBoard, paced
from gesture.cli.options import above_zero, add_board_arguments, known, names, positive
from gesture.serial_line import Cable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_board_arguments(parser)
    parser.add_argument("--gestures", type=names, default=("flex", "punch"), metavar="A,B", help="one after the other")
    parser.add_argument("--count", type=positive, metavar="N", help="so many performances (default: until Ctrl-C)")
    parser.add_argument("--variation", type=above_zero, default=1.0, metavar="V", help="1 practised, 2 varied")


def run(args: argparse.Namespace) -> int:
    """Print the port's name, then perform."""
    gestures = known(args.gestures)
    board = SimulatedBoard(
        args.seed, args.sensor, variation=args.variation, start_g=args.start_g, start_dps=args.start_dps
    )

    def texts() -> Iterator[str]:
        yield board.header()
        for number, name in enumerate(itertools.cycle(gestures)):
            if number == args.count:
                return
            yield board.perform(name)

    with Cable() as cable:
        print(cable.port, flush=True)
        for line in paced(texts()):
            cable.write(line)
        cable.drain()
    return 0
