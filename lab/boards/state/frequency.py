"""The clock of a board's CPUs: what its cpufreq says, and holding it to a governor or frequency for a while."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from instruments.commands import RunCommand
from lab.boards.state.inquiry import Answer, Inquiry, cpu_list, cpu_text, integer, run_script
from lab.boards.state.settings import StateSettings
from lab.errors import HardwareError

CPU = "sys/devices/system/cpu"
_NAMES = (
    "affected_cpus",
    "scaling_driver",
    "scaling_governor",
    "scaling_available_governors",
    "scaling_available_frequencies",
    "scaling_min_freq",
    "scaling_max_freq",
    "scaling_cur_freq",
    "cpuinfo_min_freq",
    "cpuinfo_max_freq",
)
FILES = tuple(f"{CPU}/cpu[0-9]*/cpufreq/{name}" for name in _NAMES)

_TRIES = 3
"""How often what was changed is written back before it is called impossible."""


@dataclass(frozen=True, slots=True)
class Policy:
    """CPUs that share one clock, and what steers it. Frequencies are in kHz, as the kernel's are; ``None`` where it
    says nothing. ``folder`` is where it is set (the first of the CPUs)."""

    cpus: tuple[int, ...]
    folder: str
    driver: str | None
    governor: str | None
    governors: tuple[str, ...]
    minimum_khz: int | None
    maximum_khz: int | None
    current_khz: int | None
    slowest_khz: int | None
    fastest_khz: int | None
    steps_khz: tuple[int, ...]

    @property
    def held_khz(self) -> int | None:
        """The one frequency that the policy should have, whatever is asked of it; ``None`` if it may vary."""
        if self.minimum_khz is not None and self.minimum_khz == self.maximum_khz:
            return self.maximum_khz
        # With intel_pstate and its like, "performance" is a preference and not a frequency.
        if self.driver is None or self.driver.startswith(("intel_", "amd")):
            return None
        return {"performance": self.maximum_khz, "powersave": self.minimum_khz}.get(self.governor or "")


def policies(answer: Answer) -> list[Policy]:
    """The frequency domains of a board; none if its kernel has no cpufreq."""
    found: dict[tuple[int, ...], Policy] = {}
    for name in answer.below(rf"{CPU}/cpu(\d+)/cpufreq/scaling_governor$"):
        folder = f"{CPU}/cpu{name}/cpufreq"
        cpus = tuple(cpu_list(",".join(answer.words(f"{folder}/affected_cpus")))) or (int(name),)
        found.setdefault(
            cpus,
            Policy(
                cpus,
                folder,
                answer.text(f"{folder}/scaling_driver"),
                answer.text(f"{folder}/scaling_governor"),
                tuple(answer.words(f"{folder}/scaling_available_governors")),
                answer.integer(f"{folder}/scaling_min_freq"),
                answer.integer(f"{folder}/scaling_max_freq"),
                answer.integer(f"{folder}/scaling_cur_freq"),
                answer.integer(f"{folder}/cpuinfo_min_freq"),
                answer.integer(f"{folder}/cpuinfo_max_freq"),
                tuple(
                    sorted(
                        khz
                        for word in answer.words(f"{folder}/scaling_available_frequencies")
                        if (khz := integer(word)) is not None
                    )
                ),
            ),
        )
    return list(found.values())


def of_cpus(domains: Iterable[Policy], cpus: Sequence[int] | None) -> list[Policy]:
    """Those of the frequency domains that programs on ``cpus`` (all if ``None``) feel."""
    return [domain for domain in domains if cpus is None or set(cpus) & set(domain.cpus)]


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a policy's three files hold; ``None`` leaves a file as it is."""

    governor: str | None
    minimum_khz: int | None
    maximum_khz: int | None

    def writes(self, folder: str) -> list[tuple[str, str]]:
        """Files and values in an order that leads there from anywhere: least may never be above most, so most is
        written on both sides of it."""
        steps = [
            ("scaling_governor", self.governor),
            ("scaling_max_freq", self.maximum_khz),
            ("scaling_min_freq", self.minimum_khz),
            ("scaling_max_freq", self.maximum_khz),
        ]
        return [(f"{folder}/{name}", str(value)) for name, value in steps if value is not None]

    def missing(self, policy: Policy | None) -> list[tuple[str, str]]:
        """The files of a policy that hold something else."""
        if policy is None:
            return []
        held = {
            "scaling_governor": (self.governor, policy.governor),
            "scaling_min_freq": (self.minimum_khz, policy.minimum_khz),
            "scaling_max_freq": (self.maximum_khz, policy.maximum_khz),
        }
        return [
            (f"{policy.folder}/{name}", str(wanted))
            for name, (wanted, found) in held.items()
            if wanted is not None and wanted != found
        ]


