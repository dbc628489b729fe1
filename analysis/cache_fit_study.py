"""All that a record says of networks and memories: the study's table, layers, what measures explain, the roofline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.cache_fit import LayerFit, layer_fits
from analysis.figures.data import matrix_of, scalar_text
from analysis.network_tables import PointNetwork, read_networks, settings_key
from analysis.published_fit import FitCell, fit_cells
from analysis.roofline import RooflinePoint, roofline_points
from analysis.withholding import refusal
from lab.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from lab.record.reader import Record

MEMORIES = ("l1d", "l2", "ram")

_TELLING = 0.02
"""Share of a network's multiply-accumulates from which a memory counts as used, where one network is chosen."""


@dataclass(frozen=True)
class CacheFitStudy:
    """``memories`` are the board's, in bytes, smallest first; ``networks`` the variations that ran, in the order of the
    matrix, each once."""

    memories: Mapping[str, int]
    networks: Sequence[PointNetwork]
    cells: Sequence[FitCell]
    roofline: Sequence[RooflinePoint]
    shown: PointNetwork
    """The one network that is shown layer by layer."""

    def layers(self, network: PointNetwork | None = None) -> list[LayerFit]:
        """The executed layers of a network (default: the one to be shown) against the memories."""
        chosen = network or self.shown
        return layer_fits(chosen.table.layers, chosen.sizes, self.memories)

    def named(self, variation: str) -> PointNetwork:
        """The network of a variation such as ``MobileNet PQ 32``; upper and lower case are not told apart.

        Raises :class:`lab.errors.UsageError` for one that this record has not.
        """
        for network in self.networks:
            if network.variation.lower() == variation.strip().lower():
                return network
        known = ", ".join(network.variation for network in self.networks)
        raise UsageError(f"no network of this record is called {variation!r}", advice=f"there are: {known}")


def cache_fit_study(record: Record, summary: pd.DataFrame) -> CacheFitStudy | None:
    """The study of a record; ``None`` where its workload left no networks, or nothing is known of the memories."""
    manifest = record.manifest
    networks = read_networks(record)
    caches: Mapping[str, Any] = manifest["board"].get("caches") or {}
    memories = {name: int(caches[name]) for name in MEMORIES if caches.get(name)}
    each = {network.variation: network for network in _in_order(networks, manifest)}
    if not each or not memories:
        return None
    tables = {network.table.title: network.table for network in each.values()}
    return CacheFitStudy(
        dict(sorted(memories.items(), key=lambda item: item[1])),
        list(each.values()),
        fit_cells([(title, table.parameters, len(table.layers)) for title, table in tables.items()], memories),
        [] if refusal(["latency_s"], manifest, summary) else roofline_points(summary, manifest, networks),
        _to_be_shown(list(each.values()), memories, manifest),
    )


def _in_order(networks: Mapping[str, PointNetwork], manifest: Mapping[str, Any]) -> list[PointNetwork]:
    """The networks in the order of the experiment's factors, whatever the order the trials were run in."""
    factors = matrix_of(manifest).factors

    def place(trial: Mapping[str, Any]) -> tuple[int, ...]:
        values = {name: scalar_text(value) for name, value in trial["values"].items()}
        return tuple(
            listed.index(values[name]) if values.get(name) in listed else len(listed)
            for name, listed in factors.items()
        )

    keys = dict.fromkeys(settings_key(trial["settings"]) for trial in sorted(manifest["plan"]["trials"], key=place))
    return [networks[key] for key in keys if key in networks]


def _to_be_shown(
    networks: Sequence[PointNetwork], memories: Mapping[str, int], manifest: Mapping[str, Any]
) -> PointNetwork:
    """The one that ``analysis.cache_fit.network`` names; else the one whose work spreads over most memories, of those
    one with the fewest layers, and of those the one with the largest."""
    resolved = (manifest.get("experiment") or {}).get("resolved") or {}
    named = ((resolved.get("analysis") or {}).get("cache_fit") or {}).get("network")
    for network in networks:
        if named is not None and network.variation.lower() == str(named).lower():
            return network

    def telling(network: PointNetwork) -> tuple[int, int, int]:
        fits = layer_fits(network.table.layers, network.sizes, memories)
        largest = max((fit.working_set_bytes for fit in fits), default=0)
        macs: dict[str | None, int] = {}
        for fit in fits:
            macs[fit.held_by] = macs.get(fit.held_by, 0) + fit.layer.macs
        return -sum(some >= _TELLING * network.table.macs for some in macs.values()), len(fits), -largest

    return min(networks, key=telling)
