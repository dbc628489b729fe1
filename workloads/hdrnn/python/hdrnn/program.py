# SPDX-License-Identifier: Apache-2.0
"""The program, whatever computes: ``train``, ``infer``, their files, messages, JSON and exit codes (as c/command.h)."""

from __future__ import annotations

import math
import os
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hdrnn.checkpoint import Progress, read_checkpoint, write_checkpoint
from hdrnn.digits import DIGITS, PIXELS, DigitSet, read_digits
from hdrnn.engine import Start
from hdrnn.errors import FailureError, HdrnnError, WrongInputError
from hdrnn.generator import STREAM_WEIGHTS, Random
from hdrnn.image import read_image
from hdrnn.marks import Window
from hdrnn.netfile import read_network, write_network
from hdrnn.network import Network, parameter_count
from hdrnn.options import USAGE, InferOptions, TrainOptions, parse_infer, parse_train
from hdrnn.order import Order, OrderFile, SeededOrder, SequentialOrder, Source


def run(arguments: Sequence[str], start: Start, variants: Mapping[str, Start] | None = None) -> int:
    """Run the program; returns its exit code. ``variants`` are flags that choose another engine."""
    try:
        code = _command(arguments, start, variants or {})
        sys.stdout.flush()
    except HdrnnError as error:
        return _complain(str(error), error.exit_code)
    except MemoryError:
        return _complain("not enough memory", FailureError.exit_code)
    except OSError:
        # Trouble with files has become an HdrnnError where they are read and written.
        # What is still in the buffer cannot go anywhere: let nobody try again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _complain("the output cannot be written", FailureError.exit_code)
    return code


def _complain(text: str, code: int) -> int:
    print(f"hdrnn: {text}", file=sys.stderr)
    return code


def _command(arguments: Sequence[str], start: Start, variants: Mapping[str, Start]) -> int:
    if not arguments:
        print(f"{USAGE}\nnothing to do")
    elif arguments[0] == "train":
        options = parse_train(arguments[1:], list(variants))
        _train(options, variants.get(options.variant or "", start))
    elif arguments[0] == "infer":
        asked = parse_infer(arguments[1:], list(variants))
        _infer(asked, variants.get(asked.variant or "", start))
    elif arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
    else:
        raise WrongInputError(f"unknown command {arguments[0]:.200} (train or infer; see --help)")
    return 0


# ----------------------------------------------------------------------------------------------------------- training


class _Training:
    """Everything a training has at hand."""

    def __init__(self, options: TrainOptions, start: Start) -> None:
        self.options = options
        progress, self.network = _first_network(options)
        self.train, self.test = read_digits(options.digits)
        self.order = Order(_order_source(options, len(self.train), progress.epochs if progress else 0))
        if progress is None:
            self.progress = self._from_the_start()
        else:
            self.progress = progress
            self._go_on(str(options.resume))
        if options.save_epochs is not None:
            try:
                Path(options.save_epochs).mkdir(exist_ok=True)
            except OSError as error:
                raise WrongInputError(f"{options.save_epochs}: cannot be made: {error.strerror}") from None
        self.engine = start(self.network, options.batch_size)
        self.accuracy = self.train_seconds = self.test_seconds = 0.0
        self.stopped_early = False

    def run(self) -> None:
        """All epochs."""
        options, progress, tested = self.options, self.progress, False
        self._save_epoch()
        while progress.epochs < options.epochs:
            self.stopped_early = options.early_stop is not None and progress.epochs_since_best >= options.early_stop
            if self.stopped_early:
                break
            self._run_epoch()
            tested = True
        if not tested:
            self._test()

    def _from_the_start(self) -> Progress:
        options = self.options
        crc = 0 if options.checkpoint is None else _images_crc(self.train)
        return Progress(0, len(self.train), options.batch_size, 0, crc, 0, options.rate, 0.0, -1.0)

    def _go_on(self, path: str) -> None:
        """Go on only with what the checkpoint was made with; bring the order to where it was."""
        progress, options = self.progress, self.options
        if progress.images != len(self.train) or progress.images_crc != _images_crc(self.train):
            raise WrongInputError(f"{path}: was trained on other images")
        if progress.batch_size != options.batch_size or progress.rate != options.rate:
            raise WrongInputError(
                f"{path}: was trained with batches of {progress.batch_size} and a learning rate of {progress.rate:.9g}"
            )
        for _ in range(progress.epochs):
            self.order.next()
        if self.order.crc != progress.order_crc:
            raise WrongInputError(f"{path}: was trained in another order (see --order, --seed)")

    def _run_epoch(self) -> None:
        options, progress = self.options, self.progress
        images = self.order.next()
        begin = time.perf_counter()
        progress.loss = self.engine.epoch(self.train, images, options.batch_size, options.rate)
        seconds = time.perf_counter() - begin
        self.train_seconds += seconds
        progress.epochs += 1
        progress.order_crc = self.order.crc
        self._check_numbers()
        self._test()
        better = self.accuracy > progress.best_accuracy
        progress.epochs_since_best = 0 if better else progress.epochs_since_best + 1
        progress.best_accuracy = max(self.accuracy, progress.best_accuracy)
        _print_epoch(self, seconds)
        self._save_epoch()
        if options.checkpoint is not None:
            write_checkpoint(Path(options.checkpoint), progress, self.network)

    def _check_numbers(self) -> None:
        finite = math.isfinite(self.progress.loss)
        if not finite or not np.isfinite(self.network.parameters).all():
            what = "weights are" if finite else "loss is"
            raise FailureError(
                f"the {what} no longer a number in epoch {self.progress.epochs}: lower the learning rate"
            )

    def _test(self) -> None:
        begin = time.perf_counter()
        self.accuracy = self.engine.right(self.test) / len(self.test)
        self.test_seconds += time.perf_counter() - begin

    def _save_epoch(self) -> None:
        if self.options.save_epochs is not None:
            write_network(Path(self.options.save_epochs, f"epoch-{self.progress.epochs:04d}.nn"), self.network)


