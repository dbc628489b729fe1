"""What the board draws while it executes a network, above idle, as a few phases of constant power.

Each operator belongs to the phase of what it waits for: arithmetic, memory or overhead. The energy of memory traffic is
charged to the operator that causes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.boards.simulated.roofline import NetworkCost, OperatorCost

if TYPE_CHECKING:
    from lab.boards.simulated.constants import BoardConstants


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an inference: ``duration_s`` at ``net_power_w`` above idle."""

    name: str
    duration_s: float
    net_power_w: float

    @property
    def net_energy_j(self) -> float:
        """Energy above idle."""
        return self.duration_s * self.net_power_w


def inference_phases(cost: NetworkCost, board: BoardConstants) -> tuple[Phase, ...]:
    """The phases of one inference in the steady state, empty ones left out. Their durations add up to its latency."""
    power = board.power
    overhead_w = power.core_overhead_w + power.cluster_w
    durations_s = {"overhead": cost.invoke_s, "memory": 0.0, "compute": 0.0}
    energies_j = {"overhead": cost.invoke_s * overhead_w, "memory": 0.0, "compute": 0.0}
    for item in cost.operators:
        name = "memory" if item.is_memory_bound else "compute"
        durations_s[name] += item.busy_s
        energies_j[name] += _busy_energy_j(item, cost, board)
        durations_s["overhead"] += item.overhead_s
        energies_j["overhead"] += item.overhead_s * (power.npu_stalled_w if cost.target.npu else overhead_w)
    return tuple(
        Phase(name, duration_s, energies_j[name] / duration_s)
        for name, duration_s in durations_s.items()
        if duration_s > 0
    )


def _busy_energy_j(item: OperatorCost, cost: NetworkCost, board: BoardConstants) -> float:
    """Energy above idle of an operator's arithmetic and memory traffic."""
    power = board.power
    traffic_j = item.dram_bytes * power.dram_j_per_byte
    if cost.target.npu:
        waiting_s = item.busy_s - item.compute_s
        compute_w = power.npu_compute_w.of(cost.precision)
        return item.compute_s * compute_w + waiting_s * power.npu_stalled_w + traffic_j
    core_w = power.core_stalled_w if item.is_memory_bound else power.core_compute_w.of(cost.precision)
    return item.busy_s * (item.cores * core_w + power.cluster_w) + traffic_j


def load_power_w(board: BoardConstants) -> float:
    """Power above idle while one core starts the program, loads the model or prepares it."""
    return board.power.core_overhead_w + board.power.cluster_w
