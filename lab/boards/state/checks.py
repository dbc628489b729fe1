"""What about a board's state would disturb a measurement, and the line that changes it.

Each finding is a :class:`instruments.protocol.Probe`: ``present`` is false only for what the bench file asks for and
the board has not; ``advice`` beside ``present`` is something to consider; no advice means that all is well.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from instruments.protocol import Probe
from lab.boards.state import accelerators
from lab.boards.state.cores import core_types, cpuinfo_fields
from lab.boards.state.fingerprint import boost, cpu_name, isolated_cpus, load, model, usable_cpus, virtualised
from lab.boards.state.frequency import CPU, Policy, command_line, of_cpus, policies
from lab.boards.state.inquiry import Answer, cpu_list, cpu_text
from lab.boards.state.settings import StateSettings
from lab.boards.state.temperature import hottest, watched, zones
from lab.boards.state.throttling import firmware_bits, firmware_says

Named = tuple[str, Probe]

_NEAR_TRIP_K = 10.0
_BUSY_CPUS = 0.2
"""More than a fifth of one CPU's time spent on others is work that a measurement feels."""
_LITTLE_SPACE_BYTES = 64 * 1024 * 1024
_SLOW_CLOCKS = ("jiffies", "refined-jiffies", "hpet", "acpi_pm", "pit")
_OVER_THE_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph")
_MIB = 1024 * 1024
_LONGEST = 380


def findings(answer: Answer, settings: StateSettings, busy_cpus: float | None = None) -> list[Named]:
    """Everything worth saying about what :func:`lab.boards.state.fingerprint.everything` found.

    ``busy_cpus`` is how many CPUs were busy with other work just now, as far as it is known.
    """
    return [
        *_board(answer),
        *_frequency(answer, settings),
        *_temperature(answer, settings),
        *_cpus(answer, settings),
        *_other_work(answer, busy_cpus),
        *_perf(answer),
        *_randomisation(answer),
        *_clock_source(answer),
        *_folder(answer, settings),
        *_tools(answer, settings),
        *_npu(answer, settings),
    ]


def _well(name: str, detail: str) -> Named:
    return name, Probe(True, _cut(detail))


def _consider(name: str, detail: str, advice: str) -> Named:
    return name, Probe(True, _cut(detail), _cut(advice))


def _missing(name: str, detail: str, advice: str) -> Named:
    return name, Probe(False, _cut(detail), _cut(advice))


