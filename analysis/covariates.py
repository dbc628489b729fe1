"""What a network is, beside what it costs: size, depth, work, and how its layers compare with the board's memories.

The numbers come from ``inputs/networks.json``, which the workload left in the record (its shape is described in
``lab/workloads/tflite_benchmark.py``), and from the memory sizes that the manifest gives of the board. They are
counted from definitions, so they carry no uncertainty; their origin is the board's, like that of all numbers they are
held against.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from analysis.cache_fit import ElementBytes, LayerSize, average_layer_fit_pct, over_share
from analysis.measured import Measured
from analysis.tables import EXACT
from lab.errors import DataError
from lab.record.quantity import Origin, Quantity
from lab.record.reader import Record

FILE = "networks.json"
SCHEMA = "lab.networks/1"

Values = list[tuple[str, float, str]]
"""Name, value, unit."""


class Covariates:
    """The networks of a record; none where its workload left no table of them."""

    def __init__(self, by_settings: Mapping[str, list[Quantity]]) -> None:
        self._by_settings = by_settings

    @classmethod
    def of(cls, record: Record) -> Covariates:
        """Read from the record's inputs. Raises :class:`DataError` for a file that is not what it should be."""
        if FILE not in (record.manifest.get("inputs") or ()):
            return cls({})
        path = record.path(f"inputs/{FILE}")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] != SCHEMA:
                raise DataError(f"{path}: found schema {content['schema']!r}, expected {SCHEMA!r}")
            return cls(dict(_points(content, record.manifest)))
        except OSError as error:
            raise DataError(f"{path}: cannot read the networks ({error.strerror})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: damaged table of networks ({error!r})") from error

    def quantities(self, trial: Mapping[str, Any]) -> list[Measured]:
        """The covariates of a trial of the plan; none for one whose settings name no network."""
        return [Measured(quantity, "") for quantity in self._by_settings.get(_key(trial["settings"]), ())]


def network_values(table: Mapping[str, Any], sizes: ElementBytes, caches: Mapping[str, int | None]) -> Values:
    """The covariates of one network whose elements have these sizes, on a board with these memories (``l1d``, ``l2``,
    ``ram``).

    The average layer fit is that of 8-bit parameters whatever ``sizes`` say: it is the study's figure. A share of
    multiply- accumulates is left out for a network that has none.
    """
    layers = [
        LayerSize(item["parameters"], item["macs"], item["input_elements"], item["output_elements"])
        for item in table["layers"]
    ]
    values: Values = [(name, float(table[name]), "1") for name in ("parameters", "depth", "macs")]
    for cache, name in (("l1d", "l1"), ("l2", "l2"), ("ram", "ram")):
        size = caches.get(cache)
        if not size:
            continue
        values.append((f"layer_fit_{name}_pct", average_layer_fit_pct(table["parameters"], len(layers), size), "%"))
        share = over_share(layers, sizes, size)
        if share.macs_pct is not None:
            values.append((f"macs_over_{name}_pct", share.macs_pct, "%"))
        values.append((f"bytes_over_{name}_pct", share.bytes_pct, "%"))
    return values


def _points(content: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[tuple[str, list[Quantity]]]:
    origin = Origin(manifest["board"]["origin"])
    caches = manifest["board"].get("caches") or {}
    known: dict[tuple[str, ElementBytes], list[Quantity]] = {}
    for point in content["points"]:
        sizes = ElementBytes(int(point["weight_bytes"]), int(point["activation_bytes"]))
        which = (str(point["network"]), sizes)
        if which not in known:
            known[which] = _exact(network_values(content["networks"][which[0]], sizes, caches), origin)
        yield _key(point["settings"]), known[which]


def _exact(values: Iterable[tuple[str, float, str]], origin: Origin) -> list[Quantity]:
    return [Quantity(name, value, unit, origin, source="networks.json", scope=EXACT) for name, value, unit in values]


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
