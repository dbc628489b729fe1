# SPDX-License-Identifier: Apache-2.0
"""``gestures.py inputs``: unseen gestures as the raw bytes that a microcontroller takes, and what it should answer."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from gesture.cli.options import made, names, positive, seed
from gesture.cli.study import load
from gesture.errors import GestureError
from gesture.forms import Form
from gesture.integers import integer_outputs
from gesture.judging import judge
from gesture.scaling import as_network_inputs
from gesture.training import first_of_each
from tinynet.data import Examples
from tinynet.network_file import load as load_network
from tinynet.quantized import QuantizedNetwork


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("network", type=Path, metavar="NET.q.npz", help="a quantised network")
    parser.add_argument("--before", type=Path, required=True, metavar="NET.npz", help="the network it was made of")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of CSV files, one per gesture")
    parser.add_argument("--gestures", type=names, default=(), metavar="A,B", help="default: every file")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="the training's: which fifth was held back")
    parser.add_argument(
        "--count", type=positive, default=100, metavar="N", help="of each gesture at most (%(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="inputs.bin and labels.bin go there")


def run(args: argparse.Namespace) -> int:
    """Write the files, and say what the network gives for them here, in floating point and in integers."""
    data = load(args.data, args.gestures, args.seed).data
    examples = first_of_each(data.unseen or data.validation, args.count)
    integers, network = QuantizedNetwork.load(args.network), load_network(args.before)
    if integers.inputs != examples.inputs.shape[1] or integers.outputs != len(data.names):
        raise GestureError(f"{args.network}: a network of {integers.inputs} inputs and {integers.outputs} outputs")
    out = made(args.out)
    inputs = integers.quantize_input(examples.inputs)
    (out / "inputs.bin").write_bytes(inputs.tobytes())
    (out / "labels.bin").write_bytes(examples.labels.tobytes())
    (out / "outputs.bin").write_bytes(integers.infer(inputs).tobytes())
    print(json.dumps(_said(integers, network_shares=_float(network, examples), examples=examples)), flush=True)
    return 0


def _float(network: Any, examples: Examples) -> Any:
    return Form.of(network, "float32").outputs(as_network_inputs(network, examples.inputs))


def _said(integers: QuantizedNetwork, network_shares: Any, examples: Examples) -> dict[str, Any]:
    exact = judge(network_shares, examples.labels)
    rounded = judge(integer_outputs(integers, examples.inputs), examples.labels)
    outputs = integers.infer(integers.quantize_input(examples.inputs))
    return {
        "event": "inputs",
        "count": len(examples),
        "accuracy_float": exact.accuracy,
        "loss_float": exact.loss,
        "accuracy_host": rounded.accuracy,
        "loss_host": rounded.loss,
        "output_step": integers.output_step,
        "hash": integers.hash.hex(),
        "outputs": outputs.tolist(),
    }
