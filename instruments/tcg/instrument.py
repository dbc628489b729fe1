"""Our plugin in QEMU's user mode emulator: what the *target's* own binary does, and the misses of modelled caches.

The counts of instructions, loads and stores are those of the program as the target would execute it; the misses those
of a stated geometry. Their origin is ``emulated``. Only the process that the command becomes is seen, in user space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from instruments.commands import RunCommand, attempt, run_here
from instruments.protocol import Capabilities, Observation, PassContext, Probe
from instruments.tcg.build import interface_of, plugin
from instruments.tcg.emulator import SMALLEST_INSTRUCTIONS, Emulator, smallest_program
from lab.errors import HardwareError, LabError
from lab.record.documents import Fault, Reading
from lab.record.formats import tcg as tcg_format
from lab.record.formats.user_space import user_space_event
from lab.record.quantity import Origin
from lab.record.window_gate import ACKNOWLEDGE_FIFO, CONTROL_FIFO, LAB_WINDOW


class Replacement(StrEnum):
    """Which line goes when another comes."""

    LRU = "lru"
    FIFO = "fifo"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class ModelledCache:
    """One cache: size and length of a line in bytes. Sets must be a power of two.

    With ``write_allocate`` a store that misses brings its line in.
    """

    size_bytes: int
    ways: int
    line_bytes: int = 64
    replacement: Replacement = Replacement.LRU
    write_allocate: bool = True

    def argument(self) -> str:
        """As the plugin wants it."""
        store = "allocate" if self.write_allocate else "around"
        return f"{self.size_bytes}/{self.ways}/{self.line_bytes}/{self.replacement}/{store}"


class TcgPlugin:
    """An :class:`~instruments.protocol.Instrument` that stands in front of the command line.

    ``emulator`` is for the target's architecture and core; ``l1d`` and ``l1i`` are the caches that are modelled (no
    ``l1i``: its events are not counted). ``cache`` is the folder where the built plugin is kept. ``run`` starts a
    command on the machine that emulates.
    """

    def __init__(
        self,
        name: str,
        *,
        emulator: Emulator,
        l1d: ModelledCache,
        l1i: ModelledCache | None = None,
        cache: Path,
        run: RunCommand = run_here,
    ) -> None:
        self.name = name
        self._emulator = emulator
        self._caches = {"l1d": l1d} | ({} if l1i is None else {"l1i": l1i})
        self._cache = cache
        self._run = run
        self._plugin: Path | None = None
        self._context: PassContext | None = None
        self._wrapped = False

    def probe(self) -> Probe:
        """Build the plugin and count a program whose count is known."""
        emulates = self._emulator.probe(self._run)
        if not emulates.present:
            return emulates
        try:
            interface = interface_of(emulates.facts["version"])
            self._plugin = plugin(self._cache, interface=interface)
        except LabError as error:
            return Probe(False, error.message, error.advice or "", emulates.facts)
        facts = {**emulates.facts, "plugin": self._plugin.name, "interface": interface, "caches": self._details()}
        counted = self._counts_the_smallest()
        if isinstance(counted, str):
            return Probe(False, f"{self._emulator.program} counts nothing: {counted}", _ADVICE, facts)
        if counted.whole["instructions"] != SMALLEST_INSTRUCTIONS:
            wrong = f"{counted.whole['instructions']} instructions counted where {SMALLEST_INSTRUCTIONS} are executed"
            return Probe(False, wrong, _ADVICE, facts)
        geometry = ", ".join(f"{name} {cache.argument()}" for name, cache in self._caches.items())
        return Probe(True, f"{emulates.detail}, {geometry}", facts=facts)

    def capabilities(self) -> Capabilities:
        """Emulated counts, all at once."""
        return Capabilities(
            measures=self._countable(),
            origin=Origin.EMULATED,
            scope=self._scope(),
            assumes=(
                *(f"{name} {cache.argument()}" for name, cache in self._caches.items()),
                "virtual addresses, no prefetching, no speculation, no other program, each thread its own caches",
            ),
            clock="none",
        )

    def open(self) -> None:
        """Build the plugin; raises :class:`HardwareError` if it does not count here."""
        probe = self.probe()
        if not probe.present:
            raise HardwareError(f"{self.name}: {probe.detail}", advice=probe.advice)

    def arm(self, context: PassContext) -> None:
        """Take the events of a pass."""
        self._context = context
        self._wrapped = False

    def start(self) -> None:
        """Nothing to do: the plugin starts with the program."""

    def wrap(self, argv: Sequence[str], workdir: str) -> list[str]:
        """The command under the emulator with the plugin; unchanged if the pass asks for none of its events."""
        context = self._context
        if context is None or self._plugin is None or not self._events(context):
            return list(argv)
        self._wrapped = True
        options = self._options(f"{workdir}/{tcg_format.FILE_NAME}", context.seed, window=context.window_only)
        emulated = [*self._emulator.command, "-plugin", options, *argv]
        if not context.window_only:
            return emulated
        return ["env", f"{LAB_WINDOW}={workdir}/{CONTROL_FIFO},{workdir}/{ACKNOWLEDGE_FIFO}", *emulated]

    def files(self) -> tuple[str, ...]:
        """The counts, if the command was wrapped."""
        return (tcg_format.FILE_NAME,) if self._wrapped else ()

    def stop(self) -> Observation:
        """One reading per event that the pass asks for and the plugin counts."""
        context, wrapped = self._context, self._wrapped
        self._context, self._wrapped = None, False
        if context is None or not wrapped:
            return Observation()
        read = _read(context.output / tcg_format.FILE_NAME)
        events = self._events(context)
        if isinstance(read, str):
            return self._without_counts(context, events, "output_unreadable", read)
        if context.window_only and not read.windows:
            return self._without_counts(context, events, "window_not_opened", "the program did not open its window")
        return Observation(readings=tuple(self._reading(context, name, read) for name in events))

    def close(self) -> None:
        """Nothing to let go of."""
        self._context = None

    # ------------------------------------------------------------------------------------------------------- parts

    def _options(self, out: str, seed: int, *, window: bool) -> str:
        assert self._plugin is not None
        zeroed = self._emulator.zeroed_bytes
        values = [
            f"file={_escaped(str(self._plugin))}",
            f"out={_escaped(out)}",
            *(f"{name}={cache.argument()}" for name, cache in self._caches.items()),
            f"seed={seed % 2**64}",
            *(["window=on"] if window else []),
            *([] if zeroed is None else [f"zero={zeroed}"]),
        ]
        return ",".join(values)

    def _counts_the_smallest(self) -> tcg_format.TcgCounts | str:
        with TemporaryDirectory(prefix="lab-") as folder:
            program, out = Path(folder, "smallest"), Path(folder, tcg_format.FILE_NAME)
            program.write_bytes(smallest_program(self._emulator.architecture))
            program.chmod(0o755)
            options = self._options(str(out), 0, window=False)
            _, _, errors = attempt(self._run, [*self._emulator.command, "-plugin", options, str(program)])
            read = _read(out)
            said = errors.strip().splitlines()
            return said[-1] if isinstance(read, str) and said else read

    def _countable(self) -> tuple[str, ...]:
        return tuple(event for event in tcg_format.LAB_EVENTS if "icache" not in event or "l1i" in self._caches)

    def _events(self, context: PassContext) -> list[str]:
        countable = self._countable()
        return [name for name in context.events if user_space_event(name) in countable]

    def _scope(self, *, window: bool = False) -> str:
        return f"process:user, {self._emulator.architecture}, emulated caches" + (", in the window" if window else "")

    def _details(self) -> dict[str, dict[str, Any]]:
        return {name: {**asdict(cache), "replacement": str(cache.replacement)} for name, cache in self._caches.items()}

    def _reading(self, context: PassContext, name: str, read: tcg_format.TcgCounts | None) -> Reading:
        event = tcg_format.LAB_EVENTS[user_space_event(name)]
        counts = None if read is None else (read.window if context.window_only else read.whole)
        count = None if counts is None else counts.get(event)
        details: dict[str, Any] = {"event": event, "cpu": self._emulator.cpu or "default", "caches": self._details()}
        if read is not None:
            details["threads"] = read.threads
            # What the plugin infers or leaves out belongs beside what it says of stores and misses.
            how = "unseen_zeroing" if self._emulator.zeroed_bytes is None else "inferred_zeroing"
            details[how] = (counts or {}).get("zeroing", 0)
        if any(cache.replacement is Replacement.RANDOM for cache in self._caches.values()):
            details["seed"] = context.seed
        return Reading(
            pass_id=context.pass_id,
            attempt=context.attempt,
            instrument=self.name,
            name=name,
            value=None if count is None else float(count),
            unit="1",
            scope=self._scope(window=context.window_only),
            reasons=("output_unreadable",) if count is None else (),
            details=details,
        )

    def _without_counts(self, context: PassContext, events: Sequence[str], code: str, detail: str) -> Observation:
        fault = Fault(pass_id=context.pass_id, attempt=context.attempt, source=self.name, code=code, detail=detail)
        readings = [self._reading(context, name, None) for name in events]
        return Observation(readings=tuple(replace(item, reasons=(code,)) for item in readings), faults=(fault,))


_ADVICE = "is it QEMU 7.2 or newer, built with plugins (Debian bookworm's qemu-user is)?"


def _escaped(path: str) -> str:
    """QEMU takes a comma for the end of an option, and two for one."""
    return path.replace(",", ",,")


def _read(path: Path) -> tcg_format.TcgCounts | str:
    """The file's counts, or why there are none."""
    try:
        return tcg_format.parse(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return f"{path.name} was not written: the program was ended by a signal, or became another one"
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    except ValueError as error:
        return f"{path.name}: {error}"
