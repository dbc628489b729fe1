"""The images that show the converter how large activations get: CIFAR-100 from a folder, or seeded stand-ins.

CIFAR-100 (A. Krizhevsky, 2009) is read in its python form: a folder, ``cifar-100-python`` or the one above it, with a
pickled file ``test``. Unpickling may run anything, so only NumPy's arrays are let in.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError, UsageError

COUNT: Final = 32
"""Images that the converter is shown."""
EDGE: Final = 32
"""Pixels along a side of CIFAR's images, and of the stand-ins for them."""

PUBLISHED_MD5: Final = "f0ef6b0ae62326f3e7ffdfab6717acfc"
"""Of the file ``test`` as published."""

_PIXELS = 3 * EDGE * EDGE
_ARRAY_NAMES = {"_reconstruct", "ndarray", "dtype", "_frombuffer", "scalar"}
_ARRAY_MODULES = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy._core.numeric"}


@dataclass(frozen=True, slots=True)
class Images:
    """RGB images, uint8, (count, 32, 32, 3); ``facts`` say where they are from."""

    pixels: NDArray[np.uint8]
    facts: dict[str, Any]


def representative_images(folder: Path | None, seed: int, count: int = COUNT) -> Images:
    """``count`` images from the folder's test set, chosen by the seed; without a folder, drawn from it.

    Raises as :func:`read_cifar100` does.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 100]))
    source: dict[str, Any]
    if folder is None:
        pixels, source = synthetic_images(generator, count), {"kind": "synthetic"}
    else:
        every, published = read_cifar100(folder)
        chosen = np.sort(generator.permutation(len(every))[:count])
        pixels = every[chosen]
        source = {"kind": "CIFAR-100", "file": "test", "published": published, "of": len(every)}
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Images(pixels, {**source, "images": len(pixels), "seed": seed, "sha256": digest})


def synthetic_images(generator: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Images of no thing: colour that changes slowly over the image, noise on top, contrast as in photographs."""
    coarse = generator.normal(0, 1, (count, 5, 5, 3))
    positions = np.linspace(0, 4, EDGE)
    left = np.minimum(positions.astype(int), 3)
    share = positions - left
    rows = coarse[:, left] * (1 - share)[:, None, None] + coarse[:, left + 1] * share[:, None, None]
    smooth = rows[:, :, left] * (1 - share)[:, None] + rows[:, :, left + 1] * share[:, None]
    noisy = 120 + 55 * smooth + generator.normal(0, 12, smooth.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return pixels


def read_cifar100(folder: Path) -> tuple[NDArray[np.uint8], bool]:
    """The test images of CIFAR-100, (count, 32, 32, 3), and whether the file is the published one.

    Raises :class:`lab.errors.UsageError` if the folder does not hold them, :class:`lab.errors.DataError` if the file is
    not what its name says.
    """
    path = next((item for item in (folder / "test", folder / "cifar-100-python" / "test") if item.is_file()), None)
    if path is None:
        raise UsageError(
            f"{folder} does not hold CIFAR-100: there is no file 'test' in it",
            advice="unpack cifar-100-python.tar.gz and name its folder",
        )
    content = path.read_bytes()
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        data, labels = batch[b"data"], batch[b"fine_labels"]
    except Exception as error:  # noqa: BLE001 - a damaged pickle may fail in any way
        raise DataError(f"{path} is no batch of CIFAR-100 in its python form: {_said(error)}") from None
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 2 and data.shape[1] == _PIXELS):
        raise DataError(f"{path} does not hold images of {EDGE} × {EDGE} × 3 bytes")
    if not isinstance(labels, list) or len(labels) != len(data) or not len(data):
        raise DataError(f"{path} does not have a label for each of its {len(data)} images")
    if not all(isinstance(label, int) and 0 <= label < 100 for label in labels):
        raise DataError(f"{path} has labels other than 0 to 99: this is not CIFAR-100")
    pixels = np.ascontiguousarray(data.reshape(-1, 3, EDGE, EDGE).transpose(0, 2, 3, 1))
    return pixels, hashlib.md5(content, usedforsecurity=False).hexdigest() == PUBLISHED_MD5


class _ArraysOnly(pickle.Unpickler):
    """Refuses every name in a pickle but those that arrays are made of."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _ARRAY_MODULES and name in _ARRAY_NAMES:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
