"""JLS v2 files (the Joulescope's own format), through the vendor's library ``pyjls``."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lab.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNITS = {"current": "A", "voltage": "V", "power": "W"}
"""Analog channels and their units; a channel ``gpi<n>`` is a logic line."""

_CHUNK = 1 << 24
"""Samples per library call: requests beyond 2^30 samples overflow a size in pyjls 0.17."""


class JlsWriter:
    """Writes one trace; a context manager. Refuses to overwrite a file.

    Samples may arrive in any number of pieces per channel, in rising order; a jump in ``first_sample`` is a gap, which
    the format keeps as NaN (analog) or 0 (logic): the caller records gaps in :class:`~lab.record.documents.TraceRef`.
    """

    def __init__(self, path: Path, *, source: str, serial: str, rate_hz: float, channels: Sequence[str]) -> None:
        from pyjls import DataType, Writer

        if path.exists():
            raise FileExistsError(f"{path}: a raw trace is never rewritten")
        if rate_hz != int(rate_hz):
            raise ValueError(f"JLS holds whole sample rates only, not {rate_hz} Hz")
        with _reused_heap():
            self._writer = Writer(str(path))
        self._writer.source_def(
            source_id=1, name=f"{source}-{serial}", vendor="", model=source, version="", serial_number=serial
        )
        self._ids: dict[str, int] = {}
        self._next = dict.fromkeys(channels, 0)
        self._logic: dict[str, _LogicTail] = {}
        for number, channel in enumerate(channels, start=1):
            logic = channel.startswith("gpi")
            self._writer.signal_def(
                signal_id=number,
                source_id=1,
                signal_type=0,
                data_type=DataType.U1 if logic else DataType.F32,
                sample_rate=int(rate_hz),
                name=channel,
                units="" if logic else UNITS[channel],
            )
            self._ids[channel] = number
            if logic:
                self._logic[channel] = _LogicTail()

    def write(self, channel: str, first_sample: int, data: NDArray[Any]) -> None:
        """Append samples: float32 in the channel's unit, or 0/1 as uint8 for a logic line."""
        if channel in self._logic:
            start, packed = self._logic[channel].take(first_sample, data)
            if packed.size:
                self._writer.fsr(self._ids[channel], start, packed)
        else:
            self._fill_gap(channel, first_sample)
            self._writer.fsr_f32(self._ids[channel], first_sample, data.astype("float32", copy=False))
            self._next[channel] = first_sample + data.size

    def _fill_gap(self, channel: str, first_sample: int) -> None:
        """Write the NaN of a gap ourselves: the library would do the same, and print a line to stderr for each."""
        import numpy as np

        while (missing := first_sample - self._next[channel]) > 0:
            piece = np.full(min(missing, _CHUNK), np.nan, dtype=np.float32)
            self._writer.fsr_f32(self._ids[channel], self._next[channel], piece)
            self._next[channel] += piece.size

    def utc(self, sample: int, ticks: int) -> None:
        """Say when a sample was taken, on all channels: 2^-30 s since 2018-01-01 UTC, the format's own time.

        An annotation for people and for other programs; the sample index is the time. Samples come in rising order.
        """
        for signal in self._ids.values():
            self._writer.utc(signal, sample, ticks)

    def annotate(self, sample: int, text: str) -> None:
        """Put a vertical marker with a text on the first channel. Samples come in rising order."""
        from pyjls import AnnotationType

        first = next(iter(self._ids.values()))
        self._writer.annotation(first, sample, float("nan"), AnnotationType.VMARKER, 0, text)

    def close(self) -> None:
        """Finish the file. Idempotent."""
        if self._writer is None:
            return
        for channel, tail in self._logic.items():
            start, packed = tail.rest()
            if packed.size:
                self._writer.fsr(self._ids[channel], start, packed)
        self._writer.close()
        self._writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _LogicTail:
    """Packs logic samples into whole bytes; the library takes no others, so up to seven wait for the next piece.

    At the end the last byte is filled up with the line's last level, and the file is then up to seven samples longer on
    this channel than on the analog ones.
    """

    def __init__(self) -> None:
        import numpy as np

        self._start = 0
        self._bits = np.zeros(0, dtype=np.uint8)

    def take(self, first_sample: int, data: NDArray[Any]) -> tuple[int, NDArray[Any]]:
        import numpy as np

        missing = first_sample - self._start - self._bits.size
        if missing < 0:
            raise ValueError(f"samples from {first_sample} on were already written")
        self._bits = np.concatenate([self._bits, np.zeros(missing, dtype=np.uint8), data.astype(np.uint8)])
        whole = self._bits.size // 8 * 8
        start, packed = self._start, np.packbits(self._bits[:whole], bitorder="little")
        self._start, self._bits = start + whole, self._bits[whole:]
        return start, packed

    def rest(self) -> tuple[int, NDArray[Any]]:
        import numpy as np

        if not self._bits.size:
            return self._start, self._bits
        filled = np.concatenate([self._bits, np.full(8 - self._bits.size, self._bits[-1], dtype=np.uint8)])
        return self._start, np.packbits(filled, bitorder="little")


