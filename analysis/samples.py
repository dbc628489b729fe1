"""The samples of a stretch of a trace as tables, piece by piece: what ``lab export`` writes.

A sample that is missing (NaN, or inside a stated gap) has no value in any column. Power is voltage times current as
float64 where the trace has both, which is what every energy is summed from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.traces.readings import Readings

if TYPE_CHECKING:
    from analysis.energy import Gaps
    from lab.record.traces import TraceReader

CHUNK = 1 << 17
"""Rows of a piece."""

_ANALOG = {
    "current": ("current_a", "A"),
    "voltage": ("voltage_v", "V"),
    "power": ("power_w", "W"),
    "energy": ("energy_j", "J"),
}

TIME = "time_s"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its name, its unit and the type of its values."""

    name: str
    unit: str
    dtype: Any


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows: values by column, and which of them are missing."""

    values: dict[str, NDArray[Any]]
    missing: dict[str, NDArray[np.bool_]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(next(iter(self.values.values())).size)


def columns_of(trace: TraceReader) -> list[Column]:
    """The columns of a sampled trace's table."""
    channels = trace.channels
    found = [Column(TIME, "s", np.float64)]
    for channel, (name, unit) in _ANALOG.items():
        if channel in channels:
            found.append(Column(name, unit, np.float64 if channel == "energy" else np.float32))
    if "current" in channels and "voltage" in channels and "power" not in channels:
        found.append(Column("power_w", "W", np.float64))
    return found + [Column(channel, "", np.uint8) for channel in channels if channel not in _ANALOG]


def sample_pieces(trace: TraceReader, first: int, last: int, gaps: Gaps) -> Iterator[Piece]:
    """Samples ``first`` … ``last`` (half open) of a trace; the time is that of a sample's begin.

    Raises :class:`DataError` for a stretch outside the trace.
    """
    if not 0 <= first < last <= trace.length:
        raise DataError(f"samples {first} to {last} of a trace of {trace.length}")
    columns = columns_of(trace)
    for start in range(first, last, CHUNK):
        stop = min(start + CHUNK, last)
        values: dict[str, NDArray[Any]] = {TIME: np.arange(start, stop) / trace.rate_hz}
        for channel in trace.channels:
            name = _ANALOG[channel][0] if channel in _ANALOG else channel
            values[name] = trace.read(channel, start, stop)
        if "power_w" not in values and "current_a" in values and "voltage_v" in values:
            values["power_w"] = values["current_a"].astype(np.float64) * values["voltage_v"]
        lost = np.zeros(stop - start, np.bool_)
        for begin, end in gaps:
            if begin < stop and end > start:
                lost[max(begin - start, 0) : end - start] = True
        for column in columns[1:]:
            if column.unit:
                lost = lost | ~np.isfinite(values[column.name])
        # A logic line has no NaN: where the analog channels are missing, so is it.
        missing = {column.name: lost for column in columns[1:]}
        yield Piece({column.name: values[column.name] for column in columns}, missing)


READING_COLUMNS = (
    Column(TIME, "s", np.float64),
    Column("begin_s", "s", np.float64),
    Column("end_s", "s", np.float64),
    Column("channel", "", np.str_),
    Column("value", "SI", np.float64),
    Column("unit", "", np.str_),
)
_UNITS = {"energy": "J", "power": "W", "voltage": "V", "current": "A"}


def reading_pieces(readings: Readings, begin_ns: float, end_ns: float) -> Iterator[Piece]:
    """The readings between two instants of their trace, in the order of their times; the time is a reading's middle.

    The value of a counter is its energy since its first reading, wraps undone.
    """
    tables: list[dict[str, NDArray[Any]]] = []
    for name, channel in readings.channels.items():
        middle = channel.middle_ns
        chosen = np.flatnonzero((middle >= begin_ns) & (middle <= end_ns))
        tables.append(
            {
                TIME: middle[chosen] * 1e-9,
                "begin_s": channel.begin_ns[chosen] * 1e-9,
                "end_s": channel.end_ns[chosen] * 1e-9,
                "channel": np.full(chosen.size, name),
                "value": channel.value[chosen],
                "unit": np.full(chosen.size, _UNITS[channel.channel.measures]),
            }
        )
    if not tables:
        return
    whole = {column.name: np.concatenate([table[column.name] for table in tables]) for column in READING_COLUMNS}
    order = np.argsort(whole[TIME], kind="stable")
    for start in range(0, order.size, CHUNK):
        part = order[start : start + CHUNK]
        yield Piece({name: values[part] for name, values in whole.items()}, {})
