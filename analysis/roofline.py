"""The roofline of each network: how much it computes per byte moved, how fast it was, and how fast it could be.

S. Williams, A. Waterman, D. Patterson, *Roofline: an insightful visual performance model for multicore architectures*,
CACM 52(4), 2009. The ceilings are what the manifest says of the board: measured, from a data sheet, or (of a simulated
board) its model's own; ``source`` names which.

How many bytes a network moves depends on what stays in the caches between its layers, which nobody saw. So there are
two intensities (multiply-accumulates per byte), and the truth lies between:

* *layer by layer*: every executed layer reads its weights and inputs and writes its outputs, all over the memory
  interface;
* *at best*: weights cross once, then the first input and the last output; activations between layers stay in the
  caches. Weights that all fit in L2 together are left out too: they may stay there from inference to inference.

The roof at the better intensity is a true ceiling: what was attained lies below it, if the ceilings are right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.cache_fit import ElementBytes, LayerSize, executed
from analysis.figures.data import Point, matrix_of, points_of
from analysis.network_tables import NetworkTable, PointNetwork, settings_key
from analysis.sources import parts_of

if TYPE_CHECKING:
    import pandas as pd

ELEMENTS = {1: "int8", 4: "float32"}
"""Bytes of a weight → the arithmetic that a ceiling is stated for."""

COMPUTE, MEMORY, EITHER = "compute", "memory", "either"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How fast a board computes and moves data at best; ``source`` is ``measured``, ``datasheet`` or ``model``."""

    accelerator: str
    threads: int
    element: str
    mac_per_s: float
    bytes_per_s: float
    source: str

    @property
    def ridge(self) -> float:
        """Multiply-accumulates per byte from which arithmetic, not memory, is the limit."""
        return self.mac_per_s / self.bytes_per_s

    def roof(self, intensity: float) -> float:
        """Multiply-accumulates per second attainable at an intensity (per byte)."""
        return min(self.mac_per_s, intensity * self.bytes_per_s)

    @property
    def title(self) -> str:
        """Such as ``4 threads, int8``."""
        where = "NPU" if self.accelerator == "npu" else f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{where}, {self.element}"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one inference computes and moves: bytes layer by layer, and at best (see the module's head)."""

    macs: int
    bytes_by_layer: int
    bytes_at_best: int

    @property
    def intensity_by_layer(self) -> float:
        """Multiply-accumulates per byte if every layer's data crosses the memory interface."""
        return self.macs / self.bytes_by_layer

    @property
    def intensity_at_best(self) -> float:
        """Multiply-accumulates per byte if only weights, first input and last output do."""
        return self.macs / self.bytes_at_best


@dataclass(frozen=True, slots=True)
class RooflinePoint:
    """One point of the matrix on the roofline. ``attained`` is in multiply-accumulates per second, ``expanded_u`` its
    expanded uncertainty where the latency claims one; ``ceiling`` is ``None`` where none is stated for it."""

    point: Point
    variation: str
    element: str
    traffic: Traffic
    attained: float
    expanded_u: float | None
    ceiling: Ceiling | None

    @property
    def shares(self) -> tuple[float, float] | None:
        """Attained over the roof: at the better intensity, and layer by layer (the larger; above 1 shows that data
        stayed in the caches)."""
        if self.ceiling is None:
            return None
        roofs = (self.ceiling.roof(self.traffic.intensity_at_best), self.ceiling.roof(self.traffic.intensity_by_layer))
        return self.attained / roofs[0], self.attained / roofs[1]

    @property
    def bound(self) -> str:
        """What limits it by the roofline: compute or memory, or either, where the two intensities lie on both sides of
        the ridge; empty without a ceiling."""
        if self.ceiling is None:
            return ""
        if self.traffic.intensity_by_layer >= self.ceiling.ridge:
            return COMPUTE
        return MEMORY if self.traffic.intensity_at_best < self.ceiling.ridge else EITHER


