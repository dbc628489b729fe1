"""The simulated i.MX 8M Plus: a board that runs the real command lines in virtual time.

It draws its power on the :class:`~instruments.simulated.rail.Rail` it shares with the simulated meter, and raises three
lines there: ``window`` while measured inferences run, ``inference`` while each single one of them does, ``warmup``
while those before them do. Where a meter watches the rail of the SoC, it draws there too. Beside the standard output of
a benchmark it leaves :data:`TRUTH_FILE` with what the model knows. Nothing waits: a pass costs milliseconds.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from instruments.simulated.rail import Rail
from lab.boards.protocol import Command, CommandResult
from lab.boards.simulated import coded_load
from lab.boards.simulated.benchmark import (
    CLASSIC,
    INFO,
    WARMUP_LINE,
    WINDOW_LINE,
    SimulatedBenchmark,
    Throttle,
)
from lab.boards.simulated.ceilings import modelled_ceilings
from lab.boards.simulated.clock import BoardClock, ClockSettings, ClockStep
from lab.boards.simulated.console import Console, Ended
from lab.boards.simulated.constants import IMX8MP, BoardConstants
from lab.boards.simulated.shell import run_command
from lab.boards.simulated.supply import DeadlineReachedError, SocRail, Supply
from lab.boards.simulated.variation import PassVariation
from lab.errors import UsageError
from lab.record.marks_file import LAB_MARKS, mark_lines
from lab.record.quantity import Origin

TRUTH_FILE = "simulated_truth.json"
"""Written beside standard output: means of the model per measured inference, and under ``actual`` those of the pass."""

MODEL_NAME = "i.MX 8M Plus (simulated)"

KILLED = -9
"""Exit status of a program that its deadline ended."""

COMMAND_S = 1e-3
"""Time that a command takes which measures nothing."""

ANSWER_S = 30e-6
"""Work of one core to answer a question for its clock."""

_ROOT = "/home/root/lab"

_ONSET = (0.2, 0.7)
"""Throttling begins somewhere in this share of the measured inferences' expected time."""


@dataclass(frozen=True, slots=True)
class Throttling:
    """A fault: in a share ``probability`` of the passes whose id matches one of ``passes``, the clock drops in the
    middle of the measured inferences, which then take ``slowdown`` times as long."""

    probability: float = 1.0
    passes: tuple[str, ...] = ("*",)
    slowdown: float = 1.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise UsageError(f"a probability is between 0 and 1, not {self.probability}")
        if not self.slowdown > 1:
            raise UsageError(f"throttling makes a board slower: slowdown must exceed 1, not {self.slowdown}")


@dataclass(frozen=True, slots=True)
class SimulatedBoardSettings:
    """How a simulated board is set up.

    ``supply_v`` and ``source_resistance_ohm`` are those of the rail it is given; ``output_style`` is ``classic`` or
    ``info`` (newer builds of ``benchmark_model``); ``constants`` the model's. ``between_inferences_s`` is what the loop
    takes from one inference to the next, half of it before and half after each: without it the line ``inference`` has
    no edge between them. ``clock`` is the board's own, drawn from ``campaign_seed``; ``clock_steps`` are its faults.
    """

    supply_v: float = 12.0
    source_resistance_ohm: float = 0.05
    faults: tuple[Throttling, ...] = ()
    output_style: str = CLASSIC
    constants: BoardConstants = IMX8MP
    between_inferences_s: float = 0.0
    clock: ClockSettings = field(default_factory=ClockSettings)
    clock_steps: tuple[ClockStep, ...] = ()
    campaign_seed: int = 0

    def __post_init__(self) -> None:
        if self.output_style not in (CLASSIC, INFO):
            raise UsageError(f"output_style is {CLASSIC!r} or {INFO!r}, not {self.output_style!r}")
        if not self.between_inferences_s >= 0:
            raise UsageError(f"the time between inferences is not negative: {self.between_inferences_s}")


