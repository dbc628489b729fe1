# SPDX-License-Identifier: Apache-2.0
"""``tn.py quantize``: a trained network in 8-bit integers, the proof that nothing overflows, and what saturates."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from tinynet.calibrate import Method
from tinynet.cli.options import add_data_arguments, load_given_data, say_json
from tinynet.data import Examples
from tinynet.errors import TinynetError
from tinynet.forms import form_sizes, in_form
from tinynet.inference import accuracy
from tinynet.network import Network
from tinynet.network_file import load
from tinynet.proof_table import rows, text, warnings_for
from tinynet.quantize import quantize
from tinynet.quantized import QuantizedNetwork, Scheme


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("network", type=Path, metavar="NET.npz", help="a trained network")
    add_data_arguments(parser)
    parser.add_argument(
        "--scheme",
        choices=get_args(Scheme),
        default="pow2",
        help="powers of two for each layer, or a multiplier for each output (default: %(default)s)",
    )
    parser.add_argument(
        "--calibrate",
        choices=get_args(Method),
        default="max",
        help="steps by the largest value seen, or by least Kullback-Leibler divergence (default: %(default)s)",
    )
    parser.add_argument(
        "--images", type=int, default=1000, metavar="N", help="training examples to calibrate on (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="NET.q.npz", help="write the network there")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Quantise, write, and say what is proved and what was seen."""
    if args.images < 1:
        raise TinynetError("--images: expected a number from 1")
    network, data = load(args.network), load_given_data(args)
    examples = data.train.first(args.images)
    quantized = quantize(network, examples.inputs, args.scheme, args.calibrate)
    quantized.save(args.out)
    table = rows(quantized, quantized.quantize_input(examples.inputs))
    lines = warnings_for(quantized, examples.inputs, table)
    forms = compare_forms(network, quantized, data.test)
    wrapping = quantized.infer_wrapping(quantized.quantize_input(data.test.inputs), 16).argmax(axis=1)
    wrapped = float(np.mean(wrapping == data.test.labels))
    before, after = forms[0]["test_accuracy"], forms[-1]["test_accuracy"]
    if args.json:
        for row in table:
            say_json({"event": "layer", **row})
        for line in lines:
            say_json({"event": "warning", "text": line})
        done = {
            "event": "done",
            "scheme": args.scheme,
            "calibration": args.calibrate,
            "calibration_images": len(examples),
            "hash": quantized.hash.hex(),
            "parameters": quantized.parameters,
            "input_step": quantized.input_step,
            "test_examples": len(data.test),
            "float_test_accuracy": before,
            "test_accuracy": after,
            "test_accuracy_wrapping_16_bits": wrapped,
            "forms": forms,
        }
        say_json(done)
        return 0
    print(text(table))
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)
    for form in forms:
        print(
            f"{form['form']:8} {form['parameter_bytes']:8} bytes of parameters, {form['file_bytes']:8} as a file, "
            f"{form['test_accuracy']:.2%} of {len(data.test)} tests"
        )
    if wrapped != after:
        print(f"int8     {wrapped:.2%} of {len(data.test)} tests, were its sums kept in 16 bits that wrap")
    print(f"{quantized.hash.hex()}: no sum overflows on any input")
    return 0


def compare_forms(network: Network, quantized: QuantizedNetwork, test: Examples) -> list[dict[str, Any]]:
    """Size and accuracy of the trained network in each form, ``int8`` last."""
    found = []
    for size in form_sizes(network, quantized):
        if size.form == "int8":
            share = float(np.mean(quantized.classify(test.inputs) == test.labels))
        else:
            share = accuracy(in_form(network, size.form), test)
        found.append({**asdict(size), "test_accuracy": share})
    return found
