"""How long each operator takes: the slower of arithmetic and memory traffic, plus its overhead.

The roofline of S. Williams, A. Waterman, D. Patterson (CACM 52(4), 2009), per operator and with one roof per memory
level. On the CPU the traffic follows from the operator's working set and the size of each cache (blocked matrix
products); on the NPU the arithmetic roof depends on how well the operator fills the array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.boards.simulated.constants import BoardConstants, CpuConstants, NpuConstants, Precision
from lab.boards.simulated.operators import GEMM_KINDS, Operator, OperatorKind, operators

if TYPE_CHECKING:
    from lab.networks.tables import Network

ELEMENT_BYTES = {Precision.INT8: 1, Precision.FLOAT32: 4}
"""Bytes of one weight or activation."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a network is executed: on some CPU cores, or on the NPU (with one core to drive it)."""

    threads: int = 1
    npu: bool = False


@dataclass(frozen=True, slots=True)
class OperatorCost:
    """What one execution of an operator takes.

    ``compute_s`` and ``memory_s`` overlap: the longer of the two counts. ``l1_fill_bytes`` come into the L1 caches of
    the cores that work on it, ``dram_bytes`` over the memory interface. ``cores`` are those it keeps busy.
    """

    operator: Operator
    compute_s: float
    memory_s: float
    overhead_s: float
    l1_fill_bytes: float
    dram_bytes: float
    cores: int

    @property
    def busy_s(self) -> float:
        """Arithmetic and traffic together, without overhead."""
        return max(self.compute_s, self.memory_s)

    @property
    def is_memory_bound(self) -> bool:
        """True if memory is what it waits for."""
        return self.memory_s > self.compute_s

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.busy_s + self.overhead_s


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """What one inference takes: its operators one after the other, and the call that starts them."""

    precision: Precision
    target: Target
    operators: tuple[OperatorCost, ...]
    invoke_s: float

    @property
    def element_bytes(self) -> int:
        """Bytes of one weight or activation."""
        return ELEMENT_BYTES[self.precision]

    @property
    def latency_s(self) -> float:
        """Time of one inference in the steady state."""
        return self.invoke_s + math.fsum(cost.total_s for cost in self.operators)


def network_cost(network: Network, precision: Precision, target: Target, board: BoardConstants) -> NetworkCost:
    """The cost of one inference of a network."""
    if target.npu:
        costs = tuple(npu_cost(item, precision, board.npu) for item in operators(network))
        return NetworkCost(precision, target, costs, board.npu.invoke_overhead_s)
    threads = min(target.threads, board.cpu.cores)
    costs = tuple(cpu_cost(item, precision, threads, board.cpu) for item in operators(network))
    return NetworkCost(precision, Target(threads), costs, 0.0)


def cpu_cost(operator: Operator, precision: Precision, threads: int, cpu: CpuConstants) -> OperatorCost:
    """One operator on some cores. Only operators with multiply-accumulates use more than one."""
    cores = threads if operator.macs else 1
    compute_s = _cpu_single_core_s(operator, precision, cpu)
    if cores > 1:
        compute_s *= cpu.serial_share + (1 - cpu.serial_share) / cores
    l1_fill_bytes, dram_bytes = _cpu_traffic(operator, ELEMENT_BYTES[precision], cpu)
    l2_rate = min(cores * cpu.l2_bytes_per_s, cpu.l2_shared_bytes_per_s)
    dram_rate = min(cores * cpu.dram_bytes_per_s, cpu.dram_shared_bytes_per_s)
    return OperatorCost(
        operator=operator,
        compute_s=compute_s,
        memory_s=max(l1_fill_bytes / l2_rate, dram_bytes / dram_rate),
        overhead_s=cpu.operator_overhead_s + (cpu.thread_overhead_s if cores > 1 else 0.0),
        l1_fill_bytes=l1_fill_bytes,
        dram_bytes=dram_bytes,
        cores=cores,
    )


def _cpu_single_core_s(operator: Operator, precision: Precision, cpu: CpuConstants) -> float:
    if operator.kind in GEMM_KINDS:
        tiles = math.ceil(operator.positions / cpu.tile_columns)
        fill = operator.positions / (tiles * cpu.tile_columns)
        return operator.macs / (cpu.gemm_mac_per_s.of(precision) * fill)
    if operator.kind is OperatorKind.DEPTHWISE:
        return operator.macs / cpu.depthwise_mac_per_s.of(precision)
    return (operator.input_elements + operator.output_elements) / cpu.elements_per_s.of(precision)


