"""From a PPK2's serial line to blocks of samples: one thread reads, one decodes, neither waits for the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from instruments.bounded_queue import BoundedQueue, Loss
from instruments.ppk2.calibration import ADC_TOP, FULL_SCALE_A, RANGES, Calibration
from instruments.ppk2.frames import FrameDecoder, Words
from instruments.ppk2.settings import RATE_HZ, Ppk2Settings
from instruments.ppk2.timeline import Placed, Timeline
from instruments.serial_port import Port, PortLostError
from instruments.stream_presence import StreamPresence
from instruments.stream_recorder import Block

READ_S = 0.1
"""The reader looks up this often when nothing comes."""

GATHER_S = 2e-3
"""The reader lets so much come together: each of the line's small packets alone would cost as much."""

QUIET_S = 0.05
"""A kit that was told to stop and says nothing for so long has said everything."""

CLOCK_PPM = 100.0
"""Limit of error of the kit's clock where the bench file says nothing larger."""

RANGE_TABLE = (("any", FULL_SCALE_A),)
"""To whoever watches the blocks there is one range: the kit changes its own all the time, and nobody can hold one."""


class Converter:
    """Turns frames into amperes and levels.

    A sample at the end of the converter in any but the largest range was taken while the kit changed its range, and one
    of a range that does not exist is damaged: both are missing, and counted in ``unusable``.
    """

    def __init__(self, calibration: Calibration, settings: Ppk2Settings) -> None:
        self._calibration = calibration
        self._volts = settings.volts
        self._lines = {channel: np.uint32(24 + int(channel.removeprefix("gpi"))) for channel in settings.lines}
        self._seen = np.zeros(RANGES, np.bool_)
        self.unusable = 0

    @property
    def ranges_seen(self) -> int:
        """In how many ranges it measured so far."""
        return int(np.count_nonzero(self._seen))

    def block(self, placed: Placed) -> Block:
        """The samples of some frames. The voltage is the assumed one."""
        words: Words = placed.words
        counts = words & np.uint32(ADC_TOP)
        ranges = words >> np.uint32(14) & np.uint32(7)
        known = ranges < RANGES
        unusable = ~known | ((counts == ADC_TOP) & (ranges < RANGES - 1))
        current = self._calibration.amperes(counts, np.where(known, ranges, 0), self._volts)
        if unusable.any():
            self.unusable += int(np.count_nonzero(unusable))
            current[unusable] = np.nan
        self._seen[np.unique(ranges[~unusable])] = True
        return Block(
            first_sample=placed.first,
            current_a=current,
            voltage_v=np.full(words.size, self._volts, np.float32),
            range_codes=np.zeros(words.size, np.uint8),
            logic={channel: (words >> shift & np.uint32(1)).astype(np.uint8) for channel, shift in self._lines.items()},
        )


@dataclass(frozen=True, slots=True)
class _Chunk:
    data: bytes
    at_s: float


class Intake:
    """Reads a kit that was told to start, until :meth:`end`.

    ``sink`` is given each block with the instant of its arrival, in a thread of the intake's; what it raises of
    ``OSError``, ``RuntimeError``, ``ValueError`` or ``MemoryError`` is kept in ``failure``, and the rest thrown away.
    """

    def __init__(
        self,
        port: Port,
        converter: Converter,
        settings: Ppk2Settings,
        presence: StreamPresence,
        sink: Callable[[Block, float], None],
        clock: Callable[[], float],
        name: str,
    ) -> None:
        self._port = port
        self._converter = converter
        self._presence = presence
        self._sink = sink
        self._clock = clock
        self._queue: BoundedQueue[_Chunk] = BoundedQueue(settings.queue_bytes)
        self._decoder = FrameDecoder()
        self._timeline = Timeline(RATE_HZ)
        self._ending = threading.Event()
        self.failure: str | None = None
        self._reader = threading.Thread(target=self._read, name=f"{name}-reader", daemon=True)
        self._worker = threading.Thread(target=self._work, name=f"{name}-writer", daemon=True)

    def begin(self) -> None:
        """Start both threads."""
        self._reader.start()
        self._worker.start()

    def end(self) -> None:
        """Take what still comes, until the line is quiet, and decode all of it. The kit was told to stop before."""
        self._ending.set()
        self._reader.join()
        self._queue.close()
        self._worker.join()

    @property
    def loss(self) -> Loss:
        """What came faster than it could be decoded."""
        return self._queue.loss

    @property
    def by_clock(self) -> int:
        """How many missing samples only the host's clock tells of."""
        return self._timeline.by_clock

    @property
    def losses(self) -> int:
        """How often bytes went missing."""
        return self._decoder.losses

    def _read(self) -> None:
        while True:
            ending = self._ending.is_set()
            try:
                data = self._port.read(QUIET_S if ending else READ_S)
            except PortLostError:
                self._presence.removed(self._clock())
                return
            if data:
                self._queue.put(_Chunk(data, self._clock()), len(data))
                time.sleep(GATHER_S)
            elif ending:
                return

    def _work(self) -> None:
        at_s = 0.0
        while (chunk := self._queue.get()) is not None:
            at_s = chunk.at_s
            self._give(self._timeline.add(self._decoder.feed(chunk.data), at_s), at_s)
        self._give(self._timeline.add(self._decoder.flush(), at_s), at_s)
        self._give(self._timeline.finish(), at_s)

    def _give(self, found: list[Placed], at_s: float) -> None:
        if self.failure is not None:
            return
        try:
            for placed in found:
                self._sink(self._converter.block(placed), at_s)
        except (OSError, RuntimeError, ValueError, MemoryError) as error:
            self.failure = str(error)
            self._presence.give_up()
