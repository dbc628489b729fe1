"""What a meter without a stream gives: values that one asks for, one at a time.

A :class:`Source` is all that NVML, RAPL, hwmon and their like have to bring; how they are asked, watched and recorded
is the same for all (:mod:`instruments.polling.meter`).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from instruments.protocol import Probe
from lab.record.traces.readings import Channel

_GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.ENXIO, errno.EBADF, errno.ESTALE})
_SILENT = frozenset({errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EINTR})


class MeterGoneError(Exception):
    """The meter is not there any more: asking it again is pointless until it has been opened anew."""

    code = "meter_unplugged"
    """The reason code of the fault that it makes."""


class MeterHangsError(MeterGoneError):
    """The meter never answered an earlier question, which still waits."""

    code = "meter_timeout"


class MeterSilentError(Exception):
    """The meter is there and did not answer this time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A channel, and that it is asked in each ``every``-th round only."""

    channel: Channel
    every: int = 1


class Source(Protocol):
    """Something that can be asked for values. Not safe for several threads; never asked before it is open."""

    measures: tuple[str, ...]
    """What it gives, as :attr:`instruments.protocol.Capabilities.measures` says it; known before it is open."""
    assumes: tuple[str, ...]
    """What it only assumes."""
    scope: str
    """What its energy is the energy of."""
    period_s: float
    """How often it is to be asked; may change when it is opened."""
    channels: Mapping[str, Asked]
    """What it can be asked for, in the order of asking; empty until it is open."""

    def probe(self) -> Probe:
        """Try to read from it. Never raises."""
        ...

    def open(self) -> None:
        """Get ready to read. Idempotent. Raises :class:`lab.errors.HardwareError` if it is not there."""
        ...

    def read(self, channel: str) -> int | float:
        """The raw value of a channel now.

        Raises :class:`MeterGoneError`, :class:`MeterSilentError` or ``OSError``.
        """
        ...

    def close(self) -> None:
        """Let go. Idempotent, and never raises."""
        ...


def is_gone(error: Exception) -> bool:
    """Does a failure to read mean that the meter is not there any more?"""
    return isinstance(error, MeterGoneError) or (isinstance(error, OSError) and error.errno in _GONE)


def is_silent(error: Exception) -> bool:
    """Does a failure to read mean that the meter is there and did not answer in time?"""
    return isinstance(error, (MeterSilentError, TimeoutError)) or (
        isinstance(error, OSError) and error.errno in _SILENT
    )


def said(error: Exception) -> str:
    """A failure to read in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def update_period_s(asked: Asked) -> float:
    """How often the channel's value is renewed; 0 where nobody knows."""
    return asked.channel.update_period_s or 0.0
