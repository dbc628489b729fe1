# SPDX-License-Identifier: Apache-2.0
"""The proof of a quantised network as a table, and warnings where data shown to it saturate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynet.quantize import Observed, observe
from tinynet.quantized import QuantizedNetwork

WARN_FROM = 0.001
"""Saturated outputs, as a share, that are worth a warning."""


def rows(network: QuantizedNetwork, inputs: NDArray[np.int8]) -> list[dict[str, Any]]:
    """One row per layer: what is proved, and what signed bytes (n, …) gave. Plain numbers, fit for JSON."""
    return [
        {
            "layer": index,
            "kind": layer.kind,
            "name": layer.name,
            "input_step": layer.input_step,
            "output_step": layer.output_step,
            "shift": layer.shift,
            "bound_low": proof.low,
            "bound_high": proof.high,
            "partial_low": proof.partial_low,
            "partial_high": proof.partial_high,
            "accumulator_bits": layer.accumulator_bits,
            "wrapping_bits": proof.wrapping_bits,
            "may_saturate": proof.may_saturate,
            **_observed(observed),
        }
        for index, (layer, proof, observed) in enumerate(
            zip(network.layers, network.proof, observe(network, inputs), strict=True)
        )
    ]


def _observed(observed: Observed | None) -> dict[str, Any]:
    if observed is None:
        return dict.fromkeys(("observed_low", "observed_high", "saturated", "beyond_16_bits", "values"))
    return {
        "observed_low": observed.low,
        "observed_high": observed.high,
        "saturated": observed.saturated,
        "beyond_16_bits": observed.beyond_16_bits,
        "values": observed.values,
    }


def warnings(table: Sequence[dict[str, Any]], tables_behind: Sequence[bool], clipped_inputs: float) -> list[str]:
    """What a reader should know, a line each. ``clipped_inputs`` is the share of inputs outside the bytes' range."""
    lines = []
    if clipped_inputs >= WARN_FROM:
        lines.append(f"{clipped_inputs:.2%} of the input bytes lie beyond the input's range and are clamped")
    for row, flat in zip(table, tables_behind, strict=True):
        if row["values"] and row["saturated"] / row["values"] >= WARN_FROM:
            words = f"{row['name']}: {row['saturated'] / row['values']:.2%} of its outputs saturate"
            lines.append(words + (", where the function behind is flat anyway" if flat else ""))
        if row["values"] and row["beyond_16_bits"]:
            lines.append(
                f"{row['name']}: {row['beyond_16_bits']} of {row['values']} sums seen pass 16 bits, an AVR's int; "
                f"these have {row['accumulator_bits']}"
            )
    return lines


def warnings_for(network: QuantizedNetwork, data: NDArray[np.uint8], table: Sequence[dict[str, Any]]) -> list[str]:
    """The warnings for a network whose table was made of ``data``, bytes (n, …)."""
    followers = [*network.layers[1:], None]
    scale, step = network.input_scale, network.input_step
    values = np.floor((np.arange(256) - scale.offset) / scale.divisor / step + 0.5)
    # A value of 128 steps is cut by one unit: the price of a power of two, not a saturation to warn of.
    beyond = (values < -129) | (values > 128)
    counts = np.bincount(data.ravel(), minlength=256)
    return warnings(
        table,
        [layer is not None and layer.kind == "table" for layer in followers],
        float(counts[beyond].sum() / max(1, counts.sum())),
    )


def text(table: Sequence[dict[str, Any]]) -> str:
    """The table for a reader: sums proved and seen, their width, bits to spare, outputs cut off."""
    head = ("layer", "sums proved", "sums seen", "bits", "spare", "saturated", "beyond 16 bits")
    lines = [head]
    for row in table:
        if not row["accumulator_bits"]:
            lines.append((row["name"], "-", "-", "-", "-", "-", "-"))
            continue
        reach = max(-row["partial_low"], row["partial_high"] + 1, 1)
        spare = row["accumulator_bits"] - 1 - (reach - 1).bit_length()
        lines.append(
            (
                row["name"],
                f"{row['bound_low']}…{row['bound_high']}",
                f"{row['observed_low']}…{row['observed_high']}",
                str(row["accumulator_bits"]),
                str(spare),
                f"{row['saturated']} of {row['values']}",
                f"{row['beyond_16_bits']} of {row['values']}",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
