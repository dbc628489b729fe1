"""A bounded queue between the thread that must not be held up and the one that writes.

What does not fit is lost, and every byte of it is counted.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Loss:
    """What a queue had no room for."""

    blocks: int = 0
    bytes: int = 0


class BoundedQueue(Generic[Item]):
    """Takes items from one thread, which it never holds up, and gives them to another.

    What has no room within ``capacity_bytes`` is dropped and counted in :attr:`loss`.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._waiting: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._loss = Loss()
        self._closed = False
        self._changed = threading.Condition()

    @property
    def loss(self) -> Loss:
        """What was dropped so far."""
        with self._changed:
            return self._loss

    def put(self, item: Item, size_bytes: int) -> None:
        """Add an item, or drop it. Never waits; what comes after :meth:`close` is nobody's loss."""
        with self._changed:
            if self._closed:
                return
            if self._bytes + size_bytes > self._capacity_bytes:
                self._loss = Loss(self._loss.blocks + 1, self._loss.bytes + size_bytes)
                return
            self._waiting.append((item, size_bytes))
            self._bytes += size_bytes
            self._changed.notify()

    def get(self) -> Item | None:
        """The next item; waits for it. ``None`` once the queue is closed and empty."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            item, size = self._waiting.popleft()
            self._bytes -= size
            return item

    def close(self) -> None:
        """No more will come; what waits is still given out. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
