"""What has to be closed may be used in a ``with`` statement."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class ClosedOnExit:
    """Gives a class with a ``close`` the two methods of a context manager."""

    def close(self) -> None:
        """Let go. Idempotent."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
