"""Looking whether what a campaign needs is here: interpreter, libraries, tools, and a bench's board and instruments.

Everything is found out by trying it, never by looking for a name.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for. ``group`` is ``host``, ``tool`` or ``bench``."""

    group: str
    name: str
    present: bool
    detail: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)

    def line(self) -> str:
        """For people: a tick or a cross, the name, what was found."""
        return f"  {'✓' if self.present else '✗'}  {self.group:<6} {self.name:<18} {self.detail}"


@dataclass(frozen=True, slots=True)
class _Tool:
    """A program that some part of the lab starts: how to ask for its version, what it is for, where it comes from."""

    command: tuple[str, ...]
    purpose: str
    advice: str


_TOOLS = (
    _Tool(("cc", "--version"), "builds the C workloads", "apt install gcc"),
    _Tool(("make", "--version"), "builds the C workloads", "apt install make"),
    _Tool(("perf", "--version"), "counts events of programs on this host", "apt install linux-perf"),
    _Tool(("valgrind", "--version"), "emulates a target's caches", "apt install valgrind"),
    _Tool(("ssh", "-V"), "reaches boards", "apt install openssh-client"),
)


def host_findings() -> list[Finding]:
    """This machine: interpreter, the Joulescope stack and devices, the meters built in, tools."""
    return [_python(), *_joulescope_stack(), *_built_in_meters(), *(_tool(tool) for tool in _TOOLS)]


def bench_findings(path: Path) -> list[Finding]:
    """A bench's board and instruments, each really asked. Raises :class:`lab.errors.UsageError` for a bad file."""
    from lab.bench.assemble import assemble_bench
    from lab.experiment.load import load_bench

    bench = load_bench(path)
    try:
        assembled = assemble_bench(bench, path, campaign_seed=0)
    except LabError as error:
        return [Finding("bench", bench.bench, False, error.message, error.advice or "")]
    findings = [_probed(f"{bench.board.kind} board", assembled.board.probe())]
    findings += [
        _probed(f"{name} ({bench.instruments[name].kind})", item.probe())
        for name, item in assembled.instruments.items()
    ]
    return findings


def _probed(name: str, probe: Probe) -> Finding:
    return Finding("bench", name, probe.present, probe.detail, probe.advice)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    recommended = sys.version_info >= (3, 12)
    detail = (
        found if recommended else f"{found}: works, with the last Joulescope driver for 3.11; 3.12 or newer is better"
    )
    return Finding("host", "python", True, detail)


def _joulescope_stack() -> list[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    findings = []
    for name in ("pyjoulescope_driver", "pyjls", "joulescope"):
        try:
            findings.append(Finding("host", name, True, version(name)))
        except PackageNotFoundError:
            findings.append(Finding("host", name, False, "not installed", f"pip install {name}"))
    if all(finding.present for finding in findings):
        findings.append(_joulescope_devices())
    return findings


def _joulescope_devices() -> Finding:
    """Ask the driver, in a process of its own: a USB stack that misbehaves must not take the doctor down."""
    code = "from pyjoulescope_driver import Driver\nwith Driver() as d: print(*d.device_paths())"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return Finding("host", "Joulescopes", False, "the driver does not answer", "unplug and plug the meter again")
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["the driver failed"]
        return Finding("host", "Joulescopes", False, reason[0], "is libusb allowed to open devices here?")
    devices = done.stdout.split()
    detail = ", ".join(devices) if devices else "none connected"
    advice = "connect one by USB, or use a simulated or replayed bench"
    return Finding("host", "Joulescopes", bool(devices), detail, advice)


def _built_in_meters() -> list[Finding]:
    """The meters that this machine has in itself, each really read."""
    from instruments.hwmon import SensorName, hwmon_meter
    from instruments.hwmon_sensors import NO_SENSOR_ADVICE, sensors
    from instruments.nvml.devices import connected
    from instruments.nvml.instrument import nvml_meter
    from instruments.nvml.library import DRIVER_ADVICE, vendor_library
    from instruments.rapl.counters import Domain, domains_listed
    from instruments.rapl.source import rapl_meter

    findings = []
    try:
        gpus = [nvml_meter("gpu", str(index)).probe() for index in range(len(connected(vendor_library())))]
        findings += _found("GPU power", gpus or [Probe(False, "no NVIDIA GPU", DRIVER_ADVICE)])
    except LabError as error:
        findings.append(Finding("host", "GPU power", False, error.message, error.advice or ""))
    domains = domains_listed() or [Domain("package", 0)]
    findings += _found("RAPL", [rapl_meter("cpu", domain).probe() for domain in domains])
    names = [SensorName(item.chip, item.address or None, item.label or None, item.channel) for item in sensors()]
    rails = [hwmon_meter("rail", name).probe() for name in names]
    return findings + _found("hwmon power", rails or [Probe(False, "no power sensor", NO_SENSOR_ADVICE)])


def _found(name: str, probes: list[Probe]) -> list[Finding]:
    return [Finding("host", name, probe.present, probe.detail, probe.advice) for probe in probes]


def _tool(tool: _Tool) -> Finding:
    name = tool.command[0]
    advice = f"{tool.advice} ({tool.purpose})"
    if shutil.which(name) is None:
        return Finding("tool", name, False, "not found", advice)
    try:
        done = subprocess.run(list(tool.command), capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("tool", name, False, f"does not start ({error})", advice)
    said = (done.stdout or done.stderr).strip().splitlines()
    return Finding("tool", name, done.returncode == 0, said[0] if said else "no version said", advice)