class HeldFrequency:
    """Holds the clock as the settings ask until :meth:`restore`."""

    def __init__(self, run: RunCommand, settings: StateSettings, name: str, root: str = "/") -> None:
        self._run = run
        self._settings = settings
        self._name = name
        self._root = root
        self._before: dict[str, _Setting] = {}
        """What was found in each folder before it was changed."""

    @property
    def asked(self) -> bool:
        """Is anything to be held?"""
        return self._settings.governor is not None or self._settings.frequency_hz is not None

    def hold(self) -> None:
        """Set governor and frequency and see that they are. Raises :class:`HardwareError` if they cannot be had, with
        everything as it was before this call."""
        if not self.asked:
            return
        first = not self._before
        try:
            self._hold()
        except BaseException as error:
            if first:
                try:
                    self.restore()
                except HardwareError as left:
                    raise HardwareError(f"{error}; and {left}", advice=left.advice) from error
            raise

    def _hold(self) -> None:
        wanted = self._setting()
        domains = self._domains()
        for policy in domains:
            self._check_possible(policy)
        for policy in domains:
            found = _Setting(policy.governor, policy.minimum_khz, policy.maximum_khz)
            changed = _Setting(
                None if wanted.governor is None else found.governor,
                None if wanted.minimum_khz is None else found.minimum_khz,
                None if wanted.maximum_khz is None else found.maximum_khz,
            )
            self._before.setdefault(policy.folder, changed)
        writes = [write for policy in domains if wanted.missing(policy) for write in wanted.writes(policy.folder)]
        if not writes:
            return
        said = self._write(writes)
        for policy in self._domains():
            missing = wanted.missing(policy)
            if missing:
                raise self._refused(policy, missing, said)

    def not_held(self, domains: Iterable[Policy]) -> list[str]:
        """What is no longer as it was set, in words; empty if all is, or nothing was asked for."""
        if not self.asked:
            return []
        wanted = self._setting()
        lost = []
        for policy in of_cpus(domains, self._settings.cpus):
            if wanted.governor is not None and policy.governor != wanted.governor:
                lost.append(f"CPU {cpu_text(policy.cpus)}: governor {policy.governor}, not {wanted.governor}")
            if wanted.minimum_khz is not None and policy.minimum_khz != wanted.minimum_khz:
                lost.append(
                    f"CPU {cpu_text(policy.cpus)}: least {policy.minimum_khz} kHz, not {wanted.minimum_khz} kHz"
                )
        return lost

    def restore(self) -> None:
        """Write back what was found. Idempotent. Raises :class:`HardwareError` for what is still otherwise."""
        for attempt in range(_TRIES):
            if not self._before:
                return
            left = self._unrestored()
            if not left:
                self._before = {}
                return
            try:
                self._write([write for folder, found in self._before.items() for write in found.writes(folder)])
            except HardwareError:
                if attempt == _TRIES - 1:
                    raise
        left = self._unrestored()
        if left:
            files = ", ".join(f"/{path}" for path, _ in left)
            raise HardwareError(
                f"board {self._name!r}: not set back to what it was before: {files}",
                advice=f"run on the board: {command_line(left)}",
            )
        self._before = {}

    def _unrestored(self) -> list[tuple[str, str]]:
        by_folder = {policy.folder: policy for policy in policies(self._ask())}
        return [item for folder, found in self._before.items() for item in found.missing(by_folder.get(folder))]

    def _setting(self) -> _Setting:
        hz = self._settings.frequency_hz
        khz = None if hz is None else round(hz / 1000)
        return _Setting(self._settings.governor, khz, khz)

    def _domains(self) -> list[Policy]:
        domains = of_cpus(policies(self._ask()), self._settings.cpus)
        if not domains:
            where = "" if self._settings.cpus is None else f" for CPU {cpu_text(self._settings.cpus)}"
            raise HardwareError(
                f"board {self._name!r}: its kernel has no cpufreq{where}: the clock cannot be set",
                advice="leave state.governor and state.frequency out of the bench file (emulators and virtual machines "
                "have none; a board's kernel needs CONFIG_CPU_FREQ and the driver of its SoC)",
            )
        return domains

    def _check_possible(self, policy: Policy) -> None:
        khz = self._setting().maximum_khz
        if khz is None:
            return
        where = f"board {self._name!r}: CPU {cpu_text(policy.cpus)}"
        if policy.steps_khz and khz not in policy.steps_khz:
            steps = ", ".join(f"{step / 1000:g} MHz" for step in policy.steps_khz)
            raise HardwareError(
                f"{where} cannot run at {khz / 1000:g} MHz", advice=f"state.frequency is one of: {steps}"
            )
        slowest, fastest = policy.slowest_khz or 0, policy.fastest_khz or khz
        if not slowest <= khz <= fastest:
            raise HardwareError(
                f"{where} cannot run at {khz / 1000:g} MHz",
                advice=f"state.frequency lies between {slowest / 1000:g} MHz and {fastest / 1000:g} MHz",
            )

    def _refused(self, policy: Policy, missing: list[tuple[str, str]], said: str) -> HardwareError:
        where = f"board {self._name!r}: CPU {cpu_text(policy.cpus)}"
        governor = self._settings.governor
        if governor is not None and policy.governor != governor and governor not in policy.governors:
            there = ", ".join(policy.governors) or "none that it names"
            return HardwareError(
                f"{where} has no governor {governor!r}",
                advice=f"there are: {there}; or run on the board: modprobe cpufreq_{governor}",
            )
        why = f" ({said})" if said else ""
        values = ", ".join(f"/{path} is not {value}" for path, value in missing)
        advice = f"run on the board: {command_line(missing)}"
        if not self._settings.sudo:
            advice += "; or let the lab do it with state: {sudo: true} where sudo asks for no password"
        return HardwareError(f"{where} keeps its setting{why}: {values}", advice=advice)

    def _ask(self) -> Answer:
        return Inquiry(files=FILES).ask(self._run, self._root)

    def _write(self, writes: Sequence[tuple[str, str]]) -> str:
        """Write the files; the last that was said against it."""
        tee = "sudo -n tee" if self._settings.sudo else "tee"
        lines = ["PATH=${PATH:+$PATH:}/usr/bin:/bin"]
        lines += [f"cd {shlex.quote(self._root)} && LC_ALL=C && export LC_ALL || exit 1", "exec 2>&1"]
        lines += [f"printf '%s\\n' {shlex.quote(value)} | {tee} {path} >/dev/null" for path, value in writes]
        said = run_script(self._run, "\n".join(lines)).strip().splitlines()
        return "".join(char if " " <= char <= "~" else "?" for char in said[-1]) if said else ""


def command_line(writes: Iterable[tuple[str, str]]) -> str:
    """The line that writes these files, for a person to run on the board."""
    files: dict[str, list[str]] = {}
    for path, value in writes:
        files.setdefault(value, []).append(f"/{path}")
    return " && ".join(f"echo {shlex.quote(value)} | sudo tee {' '.join(paths)}" for value, paths in files.items())
