"""Time of an offload map of 10^6 points: bandwidth × round trip.

    python benchmarks/offload_map.py

Two questions of a map: which of five ways is quickest for one network (three platforms, two servers), and for how many
of 33 networks offloading wins. The peer is the same in plain Python, a loop over points, timed on a hundredth of them
and multiplied. The target is one second for each map.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from analysis.offload.map import Plane, offloading_wins, plane, winners

SIDE = 1000
SAMPLE = 100
LOCAL_S = (0.070, 0.022, 0.0078)
REMOTE_S = (0.0026, 0.0034)
SENT_BYTES = 5625.0
TARGET_S = 1.0

_source = np.random.default_rng(1)
NETWORK_LOCAL_S = _source.uniform(1e-3, 1.0, 33)
NETWORK_REMOTE_S = _source.uniform(1e-4, 2e-2, 33)
NETWORK_BYTES = np.repeat([1024.0, 5625.0, 16384.0], 11)


def where(side: int) -> Plane:
    """The plane of a map with so many points along each axis."""
    return plane((1e4, 1e8), (1e-4, 1.0), side, side)


def winners_by_hand(side: int) -> list[list[int]]:
    """The quickest way of one network, point by point."""
    points = where(side)
    rows = []
    for trip in points.round_trip_s.tolist():
        row = []
        for bandwidth in points.up_bytes_s.tolist():
            costs = [*LOCAL_S, *(remote + trip + SENT_BYTES / bandwidth for remote in REMOTE_S)]
            row.append(costs.index(min(costs)))
        rows.append(row)
    return rows


def wins_by_hand(side: int) -> list[list[int]]:
    """For how many networks offloading wins, point by point."""
    points = where(side)
    networks = list(zip(NETWORK_LOCAL_S.tolist(), NETWORK_REMOTE_S.tolist(), NETWORK_BYTES.tolist(), strict=True))
    return [
        [
            sum(trip < local - remote - sent / bandwidth for local, remote, sent in networks)
            for bandwidth in points.up_bytes_s.tolist()
        ]
        for trip in points.round_trip_s.tolist()
    ]


def winners_by_lab(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    """The same as an array."""
    return winners(where(side), LOCAL_S, REMOTE_S, SENT_BYTES)


def wins_by_lab(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """The same as an array."""
    return offloading_wins(where(side), NETWORK_LOCAL_S - NETWORK_REMOTE_S, NETWORK_BYTES)


def seconds(make: Callable[[int], object], side: int, repeats: int) -> float:
    """The least of some times: what the machine can do, not what else it did."""
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        make(side)
        best = min(best, time.perf_counter() - begin)
    return best


def main() -> None:
    """Time both maps both ways and print them side by side."""
    cases = (
        ("quickest of 5 ways, one network", winners_by_lab, winners_by_hand),
        ("where offloading wins, 33 networks", wins_by_lab, wins_by_hand),
    )
    print(f"{f'a map of {SIDE * SIDE:,} points':<38}{'lab':>10}{'by hand':>12}{'ratio':>9}   target {TARGET_S:g} s")
    for name, by_lab, by_hand in cases:
        assert np.array_equal(by_lab(SAMPLE), by_hand(SAMPLE))
        ours = seconds(by_lab, SIDE, 5)
        theirs = seconds(by_hand, SAMPLE, 3) * (SIDE / SAMPLE) ** 2
        verdict = "met" if ours <= TARGET_S else "MISSED"
        print(f"{name:<38}{ours * 1e3:>7.0f} ms{theirs:>10.1f} s{theirs / ours:>8.0f}×   {verdict}")


if __name__ == "__main__":
    main()
