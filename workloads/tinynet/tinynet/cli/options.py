# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have, and how they say things."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tinynet.data import DataSet, load_data, parse_split
from tinynet.errors import TinynetError
from tinynet.training import EpochResult, TrainingOptions


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """``--data`` and ``--split``."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with MNIST's IDX files")
    parser.add_argument(
        "--split",
        metavar="A/B",
        help="train on the first A examples, test with the first B of the test files; where there are no training "
        "files, with the B that follow (default: all)",
    )


def load_given_data(args: argparse.Namespace) -> DataSet:
    """What the options of :func:`add_data_arguments` name. Raises :class:`TinynetError`."""
    return load_data(args.data, None if args.split is None else parse_split(args.split))


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Epochs, batch, rate, optimizer, loss and seed; the defaults are the study's."""
    usual = TrainingOptions()
    parser.add_argument("--epochs", type=int, default=usual.epochs, metavar="N", help="default %(default)s")
    parser.add_argument("--batch", type=int, default=usual.batch, metavar="N", help="default %(default)s")
    parser.add_argument("--rate", type=float, default=usual.rate, metavar="R", help="default %(default)s")
    parser.add_argument("--optimizer", default=usual.optimizer, metavar="NAME", help="adam (default), rmsprop")
    parser.add_argument("--loss", default=usual.loss, metavar="NAME", help="default %(default)s")
    parser.add_argument("--seed", type=int, default=usual.seed, metavar="N", help="default %(default)s")


def training_options(args: argparse.Namespace) -> TrainingOptions:
    """What the options of :func:`add_training_arguments` say."""
    if args.seed < 0:
        raise TinynetError("--seed: expected a number from 0")
    return TrainingOptions(args.epochs, args.batch, args.rate, args.optimizer, args.loss, args.seed)


def add_layer_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """``--layers`` and ``--scale``."""
    parser.add_argument(
        "--layers",
        required=required,
        metavar="WORDS",
        help='such as "maxpool2 flatten dense32 relu dense10 softmax"; also conv8x3, conv8x3s2, conv8x3same, avgpool2, '
        "tanh, sigmoid",
    )
    add_scale_argument(parser)


def add_scale_argument(parser: argparse.ArgumentParser) -> None:
    """``--scale``."""
    parser.add_argument(
        "--scale",
        default="study",
        metavar="NAME",
        help="how a byte becomes an input: study, (byte - 127) / 8 (default); unit, byte / 255; signed, "
        "(byte - 128) / 128; or OFFSET/DIVISOR",
    )


def say_epoch(result: EpochResult, *, as_json: bool, phase: str = "train") -> None:
    """One line for an epoch."""
    if as_json:
        say_json(
            {
                "event": "epoch",
                "phase": phase,
                "epoch": result.epoch,
                "loss": result.loss,
                "accuracy": result.accuracy,
                "test_loss": result.test_loss,
                "test_accuracy": result.test_accuracy,
                "seconds": result.seconds,
            }
        )
        return
    print(
        f"{phase} epoch {result.epoch:3}: loss {result.loss:.4f}, accuracy {result.accuracy:.2%}; "
        f"tests {result.test_loss:.4f}, {result.test_accuracy:.2%}; {result.seconds:.2f} s",
        flush=True,
    )


def say_json(event: dict[str, object]) -> None:
    """One JSON object on a line."""
    print(json.dumps(event, allow_nan=False), flush=True)
