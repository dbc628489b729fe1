# SPDX-License-Identifier: Apache-2.0
"""``tn.py prune``: a network with ever more of its weights at zero, while training goes on."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from tinynet.cli.options import (
    add_data_arguments,
    add_layer_arguments,
    add_training_arguments,
    load_given_data,
    say_epoch,
    say_json,
    training_options,
)
from tinynet.cli.train import train_from_words, with_facts
from tinynet.data import DataSet
from tinynet.errors import TinynetError
from tinynet.network import Network
from tinynet.network_file import load, save
from tinynet.pruning import MagnitudePruner, schedule
from tinynet.sizes import sizes
from tinynet.training import DivergedError, EpochResult, TrainingOptions, evaluate, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("network", nargs="?", type=Path, metavar="NET.npz", help="the network; or train one: --layers")
    add_layer_arguments(parser, required=False)
    parser.add_argument(
        "--base-epochs", type=int, default=10, metavar="N", help="epochs of training before, with --layers (default 10)"
    )
    add_data_arguments(parser)
    parser.add_argument("--initial", type=float, default=0.5, metavar="SHARE", help="zeros at first (default 0.5)")
    parser.add_argument("--final", type=float, default=0.8, metavar="SHARE", help="zeros in the end (default 0.8)")
    parser.add_argument(
        "--ramp", type=float, default=1.0, metavar="SHARE", help="of the training, in which zeros grow (default 1)"
    )
    add_training_arguments(parser)
    parser.set_defaults(epochs=2)
    parser.add_argument("--out", type=Path, metavar="PRUNED.npz", help="write the pruned network there")
    parser.add_argument("--quiet", action="store_true", help="say the result only, nothing of each epoch")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Prune, write, and say what came of it."""
    options, data = training_options(args), load_given_data(args)
    try:
        base = _base(args, data, options)
        pruned, seconds = _pruned(base, args, data, options)
    except DivergedError as error:
        print(f"tn.py prune: {error}", file=sys.stderr)
        return 1
    if args.out is not None:
        save(pruned, args.out)
    base_loss, base_accuracy = evaluate(base, data.test)
    facts, before, after = pruned.facts, sizes(base), sizes(pruned)
    if args.json:
        say_json(
            {
                "event": "done",
                "initial": args.initial,
                "final": args.final,
                "seed": options.seed,
                "base_test_accuracy": base_accuracy,
                "base_test_loss": base_loss,
                "test_accuracy": facts["test_accuracy"],
                "test_loss": facts["test_loss"],
                "train_accuracy": facts["train_accuracy"],
                "train_loss": facts["train_loss"],
                "sparsity": after["zero_weights"] / after["weights"],
                "seconds": seconds,
                "train_examples": len(data.train),
                "test_examples": len(data.test),
                **after,
                **{f"base_{name}": value for name, value in before.items() if name.endswith("_bytes")},
            }
        )
    else:
        print(
            f"{after['zero_weights']} of {after['weights']} weights are zero: {facts['test_accuracy']:.2%} of "
            f"{len(data.test)} tests, {base_accuracy:.2%} before; {seconds:.2f} s"
        )
    return 0


def _base(args: argparse.Namespace, data: DataSet, options: TrainingOptions) -> Network:
    if (args.network is None) == (args.layers is None):
        raise TinynetError("expected either a network's file or --layers")
    if args.network is not None:
        return load(args.network)
    usual = replace(options, epochs=args.base_epochs, loss="cross_entropy")
    network, _ = train_from_words(args.layers, args.scale, data, usual, as_json=args.json, quiet=args.quiet)
    return network


def _pruned(base: Network, args: argparse.Namespace, data: DataSet, options: TrainingOptions) -> tuple[Network, float]:
    seconds = 0.0

    def on_epoch(result: EpochResult) -> None:
        nonlocal seconds
        seconds += result.seconds
        if not args.quiet:
            say_epoch(result, as_json=args.json, phase="prune")

    if options.epochs < 1:
        raise TinynetError("--epochs: pruning takes at least one")
    if options.batch < 1:
        raise TinynetError("--batch: expected at least one example")
    steps = options.epochs * -(-len(data.train) // options.batch)
    pruner = MagnitudePruner(schedule(args.initial, args.final, steps, args.ramp))
    network = train(base, data.train, data.test, options, pruner=pruner, on_epoch=on_epoch)
    facts = {**base.facts, "pruned_from": base.facts.get("test_accuracy"), "sparsity": [args.initial, args.final]}
    return with_facts(replace(network, facts=facts), data, options), seconds
