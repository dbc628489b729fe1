"""How the board's clock stands to the host's: offset and drift from pings, with a bound that holds.

A ping is (sent, board, received): the host asked, the board read its clock, the host had the answer. The board read its
clock at some instant between the other two; their middle m is wrong by at most half the round trip r, whatever the two
ways took each (F. Cristian, *Probabilistic clock synchronization*, Distributed Computing 3, 1989). That is all that is
known: a link may take longer one way than the other, always, and no number of pings shows it.

The pings with the shortest round trips of each batch (the lowest decile, as NTP's clock filter takes the least of
eight) are kept, and a straight line ``host = board·(1 + drift) + offset`` is laid through their middles by least
squares with weights 1/r². At any instant t of the board's clock the line is a sum Σwᵢ(t)·mᵢ of the kept middles, whose
errors are at most rᵢ/2 each, so it is wrong by at most

    bound(t) = Σ|wᵢ(t)|·rᵢ/2  +  wander·(distance from t to the nearest batch)

Between the batches the weights are positive and add up to 1, and the first term is RTT_min/2 and what the kept round
trips exceed it by; outside, the weights grow with the lever, and the bound with them. The second term allows for the
rate's own change meanwhile (:data:`RATE_WANDER`): crystals follow the temperature.

Where there is one batch only, or two so close together that the drift would be known worse than any crystal's, the rate
is taken as 1, and :data:`RATE_LIMIT` times the distance takes the place of the fitted drift.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError

KEPT_SHARE = 0.1
"""Share of each batch's pings that is kept: those with the shortest round trips."""

FEWEST_KEPT = 3
"""Kept of each batch at least, if there are so many."""

FEWEST_PINGS = 5
"""With fewer in all, one wrong answer of the board would decide: refused."""

RATE_LIMIT = 200e-6
"""No two crystal clocks differ by more: each is right to 100 ppm over temperature and age."""

RATE_WANDER = 1e-6
"""A crystal's rate changes by no more within a pass: 0.035 ppm/K² away from 25 °C, over some kelvin."""

CLOCK_STEP_S = 1e-6
"""Resolution allowed to either clock."""

Ping = tuple[int, int, int]
"""(host's ns before, board's ns, host's ns after)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """A weighted line through the kept pings, in ns since the first ping, all arrays of shape (kept,).

    ``spread_ns2`` is the weighted variance of the times, 0 where the drift is not fitted. ``batches_ns`` are the
    first and last board time of each batch.
    """

    times_ns: NDArray[np.float64]
    errors_ns: NDArray[np.float64]
    weights: NDArray[np.float64]
    centre_ns: float
    spread_ns2: float
    offset_ns: float
    drift: float
    batches_ns: tuple[tuple[float, float], ...]

    def host_ns(self, since_ns: NDArray[np.float64]) -> NDArray[np.float64]:
        """The line at some board times."""
        return self.offset_ns + since_ns * (1.0 + self.drift)

    def bound_ns(self, since_ns: float) -> float:
        """How wrong the line may be at a board time, but for the clocks' own steps."""
        if self.spread_ns2 <= 0.0:
            return float(self.weights @ self.errors_ns) + RATE_LIMIT * abs(since_ns - self.centre_ns)
        shares = self.weights * (1.0 + (since_ns - self.centre_ns) * (self.times_ns - self.centre_ns) / self.spread_ns2)
        away_ns = min(max(first - since_ns, since_ns - last, 0.0) for first, last in self.batches_ns)
        return float(np.abs(shares) @ self.errors_ns) + RATE_WANDER * away_ns


@dataclass(frozen=True, slots=True, eq=False)
class ClockFit:
    """The board's clock on the host's.

    ``drift`` is the host's nanoseconds per one of the board's, less one, and ``drift_bound`` how wrong it may be;
    ``rtt_min_s`` the shortest round trip; ``kept`` how many pings the line was laid through.
    """

    drift: float
    drift_bound: float
    rtt_min_s: float
    kept: int
    board0_ns: int
    host0_ns: int
    line: _Line

    def host_ns(self, board_ns: int) -> int:
        """The host's instant of an instant on the board's clock."""
        since = board_ns - self.board0_ns
        return self.host0_ns + since + round(self.line.offset_ns + since * self.drift)

    def bound_s(self, board_ns: int) -> float:
        """How far :meth:`host_ns` may lie from the truth at that instant."""
        return 1e-9 * self.line.bound_ns(float(board_ns - self.board0_ns)) + CLOCK_STEP_S


