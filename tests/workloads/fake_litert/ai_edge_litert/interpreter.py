"""A stand-in for LiteRT's interpreter: inferences that take a stated time, and a diary of what was asked of it.

``FAKE_LITERT`` holds JSON: ``diary`` (a file), ``inference_s``, ``inputs`` ([[shape, dtype], …]), ``refuses`` (what it
says when the model is loaded), ``fails_at`` (number of the inference that fails, from 1).
"""

import enum
import json
import os
import time
from pathlib import Path

import numpy as np

SETTINGS = json.loads(os.environ.get("FAKE_LITERT", "{}"))


class OpResolverType(enum.Enum):
    AUTO = 0
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3


def note(**entry):
    if "diary" in SETTINGS:
        with Path(SETTINGS["diary"]).open("a") as file:
            file.write(json.dumps(entry) + "\n")


def load_delegate(library, options=None):
    if not Path(library).exists():
        raise OSError(f"{library}: cannot open shared object file")
    note(delegate=library, options=options)
    return library


class Interpreter:
    def __init__(self, model_path, num_threads=None, experimental_op_resolver_type=None, experimental_delegates=None):
        resolver = experimental_op_resolver_type
        note(
            model=model_path,
            threads=num_threads,
            resolver=None if resolver is None else resolver.name,
            delegates=experimental_delegates,
        )
        if "refuses" in SETTINGS:
            raise ValueError(SETTINGS["refuses"])
        self._invoked = 0

    def allocate_tensors(self):
        note(allocated=True)

    def get_input_details(self):
        inputs = SETTINGS.get("inputs", [[[1, 4], "float32"]])
        return [
            {"index": index, "name": f"in{index}", "shape": np.array(shape), "dtype": np.dtype(dtype).type}
            for index, (shape, dtype) in enumerate(inputs)
        ]

    def set_tensor(self, index, values):
        if self._invoked == 0:
            note(
                index=index,
                dtype=str(values.dtype),
                shape=list(values.shape),
                low=float(values.min()),
                high=float(values.max()),
                total=float(values.astype(float).sum()),
            )

    def invoke(self):
        self._invoked += 1
        if self._invoked == SETTINGS.get("fails_at"):
            raise RuntimeError("the accelerator\nwent away")
        until = time.perf_counter() + SETTINGS.get("inference_s", 0.001)
        while time.perf_counter() < until:
            pass
