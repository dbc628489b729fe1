"""Closed JLS files as traces: power at the speed of memory, in little memory of our own.

The vendor's library copies and checks every block it reads, which is right once and slow a hundred times over. Here the
structure is checked when the file is opened, each chunk's header when the chunk is first used, and the checksums of the
samples when :meth:`JlsTrace.verify` is called (when a record is sealed, say).

Samples are float32. The product of two of them is exact in float64, and that is what is summed: a chunk is widened to
float64 inside the second-level cache and handed to BLAS. (Summed as float32 the whole of a long trace is wrong by 1e-8
to 1e-2, depending on how; a constant load is the worst case.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.traces import jls_layout as layout
from lab.record.traces.jls_block_sums import BlockSums
from lab.record.traces.jls_layout import DataChunks, JlsBytes, Signal, SummaryLevel
from lab.record.traces.jls_verify import verify

Float64s = NDArray[np.float64]
Ranges = list[tuple[int, int]]


class JlsTrace(ClosedOnExit):
    """A closed JLS file as a :class:`~lab.record.traces.protocol.TraceReader`, and as blocks of power.

    Channels are found by their names; those of other types than float32 and single bits are left out. Sample 0 is the
    first sample of the earliest analog channel; where another begins later or ends earlier, its samples are missing.

    Block ``k`` is samples ``k · block_samples`` … ``(k + 1) · block_samples`` of the trace. Its power is the channel
    ``power`` where there is one (the meter multiplied before it averaged), else voltage times current. Missing samples
    are NaN, and so is every sum over them.

    Raises :class:`DataError`, naming file and byte, if the file is missing, was never closed or is damaged, or if its
    channels have different rates. The file must stay as it is while it is open.
    """

    def __init__(self, path: Path) -> None:
        self._file = JlsBytes(path)
        try:
            self._open(path)
        except BaseException:
            self._file.close()
            raise

    def _open(self, path: Path) -> None:
        signals = [s for s in layout.read_signals(self._file) if s.data_type in (layout.FLOAT32, layout.LOGIC)]
        names = [signal.name for signal in signals]
        if len(set(names)) != len(names):
            raise DataError(f"{path}: several channels of one name: {', '.join(sorted(names))}")
        rates = {signal.rate_hz for signal in signals}
        if len(rates) != 1:
            raise DataError(f"{path}: found sample rates {sorted(rates)}, expected one rate for all channels")
        self._rate = float(rates.pop())
        self._channels = {s.name: _Channel(self._file, s, layout.read_data_chunks(self._file, s)) for s in signals}
        held = [channel.data for channel in self._channels.values() if channel.data.length]
        analog = [c.data for c in self._channels.values() if c.data.length and not c.logic]
        # Logic channels are filled up to whole bytes, so only analog ones tell how long the recording was.
        chosen = analog or held
        self._origin = min((data.first_sample for data in chosen), default=0)
        self._length = max((data.first_sample + data.length - self._origin for data in chosen), default=0)
        if self._length > sum(data.length for data in chosen) + (1 << 40):
            raise DataError(f"{path}: the channels lie {self._length} samples apart")
        self._power = _power_channels(self._channels)
        self._block = self._channels[self._power[0]].signal.samples_per_data if self._power else 8192
        self._fast_blocks = self._full_blocks([self._channels[name] for name in self._power])
        self._fast: BlockSums | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The models of the meters that the file names as its sources."""
        return layout.read_models(self._file)

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return self._rate

    @property
    def length(self) -> int:
        """Samples of the trace, by its analog channels."""
        return self._length

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that can be read."""
        return tuple(self._channels)

    @property
    def block_samples(self) -> int:
        """Samples of a block of power."""
        return self._block

    @property
    def blocks(self) -> int:
        """Blocks of the trace; the last one may reach beyond its end."""
        return -(-self._length // self._block)

    def read(self, channel: str, start: int, stop: int) -> NDArray[Any]:
        """Samples of a channel; see :meth:`lab.record.traces.protocol.TraceReader.read`."""
        if not 0 <= start <= stop <= self._length:
            raise IndexError(f"samples {start}…{stop} of a trace of {self._length}")
        return self._read(self._channels[channel], start, stop)

    def block_power(self, block: int) -> Float64s:
        """Power [W] of the samples of one block, as float64; NaN where missing. The last block may be shorter."""
        start, stop = self._block_range(block)
        if len(self._power) == 2:
            current, voltage = (self._read(self._channels[name], start, stop) for name in self._power)
            return np.asarray(np.multiply(current.astype(np.float64), voltage.astype(np.float64)))
        return self._read(self._channels[self._power_name()], start, stop).astype(np.float64)

    def products(self, first: int = 0, stop: int | None = None) -> Iterator[tuple[int, Float64s]]:
        """Blocks ``first`` … ``stop`` of power, each as (index of its first sample, power [W] of each sample)."""
        for block in range(first, self.blocks if stop is None else stop):
            yield block * self._block, self.block_power(block)

    def block_sums(self, first: int = 0, stop: int | None = None) -> Float64s:
        """Sum of the power [W] over each of blocks ``first`` … ``stop``, shape (stop − first,), as float64.

        NaN (or infinity) for a block in which a sample is missing (or infinite).
        """
        stop = self.blocks if stop is None else stop
        if not 0 <= first <= stop <= self.blocks:
            raise IndexError(f"blocks {first}…{stop} of {self.blocks}")
        sums = np.empty(stop - first)
        fast = min(max(self._fast_blocks, first), stop)
        if fast > first:
            if self._fast is None:
                self._fast = BlockSums(self._file, [self._channels[name].chunks for name in self._power])
            self._fast.sums(first, fast, sums[: fast - first])
        for block in range(fast, stop):
            sums[block - first] = self.block_power(block).sum()
        return sums

    def missing(self, channel: str | None = None) -> Ranges:
        """Ranges of samples that are missing (not finite, or outside the channel), in order and apart; takes a pass.

        Of the power, whatever it is made of, where no ``channel`` is named.
        """
        names = [channel] if channel is not None else self._power or [self._power_name()]
        found: Ranges = []
        for block in self._doubtful_blocks([self._channels[name] for name in names]):
            start, stop = self._block_range(block)
            there = np.ones(stop - start, np.bool_)
            for name in names:
                there &= np.isfinite(self._read(self._channels[name], start, stop))
            edges = np.flatnonzero(np.diff(~there, prepend=False, append=False)) + start
            found.extend(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
        return joined(found)

    def pyramid(self, channel: str) -> tuple[int, list[SummaryLevel]]:
        """The summary of an analog channel: trace index of its first sample, and its levels, finest first."""
        chosen = self._channels[channel]
        if chosen.logic:
            raise KeyError(channel)
        levels = layout.read_summary_levels(self._file, chosen.signal, chosen.data)
        return chosen.data.first_sample - self._origin, levels

    def level_means(self, level: SummaryLevel, first: int, stop: int) -> Iterator[NDArray[np.float32]]:
        """The means of entries ``first`` … ``stop`` of a level, piece by piece."""
        while first < stop:
            chunk, skip = divmod(first, level.per_chunk)
            count = min(level.per_chunk - skip, stop - first)
            at = int(level.offsets[chunk]) + layout.SAMPLES_AT + 16 * skip
            yield np.frombuffer(self._file.read(at, 16 * count), "<f4")[::4]
            first += count

    def verify(self) -> int:
        """Check every checksum of the file, reading all of it; returns the number of chunks.

        Raises :class:`DataError` for the first that fails.
        """
        return verify(self._file)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._fast = None
        self._file.close()

    def _power_name(self) -> str:
        """The first of the channels that power is made of."""
        if not self._power:
            names = ", ".join(self._channels) or "none"
            raise DataError(f"{self._file.path}: the trace holds no power: its channels are {names}")
        return self._power[0]

    def _block_range(self, block: int) -> tuple[int, int]:
        if not 0 <= block < self.blocks:
            raise IndexError(f"block {block} of {self.blocks}")
        return block * self._block, min((block + 1) * self._block, self._length)

    def _full_blocks(self, channels: list[_Channel]) -> int:
        """Blocks, from the first on, that are one full chunk of float32 of each of ``channels``."""
        for item in channels:
            if item.logic or item.data.first_sample != self._origin or item.signal.samples_per_data != self._block:
                return 0
        return min((item.data.length // self._block for item in channels), default=0)

    def _doubtful_blocks(self, channels: list[_Channel]) -> Iterator[int]:
        """The blocks in which samples may be missing: their sum is not finite, or they are not full chunks."""
        full = self._full_blocks(channels)
        sums = np.zeros(full)
        if full:
            BlockSums(self._file, [channel.chunks for channel in channels]).sums(0, full, sums)
        yield from np.flatnonzero(~np.isfinite(sums)).tolist()
        yield from range(full, self.blocks)

    def _read(self, channel: _Channel, start: int, stop: int) -> NDArray[Any]:
        """Samples of a channel by the trace's index; what the channel does not have is NaN (0 of a logic line)."""
        shift = channel.data.first_sample - self._origin
        low, high = max(start - shift, 0), min(stop - shift, channel.data.length)
        if high <= low:
            return channel.blank(stop - start)
        if high - low == stop - start:
            return channel.read(low, high)
        whole = channel.blank(stop - start)
        whole[low + shift - start : high + shift - start] = channel.read(low, high)
        return whole


