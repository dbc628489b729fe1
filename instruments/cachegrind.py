"""Valgrind's cachegrind in front of the program: instructions and cache misses of another core's caches, modelled.

The counts are exact and repeat, but they are those of the *host's* instruction set running through a model of two
levels of caches (LRU, no prefetching): their origin is ``emulated``, and they are never mixed with measured ones.
On a dense matrix product the misses of the level 1 data cache agree with those of the Arm binary to 0.01 %, the
instructions do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instruments.commands import RunCommand, attempt
from instruments.protocol import Capabilities, Observation, PassContext, Probe
from lab.errors import HardwareError
from lab.record.documents import Fault, Reading
from lab.record.formats import cachegrind as cachegrind_format
from lab.record.formats.user_space import user_space_event
from lab.record.quantity import Origin

LOG = "valgrind.log"
"""What valgrind itself says, kept apart from the program's own output."""

SLOWDOWN = 50
"""About how many times longer a program takes: a pass's deadline must allow for it."""

_INSTALL = "install it on the board: Debian and Ubuntu package valgrind"


@dataclass(frozen=True, slots=True)
class CacheGeometry:
    """One cache: its size and the length of its lines in B, and its ways. Sets must be a power of two."""

    size_bytes: int
    ways: int
    line_bytes: int = 64

    def option(self) -> str:
        """As valgrind's command line wants it."""
        return f"{self.size_bytes},{self.ways},{self.line_bytes}"


@dataclass(frozen=True, slots=True)
class CacheModel:
    """The caches that are modelled; by default those of a Cortex-A53 with 512 KiB of L2 (i.MX 8M Plus)."""

    l1i: CacheGeometry = CacheGeometry(32768, 2)
    l1d: CacheGeometry = CacheGeometry(32768, 4)
    ll: CacheGeometry = CacheGeometry(524288, 16)

    def details(self) -> dict[str, str]:
        """As (size, ways, line), for the record."""
        return {"I1": self.l1i.option(), "D1": self.l1d.option(), "LL": self.ll.option()}


