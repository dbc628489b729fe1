"""From a JLS file that was never closed, was cut short or is damaged to a new, closed one with all that is left.

The file itself is only read. The new one has its sources, signals, samples, UTC entries, annotations and user data, as
far as their checksums are right, and says in user data of its own what was lost; whoever plays it
(:mod:`lab.record.traces.jls_recording`) says so again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError, UsageError
from lab.record.traces.jls_recording import RECOVERED, losses, recovered_losses
from lab.record.traces.jls_walk import FLOAT32, FLOAT64, Contents, WalkedFile, WalkedSignal

if TYPE_CHECKING:
    from pyjls import Writer

_FILL = 1 << 20
_LEAST_PRESENT = 0.01
_SHORT = 10_000_000
_MOST_GAPS = 10_000
_STRING, _JSON = 2, 3
"""How user data and annotations are stored that are text."""


@dataclass(frozen=True, slots=True)
class RecoveredSignal:
    """What is left of one signal."""

    name: str
    units: str
    rate_hz: int
    samples: int
    missing: int

    @property
    def duration_s(self) -> float:
        """From its first sample to its last."""
        return (self.samples + self.missing) / self.rate_hz


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was recovered, and what was lost, in words."""

    source: Path
    target: Path
    closed: bool
    signals: tuple[RecoveredSignal, ...]
    lost: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "source": str(self.source),
            "target": str(self.target),
            "was_closed": self.closed,
            "lost": list(self.lost),
            "signals": [
                {
                    "name": item.name,
                    "units": item.units,
                    "rate_hz": item.rate_hz,
                    "samples": item.samples,
                    "missing": item.missing,
                    "duration_s": item.duration_s,
                }
                for item in self.signals
            ],
        }


def recover(source: Path, target: Path) -> Recovery:
    """Write all that is left of ``source`` into the new file ``target``.

    Raises :class:`DataError` if nothing is left, :class:`UsageError` if ``target`` is there already or ``source`` is
    closed and sound.
    """
    if target.exists():
        raise UsageError(f"{target}: is there already", advice="name another file with -o")
    with WalkedFile(source) as file:
        contents = file.contents
        kept = [item for item in contents.signals.values() if item.readable and contents.pieces[item.number].samples]
        if not kept:
            raise DataError(
                f"{source}: nothing can be recovered: no sound samples are left in {contents.size} bytes",
                advice="a recorder writes samples after some thousands of each signal",
            )
        for signal in kept:
            _refuse_sparse(source, contents, signal)
        lost = losses(contents)
        lost += [
            f"{item.name!r} is of a type that is not understood (0x{item.data_type:04x}) and was left out"
            for item in contents.signals.values()
            if not item.readable
        ]
        if lost:
            lost += [
                f"{item.name!r}: none of its samples are left"
                for item in contents.signals.values()
                if item.readable and item not in kept
            ]
        with TemporaryDirectory(dir=target.parent, prefix=".recovering-") as folder:
            # Only a whole file gets its name: a recovery that is killed leaves none that looks like one.
            partial = Path(folder, "partial.jls")
            signals, broken = _copy(file, kept, partial, lost)
            if not lost and not broken:
                raise UsageError(f"{source}: is closed and sound, there is nothing to recover")
            partial.rename(target)
    return Recovery(source, target, contents.closed, tuple(signals), (*lost, *broken, *recovered_losses(contents)))


def _refuse_sparse(source: Path, contents: Contents, signal: WalkedSignal) -> None:
    pieces = contents.pieces[signal.number]
    length = pieces.end - pieces.begin
    if length > _SHORT and pieces.samples < _LEAST_PRESENT * length:
        raise DataError(f"{source}: of {length} samples of {signal.name!r} only {pieces.samples} are there")


def _copy(
    file: WalkedFile, kept: list[WalkedSignal], target: Path, lost: list[str]
) -> tuple[list[RecoveredSignal], list[str]]:
    """Write the new file; returns what each signal has, and what was found to be broken on the way.

    A file with nothing lost is still read whole: only that tells whether its samples are sound.
    """
    from pyjls import Writer

    contents = file.contents
    writer = Writer(str(target))
    try:
        numbers = _source_numbers(kept)
        for number, written in numbers.items():
            item = contents.sources.get(number)
            name = f"source {number}" if item is None else item.name
            texts = ("", "", "", "") if item is None else (item.vendor, item.model, item.version, item.serial)
            writer.source_def(written, name, *texts)
        for signal in kept:
            writer.signal_def(
                signal.number,
                numbers[signal.source],
                data_type=signal.data_type,
                sample_rate=signal.rate_hz,
                name=signal.name,
                units=signal.units,
            )
        copies = [_SignalCopy(file, signal, writer) for signal in kept]
        for copy in copies:
            copy.run()
        gaps = {str(copy.signal.number): _fewer(copy.gaps) for copy in copies if copy.gaps}
        broken = [text for copy in copies for text in copy.broken()]
        _user_data(writer, contents, {"lost": [*lost, *broken], "gaps": gaps})
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{contents.path}: what is left cannot be written as a JLS file ({error})") from error
    finally:
        writer.close()
    return [copy.result() for copy in copies], broken


