"""Where the results come from: the manifest, laid out for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.figures.units import tick_text
from lab.record.printable import printable_line, printable_lines


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument: what it is, what it measures, and where the figures of its accuracy come from."""

    name: str
    kind: str
    origin: str
    detail: str
    measures: str
    scope: str
    rate: str
    accuracy: str
    assumes: str


def instruments_of(manifest: Mapping[str, Any]) -> list[Instrument]:
    """The instruments of the manifest, in the bench's order."""
    return [_instrument(name, entry or {}) for name, entry in (manifest.get("instruments") or {}).items()]


def _instrument(name: str, entry: Mapping[str, Any]) -> Instrument:
    capabilities = entry.get("capabilities") or {}
    rate, period = capabilities.get("rate_hz"), capabilities.get("update_period_s")
    slots = capabilities.get("slots")
    pace = [
        tick_text(rate, "Hz") if rate else "",
        f"updated every {tick_text(period, 's')}" if period else "",
        f"{slots} events at once" if slots else "",
    ]
    return Instrument(
        name=name,
        kind=str(entry.get("kind") or ""),
        origin=str(capabilities.get("origin") or "unknown"),
        detail=printable_line(str((entry.get("probe") or {}).get("detail") or "")),
        measures=", ".join(map(str, capabilities.get("measures") or ())),
        scope=str(capabilities.get("scope") or ""),
        rate=", ".join(part for part in pace if part),
        accuracy=_accuracy(capabilities.get("accuracy")),
        assumes=", ".join(map(str, capabilities.get("assumes") or ())),
    )


def _accuracy(accuracy: Mapping[str, Any] | None) -> str:
    if not accuracy:
        return "none stated"
    dated = " ".join(str(accuracy[key]) for key in ("source", "date", "note") if accuracy.get(key))
    ranges = [
        f"range {name}: gain {100 * limits['gain_i']:.3g} % and {100 * limits['gain_v']:.3g} %, "
        f"offset {tick_text(limits['offset_i_a'], 'A')} and {tick_text(limits['offset_v_v'], 'V')}"
        for name, limits in (accuracy.get("ranges") or {}).items()
    ]
    return "; ".join([dated, *ranges, f"time base {accuracy.get('timebase_ppm')} ppm"])


def flattened(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as pairs of dotted name and text."""
    for key, value in facts.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flattened(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            yield name, printable_lines(", ".join(map(str, value)))
        elif value is not None and value != "":
            yield name, printable_lines(str(value))
