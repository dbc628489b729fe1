"""A scenario: the media, servers and idle states that inferences could be offloaded over, to and in.

Scenario files are read and checked by ``lab/experiment/offload_scenario.py``; what comes here is the plain data of a
checked one, from there or from a record's manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.offload.medium import LatencyMeaning, Medium, Payload
from analysis.offload.server import (
    ConstantServer,
    InferredServer,
    Latencies,
    LawTerm,
    RecordServer,
    Server,
    latencies_from,
)
from lab.errors import DataError

ASSUMED = "assumed"
"""Origin of what follows from stated constants alone, and the stamp of everything they take part in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleState:
    """What the device draws while it waits. ``power_w`` is ``None`` where the record's own idle power is meant."""

    name: str
    power_w: float | None
    source: str = ""

    @property
    def from_record(self) -> bool:
        """Is it the record's own idle power?"""
        return self.power_w is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything that an offloaded inference is computed from, beside the record."""

    name: str
    media: tuple[Medium, ...]
    servers: tuple[Server, ...]
    idle: tuple[IdleState, ...]
    payload: Payload
    title: str = ""
    description: str = ""

    def payload_of(self, medium: Medium) -> Payload:
        """What is sent over a medium."""
        return medium.payload or self.payload

    def with_latencies(self, known: Mapping[str, Latencies]) -> Scenario:
        """The same with the latencies of its servers that were measured, by the server's name."""
        return replace(
            self,
            servers=tuple(
                replace(server, latencies=known.get(server.name, server.latencies))
                if isinstance(server, RecordServer)
                else server
                for server in self.servers
            ),
        )


def scenario_of(resolved: Mapping[str, Any]) -> Scenario:
    """The scenario in the plain data of a checked file. Raises :class:`lab.errors.DataError` for anything else."""
    try:
        return Scenario(
            name=str(resolved["offload"]),
            title=str(resolved.get("title") or resolved["offload"]),
            description=str(resolved.get("description") or ""),
            media=tuple(_medium(name, item) for name, item in resolved["media"].items()),
            servers=tuple(_server(name, item) for name, item in resolved["servers"].items()),
            idle=tuple(
                IdleState(
                    name=str(name),
                    power_w=None if item["from_record"] else float(item["power"]),
                    source=str(item.get("source") or ""),
                )
                for name, item in resolved["idle"].items()
            ),
            payload=_payload(resolved["payload"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"a damaged offload scenario ({error!r})", advice="name a scenario with --scenario") from error


def recorded_scenario(manifest: Mapping[str, Any]) -> Scenario | None:
    """The scenario that a record's experiment names, as it was when the campaign began; ``None`` if it names none.

    Raises :class:`lab.errors.DataError` if the manifest's part about it is damaged.
    """
    kept = manifest.get("offload")
    if not kept:
        return None
    try:
        scenario = scenario_of(kept["resolved"])
        known = {str(name): latencies_from(item) for name, item in (kept.get("servers") or {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the manifest's offload scenario is damaged ({error!r})") from error
    return scenario.with_latencies(known)


def _medium(name: str, item: Mapping[str, Any]) -> Medium:
    payload = item.get("payload")
    return Medium(
        name=str(name),
        latency_s=float(item["latency"]),
        latency_is=LatencyMeaning(item["latency_is"]),
        up_bytes_s=float(item["up"]),
        down_bytes_s=float(item["down"]),
        up_j_byte=_optional(item.get("up_energy")),
        down_j_byte=_optional(item.get("down_energy")),
        keep_alive_w=float(item.get("keep_alive") or 0.0),
        payload=None if payload is None else _payload(payload),
        source=str(item.get("source") or ""),
    )


def _payload(item: Mapping[str, Any]) -> Payload:
    result = float(item.get("result") or 0.0)
    if item["kind"] == "fixed":
        return Payload(header_bytes=float(item["sent"]), result_bytes=result)
    return Payload(
        bytes_per_pixel=float(item["bytes_per_pixel"]),
        side=item["side"] if isinstance(item["side"], str) else float(item["side"]),
        header_bytes=float(item.get("header") or 0.0),
        result_bytes=result,
    )


def _server(name: str, item: Mapping[str, Any]) -> Server:
    kind, source = item["kind"], str(item.get("source") or "")
    if kind == "constant":
        return ConstantServer(name=str(name), source=source, latency_s=float(item["latency"]))
    if kind == "inferred":
        return InferredServer(name=str(name), source=source, terms=tuple(_terms(item["terms"])))
    if kind == "record":
        return RecordServer(
            name=str(name),
            source=source,
            record=str(item["record"]),
            only={str(key): tuple(values) for key, values in (item.get("only") or {}).items()},
            match=tuple(map(str, item.get("match") or ())),
        )
    raise ValueError(f"unknown kind of server {kind!r}")


def _terms(items: Sequence[Mapping[str, Any]]) -> list[LawTerm]:
    return [LawTerm(str(i["of"]), float(i["per"]), float(i["latency"]), float(i["exponent"])) for i in items]


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
