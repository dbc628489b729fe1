"""The latencies of servers that an offload scenario takes from other records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.offload.scenario import Scenario, scenario_of
from analysis.offload.server import Latencies, RecordServer
from lab.errors import LabError, UsageError
from lab.record.reader import Record
from lab.record.store import resolve_record


def server_latencies(scenario: Scenario, *records: Path) -> dict[str, Latencies]:
    """What the records of a scenario's servers say, by the server's name; a record that is not there, is not whole or
    says nothing gives the reason instead. ``records`` are the folders of records to look in, the likeliest first."""
    return {server.name: _latencies(server, records) for server in scenario.servers if isinstance(server, RecordServer)}


def kept_latencies(resolved: Mapping[str, Any], records: Path) -> dict[str, Any]:
    """The same of a checked scenario file's data, as a manifest keeps it."""
    return {name: found.to_json() for name, found in server_latencies(scenario_of(resolved), records).items()}


def _latencies(server: RecordServer, records: Sequence[Path]) -> Latencies:
    from analysis.process import process

    try:
        record = Record.open(_found(server.record, records))
        if record.manifest["state"] != "running":
            record.require_unchanged(advice="restore them")
        return server.latencies_in(record.manifest, process(record).summary)
    except LabError as error:
        return Latencies(missing=f"no record {server.record!r} to take its latencies from: {error.message}")


def _found(name: str, records: Sequence[Path]) -> Path:
    """The record of that name in the first of the folders that has it. Raises :class:`UsageError` if none has."""
    reason = UsageError(f"no record {name!r}")
    for folder in records:
        try:
            return resolve_record(folder, name)
        except UsageError as error:
            reason = error
    raise reason
