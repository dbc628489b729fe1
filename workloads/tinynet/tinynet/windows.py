# SPDX-License-Identifier: Apache-2.0
"""The windows of a convolution or pooling over images (n, height, width, channels), for any kind of number."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Padding = Literal["valid", "same"]
Number = TypeVar("Number", bound=np.generic)


def window_count(side: int, size: int, stride: int, padding: Padding) -> int:
    """Windows along an axis of ``side`` places; 0 or less where none fits."""
    return -(-side // stride) if padding == "same" else (side - size) // stride + 1


def padding_before(side: int, size: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Places outside the image before and after an axis (TensorFlow's ``SAME``: the odd one comes after)."""
    if padding == "valid":
        return 0, 0
    outside = max((window_count(side, size, stride, padding) - 1) * stride + size - side, 0)
    return outside // 2, outside - outside // 2


def windows(images: NDArray[Number], size: int, stride: int, padding: Padding) -> NDArray[Number]:
    """Images (n, height, width, channels) → windows (n, rows, columns, size, size, channels); outside is 0."""
    around = [padding_before(side, size, stride, padding) for side in images.shape[1:3]]
    padded: NDArray[Any] = np.pad(images, [(0, 0), *around, (0, 0)])
    seen = sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.moveaxis(seen, 3, 5)
