# SPDX-License-Identifier: Apache-2.0
"""Files of named arrays and a header, whose bytes are the same for the same contents (an ``.npz`` that NumPy reads)."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynet.errors import TinynetError

HEADER = "header"
NO_DATE = (1980, 1, 1, 0, 0, 0)
FORMAT_OF_QUANTIZED = "tinynet.quantized/1"
DAMAGE = (
    *(ValueError, EOFError, TypeError, RecursionError, MemoryError),
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error),
)
"""What reading a damaged archive raises; RuntimeError is what an encrypted entry gives."""


def file_bytes(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of a file of ``header`` (as JSON) and the arrays, in name order.

    Raises TinynetError where the header is not plain JSON.
    """
    try:
        words = json.dumps(header, sort_keys=True, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise TinynetError(f"the header is not plain JSON: {error}") from None
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, array in [(HEADER, np.frombuffer(words, dtype=np.uint8)), *sorted(arrays.items())]:
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", NO_DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, member.getvalue())
    return whole.getvalue()


def write_arrays(path: Path, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write :func:`file_bytes`, aside and then under its name.

    Raises TinynetError where the file cannot be written or the header is not plain JSON.
    """
    try:
        contents = file_bytes(header, arrays)
    except TinynetError as error:
        raise TinynetError(f"{path}: {error}") from None
    aside = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(contents)
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise TinynetError(f"{path} cannot be written: {error.strerror or error}") from None


def format_of(path: Path) -> str | None:
    """What kind of file it says it is. Raises TinynetError for a file that is none of ours."""
    found = read_arrays(path)[0].get("format")
    return found if isinstance(found, str) else None


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """(header, arrays) of a file; nothing in it is executed. Raises TinynetError for any other file."""
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if entry.compress_type != zipfile.ZIP_STORED:  # never ours, and it could unpack to any size
                    raise TinynetError(f"{path} is not a network file: {entry.filename} is compressed")
                member = io.BytesIO(archive.read(entry))
                arrays[entry.filename.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
        header = json.loads(arrays.pop(HEADER).tobytes())
    except FileNotFoundError:
        raise TinynetError(f"there is no file {path}") from None
    except KeyError:
        raise TinynetError(f"{path} is not a network file: it has no header") from None
    except OSError as error:
        raise TinynetError(f"{path} cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        raise TinynetError(f"{path} is not a network file, or damaged: {error}") from None
    if not isinstance(header, dict):
        raise TinynetError(f"{path} is not a network file: its header is {type(header).__name__}")
    return header, arrays
