# SPDX-License-Identifier: Apache-2.0
"""Training by the signatures of a TFLite model (tflite_model.py), run by LiteRT on one thread."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from hdrnn.digits import DIGITS, DigitSet
from hdrnn.engine import inputs_of
from hdrnn.errors import WrongInputError
from hdrnn.network import Floats, Network
from hdrnn.order import Numbers
from hdrnn.tflite_model import INFERENCE_BATCH

_MAKER = Path(__file__).parents[1] / "hdrnn_tflite_model.py"


def model_name(sizes: tuple[int, ...], batch_size: int) -> str:
    """The file of a shape's model: ``784-32-10.batch10.tflite``."""
    return f"{'-'.join(map(str, sizes))}.batch{batch_size}.tflite"


def model_folder() -> Path:
    """Where models lie: what HDRNN_TFLITE names, or the folder ``tflite`` beside the programs' one."""
    return Path(os.environ.get("HDRNN_TFLITE") or _MAKER.parents[1] / "tflite")


class TfliteEngine:
    """Keeps the parameters in the model's variables while it trains."""

    kernel = "LiteRT"

    def __init__(self, network: Network, batch_size: int) -> None:
        if network.parameters.dtype != np.float32:
            raise WrongInputError("--precision float64: TFLite's operations are there in float32 alone")
        self._network = network
        self._batch_size = batch_size
        path = _model(network.sizes, batch_size)
        interpreter = _quietly(path)
        self._run = {name: interpreter.get_signature_runner(name) for name in ("train", "infer", "restore", "save")}
        self._blocks = [block for layer in network.layers() for block in layer]
        names = sorted(self._run["restore"].get_input_details(), key=_number_in)
        self._run["restore"](**dict(zip(names, self._blocks, strict=True)))
        self._wanted = np.eye(DIGITS, dtype=np.float32)

    def epoch(self, digits: DigitSet, order: Numbers, batch_size: int, rate: float) -> float:
        """See :class:`hdrnn.engine.Engine`."""
        loss = 0.0
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            counts = np.zeros((batch_size, 1), dtype=np.float32)
            counts[: len(batch)] = 1
            filled = np.resize(batch, batch_size)
            done = self._run["train"](
                inputs=inputs_of(digits.pixels[filled], self._network.parameters.dtype),
                wanted=self._wanted[digits.labels[filled]],
                counts=counts,
                scale=counts * np.float32(rate / len(batch)),
            )
            loss += float(done["loss"])
        saved = self._run["save"](one=np.ones(1, dtype=np.float32))
        for number, block in enumerate(self._blocks):
            block[:] = saved[f"block{number}"]
        return loss / len(order)

    def right(self, digits: DigitSet) -> int:
        """See :class:`hdrnn.engine.Engine`."""
        found = 0
        for first in range(0, len(digits), INFERENCE_BATCH):
            part = slice(first, first + INFERENCE_BATCH)
            answers = self._infer(digits.pixels[part]).argmax(axis=1)
            found += int(np.count_nonzero(answers == digits.labels[part]))
        return found

    def outputs(self, pixels: NDArray[np.uint8]) -> Floats:
        """See :class:`hdrnn.engine.Engine`."""
        outputs: Floats = self._infer(pixels[None])[0]
        return outputs

    def _infer(self, pixels: NDArray[np.uint8]) -> Floats:
        inputs = np.zeros((INFERENCE_BATCH, pixels.shape[1]), dtype=np.float32)
        inputs[: len(pixels)] = inputs_of(pixels, inputs.dtype)
        outputs: Floats = self._run["infer"](inputs=inputs)["outputs"][: len(pixels)]
        return outputs


def _model(sizes: tuple[int, ...], batch_size: int) -> Path:
    """The shape's model, made by TensorFlow in a process of its own where it is not there yet."""
    folder = model_folder()
    path = folder / model_name(sizes, batch_size)
    if path.is_file():
        return path
    if find_spec("tensorflow") is None:
        raise WrongInputError(f"{path}: no such model, and TensorFlow, which makes it, is not installed")
    shape = ",".join(map(str, sizes[1:-1]))
    command = [
        sys.executable,
        "-B",
        str(_MAKER),
        "--out",
        str(folder),
        "--batch_size",
        str(batch_size),
        "--shape",
        shape,
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0 or not path.is_file():
        said = (made.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise WrongInputError(f"{path}: the model cannot be made: {said:.200}")
    return path


def _quietly(path: Path) -> Any:
    """An interpreter; what it tells of its delegates does not go to standard error."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError):
        raise WrongInputError(f"{path}: LiteRT does not take this model") from None
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return interpreter


def _number_in(name: str) -> int:
    """blocks, blocks_1, blocks_2, …: how TensorFlow names the parts of a list."""
    return int(name.rpartition("_")[2]) if "_" in name else 0
