"""What every trace can be asked, whatever file it lies in."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from numpy.typing import NDArray


def is_simulated(model: str) -> bool:
    """Does the model of a meter, as a recording names it, say that the meter was a simulated one?"""
    return model.lower().startswith("simulated")


class TraceReader(Protocol):
    """A trace open for reading; a context manager.

    The sample index is the time: sample ``k`` covers ``[k, k + 1) / rate_hz`` seconds of the trace's own clock.
    """

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        ...

    @property
    def length(self) -> int:
        """Samples of the longest channel."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Any of ``current`` [A], ``voltage`` [V], ``power`` [W], ``energy`` [J per sample], ``gpi0`` … [0 or 1]."""
        ...

    def read(self, channel: str, start: int, stop: int) -> NDArray[Any]:
        """Samples ``start`` to ``stop`` (half open) of a channel.

        float32 for current, voltage, power (missing samples are NaN), float64 for energy, uint8 for logic lines.
        Raises ``IndexError`` outside ``0 … length`` and ``KeyError`` for an absent channel.
        """
        ...

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
