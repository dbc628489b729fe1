"""What a board is, from its kernel and its tools: the fingerprint that goes into the manifest."""

from __future__ import annotations

import re
import shlex
from typing import Any

from lab.boards.state import accelerators, frequency, temperature
from lab.boards.state.cores import core_types, cpuinfo_fields
from lab.boards.state.frequency import CPU, policies
from lab.boards.state.inquiry import Answer, Inquiry, cpu_list, cpu_text
from lab.boards.state.settings import StateSettings
from lab.boards.state.temperature import zones
from lab.boards.state.throttling import WATCH, firmware_bits

_CACHE = f"{CPU}/cpu0/cache"
_CACHE_NAMES = ("level", "type", "size", "coherency_line_size", "ways_of_associativity", "shared_cpu_list")
CACHES = Inquiry(files=("proc/meminfo", *(f"{_CACHE}/index[0-9]*/{name}" for name in _CACHE_NAMES)))
"""What the sizes of caches and memory are read from."""

MODEL = Inquiry(
    files=("sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name"), binary=("proc/device-tree/model",)
)
"""What the board's name is read from."""

_KERNEL = "proc/sys/kernel"
_FILES = (
    *MODEL.files,
    *CACHES.files,
    *frequency.FILES,
    *temperature.ZONES,
    *temperature.TRIPS,
    *accelerators.FILES,
    "proc/cpuinfo",
    "proc/cmdline",
    "proc/loadavg",
    "proc/mounts",
    "proc/self/status",
    "proc/stat",
    "proc/swaps",
    "proc/uptime",
    *(f"{_KERNEL}/{name}" for name in ("ostype", "osrelease", "version", "perf_event_paranoid")),
    *(f"{_KERNEL}/{name}" for name in ("randomize_va_space", "nmi_watchdog")),
    "etc/os-release",
    *(f"{CPU}/{name}" for name in ("online", "present", "isolated", "nohz_full", "smt/control")),
    *(f"{CPU}/{name}" for name in ("cpufreq/boost", "intel_pstate/no_turbo", "intel_pstate/status")),
    f"{CPU}/cpu[0-9]*/regs/identification/midr_el1",
    f"{CPU}/cpu[0-9]*/topology/thread_siblings_list",
    *(f"{CPU}/cpu0/cpuidle/state[0-9]*/{name}" for name in ("name", "latency", "disable")),
    *(f"sys/devices/soc0/{name}" for name in ("machine", "family", "soc_id", "revision")),
    *(f"sys/class/thermal/cooling_device[0-9]*/{name}" for name in ("type", "cur_state", "max_state")),
    *(f"sys/devices/system/clocksource/clocksource0/{name}_clocksource" for name in ("current", "available")),
    "sys/hypervisor/type",
)
_TOOLS = {
    "cc": ("cc", "--version"),
    "make": ("make", "--version"),
    "perf": ("perf", "--version"),
    "valgrind": ("valgrind", "--version"),
    "taskset": ("taskset", "--version"),
    "chrt": ("chrt", "--version"),
    "busybox": ("busybox", "--help"),
}
_KIB = 1024
_BYTES = {"": 1, "K": _KIB, "M": _KIB**2, "G": _KIB**3}


def everything(settings: StateSettings) -> Inquiry:
    """The one question behind the fingerprint and the checks."""
    return Inquiry(
        files=_FILES,
        binary=("proc/device-tree/model", "proc/device-tree/compatible"),
        exists=(".dockerenv", "run/.containerenv", *accelerators.EXISTS, "dev/gpiochip*"),
        named=WATCH.named,
        tools={
            **_TOOLS,
            **WATCH.tools,
            "machine": ("uname", "-m"),
            "virtual": ("systemd-detect-virt", "--vm"),
            "long_bit": ("getconf", "LONG_BIT"),
        },
        found=settings.files,
        folder=settings.workdir,
    )