def _source_numbers(kept: list[WalkedSignal]) -> dict[int, int]:
    """The numbers of the signals' sources and those they are written with: their own, where the format allows it."""
    own = sorted({item.source for item in kept})
    free = [number for number in range(1, 256) if number not in own]
    return {number: number if 0 < number < 256 else free.pop() for number in own}


def _fewer(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """So many at most: the last one then reaches over all that follow."""
    return gaps if len(gaps) <= _MOST_GAPS else [*gaps[: _MOST_GAPS - 1], (gaps[_MOST_GAPS - 1][0], gaps[-1][1])]


def _user_data(writer: Writer, contents: Contents, recovered: dict[str, Any]) -> None:
    writer.user_data(0, RECOVERED + json.dumps(recovered))
    for meta, data in contents.user_data:
        writer.user_data(meta & 0x0FFF, _stored(data, meta >> 12))


def _stored(data: bytes, storage: int) -> bytes | str:
    """Text as text, all else as bytes: the library tells the two apart by their types."""
    if storage in (_STRING, _JSON):
        return data.rstrip(b"\0").decode("utf-8", "replace").replace("\0", " ")
    return data


@dataclass(slots=True)
class _SignalCopy:
    """Copies one signal. ``gaps`` are its missing samples, in its own counting."""

    file: WalkedFile
    signal: WalkedSignal
    writer: Writer
    gaps: list[tuple[int, int]] = field(default_factory=list)
    samples: int = 0
    unreadable: int = 0
    _next: int = 0
    _waiting: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    def run(self) -> None:
        """Copy samples, then UTC entries and annotations, each in rising order."""
        for first, data in self._sound_pieces():
            if not self.samples:
                self._next = first
            self._fill(first)
            self._write(data)
            self.samples += int(data.size)
        if self._waiting.size:
            # Whole bytes only: the last one is filled up with the last level, as a recorder does.
            self._write(np.full(-self._waiting.size % self._per_byte, self._waiting[-1], np.uint8))
        contents, number = self.file.contents, self.signal.number
        begin, end = contents.pieces[number].begin, contents.pieces[number].end
        last = None
        for sample, ticks in sorted(contents.utc.get(number, ())):
            if begin <= sample <= end and sample != last:
                self.writer.utc(number, sample, ticks)
                last = sample
        for item in sorted(contents.annotations, key=lambda item: item.sample):
            if item.signal == number and begin <= item.sample <= end and item.kind in range(4) and item.data:
                text = _stored(item.data, item.storage)
                self.writer.annotation(number, item.sample, item.y, item.kind, item.group, text)

    def broken(self) -> list[str]:
        """What was found to be damaged when the samples were read."""
        if not self.unreadable:
            return []
        return [f"{self.signal.name!r}: {self.unreadable} chunks of samples fail their checksum"]

    def result(self) -> RecoveredSignal:
        """What is left of it."""
        missing = sum(stop - start for start, stop in self.gaps)
        return RecoveredSignal(self.signal.name, self.signal.units, self.signal.rate_hz, self.samples, missing)

    def _sound_pieces(self) -> Iterator[tuple[int, NDArray[Any]]]:
        pieces = self.file.contents.pieces[self.signal.number]
        for place in range(pieces.first.size):
            data = self.file.samples(self.signal.number, place)
            if data is None:
                self.unreadable += 1
            else:
                yield int(pieces.first[place]), data

    @property
    def _per_byte(self) -> int:
        return 8 // self.signal.sample_bits

    def _fill(self, first: int) -> None:
        """Write NaN, or zeros where there is no NaN, for what is missing."""
        if first > self._next:
            self.gaps.append((self._next, first))
        while self._next < first:
            count = min(first - self._next, _FILL)
            if self.signal.data_type in (FLOAT32, FLOAT64):
                kind = np.float32 if self.signal.data_type == FLOAT32 else np.float64
                self._write(np.full(count, np.nan, kind))
            else:
                self._write(np.zeros(count, np.uint8))

    def _write(self, data: NDArray[Any]) -> None:
        number, start = self.signal.number, self._next - self._waiting.size
        self._next += int(data.size)
        if self.signal.sample_bits >= 8:
            self.writer.fsr(number, start, np.array(data))  # a copy: the library takes no read-only buffers
            return
        # The library takes whole bytes only: what does not fill one waits for the next piece.
        samples = np.concatenate([self._waiting, data])
        whole = samples.size - samples.size % self._per_byte
        self._waiting = samples[whole:]
        if not whole:
            return
        if self.signal.sample_bits == 1:
            packed = np.packbits(samples[:whole], bitorder="little")
        else:
            packed = (samples[:whole:2] | samples[1:whole:2] << 4).astype(np.uint8)
        self.writer.fsr(number, start, packed)
