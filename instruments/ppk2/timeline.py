"""Where a PPK2's samples lie in time, though its counter only counts to 64.

A loss of 64 frames leaves no trace in the counter. But the host's clock went on: samples come as early as the line lets
them, so how late the earliest of them come, against their number, is steady; after a loss it is more, for good. What
comes after a loss (or after a pause that might be one) is therefore kept back for a moment, until the earliest arrivals
on the far side are there to compare.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from instruments.ppk2.frames import MODULUS, Run, Words

SETTLE_S = 0.3
"""So long is waited for an early arrival after a loss."""

STEADY_S = 2.0
"""The earliest arrival of so long before is compared with: short against what the two clocks drift apart."""

PAUSE_S = 10e-3
"""An arrival that is later by so much may have lost something before it, even if the counter fits. What is lost in
multiples of 64 frames and takes less time than this is not seen here."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Consecutive frames, the first of them sample ``first`` of the stream."""

    first: int
    words: Words


@dataclass(slots=True)
class _Waiting:
    """What follows a loss, or a pause: of ``missing`` frames we know; arrivals are (frames so far, instant)."""

    missing: int
    since_s: float
    words: list[Words] = field(default_factory=list)
    frames: int = 0
    arrivals: list[tuple[int, float]] = field(default_factory=list)


class Timeline:
    """Takes runs of frames as they arrive and gives them their places."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._next = 0
        self._early: deque[tuple[float, float]] = deque()
        """(instant, lateness in s) of arrivals, the lateness rising from left to right."""
        self._waiting: deque[_Waiting] = deque()
        self.by_clock = 0
        """How many missing samples only the host's clock tells of."""

    @property
    def end(self) -> int:
        """The sample after the last placed one."""
        return self._next

    def add(self, runs: Iterable[Run], at_s: float) -> list[Placed]:
        """Runs that arrived together; gives what has its place now."""
        placed: list[Placed] = []
        for place, run in enumerate(runs):
            if run.missing:
                self._waiting.append(_Waiting(run.missing, at_s))
            elif not self._waiting and place == 0 and self._is_late(run, at_s):
                self._waiting.append(_Waiting(0, at_s))
            if self._waiting:
                item = self._waiting[-1]
                item.words.append(run.words)
                item.frames += int(run.words.size)
                item.arrivals.append((item.frames, at_s))
            else:
                placed.append(self._place(run.words))
                self._note(self._next, at_s)
        while self._waiting and at_s - self._waiting[0].since_s >= SETTLE_S:
            placed += self._settle()
        return placed

    def finish(self) -> list[Placed]:
        """The places of what still waits."""
        placed: list[Placed] = []
        while self._waiting:
            placed += self._settle()
        return placed

    def _place(self, words: Words) -> Placed:
        placed = Placed(self._next, words)
        self._next += int(words.size)
        return placed

    def _lateness(self, end: int, at_s: float) -> float:
        return at_s - end / self._rate_hz

    def _note(self, end: int, at_s: float) -> None:
        late_s = self._lateness(end, at_s)
        while self._early and self._early[-1][1] >= late_s:
            self._early.pop()
        self._early.append((at_s, late_s))
        while self._early[0][0] < at_s - STEADY_S:
            self._early.popleft()

    def _is_late(self, run: Run, at_s: float) -> bool:
        end = self._next + int(run.words.size)
        return bool(self._early) and self._lateness(end, at_s) > self._early[0][1] + PAUSE_S

    def _settle(self) -> list[Placed]:
        """Place what waits longest, after as many multiples of 64 as all that arrived since can be late by."""
        earliest_s, end = float("inf"), self._next
        for item in self._waiting:
            end += item.missing
            for frames, at_s in item.arrivals:
                earliest_s = min(earliest_s, self._lateness(end + frames, at_s))
            end += item.frames
        item = self._waiting.popleft()
        late_s = earliest_s - self._early[0][1] if self._early else 0.0
        more = 0
        # A pause at the very end may be the host's: too little came since to tell.
        known_s = item.arrivals[-1][1] - item.since_s
        if item.missing or (late_s >= PAUSE_S and known_s >= SETTLE_S / 2):
            more = max(0, round(late_s * self._rate_hz / MODULUS)) * MODULUS
        self.by_clock += more
        self._next += item.missing + more
        # The arrivals' own instants, now that the place is known, are what the next loss is compared with.
        begin = self._next
        placed = [self._place(words) for words in item.words]
        for frames, at_s in item.arrivals:
            self._note(begin + frames, at_s)
        return placed
