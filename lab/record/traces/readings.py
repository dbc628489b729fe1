"""Traces of meters that are asked again and again: when each answer was read, and what it said, as it was given.

NVML, RAPL, hwmon and their like keep no sample clock. Each value has only the two instants of the host's clock between
which it was read, so such a trace's own clock is the host's (:mod:`lab.record.host_clock`): its "samples" are
nanoseconds since :attr:`Readings.zero_ns`, and marks on it are fractional nanoseconds.

The file is text, one value on a line, so that a killed process loses at most a torn last line::

    #lab.readings/1 {"zero_ns": 81234567890, "channels": {"energy": {"measures": "energy", "scale": 0.001, ...}}}
    channel,begin_ns,end_ns,value
    energy,1200,53400,8812345

``value`` is what the instrument said, times ``scale`` it is in SI units. A counter of energy is cumulative and may
start again at zero: ``modulus`` is the first raw value that it cannot show. Numbers are plain: ASCII digits, no sign
but ``-`` before a value, no spaces.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
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
_LARGEST_ZERO_NS = 1 << 63
_LARGEST_MODULUS = 1 << 64

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_INSTANT = rb"[0-9]{1,16}"
_VALUE = rb"-?[0-9]{1,20}(?:\.[0-9]{1,25})?(?:e[+-]?[0-9]{1,3})?"

_HEADER_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 22
"""So much is read at once: the memory that a long trace takes is that of its numbers."""

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
        if not (_is_number(self.scale) and self.scale > 0):
            raise ValueError(f"a scale of {self.scale!r}, expected a positive number")
        if self.modulus is not None:
            if not isinstance(self.modulus, int) or not 2 <= self.modulus <= _LARGEST_MODULUS:
                raise ValueError(f"a modulus of {self.modulus!r}, expected a whole number of 2 or more")
            if self.measures != "energy":
                raise ValueError("a modulus is for counters of energy")
        if not isinstance(self.cross_check, bool):
            raise ValueError(f"cross_check {self.cross_check!r}, expected true or false")
        for name in ("update_period_s", "averaged_s"):
            value = getattr(self, name)
            optional = name == "update_period_s" and value is None
            if not optional and not (_is_number(value) and value >= 0):
                raise ValueError(f"{name} {value!r}, expected a number that is not negative")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= 1e300  # false for what is not a number; whole numbers may be too long for a float


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
    """Writes a trace of readings as they come; a context manager. Each value reaches the file in whole lines.

    Raises ``ValueError`` for a channel's name that cannot stand in the file, or a zero that no clock shows.
    """

    def __init__(self, path: Path, zero_ns: int, channels: Mapping[str, Channel]) -> None:
        _check_header(zero_ns, channels)
        self.path = path
        self._zero_ns = zero_ns
        self._last_ns = dict.fromkeys(channels, 0)
        self._file = path.open("w", encoding="ascii", newline="\n", buffering=1 << 16)
        header = {"zero_ns": zero_ns, "channels": {name: asdict(item) for name, item in channels.items()}}
        self._file.write(f"{_MAGIC}{json.dumps(header)}\n{_COLUMNS}\n")

    def write(self, channel: str, begin_ns: int, end_ns: int, value: float) -> None:
        """Add one reading: instants of the host's clock before and after it, and the raw value.

        Raises ``KeyError`` for a channel that was not announced, ``ValueError`` for a value that is not finite and for
        instants that lie before the trace's zero or the channel's last reading.
        """
        begin_ns, end_ns = begin_ns - self._zero_ns, end_ns - self._zero_ns
        if not self._last_ns[channel] <= begin_ns <= end_ns < _LARGEST_NS:
            raise ValueError(f"{channel}: the instants {begin_ns} and {end_ns} ns do not rise")
        exact = int(value) if isinstance(value, int) else float(value)
        if not (math.isfinite(exact) and abs(exact) <= (_LARGEST_MODULUS if isinstance(exact, int) else math.inf)):
            raise ValueError(f"{channel}: a value of {value}")
        self._last_ns[channel] = end_ns
        self._file.write(f"{channel},{begin_ns},{end_ns},{exact!r}\n")

    def close(self) -> None:
        """Finish the file. Idempotent."""
        self._file.close()


def read_readings(path: Path) -> Readings:
    """Read a whole trace.

    Raises :class:`DataError` with the line for a file that is missing, damaged or makes no sense. A last line without
    its end is left out (:attr:`Readings.torn`): the process that wrote it was killed.
    """
    try:
        with path.open("rb") as file:
            zero_ns, channels = _header(path, file.readline(_HEADER_BYTES), file.readline(_HEADER_BYTES))
            parser = _Parser(path, channels)
            rest = b""
            while chunk := file.read(_CHUNK_BYTES):
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if len(rest) > _HEADER_BYTES:
                    raise DataError(f"{path}: a line without end, expected {_COLUMNS}")
                parser.feed(whole + newline)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return Readings(path, zero_ns, parser.channels(), torn=bool(rest))


def _header(path: Path, first: bytes, second: bytes) -> tuple[int, dict[str, Channel]]:
    try:
        lines = (first + second).decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:1: byte {error.start}: not text") from error
    if len(lines) != 3 or not lines[0].startswith(_MAGIC) or lines[1] != _COLUMNS:
        raise DataError(f"{path}:1: not a trace of readings: expected {_MAGIC.strip()!r} and {_COLUMNS!r}")
    try:
        header: Any = json.loads(lines[0][len(_MAGIC) :])
        zero_ns = header["zero_ns"]
        channels = {name: Channel(**item) for name, item in header["channels"].items()}
        _check_header(zero_ns, channels)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}:1: the header is damaged ({str(error)[:120]})") from error
    return zero_ns, channels


def _check_header(zero_ns: object, channels: Mapping[str, Channel]) -> None:
    if isinstance(zero_ns, bool) or not isinstance(zero_ns, int) or not 0 <= zero_ns < _LARGEST_ZERO_NS:
        raise ValueError(f"zero_ns is {str(zero_ns)[:40]}, expected a whole number of ns")
    for name in channels:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"a channel called {name[:40]!r}, expected letters, digits, '_', '.' and '-'")


class _Parser:
    """Takes whole lines and keeps their numbers. First the shape of all lines is checked, then they are numbers."""

    def __init__(self, path: Path, channels: Mapping[str, Channel]) -> None:
        self._path = path
        self._channels = channels
        self._names = list(channels)
        names = b"|".join(re.escape(name.encode()) for name in self._names) or rb"(?!)"
        line = rb"(?:%b),%b,%b,%b\n" % (names, _INSTANT, _INSTANT, _VALUE)
        self._lines = re.compile(rb"(?:%b)*+" % line)
        self._rows: list[list[NDArray[np.float64]]] = [[] for _ in self._names]
        self._last_ns = [0.0] * len(self._names)
        self._line = 3

    def feed(self, text: bytes) -> None:
        """Take whole lines. Raises :class:`DataError` with the first that is wrong."""
        matched = self._lines.match(text)
        good = matched.end() if matched else 0
        table = self._numbers(text[:good])
        for index in range(len(self._names)):
            self._take(index, table)
        self._line += table.shape[0]
        if good < len(text):
            self._refuse(text[good:].partition(b"\n")[0].decode("ascii", errors="backslashreplace"))

    def channels(self) -> dict[str, ChannelReadings]:
        """What all lines together say. Raises :class:`DataError` for a counter that makes no sense."""
        found: dict[str, ChannelReadings] = {}
        for name, rows in zip(self._names, self._rows, strict=True):
            table = np.concatenate(rows) if rows else np.empty((0, 3))
            rows.clear()
            found[name] = _channel(self._path, name, self._channels[name], table)
        return found

    def _numbers(self, text: bytes) -> NDArray[np.float64]:
        """Checked lines as rows of (channel's index, begin, end, value)."""
        if not text:
            return np.empty((0, 4))
        for index, name in enumerate(self._names):
            text = re.sub(rb"^%b," % re.escape(name.encode()), b"%d," % index, text, flags=re.MULTILINE)
        return np.fromstring(text[:-1].replace(b"\n", b",").decode("ascii"), sep=",").reshape(-1, 4)

    def _take(self, index: int, table: NDArray[np.float64]) -> None:
        of_channel = np.flatnonzero(table[:, 0] == index)
        if of_channel.size == 0:
            return
        rows = table[of_channel, 1:]
        begin, end, value = rows.T
        before = np.concatenate([[self._last_ns[index]], end[:-1]])
        wrong = ~((before <= begin) & (begin <= end) & (end < _LARGEST_NS)) | ~np.isfinite(value)
        if wrong.any():
            first = int(np.argmax(wrong))
            where = f"{self._path}:{self._line + int(of_channel[first])}"
            if not np.isfinite(value[first]):
                raise DataError(f"{where}: found a value beyond all bounds, expected a finite number")
            instants = f"{begin[first]:.0f} and {end[first]:.0f} ns"
            raise DataError(f"{where}: found the instants {instants}, expected them to rise")
        self._last_ns[index] = float(end[-1])
        self._rows[index].append(rows)

    def _refuse(self, line: str) -> None:
        where, fields = f"{self._path}:{self._line}", line.split(",")
        if len(fields) == 4 and fields[0] not in self._channels:
            known = ", ".join(self._names) or "none"
            raise DataError(f"{where}: found channel {fields[0][:40]!r}, expected one of {known}")
        raise DataError(f"{where}: found {line[:80]!r}, expected {_COLUMNS}")


def _channel(path: Path, name: str, channel: Channel, table: NDArray[np.float64]) -> ChannelReadings:
    begin_ns, end_ns = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    value = table[:, 2].copy()
    wraps = 0
    with np.errstate(over="ignore", invalid="ignore"):
        if channel.measures == "energy" and value.size:
            value, wraps = _counted(path, name, channel.modulus, value)
        value *= float(channel.scale)
    if not np.isfinite(value).all():
        raise DataError(f"{path}: {name}: a value beyond all bounds")
    return ChannelReadings(channel, begin_ns, end_ns, value, wraps)


def _counted(path: Path, name: str, modulus: int | None, shown: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """What a counter went on by since its first reading, and how often it began anew at zero.

    From the first reading on: what a counter showed before means nothing, and small numbers keep their digits.
    """
    if modulus is not None and (shown.min() < 0 or shown.max() >= modulus):
        raise DataError(f"{path}: {name}: the counter shows values outside 0 … {modulus - 1}")
    steps = np.diff(shown)
    back = steps < 0
    wraps = int(np.count_nonzero(back))
    if wraps:
        if modulus is None:
            raise DataError(f"{path}: {name}: the counter went back, and nothing is known of where it wraps")
        steps[back] += modulus
    return np.concatenate([[0.0], np.cumsum(steps)]), wraps
