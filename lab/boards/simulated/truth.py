"""What the model knows of a pass and writes beside the program's output: its means, and what was really drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lab.boards.simulated.program import ProgramModel
    from lab.boards.simulated.supply import Drawn, SocRail


def pass_truth(
    model: ProgramModel,
    warmup: Drawn,
    measured: Drawn,
    durations_s: NDArray[np.float64],
    between_s: float,
    between_w: float,
) -> dict[str, Any]:
    """The model's means, and under ``actual`` what this pass really drew, per inference.

    ``between_s`` is the time from one inference to the next, ``between_w`` its power above idle: an energy per
    inference is that of the whole window by the number of inferences, so it holds what lies between them.
    """
    count = durations_s.size
    between_net_j = between_s * between_w
    gross_j = model.energy_gross_j + between_net_j + between_s * model.idle_w
    between = {"energy_between_inferences_j": between_net_j + between_s * model.idle_w} if between_s > 0 else {}
    return {
        "energy_gross_j": gross_j,
        "energy_net_j": model.energy_net_j + between_net_j,
        **between,
        "latency_s": model.latency_s,
        "power_idle_w": model.idle_w,
        "power_active_w": gross_j / (model.latency_s + between_s),
        "counts": {
            "instructions": model.counts.instructions,
            "L1-dcache-loads": model.counts.l1d_loads,
            "L1-dcache-load-misses": model.counts.l1d_load_misses,
            "page-faults": model.counts.page_faults,
        },
        "actual": {
            "energy_gross_j": measured.gross_j / count,
            "energy_net_j": measured.net_j / count,
            "energy_warmup_j": warmup.gross_j,
            "latency_s": math.fsum(durations_s.tolist()) / count,
            "window_s": measured.duration_s,
            "power_idle_w": (measured.gross_j - measured.net_j) / measured.duration_s,
        },
        "inferences": count,
    }


def singles_truth(energies_j: NDArray[np.float64], durations_s: NDArray[np.float64]) -> dict[str, float]:
    """How the true energies and times of single inferences are distributed in this pass."""
    return {
        f"{what}_{name}_{unit}": value
        for what, unit, values in (("energy", "j", energies_j), ("latency", "s", durations_s))
        for name, value in _distribution(values).items()
    }


def _distribution(values: NDArray[np.float64]) -> dict[str, float]:
    least, p05, median, p95, most = np.quantile(values, (0.0, 0.05, 0.5, 0.95, 1.0)).tolist()
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1)) if values.size > 1 else 0.0
    return {"mean": mean, "sd": sd, "min": least, "p05": p05, "median": median, "p95": p95, "max": most}


def soc_truth(board: dict[str, Any], soc: SocRail, measured: Drawn, inferences: int) -> dict[str, Any]:
    """The same energies and powers on the rail of the SoC; ``board`` are those of the whole board."""

    def seen(gross: float, net: float) -> tuple[float, float]:
        return soc.idle_share * (gross - net) + soc.work_share * net, soc.work_share * net

    gross_j, net_j = seen(board["energy_gross_j"], board["energy_net_j"])
    drawn = soc.of(measured)
    return {
        "energy_gross_j": gross_j,
        "energy_net_j": net_j,
        "power_idle_w": soc.idle_share * board["power_idle_w"],
        "actual": {
            "energy_gross_j": drawn.gross_j / inferences,
            "energy_net_j": drawn.net_j / inferences,
            "power_idle_w": (drawn.gross_j - drawn.net_j) / drawn.duration_s,
        },
    }
