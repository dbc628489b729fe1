"""The simulated ``perf``: counts events of the simulated program in front of which it stands.

Formats and refusals are those of linux/tools/perf: JSON rows for ``-j``, separated values for ``-x``, a table
otherwise; an event that does not exist ends it with status 129; more events than the PMU has counters are multiplexed
and say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab.boards.simulated.console import Console, Ended

if TYPE_CHECKING:
    from lab.boards.simulated.counters import Counts

PMU = "armv8_cortex_a53"
VERSION = "perf version 5.10.35 (simulated)"
USAGE_STATUS = 129
"""How perf ends on a wrong command line."""

_SOFTWARE: dict[str, Callable[[Counts], float]] = {
    "task-clock": lambda counts: counts.cpu_s * 1e3,
    "cpu-clock": lambda counts: counts.cpu_s * 1e3,
    "page-faults": lambda counts: counts.page_faults,
    "faults": lambda counts: counts.page_faults,
    "minor-faults": lambda counts: counts.page_faults,
    "major-faults": lambda _: 0.0,
    "context-switches": lambda counts: counts.context_switches,
    "cs": lambda counts: counts.context_switches,
    "cpu-migrations": lambda _: 0.0,
    "migrations": lambda _: 0.0,
}
_CYCLES: dict[str, Callable[[Counts], float]] = {
    "cycles": lambda counts: counts.cycles,
    "cpu-cycles": lambda counts: counts.cycles,
}
_HARDWARE: dict[str, Callable[[Counts], float]] = {
    "instructions": lambda counts: counts.instructions,
    "L1-dcache-loads": lambda counts: counts.l1d_loads,
    "L1-dcache-load-misses": lambda counts: counts.l1d_load_misses,
    "cache-references": lambda counts: counts.l1d_loads,
    "cache-misses": lambda counts: counts.l1d_load_misses,
    "mem_access": lambda counts: counts.l1d_loads,
    "branches": lambda counts: counts.branches,
    "branch-instructions": lambda counts: counts.branches,
    "branch-misses": lambda counts: counts.branch_misses,
    "l2d_cache": lambda counts: counts.l1d_load_misses,
    "l2d_cache_refill": lambda counts: counts.l2_refills,
}
_KNOWN_ELSEWHERE = frozenset(
    {
        "LLC-loads",
        "LLC-load-misses",
        "L1-dcache-stores",
        "L1-dcache-store-misses",
        "stalled-cycles-frontend",
        "stalled-cycles-backend",
        "ref-cycles",
    }
)
"""Events that perf knows by name and a Cortex-A53 does not have."""
_TIMES = frozenset({"task-clock", "cpu-clock"})


@dataclass(frozen=True, slots=True)
class _Request:
    """A command line of ``perf stat``: ``separator`` for ``-x``; ``output`` is the file of ``-o``."""

    events: tuple[str, ...]
    output: str | None
    as_json: bool
    separator: str | None
    command: tuple[str, ...]


class _CommandLineError(ValueError):
    pass


def simulated_perf(
    arguments: Sequence[str], console: Console, slots: int, execute: Callable[[Sequence[str]], Ended]
) -> Ended:
    """Run ``perf`` with these arguments; ``execute`` runs the command it stands in front of.

    ``slots`` are the PMU's programmable counters, beside the one for cycles.
    """
    if list(arguments) == ["--version"]:
        console.out(VERSION)
        return Ended(0)
    try:
        request = _parse(arguments)
    except _CommandLineError as error:
        console.error(str(error))
        return Ended(USAGE_STATUS)
    ended = execute(request.command)
    text = _text(request, ended.counts, slots)
    if request.output is None:
        console.error(text.rstrip("\n"))
        return ended
    return replace(ended, files={**ended.files, request.output: text.encode()})


def _parse(arguments: Sequence[str]) -> _Request:
    if not arguments or arguments[0] != "stat":
        raise _CommandLineError(
            f"perf: '{arguments[0] if arguments else ''}' is not a perf-command. See 'perf --help'."
        )
    events: list[str] = []
    output = separator = None
    as_json = False
    index = 1
    while index < len(arguments):
        argument = arguments[index]
        if argument == "--":
            index += 1
            break
        if not argument.startswith("-"):
            break
        name, equals, value = argument.partition("=")
        if argument in ("-j", "--json-output"):
            as_json = True
        elif argument != "-x" and argument.startswith("-x"):
            separator = argument[2:]
        elif name in ("-e", "--event", "-o", "--output", "-x", "--field-separator"):
            if not equals:
                index += 1
                if index >= len(arguments):
                    raise _CommandLineError(f"  Error: switch `{name.lstrip('-')}' requires a value")
                value = arguments[index]
            if name in ("-e", "--event"):
                events += [_checked(event) for event in _split(value)]
            elif name in ("-o", "--output"):
                output = value
            else:
                separator = value
        elif argument != "--no-big-num":
            raise _CommandLineError(f"  Error: unknown option `{argument.lstrip('-')}'")
        index += 1
    command = tuple(arguments[index:])
    if not command:
        raise _CommandLineError("Usage: perf stat [<options>] [<command>]")
    default = ("task-clock", "context-switches", "page-faults", "cycles", "instructions", "branches", "branch-misses")
    return _Request(tuple(events) or default, output, as_json, separator, command)


def _split(value: str) -> list[str]:
    """Events of a list; the comma inside ``pmu/a=1,b=2/`` does not separate."""
    return re.findall(r"[^,/]+(?:/[^/]*/[a-zA-Z]*)?", value)


def _checked(event: str) -> str:
    name = _plain(event)
    if name in _SOFTWARE or name in _CYCLES or name in _HARDWARE or name in _KNOWN_ELSEWHERE:
        return event
    raise _CommandLineError(f"event syntax error: '{event}'\n                     \\___ parser error")


def _plain(event: str) -> str:
    """The event's name without its PMU and privilege modifier."""
    match = re.fullmatch(rf"{PMU}/([^/]+)/[a-zA-Z]*|([\w-]+)(?::[a-zA-Z]+)?", event)
    return (match[1] or match[2]) if match else event


