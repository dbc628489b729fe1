# SPDX-License-Identifier: Apache-2.0
"""``tn.py convert``: a network from a Keras or TFLite file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from tinynet.architecture import parameter_count, words_of
from tinynet.cli.options import add_scale_argument, say_json
from tinynet.errors import TinynetError
from tinynet.network_file import save
from tinynet.scales import parse_scale
from tinynet.sources import read_network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("source", type=Path, metavar="FILE", help=".keras, .h5, or a .tflite of floating point")
    add_scale_argument(parser)
    parser.add_argument(
        "--input", metavar="HxW[xC]", help="shape of the data, such as 28x28, for a network that takes a row of values"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="NET.npz", help="write the network there")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Read, write, say what it is."""
    network = read_network(args.source, parse_scale(args.scale), None if args.input is None else _shape(args.input))
    save(network, args.out)
    parameters = parameter_count(network)
    if args.json:
        say_json({"event": "done", "layers": words_of(network), "parameters": parameters})
    else:
        print(f"{words_of(network)}: {parameters} parameters")
    return 0


def _shape(text: str) -> tuple[int, ...]:
    if re.fullmatch(r"[1-9][0-9]{0,4}(x[1-9][0-9]{0,4}){0,2}", text) is None:
        raise TinynetError(f"--input {text!r}: expected a shape such as 28x28 or 28x28x1")
    return tuple(map(int, text.split("x")))
