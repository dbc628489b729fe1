"""What a bench file says of the counting plugin for QEMU: whose programs, and through which caches."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Literal

from pydantic import Field

from lab.bench.instrument import InstrumentModel
from lab.bench.qemu_user_board import EmulatedArchitecture
from lab.bench.tools import Geometry
from lab.config.fields import Text
from lab.record.formats.tcg import LAB_EVENTS


class ModelledCache(Geometry):
    """A level 1 cache of the target."""

    replacement: Literal["lru", "fifo", "random"] = Field(
        "lru", description="Which line goes; random (pseudo-random, as many Arm cores do) draws from the pass's seed"
    )
    write_allocate: bool = Field(True, description="A store that misses brings its line in")


class TcgPlugin(InstrumentModel):
    """The lab's plugin for QEMU: runs the *target's* binary on this machine and counts; its counts are ``emulated``."""

    counts_events: ClassVar[bool] = True

    kind: Literal["tcg_plugin"]
    l1d: ModelledCache
    l1i: ModelledCache | None = Field(None, description="Without it, instruction cache events are not counted")
    architecture: EmulatedArchitecture | None = Field(None, description="Of the programs; default: the board's")
    cpu: Text | None = Field(None, description="As `qemu-aarch64 -cpu help` lists them; default: the board's core")

    @property
    def counts_at_once(self) -> Collection[str]:
        """Those of the caches that are modelled."""
        return [event for event in LAB_EVENTS if "icache" not in event or self.l1i is not None]