def _train(options: TrainOptions, start: Start) -> None:
    training = _Training(options, start)
    window = Window()
    window.open()
    training.run()
    window.close()
    window.save_marks()
    if options.net is not None:
        write_network(Path(options.net), training.network)
    _print_done(training)


def _first_network(options: TrainOptions) -> tuple[Progress | None, Network]:
    """The network to begin with, and where it stands if it comes from a checkpoint."""
    if options.resume is not None:
        progress, network = read_checkpoint(Path(options.resume), options.dtype)
        _check_shape(options.resume, network, options)
        return progress, network
    if options.init is not None:
        network = read_network(Path(options.init), options.dtype)
        _check_shape(options.init, network, options)
        return None, network
    normals = Random(options.seed, STREAM_WEIGHTS).normals(parameter_count(options.sizes))
    # The same numbers in either precision.
    return None, Network(options.sizes, normals.astype(np.float32).astype(options.dtype))


def _check_shape(path: str, network: Network, options: TrainOptions | None = None) -> None:
    """A network that reads these images, of the shape that was asked for."""
    if network.sizes[0] != PIXELS or network.sizes[-1] != DIGITS:
        raise WrongInputError(
            f"{path}: a network of {network.sizes[0]} inputs and {network.sizes[-1]} outputs "
            f"(expected {PIXELS} and {DIGITS})"
        )
    if options is not None and options.shape_given and network.sizes != options.sizes:
        raise WrongInputError(f"{path}: its shape is not the one that --shape asks for")


def _order_source(options: TrainOptions, images: int, epochs_done: int) -> Source:
    if options.order == "seed":
        return SeededOrder(images, options.seed)
    if options.order == "sequential":
        return SequentialOrder(images)
    return OrderFile(Path(options.order), images, max(options.epochs, epochs_done))


def _images_crc(digits: DigitSet) -> int:
    return zlib.crc32(digits.labels.data, zlib.crc32(digits.pixels.data))


def _print_epoch(training: _Training, seconds: float) -> None:
    options, progress = training.options, training.progress
    if options.quiet:
        return
    if options.json:
        text = (
            f'{{"event":"epoch","epoch":{progress.epochs},"loss":{progress.loss:.9g},'
            f'"accuracy":{training.accuracy:.9g},"seconds":{seconds:.6f}}}'
        )
    else:
        text = (
            f"epoch {progress.epochs} of {options.epochs}: loss {progress.loss:.6f}, "
            f"accuracy {100 * training.accuracy:.2f} %, {seconds:.3f} s"
        )
    print(text, flush=True)


def _print_done(training: _Training) -> None:
    options, progress, network = training.options, training.progress, training.network
    if not options.json:
        print(
            f"done: accuracy {100 * training.accuracy:.2f} % on {len(training.test)} images after {progress.epochs} "
            f"epochs on {len(training.train)} images, {len(network.parameters)} parameters, "
            f"{training.train_seconds:.3f} s{', stopped early' if training.stopped_early else ''}"
        )
        return
    fields = [
        '"event":"done"',
        f'"epochs":{progress.epochs}',
        f'"loss":{format(progress.loss, ".9g") if progress.epochs else "null"}',
        f'"accuracy":{training.accuracy:.9g}',
        f'"seconds":{training.train_seconds:.6f}',
        f'"test_seconds":{training.test_seconds:.6f}',
        f'"train_images":{len(training.train)}',
        f'"test_images":{len(training.test)}',
        f'"parameters":{len(network.parameters)}',
        f'"shape":[{",".join(map(str, network.sizes))}]',
        f'"batch_size":{options.batch_size}',
        f'"learning_rate":{options.rate:.9g}',
        f'"seed":{options.seed}',
        f'"precision":"{options.dtype.name}"',
        f'"kernel":"{training.engine.kernel}"',
        f'"stopped_early":{"true" if training.stopped_early else "false"}',
    ]
    print("{" + ",".join(fields) + "}")


# ---------------------------------------------------------------------------------------------------------- inference


def _infer(options: InferOptions, start: Start) -> None:
    network = read_network(Path(options.net), options.dtype)
    _check_shape(options.net, network)
    outputs = start(network, 1).outputs(read_image(Path(options.image), options.index))
    digit = int(outputs.argmax())
    if options.json:
        numbers = ",".join(format(float(value), ".9g") for value in outputs)
        print(f'{{"event":"inference","digit":{digit},"outputs":[{numbers}]}}')
    else:
        print(digit)
