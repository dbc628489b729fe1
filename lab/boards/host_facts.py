"""What this machine is, read from the kernel and from the tools themselves: the fingerprint of the local board."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

_CPU = Path("/sys/devices/system/cpu")
_TOOLS: dict[str, tuple[str, ...]] = {
    "cc": ("cc", "--version"),
    "make": ("make", "--version"),
    "perf": ("perf", "--version"),
    "valgrind": ("valgrind", "--version"),
}
_TOOL_TIMEOUT_S = 10.0
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def fingerprint() -> dict[str, Any]:
    """Model, CPU, kernel, caches, governors, memory, virtualisation, perf permission and tool versions.

    What the machine does not tell is ``None``: an absent governor is a fact too.
    """
    cpuinfo = _read(Path("/proc/cpuinfo")) or ""
    return {
        "model": model(),
        "architecture": platform.machine(),
        "cpu": cpu_name(cpuinfo),
        "cpus": os.cpu_count(),
        "cpus_usable": sorted(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {platform.release()}",
        "kernel_build": platform.version(),
        "system": _operating_system(),
        "virtualised": virtualised(cpuinfo),
        "memory_bytes": memory_bytes(),
        "caches": cache_table(),
        "governors": _per_cpu("cpufreq/scaling_governor"),
        "max_frequency_khz": _per_cpu("cpufreq/scaling_max_freq"),
        "smt": _read(_CPU / "smt/control"),
        "perf_event_paranoid": _integer(_read(Path("/proc/sys/kernel/perf_event_paranoid"))),
        "address_space_randomised": _integer(_read(Path("/proc/sys/kernel/randomize_va_space"))),
        "tools": tool_versions(),
    }


def model() -> str | None:
    """The board's or computer's name: the device tree's on embedded boards, DMI's on PCs."""
    tree = _read(Path("/proc/device-tree/model"))
    if tree:
        return tree.rstrip("\0")
    dmi = Path("/sys/class/dmi/id")
    parts = [part for part in (_read(dmi / "sys_vendor"), _read(dmi / "product_name")) if part]
    return " ".join(parts) or None


def cpu_name(cpuinfo: str) -> str | None:
    """The processor's name from /proc/cpuinfo; on Arm, which gives none, its implementer and part numbers."""
    fields = dict(re.findall(r"^([^\t:]+?)\s*:\s*(.+)$", cpuinfo, re.MULTILINE))
    if "model name" in fields:
        return str(fields["model name"])
    if "CPU part" in fields:
        return f"implementer {fields.get('CPU implementer', '?')}, part {fields['CPU part']}"
    return None


def virtualised(cpuinfo: str) -> str | None:
    """``container``, ``virtual machine`` or ``None``, with its name where it is known."""
    hypervisor = re.search(r"^(?:flags|Features)\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE) is not None
    name = _read(Path("/sys/hypervisor/type")) or _output(("systemd-detect-virt", "--vm")) or "unknown"
    if hypervisor or name not in ("none", "unknown"):
        return f"virtual machine ({name})" if name not in ("none", "unknown") else "virtual machine"
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "container"
    return None


def memory_bytes() -> int | None:
    """Installed memory that the kernel manages."""
    found = re.search(r"^MemTotal:\s*(\d+) kB$", _read(Path("/proc/meminfo")) or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def cache_table(cpu: Path = _CPU / "cpu0") -> list[dict[str, Any]]:
    """The caches of CPU 0: level, type, size and line in bytes, ways, and how many CPUs share each."""
    rows = []
    for index in sorted((cpu / "cache").glob("index*")):
        size = re.fullmatch(r"(\d+)([KMG]?)", _read(index / "size") or "")
        rows.append(
            {
                "level": _integer(_read(index / "level")),
                "type": (_read(index / "type") or "").lower() or None,
                "size_bytes": int(size[1]) * _BYTES[size[2]] if size else None,
                "line_bytes": _integer(_read(index / "coherency_line_size")),
                "ways": _integer(_read(index / "ways_of_associativity")),
                "shared_by": _read(index / "shared_cpu_list"),
            }
        )
    return rows


def cache_sizes() -> dict[str, int]:
    """``l1d``, ``l2`` and ``ram`` in bytes, as far as the machine tells."""
    sizes = {}
    for row in cache_table():
        if row["level"] == 1 and row["type"] in ("data", "unified") and row["size_bytes"]:
            sizes["l1d"] = row["size_bytes"]
        elif row["level"] == 2 and row["size_bytes"]:
            sizes["l2"] = row["size_bytes"]
    memory = memory_bytes()
    return {**sizes, **({"ram": memory} if memory else {})}


def tool_versions() -> dict[str, str | None]:
    """The first line that each tool says of itself; ``None`` where it is not installed."""
    return {name: _output(command) for name, command in _TOOLS.items()}


def _per_cpu(relative: str) -> list[str] | None:
    values = {text for cpu in _CPU.glob("cpu[0-9]*") if (text := _read(cpu / relative))}
    return sorted(values) or None


def _operating_system() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def _output(command: tuple[str, ...]) -> str | None:
    """The first line a command prints, whatever its exit status; ``None`` if it is not there or says nothing."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TOOL_TIMEOUT_S,
            check=False,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next((line.strip() for line in done.stdout.splitlines() if line.strip()), None)
