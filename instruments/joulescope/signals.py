"""The blocks of samples that the driver publishes: which topics they come on, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TICKS_PER_S = 1 << 30
"""The vendor's UTC counts 2^-30 s since 2018-01-01."""

CURRENT, VOLTAGE, POWER, RANGE = "current", "voltage", "power", "range"

_STEMS = {CURRENT: "s/i", VOLTAGE: "s/v", POWER: "s/p", RANGE: "s/i/range"}


class MalformedBlockError(Exception):
    """A block is not what the driver's interface promises."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A stream of a meter: its channel's name (``current``, ``gpi0`` …) and its topics below the device's path."""

    channel: str
    control: str
    data: str

    @property
    def is_logic(self) -> bool:
        """Is it a logic input?"""
        return self.channel.startswith("gpi")


def signal(channel: str) -> Signal:
    """The signal of a channel; raises ``KeyError`` for an unknown one."""
    stem = f"s/gpi/{channel.removeprefix('gpi')}" if channel.startswith("gpi") else _STEMS[channel]
    return Signal(channel, f"{stem}/ctrl", f"{stem}/!data")


def signals(lines: Iterable[str], *, power: bool) -> tuple[Signal, ...]:
    """The signals to record; the current is the last, so that enabling it begins the recording."""
    channels = [*lines, RANGE, *([POWER] if power else []), VOLTAGE, CURRENT]
    return tuple(signal(channel) for channel in channels)


@dataclass(frozen=True, slots=True)
class SignalBlock:
    """Consecutive samples of one signal.

    ``sample_id`` is the counter's value at the first of them, ``step`` the counts from one to the next; ``utc`` the
    driver's idea of the time of the first, in ticks. ``samples`` are float32 in A, V or W; or uint8, levels or range
    codes, one per sample.
    """

    sample_id: int
    step: int
    utc: int
    samples: NDArray[Any]

    @property
    def end(self) -> int:
        """The counter's value after the last sample."""
        return self.sample_id + self.step * int(self.samples.size)


def decode(of: Signal, value: Any) -> SignalBlock:
    """A published block as samples.

    Logic levels come eight to a byte, the earliest in the lowest bit, and always whole bytes; range codes come one to a
    byte. Raises :class:`MalformedBlockError`.
    """
    try:
        sample_id, step = int(value["sample_id"]), int(value["decimate_factor"])
        utc, data = int(value["utc"]), value["data"]
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedBlockError(f"{of.channel}: a block without {error}") from error
    expected = np.float32 if of.channel in (CURRENT, VOLTAGE, POWER) else np.uint8
    if not isinstance(data, np.ndarray) or data.dtype != expected or data.ndim != 1 or step < 1 or sample_id < 0:
        raise MalformedBlockError(f"{of.channel}: a block that is not a row of {np.dtype(expected)}")
    if of.is_logic:
        data = np.unpackbits(data, bitorder="little")
    return SignalBlock(sample_id, step, utc, data)
