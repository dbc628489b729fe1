"""Counts of the CPU side: instructions, data accesses, misses, cycles, page faults, of one inference and of loading a
model.

They come from the same operators and traffic as the times. What an NPU does is not seen, as on the real board: there
the CPU only starts the inference and sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from lab.boards.simulated.operators import GEMM_KINDS, OperatorKind
from lab.boards.simulated.roofline import NetworkCost, OperatorCost

if TYPE_CHECKING:
    from lab.boards.simulated.constants import BoardConstants


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of a piece of work. ``cycles`` and ``cpu_s`` are summed over the cores that worked.

    ``l1d_loads`` are what the core's event for them counts: reads and writes.
    """

    instructions: float = 0.0
    l1d_loads: float = 0.0
    l1d_load_misses: float = 0.0
    l2_refills: float = 0.0
    branches: float = 0.0
    branch_misses: float = 0.0
    page_faults: float = 0.0
    context_switches: float = 0.0
    cycles: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(Counts)))

    def times(self, factor: float) -> Counts:
        """The counts of ``factor`` times this work."""
        return Counts(*(getattr(self, item.name) * factor for item in fields(Counts)))


def scalar_work(instructions: float, cpu_s: float, page_faults: float, board: BoardConstants) -> Counts:
    """Counts of ordinary code: start of a program, parsing, driver calls."""
    constants = board.counters
    loads = instructions * constants.scalar_load_share
    misses = loads * constants.scalar_miss_share
    return Counts(
        instructions=instructions,
        l1d_loads=loads,
        l1d_load_misses=misses,
        l2_refills=misses * constants.scalar_l2_miss_share,
        branches=instructions * constants.scalar_branch_share,
        branch_misses=instructions * constants.scalar_branch_share * constants.scalar_branch_miss_share,
        page_faults=page_faults,
        context_switches=cpu_s * constants.switches_per_s,
        cycles=cpu_s * board.cpu.clock_hz,
        cpu_s=cpu_s,
    )


def inference_counts(cost: NetworkCost, board: BoardConstants) -> Counts:
    """Counts of one inference in the steady state, the benchmark's own loop included."""
    constants = board.counters
    own = scalar_work(constants.instructions_per_inference, 0.0, constants.faults_per_inference, board)
    if cost.target.npu:
        return own + _npu_invoke_counts(cost, board)
    total = own
    for item in cost.operators:
        total = total + _kernel_counts(item, cost, board) + _dispatch_counts(item, board)
    return total


def _npu_invoke_counts(cost: NetworkCost, board: BoardConstants) -> Counts:
    """The CPU's part of an inference on the NPU: commands, copies of input and output; then it sleeps."""
    constants = board.counters
    first, last = cost.operators[0].operator, cost.operators[-1].operator
    copied_bytes = (first.input_elements + last.output_elements) * cost.element_bytes
    instructions = (
        constants.instructions_per_npu_invoke
        + constants.instructions_per_npu_operator * len(cost.operators)
        + constants.instructions_per_copied_byte * copied_bytes
    )
    return scalar_work(instructions, cost.invoke_s, 0.0, board)


def _kernel_counts(item: OperatorCost, cost: NetworkCost, board: BoardConstants) -> Counts:
    constants, line_bytes = board.counters, board.cpu.line_bytes
    operator = item.operator
    elements = operator.output_elements
    instructions = 0.0
    if operator.kind in GEMM_KINDS:
        instructions = operator.macs * constants.gemm_instructions_per_mac.of(cost.precision)
        elements += operator.patches
    elif operator.kind is OperatorKind.DEPTHWISE:
        instructions = operator.macs * constants.depthwise_instructions_per_mac.of(cost.precision)
    else:
        elements += operator.input_elements
    instructions += elements * constants.instructions_per_element.of(cost.precision)
    misses = item.l1_fill_bytes / line_bytes * (1 - constants.prefetch_share)
    return Counts(
        instructions=instructions,
        l1d_loads=instructions * constants.load_share,
        l1d_load_misses=misses,
        l2_refills=item.dram_bytes / line_bytes * constants.refill_share,
        branches=instructions * constants.kernel_branch_share,
        branch_misses=instructions * constants.kernel_branch_share * constants.kernel_branch_miss_share,
        cycles=item.busy_s * item.cores * board.cpu.clock_hz,
        cpu_s=item.busy_s * item.cores,
    )


def _dispatch_counts(item: OperatorCost, board: BoardConstants) -> Counts:
    """The interpreter's work for an operator, and that of the workers that wait for each other."""
    constants = board.counters
    instructions = constants.instructions_per_operator
    if item.cores > 1:
        spinning_s = item.overhead_s + board.cpu.serial_share * item.busy_s
        instructions += (item.cores - 1) * (
            constants.instructions_per_thread_join + spinning_s * constants.spin_instructions_per_s
        )
    return scalar_work(instructions, item.overhead_s * item.cores, 0.0, board)
