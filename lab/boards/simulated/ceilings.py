"""The roofs of the model: how many multiply-accumulates and bytes per second no operator of it can exceed.

They are the model's own constants at their best (a convolution with full tiles; Amdahl's serial part of it kept), so
that a roofline of a simulated board has ceilings that are named as modelled.
"""

from __future__ import annotations

from typing import Any

from lab.boards.simulated.constants import BoardConstants, Precision


def modelled_ceilings(board: BoardConstants) -> tuple[dict[str, Any], ...]:
    """One entry per arithmetic and number of CPU threads, and one per arithmetic on the NPU."""
    cpu, npu = board.cpu, board.npu
    entries = []
    for precision in Precision:
        for threads in range(1, cpu.cores + 1):
            speedup = 1.0 / (cpu.serial_share + (1.0 - cpu.serial_share) / threads)
            entries.append(
                _entry(
                    "cpu",
                    threads,
                    precision,
                    cpu.gemm_mac_per_s.of(precision) * speedup,
                    min(threads * cpu.dram_bytes_per_s, cpu.dram_shared_bytes_per_s),
                )
            )
    peak = npu.peak_mac_per_s * npu.spatial_utilisation
    streamed = max(npu.weight_bytes_per_s, npu.activation_bytes_per_s)
    entries.append(_entry("npu", 1, Precision.INT8, peak, streamed))
    streamed = max(npu.float_weight_bytes_per_s, npu.activation_bytes_per_s)
    entries.append(_entry("npu", 1, Precision.FLOAT32, npu.float_gemm_mac_per_s, streamed))
    return tuple(entries)


def _entry(
    accelerator: str, threads: int, precision: Precision, mac_per_s: float, bytes_per_s: float
) -> dict[str, Any]:
    return {
        "accelerator": accelerator,
        "threads": threads,
        "element": precision.value,
        "mac_per_s": mac_per_s,
        "bytes_per_s": bytes_per_s,
        "source": "model",
    }
