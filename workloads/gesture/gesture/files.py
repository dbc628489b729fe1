# SPDX-License-Identifier: Apache-2.0
"""One CSV file per gesture, as the study keeps them: a header, 30 lines per performance, an empty line after each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.capture import Capture
from gesture.errors import GestureError
from gesture.motion import Floats
from gesture.sketch import HEADER, SAMPLES, line_of

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, eq=False)
class Performances:
    """``values`` (n, 30, 6) in g and °/s; ``labels`` (n,) number the gestures in ``names``, which are sorted."""

    names: tuple[str, ...]
    values: Floats
    labels: NDArray[np.int64]


def csv_path(folder: Path, gesture: str) -> Path:
    """Where the performances of a gesture lie. Raises :class:`GestureError` for a name that is no file's."""
    if _NAME.fullmatch(gesture) is None:
        raise GestureError(f"{gesture!r} cannot be a gesture's name: letters, digits, - and _ only")
    return folder / f"{gesture}.csv"


def write(path: Path, performances: Sequence[Floats]) -> None:
    """Write the file anew."""
    blocks = ["".join(line_of(sample) for sample in performance) + "\r\n" for performance in performances]
    path.write_bytes((HEADER + "\r\n" + "".join(blocks)).encode())


def read(path: Path, samples: int = SAMPLES) -> Floats:
    """The performances of one file, (n, samples, 6). Empty lines in it may be missing, as where it was copied by hand.

    Raises :class:`GestureError` for anything that is not such a file.
    """
    try:
        lines = path.read_bytes().replace(b"\r\n", b"\n").split(b"\n")
    except OSError as error:
        raise GestureError(f"{path}: {error.strerror}") from None
    if lines[0].strip() != HEADER.encode():
        raise GestureError(f"{path}: the first line is not {HEADER}")
    filled = [line for line in lines[1:] if line.strip()]
    if not filled or len(filled) % samples:
        raise GestureError(f"{path}: {len(filled)} samples, expected {samples} per performance")
    capture, found = Capture(samples), []
    for begin in range(0, len(filled), samples):
        found += capture.feed(b"\n".join(filled[begin : begin + samples]) + b"\n\n")
        if capture.dropped:
            (reason,) = capture.dropped
            raise GestureError(f"{path}: performance {begin // samples + 1} is damaged: {reason}")
    return np.stack(found)


def read_folder(folder: Path, names: Sequence[str] = (), samples: int = SAMPLES) -> Performances:
    """All gestures of a folder, or those named. Raises :class:`GestureError` if there are fewer than two."""
    chosen = sorted(names) if names else sorted(path.stem for path in folder.glob("*.csv"))
    if len(set(chosen)) < 2:
        raise GestureError(f"{folder}: found {', '.join(chosen) or 'no gesture'}; at least two files are needed")
    each = [read(csv_path(folder, name), samples) for name in chosen]
    labels = np.repeat(np.arange(len(chosen)), [len(values) for values in each])
    return Performances(tuple(chosen), np.concatenate(each), labels)