def _cut(text: str) -> str:
    """A board that is called a whole page fills a line here, not the screen."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _board(answer: Answer) -> Iterator[Named]:
    parts = [model(answer), cpu_name(answer), answer.text("proc/sys/kernel/osrelease")]
    described = ", ".join(part for part in parts if part) or "says nothing of itself"
    where = virtualised(answer)
    if where and where.startswith("virtual"):
        advice = "times and counts of a virtual machine contain its host's other work; measure on the machine itself"
        yield _consider("machine", f"{described}, {where}", advice)
    else:
        yield _well("machine", described)


def _frequency(answer: Answer, settings: StateSettings) -> Iterator[Named]:
    every = policies(answer)
    groups = _alike(of_cpus(every, settings.cpus))
    if not groups:
        asked = settings.governor is not None or settings.frequency_hz is not None
        detail = "the kernel has no cpufreq: the clock is what the board makes of it"
        advice = "leave state.governor and state.frequency out of the bench file" if asked else ""
        yield "governor", Probe(not asked, detail, advice)
    for group in groups:
        # All clocks of a board in one pattern: a server has a hundred.
        folders = [f"{CPU}/cpu*/cpufreq"] if len(group) == len(every) > 1 else [policy.folder for policy in group]
        yield _governor(group, folders, settings)
        yield _limits(group, folders, settings)
    turbo = boost(answer)
    if turbo:
        where = "intel_pstate/no_turbo" if f"{CPU}/intel_pstate/no_turbo" in answer.lines else "cpufreq/boost"
        value = "1" if where.endswith("no_turbo") else "0"
        advice = f"run on the board: {command_line([(f'{CPU}/{where}', value)])}"
        yield _consider("boost", "on: the clock depends on temperature and on what the other CPUs do", advice)
    elif turbo is not None:
        yield _well("boost", "off")


def _alike(domains: list[Policy]) -> list[list[Policy]]:
    """Clocks that are set the same way, together."""
    groups: dict[tuple[object, ...], list[Policy]] = {}
    for policy in domains:
        same = (policy.governor, policy.governors, policy.minimum_khz, policy.maximum_khz, policy.fastest_khz)
        groups.setdefault(same, []).append(policy)
    return list(groups.values())


def _governor(group: list[Policy], folders: list[str], settings: StateSettings) -> Named:
    policy, found = group[0], group[0].governor
    clocks = sorted({item.current_khz for item in group if item.current_khz is not None})
    now = f" at {' to '.join(_mhz(khz) for khz in dict.fromkeys((clocks[0], clocks[-1])))}" if clocks else ""
    name, detail = f"governor CPU {_cpus_of(group)}", f"{found}{now}"
    if settings.governor is not None:
        if found == settings.governor:
            return _well(name, detail)
        advice = f"run on the board: {_setting(folders, 'scaling_governor', settings.governor)}"
        return _missing(name, f"{detail}, not {settings.governor}", advice)
    if found == "performance" or (policy.minimum_khz is not None and policy.minimum_khz == policy.maximum_khz):
        return _well(name, detail)
    better = "performance" if "performance" in policy.governors or not policy.governors else policy.governors[0]
    line = _setting(folders, "scaling_governor", better)
    advice = f"in the bench file: board: {{state: {{governor: {better}}}}}; or run on the board: {line}"
    return _consider(name, f"{detail}: the clock changes while the lab measures", advice)


def _limits(group: list[Policy], folders: list[str], settings: StateSettings) -> Named:
    policy, name = group[0], f"frequency CPU {_cpus_of(group)}"
    least, most, fastest = policy.minimum_khz, policy.maximum_khz, policy.fastest_khz
    if settings.frequency_hz is not None:
        khz = round(settings.frequency_hz / 1000)
        if least == most == khz:
            return _well(name, f"pinned at {_mhz(khz)}")
        lines = (_setting(folders, f"scaling_{end}_freq", str(khz)) for end in ("max", "min"))
        detail = f"{_mhz(least)} to {_mhz(most)}, not pinned at {_mhz(khz)}"
        return _missing(name, detail, f"run on the board: {' && '.join(lines)}")
    if most is not None and fastest is not None and most < fastest:
        detail = f"held to {_mhz(most)} of {_mhz(fastest)}, by somebody or because it is hot"
        return _consider(name, detail, f"run on the board: {_setting(folders, 'scaling_max_freq', str(fastest))}")
    return _well(name, f"{_mhz(least)} to {_mhz(most)}")


def _cpus_of(group: list[Policy]) -> str:
    return cpu_text(cpu for policy in group for cpu in policy.cpus)


def _setting(folders: list[str], file: str, value: str) -> str:
    return command_line((f"{folder}/{file}", value) for folder in folders)


def _mhz(khz: int | None) -> str:
    return "?" if khz is None else f"{khz / 1000:g} MHz"


def _temperature(answer: Answer, settings: StateSettings) -> Iterator[Named]:
    found = zones(answer)
    gate = settings.temperature
    if not found:
        detail = "the kernel has no thermal zone"
        advice = "leave state.temperature out of the bench file" if gate else ""
        yield "temperature", Probe(gate is None, detail, advice)
    for zone in found:
        if zone.at_c is None:
            continue
        slows = zone.slows_at_c
        if slows is not None and zone.at_c > slows - _NEAR_TRIP_K:
            advice = "cool the board (heat sink, fan), or let it rest: board: {state: {temperature: {below: "
            advice += f"{slows - 2 * _NEAR_TRIP_K:.0f} °C}}}}}}"
            yield _consider("temperature", f"{zone}; the kernel slows the board down at {slows:g} °C", advice)
        else:
            yield _well("temperature", f"{zone}" + ("" if slows is None else f"; slowed down at {slows:g} °C"))
    if gate is not None and found:
        warmest = hottest(watched(found, gate.zone))
        if warmest is None:
            there = ", ".join(dict.fromkeys(item.kind for item in found))
            detail = f"no thermal zone {gate.zone!r} to wait for" if gate.zone else "no thermal zone can be read"
            yield _missing("temperature gate", detail, f"state.temperature.zone is one of: {there}")
        elif warmest.at_c is not None and warmest.at_c >= gate.below_c:
            advice = "trials wait for it; with state.temperature.timeout they wait longer or shorter"
            yield _consider("temperature gate", f"{warmest}, and trials begin below {gate.below_c:g} °C", advice)
    bits = firmware_bits(answer)
    if bits:
        advice = "cool the board and feed it from a supply that holds 5 V; `sudo reboot` clears what was before"
        yield _consider("firmware", ", ".join(firmware_says(bits)) or f"get_throttled={bits:#x}", advice)


def _cpus(answer: Answer, settings: StateSettings) -> Iterator[Named]:
    online, usable = cpu_list(answer.text(f"{CPU}/online")), usable_cpus(answer)
    isolated = isolated_cpus(answer)
    there = online or usable
    asked = settings.cpus
    if asked is None:
        if len(there) > 1:
            pick = isolated or there[-1:]
            advice = (
                f"for programs of one thread, in the bench file: board: {{affinity: [{', '.join(map(str, pick))}]}}"
            )
            detail = f"none asked for: the kernel moves programs among CPU {cpu_text(there)}"
            yield _consider("affinity", detail, advice)
    elif online and not set(asked) <= set(online):
        absent = sorted(set(asked) - set(online))
        detail = f"no CPU {cpu_text(absent)} is on"
        writes = [(f"{CPU}/cpu{cpu}/online", "1") for cpu in absent]
        advice = f"set the bench's affinity to some of {cpu_text(online)}; or run on the board: {command_line(writes)}"
        yield _missing("affinity", detail, advice)
    else:
        yield _well("affinity", f"programs on CPU {cpu_text(asked)} of {cpu_text(there)}")
    idle = sorted(set(isolated) - set(asked or ()))
    if idle:
        listed = ", ".join(map(str, isolated))
        advice = f"in the bench file: board: {{affinity: [{listed}]}}; or take isolcpus from the kernel's command line"
        yield _consider("isolated CPUs", f"CPU {cpu_text(idle)}, which no program of the lab will use", advice)
    yield from _mixed_cores(answer, asked)
    yield from _siblings(answer, asked)


def _mixed_cores(answer: Answer, asked: tuple[int, ...] | None) -> Iterator[Named]:
    kinds = [kind for kind in core_types(answer) if asked is None or set(asked) & set(cpu_list(kind["cpus"]))]
    if len(kinds) > 1:
        named = ", ".join(f"{kind.get('name') or '?'} (CPU {kind['cpus']})" for kind in kinds)
        first = ", ".join(map(str, cpu_list(kinds[0]["cpus"])))
        advice = f"keep to one kind, in the bench file: board: {{affinity: [{first}]}}"
        yield _consider("cores", f"programs may move between {named}", advice)


def _siblings(answer: Answer, asked: tuple[int, ...] | None) -> Iterator[Named]:
    if asked is None or answer.text(f"{CPU}/smt/control") != "on":
        return
    shared = set()
    for cpu in asked:
        shared |= set(cpu_list(answer.text(f"{CPU}/cpu{cpu}/topology/thread_siblings_list"))) - {cpu}
    if shared - set(asked):
        advice = f"run on the board: {command_line([(f'{CPU}/smt/control', 'off')])}"
        yield _consider("SMT", f"CPU {cpu_text(shared)} shares its core with the programs'", advice)


def _other_work(answer: Answer, busy_cpus: float | None) -> Iterator[Named]:
    mean = load(answer)
    if busy_cpus is not None:
        detail = f"other programs take {busy_cpus:.2f} CPUs" + (f", load {mean[0]:.2f}" if mean else "")
        if busy_cpus > _BUSY_CPUS:
            advice = "see which on the board, and stop them: top -b -n 1 | head -n 15"
            yield _consider("other work", detail, advice)
        else:
            yield _well("other work", detail)
    swaps = answer.lines.get("proc/swaps", ())[1:]
    used = sum(int(row[3]) for row in (line.split() for line in swaps) if len(row) == 5 and row[3].isdigit())
    if used:
        advice = "run on the board: sudo swapoff -a"
        yield _consider("swap", f"{used / 1024:.1f} MiB of memory are out on {len(swaps)} swap area(s)", advice)
    else:
        yield _well("swap", "not in use" if swaps else "none")


def _perf(answer: Answer) -> Iterator[Named]:
    paranoid = answer.integer("proc/sys/kernel/perf_event_paranoid")
    status = cpuinfo_fields("\n".join(answer.lines.get("proc/self/status", ())))
    root = (status.get("Uid") or "").split()[1:2] == ["0"]
    if paranoid is None:
        advice = "the board's kernel needs CONFIG_PERF_EVENTS"
        yield _consider("perf events", "the kernel counts none", advice)
    elif paranoid > 1 and not root:
        what = "nothing" if paranoid > 2 else "no event of the kernel's own work"
        detail = f"perf_event_paranoid is {paranoid}: {what} is counted for this user"
        yield _consider("perf events", detail, "run on the board: sudo sysctl -w kernel.perf_event_paranoid=1")
    else:
        yield _well("perf events", f"perf_event_paranoid is {paranoid}" + (", and this user is root" if root else ""))
    if answer.integer("proc/sys/kernel/nmi_watchdog") == 1:
        advice = "run on the board: sudo sysctl -w kernel.nmi_watchdog=0"
        yield _consider("NMI watchdog", "on: it keeps one counter of the PMU to itself", advice)


def _randomisation(answer: Answer) -> Iterator[Named]:
    random = answer.integer("proc/sys/kernel/randomize_va_space")
    if random is not None:
        detail = "on: addresses, and with them cache conflicts, differ from run to run; repeats average over them"
        yield _well("ASLR", detail if random else "off: every run has the same addresses, lucky or not")


def _clock_source(answer: Answer) -> Iterator[Named]:
    path = "sys/devices/system/clocksource/clocksource0"
    now = answer.text(f"{path}/current_clocksource")
    better = [name for name in answer.words(f"{path}/available_clocksource") if name not in _SLOW_CLOCKS]
    if now in _SLOW_CLOCKS:
        line = command_line([(f"{path}/current_clocksource", better[0])]) if better else ""
        advice = f"run on the board: {line}" if line else "the board has no better one"
        yield _consider("clock source", f"{now}: reading it is slow, or it counts in coarse steps", advice)
    elif now is not None:
        yield _well("clock source", now)


def _folder(answer: Answer, settings: StateSettings) -> Iterator[Named]:
    if settings.workdir is None or "folder" not in answer.lines:
        return
    words = answer.lines["folder"][0].split()
    if len(words) < 6 or not words[3].isdigit():
        return
    device, free, mounted = words[0], int(words[3]) * 1024, " ".join(words[5:])
    kind, options = _mounted(answer, mounted)
    detail = f"{settings.workdir} on {kind or device}, {free / _MIB:.0f} MiB free"
    if "writable" not in answer.lines:
        yield _missing("folder", f"{detail}, not writable", "name another: board.workdir")
    elif "noexec" in options:
        advice = f"run on the board: sudo mount -o remount,exec {shlex.quote(mounted)}; or name another board.workdir"
        yield _missing("folder", f"{detail}, mounted noexec: no program starts there", advice)
    elif free < _LITTLE_SPACE_BYTES:
        yield _consider("folder", detail, "make room there, or name another: board.workdir")
    elif kind in _OVER_THE_NETWORK:
        yield _consider("folder", f"{detail}, over the network", "name a folder on the board itself: board.workdir")
    else:
        yield _well("folder", detail + (" (in memory)" if kind in ("tmpfs", "ramfs", "rootfs") else ""))


def _mounted(answer: Answer, where: str) -> tuple[str | None, list[str]]:
    """Type and options of what is mounted there; the last of several, which covers the others."""
    rows = (line.split() for line in answer.lines.get("proc/mounts", ()))
    found = [row for row in rows if len(row) >= 4 and row[1] == where]
    return (found[-1][2], found[-1][3].split(",")) if found else (None, [])


_WANTED = {
    "perf": ("counts events", "install it on the board (Debian: apt install linux-perf), or let the lab's agent count"),
    "taskset": ("holds programs to CPUs", "install it on the board (Debian: apt install util-linux)"),
}
"""Tools worth having on a board: what each does, and where it comes from."""


def _tools(answer: Answer, settings: StateSettings) -> Iterator[Named]:
    for name, (purpose, advice) in _WANTED.items():
        said = answer.tool(name)
        yield _well(name, said) if said else _consider(name, f"not found; {purpose}", advice)
    for name, path in settings.files.items():
        found = answer.found(name)
        if found is None:
            advice = f"put it on the board, or set board.tflite.{name} to where it lies there"
            yield _missing(name, f"{path} is not on the board", advice)
        elif name == "benchmark_model" and found.get("executable") != "yes":
            advice = f"run on the board: chmod +x {shlex.quote(found.get('path', path))}"
            yield _missing(name, f"{found.get('path', path)} is not executable", advice)
        else:
            digest = re.sub(r"\s.*", "", found.get("sha256") or found.get("cksum") or "?")
            yield _well(name, f"{found.get('path', path)}, {found.get('bytes', '?')} bytes, {digest[:12]}")


def _npu(answer: Answer, settings: StateSettings) -> Iterator[Named]:
    found = [driver for driver in accelerators.accelerators(answer) if driver["npu"]]
    for driver in found:
        version = f" {driver['version']}" if driver["version"] else ""
        nodes = ", ".join(driver["nodes"]) or "no node in /dev"
        detail = f"{driver['driver']}{version} ({driver['drives']}), {nodes}"
        if settings.npu and not driver["nodes"]:
            yield _missing("NPU", detail, accelerators.npu_advice(answer.fields("proc/device-tree/compatible")))
        else:
            yield _well("NPU", detail)
    if settings.npu and not found:
        advice = accelerators.npu_advice(answer.fields("proc/device-tree/compatible"))
        yield _missing("NPU", "the bench says how to use one, and no driver of one is loaded", advice)