def fingerprint(answer: Answer) -> dict[str, Any]:
    """Everything that :func:`everything` found, named and with units. What the board does not tell is ``None``."""
    domains = policies(answer)
    cores = core_types(answer)
    online = cpu_list(answer.text(f"{CPU}/online"))
    memory = _meminfo(answer)
    ostype, osrelease = answer.text(f"{_KERNEL}/ostype") or "Linux", answer.text(f"{_KERNEL}/osrelease")
    governors = sorted({policy.governor for policy in domains if policy.governor})
    fastest = sorted({str(policy.maximum_khz) for policy in domains if policy.maximum_khz is not None})
    return {
        "model": model(answer),
        "compatible": answer.fields("proc/device-tree/compatible"),
        "soc": {name: answer.text(f"sys/devices/soc0/{name}") for name in ("machine", "family", "soc_id", "revision")},
        "architecture": answer.tool("machine"),
        "userland_bits": _whole(answer.tool("long_bit")),
        "cpu": cpu_name(answer),
        "cores": cores,
        "cpus": len(online) or _processors(answer),
        "cpus_online": cpu_text(online) or None,
        "cpus_usable": usable_cpus(answer),
        "cpus_isolated": isolated_cpus(answer),
        "kernel": None if osrelease is None else f"{ostype} {osrelease}",
        "kernel_build": answer.text(f"{_KERNEL}/version"),
        "kernel_command_line": answer.text("proc/cmdline"),
        "system": _operating_system(answer),
        "virtualised": virtualised(answer),
        "memory_bytes": memory.get("MemTotal"),
        "memory_available_bytes": memory.get("MemAvailable"),
        "swap_bytes": memory.get("SwapTotal"),
        "caches": cache_table(answer),
        "governors": governors or None,
        "max_frequency_khz": fastest or None,
        "frequencies": [
            {
                "cpus": cpu_text(policy.cpus),
                "driver": policy.driver,
                "governor": policy.governor,
                "governors": list(policy.governors),
                "min_khz": policy.minimum_khz,
                "max_khz": policy.maximum_khz,
                "current_khz": policy.current_khz,
                "slowest_khz": policy.slowest_khz,
                "fastest_khz": policy.fastest_khz,
                "steps_khz": list(policy.steps_khz),
            }
            for policy in domains
        ],
        "boost": boost(answer),
        "idle_states": _idle_states(answer),
        "smt": answer.text(f"{CPU}/smt/control"),
        "thermal_zones": [
            {
                "zone": zone.folder,
                "type": zone.kind,
                "temperature_c": zone.at_c,
                "trips": [{"type": trip.kind, "temperature_c": trip.at_c} for trip in zone.trips],
            }
            for zone in zones(answer)
        ],
        "cooling_devices": _cooling_devices(answer),
        "firmware_throttled": firmware_bits(answer),
        "accelerators": accelerators.accelerators(answer),
        "gpiochips": [f"/{path}" for path in answer.exists("dev/gpiochip")],
        "clock_source": answer.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "perf_event_paranoid": answer.integer(f"{_KERNEL}/perf_event_paranoid"),
        "address_space_randomised": answer.integer(f"{_KERNEL}/randomize_va_space"),
        "uptime_s": _first_number(answer.text("proc/uptime")),
        "load": load(answer),
        "tools": {name: answer.tool(name) for name in _TOOLS},
        "files": {
            path.removeprefix("found/"): answer.found(path.removeprefix("found/"))
            for path in answer.lines
            if path.startswith("found/")
        },
    }


