"""The interpreter in which networks are built for real: that of LAB_KERAS_PYTHON, else this one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.networks.building.interpreter import VARIABLE

PIP_NAMES = {"tensorflow_model_optimization": "tensorflow-model-optimization", "tf_keras": "tf-keras"}


def skip_without(*modules: str) -> str:
    """The interpreter, if it has Keras, TensorFlow and these modules; else the test is skipped, and says what to
    install."""
    python = os.environ.get(VARIABLE) or sys.executable
    wanted = ["keras", "tensorflow", *modules]
    probe = f"import importlib.util as u; print(*[m for m in {wanted!r} if not u.find_spec(m)])"
    done = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True)
    if missing := done.stdout.split():
        extra = "the extra [keras]" if {"keras", "tensorflow"} & set(missing) else "nothing"
        others = " ".join(PIP_NAMES[name] for name in missing if name in PIP_NAMES)
        install = " and ".join(part for part in (extra if extra != "nothing" else "", others) if part)
        pytest.skip(f"{python} lacks {', '.join(missing)}: install {install}, or set {VARIABLE}")
    return python
