"""The simulated board's own clock, and the link over which it is asked for it.

The host's clock on a simulated bench is the rail's virtual time. The board's runs at a rate of its own, from an instant
of its own; both are drawn once per campaign. Each question takes time on the way there and on the way back: a least
time that differs between the two ways, drawn once per campaign too (no ping can show it), and what comes on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from lab.errors import UsageError

_SPIKES, _SPIKE = 0.02, 20.0
"""So many answers are held up by so many times the usual jitter more."""

_CAMPAIGN, _PASS = 0xC10C, 0x1177
"""Streams of random numbers of their own."""


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """How the board's clock and its link may be. ``offset_s``: it counts from up to so long before; ``drift_ppm``: the
    limit of its rate's error; ``delay_s``: the most that either way takes at least; ``jitter_s``: the mean of what
    comes on top, exponentially distributed."""

    offset_s: float = 1000.0
    drift_ppm: float = 50.0
    delay_s: float = 150e-6
    jitter_s: float = 200e-6

    def __post_init__(self) -> None:
        for name in ("offset_s", "drift_ppm", "delay_s", "jitter_s"):
            if not 0 <= getattr(self, name) < 1e9:
                raise UsageError(f"board.clock: {name.removesuffix('_s')} is not negative: {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class ClockStep:
    """A fault: in a share ``probability`` of the passes whose id matches one of ``passes``, the clock is ``step_s``
    ahead while the program runs, and right again when it is asked."""

    probability: float = 1.0
    passes: tuple[str, ...] = ("*",)
    step_s: float = 0.02


class BoardClock:
    """One board's clock in one campaign."""

    def __init__(self, settings: ClockSettings, campaign_seed: int, steps: Sequence[ClockStep] = ()) -> None:
        rng = np.random.default_rng([campaign_seed, _CAMPAIGN])
        self._jitter_s = settings.jitter_s
        self._offset_ns = round(1e9 * settings.offset_s * float(rng.random()))
        self.drift = 1e-6 * settings.drift_ppm * float(rng.uniform(-1.0, 1.0))
        self._delays_s = (settings.delay_s * rng.random(2)).tolist()
        self._steps = tuple(steps)
        self.begin_pass("", 0)

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """The same pass asked the same way has the same answers."""
        self._rng = np.random.default_rng([seed, _PASS])
        chances = self._rng.random(len(self._steps)).tolist()
        self.step_ns = sum(
            round(1e9 * step.step_s)
            for step, chance in zip(self._steps, chances, strict=True)
            if chance < step.probability and any(fnmatchcase(pass_id, pattern) for pattern in step.passes)
        )
        """How far the clock is off while the program runs."""

    def ns(self, rail_s: float) -> int:
        """What it shows at an instant of the rail."""
        return self._offset_ns + round(1e9 * rail_s * (1.0 + self.drift))

    def way_s(self, back: bool) -> float:
        """How long the next question (or answer) is under way."""
        spike = _SPIKE if self._rng.random() < _SPIKES else 0.0
        return float(self._delays_s[int(back)] + self._jitter_s * (self._rng.standard_exponential() + spike))

    def late_s(self, mean_s: float) -> float:
        """How late something on the board happens."""
        return float(mean_s * self._rng.standard_exponential())