def model(answer: Answer) -> str | None:
    """The board's or computer's name: the device tree's on embedded boards, DMI's on PCs."""
    tree = answer.fields("proc/device-tree/model")
    if tree:
        return " ".join(tree)
    dmi = [answer.text(f"sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    return " ".join(part for part in dmi if part) or None


def cpu_name(answer: Answer) -> str | None:
    """The processor's name; of several kinds of core all, with their numbers where they have no name here."""
    names = [
        core["name"] or (f"implementer {core['implementer']}, part {core['part']}" if "part" in core else None)
        for core in core_types(answer)
    ]
    return " + ".join(dict.fromkeys(name for name in names if name)) or None


def virtualised(answer: Answer) -> str | None:
    """``container``, ``virtual machine`` or ``None``, with its name where it is known."""
    flags = cpuinfo_fields("\n".join(answer.lines.get("proc/cpuinfo", ())))
    hypervisor = "hypervisor" in (flags.get("flags") or flags.get("Features") or "").split()
    name = answer.text("sys/hypervisor/type") or answer.tool("virtual") or "unknown"
    if hypervisor or name not in ("none", "unknown"):
        return f"virtual machine ({name})" if name not in ("none", "unknown") else "virtual machine"
    return "container" if answer.exists(r"\.dockerenv|run/\.containerenv") else None


def cache_table(answer: Answer) -> list[dict[str, Any]]:
    """The caches of CPU 0: level, type, size and line in bytes, ways, and which CPUs share each."""
    rows = []
    for index in answer.below(rf"{_CACHE}/(index\d+)/"):
        path = f"{_CACHE}/{index}"
        size = re.fullmatch(r"(\d{1,12})([KMG]?)", answer.text(f"{path}/size") or "")
        rows.append(
            {
                "level": answer.integer(f"{path}/level"),
                "type": (answer.text(f"{path}/type") or "").lower() or None,
                "size_bytes": int(size[1]) * _BYTES[size[2]] if size else None,
                "line_bytes": answer.integer(f"{path}/coherency_line_size"),
                "ways": answer.integer(f"{path}/ways_of_associativity"),
                "shared_by": answer.text(f"{path}/shared_cpu_list"),
            }
        )
    return rows


def cache_sizes(answer: Answer) -> dict[str, int]:
    """``l1d``, ``l2`` and ``ram`` in bytes, as far as the machine tells."""
    sizes = {}
    for row in cache_table(answer):
        if row["level"] == 1 and row["type"] in ("data", "unified") and row["size_bytes"]:
            sizes["l1d"] = row["size_bytes"]
        elif row["level"] == 2 and row["size_bytes"]:
            sizes["l2"] = row["size_bytes"]
    memory = _meminfo(answer).get("MemTotal")
    return {**sizes, **({"ram": memory} if memory else {})}


def usable_cpus(answer: Answer) -> list[int]:
    """The CPUs that a program started here may use."""
    return cpu_list(cpuinfo_fields("\n".join(answer.lines.get("proc/self/status", ()))).get("Cpus_allowed_list"))


def isolated_cpus(answer: Answer) -> list[int]:
    """The CPUs that the kernel keeps free of programs that do not ask for them."""
    return cpu_list(answer.text(f"{CPU}/isolated"))


def boost(answer: Answer) -> bool | None:
    """May the processor run above its nominal clock; ``None`` if it knows no such thing."""
    no_turbo = answer.integer(f"{CPU}/intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == 0
    on = answer.integer(f"{CPU}/cpufreq/boost")
    return None if on is None else on == 1


def load(answer: Answer) -> list[float]:
    """Mean number of running programs over 1, 5 and 15 minutes; empty if the kernel does not say."""
    words = answer.words("proc/loadavg")[:3]
    return [float(word) for word in words if re.fullmatch(r"\d{1,6}\.\d+", word)]


def _meminfo(answer: Answer) -> dict[str, int]:
    found = (re.fullmatch(r"(\w+):\s+(\d{1,15}) kB", line.strip()) for line in answer.lines.get("proc/meminfo", ()))
    return {match[1]: int(match[2]) * _KIB for match in found if match}


def _processors(answer: Answer) -> int | None:
    count = sum(re.match(r"processor\s*:", line) is not None for line in answer.lines.get("proc/cpuinfo", ()))
    return count or None


def _idle_states(answer: Answer) -> list[dict[str, Any]]:
    folder = f"{CPU}/cpu0/cpuidle"
    return [
        {
            "name": answer.text(f"{folder}/{state}/name"),
            "latency_us": answer.integer(f"{folder}/{state}/latency"),
            "disabled": answer.text(f"{folder}/{state}/disable") == "1",
        }
        for state in answer.below(rf"{folder}/(state\d+)/")
    ]


def _cooling_devices(answer: Answer) -> list[dict[str, Any]]:
    folder = "sys/class/thermal"
    return [
        {
            "type": answer.text(f"{folder}/{name}/type"),
            "state": answer.integer(f"{folder}/{name}/cur_state"),
            "states": answer.integer(f"{folder}/{name}/max_state"),
        }
        for name in answer.below(rf"{folder}/(cooling_device\d+)/")
    ]


def _operating_system(answer: Answer) -> str | None:
    for line in answer.lines.get("etc/os-release", ()):
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            try:
                return " ".join(shlex.split(value)) or None
            except ValueError:
                return value
    return None


def _first_number(text: str | None) -> float | None:
    word = (text or "").split(" ")[0]
    return float(word) if re.fullmatch(r"\d{1,12}(?:\.\d{1,6})?", word) else None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{1,4}", text) else None
