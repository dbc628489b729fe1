"""Traces of meters that are asked again and again: when each answer was read, and what it said, as it was given.

NVML, RAPL, hwmon and their like keep no sample clock. Each value has only the two instants of the host's clock between
which it was read, so such a trace's own clock is the host's (:mod:`lab.record.host_clock`): its "samples" are
nanoseconds since :attr:`Readings.zero_ns`, and marks on it are fractional nanoseconds.

The file is text, one value on a line, so that a killed process loses at most a torn last line::

    #lab.readings/1 {"zero_ns": 81234567890, "channels": {"energy": {"measures": "energy", "scale": 0.001, ...}}}
    channel,begin_ns,end_ns,value
    energy,1200,53400,8812345

``value`` is what the instrument said, times ``scale`` it is in SI units. A ``counter`` is cumulative and may start
again at zero: ``modulus`` is the first raw value that it cannot show.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit

FORMAT = "readings"
"""What :attr:`lab.record.documents.TraceRef.format` calls it."""

SUFFIX = ".readings.csv"

RATE_HZ = 1e9
"""Ticks per second of the traces' clock."""

_MAGIC = "#lab.readings/1 "
_COLUMNS = "channel,begin_ns,end_ns,value"
_LARGEST_NS = 1 << 53
"""Marks are float64: whole nanoseconds up to here, which is 104 days."""

Measures = Literal["energy", "power", "voltage", "current"]
_MEASURES = ("energy", "power", "voltage", "current")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One thing that a meter is asked for.

    ``measures``: ``energy`` [J] (always a cumulative counter), ``power`` [W], ``voltage`` [V] or ``current`` [A].
    ``scale`` turns a raw value into SI units. ``modulus``: a counter goes from ``modulus - 1`` to 0; ``None`` if it
    never does. ``update_period_s``: how often the instrument itself renews the value, measured or stated, ``None`` if
    unknown. ``averaged_s``: a power is the mean over so long before it, 0 for an instantaneous one. ``cross_check`` is
    true for a channel that only checks another: the energy comes from those without.
    """

    measures: Measures
    scale: float = 1.0
    modulus: int | None = None
    update_period_s: float | None = None
    averaged_s: float = 0.0
    cross_check: bool = False

    def __post_init__(self) -> None:
        if self.measures not in _MEASURES:
            raise ValueError(f"measures {self.measures!r}, expected one of {', '.join(_MEASURES)}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"a scale of {self.scale}, expected a positive number")
        if self.modulus is not None and self.modulus < 2:
            raise ValueError(f"a modulus of {self.modulus}, expected 2 or more")
        for name in ("update_period_s", "averaged_s"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} {value}, expected a number that is not negative")


@dataclass(frozen=True, slots=True)
class ChannelReadings:
    """What one channel said. ``begin_ns`` and ``end_ns`` (int64, since the trace's zero) enclose the instant of each
    reading; ``value`` (float64) is in SI units, a counter's with its wraps undone and from its first reading on."""

    channel: Channel
    begin_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    wraps: int

    @property
    def middle_ns(self) -> NDArray[np.float64]:
        """The middle of each reading."""
        return (self.begin_ns + self.end_ns) / 2.0


@dataclass(frozen=True, slots=True)
class Readings:
    """A whole trace. ``length`` is its extent in ns, by its last reading; ``torn`` tells of a last line cut short."""

    path: Path
    zero_ns: int
    channels: Mapping[str, ChannelReadings]
    torn: bool

    @property
    def length(self) -> int:
        """Nanoseconds from the trace's zero to the end of its last reading."""
        return max((int(item.end_ns[-1]) for item in self.channels.values() if item.end_ns.size), default=0)


class ReadingsWriter(ClosedOnExit):
    """Writes a trace of readings as they come; a context manager. Each value reaches the file in whole lines."""

    def __init__(self, path: Path, zero_ns: int, channels: Mapping[str, Channel]) -> None:
        self.path = path
        self._zero_ns = zero_ns
        self._names = frozenset(channels)
        self._file = path.open("w", encoding="ascii", newline="\n", buffering=1 << 16)
        header = {"zero_ns": zero_ns, "channels": {name: asdict(item) for name, item in channels.items()}}
        self._file.write(f"{_MAGIC}{json.dumps(header)}\n{_COLUMNS}\n")

    def write(self, channel: str, begin_ns: int, end_ns: int, value: float) -> None:
        """Add one reading: instants of the host's clock before and after it, and the raw value.

        Raises ``KeyError`` for a channel that was not announced, ``ValueError`` for a value that is not finite.
        """
        if channel not in self._names:
            raise KeyError(channel)
        if not math.isfinite(value):
            raise ValueError(f"{channel}: a value of {value}")
        self._file.write(f"{channel},{begin_ns - self._zero_ns},{end_ns - self._zero_ns},{value!r}\n")

    def close(self) -> None:
        """Finish the file. Idempotent."""
        self._file.close()


def read_readings(path: Path) -> Readings:
    """Read a whole trace.

    Raises :class:`DataError` with the line for a file that is missing, damaged or makes no sense. A last line without
    its end is left out (:attr:`Readings.torn`): the process that wrote it was killed.
    """
    try:
        text = path.read_bytes().decode("ascii")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start}: not text") from error
    lines = text.split("\n")
    torn = lines.pop() != ""
    zero_ns, channels = _header(path, lines)
    return Readings(path, zero_ns, _values(path, channels, lines[2:]), torn)


