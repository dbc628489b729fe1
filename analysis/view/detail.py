"""Which stretches of a trace to keep finer than its overview: what someone who zooms in will look for.

Around every place that matters (a mark, the edge of a gap, a fault) lie tiles of ever finer buckets, each a sixteenth
as wide as the one around it, down to single samples. So a zoom into such a place finds detail at every step, and all
places together stay within a budget of bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.view.tiles import Ranges, Tile, quantities_of, scan
from lab.record.traces import TraceReader

STEP = 16
"""How much finer each tile is than the one around it."""

_LEAST_HALF_WIDTH = 256
_MOST_HALF_WIDTH = 4096
_MOST_PLACES = 64

_FLOAT32_BYTES = 4


def bucket_bytes(trace: TraceReader, per: int) -> int:
    """How many bytes one bucket of ``per`` samples takes: each sample as it is, or least, mean and largest."""
    shown = quantities_of(trace)
    if per > 1:
        return 3 * _FLOAT32_BYTES * len(shown)
    return _FLOAT32_BYTES * (len(shown) - is_product(trace))


def is_product(trace: TraceReader) -> bool:
    """Is the trace's power the product of its current and voltage, sample by sample?"""
    return {"current", "voltage"} <= set(trace.channels)


def finest(trace: TraceReader, samples: int, budget_bytes: int) -> int:
    """The smallest power of two for which ``samples`` in buckets of so many fit the budget."""
    per = 1
    while -(-samples // per) * bucket_bytes(trace, per) > budget_bytes:
        per *= 2
    return per


def detail_tiles(
    trace: TraceReader, places: Sequence[float], per: int, budget_bytes: int, gaps: Ranges = ()
) -> list[Tile]:
    """Tiles around ``places`` (fractional samples, the most important first), finer than ``per``.

    Together they take about ``budget_bytes``; where the places are too many for that, the last ones get none.
    """
    ladder = [STEP**power for power in range(16) if STEP**power * 4 <= per or (power == 0 and per > 1)]
    chosen = list(dict.fromkeys(round(place) for place in places if 0 <= place <= trace.length))[:_MOST_PLACES]
    if not ladder or not chosen:
        return []
    of_one = sum(2 * bucket_bytes(trace, finer) for finer in ladder)
    chosen = chosen[: max(budget_bytes // (of_one * _LEAST_HALF_WIDTH), 1)]
    half = min(max(budget_bytes // (of_one * len(chosen)), _LEAST_HALF_WIDTH), _MOST_HALF_WIDTH)
    found: list[Tile] = []
    for finer in ladder:
        for start, stop in _around(chosen, half, finer, trace.length):
            found.append(scan(trace, finer, start=start, stop=stop, gaps=gaps).tile)
    return found


def _around(places: Sequence[int], half: int, per: int, length: int) -> list[tuple[int, int]]:
    """Ranges of ``half`` buckets to either side of each place, on the buckets' grid, overlapping ones as one."""
    joined: list[tuple[int, int]] = []
    for place in sorted(places):
        bucket = place // per
        start, stop = max(bucket - half, 0) * per, min((bucket + half) * per, length)
        if stop <= start:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