def fit_clock(batches: Iterable[Sequence[Ping]]) -> ClockFit:
    """Fit the board's clock from batches of pings (one before the program, one after it).

    Raises :class:`DataError` with the reason where the pings make no clock: too few, times that run backwards, a rate
    that no crystal has, answers that no straight line goes through (the clock was stepped).
    """
    full = [list(batch) for batch in batches if batch]
    pings = [ping for batch in full for ping in batch]
    if len(pings) < FEWEST_PINGS:
        raise DataError(f"{len(pings)} pings of the board's clock, expected at least {FEWEST_PINGS}")
    if any(not sent <= received for sent, _, received in pings):
        raise DataError("a ping of the board's clock came back before it was sent")
    board0, host0 = pings[0][1], pings[0][0]
    tables = [_relative(batch, board0, host0) for batch in full]
    kept = np.concatenate([_shortest(table) for table in tables])
    batches_ns = tuple((float(table[:, 1].min()), float(table[:, 1].max())) for table in tables)
    rtt_min_ns = float(min((table[:, 2] - table[:, 0]).min() for table in tables))
    fit = _fitted(kept, batches_ns, board0, host0, rtt_min_ns)
    _require_consistent(fit, np.concatenate(tables))
    return fit


def _relative(batch: Sequence[Ping], board0: int, host0: int) -> NDArray[np.float64]:
    """Pings as (n, 3) of ns since the first: whole numbers far below 2^53, so nothing is lost."""
    return np.array([(sent - host0, board - board0, back - host0) for sent, board, back in batch], dtype=np.float64)


def _shortest(table: NDArray[np.float64]) -> NDArray[np.float64]:
    count = max(math.ceil(KEPT_SHARE * len(table)), min(FEWEST_KEPT, len(table)))
    return table[np.argsort(table[:, 2] - table[:, 0], kind="stable")[:count]]


def _fitted(
    kept: NDArray[np.float64],
    batches_ns: tuple[tuple[float, float], ...],
    board0_ns: int,
    host0_ns: int,
    rtt_min_ns: float,
) -> ClockFit:
    times, middles = kept[:, 1], (kept[:, 0] + kept[:, 2]) / 2.0
    errors = (kept[:, 2] - kept[:, 0]) / 2.0
    # A clock's own step is the least that is known of any ping: without it a round trip of 0 would weigh all.
    raw = 1.0 / (errors + 1e9 * CLOCK_STEP_S) ** 2
    weights = raw / raw.sum()
    centre = float(weights @ times)
    spread = float(weights @ (times - centre) ** 2)
    drift, drift_bound = 0.0, RATE_LIMIT
    if spread > 0.0:
        lever = weights * (times - centre) / spread
        # Errors of the middles, and steps of the clocks where round trips are no longer than these.
        known = float(np.abs(lever) @ (errors + 1e9 * CLOCK_STEP_S)) + RATE_WANDER
        if known < RATE_LIMIT:
            drift, drift_bound = float(lever @ (middles - times)), known
    if abs(drift) > RATE_LIMIT + drift_bound:
        raise DataError(
            f"the board's clock runs at {1e6 * drift:+.0f} ppm of the host's: it was set or slewed, "
            "or does not count nanoseconds"
        )
    line = _Line(
        times_ns=times,
        errors_ns=errors,
        weights=weights,
        centre_ns=centre,
        spread_ns2=spread if drift_bound < RATE_LIMIT else 0.0,
        offset_ns=float(weights @ (middles - times)) - drift * centre,
        drift=drift,
        batches_ns=batches_ns,
    )
    return ClockFit(drift, drift_bound, rtt_min_ns * 1e-9, len(kept), board0_ns, host0_ns, line)


def _require_consistent(fit: ClockFit, table: NDArray[np.float64]) -> None:
    """Every ping, kept or not, must have the line between its two ends, but for the line's own bound."""
    line_ns = fit.line.host_ns(table[:, 1])
    outside_ns = np.maximum(table[:, 0] - line_ns, line_ns - table[:, 2])
    for index in np.flatnonzero(outside_ns > 0.0).tolist():
        bound_ns = fit.line.bound_ns(float(table[index, 1])) + 1e9 * CLOCK_STEP_S
        if outside_ns[index] > bound_ns:
            raise DataError(
                f"the board's clock was stepped: an answer lies {1e-6 * outside_ns[index]:.3g} ms outside its round "
                f"trip (the fit is right to {1e-6 * bound_ns:.3g} ms)"
            )
