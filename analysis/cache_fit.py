"""How a network's layers compare with the memories of a board.

Two measures, not to be confused:

*Average layer fit* (E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or Offloading*, Chalmers 2022, table
5.1): 100 · parameters ÷ number of *all* Keras layers ÷ memory size, at one byte a parameter. It is the mean size of a
layer's parameters over the memory's, in percent: higher is worse, and it is not a share of layers that fit. Layers
without parameters count as layers, activations do not count at all. Rounded to the nearest whole number, it gives 32
of the 33 cells in print; the one other, MobileNet 32 in L1, is 120.6 and printed as 120.

*Working set per layer*: what a layer touches, weights + inputs + outputs, at the size its elements really have; and
the share of all these bytes, and of all multiply-accumulates, that lie in layers whose working set exceeds a memory.
Layers here are those that are executed: what a converter folds into the layer before it (:data:`FOLDED`) touches
nothing of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PARAMETER_BYTES = 1
"""Bytes of a parameter in the average layer fit: that of the study's 8-bit networks, also where weights are wider."""


FOLDED = frozenset({"InputLayer", "BatchNormalization", "Activation", "ReLU", "Dropout"})
"""Keras layers that are no work of their own once a network is converted."""


@dataclass(frozen=True, slots=True)
class ElementBytes:
    """Bytes of one weight and of one input or output element."""

    weight: int
    activation: int


@dataclass(frozen=True, slots=True)
class LayerSize:
    """One layer: numbers of elements, and multiply-accumulates of one inference; ``kind`` is its Keras class."""

    parameters: int
    macs: int
    input_elements: int
    output_elements: int
    name: str = ""
    kind: str = ""

    def working_set_bytes(self, sizes: ElementBytes) -> int:
        """Weights, inputs and outputs together."""
        return sizes.weight * self.parameters + sizes.activation * (self.input_elements + self.output_elements)


@dataclass(frozen=True, slots=True)
class LayerFit:
    """Where one executed layer lies: its bytes, and the first of the memories that holds them all (``None``: none)."""

    layer: LayerSize
    weight_bytes: int
    input_bytes: int
    output_bytes: int
    held_by: str | None

    @property
    def working_set_bytes(self) -> int:
        """Weights, inputs and outputs together."""
        return self.weight_bytes + self.input_bytes + self.output_bytes


@dataclass(frozen=True, slots=True)
class OverShare:
    """Shares (0…100 %) of bytes touched and of multiply-accumulates in layers that do not fit a memory.

    ``macs_pct`` is ``None`` for a network that multiplies nothing.
    """

    bytes_pct: float
    macs_pct: float | None


def average_layer_fit_pct(parameters: int, layers: int, memory_bytes: int) -> float:
    """The study's average layer fit, in percent, unrounded. Raises ``ValueError`` without layers or memory."""
    if layers < 1 or memory_bytes < 1:
        raise ValueError(f"layer fit of {layers} layers in {memory_bytes} bytes is not defined")
    return 100.0 * parameters * PARAMETER_BYTES / layers / memory_bytes


def executed(layers: Iterable[LayerSize]) -> list[LayerSize]:
    """The layers that are work of their own at run time."""
    return [layer for layer in layers if layer.kind not in FOLDED]


def layer_fits(layers: Iterable[LayerSize], sizes: ElementBytes, memories: Mapping[str, int | None]) -> list[LayerFit]:
    """Each executed layer with the smallest of the memories (name → bytes) that holds its working set."""
    by_size = sorted((size, name) for name, size in memories.items() if size)
    fits = []
    for layer in executed(layers):
        needed = layer.working_set_bytes(sizes)
        held_by = next((name for size, name in by_size if needed <= size), None)
        fits.append(
            LayerFit(
                layer,
                sizes.weight * layer.parameters,
                sizes.activation * layer.input_elements,
                sizes.activation * layer.output_elements,
                held_by,
            )
        )
    return fits


def spilled_bytes(layers: Iterable[LayerSize], sizes: ElementBytes, memory_bytes: int) -> int:
    """How far the executed layers' working sets exceed a memory, summed over those that do."""
    return sum(max(0, layer.working_set_bytes(sizes) - memory_bytes) for layer in executed(layers))


def over_share(layers: Iterable[LayerSize], sizes: ElementBytes, memory_bytes: int) -> OverShare:
    """What lies in executed layers whose working set is larger than ``memory_bytes``.

    Raises ``ValueError`` without any work.
    """
    work = [(layer.working_set_bytes(sizes), layer.macs) for layer in executed(layers)]
    total_bytes, total_macs = _sums(work)
    if total_bytes == 0:
        raise ValueError("a network that touches no memory has no working set")
    over_bytes, over_macs = _sums(item for item in work if item[0] > memory_bytes)
    macs_pct = 100.0 * over_macs / total_macs if total_macs else None
    return OverShare(100.0 * over_bytes / total_bytes, macs_pct)


def _sums(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    pairs = list(pairs)
    return sum(first for first, _ in pairs), sum(second for _, second in pairs)


def printed_pct(percent: float) -> int:
    """A percentage as the study prints it: rounded to the nearest whole number, halves up."""
    return math.floor(percent + 0.5)