def _text(request: _Request, counts: Counts, slots: int) -> str:
    hardware = sum(_plain(event) in _HARDWARE for event in request.events)
    running_pct = 100.0 if hardware <= slots else 100.0 * slots / hardware
    rows = [_row(event, counts, running_pct) for event in request.events]
    if request.as_json:
        return "".join(f"{json.dumps(row)}\n" for row in rows)
    if request.separator is not None:
        columns = ("counter-value", "unit", "event", "event-runtime", "pcnt-running")
        return "".join(
            request.separator.join([*(_field(row[column]) for column in columns), "", ""]) + "\n" for row in rows
        )
    lines = [f"{row['counter-value']:>18} {row['unit']:<5} {row['event']}" for row in rows]
    return "\n Performance counter stats:\n\n" + "\n".join(lines) + "\n"


def _field(value: str | float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value).removesuffix(".000000")


def _row(event: str, counts: Counts, hardware_running_pct: float) -> dict[str, str | float | int]:
    name = _plain(event)
    row: dict[str, str | float | int] = {
        "counter-value": "<not supported>",
        "unit": "",
        "event": event,
        "event-runtime": 0,
        "pcnt-running": 100.0,
    }
    if name in _KNOWN_ELSEWHERE:
        return row
    running_pct = hardware_running_pct if name in _HARDWARE else 100.0
    value = (_SOFTWARE.get(name) or _CYCLES.get(name) or _HARDWARE[name])(counts)
    is_time = name in _TIMES
    row["counter-value"] = f"{value:.6f}" if is_time else f"{round(value)}.000000"
    row["unit"] = "msec" if is_time else ""
    row["event-runtime"] = int(counts.cpu_s * 1e9 * running_pct / 100)
    row["pcnt-running"] = running_pct
    return row
