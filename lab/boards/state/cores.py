"""Which cores a board has, by the numbers they give of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lab.boards.state.inquiry import Answer, cpu_text

_ARM = {
    0x926: "ARM926",
    0xB36: "ARM1136",
    0xB76: "ARM1176",
    0xC05: "Cortex-A5",
    0xC07: "Cortex-A7",
    0xC08: "Cortex-A8",
    0xC09: "Cortex-A9",
    0xC0D: "Cortex-A12",
    0xC0E: "Cortex-A17",
    0xC0F: "Cortex-A15",
    0xD01: "Cortex-A32",
    0xD02: "Cortex-A34",
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD06: "Cortex-A65",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD0D: "Cortex-A77",
    0xD0E: "Cortex-A76AE",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD43: "Cortex-A65AE",
    0xD44: "Cortex-X1",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD48: "Cortex-X2",
    0xD49: "Neoverse-N2",
    0xD4A: "Neoverse-E1",
    0xD4B: "Cortex-A78C",
    0xD4C: "Cortex-X1C",
    0xD4D: "Cortex-A715",
    0xD4E: "Cortex-X3",
    0xD4F: "Neoverse-V2",
    0xD80: "Cortex-A520",
    0xD81: "Cortex-A720",
    0xD82: "Cortex-X4",
}
"""Part numbers of Arm's own cores (implementer 0x41): the MIDR of each core's Technical Reference Manual."""

_OTHERS = {
    (0x42, 0x00F): "Brahma-B15",
    (0x42, 0x100): "Brahma-B53",
    (0x4E, 0x003): "Denver 2",
    (0x4E, 0x004): "Carmel",
    (0x51, 0x06F): "Krait",
    (0x51, 0x800): "Cortex-A73 (Kryo)",
    (0x51, 0x801): "Cortex-A53 (Kryo)",
    (0x51, 0x802): "Cortex-A75 (Kryo)",
    (0x51, 0x803): "Cortex-A55 (Kryo)",
    (0x51, 0x804): "Cortex-A76 (Kryo)",
    (0x51, 0x805): "Cortex-A55 (Kryo)",
}
"""Cores of others, by implementer and part."""


def core_name(implementer: int, part: int) -> str | None:
    """The name of an Arm core, ``None`` for one that is not known here."""
    return _ARM.get(part) if implementer == 0x41 else _OTHERS.get((implementer, part))


def core_types(answer: Answer) -> list[dict[str, Any]]:
    """The kinds of core, each with the CPUs that are of it.

    ``name``, ``implementer``, ``part``, ``revision`` (``r0p4``, as Arm writes it) of Arm cores, from MIDR_EL1 (as read
    from sysfs) or /proc/cpuinfo; ``name``, ``family``, ``stepping`` of x86. ``cpus`` as the kernel writes a list.
    """
    kinds: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for cpu, described in sorted(_described(answer).items()):
        kinds.setdefault(tuple(described.items()), []).append(cpu)
    return [{"cpus": cpu_text(cpus), **dict(kind)} for kind, cpus in kinds.items()]


def _described(answer: Answer) -> dict[int, dict[str, Any]]:
    found = dict(_from_cpuinfo(answer))
    for cpu in answer.below(r"sys/devices/system/cpu/cpu(\d+)/regs/identification/midr_el1$"):
        text = answer.text(f"sys/devices/system/cpu/cpu{cpu}/regs/identification/midr_el1") or ""
        if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", text):
            found[int(cpu)] = _arm(int(text, 16))
    return found


def _from_cpuinfo(answer: Answer) -> Iterator[tuple[int, dict[str, Any]]]:
    """Blocks of /proc/cpuinfo that begin with their CPU's number; old Arm kernels say a core's kind once for all."""
    shared = cpuinfo_fields("\n".join(answer.lines.get("proc/cpuinfo", ())))
    for block in "\n".join(answer.lines.get("proc/cpuinfo", ())).split("\n\n"):
        fields = cpuinfo_fields(block)
        for number in re.findall(r"^processor\s*:\s*(\d{1,5})\s*$", block, re.MULTILINE):
            own = fields if "CPU part" in fields else {**shared, **fields}
            described = _description(own)
            if described:
                yield int(number), described


def cpuinfo_fields(text: str) -> dict[str, str]:
    """Names and values of (a block of) /proc/cpuinfo; the last of each name."""
    return {
        key.strip(): value.strip() for key, value in re.findall(r"^([^:\n]+?)[ \t]*:[ \t]*(.*)$", text, re.MULTILINE)
    }


def _description(fields: dict[str, str]) -> dict[str, Any]:
    implementer, part = _number(fields.get("CPU implementer")), _number(fields.get("CPU part"))
    if implementer is not None and part is not None:
        variant, revision = _number(fields.get("CPU variant")) or 0, _number(fields.get("CPU revision")) or 0
        return _arm(implementer << 24 | variant << 20 | part << 4 | revision)
    if "model name" in fields:
        numbers = (fields.get(name, "?") for name in ("cpu family", "model", "stepping"))
        return {"name": fields["model name"], "model": "/".join(numbers)}
    if "isa" in fields:
        return {"name": fields.get("uarch"), "isa": fields["isa"]}
    return {}


def _arm(midr: int) -> dict[str, Any]:
    implementer, part = midr >> 24 & 0xFF, midr >> 4 & 0xFFF
    return {
        "name": core_name(implementer, part),
        "implementer": f"0x{implementer:02x}",
        "part": f"0x{part:03x}",
        "revision": f"r{midr >> 20 & 0xF}p{midr & 0xF}",
    }


def _number(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"0x[0-9a-fA-F]{1,8}|\d{1,9}", text):
        return None
    return int(text, 0) if text.startswith("0x") else int(text)
