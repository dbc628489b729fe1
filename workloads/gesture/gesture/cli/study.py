# SPDX-License-Identifier: Apache-2.0
"""``gestures.py study``: the study from captured gestures to small forms, each step said on a line of JSON.

Events, in this order: ``data`` (how many of what), ``example`` (one performance of each gesture, for figures 1 and 2),
``layer`` (table 1), ``epoch`` (figures 4 and 5), ``trained`` (table 2), ``form`` (figures 6 and 7), ``done``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gesture import files, litert
from gesture.cli.options import above_zero, made, names, positive, seed
from gesture.errors import GestureError
from gesture.files import Performances
from gesture.forms import FORMS, Form
from gesture.header import c_header
from gesture.integers import SCHEMES, constant_bytes, integer_network, integer_outputs
from gesture.judging import Judgement, Shares, judge, judge_all
from gesture.scaling import as_network_inputs, unrounded
from gesture.training import BATCH, EPOCHS, INPUT_SCALES, GestureData, train_network
from tinynet.architecture import parameter_count
from tinynet.export_c import export
from tinynet.network import Network
from tinynet.network_file import save
from tinynet.training import DivergedError, EpochResult, TrainingOptions

UNSEEN = "unseen"
"""Folder beside the CSV files with performances that nobody trains on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options; the defaults are the study's, and where it is silent, those of the tutorial it cites."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of CSV files, one per gesture")
    parser.add_argument("--gestures", type=names, default=(), metavar="A,B", help="default: every file")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="networks and headers go there")
    parser.add_argument("--epochs", type=positive, default=EPOCHS, metavar="N", help="default %(default)s")
    parser.add_argument("--batch", type=positive, default=BATCH, metavar="N", help="default %(default)s")
    parser.add_argument("--rate", type=above_zero, default=0.001, metavar="R", help="default %(default)s")
    parser.add_argument("--optimizer", default="rmsprop", metavar="NAME", help="rmsprop (default), adam")
    parser.add_argument("--scale", choices=INPUT_SCALES, default="unit", help="inputs 0…1 (default), or -1…1")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="draws the split, the weights, the order")
    parser.add_argument("--tflite", choices=("auto", "no"), default="auto", help="also convert, if TensorFlow is here")


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Captured gestures, split; ``unseen`` as they were captured."""

    data: GestureData
    performances: Performances
    unseen: Performances | None


def load(folder: Path, gestures: tuple[str, ...], split_seed: int) -> Loaded:
    """Read a folder and, if it is there, the unseen ones below it. Raises :class:`GestureError`."""
    if not folder.is_dir():
        raise GestureError(f"{folder}: no such folder")
    performances = files.read_folder(folder, gestures)
    below = folder / UNSEEN
    unseen = files.read_folder(below, performances.names) if below.is_dir() else None
    return Loaded(GestureData.split(performances, split_seed, unseen), performances, unseen)


def run(args: argparse.Namespace) -> int:
    """All of it."""
    loaded, out = load(args.data, args.gestures, args.seed), made(args.out)
    _say_data(loaded)
    options = TrainingOptions(args.epochs, args.batch, args.rate, args.optimizer, "cross_entropy", args.seed)
    begin = time.perf_counter()
    try:
        network = train_network(loaded.data, options, args.scale, on_epoch=_say_epoch)
    except DivergedError as error:
        print(f"gestures.py study: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - begin
    network = replace(network, facts={"gestures": list(loaded.data.names), "seed": args.seed, "epochs": args.epochs})
    save(network, out / "gesture.npz")
    loaded.data.write(made(out / "data"))
    _say_layers(network)
    _say_trained(network, loaded, seconds)
    _own_forms(network, loaded.data, out)
    _integer_forms(network, loaded.data, out)
    if args.tflite == "auto" and litert.is_installed():
        _tflite_forms(network, loaded.data, out)
    _say({"event": "done", "parameters": parameter_count(network), "training_s": seconds})
    return 0


def _own_forms(network: Network, data: GestureData, out: Path) -> None:
    for form in FORMS:
        made_form = Form.of(network, form)
        file = made_form.to_bytes()
        (out / f"gesture_{form}.bin").write_bytes(file)
        _write_header(out, f"gesture_{form}", file)
        judged = judge_all(partial(_form_shares, made_form, network), data)
        stored = sum(part.nbytes for layer in made_form.layers for part in (layer.weights, layer.bias))
        _say_form(form, "own", len(file), stored, judged)


def _form_shares(form: Form, network: Network, inputs: NDArray[np.uint8]) -> Shares:
    return form.outputs(as_network_inputs(network, inputs))


def _integer_forms(network: Network, data: GestureData, out: Path) -> None:
    for form in SCHEMES:
        integers = integer_network(network, data, form)
        path = out / f"gesture_{form}.q.npz"
        integers.save(path)
        export(integers, "c", made(out / f"gesture_{form}_c"), "gesture")
        judged = judge_all(partial(integer_outputs, integers), data)
        size = constant_bytes(integers)
        _say_form(form, "own", size, size, judged)


def _tflite_forms(network: Network, data: GestureData, out: Path) -> None:
    converted = litert.convert(network, data)
    _say(
        {"event": "converter", "name": "tensorflow", "version": converted.version, "keras_bytes": converted.keras_bytes}
    )
    for form, file in converted.files.items():
        (out / f"gesture_{form}.tflite").write_bytes(file)
        _write_header(out, f"gesture_{form}_tflite", file)
        judged = judge_all(partial(litert.shares, file, network), data)
        _say_form(form, "tflite", len(file), None, judged)


def _write_header(out: Path, name: str, data: bytes) -> None:
    (out / f"{name}.h").write_text(c_header(data, name, f"{name}: {len(data)} bytes"), encoding="ascii")


def _say_data(loaded: Loaded) -> None:
    data = loaded.data
    _say(
        {
            "event": "data",
            "gestures": list(data.names),
            "training": len(data.training),
            "validation": len(data.validation),
            "unseen": 0 if data.unseen is None else len(data.unseen),
        }
    )
    for label, name in enumerate(data.names):
        first = loaded.performances.values[loaded.performances.labels == label][0]
        _say({"event": "example", "gesture": name, "samples": first.tolist()})


def _say_layers(network: Network) -> None:
    for layer in network.layers:
        if layer.weights is not None and layer.bias is not None:
            _say(
                {
                    "event": "layer",
                    "name": layer.name,
                    "outputs": len(layer.bias),
                    "parameters": layer.weights.size + layer.bias.size,
                }
            )


def _say_epoch(result: EpochResult) -> None:
    _say(
        {
            "event": "epoch",
            "epoch": result.epoch,
            "loss": result.loss,
            "accuracy": result.accuracy,
            "validation_loss": result.test_loss,
            "validation_accuracy": result.test_accuracy,
        }
    )


def _say_trained(network: Network, loaded: Loaded, seconds: float) -> None:
    whole = Form.of(network, "float32")
    event: dict[str, Any] = {"event": "trained", "seconds": seconds}
    judged = judge_all(partial(_form_shares, whole, network), loaded.data)
    event |= _judged(judged)
    if loaded.unseen is not None:
        # What rounding the inputs to bytes costs.
        real = judge(whole.outputs(unrounded(network, loaded.unseen.values)), np.asarray(loaded.unseen.labels))
        event |= {"unrounded_accuracy": real.accuracy, "unrounded_loss": real.loss}
    _say(event)


def _say_form(form: str, maker: str, size: int, stored: int | None, judged: dict[str, Judgement]) -> None:
    _say({"event": "form", "form": form, "maker": maker, "bytes": size, "parameter_bytes": stored, **_judged(judged)})


def _judged(judged: dict[str, Judgement]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, item in judged.items():
        found |= {f"{name}_accuracy": item.accuracy, f"{name}_loss": item.loss, f"{name}_count": item.count}
    return found


def _say(event: dict[str, Any]) -> None:
    print(json.dumps(event, allow_nan=False), flush=True)
