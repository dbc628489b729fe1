"""What the simulated board knows to run: its benchmark, perf, and the few commands that probes use."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence

from lab.boards.simulated.benchmark_options import PROGRAM_NAMES
from lab.boards.simulated.console import COMMAND_NOT_FOUND, Console, Ended
from lab.boards.simulated.perf import simulated_perf

MACHINE = "Linux imx8mp-simulated 5.10.35 #1 SMP PREEMPT aarch64 GNU/Linux"

READABLE_FILES = {
    "/proc/sys/kernel/perf_event_paranoid": "-1",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
}
"""Files of the kernel that can be read with ``cat``."""


def run_command(
    argv: Sequence[str], console: Console, pmu_slots: int, benchmark: Callable[[Sequence[str]], Ended]
) -> Ended:
    """Run a command line as a shell would; ``benchmark`` runs ``benchmark_model`` with its arguments.

    An unknown command ends with status 127 and a message on standard error.
    """
    command = _without_env(argv)
    if not command:
        return Ended(0)
    name, arguments = posixpath.basename(command[0]), command[1:]
    if name in PROGRAM_NAMES:
        return benchmark(arguments)
    if name == "perf":
        return simulated_perf(
            arguments, console, pmu_slots, lambda inner: run_command(inner, console, pmu_slots, benchmark)
        )
    if name == "true":
        return Ended(0)
    if name == "uname":
        console.out(MACHINE)
        return Ended(0)
    if name == "cat":
        return _cat(arguments, console)
    console.error(f"sh: {command[0]}: command not found")
    return Ended(COMMAND_NOT_FOUND)


def _without_env(argv: Sequence[str]) -> list[str]:
    """The command behind ``env NAME=value …``; variables change nothing here."""
    command = list(argv)
    if command and posixpath.basename(command[0]) == "env":
        command = command[1:]
        while command and "=" in command[0]:
            command = command[1:]
    return command


def _cat(paths: Sequence[str], console: Console, files: Mapping[str, str] = READABLE_FILES) -> Ended:
    status = 0
    for path in paths:
        if path in files:
            console.out(files[path])
        else:
            console.error(f"cat: {path}: No such file or directory")
            status = 1
    return Ended(status)
