"""Looking whether what a campaign needs is here: interpreter, libraries, tools, and a bench's board and instruments.

Everything is found out by trying it, never by looking for a name.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instruments.protocol import Probe
from lab.boards.protocol import Board, ChecksItself
from lab.errors import HardwareError, LabError

if TYPE_CHECKING:
    from lab.bench.assemble import AssembledBench
    from lab.bench.model import Bench


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
        """For people: a mark, the name, what was found."""
        return f"  {self.mark}  {self.group:<6} {self.name:<18} {self.detail}"

    @property
    def mark(self) -> str:
        """A tick; a cross for what is missing; ``!`` for what is there and worth a thought (it has advice)."""
        if not self.present:
            return "✗"
        return "!" if self.advice else "✓"


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
    """A bench's boards opened as for a campaign and looked at, its instruments really asked, all closed again.

    A board that cannot be brought into the state that the bench file asks for is opened without that, so that all
    there is to say is said at once. Raises :class:`lab.errors.UsageError` for a bad file.
    """
    from lab.bench.assemble import assemble_bench
    from lab.experiment.load import load_bench

    bench = load_bench(path)
    try:
        findings, refused = _tried(bench, assemble_bench(bench, path, campaign_seed=0))
        if refused and (lenient := _asking_nothing(bench)) is not None:
            further, _ = _tried(lenient, assemble_bench(lenient, path, campaign_seed=0))
            return list(dict.fromkeys([*findings, *further]))
    except HardwareError as error:
        return [Finding("bench", bench.bench, False, error.message, error.advice or "")]
    return findings


def _asking_nothing(bench: Bench) -> Bench | None:
    """The bench with a board that is taken as it is, ``None`` if that is what the file says anyway."""
    state = getattr(bench.board, "state", None)
    if state is None or state == type(state)():
        return None
    return bench.model_copy(update={"board": bench.board.model_copy(update={"state": type(state)()})})


def _tried(bench: Bench, assembled: AssembledBench) -> tuple[list[Finding], bool]:
    """What boards and instruments say, and whether a board that is there did not open."""
    boards = {f"{bench.board.kind} board": assembled.board}
    boards |= {f"{name}'s board": board for name, board in assembled.elsewhere.items()}
    findings: list[Finding] = []
    begun: list[tuple[str, Board]] = []
    try:
        for name, board in boards.items():
            findings.append(_probed(name, board.probe()))
            if findings[-1].present:
                begun.append((name, board))
                said = _opened(name, board)
                if said is not None:
                    return [*findings, said], True
                findings += _checked(board, f"checks of {name}")
        for name, item in assembled.instruments.items():
            findings.append(_probed(f"{name} ({bench.instruments[name].kind})", item.probe()))
            if findings[-1].present:
                findings += _checked(item, f"checks of {name}", f"{name}: ")
    finally:
        # What was changed on a board is set back even if somebody interrupts this.
        for name, board in reversed(begun):
            findings += _closed(name, board)
    return findings, False


def _opened(name: str, board: Board) -> Finding | None:
    try:
        board.open()
    except HardwareError as error:
        return Finding("bench", f"open {name}", False, error.message, error.advice or "")
    return None


def _checked(item: object, name: str, prefix: str = "") -> list[Finding]:
    if not isinstance(item, ChecksItself):
        return []
    try:
        return [_probed(f"{prefix}{what}", found) for what, found in item.checks()]
    except HardwareError as error:
        return [Finding("bench", name, False, error.message, error.advice or "")]


def _closed(name: str, board: Board) -> list[Finding]:
    try:
        board.close()
    except HardwareError as error:
        return [Finding("bench", f"close {name}", False, error.message, error.advice or "")]
    return []


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
    advice = "" if devices else "connect one by USB, or use a simulated or replayed bench"
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
    works = done.returncode == 0
    return Finding("tool", name, works, said[0] if said else "no version said", "" if works else advice)
