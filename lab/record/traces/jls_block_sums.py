"""Sums of power over many blocks of a JLS file, as fast as one core gets them out of the page cache.

Each batch of blocks takes one call to the system, one widening to float64 and one dot product, all within the caches.
The call scatters what it reads: samples go side by side into an array, and what lies between them (headers, checksums,
small chunks of other channels) beside it, where the headers are compared with those that are due. Only where more than
a little lies between is it left out, by another call.

Mapping the file instead was measured and is slower: filling and taking down the page table takes as long as copying
does, and mapped pages are then read from memory where copied ones are read from the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab.record.traces.jls_layout import SAMPLES_AT, DataChunks, JlsBytes, Signal

Float64s = NDArray[np.float64]

_BATCH_BYTES = 1 << 21
"""Samples of a batch: they and their float64 copies still fit the caches."""

_BATCH_CHUNKS = 256
"""One call to the system may scatter to no more than 1024 places, two of which each chunk takes."""

_READ_THROUGH = 1 << 14
"""Up to so many bytes between chunks are read rather than left out."""

_USUAL = SAMPLES_AT + 8
"""Bytes before the samples of a chunk that follows another: padding and checksum of that one, and the headers."""

_PLANNED = 4096
"""Blocks whose reading is planned at once."""

_Call = tuple[int, list[memoryview], int]
"""Where to read, into what, and how many bytes that are."""


class BlockSums:
    """Sums over blocks that are one full chunk each of one or two channels of float32. Not to be shared by threads."""

    def __init__(self, file: JlsBytes, channels: Sequence[tuple[Signal, DataChunks]]) -> None:
        self._file = file
        self._channels = channels
        size = channels[0][0].samples_per_data
        self._chunk_bytes = 4 * size
        slots = max(min(_BATCH_BYTES // self._chunk_bytes, _BATCH_CHUNKS), len(channels))
        self._together = slots // len(channels)
        shape = (len(channels), self._together, size)
        self._narrow, self._wide = np.empty(shape, np.float32), np.empty(shape)
        self._samples = [row.data.cast("B") for row in self._narrow.reshape(-1, size)]
        # What precedes a chunk's samples is read to the end of a row of its own, so that the headers form a column.
        before = np.empty((*shape[:2], _READ_THROUGH + SAMPLES_AT), np.uint8)
        self._before = [row.data for row in before.reshape(len(self._samples), -1)]
        self._usual = [view[-_USUAL:] for view in self._before]
        self._headers = before[:, :, _READ_THROUGH:]

    def sums(self, first: int, stop: int, out: Float64s) -> None:
        """Sum of power over each of blocks ``first`` … ``stop``, into ``out``.

        Raises :class:`lab.errors.DataError` where a chunk is not the one due at its place, or the file ends before it.
        """
        for begin in range(first, stop, _PLANNED):
            end = min(begin + _PLANNED, stop)
            self._some_sums(begin, end, out[begin - first : end - first])

    def _some_sums(self, first: int, stop: int, out: Float64s) -> None:
        headers = np.empty((len(self._channels), stop - first, SAMPLES_AT), np.uint8)
        for batch, calls in enumerate(self._calls(first, stop)):
            for call in calls:
                self._file.read_into(*call)
            here = slice(batch * self._together, min((batch + 1) * self._together, stop - first))
            count = here.stop - here.start
            headers[:, here] = self._headers[:, :count]
            np.copyto(self._wide[:, :count], self._narrow[:, :count])
            if len(self._wide) == 2:
                np.vecdot(self._wide[0, :count], self._wide[1, :count], out=out[here])
            else:
                np.add.reduce(self._wide[0, :count], axis=1, out=out[here])
        for (signal, data), found in zip(self._channels, headers.view("<u4"), strict=True):
            self._file.check_full_data_headers(signal, data, first, found)

    def _calls(self, first: int, stop: int) -> list[list[_Call]]:
        """The calls that bring blocks ``first`` … ``stop`` in, batch by batch."""
        blocks = np.tile(np.arange(stop - first), len(self._channels))
        offsets = np.concatenate([data.offsets[first:stop] for _, data in self._channels])
        rows = np.repeat(np.arange(len(self._channels)), stop - first) * self._together + blocks % self._together
        order = np.lexsort((offsets, blocks // self._together))
        offsets, rows, batches = offsets[order], rows[order], (blocks // self._together)[order]
        between = np.diff(offsets) - SAMPLES_AT - self._chunk_bytes
        # Chunks that overlap cannot be, but are left to the check of their headers.
        begins = (np.diff(batches) != 0) | (between > _READ_THROUGH) | (between < 0)
        begins = np.concatenate([[True], begins])
        before = np.where(begins, 0, np.concatenate([[0], between])) + SAMPLES_AT
        places: list[memoryview] = [self._samples[0]] * (2 * rows.size)
        row_list = rows.tolist()
        places[1::2] = map(self._samples.__getitem__, row_list)
        places[::2] = map(self._usual.__getitem__, row_list)
        for index in np.flatnonzero(before != _USUAL).tolist():
            places[2 * index] = self._before[row_list[index]][-int(before[index]) :]
        edges = np.append(np.flatnonzero(begins), offsets.size)
        totals = np.add.reduceat(before + self._chunk_bytes, edges[:-1])
        calls: list[list[_Call]] = [[] for _ in range(int(batches[-1]) + 1)]
        for begin, end, total in zip(edges[:-1].tolist(), edges[1:].tolist(), totals.tolist(), strict=True):
            calls[batches[begin]].append((int(offsets[begin]), places[2 * begin : 2 * end], total))
        return calls