def traffic_of(table: NetworkTable, sizes: ElementBytes, l2_bytes: float | None) -> Traffic | None:
    """What one inference of a network moves; ``None`` for one that computes or touches nothing."""
    layers = executed(table.layers)
    by_layer = sum(layer.working_set_bytes(sizes) for layer in layers)
    if not layers or not table.macs or not by_layer:
        return None
    weights = sizes.weight * sum(layer.parameters for layer in layers)
    ends = sizes.activation * (layers[0].input_elements + layers[-1].output_elements)
    stays = l2_bytes is not None and weights <= l2_bytes
    at_best = ends + (0 if stays else weights)
    return Traffic(table.macs, by_layer, min(by_layer, max(1, at_best)))


def layer_intensity(layer: LayerSize, sizes: ElementBytes) -> float | None:
    """Multiply-accumulates per byte of one layer's working set; ``None`` for a layer without either."""
    moved = layer.working_set_bytes(sizes)
    return layer.macs / moved if moved and layer.macs else None


def ceilings_of(manifest: Mapping[str, Any]) -> list[Ceiling]:
    """What the manifest says of the board; entries that make no sense are left out."""
    found = []
    for entry in (manifest.get("board") or {}).get("ceilings") or ():
        mac_per_s, bytes_per_s = float(entry["mac_per_s"]), float(entry["bytes_per_s"])
        if min(mac_per_s, bytes_per_s) > 0.0 and math.isfinite(mac_per_s) and math.isfinite(bytes_per_s):
            found.append(
                Ceiling(
                    str(entry["accelerator"]),
                    int(entry["threads"]),
                    str(entry["element"]),
                    mac_per_s,
                    bytes_per_s,
                    str(entry["source"]),
                )
            )
    return found


def ceiling_for(network: PointNetwork, ceilings: Iterable[Ceiling]) -> Ceiling | None:
    """The ceiling stated for what a point ran on and in, if there is one."""
    element = ELEMENTS.get(network.sizes.weight)
    for ceiling in ceilings:
        fits = ceiling.accelerator == network.accelerator and ceiling.element == element
        if fits and (ceiling.accelerator != "cpu" or ceiling.threads == network.threads):
            return ceiling
    return None


def roofline_points(
    summary: pd.DataFrame, manifest: Mapping[str, Any], networks: Mapping[str, PointNetwork]
) -> list[RooflinePoint]:
    """Every point that has a valid latency per inference and a network, in the matrix's order.

    Where several sources gave the latency, the first of them. A point's network is the one its settings name.
    """
    if summary.empty or not networks:
        return []
    l2_bytes = ((manifest.get("board") or {}).get("caches") or {}).get("l2")
    ceilings = ceilings_of(manifest)
    of_point = networks_by_point(manifest, networks)
    part = parts_of(summary, ["latency_s"])[0]
    found = []
    for point in points_of(part.of(summary), matrix_of(manifest), "latency_s"):
        network = of_point.get(point.point_id)
        traffic = traffic_of(network.table, network.sizes, l2_bytes) if network is not None else None
        if network is None or traffic is None or not point.shown or not (point.value or 0.0) > 0.0:
            continue
        latency_s = float(point.value or math.nan)
        attained = traffic.macs / latency_s
        relative = None if point.expanded_u is None else point.expanded_u / latency_s
        found.append(
            RooflinePoint(
                point,
                network.variation,
                ELEMENTS.get(network.sizes.weight, f"{8 * network.sizes.weight} bits"),
                traffic,
                attained,
                None if relative is None else attained * relative,
                ceiling_for(network, ceilings),
            )
        )
    return found


def networks_by_point(manifest: Mapping[str, Any], networks: Mapping[str, PointNetwork]) -> dict[str, PointNetwork]:
    """point_id → network, for the points whose settings name one."""
    trials: Sequence[Mapping[str, Any]] = manifest["plan"]["trials"]
    named = {str(trial["point_id"]): networks.get(settings_key(trial["settings"])) for trial in trials}
    return {point_id: network for point_id, network in named.items() if network is not None}
