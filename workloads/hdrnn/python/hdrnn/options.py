# SPDX-License-Identifier: Apache-2.0
"""The command line, the same as of the compiled programs (c/options.c)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from hdrnn.digits import DIGITS, PIXELS, DigitRequest
from hdrnn.errors import WrongInputError
from hdrnn.idx import MOST_ITEMS
from hdrnn.network import MOST_LAYERS, MOST_NEURONS

MOST_EPOCHS, MOST_BATCH = 1_000_000, MOST_ITEMS
_MOST_U64 = (1 << 64) - 1
_LONGEST_NAME = 32
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

USAGE = """\
usage: hdrnn train [options]             train a network that reads handwritten digits
       hdrnn infer -i IMAGE -n FILE      name the digit on one image

train:
  -s,  --shape 32 | 32,16     neurons of the hidden layers (32)
  -e,  --epochs N             passes over the training images (30)
  -bs, --batch_size N         images per step (10)
  -lr, --learning_rate X      step size (3)
  -n,  --net FILE             write the trained network there
       --precision P          float32 or float64 (float32)
       --init FILE            begin from this network (its shape counts)
       --order WHAT           order of the images: seed (a new one each epoch), sequential,
                              or an order file (seed)
       --seed N               seed of first weights and order (1)
       --data DIR             folder with train-images-idx3-ubyte, train-labels-idx1-ubyte,
                              t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, gzipped or not (.)
       --split A/B            use the t10k files alone: train on the first A, test on the next B
       --train-limit N        only the first N training images
       --test-limit N         only the first N test images
       --save-epochs DIR      write DIR/epoch-0000.nn before the first epoch, epoch-0001.nn after it, ...
       --checkpoint FILE      keep there, after each epoch, what --resume needs
       --resume FILE          go on from a checkpoint, as if training had never stopped
       --early-stop N         stop after N epochs without a better accuracy
  -q,  --quiet                no line per epoch
       --json                 print JSON, one object a line

infer:
  -i, --image IMAGE           28 x 28, ink bright: PGM (P5), 784 raw bytes, or an IDX file
      --index N               which image of an IDX file (0)
  -n, --net FILE              a network that train wrote
      --precision P           float32 or float64 (float32)
      --json                  print JSON
"""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What ``hdrnn train`` is asked for.

    ``sizes``: inputs, hidden layers, outputs. ``order``: seed, sequential, or a path. ``variant``: which flag of this
    program alone was given.
    """

    sizes: tuple[int, ...] = (PIXELS, 32, DIGITS)
    shape_given: bool = False
    epochs: int = 30
    batch_size: int = 10
    rate: float = 3.0
    net: str | None = None
    init: str | None = None
    order: str = "seed"
    seed: int = 1
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float32))
    digits: DigitRequest = field(default_factory=DigitRequest)
    early_stop: int | None = None
    save_epochs: str | None = None
    checkpoint: str | None = None
    resume: str | None = None
    quiet: bool = False
    json: bool = False
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class InferOptions:
    """What ``hdrnn infer`` is asked for."""

    image: str = ""
    net: str = ""
    index: int = 0
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float32))
    json: bool = False
    variant: str | None = None


def parse_train(arguments: Sequence[str], variants: Sequence[str] = ()) -> TrainOptions:
    """The arguments after ``hdrnn train``. ``variants`` are flags of this program alone.

    Raises :class:`WrongInputError`.
    """
    options = TrainOptions()
    walk = _Walk(arguments)
    while walk.next_option():
        what, parse = _TRAIN_VALUES.get(_BRIEF.get(walk.name, walk.name), ("", _text))
        if what:
            options = _with(options, what, parse(walk.name, walk.value()))
        elif walk.name in ("-q", "--quiet", "--json", *variants):
            walk.no_value()
            options = _flagged(options, walk.name)
        else:
            raise walk.unknown()
    if options.resume is not None and options.init is not None:
        raise WrongInputError("--resume and --init: a training goes on or begins, not both")
    return options


def parse_infer(arguments: Sequence[str], variants: Sequence[str] = ()) -> InferOptions:
    """The arguments after ``hdrnn infer``. Raises :class:`WrongInputError`."""
    options = InferOptions()
    walk = _Walk(arguments)
    while walk.next_option():
        if walk.name in ("-i", "--image"):
            options = replace(options, image=walk.value())
        elif walk.name in ("-n", "--net"):
            options = replace(options, net=walk.value())
        elif walk.name == "--index":
            options = replace(options, index=_whole(walk.name, walk.value(), 0, MOST_ITEMS - 1))
        elif walk.name == "--precision":
            options = replace(options, dtype=_precision(walk.name, walk.value()))
        elif walk.name == "--json":
            walk.no_value()
            options = replace(options, json=True)
        elif walk.name in variants:
            walk.no_value()
            options = replace(options, variant=walk.name)
        else:
            raise walk.unknown()
    if not options.image or not options.net:
        raise WrongInputError("infer needs an image (-i) and a network (-n)")
    return options


# ------------------------------------------------------------------------------------------------------------- values


def _whole(option: str, text: str, least: int, most: int) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1
    if not least <= value <= most:
        raise WrongInputError(f"{option} {text}: expected a whole number from {least} to {most}")
    return value


