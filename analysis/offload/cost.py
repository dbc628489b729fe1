"""Time and energy of an inference that a server makes (E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or
Offloading*, Chalmers 2022, eq. 2.1–2.5).

All functions take numbers or arrays that broadcast against each other, in s, B, B/s, J/B, W and J.
Equation 2.4 divides bytes by an energy per byte in print; its dimensions want the product, which is taken here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def _array(values: ArrayLike) -> Floats:
    return np.asarray(values, np.float64)


def network_time_s(
    round_trip_s: ArrayLike,
    sent_bytes: ArrayLike,
    up_bytes_s: ArrayLike,
    result_bytes: ArrayLike = 0.0,
    down_bytes_s: ArrayLike = np.inf,
) -> Floats:
    """Eq. 2.2: the round trip, and the bytes there and back at their bandwidths."""
    return _array(round_trip_s) + _array(sent_bytes) / _array(up_bytes_s) + _array(result_bytes) / _array(down_bytes_s)


def offloaded_time_s(remote_s: ArrayLike, network_s: ArrayLike) -> Floats:
    """Eq. 2.3: the server's inference and the network's part."""
    return _array(remote_s) + _array(network_s)


def network_energy_j(
    sent_bytes: ArrayLike, up_j_byte: ArrayLike, result_bytes: ArrayLike = 0.0, down_j_byte: ArrayLike = 0.0
) -> Floats:
    """Eq. 2.4, with the product that its dimensions want: what the device spends on its bytes."""
    return _array(sent_bytes) * _array(up_j_byte) + _array(result_bytes) * _array(down_j_byte)


def offloaded_energy_j(offloaded_s: ArrayLike, idle_w: ArrayLike, network_j: ArrayLike = 0.0) -> Floats:
    """Eq. 2.5: idle power while the device waits, and the bytes."""
    return _array(offloaded_s) * _array(idle_w) + _array(network_j)
