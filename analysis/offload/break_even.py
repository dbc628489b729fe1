"""Where offloading begins to pay: in local cost, idle power, link quality, batch and rate of requests.

Each function solves ``cost of offloading = local cost`` for one variable; the costs are :mod:`analysis.offload.cost`'s.
``nan`` never comes out: where no value of the variable makes the two equal, the answer is ``inf`` (offloading never
pays), 0 (it always does) or as each function says. Arguments are numbers or arrays, in SI units.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analysis.offload.cost import Floats


def _arrays(*values: ArrayLike) -> list[Floats]:
    return [np.asarray(value, np.float64) for value in values]


def idle_power_w(local_j: ArrayLike, offloaded_s: ArrayLike, network_j: ArrayLike = 0.0) -> Floats:
    """The idle power below which offloading costs less energy; 0 if the bytes alone cost more than the local
    inference."""
    local, seconds, network = _arrays(local_j, offloaded_s, network_j)
    return np.maximum(local - network, 0.0) / seconds


def round_trip_s(local_s: ArrayLike, remote_s: ArrayLike, transfer_s: ArrayLike) -> Floats:
    """The round trip below which offloading is quicker; 0 if it is slower even without one."""
    local, remote, transfer = _arrays(local_s, remote_s, transfer_s)
    return np.maximum(local - remote - transfer, 0.0)


def round_trip_for_energy_s(
    local_j: ArrayLike, idle_w: ArrayLike, remote_s: ArrayLike, transfer_s: ArrayLike, network_j: ArrayLike = 0.0
) -> Floats:
    """The round trip below which offloading costs less energy."""
    local, idle, remote, transfer, network = _arrays(local_j, idle_w, remote_s, transfer_s, network_j)
    return np.maximum((local - network) / idle - remote - transfer, 0.0)


def up_bandwidth_bytes_s(
    local_s: ArrayLike, remote_s: ArrayLike, round_trip: ArrayLike, sent_bytes: ArrayLike
) -> Floats:
    """The upload bandwidth above which offloading is quicker; ``inf`` if no bandwidth is enough."""
    local, remote, trip, sent = _arrays(local_s, remote_s, round_trip, sent_bytes)
    left = local - remote - trip
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(left > 0.0, sent / left, np.inf)


def byte_energy_j(local_j: ArrayLike, idle_w: ArrayLike, offloaded_s: ArrayLike, bytes_both_ways: ArrayLike) -> Floats:
    """The energy per byte below which offloading costs less; 0 if waiting alone costs more than the local inference."""
    local, idle, seconds, amount = _arrays(local_j, idle_w, offloaded_s, bytes_both_ways)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.maximum(local - seconds * idle, 0.0)
        return np.where(left > 0.0, left / amount, 0.0)


def batch(local_each: ArrayLike, offloaded_each: ArrayLike, offloaded_once: ArrayLike) -> Floats:
    """The number of inputs in one message from which offloading pays, a whole number of at least 1.

    ``offloaded_each`` is what every input adds (its bytes, its remote inference), ``offloaded_once`` what the message
    costs as a whole (its round trip): seconds all three, or joules all three. ``inf`` if each input costs more over
    there than here.
    """
    local, each, once = _arrays(local_each, offloaded_each, offloaded_once)
    gain = local - each
    with np.errstate(divide="ignore", invalid="ignore"):
        # At equal cost the local inference is kept, so the next whole number above the quotient.
        return np.where(gain > 0.0, np.maximum(np.floor(once / gain) + 1.0, 1.0), np.inf)


def request_rate_hz(local_net_j: ArrayLike, offloaded_net_j: ArrayLike, keep_alive_w: ArrayLike) -> Floats:
    """The rate of requests above which offloading costs less energy, where the link draws ``keep_alive_w`` meanwhile.

    Both energies are per request and net of the device's idle power, which is drawn in either case. ``inf`` if a
    request costs no less over there; 0 without keep-alive power.
    """
    local, offloaded, keep_alive = _arrays(local_net_j, offloaded_net_j, keep_alive_w)
    gain = local - offloaded
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gain > 0.0, keep_alive / gain, np.inf)


def highest_rate_hz(remote_s: ArrayLike, sent_bytes: ArrayLike, up_bytes_s: ArrayLike) -> Floats:
    """Requests per second that link and server sustain when requests follow each other without waiting for answers: the
    slower of both stages. A device alone sustains the inverse of its latency."""
    remote, sent, bandwidth = _arrays(remote_s, sent_bytes, up_bytes_s)
    return 1.0 / np.maximum(remote, sent / bandwidth)