def _rate(option: str, text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    # In either precision: what single precision cannot tell from 0 or infinity is refused.
    with np.errstate(over="ignore"):
        single = np.float32(value)
    if not np.isfinite(single) or single <= 0:
        raise WrongInputError(f"{option} {text}: expected a number above 0")
    return value


def hidden_sizes(option: str, text: str) -> tuple[int, ...]:
    """Inputs, the hidden layers that the text names, and outputs. Raises :class:`WrongInputError`."""
    parts = text.split(",")
    good = all(part.isascii() and part.isdigit() and len(part) <= 20 for part in parts)
    hidden = [int(part) for part in parts] if good else [0]
    if not all(1 <= neurons <= MOST_NEURONS for neurons in hidden):
        raise WrongInputError(
            f"{option} {text}: expected hidden layers such as 32 or 32,16, each from 1 to {MOST_NEURONS} neurons"
        )
    if len(hidden) >= MOST_LAYERS:
        raise WrongInputError(f"{option} {text}: at most {MOST_LAYERS - 1} hidden layers")
    return (PIXELS, *hidden, DIGITS)


def _split(option: str, text: str) -> tuple[int, int]:
    train, slash, test = text.partition("/")
    if not slash or not train or len(train) >= 16:
        raise WrongInputError(f"{option} {text}: expected training/test images such as 8000/2000")
    return _whole(option, train, 1, MOST_ITEMS), _whole(option, test, 1, MOST_ITEMS)


def _precision(option: str, text: str) -> np.dtype[np.floating]:
    if text not in ("float32", "float64"):
        raise WrongInputError(f"{option} {text}: expected float32 or float64")
    return np.dtype(text)


_Parser = Callable[[str, str], object]
"""Option and text → value."""


def _text(_option: str, text: str) -> str:
    return text


def _whole_in(least: int, most: int) -> _Parser:
    return lambda option, text: _whole(option, text, least, most)


_TRAIN_VALUES: dict[str, tuple[str, _Parser]] = {
    "--shape": ("sizes", hidden_sizes),
    "--epochs": ("epochs", _whole_in(0, MOST_EPOCHS)),
    "--batch_size": ("batch_size", _whole_in(1, MOST_BATCH)),
    "--learning_rate": ("rate", _rate),
    "--net": ("net", _text),
    "--init": ("init", _text),
    "--order": ("order", _text),
    "--seed": ("seed", _whole_in(0, _MOST_U64)),
    "--precision": ("dtype", _precision),
    "--data": ("folder", _text),
    "--split": ("split", _split),
    "--train-limit": ("train_limit", _whole_in(1, MOST_ITEMS)),
    "--test-limit": ("test_limit", _whole_in(1, MOST_ITEMS)),
    "--early-stop": ("early_stop", _whole_in(1, MOST_EPOCHS)),
    "--save-epochs": ("save_epochs", _text),
    "--checkpoint": ("checkpoint", _text),
    "--resume": ("resume", _text),
}
"""Option → what it sets, and how its value is read."""

_BRIEF = {"-s": "--shape", "-e": "--epochs", "-bs": "--batch_size", "-lr": "--learning_rate", "-n": "--net"}
_OF_DIGITS = {item.name for item in fields(DigitRequest)}


def _with(options: TrainOptions, what: str, value: object) -> TrainOptions:
    """The options with one of them set."""
    changes: dict[str, Any] = {what: value}
    if what in _OF_DIGITS:
        changes = {"digits": replace(options.digits, **changes)}
    elif what == "sizes":
        changes["shape_given"] = True
    return replace(options, **changes)


def _flagged(options: TrainOptions, name: str) -> TrainOptions:
    if name == "--json":
        return replace(options, json=True)
    if name in ("-q", "--quiet"):
        return replace(options, quiet=True)
    return replace(options, variant=name)


# ---------------------------------------------------------------------------------------------- walking the arguments


class _Walk:
    """Takes options and their values from the arguments, ``--name value`` or ``--name=value``."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self.name = ""
        self._inlined: str | None = None

    def next_option(self) -> bool:
        """False when there are no more."""
        if not self._arguments:
            return False
        argument = self._arguments.pop(0)
        if not argument.startswith("-"):
            raise WrongInputError(f"unexpected argument {argument:.200} (see --help)")
        self.name, self._inlined = argument, None
        if argument.startswith("--"):
            self.name, equals, inlined = argument.partition("=")
            self._inlined = inlined if equals else None
        if len(self.name.encode(errors="surrogateescape")) >= _LONGEST_NAME:
            raise WrongInputError(f"unknown option {argument:.200} (see --help)")
        return True

    def value(self) -> str:
        """Of the option at hand."""
        value = self._inlined
        if value is None and self._arguments:
            value = self._arguments.pop(0)
        if not value:
            raise WrongInputError(f"{self.name} needs a value")
        return value

    def no_value(self) -> None:
        """The option at hand takes none."""
        if self._inlined is not None:
            raise WrongInputError(f"{self.name} takes no value")

    def unknown(self) -> WrongInputError:
        """The option at hand is none of ours."""
        return WrongInputError(f"unknown option {self.name} (see --help)")
