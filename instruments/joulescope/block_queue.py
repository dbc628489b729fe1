"""A bounded queue between the driver's thread and the one that writes: what does not fit is lost, and counted."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Loss:
    """What a queue had no room for."""

    blocks: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A published value: the name it was put in under, and the host's clock when it came, in s."""

    name: str
    value: Any
    at_s: float


class BlockQueue:
    """Takes published values from the driver's thread, which it never holds up.

    ``capacity_bytes`` counts the samples alone. What has no room is dropped and counted in :attr:`loss`; the hole it
    leaves in the sample counter is found where the blocks are put together.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._waiting: deque[tuple[Arrival, int]] = deque()
        self._bytes = 0
        self._loss = Loss()
        self._closed = False
        self._changed = threading.Condition()

    @property
    def loss(self) -> Loss:
        """What was dropped so far."""
        with self._changed:
            return self._loss

    def put(self, arrival: Arrival) -> None:
        """Add a value, or drop it. Never waits; what comes after :meth:`close` is nobody's loss."""
        data = arrival.value.get("data") if isinstance(arrival.value, dict) else None
        size = int(getattr(data, "nbytes", 0))
        with self._changed:
            if self._closed:
                return
            if self._bytes + size > self._capacity_bytes:
                self._loss = Loss(self._loss.blocks + 1, self._loss.bytes + size)
                return
            self._waiting.append((arrival, size))
            self._bytes += size
            self._changed.notify()

    def get(self) -> Arrival | None:
        """The next value; waits for it. ``None`` once the queue is closed and empty."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            arrival, size = self._waiting.popleft()
            self._bytes -= size
            return arrival

    def close(self) -> None:
        """No more will come; what waits is still given out. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
