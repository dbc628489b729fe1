"""Idle power before and after a window, and how well it is known.

Idle power is autocorrelated (background tasks, regulators), so the standard deviation of samples over √n would claim
far too much. The method of batch means is used instead: each side is cut into :data:`BATCHES` equally long batches,
and the scatter of their means gives the standard error. Between 10 and 30 batches is where more bring little and
fewer cost degrees of freedom (B. Schmeiser, *Batch Size Effects in the Analysis of Simulation Output*, Operations
Research 30, 1982). The batches must be longer than the power's memory: where neighbouring batch means still go
together, the idle was too short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.energy import Float64s
from analysis.power_source import PowerSource
from analysis.uncertainty import coverage_factor, uniform_width
from analysis.windows import Stretch

BATCHES = 16
"""Batches on each side of the window."""

FEWEST_BATCHES = 8
"""With fewer (too few samples, or lost to gaps) a side gives a mean but no standard error."""

MEMORY_LIMIT = 3.09
"""Lag-1 autocorrelation of the batch means, in its standard deviations 1/√n, from which they do not count as
independent:
one idle in a thousand is flagged by chance."""

DRIFT_FLOOR = 0.005
"""Share of the idle power below which a difference between before and after is never called drift: the budget holds
it."""


@dataclass(frozen=True, slots=True)
class IdleSide:
    """Idle power on one side of the window. ``se_w`` and ``dof`` are ``None`` and 0 where there are too few batches."""

    power_w: float
    se_w: float | None
    dof: int
    memory: float
    coverage: float
    voltage_v: float | None
    current_a: float | None
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class IdlePower:
    """Idle power of a pass: the mean of its sides (the value at mid-window, if it moves evenly).

    ``se_w`` is the standard error from batch means with ``dof`` degrees of freedom; ``drift_u_w`` the standard
    uncertainty from the sides' difference, which may have come about at any time between them: (P_post − P_pre)/√12.
    ``drift_w`` is that difference, ``None`` with one side only. ``reasons`` are codes of what is doubtful. The energy
    of t seconds of idle scatters with a variance of ``wander_w2s``·t about the mean power's, or less where t is shorter
    than the power's memory.
    """

    power_w: float
    se_w: float
    dof: float
    drift_w: float | None
    drift_u_w: float
    coverage: float
    voltage_v: float | None
    current_a: float | None
    reasons: tuple[str, ...]
    wander_w2s: float = 0.0

    @property
    def u_w(self) -> float:
        """Standard uncertainty: batch means and drift together."""
        return math.hypot(self.se_w, self.drift_u_w)

    @property
    def u_dof(self) -> float:
        """Effective degrees of freedom of :attr:`u_w`; the drift's limits are taken as given."""
        return self.dof * (self.u_w / self.se_w) ** 4 if self.se_w > 0.0 else math.inf


def idle_side(source: PowerSource, stretch: Stretch) -> IdleSide | None:
    """Idle power over one stretch of a trace; ``None`` if nothing of it was seen without what lies outside it."""
    inside = source.settled(stretch.begin, stretch.end)
    seen = source.energy(*inside) if inside is not None else None
    if inside is None or seen is None:
        return None
    means = source.block_powers(*inside, BATCHES)
    enough = means.size >= FEWEST_BATCHES
    return IdleSide(
        power_w=seen.power_w,
        se_w=float(means.std(ddof=1)) / math.sqrt(means.size) if enough else None,
        dof=means.size - 1 if enough else 0,
        memory=_memory(means) if enough else 0.0,
        coverage=seen.coverage,
        voltage_v=seen.voltage_v,
        current_a=seen.current_a,
        duration_s=seen.duration_s,
    )


def idle_power(before: IdleSide | None, after: IdleSide | None, lost: str = "samples_dropped") -> IdlePower | None:
    """The idle power of a pass from the sides it has; ``None`` if it has none, or none with a standard error.

    With both sides and an even drift their mean is the idle power at mid-window. ``idle_drift`` is given where the
    sides differ by more than t₀.₉₇₅ standard errors of the difference plus :data:`DRIFT_FLOOR` of the power; ``lost``
    is the code where a side was not seen whole.
    """
    sides = [side for side in (before, after) if side is not None and side.se_w is not None]
    if not sides:
        return None
    errors = [side.se_w for side in sides if side.se_w is not None]
    count = len(sides)
    power_w = sum(side.power_w for side in sides) / count
    variance = sum(error**2 for error in errors)
    fourth = sum(error**4 / side.dof for error, side in zip(errors, sides, strict=True))
    dof = variance**2 / fourth if fourth > 0.0 else math.inf
    reasons = []
    drift_w = sides[1].power_w - sides[0].power_w if count == 2 else None
    if drift_w is None or _correlated(sides):
        reasons.append("idle_too_short")
    if drift_w is not None:
        scatter_w = coverage_factor(dof) * math.sqrt(variance)
        if abs(drift_w) > scatter_w + DRIFT_FLOOR * abs(power_w):
            reasons.append("idle_drift")
    if any(side.coverage < 1.0 for side in sides):
        reasons.append(lost)
    return IdlePower(
        power_w=power_w,
        se_w=math.sqrt(variance) / count,
        dof=dof,
        drift_w=drift_w,
        drift_u_w=uniform_width(drift_w) if drift_w is not None else 0.0,
        coverage=min(side.coverage for side in sides),
        voltage_v=_mean([side.voltage_v for side in sides]),
        current_a=_mean([side.current_a for side in sides]),
        reasons=tuple(reasons),
        wander_w2s=sum(side.se_w**2 * side.duration_s for side in sides if side.se_w is not None) / count,
    )


def _memory(means: Float64s) -> float:
    """Lag-1 autocorrelation of the batch means."""
    centred = means - means.mean()
    spread = float((centred**2).sum())
    return float((centred[1:] * centred[:-1]).sum()) / spread if spread > 0.0 else 0.0


def _correlated(sides: list[IdleSide]) -> bool:
    batches = sum(side.dof + 1 for side in sides)
    return float(np.mean([side.memory for side in sides])) > MEMORY_LIMIT / math.sqrt(batches)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
