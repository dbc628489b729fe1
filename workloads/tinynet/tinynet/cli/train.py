# SPDX-License-Identifier: Apache-2.0
"""``tn.py train``: a network from layers and data."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from tinynet.architecture import create_network, words_of
from tinynet.cli.options import (
    add_data_arguments,
    add_layer_arguments,
    add_training_arguments,
    load_given_data,
    say_epoch,
    say_json,
    training_options,
)
from tinynet.data import DataSet
from tinynet.network import Network
from tinynet.network_file import save
from tinynet.scales import parse_scale
from tinynet.sizes import sizes
from tinynet.training import DivergedError, EpochResult, TrainingOptions, evaluate, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_data_arguments(parser)
    add_layer_arguments(parser, required=True)
    add_training_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="NET.npz", help="write the network there")
    parser.add_argument("--quiet", action="store_true", help="say the result only, nothing of each epoch")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Train, write, and say what came of it."""
    options, data = training_options(args), load_given_data(args)
    try:
        network, seconds = train_from_words(args.layers, args.scale, data, options, as_json=args.json, quiet=args.quiet)
    except DivergedError as error:
        print(f"tn.py train: {error}", file=sys.stderr)
        return 1
    if args.out is not None:
        save(network, args.out)
    facts = network.facts
    done = {
        "event": "done",
        "layers": words_of(network),
        "seed": options.seed,
        "test_accuracy": facts["test_accuracy"],
        "test_loss": facts["test_loss"],
        "train_accuracy": facts["train_accuracy"],
        "train_loss": facts["train_loss"],
        "seconds": seconds,
        "train_examples": len(data.train),
        "test_examples": len(data.test),
        **sizes(network),
    }
    if args.json:
        say_json(done)
    else:
        print(
            f"{done['layers']}: {facts['test_accuracy']:.2%} of {len(data.test)} tests, {done['parameters']} "
            f"parameters, {done['file_bytes']} bytes, {seconds:.2f} s"
        )
    return 0


def train_from_words(
    layers: str, scale: str, data: DataSet, options: TrainingOptions, *, as_json: bool, quiet: bool
) -> tuple[Network, float]:
    """A new network, trained, with its facts; and the seconds of training. Says each epoch, unless ``quiet``."""
    seconds = 0.0

    def on_epoch(result: EpochResult) -> None:
        nonlocal seconds
        seconds += result.seconds
        if not quiet:
            say_epoch(result, as_json=as_json)

    network = create_network(layers, data.train.inputs.shape[1:], parse_scale(scale), options.seed)
    network = train(network, data.train, data.test, options, on_epoch=on_epoch)
    return with_facts(network, data, options), seconds


def with_facts(network: Network, data: DataSet, options: TrainingOptions) -> Network:
    """The network, saying where it comes from and what it reaches."""
    train_loss, train_accuracy = evaluate(network, data.train)
    test_loss, test_accuracy = evaluate(network, data.test)
    facts = {
        **network.facts,
        "seed": options.seed,
        "epochs": options.epochs,
        "batch": options.batch,
        "rate": options.rate,
        "optimizer": options.optimizer,
        "loss": options.loss,
        "data": data.files,
        "train_examples": len(data.train),
        "test_examples": len(data.test),
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
    }
    return replace(network, facts=facts)
