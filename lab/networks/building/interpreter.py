"""Which Python builds networks: this one, or one that has an environment of its own for Keras and TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from lab.errors import UsageError

VARIABLE: Final = "LAB_KERAS_PYTHON"
"""Names another interpreter with the extra, where TensorFlow does not go together with what is installed here."""

_PROBE: Final = """
import importlib.metadata, importlib.util, json, platform
def version(*names):
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return "unknown"
found = {"python": platform.python_version()}
for module, names in {"keras": ["keras"], "numpy": ["numpy"],
                      "tensorflow": ["tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly"]}.items():
    if importlib.util.find_spec(module):
        found[module] = version(*names)
print(json.dumps(found))
"""
_PROBE_LIMIT_S: Final = 60


@dataclass(frozen=True, slots=True)
class KerasPython:
    """An interpreter with Keras and TensorFlow, and their versions and its own."""

    path: str
    versions: dict[str, str]


def keras_python() -> KerasPython:
    """The interpreter of ``LAB_KERAS_PYTHON``, else this one.

    Raises :class:`lab.errors.UsageError` if it does not have what the extra ``[keras]`` brings.
    """
    path = os.environ.get(VARIABLE) or sys.executable
    try:
        done = subprocess.run(
            [path, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_LIMIT_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        versions: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UsageError(f"{path} does not run as a Python: {error}", advice=f"see {VARIABLE}") from None
    missing = [name for name in ("keras", "tensorflow", "numpy") if name not in versions]
    if not missing and versions["keras"].split(".")[0] in ("1", "2"):
        missing = [f"Keras 3 (there is {versions['keras']})"]
    if missing:
        raise UsageError(
            f"building networks needs {' and '.join(missing)}, which {path} does not have",
            advice=f"pip install 'embedded-lab[keras]', or set {VARIABLE} to an interpreter that has both",
        )
    return KerasPython(path, versions)
