"""When single inferences began and ended, read from a logic line in the trace itself.

The line is high while one inference runs. Its edges are no marks of the pass: there may be a hundred thousand, so they
are read from the trace where they are needed, piece by piece, and never debounced. An edge whose first sample at the
new level is ``k`` lies in ``(k − 1, k]`` on the trace's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.energy import Gaps, Trace

LINE = "inference"
"""What a bench file calls the line."""

CHUNK_SAMPLES = 1 << 20
"""Levels read at once: 1 MiB."""

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class InferenceEdges:
    """The inferences that were seen whole inside a window, in order.

    ``rises`` and ``falls`` are the first samples at the new level, both of shape (n,). ``cut`` inferences were under
    way where the window begins or ends; of ``hidden`` ones an edge lies in a gap. ``gaps`` is the number of gaps inside
    the window, ``gap_samples`` their length: whole inferences may lie in them that nothing tells of.
    """

    rises: Int64s
    falls: Int64s
    cut: int = 0
    hidden: int = 0
    gaps: int = 0
    gap_samples: int = 0

    @property
    def count(self) -> int:
        """Inferences seen whole."""
        return int(self.rises.size)

    def agrees(self, inferences: int) -> bool:
        """Can these be the edges of so many inferences?

        Without gaps every one must have been seen, but for those that the window cuts. With gaps there may be more: as
        many as fit into them at the shortest time seen, and two for each gap.
        """
        most = self.count + self.cut
        if self.gaps and self.count:
            most += 2 * self.gaps + int(self.gap_samples / int((self.falls - self.rises).min()))
        return self.count <= inferences <= most


def inference_channel(manifest: Mapping[str, Any], instrument: str) -> str | None:
    """The logic input of an instrument that the bench file wires to single inferences; ``None`` without one."""
    bench = (manifest.get("bench") or {}).get("resolved") or {}
    lines = ((bench.get("instruments") or {}).get(instrument) or {}).get("lines") or {}
    return next((str(channel) for channel, meaning in lines.items() if meaning == LINE), None)


def read_edges(trace: Trace, channel: str, windows: Sequence[tuple[float, float]], gaps: Gaps = ()) -> InferenceEdges:
    """The inferences inside some windows [begin, end) in fractional samples.

    ``gaps`` are half-open index ranges in which samples are missing, whatever level the file holds there. Memory grows
    with the number of edges, not with the length of the trace. A channel that the trace does not have never changes.
    """
    if channel not in trace.channels:
        return InferenceEdges(np.zeros(0, np.int64), np.zeros(0, np.int64))
    rises, falls = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    cut = hidden = count = missing = 0
    for begin, end in windows:
        # The sample before the first edge that lies inside, and the last one that shows an edge inside.
        first, last = max(ceil(begin + 0.5) - 1, 0), min(floor(end + 0.5) + 1, trace.length)
        inner = [(max(low, first), min(high, last)) for low, high in gaps if low < last and high > first]
        count += len(inner)
        missing += sum(high - low for low, high in inner)
        for start, stop in _pieces(first, last, inner):
            up, down, high_before, high_after = _edges(trace, channel, start, stop)
            # A line that is high all the time is one inference, not one at each end.
            ends = high_after and not (high_before and not up.size)
            cut += int(high_before and start == first) + int(ends and stop == last)
            hidden += int(high_before and start != first) + int(ends and stop != last)
            rises.append(up[:-1] if high_after and up.size else up)
            falls.append(down[1:] if high_before and down.size else down)
    return InferenceEdges(np.concatenate(rises), np.concatenate(falls), cut, hidden, count, missing)


def _pieces(first: int, last: int, gaps: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What lies between the gaps."""
    for low, high in sorted(gaps):
        if low > first:
            yield first, low
        first = max(first, high)
    if last > first:
        yield first, last


def _edges(trace: Trace, channel: str, start: int, stop: int) -> tuple[Int64s, Int64s, bool, bool]:
    """First samples after rises and falls in a gapless piece, and whether the line is high at its begin and end."""
    changes = [np.zeros(0, np.int64)]
    before: int | None = None
    first_level = 0
    for low in range(start, stop, CHUNK_SAMPLES):
        levels = trace.read(channel, low, min(low + CHUNK_SAMPLES, stop))
        if before is None:
            first_level = before = int(levels[0])
        changes.append(np.flatnonzero(np.diff(levels, prepend=np.asarray(before, levels.dtype))) + low)
        before = int(levels[-1])
    edges = np.concatenate(changes)
    # Edges alternate, so the level that the piece begins with tells which of them rise.
    rises, falls = edges[first_level::2], edges[1 - first_level :: 2]
    return rises, falls, first_level == 1, before == 1
