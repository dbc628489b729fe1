"""What a bench file says of the tools that count what a program does: perf, cachegrind, the operating system."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from lab.bench.instrument import InstrumentModel
from lab.config.fields import Count, Model, Text, config_error
from lab.config.units import Size


class Geometry(Model):
    """Geometry of one cache."""

    size: Size
    ways: Count
    line: Size = 64

    @model_validator(mode="after")
    def _sets_are_whole(self) -> Geometry:
        if self.line == 0 or self.line & (self.line - 1):
            raise config_error("not a power of two", expected="32, 64, 128 …", at=("line",))
        sets, rest = divmod(self.size, self.ways * self.line)
        if rest or sets == 0 or sets & (sets - 1):
            raise config_error(
                "not a power-of-two number of sets", expected="ways × line × a power of two", at=("size",)
            )
        return self


PERF_SLOTS = {"cortex-a53": 6, "cortex-a9": 6, "cortex-a72": 6, "x86": 4, "generic": 4}
"""Programmable counters of a core's PMU (Arm's reference manuals of the cores; x86: the four that every core has)."""


class PerfStat(InstrumentModel):
    """``perf stat`` on the board."""

    counts_events: ClassVar[bool] = True

    kind: Literal["perf_stat"]
    core: Literal["cortex-a53", "cortex-a9", "cortex-a72", "x86", "generic"] = "generic"
    slots: Count | None = Field(None, description="Counters of the PMU; default: what the core has")
    events: Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        None, description="The only events to ask it for; default: any"
    )

    @property
    def counter_slots(self) -> int:
        """How many hardware events it counts at once without multiplexing."""
        return self.slots if self.slots is not None else PERF_SLOTS[self.core]


class ProcessResources(InstrumentModel):
    """What the operating system accounts to the program: elapsed, user and system time, peak memory."""

    watches_process: ClassVar[bool] = True

    kind: Literal["process_resources"]


class Cachegrind(InstrumentModel):
    """Valgrind's cachegrind with the caches of another core: its counts are ``emulated``."""

    counts_events: ClassVar[bool] = True

    kind: Literal["cachegrind"]
    l1i: Geometry
    l1d: Geometry
    ll: Geometry = Field(description="Last level")
