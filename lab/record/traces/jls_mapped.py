"""Closed JLS files read through a memory map: power at the speed of memory, in little memory of our own.

The vendor's library copies and checks every block it reads, which is right once and slow a hundred times over. Here the
structure is checked when the file is opened, each chunk's header when the chunk is first used, and the checksums of the
samples when :meth:`MappedJls.verify` is called (when a record is sealed, say).

Samples are float32. The product of two of them is exact in float64, and that is what is summed: a chunk is widened to
float64 inside the second-level cache and handed to BLAS. (Summed as float32 the whole of a long trace is wrong by 1e-8
to 1e-2, depending on how; a constant load is the worst case.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.traces import jls_layout as layout
from lab.record.traces.jls_layout import DataChunks, JlsBytes, Signal, SummaryLevel

Float64s = NDArray[np.float64]
Ranges = list[tuple[int, int]]

_TOGETHER = 10
"""Blocks handed to NumPy in one call where they lie equally far apart: their float64 copies still fit the cache."""

_HEADERS_TOGETHER = 1024


class MappedJls(ClosedOnExit):
    """A closed JLS file as a :class:`~lab.record.traces.protocol.TraceReader`, and as blocks of power.

    Channels are found by their names; those of other types than float32 and single bits are left out. Sample 0 is the
    first sample of the earliest analog channel; where another begins later or ends earlier, its samples are missing.

    Block ``k`` is samples ``k · block_samples`` … ``(k + 1) · block_samples`` of the trace. Its power is voltage times
    current where both are there, else the channel ``power``. Missing samples are NaN, and so is every sum over them.

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
        self._power: list[str] = [name for name in ("current", "voltage") if name in self._channels]
        if len(self._power) < 2:
            self._power = ["power"] if "power" in self._channels else []
        self._block = self._channels[self._power[0]].signal.samples_per_data if self._power else 8192
        self._direct = self._directly_readable_blocks()
        self._fast = _FastBlocks([self._channels[name] for name in self._power], self._direct) if self._direct else None

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
        return self._read(self._power_channel(), start, stop).astype(np.float64)

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
        fast = min(max(self._direct, first), stop)
        if self._fast is not None and fast > first:
            self._fast.sums(first, fast, sums[: fast - first])
        for block in range(fast, stop):
            sums[block - first] = self.block_power(block).sum()
        return sums

    def missing(self, channel: str | None = None) -> Ranges:
        """Ranges of samples that are missing (not finite, or outside the channel), in order and apart; takes a pass.

        Of the power, whatever it is made of, where no ``channel`` is named.
        """
        if channel is None and not self._power:
            self._power_channel()
        chosen = self._power if channel is None else [channel]
        found: Ranges = []
        for start in range(0, self._length, self._block):
            stop = min(start + self._block, self._length)
            bad = np.zeros(0, np.bool_)
            for name in chosen:
                samples = self._read(self._channels[name], start, stop)
                # One sum tells of any NaN or infinity; a mask is made only then.
                if not np.isfinite(np.dot(samples, samples)):
                    bad = ~np.isfinite(samples) if not bad.size else bad | ~np.isfinite(samples)
            if bad.any():
                edges = np.flatnonzero(np.diff(bad, prepend=False, append=False)) + start
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
        """The means of entries ``first`` … ``stop`` of a level, piece by piece, as views into the file."""
        while first < stop:
            chunk, skip = divmod(first, level.per_chunk)
            count = min(level.per_chunk - skip, stop - first)
            at = int(level.offsets[chunk]) + layout.SAMPLES_AT + 16 * skip
            yield np.ndarray((count,), "<f4", self._file.map, at, (16,))
            first += count

    def verify(self) -> int:
        """Check every checksum of the file, reading all of it; returns the number of chunks.

        Raises :class:`DataError` for the first that fails.
        """
        return self._file.verify()

    def close(self) -> None:
        """Let go of the file. Idempotent. Views taken from it stay valid until they are dropped."""
        self._fast = None
        self._file.close()

    def _power_channel(self) -> _Channel:
        if not self._power:
            raise DataError(
                f"{self._file.path}: the trace holds no power: its channels are {', '.join(self._channels) or 'none'}"
            )
        return self._channels[self._power[0]]

    def _block_range(self, block: int) -> tuple[int, int]:
        if not 0 <= block < self.blocks:
            raise IndexError(f"block {block} of {self.blocks}")
        return block * self._block, min((block + 1) * self._block, self._length)

    def _directly_readable_blocks(self) -> int:
        """Blocks, from the first on, that are one full chunk of each channel the power is made of."""
        chosen = [self._channels[name] for name in self._power]
        aligned = all(c.data.first_sample == self._origin and c.signal.samples_per_data == self._block for c in chosen)
        if not chosen or not aligned or any(channel.logic for channel in chosen):
            return 0
        return min(channel.data.length // self._block for channel in chosen)

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
        self.logic = signal.data_type == layout.LOGIC
        self.file = file
        self._checked = np.zeros(-(-data.offsets.size // _HEADERS_TOGETHER), np.bool_)

    def blank(self, count: int) -> NDArray[Any]:
        """``count`` samples that are not there."""
        return np.zeros(count, np.uint8) if self.logic else np.full(count, np.nan, np.float32)

    def check(self, first: int, stop: int) -> None:
        """Check the headers of data chunks ``first`` … ``stop``, unless that was done before."""
        for group in range(first // _HEADERS_TOGETHER, -(-stop // _HEADERS_TOGETHER)):
            if not self._checked[group]:
                begin = group * _HEADERS_TOGETHER
                end = min(begin + _HEADERS_TOGETHER, self.data.offsets.size)
                self.file.check_data_headers(self.signal, self.data, begin, end)
                self._checked[group] = True

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples ``start`` … ``stop``: a view into the file where they lie in one chunk, else a copy."""
        size = self.signal.samples_per_data
        first, last = start // size, (stop - 1) // size
        self.check(first, last + 1)
        pieces = [
            self._piece(number, max(start - number * size, 0), min(stop - number * size, size))
            for number in range(first, last + 1)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _piece(self, number: int, start: int, stop: int) -> NDArray[Any]:
        offset = int(self.data.offsets[number])
        if not self.logic:
            return np.frombuffer(self.file.map, "<f4", stop - start, offset + layout.SAMPLES_AT + 4 * start)
        if offset == 0:
            return np.full(stop - start, self._left_out_level(number), np.uint8)
        skipped = start // 8
        packed = np.frombuffer(self.file.map, np.uint8, (stop + 7) // 8 - skipped, offset + layout.SAMPLES_AT + skipped)
        return np.unpackbits(packed, bitorder="little")[start - 8 * skipped : stop - 8 * skipped]

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
        means = np.ndarray((max(stop - place * each, 0),), "<f4", self.file.map, at, (16,))
        if not means.size or means[0] not in (0.0, 1.0) or (means != means[0]).any():
            raise self.file.broken(chunk.offset, f"the summary does not tell the level of {self.signal.name!r}")
        return int(means[0])


class _FastBlocks:
    """Sums over blocks that are one full chunk of each channel, many at a time.

    Chunks of a channel mostly lie equally far apart, until an index comes between them. Such runs are one strided array
    to NumPy, and its cost per call is shared by the run.
    """

    def __init__(self, channels: list[_Channel], blocks: int) -> None:
        self._channels = channels
        self._starts = [channel.data.offsets[:blocks] + layout.SAMPLES_AT for channel in channels]
        uneven = np.zeros(max(blocks - 2, 0), np.bool_)
        for own in self._starts:
            steps = np.diff(own)
            uneven |= steps[1:] != steps[:-1]
        self._ends = _run_ends(np.flatnonzero(uneven), blocks)
        size = channels[0].signal.samples_per_data
        self._wide = [np.empty((_TOGETHER, size)) for _ in channels]

    def sums(self, first: int, stop: int, out: Float64s) -> None:
        """Sum of power over each of blocks ``first`` … ``stop``, into ``out``."""
        for channel in self._channels:
            channel.check(first, stop)
        buffer, size = self._channels[0].file.map, self._channels[0].signal.samples_per_data
        starts = [all_starts[first:stop].tolist() for all_starts in self._starts]
        ends = [*self._ends[np.searchsorted(self._ends, first, side="right") :].tolist(), stop]
        run = block = 0
        while block < stop - first:
            while ends[run] <= first + block:
                run += 1
            count = min(min(ends[run], stop) - first - block, _TOGETHER)
            for wide, own in zip(self._wide, starts, strict=True):
                stride = own[block + 1] - own[block] if count > 1 else 0
                np.copyto(wide[:count], np.ndarray((count, size), "<f4", buffer, own[block], (stride, 4)))
            target = out[block : block + count]
            if len(self._wide) == 2:
                np.vecdot(self._wide[0][:count], self._wide[1][:count], out=target)
            else:
                np.add.reduce(self._wide[0][:count], axis=1, out=target)
            block += count


def _run_ends(uneven: NDArray[np.int64], blocks: int) -> NDArray[np.int64]:
    """Where runs of equally spaced blocks end; ``uneven`` are the k for which k → k + 1 and k + 1 → k + 2 differ.

    A run that holds k and k + 1 ends after k + 1, and the next one begins with k + 2.
    """
    return np.append(uneven + 2, blocks)


def joined(ranges: Ranges) -> Ranges:
    """Half-open ranges in order, those that meet or overlap as one, empty ones left out."""
    result: Ranges = []
    for start, stop in sorted(item for item in ranges if item[1] > item[0]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result
