"""What a bench file says of the tools that count what a program does: perf, cachegrind, the operating system."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from instruments.counters.cores import CORES
from lab.bench.instrument import InstrumentModel
from lab.config.fields import Count, Identifier, Model, Text, config_error
from lab.config.units import Size
from lab.record.formats.cachegrind import LAB_EVENTS


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


class RawEventModel(Model):
    """An event by its number, under a name of yours."""

    code: Annotated[int, Field(ge=0, le=2**64 - 1, strict=True)] = Field(
        description="The event's number as the PMU's manual has it, such as 0x17"
    )
    pmu: Text | None = Field(
        None, description="The counting unit, as a folder of /sys/bus/event_source/devices; default: the core's own"
    )
    note: str = Field("", description="What it counts, for whoever reads the record")
    may_be_zero: bool = Field(False, description="A count of exactly zero is believed of it")


class Counters(InstrumentModel):
    """Hardware and software events of the program, counted by the board's kernel."""

    counts_events: ClassVar[bool] = True

    kind: Literal["counters"]
    by: Literal["auto", "perf_stat", "agent"] = Field(
        "auto",
        description="Who counts: perf stat, the lab's agent on the board, or perf where it works, else the agent",
    )
    core: Literal[
        "cortex-a53",
        "cortex-a55",
        "cortex-a72",
        "cortex-a73",
        "cortex-a76",
        "cortex-a78",
        "cortex-a7",
        "cortex-a8",
        "cortex-a9",
        "x86",
        "generic",
    ] = Field("generic", description="What events mean there, and how many of them are counted at once")
    slots: Count | None = Field(None, description="Counters of the PMU that are free; default: what the core has")
    events: Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        None, description="The only events to ask it for; default: any"
    )
    raw_events: dict[Identifier, RawEventModel] = Field({}, description="Events by number: name → event")

    @property
    def counter_slots(self) -> int:
        """How many hardware events it counts at once without multiplexing."""
        return self.slots if self.slots is not None else CORES[self.core].slots

    @property
    def dedicated_events(self) -> frozenset[str]:
        """Events with a counter of their own beside the programmable ones."""
        return CORES[self.core].dedicated


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

    @property
    def counts_at_once(self) -> Collection[str]:
        """All that it knows."""
        return LAB_EVENTS
