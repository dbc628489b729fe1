"""What a network is, beside what it costs: size, depth, work, and how its layers compare with the board's memories.

The numbers come from ``inputs/networks.json``, which the workload left in the record, and from the memory sizes that
the manifest gives of the board. They are counted from definitions, so they carry no uncertainty; their origin is the
board's, like that of all numbers they are held against.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.cache_fit import ElementBytes, average_layer_fit_pct, executed, over_share, spilled_bytes
from analysis.measured import Measured
from analysis.network_tables import NetworkTable, PointNetwork, read_networks, settings_key
from analysis.tables import EXACT
from lab.record.quantity import Origin, Quantity
from lab.record.reader import Record

Values = list[tuple[str, float, str]]
"""Name, value, unit."""


class Covariates:
    """The networks of a record; none where its workload left no table of them."""

    def __init__(self, by_settings: Mapping[str, list[Quantity]]) -> None:
        self._by_settings = by_settings

    @classmethod
    def of(cls, record: Record) -> Covariates:
        """Read from the record's inputs. Raises :class:`lab.errors.DataError` for a damaged file."""
        return cls.among(read_networks(record), record.manifest)

    @classmethod
    def among(cls, networks: Mapping[str, PointNetwork], manifest: Mapping[str, Any]) -> Covariates:
        """Those of networks that were read already."""
        origin = Origin(manifest["board"]["origin"])
        caches = manifest["board"].get("caches") or {}
        known: dict[tuple[str, ElementBytes], list[Quantity]] = {}
        by_settings = {}
        for key, point in networks.items():
            which = (point.table.title, point.sizes)
            if which not in known:
                known[which] = _exact(network_values(point.table, point.sizes, caches), origin)
            by_settings[key] = known[which]
        return cls(by_settings)

    def joined(self, trial: Mapping[str, Any], found: Sequence[Measured]) -> list[Measured]:
        """What a trial of the plan gave, and the covariates of its network; none where its settings name no network.

        A program may say itself how many parameters it has: one row is enough for what both agree on. Where they differ
        the table is not of the network that ran, and all of its covariates are invalid.
        """
        covariates = [Measured(quantity, "") for quantity in self._by_settings.get(settings_key(trial["settings"]), ())]
        known = {item.quantity.name: item.quantity.value for item in covariates}
        printed = [item for item in found if item.quantity.name in known and item.quantity.value is not None]
        if any(item.quantity.value != known[item.quantity.name] for item in printed):
            covariates = [item.flagged(("network_differs",)) for item in covariates]
        if not covariates:
            return list(found)
        return [item for item in found if item.quantity.name not in known] + covariates


def network_values(table: NetworkTable, sizes: ElementBytes, caches: Mapping[str, int | None]) -> Values:
    """The covariates of one network whose elements have these sizes, on a board with these memories (``l1d``, ``l2``,
    ``ram``).

    The average layer fit is that of 8-bit parameters whatever ``sizes`` say: it is the study's figure. A share of
    multiply-accumulates is left out for a network that has none.
    """
    values: Values = [
        ("parameters", float(table.parameters), "1"),
        ("depth", float(table.depth), "1"),
        ("macs", float(table.macs), "1"),
    ]
    work = [layer.working_set_bytes(sizes) for layer in executed(table.layers)]
    if sum(work):
        values.append(("working_set_bytes", float(sum(work)), "B"))
        values.append(("working_set_mean_bytes", sum(work) / len(work), "B"))
        values.append(("working_set_largest_bytes", float(max(work)), "B"))
        values.append(("macs_per_byte", table.macs / sum(work), "1/B"))
    for cache, name in (("l1d", "l1"), ("l2", "l2"), ("ram", "ram")):
        size = caches.get(cache)
        if not size:
            continue
        values.append((f"layer_fit_{name}_pct", average_layer_fit_pct(table.parameters, len(table.layers), size), "%"))
        if not sum(work):
            continue
        share = over_share(table.layers, sizes, size)
        if share.macs_pct is not None:
            values.append((f"macs_over_{name}_pct", share.macs_pct, "%"))
        values.append((f"bytes_over_{name}_pct", share.bytes_pct, "%"))
        values.append((f"spilled_{name}_bytes", float(spilled_bytes(table.layers, sizes, size)), "B"))
    return values


def _exact(values: Iterable[tuple[str, float, str]], origin: Origin) -> list[Quantity]:
    return [Quantity(name, value, unit, origin, source="networks.json", scope=EXACT) for name, value, unit in values]
