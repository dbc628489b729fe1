"""Any JLS file as a recording to play: signals found by what they measure, put on the grid of current and voltage.

Programs name the signals of a Joulescope differently (``current`` or ``i``, ``gpi[0]`` or ``0``) and may keep them at
different rates: a JS220 gives current and voltage at 1 MHz and its logic inputs at 2 MHz. A sample's number divided by
the signal's rate is an instant of the meter's one counter, so signals are put side by side by that. A logic line is
taken at the instant at which each analog sample begins.

The file may have been closed or not, and be damaged: what is on disk is played, and what is lost is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.traces.jls_walk import FLOAT32, FLOAT64, LOGIC, U4, U8, Contents, Pieces, WalkedFile, WalkedSignal
from lab.record.traces.recordings import ANALOG, PlayedStretch, PlayedWindow, gapless

_NAMES = {
    "current": ("current", "i"),
    "voltage": ("voltage", "v"),
    "power": ("power", "p"),
    "range": ("current_range", "i_range", "r"),
    **{f"gpi{line}": (f"gpi{line}", f"gpi[{line}]", f"{line}", f"in{line}", f"d{line}") for line in range(4)},
}
"""Channel → what programs call it, in small letters."""

_UNITS = {"current": "A", "voltage": "V", "power": "W"}

BLOCK = 1 << 16
"""Samples played at once."""

_LEAST_PRESENT = 0.01
_SHORT = 10_000_000
"""A recording of more samples of which less than a hundredth is there is damage, not a recording."""

_TICKS = 1 << 30
"""Units of UTC in a JLS file, per second."""

_SAME_TIME_S = 1.0

RECOVERED = "lab.recovered/1 "
"""How the user data begins in which :mod:`lab.record.traces.jls_recovery` says what was lost."""

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class JlsChoice:
    """Which signals of a file to play.

    ``signals`` gives the file's names of channels (``current``, ``voltage``, ``power``, ``gpi0`` …, ``range``) where
    the usual ones do not fit; ``source`` the meter's name or serial number where the file holds several; ``lines`` the
    logic lines that are wanted.
    """

    signals: Mapping[str, str]
    source: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Placed:
    """A signal and how its samples stand to the grid: grid sample ``g`` begins at instant ``g / rate + delay`` of the
    signal's own counting."""

    signal: WalkedSignal
    pieces: Pieces
    grid_rate_hz: int
    delay_s: Fraction

    def own_index(self, grid_sample: int) -> int:
        """The signal's last sample that begins at or before a sample of the grid does."""
        rate = self.signal.rate_hz
        return (Fraction(grid_sample * rate, self.grid_rate_hz) + self.delay_s * rate).__floor__()

    def own_indices(self, first: int, count: int) -> NDArray[np.int64]:
        """The same for ``count`` samples of the grid."""
        rate, grid = self.signal.rate_hz, self.grid_rate_hz
        start = Fraction(first * rate, grid) + self.delay_s * rate
        whole = start.__floor__()
        # k · rate / grid, and what ``start`` is over a whole sample, in exact integers.
        over = ((start - whole) * grid).__floor__()
        return whole + (np.arange(count, dtype=np.int64) * rate + over) // grid

    def grid_range(self) -> tuple[int, int]:
        """The samples of the grid from the first to the last for which there is one of the signal's."""
        rate, grid = self.signal.rate_hz, self.grid_rate_hz
        begin = ((Fraction(self.pieces.begin) / rate - self.delay_s) * grid).__ceil__()
        end = ((Fraction(self.pieces.end) / rate - self.delay_s) * grid).__ceil__()
        return begin, end