class Cachegrind:
    """An :class:`~instruments.protocol.Instrument` that stands in front of the command line.

    ``caches`` is the geometry to model; ``run`` starts a command on the board. Only the process that the command
    becomes is seen, not the programs that it starts.
    """

    def __init__(self, name: str, *, run: RunCommand, caches: CacheModel | None = None) -> None:
        self.name = name
        self._run = run
        self._caches = caches or CacheModel()
        self._isa: str | None = None
        self._context: PassContext | None = None
        self._wrapped = False

    def probe(self) -> Probe:
        """Run ``true`` under cachegrind with the geometry asked for."""
        argv = [*self._valgrind("/dev/stdout", "/dev/null"), "true"]
        status, output, errors = attempt(self._run, argv)
        said = [line.removeprefix("valgrind: ") for line in errors.splitlines() if line.strip()]
        if any(line.startswith("Bad option") for line in said):
            return Probe(present=False, detail=" ".join(said[:2]), advice="correct the caches in the bench file")
        if status != 0:
            detail = said[-1] if said else f"valgrind ended with {status}"
            return Probe(present=False, detail=detail, advice=_INSTALL)
        try:
            cachegrind_format.parse(output)
        except ValueError as error:
            return Probe(present=False, detail=f"valgrind gave no counts: {error}", advice=_INSTALL)
        _, version, _ = attempt(self._run, ["valgrind", "--version"])
        facts: dict[str, Any] = {
            "version": version.strip() or "unknown",
            "isa": self._host_isa(),
            "caches": self._caches.details(),
            "slowdown": SLOWDOWN,
        }
        return Probe(
            present=True,
            detail=f"cachegrind models I1/D1/LL {' / '.join(self._caches.details().values())} (size,ways,line)",
            advice=f"programs run about {SLOWDOWN} times slower: allow for it in the deadline",
            facts=facts,
        )

    def capabilities(self) -> Capabilities:
        """Emulated counts, all at once. The scope says whose instructions they are, and through which caches."""
        geometry = ", ".join(f"{name} {option}" for name, option in self._caches.details().items())
        return Capabilities(
            measures=tuple(cachegrind_format.LAB_EVENTS),
            origin=Origin.EMULATED,
            scope=self._scope(),
            assumes=(f"caches {geometry} (bytes, ways, line)", "LRU, no prefetching", "one level behind the first"),
            clock="none",
        )

    def open(self) -> None:
        """Nothing to hold, but valgrind must be there and accept the geometry."""
        probe = self.probe()
        if not probe.present:
            raise HardwareError(
                f"{self.name}: cachegrind does not run on this board: {probe.detail}", advice=probe.advice
            )

    def arm(self, context: PassContext) -> None:
        """Take the events of a pass."""
        self._context = context
        self._wrapped = False

    def start(self) -> None:
        """Nothing to do: valgrind starts with the program."""

    def wrap(self, argv: Sequence[str], workdir: str) -> list[str]:
        """The command under cachegrind; unchanged if the pass asks for none of its events."""
        if self._context is None or not self._events(self._context):
            return list(argv)
        self._wrapped = True
        return [*self._valgrind(f"{workdir}/{cachegrind_format.FILE_NAME}", f"{workdir}/{LOG}"), *argv]

    def files(self) -> tuple[str, ...]:
        """The counts and valgrind's log, if the command was wrapped."""
        return (cachegrind_format.FILE_NAME, LOG) if self._wrapped else ()

    def stop(self) -> Observation:
        """One reading per event that the pass asks for and cachegrind knows: the count of the whole process."""
        context, wrapped = self._context, self._wrapped
        self._context, self._wrapped = None, False
        if context is None or not wrapped:
            return Observation()
        read = _read(context.output / cachegrind_format.FILE_NAME)
        events = self._events(context)
        if isinstance(read, str):
            fault = Fault(
                pass_id=context.pass_id,
                attempt=context.attempt,
                source=self.name,
                code="output_unreadable",
                detail=read,
            )
            return Observation(readings=tuple(self._reading(context, name, None) for name in events), faults=(fault,))
        return Observation(readings=tuple(self._reading(context, name, read.totals.get(_own(name))) for name in events))

    def close(self) -> None:
        """Nothing to let go of."""
        self._context = None

    def _valgrind(self, output: str, log: str) -> list[str]:
        caches = self._caches
        return [
            "valgrind",
            "--tool=cachegrind",
            "--cache-sim=yes",
            f"--I1={caches.l1i.option()}",
            f"--D1={caches.l1d.option()}",
            f"--LL={caches.ll.option()}",
            f"--cachegrind-out-file={output}",
            f"--log-file={log}",
        ]

    def _events(self, context: PassContext) -> list[str]:
        return [name for name in context.events if user_space_event(name) in cachegrind_format.LAB_EVENTS]

    def _host_isa(self) -> str:
        if self._isa is None:
            status, machine, _ = attempt(self._run, ["uname", "-m"])
            self._isa = machine.strip() if status == 0 and machine.strip() else "unknown instruction set"
        return self._isa

    def _scope(self) -> str:
        return f"process:user, {self._host_isa()}"

    def _reading(self, context: PassContext, name: str, count: int | None) -> Reading:
        return Reading(
            pass_id=context.pass_id,
            attempt=context.attempt,
            instrument=self.name,
            name=name,
            value=None if count is None else float(count),
            unit="1",
            scope=self._scope(),
            reasons=("output_unreadable",) if count is None else (),
            details={"event": _own(name), "caches": self._caches.details()},
        )


def _own(event: str) -> str:
    """Cachegrind's name of an event."""
    return cachegrind_format.LAB_EVENTS[user_space_event(event)]


def _read(path: Path) -> cachegrind_format.CachegrindFile | str:
    """The file's totals, or why there are none."""
    try:
        return cachegrind_format.parse(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    except ValueError as error:
        return f"{path.name}: {error}"
