"""The model of one benchmark process: a network variation on a target, from start to steady state.

This is where time, power and counts come together; the simulated ``benchmark_model`` plays it back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lab.boards.simulated.constants import IMX8MP, BoardConstants, Precision
from lab.boards.simulated.counters import Counts, inference_counts, scalar_work
from lab.boards.simulated.power import Phase, inference_phases, load_power_w
from lab.boards.simulated.roofline import NetworkCost, Target, network_cost
from lab.networks.tables import Variation, load_network

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the process that happens once: ``duration_s`` at ``net_power_w`` above idle, and its counts."""

    duration_s: float
    net_power_w: float
    counts: Counts


@dataclass(frozen=True, slots=True)
class ProgramModel:
    """One benchmark process. ``first`` is what the first inference takes beyond a steady one."""

    variation: Variation
    target: Target
    idle_w: float
    phases: tuple[Phase, ...]
    counts: Counts
    start: Step
    init: Step
    first: Step
    file_bytes: int
    resident_bytes: int
    packed_bytes: int

    @property
    def latency_s(self) -> float:
        """Mean time of one inference in the steady state."""
        return math.fsum(phase.duration_s for phase in self.phases)

    @property
    def energy_net_j(self) -> float:
        """Mean energy of one inference above idle."""
        return math.fsum(phase.net_energy_j for phase in self.phases)

    @property
    def energy_gross_j(self) -> float:
        """Mean energy of the whole board in one inference."""
        return self.energy_net_j + self.idle_w * self.latency_s


def precision_of(variation: Variation) -> Precision:
    """The arithmetic a variation is executed in. Zeros and clusters change nothing: no kernel makes use of them."""
    return Precision.INT8 if variation.is_quantized else Precision.FLOAT32


@lru_cache(maxsize=256)
def program_model(variation: Variation, target: Target, board: BoardConstants = IMX8MP) -> ProgramModel:
    """The model of the process that runs a variation on a target."""
    network = load_network(variation.network, variation.input_size)
    cost = network_cost(network, precision_of(variation), target, board)
    constants = board.process
    weight_bytes = sum(item.operator.weights for item in cost.operators) * cost.element_bytes
    file_bytes = (
        weight_bytes + constants.file_overhead_bytes + constants.file_overhead_bytes_per_operator * len(cost.operators)
    )
    arena_bytes = _arena_bytes(cost)
    packed_bytes = weight_bytes + arena_bytes
    return ProgramModel(
        variation=variation,
        target=cost.target,
        idle_w=board.power.idle_w,
        phases=inference_phases(cost, board),
        counts=inference_counts(cost, board),
        start=_core_step(constants.start_s, constants.start_faults, board),
        init=_core_step(_init_s(cost, file_bytes, board), _init_faults(file_bytes, board), board),
        first=_core_step(_first_s(cost, weight_bytes, board), packed_bytes / constants.page_bytes, board),
        file_bytes=file_bytes,
        resident_bytes=constants.program_bytes + file_bytes + packed_bytes,
        packed_bytes=packed_bytes,
    )


def _core_step(duration_s: float, page_faults: float, board: BoardConstants) -> Step:
    """A step of ordinary code on one core."""
    instructions = duration_s * board.process.instructions_per_s
    return Step(duration_s, load_power_w(board), scalar_work(instructions, duration_s, page_faults, board))


def _init_s(cost: NetworkCost, file_bytes: int, board: BoardConstants) -> float:
    constants = board.process
    per_operator_s = constants.init_s_per_operator * len(cost.operators)
    return constants.init_s + per_operator_s + file_bytes / constants.check_bytes_per_s


def _init_faults(file_bytes: int, board: BoardConstants) -> float:
    constants = board.process
    return file_bytes / (constants.page_bytes * constants.fault_around_pages)


def _first_s(cost: NetworkCost, weight_bytes: int, board: BoardConstants) -> float:
    """Packing of weights for the CPU's kernels; on the NPU, compiling the graph and uploading weights."""
    if cost.target.npu:
        compile_s = board.npu.compile_s_per_operator * len(cost.operators)
        return compile_s + weight_bytes / board.npu.upload_bytes_per_s
    return weight_bytes / board.process.pack_bytes_per_s


def _arena_bytes(cost: NetworkCost) -> int:
    """The interpreter's activation memory: the largest pair of input and output, with one tensor kept beside it."""
    sizes: Sequence[int] = [item.operator.input_elements + item.operator.output_elements for item in cost.operators]
    return int(1.5 * max(sizes) * cost.element_bytes)
