# SPDX-License-Identifier: Apache-2.0
"""``gestures.py classify``: the study's last step, a network beside a board that prints gestures, naming each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from gesture.capture import Capture
from gesture.cli.options import add_port_arguments, positive
from gesture.errors import GestureError
from gesture.forms import Form
from gesture.integers import integer_outputs
from gesture.judging import Shares
from gesture.motion import Floats
from gesture.scaling import as_bytes, as_network_inputs, scaled
from gesture.serial_line import SerialPort
from tinynet.array_file import FORMAT_OF_QUANTIZED, format_of
from tinynet.network_file import load as load_network
from tinynet.quantized import QuantizedNetwork


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_port_arguments(parser)
    parser.add_argument("network", type=Path, metavar="NET", help="NET.npz, or NET.q.npz: in whole numbers")
    parser.add_argument("--count", type=positive, metavar="N", help="stop after N gestures (default: go on)")


def run(args: argparse.Namespace) -> int:
    """Name gestures as they come: its name, and its share of one."""
    names, classify = _classifier(args.network)
    capture, seen = Capture(), 0
    with SerialPort(args.port, args.baud) as port:
        for data in port.chunks(args.silence):
            for performance in capture.feed(data):
                shares = classify(performance)[0]
                print(f"{names[int(shares.argmax())]} {shares.max():.3f}", flush=True)
                seen += 1
                if seen == args.count:
                    return 0
    if args.count is not None:
        raise GestureError(f"nothing came for {args.silence:g} s, after {seen} of {args.count} gestures")
    return 0


def _classifier(path: Path) -> tuple[list[str], Callable[[Floats], Shares]]:
    if format_of(path) == FORMAT_OF_QUANTIZED:
        integers = QuantizedNetwork.load(path)
        names = _names(path, integers.facts.get("gestures"), integers.outputs, integers.inputs)
        return names, lambda values: integer_outputs(integers, as_bytes(scaled(values[None])))
    network = load_network(path)
    form = Form.of(network, "float32")
    names = _names(path, network.facts.get("gestures"), len(form.layers[-1].bias), form.layers[0].weights.shape[1])
    return names, lambda values: form.outputs(as_network_inputs(network, as_bytes(scaled(values[None]))))


def _names(path: Path, facts: object, outputs: int, inputs: int) -> list[str]:
    if not isinstance(facts, list) or len(facts) != outputs or inputs != 180:
        raise GestureError(f"{path} is no network of gestures: it has no name for each output, or takes other inputs")
    return [str(name) for name in facts]
