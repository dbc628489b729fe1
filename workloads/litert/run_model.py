#!/usr/bin/env python3
"""Runs a .tflite model with LiteRT and says how long it takes, as TensorFlow Lite's ``benchmark_model`` does.

    python3 run_model.py --graph=MobileNet_32.tflite --num_threads=1 --num_runs=50 --json

Flags, defaults, the loop and the printed lines are those of ``benchmark_model`` (tensorflow/lite/tools/benchmark), so
that the two can stand in for each other. It needs Python 3.8, NumPy and LiteRT's interpreter (``pip install
ai-edge-litert``; the older ``tflite_runtime`` that boards' images have will do): copy this folder.

Exit codes: 0 done; 2 a flag, model or package that is not right, with one line saying which; 1 anything else.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

import measuring
from measuring import WrongInputError, one_line

PACKAGES = ("ai_edge_litert", "tflite_runtime")
"""Where LiteRT's interpreter is looked for, in this order: the present package, then the one it grew out of."""

INSTALL = "pip install ai-edge-litert"


def parse_flags(argv: list[str]) -> argparse.Namespace:
    """The flags as a namespace. Raises :class:`WrongInputError`."""
    flags = measuring.common_flags("run_model.py", (__doc__ or "").splitlines()[0])
    add = flags.add_argument
    add("--graph", default="", metavar="FILE", help="the .tflite file")
    add("--use_xnnpack", type=measuring.boolean, metavar="BOOL", help="false: LiteRT's own kernels")
    add("--external_delegate_path", default="", metavar="FILE", help="library of an accelerator")
    add("--external_delegate_options", default="", metavar="K:V;K:V", help="what it is told")
    chosen = flags.parse_args(argv)
    if not (chosen.graph or chosen.version):
        raise WrongInputError("the following arguments are required: --graph")
    return chosen


def delegate_options(text: str) -> dict[str, str]:
    """``key:value;key:value`` taken apart."""
    found = {}
    for part in filter(None, text.split(";")):
        key, colon, value = part.partition(":")
        if not (key and colon):
            raise WrongInputError(f"argument --external_delegate_options: {part!r} is not KEY:VALUE")
        found[key] = value
    return found


def find_runtime():
    """LiteRT's interpreter module and the name of its package. Raises :class:`WrongInputError` if there is none."""
    problem = ""
    for package in PACKAGES:
        try:
            return importlib.import_module(package + ".interpreter"), package
        except ModuleNotFoundError as error:
            if error.name not in (package, package + ".interpreter"):
                problem = problem or f"{package} needs {error.name}, which is not there"
        except ImportError as error:
            problem = problem or f"{package} does not load: {one_line(error)}"
    raise WrongInputError(f"{problem or 'LiteRT is not installed for ' + sys.executable}; {INSTALL}")


def description(package: str) -> dict:
    """What runs the model: package, its version, Python's."""
    from importlib import metadata

    try:
        version = metadata.version(package.replace("_", "-"))
    except metadata.PackageNotFoundError:
        version = "unknown"
    return {"package": package, "version": version, "python": sys.version.split()[0]}


def check_file(path: str) -> int:
    """The model's length in bytes. Raises :class:`WrongInputError` for what is no .tflite file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (one file, few imports)
            head = file.read(8)
            size = file.seek(0, os.SEEK_END)
    except OSError as error:
        raise WrongInputError(f"{path}: {error.strerror}") from None
    if head[4:8] != b"TFL3":
        raise WrongInputError(f"{path}: this is no .tflite file (bytes 4 to 7 are {head[4:8]!r}, expected b'TFL3')")
    return size


class LiteRtModel:
    """What :func:`measure` runs: a .tflite file, by LiteRT. Nothing is loaded yet."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self.name, self.bytes = flags.graph, check_file(flags.graph)
        self.asked = {"xnnpack": flags.use_xnnpack, "delegate": flags.external_delegate_path or None}
        self._runtime, package = find_runtime()
        self.runtime = description(package)
        self._flags = flags

    def load(self):
        """The interpreter with its tensors allocated. Raises :class:`WrongInputError` if LiteRT refuses the model."""
        runtime, flags, choices = self._runtime, self._flags, {}
        if flags.num_threads > 0:
            choices["num_threads"] = flags.num_threads
        if flags.use_xnnpack is False:
            choices["experimental_op_resolver_type"] = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        if flags.external_delegate_path:
            options = delegate_options(flags.external_delegate_options)
            # Of a library that does not load, the package also complains while it clears up: a line nobody can use.
            sys.unraisablehook = lambda _: None
            try:
                choices["experimental_delegates"] = [runtime.load_delegate(flags.external_delegate_path, options)]
            except (OSError, RuntimeError, ValueError) as error:
                raise WrongInputError(f"{flags.external_delegate_path}: {one_line(error)}") from None
        try:
            interpreter = runtime.Interpreter(model_path=flags.graph, **choices)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise WrongInputError(f"{flags.graph}: {one_line(error)}") from None
        return interpreter


if __name__ == "__main__":
    sys.exit(
        measuring.main(sys.argv[1:], "run_model", parse_flags, lambda: description(find_runtime()[1]), LiteRtModel)
    )