class _Channel:
    """One signal and its chunks; reads them by the signal's own index."""

    def __init__(self, file: JlsBytes, signal: Signal, data: DataChunks) -> None:
        self.signal, self.data = signal, data
        self.chunks = signal, data
        self.logic = signal.data_type == layout.LOGIC
        self.file = file
        self._checked = data.offsets == 0  # what was left out of the file has no header

    def blank(self, count: int) -> NDArray[Any]:
        """``count`` samples that are not there."""
        return np.zeros(count, np.uint8) if self.logic else np.full(count, np.nan, np.float32)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples ``start`` … ``stop``."""
        size = self.signal.samples_per_data
        first, last = start // size, (stop - 1) // size
        samples = np.empty(stop - start, np.uint8 if self.logic else np.float32)
        for number in range(first, last + 1):
            if not self._checked[number]:
                self.file.check_data_header(self.signal, self.data, number)
                self._checked[number] = True
            begin, end = max(start, number * size), min(stop, (number + 1) * size)
            self._read_piece(number, begin - number * size, end - number * size, samples[begin - start : end - start])
        return samples

    def _read_piece(self, number: int, start: int, stop: int, into: NDArray[Any]) -> None:
        at = int(self.data.offsets[number]) + layout.SAMPLES_AT
        if not self.logic:
            self.file.read_into(at + 4 * start, [into.view(np.uint8).data], 4 * (stop - start))
        elif self.data.offsets[number] == 0:
            into[:] = self._left_out_level(number)
        else:
            skipped = start // 8
            packed = np.frombuffer(self.file.read(at + skipped, (stop + 7) // 8 - skipped), np.uint8)
            into[:] = np.unpackbits(packed, bitorder="little")[start - 8 * skipped : stop - 8 * skipped]

    def _left_out_level(self, number: int) -> int:
        """The level of a chunk that was left out of the file because it is constant: the summary's mean."""
        group, place = divmod(number, self.signal.samples_per_index // self.signal.samples_per_data)
        meta = 1 << 12 | self.signal.number
        chunk = self.file.chunk(int(self.data.summaries[group]), layout.FSR_SUMMARY, meta)
        begin = self.data.first_sample + group * self.signal.samples_per_index
        entries = self.file.payload_header(chunk, begin, 128)
        each = self.signal.samples_per_data // self.signal.samples_per_entry
        stop = min((place + 1) * each, entries)
        at = chunk.offset + layout.SAMPLES_AT + 16 * place * each
        means = np.frombuffer(self.file.read(at, 16 * max(stop - place * each, 0)), "<f4")[::4]
        if not means.size or means[0] not in (0.0, 1.0) or (means != means[0]).any():
            raise self.file.broken(chunk.offset, f"the summary does not tell the level of {self.signal.name!r}")
        return int(means[0])


def _power_channels(channels: Iterable[str]) -> list[str]:
    """What the power is taken from; nothing where there is none."""
    names = set(channels)
    if "power" in names:
        return ["power"]
    return ["current", "voltage"] if {"current", "voltage"} <= names else []


def joined(ranges: Ranges) -> Ranges:
    """Half-open ranges in order, those that meet or overlap as one, empty ones left out."""
    result: Ranges = []
    for start, stop in sorted(item for item in ranges if item[1] > item[0]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result
