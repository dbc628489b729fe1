"""Network files (.nn) of the HDR-NN programs, as workloads/hdrnn/c/netfile.h describes them: read only, and checked."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"HDRNN\r\n\x1a"
_ELEMENTS = {1: "<f4", 2: "<f8"}
"""Version → type of a parameter: binary32 or binary64."""
_MOST_LAYERS, _MOST_NEURONS = 16, 65536


@dataclass(frozen=True)
class NetworkFile:
    """``sizes`` are inputs and neurons of each layer, ``parameters`` (n,) all weights and biases in the file's order
    and precision (float32 or float64)."""

    sizes: tuple[int, ...]
    parameters: NDArray[np.floating]


def read_network(path: Path) -> NetworkFile:
    """Read a file. Raises :class:`DataError` if it is none, damaged, or holds a number that is not finite."""
    import numpy as np

    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if content[:8] != MAGIC or len(content) < 24:
        raise DataError(f"{path}: not a network file")
    version, layers = struct.unpack_from("<II", content, 8)
    if version not in _ELEMENTS:
        raise DataError(f"{path}: network file of version {version} (1 and 2 are known)")
    element = np.dtype(_ELEMENTS[version])
    begin = 16 + 4 * (layers + 1)
    if not 1 <= layers <= _MOST_LAYERS or len(content) < begin + 4:
        raise DataError(f"{path}: damaged network file ({layers} layers in {len(content)} bytes)")
    sizes = struct.unpack_from(f"<{layers + 1}I", content, 16)
    count = sum((inputs + 1) * neurons for inputs, neurons in pairwise(sizes))
    if not all(1 <= size <= _MOST_NEURONS for size in sizes) or len(content) != begin + element.itemsize * count + 4:
        raise DataError(f"{path}: damaged network file ({len(content)} bytes for {count} parameters)")
    if zlib.crc32(content[:-4]) != struct.unpack("<I", content[-4:])[0]:
        raise DataError(f"{path}: damaged network file (its checksum is wrong)")
    parameters = np.frombuffer(content, element, count, begin).astype(element.newbyteorder("="))
    if not np.isfinite(parameters).all():
        raise DataError(f"{path}: a parameter is not a finite number")
    return NetworkFile(sizes, parameters)
