"""What a board says of its counting units: the PMUs that its kernel knows, their named events, its kinds of cores."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from instruments.commands import RunCommand, attempt
from instruments.counters.cores import core_of_part
from instruments.counters.events import Listed

_SCRIPT = (
    'cd /sys/bus/event_source/devices 2>/dev/null && for p in *; do echo "pmu $p"; done; '
    "grep '' */events/* /dev/null 2>/dev/null; grep 'CPU part' /proc/cpuinfo 2>/dev/null; exit 0"
)
_EVENT = re.compile(r"([\w.-]+)/events/([\w.-]+):(?:event|config)=(0x[0-9a-fA-F]+)\s*")
_PART = re.compile(r"CPU part\s*:\s*(0x[0-9a-fA-F]+)\s*")


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """``listed``: PMU → event → raw code; ``cores``: kinds of cores in the order met, by number if not known."""

    listed: Listed = field(default_factory=dict)
    cores: tuple[str, ...] = ()


def ask(run: RunCommand) -> BoardFacts:
    """Ask the board in one command; a board that cannot answer gives no facts."""
    status, output, _ = attempt(run, ["sh", "-c", _SCRIPT])
    return parse(output) if status == 0 else BoardFacts()


def parse(output: str) -> BoardFacts:
    """Understand the answer; never raises."""
    listed: dict[str, dict[str, int]] = {}
    cores: dict[str, None] = {}
    for line in output.splitlines():
        if line.startswith("pmu "):
            listed.setdefault(line.removeprefix("pmu ").strip(), {})
        elif match := _EVENT.fullmatch(line):
            listed.setdefault(match[1], {})[match[2]] = int(match[3], 16)
        elif match := _PART.fullmatch(line):
            part = int(match[1], 16)
            cores[core_of_part(part) or f"part {part:#x}"] = None
    return BoardFacts(listed, tuple(cores))
