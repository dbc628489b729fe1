"""What the operating system accounts to the program: the figures that GNU ``time`` gives."""

from __future__ import annotations

import math

from instruments.protocol import Capabilities, Observation, PassContext, Probe
from lab.record.documents import Reading
from lab.record.quantity import Origin

UNITS = {
    "elapsed_s": "s",
    "user_s": "s",
    "system_s": "s",
    "peak_rss_bytes": "B",
    "minor_faults": "1",
    "major_faults": "1",
    "voluntary_switches": "1",
    "involuntary_switches": "1",
}
"""What is read, in the order of the readings, and its unit."""

SCOPE = "process tree"


class ProcessResources:
    """An :class:`~instruments.protocol.Instrument` that is handed the usage of the ended process by the board."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._context: PassContext | None = None
        self._usage: dict[str, float] | None = None

    def probe(self) -> Probe:
        """Always there: every board that runs a process can say how long it took."""
        return Probe(present=True, detail="resource use of the process")

    def capabilities(self) -> Capabilities:
        """All of :data:`UNITS`; a board may know only some."""
        return Capabilities(measures=tuple(UNITS), origin=Origin.MEASURED, scope=SCOPE, clock="board")

    def open(self) -> None:
        """Nothing to take hold of."""

    def arm(self, context: PassContext) -> None:
        """Forget the process before."""
        self._context = context
        self._usage = None

    def start(self) -> None:
        """Nothing to do: the operating system counts from the process's start."""

    def finished(self, usage: dict[str, float]) -> None:
        """Take the usage of the ended process."""
        self._usage = dict(usage)

    def stop(self) -> Observation:
        """One reading per resource; those that the board does not know have none. Empty if no process ended."""
        context, usage = self._context, self._usage
        self._context = self._usage = None
        if context is None or usage is None:
            return Observation()
        return Observation(readings=tuple(_reading(context, self.name, name, usage.get(name)) for name in UNITS))

    def close(self) -> None:
        """Nothing to let go of."""
        self._context = self._usage = None


def _reading(context: PassContext, instrument: str, name: str, value: float | None) -> Reading:
    known = value is not None and math.isfinite(value) and value >= 0
    return Reading(
        pass_id=context.pass_id,
        attempt=context.attempt,
        instrument=instrument,
        name=name,
        value=float(value) if known and value is not None else None,
        unit=UNITS[name],
        scope=SCOPE,
        reasons=() if known else ("not_supported",),
    )
