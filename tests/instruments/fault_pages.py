"""Prints docs/faults.md: from the table of faults, and from the reason codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from every_meter import METERS

from lab.record.reasons import REASONS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

TITLES = {
    "js110": "JS110",
    "js220": "JS220",
    "js320": "JS320",
    "simulated_joulescope": "simulated Joulescope",
    "nvml": "NVML",
    "rapl_perf": "RAPL (perf)",
    "rapl_powercap": "RAPL (powercap)",
    "hwmon": "hwmon",
    "ppk2": "PPK2",
    "replay_jls": "replay: JLS",
    "replay_samples": "replay: table of samples",
    "replay_readings": "replay: table of readings",
    "energyrunner": "EnergyRunner",
}

INTRODUCTION = """\
# Faults

What goes wrong with an instrument becomes a document in the record, with a reason code, and a verdict on every number
that suffers from it: `valid`, `degraded` (it may be used, the doubt is named) or `invalid` (no number is given). Below
is what each power instrument says of each fault. Each of these sentences is tested: the fault is put in at the
instrument's boundary (the vendor's driver, the serial line, the kernel's files, the recorded file), and the record must
say exactly this. Where an instrument cannot have a fault, or cannot see it, that is said too.

This page is printed by

```sh
python tests/instruments/test_every_fault_on_every_meter.py > docs/faults.md
```

and a test fails where it is not what is printed.
"""

OVERVIEW = """\
## Overview

The verdict that each fault brings. `refused`: the instrument cannot be opened, and says what to do. A dash: see below
for why not.
"""


def faults_page(faults: Mapping[str, str], table: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole document."""
    parts = [INTRODUCTION, OVERVIEW, _overview(table)]
    parts += [_section(fault, text, table[fault]) for fault, text in faults.items()]
    return "\n".join([*parts, codes_page()])


def codes_page() -> str:
    """Every reason code: what it means, its verdict, what to do."""
    lines = [
        "## Reason codes",
        "",
        "Codes of instruments, boards and the analysis alike.",
        "",
        "| code | verdict | what it means | what to do |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{reason.code}` | {reason.verdict} | {_cell(reason.text)} | {_cell(reason.advice)} |"
        for reason in REASONS.values()
    ]
    return "\n".join(lines) + "\n"


def _overview(table: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"| | {' | '.join(table)} |", "|---|" + "---|" * len(table)]
    lines += [f"| {TITLES[kind]} | {' | '.join(_word(row[kind]) for row in table.values())} |" for kind in METERS]
    return "\n".join(lines) + "\n"


def _section(fault: str, text: str, row: Mapping[str, Any]) -> str:
    together: dict[tuple[str, str, str], list[str]] = {}
    for kind in METERS:
        together.setdefault(_said(row[kind]), []).append(TITLES[kind])
    lines = [f"## {fault.capitalize()}", "", text, "", "| instrument | reason code | verdict | |", "|---|---|---|---|"]
    lines += [f"| {', '.join(kinds)} | {' | '.join(said)} |" for said, kinds in together.items()]
    return "\n".join(lines) + "\n"


def _word(cell: Any) -> str:
    if hasattr(cell, "verdict"):
        return str(cell.verdict)
    return "refused" if hasattr(cell, "advice") else "–"


def _said(cell: Any) -> tuple[str, str, str]:
    """Codes, verdict, and a remark."""
    if hasattr(cell, "verdict"):
        codes = ", ".join(f"`{code}`" for code in cell.codes) or "none"
        remark = getattr(cell, "why", "seen by the analysis")
        return codes, str(cell.verdict), remark
    if hasattr(cell, "advice"):
        return "–", "refused", f"it cannot be opened; the advice names {cell.advice}"
    return "–", "–", cell.why


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
