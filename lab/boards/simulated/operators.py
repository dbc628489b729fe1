"""What a TFLite interpreter executes of a Keras network: its operators, with what each computes and moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.networks.tables import Layer, Network


class OperatorKind(StrEnum):
    """How an operator uses the hardware."""

    SPATIAL = "spatial"
    """A convolution with a kernel larger than 1×1."""
    POINTWISE = "pointwise"
    """A 1×1 convolution."""
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    ELEMENTS = "elements"
    """No multiply-accumulates: adds, pools, copies."""


GEMM_KINDS = frozenset({OperatorKind.SPATIAL, OperatorKind.POINTWISE, OperatorKind.DENSE})
"""The kinds that run as a matrix product."""

_FOLDED = frozenset({"InputLayer", "BatchNormalization", "Activation", "ReLU", "Dropout"})
"""Keras layers that the converter folds into the operator before them."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator, for one image. All sizes are in elements, whatever the precision.

    As a matrix product it has ``positions`` columns, sums of ``sum_length`` and ``output_channels`` rows.
    """

    name: str
    kind: OperatorKind
    macs: int
    weights: int
    input_elements: int
    output_elements: int
    positions: int
    sum_length: int
    input_channels: int
    output_channels: int

    @property
    def patches(self) -> int:
        """Elements of the input as the matrix product reads it (each position's patch written out)."""
        return self.positions * self.sum_length


@cache
def operators(network: Network) -> tuple[Operator, ...]:
    """The operators of a network after conversion: normalisation and activations are folded away."""
    return tuple(_operator(layer) for layer in network.layers if layer.kind not in _FOLDED)


def _operator(layer: Layer) -> Operator:
    kind = _kind(layer)
    channels = layer.output_shape[-1]
    positions = max(layer.output_elements // channels, 1)
    sum_length = layer.macs // layer.output_elements if layer.macs else 0
    kernel = math.prod(layer.kernel) if layer.kernel else 1
    return Operator(
        name=layer.name,
        kind=kind,
        macs=layer.macs,
        weights=layer.parameters,
        input_elements=layer.input_elements,
        output_elements=layer.output_elements,
        positions=positions,
        sum_length=sum_length,
        input_channels=1 if kind is OperatorKind.DEPTHWISE else sum_length // kernel,
        output_channels=channels,
    )


def _kind(layer: Layer) -> OperatorKind:
    if layer.kind == "Conv2D":
        return OperatorKind.POINTWISE if layer.kernel == (1, 1) else OperatorKind.SPATIAL
    if layer.kind == "DepthwiseConv2D":
        return OperatorKind.DEPTHWISE
    if layer.kind == "Dense":
        return OperatorKind.DENSE
    return OperatorKind.ELEMENTS
