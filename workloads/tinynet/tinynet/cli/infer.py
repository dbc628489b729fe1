# SPDX-License-Identifier: Apache-2.0
"""``tn.py infer``: a network, in floating point or in integers, on the test examples."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinynet.array_file import FORMAT_OF_QUANTIZED, format_of
from tinynet.cli.options import add_data_arguments, load_given_data, say_json
from tinynet.data import Examples
from tinynet.errors import TinynetError
from tinynet.inference import choices, predict
from tinynet.network_file import load
from tinynet.quantized import QuantizedNetwork


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("network", type=Path, metavar="NET", help="a trained or a quantised network")
    add_data_arguments(parser)
    parser.add_argument("--images", type=int, metavar="N", help="the first N test examples only (default: all)")
    parser.add_argument(
        "--inputs-out", type=Path, metavar="FILE", help="write the quantised inputs there, as raw signed bytes"
    )
    parser.add_argument("--labels-out", type=Path, metavar="FILE", help="write the labels there, a byte each")
    parser.add_argument(
        "--outputs-out", type=Path, metavar="FILE", help="write a quantised network's outputs there, raw signed bytes"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Infer, and say how many examples are named rightly."""
    if args.images is not None and args.images < 1:
        raise TinynetError("--images: expected a number from 1")
    examples = load_given_data(args).test.first(args.images)
    quantized = QuantizedNetwork.load(args.network) if format_of(args.network) == FORMAT_OF_QUANTIZED else None
    if quantized is None:
        if args.inputs_out is not None or args.outputs_out is not None:
            raise TinynetError("--inputs-out and --outputs-out need a quantised network")
        chosen = choices(predict(load(args.network), examples.inputs))
    else:
        chosen = _integers(quantized, examples, args)
    if args.labels_out is not None:
        write(args.labels_out, examples.labels)
    right = int((chosen == examples.labels).sum())
    done: dict[str, object] = {
        "event": "done",
        "arithmetic": "float32" if quantized is None else quantized.scheme,
        "hash": None if quantized is None else quantized.hash.hex(),
        "examples": len(examples),
        "right": right,
        "accuracy": right / len(examples),
    }
    if args.json:
        say_json(done)
    else:
        print(f"{right} of {len(examples)} right, {right / len(examples):.2%}")
    return 0


def _integers(network: QuantizedNetwork, examples: Examples, args: argparse.Namespace) -> NDArray[np.intp]:
    inputs = network.quantize_input(examples.inputs)
    outputs = network.infer(inputs)
    if args.inputs_out is not None:
        write(args.inputs_out, inputs)
    if args.outputs_out is not None:
        write(args.outputs_out, outputs)
    return np.asarray(outputs.argmax(axis=1))


def write(path: Path, values: NDArray[np.int8] | NDArray[np.uint8]) -> None:
    """Bytes as they are. Raises TinynetError where the file cannot be written."""
    try:
        path.write_bytes(values.tobytes())
    except OSError as error:
        raise TinynetError(f"{path} cannot be written: {error.strerror or error}") from None
