"""``inputs/networks.json`` of a record: which network each point of its matrix ran, layer by layer.

The workload left the file in the record; its shape is described in ``lab/networks/document.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.cache_fit import ElementBytes, LayerSize
from lab.errors import DataError
from lab.record.reader import Record

FILE = "networks.json"
SCHEMA = "lab.networks/1"


@dataclass(frozen=True, slots=True)
class NetworkTable:
    """A network at one input size, such as ``MobileNet 32``: all its Keras layers, whatever was made of them."""

    title: str
    parameters: int
    depth: int
    macs: int
    layers: tuple[LayerSize, ...]


@dataclass(frozen=True, slots=True)
class PointNetwork:
    """What one point of the matrix ran: a variation of a network, and on what. ``threads`` and ``accelerator`` are
    ``None`` where the workload does not say."""

    variation: str
    table: NetworkTable
    sizes: ElementBytes
    threads: int | None = None
    accelerator: str | None = None


def read_networks(record: Record) -> dict[str, PointNetwork]:
    """Networks by the key (:func:`settings_key`) of the settings that name them; empty where a workload left no table.

    Raises :class:`lab.errors.DataError` for a file that is not what it should be.
    """
    if FILE not in (record.manifest.get("inputs") or ()):
        return {}
    path = record.path(f"inputs/{FILE}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise DataError(f"{path}: found schema {content['schema']!r}, expected {SCHEMA!r}")
        tables = {str(title): network_table(str(title), table) for title, table in content["networks"].items()}
        return {settings_key(point["settings"]): _point(point, tables) for point in content["points"]}
    except OSError as error:
        raise DataError(f"{path}: cannot read the networks ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: damaged table of networks ({error!r})") from error


def settings_key(settings: Mapping[str, Any]) -> str:
    """What makes the settings of a trial comparable."""
    return json.dumps(settings, sort_keys=True)


def network_table(title: str, table: Mapping[str, Any]) -> NetworkTable:
    """One network of the file. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for one that is damaged."""
    layers = tuple(
        LayerSize(
            _whole(item["parameters"]),
            _whole(item["macs"]),
            _whole(item["input_elements"]),
            _whole(item["output_elements"]),
            str(item.get("name", "")),
            str(item.get("kind", "")),
        )
        for item in table["layers"]
    )
    if not layers:
        raise ValueError(f"{title} has no layers")
    return NetworkTable(title, _whole(table["parameters"]), _whole(table["depth"]), _whole(table["macs"]), layers)


def _point(point: Mapping[str, Any], tables: Mapping[str, NetworkTable]) -> PointNetwork:
    threads, accelerator = point.get("threads"), point.get("accelerator")
    return PointNetwork(
        str(point.get("variation") or point["network"]),
        tables[str(point["network"])],
        ElementBytes(_whole(point["weight_bytes"]), _whole(point["activation_bytes"])),
        None if threads is None else _whole(threads),
        None if accelerator is None else str(accelerator),
    )


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value
