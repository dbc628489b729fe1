"""What there is to say of a channel's readings while they come: how many, how far apart, whether they change."""

from __future__ import annotations

from instruments.polling.pace import NS
from instruments.polling.source import Asked, update_period_s

STALE_PERIODS = 20
"""A counter that stands still for so many of its update periods does not count."""
STALE_AT_LEAST_S = 1.0
"""… and for at least so long: whatever is powered draws enough to move a counter in that time."""

SPARSE_PERIODS = 10
"""Two readings that lie so many rounds apart leave too much to guess between them."""
SPARSE_UPDATES = 3
"""… unless the meter itself is that slow."""
SPARSE_COUNTER_S = 1.0
"""A counter forgets nothing; it may be left alone for so long."""
MAY_WRAP = 0.5
"""Share of a counter's range that may go by unseen: beyond it nobody can tell how often it wrapped."""

MOST_W = 100e3
"""Nothing that one meter counts draws more: a counter that goes on faster began anew, or was set."""


class ChannelWatch:
    """The readings of one channel as they come in; constant memory."""

    def __init__(self, name: str, asked: Asked, period_s: float) -> None:
        self.name = name
        self.asked = asked
        self.reads = 0
        self.failed = 0
        self.total_read_ns = 0
        self.longest_read_ns = 0
        self.longest_gap_ns = 0
        self.longest_still_ns = 0
        self.longest_gap_moved: float = 0.0
        self.failing_since_ns: int | None = None
        self.last: float | None = None
        self.counted: float = 0.0
        self._last_ns = 0
        self._changed_ns: int | None = None
        self._period_s = period_s * asked.every

    @property
    def is_counter(self) -> bool:
        """Does the channel count energy?"""
        return self.asked.channel.measures == "energy"

    def take(self, begin_ns: int, end_ns: int, value: float) -> bool:
        """Take note of a reading: was it another value than the last? Raises ``ValueError`` if a counter makes none of
        sense: it went back and cannot wrap, leapt, or is beyond its range."""
        moved = self._moved(value)
        self._refuse_leap(moved, end_ns)
        changed = self.last is None or value != self.last
        if self.last is not None and end_ns - self._last_ns >= self.longest_gap_ns:
            # From end to end: how long an answer took is part of how long nothing was known.
            self.longest_gap_ns, self.longest_gap_moved = end_ns - self._last_ns, moved
        if changed:
            self._changed_ns = begin_ns
        elif self._changed_ns is not None:
            self.longest_still_ns = max(self.longest_still_ns, end_ns - self._changed_ns)
        self.reads += 1
        self.total_read_ns += end_ns - begin_ns
        self.longest_read_ns = max(self.longest_read_ns, end_ns - begin_ns)
        self.counted += moved
        self.last, self._last_ns, self.failing_since_ns = value, end_ns, None
        return changed

    def fail(self, now_ns: int) -> float:
        """Take note of a question without an answer: for how many seconds there has been none."""
        self.failed += 1
        if self.failing_since_ns is None:
            self.failing_since_ns = self._last_ns or now_ns
        return (now_ns - self.failing_since_ns) / NS

    def end(self, now_ns: int) -> None:
        """Nobody asks any more; nothing after the last reading counts as seen."""
        if self.last is not None:
            self.longest_gap_ns = max(self.longest_gap_ns, now_ns - self._last_ns)

    @property
    def stale_after_s(self) -> float:
        """How long a counter may stand still."""
        return max(STALE_AT_LEAST_S, STALE_PERIODS * update_period_s(self.asked))

    def stale(self) -> str:
        """What is to be said of a counter that stood still; empty if it did not."""
        if not self.is_counter or self.longest_still_ns <= self.stale_after_s * NS:
            return ""
        return f"{self.name} did not change for {self.longest_still_ns / NS:.3g} s"

    def sparse(self) -> str:
        """What is to be said of readings too far apart; empty if they were not."""
        gap_s = self.longest_gap_ns / NS
        if self.is_counter:
            allowed_s = max(SPARSE_COUNTER_S, SPARSE_PERIODS * self._period_s)
            modulus = self.asked.channel.modulus
            if modulus is not None and self.longest_gap_moved > MAY_WRAP * modulus:
                return f"{self.name} went through more than half its range in {gap_s:.3g} s: it may have wrapped unseen"
        else:
            allowed_s = max(SPARSE_PERIODS * self._period_s, SPARSE_UPDATES * update_period_s(self.asked))
        if gap_s <= allowed_s:
            return ""
        return f"{self.name} was not read for {gap_s:.3g} s, {allowed_s:.3g} s are allowed"

    def _refuse_leap(self, moved: float, end_ns: int) -> None:
        """A counter that begins anew looks as if it had wrapped; but not within the time that had passed."""
        if self.last is None or not self.is_counter:
            return
        since_s = (end_ns - self._last_ns) / NS
        energy_j = moved * self.asked.channel.scale
        # A value that is renewed seldom brings all that was counted since.
        if energy_j > MOST_W * (since_s + update_period_s(self.asked)) + self.asked.channel.scale:
            raise ValueError(f"{self.name} went on by {energy_j:.6g} J in {since_s:.3g} s, which no load draws")

    def _moved(self, value: float) -> float:
        """By how much a counter went on."""
        if not self.is_counter:
            return 0.0
        modulus = self.asked.channel.modulus
        if modulus is not None and not 0 <= value < modulus:
            raise ValueError(f"{self.name} shows {value!r}, beyond its range of 0 … {modulus - 1}")
        if self.last is None:
            return 0.0
        if value >= self.last:
            return value - self.last
        if modulus is None:
            raise ValueError(f"{self.name} went back from {self.last!r} to {value!r}")
        return value - self.last + modulus