def _header(path: Path, lines: list[str]) -> tuple[int, dict[str, Channel]]:
    if len(lines) < 2 or not lines[0].startswith(_MAGIC) or lines[1] != _COLUMNS:
        raise DataError(f"{path}:1: not a trace of readings: expected {_MAGIC.strip()!r} and {_COLUMNS!r}")
    try:
        header: Any = json.loads(lines[0][len(_MAGIC) :])
        zero_ns = header["zero_ns"]
        channels = {str(name): Channel(**item) for name, item in header["channels"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}:1: the header is damaged ({error})") from error
    if not isinstance(zero_ns, int) or isinstance(zero_ns, bool):
        raise DataError(f"{path}:1: zero_ns is {zero_ns!r}, expected a whole number")
    return zero_ns, channels


def _values(path: Path, channels: Mapping[str, Channel], lines: Iterable[str]) -> dict[str, ChannelReadings]:
    rows: dict[str, list[tuple[int, int, float]]] = {name: [] for name in channels}
    last_ns = dict.fromkeys(channels, 0)
    for number, line in enumerate(lines, start=3):
        where = f"{path}:{number}"
        try:
            name, begin_text, end_text, value_text = line.split(",")
            begin_ns, end_ns, value = int(begin_text), int(end_text), float(value_text)
        except ValueError as error:
            raise DataError(f"{where}: found {line[:80]!r}, expected {_COLUMNS}") from error
        if name not in rows:
            raise DataError(f"{where}: found channel {name[:40]!r}, expected one of {', '.join(rows) or 'none'}")
        if not math.isfinite(value):
            raise DataError(f"{where}: found the value {value_text[:40]!r}, expected a finite number")
        if not last_ns[name] <= begin_ns <= end_ns < _LARGEST_NS:
            raise DataError(f"{where}: found the instants {begin_ns} and {end_ns} ns, expected them to rise")
        last_ns[name] = end_ns
        rows[name].append((begin_ns, end_ns, value))
    return {name: _channel(path, name, channels[name], of_channel) for name, of_channel in rows.items()}


def _channel(path: Path, name: str, channel: Channel, rows: list[tuple[int, int, float]]) -> ChannelReadings:
    begin_ns = np.array([row[0] for row in rows], dtype=np.int64)
    end_ns = np.array([row[1] for row in rows], dtype=np.int64)
    raw = np.array([row[2] for row in rows], dtype=np.float64)
    wraps = 0
    if channel.measures == "energy" and raw.size:
        steps = np.diff(raw)
        back = steps < 0
        wraps = int(np.count_nonzero(back))
        if wraps and channel.modulus is None:
            raise DataError(f"{path}: {name}: the counter went back, and nothing is known of where it wraps")
        if channel.modulus is not None and (raw.min() < 0 or raw.max() >= channel.modulus):
            raise DataError(f"{path}: {name}: the counter shows values outside 0 … {channel.modulus - 1}")
        # From the first reading on: what a counter showed before means nothing, and small numbers keep their digits.
        steps[back] += channel.modulus or 0
        raw = np.concatenate([[0.0], np.cumsum(steps)])
    value = raw * channel.scale
    if not np.isfinite(value).all():
        raise DataError(f"{path}: {name}: a value beyond all bounds")
    return ChannelReadings(channel, begin_ns, end_ns, value, wraps)