class JlsRecording(ClosedOnExit):
    """A JLS file to play (:class:`lab.record.traces.recordings.Recording`).

    Raises :class:`DataError` if it is no JLS file, if no signal can be recovered, if several would do, or if current
    and voltage cannot be put side by side.
    """

    windows: tuple[PlayedWindow, ...] = ()

    def __init__(self, path: Path, choice: JlsChoice) -> None:
        self._path = path
        self._file = WalkedFile(path)
        try:
            self._open(choice)
        except BaseException:
            self._file.close()
            raise

    def _open(self, choice: JlsChoice) -> None:
        contents = self._file.contents
        self._notes: list[str] = []
        self._unreadable = 0
        self._kept: dict[int, tuple[tuple[int, int], NDArray[Any] | None]] = {}
        self._gaps = recovered_gaps(contents)
        signals = _of_source(contents, choice.source, self._path)
        chosen = {name: _find(name, choice.signals.get(name), signals, self._path) for name in (*ANALOG, "range")}
        analog = self._analog(chosen)
        self._grid = analog[0].signal.rate_hz if analog else 0
        lines = {name: _find(name, choice.signals.get(name), signals, self._path) for name in choice.lines}
        if absent := [name for name, signal in lines.items() if signal is None]:
            known = ", ".join(repr(signal.name) for signal in signals if signal.data_type == LOGIC)
            raise DataError(
                f"{self._path}: no signal is the logic line {absent[0]}",
                advice=f"it has {known}; name one of them" if known else "it has no logic lines",
            )
        for name, signal in lines.items():
            if signal is not None and not self._pieces(signal).samples:
                raise DataError(
                    f"{self._path}: nothing of the logic line {name} reached the disk",
                    advice="say where the window is in some other way",
                )
        self._analog_signals = dict(zip(self._analog_names, analog, strict=True))
        reference = analog[0].signal
        self._line_signals = {
            name: self._placed(signal, reference) for name, signal in lines.items() if signal is not None
        }
        ranged = chosen["range"]
        usable = ranged is not None and ranged.data_type in (U4, U8) and self._pieces(ranged).samples
        self._range = self._placed(ranged, reference) if usable and ranged is not None else None
        self._begin, self._end = self._extent()
        source = contents.sources.get(reference.source)
        self._source = source

    # ------------------------------------------------------------------------------------------------ what it is

    @property
    def rate_hz(self) -> float:
        """Samples per second of current and voltage."""
        return float(self._grid)

    @property
    def length(self) -> int:
        """Samples from the first to the last."""
        return self._end - self._begin

    @property
    def analog(self) -> tuple[str, ...]:
        """Channels in A, V and W."""
        return tuple(self._analog_signals)

    @property
    def lines(self) -> tuple[str, ...]:
        """Logic lines that are played."""
        return tuple(self._line_signals)

    @property
    def line_steps(self) -> Mapping[str, float]:
        """Samples of the grid that one sample of a line lasts."""
        return {name: self._grid / placed.signal.rate_hz for name, placed in self._line_signals.items()}

    @property
    def model(self) -> str:
        """The meter's model as the file says it."""
        return "" if self._source is None else self._source.model

    @property
    def serial(self) -> str:
        """Its serial number."""
        return "" if self._source is None else self._source.serial

    @property
    def facts(self) -> Mapping[str, Any]:
        """The signals played and what was done to put them side by side."""
        used = {**self._analog_signals, **self._line_signals, **({"range": self._range} if self._range else {})}
        contents = self._file.contents
        return {
            "format": "jls",
            "source": "" if self._source is None else self._source.name,
            "closed": contents.closed,
            "signals": {
                name: {"name": placed.signal.name, "rate_hz": placed.signal.rate_hz} for name, placed in used.items()
            },
            "left_out": sorted(
                signal.name
                for signal in contents.signals.values()
                if signal.number not in {placed.signal.number for placed in used.values()}
            ),
            "utc": _first_utc(contents, self._analog_signals[self.analog[0]].signal.number),
            "notes": list(self._notes),
        }

    # ------------------------------------------------------------------------------------------------ what is in it

    def stretches(self) -> Iterator[PlayedStretch]:
        """All of the recording."""
        for start in range(self._begin, self._end, BLOCK):
            count = min(BLOCK, self._end - start)
            analog = {name: self._read_analog(placed, start, count) for name, placed in self._analog_signals.items()}
            missing = np.zeros(count, np.bool_)
            for samples in analog.values():
                missing |= ~np.isfinite(samples)
            logic: dict[str, NDArray[np.uint8]] = {}
            for name, placed in self._line_signals.items():
                levels, unknown = self._read_levels(placed, start, count)
                missing |= unknown
                logic[name] = (levels != 0).astype(np.uint8)
            codes = None
            if self._range is not None:
                codes, unknown = self._read_levels(self._range, start, count)
                codes = np.where(unknown, np.uint8(0xFF), codes).astype(np.uint8)
            yield from gapless(start - self._begin, missing, analog, logic, codes)

    def changes(self, line: str) -> bool:
        """Does a logic line ever change? Reads the line, as far as its first change."""
        placed = self._line_signals[line]
        seen: set[int] = set()
        for place in range(placed.pieces.first.size):
            values = self._file.samples(placed.signal.number, place)
            if values is not None:
                seen |= {int(values.min()), int(values.max())}
            if len(seen) > 1:
                return True
        return False

    def findings(self) -> tuple[tuple[str, str], ...]:
        """What is lost, as far as it can be told."""
        found: list[tuple[str, str]] = []
        contents = self._file.contents
        if lost := losses(contents):
            found.append(("recording_unclosed" if not contents.closed else "samples_dropped", "; ".join(lost)))
        if self._unreadable:
            found.append(("samples_dropped", f"{self._unreadable} chunks of samples fail their checksum"))
        found += [("recording_unclosed", text) for text in recovered_losses(contents)]
        if not contents.closed:
            for name, placed in self._line_signals.items():
                _, end = placed.grid_range()
                if end < self._end:
                    detail = f"{name}: known up to sample {max(end - self._begin, 0)}, what follows is left out"
                    found.append(("recording_unclosed", detail))
        return tuple(found)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._file.close()

    # ------------------------------------------------------------------------------------------------- signals

    def _analog(self, chosen: Mapping[str, WalkedSignal | None]) -> list[_Placed]:
        """The analog signals to play, the first of them the one whose rate is the grid's."""
        there = {name: signal for name in ANALOG if (signal := chosen[name]) is not None and self._usable(signal)}
        current, voltage, power = (there.get(name) for name in ANALOG)
        if current is not None and voltage is not None and current.rate_hz == voltage.rate_hz:
            names = ["current", "voltage"]
            if power is not None and power.rate_hz == current.rate_hz:
                names.append("power")
        elif power is not None:
            names = ["power"]
        elif current is not None and voltage is not None:
            raise DataError(
                f"{self._path}: current has {current.rate_hz} samples per second, voltage {voltage.rate_hz}: "
                "they cannot be multiplied sample by sample",
                advice="record both at one rate, or the meter's power",
            )
        else:
            held = [f"{signal.name!r} [{signal.units}]" for signal in self._file.contents.signals.values()]
            raise DataError(
                f"{self._path}: no current and voltage, and no power, of which anything is left; it has "
                + (", ".join(held[:16]) or "no signals"),
                advice="where they go by other names, say which is which",
            )
        self._analog_names = names
        reference = there[names[0]]
        return [self._placed(there[name], reference) for name in names]

    def _usable(self, signal: WalkedSignal) -> bool:
        return signal.data_type in (FLOAT32, FLOAT64) and signal.readable and self._pieces(signal).samples > 0

    def _pieces(self, signal: WalkedSignal) -> Pieces:
        return self._file.contents.pieces[signal.number]

    def _placed(self, signal: WalkedSignal, reference: WalkedSignal) -> _Placed:
        """A signal on the grid of another: by the meter's counter, or by UTC where the counters cannot be the same."""
        pieces, own = self._pieces(signal), self._pieces(reference)
        delay = Fraction(0)
        begin_s, end_s = Fraction(pieces.begin, signal.rate_hz), Fraction(pieces.end, signal.rate_hz)
        ref_begin_s, ref_end_s = Fraction(own.begin, reference.rate_hz), Fraction(own.end, reference.rate_hz)
        apart = pieces.samples > 0 and (begin_s >= ref_end_s or end_s <= ref_begin_s)
        if apart or (pieces.samples and abs(begin_s - ref_begin_s) > _SAME_TIME_S):
            utc, ref_utc = (self._file.contents.utc.get(item.number) for item in (signal, reference))
            if utc and ref_utc:
                zero_s = Fraction(utc[0][1], _TICKS) - Fraction(utc[0][0], signal.rate_hz)
                ref_zero_s = Fraction(ref_utc[0][1], _TICKS) - Fraction(ref_utc[0][0], reference.rate_hz)
                moved = ref_zero_s - zero_s
                # UTC is no better than a sample or so: signals of one counter are not moved by its scatter.
                if abs(moved) > _SAME_TIME_S:
                    delay = Fraction(round(moved * reference.rate_hz), reference.rate_hz)
                    self._notes.append(f"{signal.name!r} was put beside {reference.name!r} by UTC")
            elif apart:
                raise DataError(
                    f"{self._path}: {signal.name!r} and {reference.name!r} have no instant in common, and no UTC that "
                    "would tell how they lie to each other"
                )
        return _Placed(signal, pieces, reference.rate_hz, delay)

    def _extent(self) -> tuple[int, int]:
        """The part of the grid from the first sample of any signal played to the last analog one.

        Where one of them has no sample yet, or no more, all are missing: instants stay what they were, whichever chunk
        was lost.
        """
        ranges = [placed.grid_range() for placed in self._analog_signals.values()]
        lines = [placed.grid_range() for placed in self._line_signals.values()]
        if min(high for _, high in ranges) <= max(low for low, _ in ranges):
            raise DataError(f"{self._path}: its signals have no instant in common")
        begin, end = min(low for low, _ in (*ranges, *lines)), max(high for _, high in ranges)
        held = min(placed.pieces.samples for placed in self._analog_signals.values())
        if end - begin > _SHORT and held < _LEAST_PRESENT * (end - begin):
            raise DataError(f"{self._path}: of {end - begin} samples only {held} are there")
        return begin, end

    def _read_analog(self, placed: _Placed, start: int, count: int) -> NDArray[np.float32]:
        first = placed.own_index(start)
        samples = np.full(count, np.nan, np.float32)
        for begin, values in self._read(placed, first, first + count):
            with np.errstate(over="ignore"):
                samples[begin - first : begin - first + values.size] = values
        return samples

    def _read_levels(self, placed: _Placed, start: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Levels on the grid and which of them are unknown."""
        wanted = placed.own_indices(start, count)
        low, high = int(wanted[0]), int(wanted[-1]) + 1
        levels, known = np.zeros(high - low, np.uint8), np.zeros(high - low, np.bool_)
        for begin, values in self._read(placed, low, high):
            levels[begin - low : begin - low + values.size] = values
            known[begin - low : begin - low + values.size] = True
        for gap_begin, gap_end in self._gaps.get(str(placed.signal.number), ()):
            known[max(gap_begin - low, 0) : max(gap_end - low, 0)] = False
        place = wanted - low
        return levels[place], ~known[place]

    def _read(self, placed: _Placed, start: int, stop: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """The pieces of a signal's own samples ``start`` … ``stop`` that are there."""
        pieces = placed.pieces
        place = max(int(np.searchsorted(pieces.first, start, side="right")) - 1, 0)
        while place < pieces.first.size and int(pieces.first[place]) < stop:
            first = int(pieces.first[place])
            low, high = max(start, first), min(stop, first + int(pieces.count[place]))
            if high > low:
                values = self._piece(placed.signal.number, place, int(pieces.offset[place]))
                if values is not None:
                    yield low, values[low - first : high - first]
            place += 1

    def _piece(self, signal: int, place: int, offset: int) -> NDArray[Any] | None:
        """The samples of a piece; the last one of each signal is kept, for blocks do not end where pieces do."""
        kept = self._kept.get(signal)
        if kept is not None and kept[0] == (place, offset):
            return kept[1]
        values = self._file.samples(signal, place)
        if values is None:
            self._unreadable += 1
        self._kept[signal] = (place, offset), values
        return values


def losses(contents: Contents) -> list[str]:
    """What a file that was not closed, or is damaged, has lost, in words; nothing for a sound one."""
    found: list[str] = []
    if not contents.closed:
        found.append("the file was never closed, or is cut short")
    if contents.damage:
        first = ", ".join(f"{start} to {stop}" for start, stop in contents.damage[:_SHOWN])
        more = "" if len(contents.damage) <= _SHOWN else " …"
        found.append(f"{contents.damaged_bytes} bytes are no sound chunks (bytes {first}{more})")
    if contents.repeated:
        found.append(f"{contents.repeated} chunks of samples repeat others and were left out")
    for number, pieces in contents.pieces.items():
        holes = pieces.holes()
        if holes:
            missing = sum(stop - start for start, stop in holes)
            name = contents.signals[number].name
            found.append(f"{name!r} lacks {missing} samples in {len(holes)} places, the first at {holes[0][0]}")
    return found


def recovered_losses(contents: Contents) -> list[str]:
    """What a file that was recovered before had lost then."""
    found: list[str] = []
    for item in _recovered(contents):
        lost = item.get("lost")
        found += [str(text)[:500] for text in lost] if isinstance(lost, list) and lost else ["a recovered recording"]
    return found


def recovered_gaps(contents: Contents) -> dict[str, list[tuple[int, int]]]:
    """Where a file that was recovered before has no samples, by the numbers of its signals: a logic line has no NaN
    that would tell."""
    found: dict[str, list[tuple[int, int]]] = {}
    for item in _recovered(contents):
        gaps = item.get("gaps")
        for name, ranges in gaps.items() if isinstance(gaps, dict) else ():
            pairs = ranges if isinstance(ranges, list) else []
            found[name] = [(pair[0], pair[1]) for pair in pairs if _is_range(pair)]
    return found


def _is_range(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(type(item) is int for item in pair)


def _recovered(contents: Contents) -> Iterator[dict[str, Any]]:
    for _, data in contents.user_data:
        text = data.rstrip(b"\0").decode("utf-8", "replace")
        if text.startswith(RECOVERED):
            try:
                said = json.loads(text[len(RECOVERED) :])
            except (ValueError, RecursionError):
                said = {}
            yield said if isinstance(said, dict) else {}


def _of_source(contents: Contents, wanted: str, path: Path) -> list[WalkedSignal]:
    """The signals of the source that is wanted; of all, where none is named."""
    signals = list(contents.signals.values())
    if not wanted:
        return signals
    numbers = {
        source.number for source in contents.sources.values() if wanted in (source.name, source.serial, source.model)
    }
    if not numbers:
        known = ", ".join(repr(source.name) for source in contents.sources.values() if source.number)
        raise DataError(f"{path}: no source is called {wanted!r}", advice=f"it has {known or 'none'}")
    return [signal for signal in signals if signal.source in numbers]


def _find(channel: str, named: str | None, signals: Sequence[WalkedSignal], path: Path) -> WalkedSignal | None:
    """The signal that is a channel: by the name the user gives, the usual names, else by its unit; ``None`` if none.

    Raises :class:`DataError` where a named one is not there or several would do.
    """
    if named is not None:
        found = [signal for signal in signals if signal.name == named]
        if not found:
            known = ", ".join(repr(signal.name) for signal in signals)
            raise DataError(f"{path}: no signal is called {named!r}", advice=f"it has {known or 'none'}")
    else:
        found = [signal for signal in signals if signal.name.strip().lower() in _NAMES.get(channel, (channel,))]
        if not found and channel in _UNITS:
            found = [signal for signal in signals if signal.units.strip() == _UNITS[channel]]
    if len(found) > 1:
        listed = ", ".join(f"{signal.name!r} of source {signal.source}" for signal in found[:8])
        raise DataError(
            f"{path}: several signals may be the {channel}: {listed}",
            advice="name the source (the meter's name or serial number)",
        )
    return found[0] if found else None


def _first_utc(contents: Contents, signal: int) -> dict[str, int] | None:
    entries = contents.utc.get(signal)
    return {"sample": entries[0][0], "ticks": entries[0][1]} if entries else None