class SimulatedBoard:
    """A :class:`~lab.boards.protocol.Board` that is a model."""

    origin = Origin.SIMULATED

    def __init__(self, name: str, settings: SimulatedBoardSettings, rail: Rail, soc: Rail | None = None) -> None:
        """``soc`` is the branch of ``rail`` for the SoC, where a meter watches it."""
        self.name = name
        self._settings = settings
        self._rail = rail
        shares = settings.constants.soc_rail
        self._soc = None if soc is None else SocRail(soc, shares.idle_share, shares.work_share)
        self._files: dict[str, bytes] = {}
        self._clock = BoardClock(settings.clock, settings.campaign_seed, settings.clock_steps)
        self.begin_pass("", 0)

    @property
    def caches(self) -> dict[str, int]:
        """Sizes of the modelled core's caches, in bytes."""
        cpu = self._settings.constants.cpu
        return {"l1d": cpu.l1d_bytes, "l2": cpu.l2_bytes}

    @property
    def ceilings(self) -> tuple[dict[str, Any], ...]:
        """What the model computes and moves at best: the roofs over its own operators, for each number of threads."""
        return modelled_ceilings(self._settings.constants)

    def probe(self) -> Probe:
        """Always there."""
        return Probe(True, MODEL_NAME, facts={"simulated": True, "model": MODEL_NAME})

    def open(self) -> None:
        """Nothing to connect to."""

    def close(self) -> None:
        """Forget all files. Idempotent."""
        self._files.clear()

    def fingerprint(self) -> dict[str, Any]:
        """What it claims to be; ``simulated`` says that it is not."""
        cpu = self._settings.constants.cpu
        return {
            "simulated": True,
            "model": MODEL_NAME,
            "kernel": "Linux 5.10.35 (simulated)",
            "cores": cpu.cores,
            "core": "Cortex-A53",
            "clock_hz": cpu.clock_hz,
            "governor": "performance",
            "caches": self.caches,
            "supply_v": self._settings.supply_v,
            "source_resistance_ohm": self._settings.source_resistance_ohm,
            "tools": {"benchmark_model": "simulated", "perf": "simulated"},
        }

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """Reset the rail and draw this pass's variation; the same pass with the same seed is the same again."""
        constants = self._settings.constants
        self._variation = PassVariation(seed, constants.variation)
        self._throttle = self._drawn_throttle(pass_id)
        self._clock.begin_pass(pass_id, seed)
        self._supply = Supply(self._rail, constants.power.idle_w, self._variation, self._soc)
        self._rail.reset()
        if self._soc is not None:
            self._soc.rail.reset()

    def put(self, local: Path, remote: str) -> str:
        """Keep what a file or folder holds; returns its full path. Raises ``FileNotFoundError`` if it is absent."""
        target = self._path(remote)
        if local.is_dir():
            for file in sorted(item for item in local.rglob("*") if item.is_file()):
                self._files[f"{target}/{file.relative_to(local).as_posix()}"] = file.read_bytes()
        else:
            self._files[target] = local.read_bytes()
        return target

    def fetch(self, remote: str, local: Path) -> None:
        """Write a kept file's content here. Raises ``FileNotFoundError`` if there is none."""
        path = self._path(remote)
        if path not in self._files:
            raise FileNotFoundError(f"{self.name}: {path}: no such file")
        local.write_bytes(self._files[path])

    def make_workdir(self, name: str) -> str:
        """A fresh folder; what an earlier one of that name held is gone."""
        path = self._path(name)
        for file in [file for file in self._files if file.startswith(f"{path}/")]:
            del self._files[file]
        return path

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Run a command line in virtual time; also before a pass has begun, as probes do."""
        console = Console()
        begin_s = self._rail.now_s
        self._supply.deadline_s = None if command.deadline_s is None else begin_s + command.deadline_s
        timed_out = False
        try:
            ended = self._play(command, console) or run_command(
                command.argv, console, self._settings.constants.counters.pmu_slots, self._benchmark(console)
            )
            if self._rail.now_s == begin_s:
                self._supply.draw_one(COMMAND_S)
        except DeadlineReachedError:
            ended, timed_out = Ended(KILLED), True
        finally:
            self._supply.deadline_s = None
        stdout.write_text(console.stdout, encoding="utf-8")
        stderr.write_text(console.stderr, encoding="utf-8")
        self._write_marks(command, begin_s)
        for name, content in ended.files.items():
            self._files[self._path(name, command.workdir)] = content
        if ended.truth is not None:
            text = json.dumps(ended.truth, indent=2) + "\n"
            stdout.with_name(TRUTH_FILE).write_text(text, encoding="utf-8")
        elapsed_s = self._rail.now_s - begin_s
        return CommandResult(
            exit_status=ended.exit_status,
            elapsed_s=elapsed_s,
            usage={} if timed_out else self._usage(ended, elapsed_s),
            timed_out=timed_out,
            faults=ended.faults,
        )

    def idle(self, seconds: float) -> None:
        """Draw idle power for a while."""
        if seconds > 0:
            self._supply.draw_one(seconds)

    def ping(self) -> tuple[int, int, int]:
        """Ask for the board's clock, in virtual time: the host's clock is the rail's."""
        sent_s = self._rail.now_s
        self._supply.draw_one(self._clock.way_s(back=False))
        board_ns = self._clock.ns(self._rail.now_s)
        self._supply.draw_one(ANSWER_S, self._settings.constants.power.core_overhead_w)
        self._supply.draw_one(self._clock.way_s(back=True))
        return round(1e9 * sent_s), board_ns, round(1e9 * self._rail.now_s)

    def _play(self, command: Command, console: Console) -> Ended | None:
        """Run ``coded_load``; ``None`` if the command is another."""
        if not command.argv or posixpath.basename(command.argv[0]) != coded_load.PROGRAM_NAME:
            return None
        ended, marks = coded_load.play(command.argv[1:], console, self._supply, self._clock, self._settings.constants)
        self._append_marks(command, marks)
        return ended

    def _write_marks(self, command: Command, begin_s: float) -> None:
        """The marks that the program wrote since ``begin_s``, where it raised a line."""
        edges = [
            (at_s, f"{line}_{'begin' if level else 'end'}")
            for line in (WARMUP_LINE, WINDOW_LINE)
            for at_s, level in self._rail.edges(line)
            if at_s > begin_s
        ]
        step_ns = self._clock.step_ns
        self._append_marks(command, [(name, self._clock.ns(at_s) + step_ns) for at_s, name in sorted(edges)])

    def _append_marks(self, command: Command, marks: Sequence[tuple[str, int]]) -> None:
        if LAB_MARKS in command.env and marks:
            path = self._path(command.env[LAB_MARKS], command.workdir)
            self._files[path] = self._files.get(path, b"") + mark_lines(marks).encode("ascii")

    def _benchmark(self, console: Console) -> Callable[[Sequence[str]], Ended]:
        return SimulatedBenchmark(
            self._supply,
            self._variation,
            console,
            self._settings.constants,
            style=self._settings.output_style,
            throttle=self._throttle,
            between_s=self._settings.between_inferences_s,
        ).run

    def _usage(self, ended: Ended, elapsed_s: float) -> dict[str, float]:
        system_s = ended.counts.cpu_s * self._settings.constants.process.system_share
        return {
            "elapsed_s": elapsed_s,
            "user_s": ended.counts.cpu_s - system_s,
            "system_s": system_s,
            "peak_rss_bytes": float(ended.resident_bytes),
            "minor_faults": float(round(ended.counts.page_faults)),
            "major_faults": 0.0,
            "involuntary_switches": ended.counts.context_switches,
        }

    def _drawn_throttle(self, pass_id: str) -> Throttle | None:
        """Whether this pass is hit. Each fault draws its numbers whether it matches or not."""
        hit: Throttle | None = None
        for fault in self._settings.faults:
            chance, onset = self._variation.faults.random(2).tolist()
            matches = any(fnmatchcase(pass_id, pattern) for pattern in fault.passes)
            if hit is None and matches and chance < fault.probability:
                hit = Throttle(_ONSET[0] + onset * (_ONSET[1] - _ONSET[0]), fault.slowdown)
        return hit

    @staticmethod
    def _path(name: str, folder: str | None = None) -> str:
        return name if name.startswith("/") else f"{folder or _ROOT}/{name}"
