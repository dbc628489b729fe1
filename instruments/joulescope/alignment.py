"""From the separate streams of a meter to blocks in which all channels stand side by side.

Each signal has its own rate, its own block lengths and its own losses; only the sample counter is common to them. The
trace's grid is that of the current: sample ``k`` is the one whose counter value divided by the decimation gives ``k``,
whatever the remainder. Logic inputs and the range, which come faster or slower, are brought to that grid here:

* a logic line's level of sample ``k`` is its level at the instant at which sample ``k`` begins, so an edge lies between
  two samples just as :mod:`instruments.stream_checks` has it;
* the range of sample ``k`` is the largest one in use during it, so that no change goes unseen.

A sample that any of the channels misses is missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.joulescope.signals import CURRENT, POWER, RANGE, VOLTAGE, Signal, SignalBlock
from instruments.stream_recorder import Block

_Piece = tuple[int, NDArray[Any]]

_MOST_EARLY = 256
"""Blocks of other channels that are kept until the first of the current comes."""


class GridChangedError(Exception):
    """The current's decimation changed while it was recorded: what follows is another trace."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The trace's samples on the counter: sample ``k`` begins at the count ``k·decimation + begin``."""

    decimation: int
    begin: int

    def index_from(self, count: int) -> int:
        """The first sample that begins at ``count`` or later."""
        return -((self.begin - count) // self.decimation)

    def samples(self, block: SignalBlock, *, smallest: bool) -> _Piece:
        """A block of levels or codes on this grid: its first index, and one value per sample.

        With ``smallest`` the smallest value until the next sample begins, else the one at the sample's beginning.
        """
        first, end = self.index_from(block.sample_id), self.index_from(block.end)
        offset = first * self.decimation + self.begin - block.sample_id
        if self.decimation % block.step == 0 and not smallest:
            return first, block.samples[offset // block.step :: self.decimation // block.step]
        positions = (np.arange(end - first, dtype=np.int64) * self.decimation + offset) // block.step
        if smallest and block.step < self.decimation and positions.size:
            positions[0] = 0  # what is left of the sample that began in the last block goes to the next one
            return first, np.minimum.reduceat(block.samples, positions)
        return first, block.samples[positions]


@dataclass(slots=True)
class _Channel:
    """What waits of one channel: pieces in rising order that do not overlap."""

    pieces: deque[_Piece] = field(default_factory=deque)
    end: int | None = None
    repeated: int = 0
    unmatched: int = 0

    def add(self, first: int, samples: NDArray[Any]) -> None:
        if self.end is not None and first < self.end:
            # A transfer that comes twice; what is already there stays.
            known = min(self.end - first, samples.size)
            self.repeated += known
            first, samples = first + known, samples[known:]
        if samples.size:
            self.pieces.append((first, samples))
            self.end = first + int(samples.size)

    def drop_before(self, index: int, *, counted: bool) -> None:
        while self.pieces and self.pieces[0][0] < index:
            first, samples = self.pieces.popleft()
            cut = min(index - first, samples.size)
            self.unmatched += cut if counted else 0
            if cut < samples.size:
                self.pieces.appendleft((first + cut, samples[cut:]))

    def take(self, count: int) -> NDArray[Any]:
        first, samples = self.pieces.popleft()
        if count < samples.size:
            self.pieces.appendleft((first + count, samples[count:]))
        return samples[:count]


class Aligner:
    """Takes the blocks of a meter's signals in any order and gives blocks of all channels.

    ``lag_counts`` is by how much current, voltage and power lag behind the others. A channel that stays behind the
    others by more than ``patience`` samples holds them up no longer: what it misses is missing.
    """

    def __init__(self, of: Sequence[Signal], decimation: int, lag_counts: int, patience: int) -> None:
        self._lines = tuple(item.channel for item in of if item.is_logic)
        self._channels = {item.channel: _Channel() for item in of}
        self._decimation = decimation
        self._lag_counts = lag_counts
        self._patience = patience
        self._grid: Grid | None = None
        self._began = False
        self._early: deque[tuple[str, SignalBlock]] = deque(maxlen=_MOST_EARLY)

    @property
    def silent(self) -> tuple[str, ...]:
        """The channels of which nothing came."""
        early = {channel for channel, _ in self._early}
        return tuple(name for name, item in self._channels.items() if item.end is None and name not in early)

    @property
    def unmatched(self) -> Mapping[str, int]:
        """How many samples of each channel were left out because another channel had none beside them."""
        return {name: item.unmatched for name, item in self._channels.items() if item.unmatched}

    @property
    def repeated(self) -> int:
        """How many samples came twice."""
        return sum(item.repeated for item in self._channels.values())

    def index(self, count: int) -> int:
        """The trace's sample in which current and voltage carry this count."""
        return count // self._decimation

    def count(self, index: int) -> int:
        """The count at which the trace's sample ``index`` begins. Raises ``RuntimeError`` before the first current."""
        if self._grid is None:
            raise RuntimeError("no sample of the current came yet")
        return index * self._decimation + self._grid.begin

    def add(self, channel: str, block: SignalBlock) -> None:
        """Take a block; its ``sample_id`` is continuous. Raises :class:`GridChangedError`."""
        if channel in (CURRENT, VOLTAGE, POWER):
            if block.step != self._decimation:
                raise GridChangedError(f"{channel} comes each {block.step} counts, not each {self._decimation}")
            if self._grid is None and channel == CURRENT:
                self._begin(block)
            self._channels[channel].add(self.index(block.sample_id), block.samples)
        elif self._grid is None:
            self._early.append((channel, block))
        else:
            self._channels[channel].add(*self._grid.samples(block, smallest=channel == RANGE))

    def _begin(self, block: SignalBlock) -> None:
        self._grid = Grid(self._decimation, block.sample_id % self._decimation - self._lag_counts)
        while self._early:
            channel, waiting = self._early.popleft()
            self._channels[channel].add(*self._grid.samples(waiting, smallest=channel == RANGE))

    def ready(self) -> Iterator[Block]:
        """The blocks that are complete, in order."""
        channels = self._channels.values()
        self._give_up_on_laggards()
        while all(item.pieces for item in channels):
            start = max(item.pieces[0][0] for item in channels)
            for item in channels:
                # The signals are switched on one after the other: what comes before all are there is no loss.
                item.drop_before(start, counted=self._began)
            if not all(item.pieces and item.pieces[0][0] == start for item in channels):
                continue
            count = min(int(item.pieces[0][1].size) for item in channels)
            taken = {name: item.take(count) for name, item in self._channels.items()}
            self._began = True
            yield Block(
                first_sample=start,
                current_a=taken[CURRENT],
                voltage_v=taken[VOLTAGE],
                range_codes=taken[RANGE],
                logic={line: taken[line] for line in self._lines},
                power_w=taken.get(POWER),
            )

    def _give_up_on_laggards(self) -> None:
        leading = max((item.end for item in self._channels.values() if item.end is not None), default=0)
        for item in self._channels.values():
            if item.pieces and item.pieces[0][0] < leading - self._patience:
                item.drop_before(leading - self._patience, counted=self._began)
