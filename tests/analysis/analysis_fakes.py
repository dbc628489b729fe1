"""Small stand-ins for what a record holds: a trace in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ArrayTrace:
    """A trace whose channels are arrays; analog ones float32, as in a file."""

    def __init__(self, rate_hz: float, **channels: ArrayLike) -> None:
        kinds = {"energy": np.float64}
        self.data: dict[str, NDArray[Any]] = {
            name: np.asarray(values, dtype=kinds.get(name, np.float32)) for name, values in channels.items()
        }
        self.rate_hz = rate_hz
        self.length = max(array.size for array in self.data.values())
        self.channels = tuple(self.data)

    def read(self, channel: str, start: int, stop: int) -> NDArray[Any]:
        """Samples of a channel; refuses what a file would refuse."""
        if not 0 <= start <= stop <= self.length:
            raise IndexError(f"{start}…{stop} of {self.length}")
        return self.data[channel][start:stop]