def _cpu_traffic(operator: Operator, element_bytes: int, cpu: CpuConstants) -> tuple[float, float]:
    """Bytes into L1 and bytes over the memory interface, from the working set and the cache sizes."""
    weights = operator.weights * element_bytes
    inputs = operator.input_elements * element_bytes
    outputs = operator.output_elements * element_bytes
    l1_block = cpu.l1d_bytes * cpu.blocking_share
    l2_block = cpu.l2_bytes * cpu.blocking_share
    if operator.kind in GEMM_KINDS:
        filled = blocked_traffic(operator.weights, operator.patches, operator.macs, element_bytes, l1_block)
        l1_fill = filled + outputs
    else:
        l1_fill = weights + inputs + outputs
    # Weights of other layers have swept the caches since this layer ran last; its activations may still be in L2.
    if inputs + outputs <= l2_block:
        return l1_fill, float(weights)
    if operator.kind in GEMM_KINDS:
        read = blocked_traffic(operator.weights, operator.input_elements, operator.macs, element_bytes, l2_block)
        return l1_fill, read + outputs
    return l1_fill, float(weights + inputs + outputs)


def blocked_traffic(first: float, second: float, macs: float, element_bytes: int, cache_bytes: float) -> float:
    """Bytes read into a cache by a product of two matrices of ``first`` and ``second`` elements.

    The best of: holding one operand while the other streams past, block by block (each once if either fits), and square
    blocks of both, which read 2·MACs/√(elements that fit) beyond the first touch (J.-W. Hong, H. T. Kung, STOC 1981).
    """
    elements = cache_bytes / element_bytes
    hold_first = first + second * max(math.ceil(first / elements), 1)
    hold_second = second + first * max(math.ceil(second / elements), 1)
    square_blocks = first + second + 2 * macs / math.sqrt(elements)
    return element_bytes * min(hold_first, hold_second, square_blocks)


def npu_cost(operator: Operator, precision: Precision, npu: NpuConstants) -> OperatorCost:
    """One operator on the NPU: int8 on its array, float32 on its programmable shader."""
    element_bytes = ELEMENT_BYTES[precision]
    weights = operator.weights * element_bytes
    activations = (operator.input_elements + operator.output_elements) * element_bytes
    streamed = activations if activations > npu.local_bytes else 0
    if precision is Precision.INT8:
        compute_s = operator.macs / (npu.peak_mac_per_s * npu_utilisation(operator, npu)) if operator.macs else 0.0
        weight_rate = npu.weight_bytes_per_s
        overhead_s = npu.operator_overhead_s
    else:
        compute_s = _npu_float_s(operator, npu)
        weight_rate = npu.float_weight_bytes_per_s
        overhead_s = npu.float_operator_overhead_s
    return OperatorCost(
        operator=operator,
        compute_s=compute_s,
        memory_s=weights / weight_rate + streamed / npu.activation_bytes_per_s,
        overhead_s=overhead_s,
        l1_fill_bytes=0.0,
        dram_bytes=float(weights + streamed),
        cores=0,
    )


def npu_utilisation(operator: Operator, npu: NpuConstants) -> float:
    """The share of the int8 array's peak that an operator with multiply-accumulates reaches."""
    if operator.kind is OperatorKind.DEPTHWISE:
        return npu.depthwise_utilisation
    best = npu.spatial_utilisation if operator.kind is OperatorKind.SPATIAL else npu.pointwise_utilisation
    channels = min(operator.input_channels / npu.full_channels, 1.0)
    positions = math.sqrt(min(operator.positions / npu.full_positions, 1.0))
    return best * channels * positions


def _npu_float_s(operator: Operator, npu: NpuConstants) -> float:
    if operator.kind in GEMM_KINDS:
        return operator.macs / npu.float_gemm_mac_per_s
    if operator.kind is OperatorKind.DEPTHWISE:
        return operator.macs / npu.float_depthwise_mac_per_s
    return (operator.input_elements + operator.output_elements) / npu.float_elements_per_s
