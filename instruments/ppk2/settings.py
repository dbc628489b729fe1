"""How a PPK2 is set up, checked against what it can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from instruments.ppk2.commands import LEAST_MV, MOST_MV
from instruments.protocol import Accuracy
from lab.errors import UsageError

RATE_HZ = 100_000
"""Samples per second; there is no other rate."""

LOGIC_INPUTS = tuple(f"d{line}" for line in range(8))

AMPERE, SOURCE = "ampere", "source"

QUEUE_BYTES = 16 << 20
"""What may wait to be decoded: some 40 s."""


@dataclass(frozen=True, slots=True)
class Ppk2Settings:
    """How a PPK2 is set up.

    ``mode`` is ``source`` where the kit feeds the board with ``voltage_v``, ``ampere`` where it lies in a supply of
    ``voltage_v``. Either way this voltage is assumed: the kit measures current alone. ``port`` names the serial line,
    else ``serial`` tells the kit apart from others that are connected. ``window_line`` and ``more_lines`` are the wired
    logic inputs (``d0`` … ``d7``) and their meanings. ``leave_on`` leaves the board fed when the kit is let go.

    Raises :class:`UsageError` if these do not fit together.
    """

    voltage_v: float
    window_line: str
    accuracy: Accuracy
    mode: str = SOURCE
    port: str | None = None
    serial: str | None = None
    more_lines: Mapping[str, str] = field(default_factory=dict)
    scope: str = "board"
    leave_on: bool = False
    queue_bytes: int = QUEUE_BYTES

    def __post_init__(self) -> None:
        if self.mode not in (AMPERE, SOURCE):
            raise UsageError(f"a PPK2 has no mode {self.mode!r}", advice=f"it has {AMPERE} and {SOURCE}")
        if not LEAST_MV <= self.voltage_v * 1000 <= MOST_MV:
            raise UsageError(
                f"a PPK2 works at {LEAST_MV / 1000:g} V to {MOST_MV / 1000:g} V, not at {self.voltage_v:g} V"
            )
        for line in (self.window_line, *self.more_lines):
            if line not in LOGIC_INPUTS:
                raise UsageError(f"a PPK2 has no logic input {line!r}", advice=f"it has {', '.join(LOGIC_INPUTS)}")
        if self.window_line in self.more_lines:
            raise UsageError(f"the logic input {self.window_line} is named twice")
        if len(set(self.more_lines.values()) | {"window"}) <= len(self.more_lines):
            raise UsageError("two logic inputs have the same meaning")

    @property
    def millivolts(self) -> int:
        """The supply voltage as the kit is told it."""
        return round(self.voltage_v * 1000)

    @property
    def volts(self) -> float:
        """The supply voltage as the kit has it."""
        return self.millivolts / 1000

    @property
    def lines(self) -> dict[str, str]:
        """Channel of the trace (``gpi0`` is D0) → what is wired to that input."""
        return {f"gpi{line[1:]}": meaning for line, meaning in {self.window_line: "window", **self.more_lines}.items()}