class JlsTrace:
    """A JLS file as a :class:`~lab.record.traces.protocol.TraceReader`.

    Channels are found by their names. Raises :class:`DataError` if the file is missing, was never closed, is damaged,
    or its channels have different rates.
    """

    def __init__(self, path: Path) -> None:
        from pyjls import Reader

        _refuse_unclosed(path)
        try:
            self._reader = Reader(str(path))
        except Exception as error:
            raise DataError(f"{path}: not a readable JLS file ({error})") from error
        self._path = path
        signals = {signal.name: signal for signal in self._reader.signals.values() if signal.sample_rate}
        rates = {signal.sample_rate for signal in signals.values()}
        if len(rates) != 1:
            self.close()
            raise DataError(f"{path}: found sample rates {sorted(rates)}, expected one rate for all channels")
        self._ids = {name: signal.signal_id for name, signal in signals.items()}
        self._lengths = {name: int(signal.length) for name, signal in signals.items()}
        self._rate = float(rates.pop())
        analog = [length for name, length in self._lengths.items() if not name.startswith("gpi")]
        # Logic channels are filled up to whole bytes, so only analog ones tell how long the recording was.
        self._length = max(analog) if analog else max(self._lengths.values())

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return self._rate

    @property
    def length(self) -> int:
        """Samples of the longest analog channel."""
        return self._length

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels in the file."""
        return tuple(self._ids)

    def read(self, channel: str, start: int, stop: int) -> NDArray[Any]:
        """Samples of a channel; see :meth:`lab.record.traces.protocol.TraceReader.read`."""
        import numpy as np

        if not 0 <= start <= stop <= self._length:
            raise IndexError(f"samples {start}…{stop} of a trace of {self._length}")
        logic = channel.startswith("gpi")
        signal = self._ids[channel]
        out = np.zeros(stop - start, np.uint8) if logic else np.full(stop - start, np.nan, np.float32)
        for first in range(start, min(stop, self._lengths[channel]), _CHUNK):
            last = min(first + _CHUNK, stop, self._lengths[channel])
            try:
                piece = self._reader.fsr(signal, first, last - first)
            except Exception as error:
                raise DataError(f"{self._path}: channel {channel} is damaged near sample {first} ({error})") from error
            if logic:
                piece = np.unpackbits(piece, bitorder="little")[: last - first]
            out[first - start : last - start] = piece
        return out

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_MAGIC = b"jlsfmt\r\n \n \x1a "


def _refuse_unclosed(path: Path) -> None:
    """Raise for a file that the library must not see: its reader may crash on one that was never closed.

    The header's bytes 16 to 23 hold the file's length, and are zero until it is closed.
    """
    try:
        with path.open("rb") as file:
            header = file.read(32)
    except OSError as error:
        raise DataError(f"{path}: cannot read the trace ({error.strerror})") from error
    if len(header) < 32 or not header.startswith(_MAGIC):
        raise DataError(f"{path}: not a JLS v2 file")
    if header[16:24] == bytes(8):
        raise DataError(
            f"{path}: the trace was never closed (its recorder died)",
            advice=f"`python -m pyjls copy {path} RECOVERED.jls` recovers what was written",
        )
    size = path.stat().st_size
    if int.from_bytes(header[16:24], "little") > size:
        raise DataError(f"{path}: the trace is cut short ({size} bytes are there)")


@contextmanager
def _reused_heap() -> Iterator[None]:
    """Let the library's 64 MiB message queue come from kept heap instead of fresh pages.

    Opening a writer touches every page of that queue: 45 ms from fresh pages, 2 ms from memory the heap kept from the
    last one (pyjls 0.17, glibc). With hundreds of short traces in a campaign that is most of the time. Only glibc has
    these settings; elsewhere nothing changes.
    """
    m_trim_threshold, m_mmap_max, default_mmap_max = -1, -4, 65536
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        yield
        return
    mallopt(m_trim_threshold, 128 << 20)
    mallopt(m_mmap_max, 0)
    try:
        yield
    finally:
        mallopt(m_mmap_max, default_mmap_max)
