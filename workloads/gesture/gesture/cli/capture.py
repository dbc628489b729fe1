# SPDX-License-Identifier: Apache-2.0
"""``gestures.py capture``: a person performs a gesture again and again, a board prints it, this writes the file."""

from __future__ import annotations

import argparse
from pathlib import Path

from gesture import files
from gesture.capture import Capture
from gesture.cli.options import add_port_arguments, made, positive
from gesture.errors import GestureError
from gesture.motion import Floats
from gesture.serial_line import SerialPort


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_port_arguments(parser)
    parser.add_argument("--gesture", required=True, metavar="NAME", help="names the file")
    parser.add_argument("--count", type=positive, default=30, metavar="N", help="performances (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Capture, writing the file anew after each performance, so that a broken line costs none."""
    path, capture = files.csv_path(made(args.out), args.gesture), Capture()
    found: list[Floats] = []
    with SerialPort(args.port, args.baud) as port:
        for data in port.chunks(args.silence):
            for performance in capture.feed(data):
                found.append(performance)
                files.write(path, found)
                print(f"{args.gesture} {len(found)}/{args.count}", flush=True)
                if len(found) == args.count:
                    _say_dropped(capture)
                    return 0
    _say_dropped(capture)
    raise GestureError(f"nothing came for {args.silence:g} s, after {len(found)} of {args.count} performances")


def _say_dropped(capture: Capture) -> None:
    for reason, count in sorted(capture.dropped.items()):
        print(f"left out {count}: {reason}", flush=True)
