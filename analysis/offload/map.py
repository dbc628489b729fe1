"""Maps over link quality: which way wins, and for how many networks offloading wins, over bandwidth × round trip.

A map of 10^6 points takes well under a second: every way holds one array, every network one row of thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.offload import cost
from analysis.offload.cost import Floats
from analysis.offload.decision import cheapest


@dataclass(frozen=True, eq=False)
class Plane:
    """The points of a map: ``up_bytes_s`` along x, ``round_trip_s`` along y, both rising."""

    up_bytes_s: Floats
    round_trip_s: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a map."""
        return self.round_trip_s.size, self.up_bytes_s.size


def plane(up_bytes_s: tuple[float, float], round_trip_s: tuple[float, float], columns: int, rows: int) -> Plane:
    """A plane between two bandwidths and two round trips, evenly spaced on logarithmic axes."""
    return Plane(np.geomspace(*up_bytes_s, columns), np.geomspace(*round_trip_s, rows))


def winners(where: Plane, local: Sequence[float], remote_s: Sequence[float], sent_bytes: float) -> NDArray[np.int8]:
    """Which way is quickest for one network: the index into ``[*local, *remote_s]``, the first of equals.

    ``local`` are latencies on the device, ``remote_s`` those on servers.
    """
    network = cost.network_time_s(where.round_trip_s[:, None], sent_bytes, where.up_bytes_s[None, :])
    return cheapest(
        [*map(np.float64, local), *(cost.offloaded_time_s(remote, network) for remote in remote_s)]
    ).reshape(where.shape)


def offloading_wins(where: Plane, allowed_s: ArrayLike, sent_bytes: ArrayLike) -> NDArray[np.int32]:
    """For how many networks offloading costs less.

    ``allowed_s`` is what each network's way there and back may take: local − remote latency, or by energy (local −
    bytes' energy) ÷ idle power − remote latency. At equal cost the local inference is kept. A NaN is a network that is
    not counted.
    """
    trips = where.round_trip_s[:, None]
    count = np.zeros(where.shape, np.int32)
    for longest in _longest_round_trips(where.up_bytes_s, allowed_s, sent_bytes):
        count += trips < longest
    return count


def boundary(up_bytes_s: Floats, allowed_s: ArrayLike, sent_bytes: ArrayLike, networks: int) -> Floats:
    """The round trip below which offloading wins for at least so many networks, over bandwidth; 0 where there is none.

    The edges of :func:`offloading_wins`' steps, exactly. ``networks`` counts from 1 to as many as there are.
    """
    longest = _longest_round_trips(up_bytes_s, allowed_s, sent_bytes)
    falling = -np.sort(-np.nan_to_num(longest, nan=0.0, neginf=0.0), axis=0)
    edge: Floats = np.maximum(falling[networks - 1], 0.0)
    return edge


def _longest_round_trips(up_bytes_s: Floats, allowed_s: ArrayLike, sent_bytes: ArrayLike) -> Floats:
    """A row for each network: the round trip below which it pays, along the bandwidths; NaN stays NaN."""
    allowed = np.atleast_1d(np.asarray(allowed_s, np.float64))
    sent = np.broadcast_to(np.asarray(sent_bytes, np.float64), allowed.shape)
    longest: Floats = allowed[:, None] - sent[:, None] / up_bytes_s[None, :]
    return longest
