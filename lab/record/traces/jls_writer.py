"""Writing JLS v2 files (the Joulescope's own format), through the vendor's library ``pyjls``."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.record.closing import ClosedOnExit

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNITS = {"current": "A", "voltage": "V", "power": "W"}
"""Analog channels and their units; a channel ``gpi<n>`` is a logic line."""

_CHUNK = 1 << 24
"""Samples per library call: requests beyond 2^30 samples overflow a size in pyjls 0.17."""


class JlsWriter(ClosedOnExit):
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
