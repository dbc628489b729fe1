"""How long a campaign takes and how much disk it needs: for ``lab plan``, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lab.bench.joulescopes import Joulescope, SimulatedJoulescope
from lab.bench.model import Bench
from lab.experiment.plan import PassPlan, Plan, TrialPlan

PassSeconds: TypeAlias = Callable[[TrialPlan, PassPlan], float]
"""Seconds that a pass's program takes, idle time not counted."""

JLS_BYTES_PER_SAMPLE = 8.4
"""Current and voltage as float32 and a logic input as one bit, with the file's index (2 MSps for 60 s take 1.0 GB)."""
OTHER_BYTES_PER_PASS = 4096
"""Program output and the pass's documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """``duration_s`` is board time; ``trace_bytes`` are part of ``disk_bytes``."""

    trials: int
    passes: int
    duration_s: float
    trace_bytes: int
    disk_bytes: int


def estimate(
    plan: Plan, bench: Bench, pass_seconds: PassSeconds, *, warm_up_s: float = 0.0, cool_down_s: float = 0.0
) -> Estimate:
    """Add up the passes of a plan; ``warm_up_s`` once and ``cool_down_s`` before each trial."""
    rates_hz = {
        name: instrument.rate
        for name, instrument in bench.instruments.items()
        if isinstance(instrument, (Joulescope, SimulatedJoulescope))
    }
    passes = 0
    duration_s = warm_up_s + cool_down_s * len(plan.trials)
    trace_bytes = 0.0
    for trial in plan.trials:
        for item in trial.passes:
            lasts_s = pass_duration_s(item, pass_seconds(trial, item))
            passes += 1
            duration_s += lasts_s
            trace_bytes += sum(trace_size_bytes(rates_hz.get(name, 0.0), lasts_s) for name in item.instruments)
    whole_traces = round(trace_bytes)
    return Estimate(
        trials=len(plan.trials),
        passes=passes,
        duration_s=duration_s,
        trace_bytes=whole_traces,
        disk_bytes=whole_traces + passes * OTHER_BYTES_PER_PASS,
    )


def pass_duration_s(item: PassPlan, program_s: float) -> float:
    """Idle before, the program (at least as long as its window must last), idle after."""
    return 2 * item.idle_s + max(program_s, item.min_duration_s or 0.0)


def trace_size_bytes(rate_hz: float, duration_s: float) -> float:
    """Size of a Joulescope's trace of current, voltage and one logic input."""
    return rate_hz * duration_s * JLS_BYTES_PER_SAMPLE
