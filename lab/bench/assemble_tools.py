"""From a bench file's entries to the tools that count what a program does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instruments.protocol import Instrument
from lab.bench import tools

if TYPE_CHECKING:
    from instruments.cachegrind import CacheGeometry
    from instruments.commands import RunCommand


def make_tool(
    name: str, item: tools.PerfStat | tools.ProcessResources | tools.Cachegrind, run: RunCommand
) -> Instrument:
    """The tool that an entry names; ``run`` starts a command on the bench's board."""
    if isinstance(item, tools.PerfStat):
        from instruments.perf_stat import PerfStat

        return PerfStat(name, core=item.core, run=run, slots=item.counter_slots, events=item.events)
    if isinstance(item, tools.ProcessResources):
        from instruments.process_resources import ProcessResources

        return ProcessResources(name)
    from instruments.cachegrind import Cachegrind, CacheModel

    caches = CacheModel(l1i=_geometry(item.l1i), l1d=_geometry(item.l1d), ll=_geometry(item.ll))
    return Cachegrind(name, run=run, caches=caches)


def _geometry(geometry: tools.Geometry) -> CacheGeometry:
    from instruments.cachegrind import CacheGeometry

    return CacheGeometry(geometry.size, geometry.ways, geometry.line)
