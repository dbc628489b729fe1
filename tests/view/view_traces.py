"""Traces in memory for the tests, and looking into the pages that are made of them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lab.record.reader import Record
from lab.record.traces.jls_writer import JlsWriter

FAULTS = {
    "none": "",
    "drops": "{kind: drops}",
    "a third dropped": "{kind: drops, gaps: 4, length: 500 ms}",
    "drift": "{kind: drift, current: 20 mA}",
    "saturation": "{kind: saturation, share: 0.3}",
    "range change": "{kind: range_change}",
    "unplug": "{kind: unplug}",
    "edge jitter": "{kind: edge_jitter, bound: 10 ms}",
}

Faulty = Callable[[str], Record]
"""What gives the record of two passes that the fault of that name hit."""


class MemoryTrace:
    """A trace held in arrays."""

    def __init__(self, rate_hz: float = 1000.0, **channels: NDArray[Any]) -> None:
        self.rate_hz = rate_hz
        self._channels = channels
        self.channels = tuple(channels)
        self.length = max(data.size for data in channels.values())
        self.largest_read = 0

    def read(self, channel: str, start: int, stop: int) -> NDArray[Any]:
        assert 0 <= start <= stop <= self.length
        self.largest_read = max(self.largest_read, stop - start)
        return self._channels[channel][start:stop]

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def write_jls(path: Path, current: NDArray[Any], *, rate_hz: float = 1000.0, line: NDArray[Any] | None = None) -> Path:
    """A file with this current, 5 V and one logic line (low all the time unless given)."""
    with JlsWriter(
        path, source="JS220", serial="1", rate_hz=rate_hz, channels=("current", "voltage", "gpi0")
    ) as writer:
        if current.size:
            writer.write("current", 0, current.astype(np.float32))
            writer.write("voltage", 0, np.full(current.size, 5.0, np.float32))
            writer.write("gpi0", 0, np.zeros(current.size, np.uint8) if line is None else line)
    return path


class Page:
    """A page's data, taken out of it as its script does."""

    def __init__(self, text: str) -> None:
        self.text = text
        (payload,) = re.findall(r'<script type="application/json" id="view-data">(.*?)</script>', text, re.DOTALL)
        (numbers,) = re.findall(r'<script type="text/plain" id="view-numbers">(.*?)</script>', text, re.DOTALL)
        self.data: dict[str, Any] = json.loads(payload)
        self._numbers = base64.b64decode(numbers, validate=True)

    def array(self, place: list[Any]) -> NDArray[Any]:
        """An array of the page: [kind, offset, length]."""
        kind, offset, length = place
        return np.frombuffer(self._numbers, f"<{kind}", length, offset)
