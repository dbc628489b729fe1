"""What every recording made elsewhere is turned into before it is played: gapless stretches on one grid of samples.

A recording comes from a JLS file of any program, a table of comma-separated values, or a session of EnergyRunner. What
is missing in it (NaN, an empty cell, a damaged chunk) is between stretches, never inside of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

ANALOG = ("current", "voltage", "power")
"""Channels in A, V and W; all others are logic lines, ``gpi0`` …"""


@dataclass(frozen=True, slots=True)
class PlayedStretch:
    """Consecutive samples of every channel, none of them missing; all arrays are equally long.

    ``analog`` is finite float32 in SI units, ``logic`` 0 or 1. ``range_codes`` are the meter's own, where it gave them.
    """

    first_sample: int
    analog: Mapping[str, NDArray[np.float32]]
    logic: Mapping[str, NDArray[np.uint8]]
    range_codes: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class PlayedWindow:
    """A window that the recording itself states: fractional samples of its grid, how far each edge is open (standard
    uncertainty, in samples), and how many inferences it holds, where known."""

    index: int
    begin: float
    end: float
    u_begin: float = 0.0
    u_end: float = 0.0
    inferences: int | None = None
    runtime_s: float | None = None


class Recording(Protocol):
    """A recording open for playing; a context manager.

    ``line_steps`` tells of each logic line how many samples of the grid one of its own lasts: an edge lies up to so
    many samples before it is seen. Sample ``k`` covers ``[k, k + 1) / rate_hz`` seconds of its own clock.
    """

    @property
    def rate_hz(self) -> float: ...

    @property
    def length(self) -> int:
        """Samples from the first to the last, missing ones counted."""
        ...

    @property
    def analog(self) -> tuple[str, ...]: ...

    @property
    def lines(self) -> tuple[str, ...]: ...

    @property
    def line_steps(self) -> Mapping[str, float]: ...

    @property
    def model(self) -> str:
        """The meter's model as the recording says it, or nothing."""
        ...

    @property
    def serial(self) -> str: ...

    @property
    def windows(self) -> tuple[PlayedWindow, ...]: ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What else is known of it, for the record."""
        ...

    def stretches(self) -> Iterator[PlayedStretch]:
        """All of it, in order. Raises :class:`lab.errors.DataError` where it cannot be understood."""
        ...

    def findings(self) -> tuple[tuple[str, str], ...]:
        """(reason code, detail) of what speaks against it; complete when all stretches have been taken."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def gapless(
    first_sample: int,
    missing: NDArray[np.bool_],
    analog: Mapping[str, NDArray[np.float32]],
    logic: Mapping[str, NDArray[np.uint8]],
    range_codes: NDArray[np.uint8] | None = None,
) -> Iterator[PlayedStretch]:
    """Consecutive samples from ``first_sample`` on without those that are ``missing``: what is left, piece by piece."""
    if not missing.any():
        if missing.size:
            yield PlayedStretch(first_sample, analog, logic, range_codes)
        return
    edges = np.flatnonzero(np.diff(~missing, prepend=False, append=False))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield PlayedStretch(
            first_sample + start,
            {name: data[start:stop] for name, data in analog.items()},
            {name: data[start:stop] for name, data in logic.items()},
            None if range_codes is None else range_codes[start:stop],
        )
