# SPDX-License-Identifier: Apache-2.0
"""``gestures.py collect``: gestures of the simulated hand, captured over a serial line into CSV files.

In each hand's folder a file per gesture; in ``unseen`` below it more performances, which nobody trains on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gesture import files
from gesture.board import SimulatedBoard
from gesture.capture import Capture
from gesture.cli.options import add_board_arguments, known, made, names, positive
from gesture.errors import GestureError
from gesture.hands import GESTURES
from gesture.motion import Floats
from gesture.serial_line import Cable, SerialPort, carried

HANDS = {"practised": 1.0, "varied": 2.0}
"""Hand → how much its performances vary."""
_PATIENCE = 5
"""So many times as many performances as asked for, at most: a gesture may be too gentle to start the capture."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_board_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--gestures", type=names, default=tuple(GESTURES), metavar="A,B", help="default: all")
    parser.add_argument("--hands", type=names, default=tuple(HANDS), metavar="A,B", help="default: practised,varied")
    parser.add_argument("--count", type=positive, default=30, metavar="N", help="performances of each (%(default)s)")
    parser.add_argument("--unseen", type=positive, default=200, metavar="N", help="further ones of each (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per file")


def run(args: argparse.Namespace) -> int:
    """Perform, capture, write."""
    gestures = known(args.gestures)
    for hand in args.hands:
        if hand not in HANDS:
            raise GestureError(f"no hand is called {hand!r}; there are: {', '.join(HANDS)}")
        for part, (folder, count) in enumerate(((hand, args.count), (f"{hand}/unseen", args.unseen))):
            path = made(args.out / folder)
            for gesture in gestures:
                # Every file has a seed of its own, so that leaving one out changes no other.
                seed = (args.seed * 100 + sorted(GESTURES).index(gesture)) * 2 + part
                performances, capture = _captured(args, gesture, HANDS[hand], seed, count)
                files.write(files.csv_path(path, gesture), performances)
                _say(args, f"{folder}/{gesture}.csv", performances, capture)
    return 0


def _captured(
    args: argparse.Namespace, gesture: str, variation: float, seed: int, count: int
) -> tuple[list[Floats], Capture]:
    board = SimulatedBoard(seed, args.sensor, variation=variation, start_g=args.start_g, start_dps=args.start_dps)
    capture, found = Capture(), []
    with Cable() as cable, SerialPort(cable.port) as port:
        found += capture.feed(carried(cable, port, board.header()))
        for _ in range(_PATIENCE * count):
            found += capture.feed(carried(cable, port, board.perform(gesture)))
            if len(found) >= count:
                return found[:count], capture
    raise GestureError(f"{gesture}: only {len(found)} of {count} performances were strong enough to start the capture")


def _say(args: argparse.Namespace, name: str, performances: list[Floats], capture: Capture) -> None:
    if args.json:
        event = {"event": "file", "name": name, "performances": len(performances), "dropped": dict(capture.dropped)}
        print(json.dumps(event), flush=True)
    else:
        print(f"{name}: {len(performances)} performances", flush=True)
