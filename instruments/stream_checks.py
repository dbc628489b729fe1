"""Detectors that watch a meter's sample stream: gaps, saturation, range changes, edges that bounce, a stream that ends.

Pure functions over arrays, the same for a real Joulescope and a simulated one. None of them is told what went
wrong: they see samples, sample indices and logic levels, and say what these prove.

Sample ``k`` of a trace covers ``[k, k + 1)`` on the trace's own clock. A logic level of sample ``k`` is the level
at the instant ``k``: a line seen at its old level at sample ``a`` and at its new one at sample ``b`` changed in
``(a, b]``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Gap = tuple[int, int]
"""A half-open range of missing samples: [first missing, first present again)."""

RECTANGULAR = 1 / math.sqrt(12)
"""Standard deviation of a rectangular distribution of width 1 (JCGM 100:2008, 4.3.7)."""

_FULL_SCALE_TOLERANCE = 1e-6
"""Relative: samples are float32, so full scale itself is known to 6e-8 only."""


def gaps_between_blocks(first_samples: Sequence[int], lengths: Sequence[int]) -> tuple[Gap, ...]:
    """The samples missing between consecutive blocks of a stream.

    A Joulescope has no flag for lost samples: a jump in the sample index is the only sign of them. The blocks are
    given by their first sample's index and their length, in the order of arrival. What is missing before the first
    block or after the last cannot be seen here (:func:`missing_at_end_s`). Raises ``ValueError`` if a block
    overlaps the one before it.
    """
    gaps: list[Gap] = []
    expected: int | None = None
    for first, length in zip(first_samples, lengths, strict=True):
        if expected is not None and first < expected:
            raise ValueError(f"a block begins at sample {first}, before the end of the last one ({expected})")
        if expected is not None and first > expected:
            gaps.append((expected, first))
        expected = first + length
    return tuple(gaps)


def at_full_scale(samples: NDArray[Any], full_scale: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which samples lie at (or beyond) either end of a range of ±``full_scale``; the true value is then unknown.

    ``full_scale`` is one number, or one per sample where the range changes.

    Missing samples (NaN) are not at full scale.
    """
    return np.asarray(np.abs(samples) >= full_scale * (1 - _FULL_SCALE_TOLERANCE), dtype=np.bool_)


def range_changes(codes: NDArray[Any], before: int | None = None) -> NDArray[np.int64]:
    """Positions in ``codes`` (the range in use at each sample) where the range differs from the sample before.

    ``before`` is the last code of the preceding piece of the stream, if there is one.
    """
    if codes.size == 0:
        return np.zeros(0, dtype=np.int64)
    changed = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    if before is not None and int(codes[0]) != before:
        changed = np.concatenate([np.zeros(1, dtype=np.int64), changed])
    return changed.astype(np.int64)


def missing_at_end_s(samples: int, rate_hz: float, elapsed_s: float) -> float:
    """How much of ``elapsed_s`` (by the host's clock) a stream of ``samples`` leaves uncovered, in s."""
    return max(0.0, elapsed_s - samples / rate_hz)


@dataclass(frozen=True, slots=True)
class Transition:
    """A logic line changed to ``level`` in ``(last_old, first_new]``, in sample indices.

    The two are neighbours, unless samples between them are missing.
    """

    last_old: int
    first_new: int
    level: int


@dataclass(slots=True)
class LineState:
    """The last sample of a logic line that was seen, carried from one piece of a stream to the next."""

    sample: int
    level: int


def transitions(
    levels: NDArray[Any], first_sample: int, state: LineState | None
) -> tuple[list[Transition], LineState | None]:
    """The changes of a logic line in one gapless piece of a stream, and the state to give to the next call.

    ``levels`` holds 0 or 1 per sample, the first of them at index ``first_sample``. Pieces come in rising order and
    may leave gaps between them: missing levels are never taken for low ones. ``state`` is ``None`` for the first
    piece.
    """
    if levels.size == 0:
        return [], state
    found: list[Transition] = []
    if state is not None and state.level != int(levels[0]):
        found.append(Transition(state.sample, first_sample, int(levels[0])))
    for position in (np.flatnonzero(levels[1:] != levels[:-1]) + 1).tolist():
        sample = first_sample + position
        found.append(Transition(sample - 1, sample, int(levels[position])))
    return found, LineState(first_sample + levels.size - 1, int(levels[-1]))


@dataclass(frozen=True, slots=True)
class LogicEdge:
    """A change of a logic line, with what is known of its instant.

    It lies in ``(earliest, latest]``; ``bounced`` is true if the line changed several times there, so that only these
    bounds are known; ``in_gap`` if samples are missing there.
    """

    earliest: int
    latest: int
    level: int
    bounced: bool
    in_gap: bool

    @property
    def sample(self) -> float:
        """The middle of the bounds: for a clean edge, half a sample before the first sample at the new level."""
        return (self.earliest + self.latest) / 2

    @property
    def u_samples(self) -> float:
        """Standard uncertainty of :attr:`sample`: rectangular between the bounds, 1/√12 for a clean edge."""
        return (self.latest - self.earliest) * RECTANGULAR


def settled_edges(changes: Iterable[Transition], debounce_samples: float) -> tuple[LogicEdge, ...]:
    """The edges that a line's transitions stand for, bounces taken together.

    Transitions that follow each other within ``debounce_samples`` belong together. An odd number of them is one
    edge, somewhere between the first and the last; two are a short pulse, both of its edges clean; a larger even
    number is a pulse of which neither edge can be told from its bounces, so both span all of it.
    """
    edges: list[LogicEdge] = []
    for group in _close_together(changes, debounce_samples):
        if len(group) <= 2:
            edges += [
                LogicEdge(item.last_old, item.first_new, item.level, False, item.first_new - item.last_old > 1)
                for item in group
            ]
            continue
        earliest, latest = group[0].last_old, group[-1].first_new
        in_gap = any(item.first_new - item.last_old > 1 for item in group)
        levels = [group[-1].level] if len(group) % 2 else [group[0].level, group[-1].level]
        edges += [LogicEdge(earliest, latest, level, True, in_gap) for level in levels]
    return tuple(edges)


def _close_together(changes: Iterable[Transition], debounce_samples: float) -> Iterator[list[Transition]]:
    group: list[Transition] = []
    for change in changes:
        # Only the stretch in which the line was seen quiet counts: what a gap hides may well be bounces.
        if group and change.last_old - group[-1].first_new > debounce_samples:
            yield group
            group = []
        group.append(change)
    if group:
        yield group
