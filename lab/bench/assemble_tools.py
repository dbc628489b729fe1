"""From a bench file's entries to the tools that count what a program does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from instruments.protocol import EventCount, EventRequest, Instrument, Probe
from lab.bench import tools
from lab.boards.protocol import Board, Command, CountsEvents
from lab.errors import LabError

if TYPE_CHECKING:
    from instruments.cachegrind import CacheGeometry
    from instruments.commands import RunCommand


def make_tool(
    name: str, item: tools.Counters | tools.ProcessResources | tools.Cachegrind, run: RunCommand, board: Board
) -> Instrument:
    """The tool that an entry names; ``run`` starts a command on the bench's ``board``."""
    if isinstance(item, tools.Counters):
        from instruments.counters.events import RawEvent
        from instruments.counters.instrument import Counters

        return Counters(
            name,
            core=item.core,
            run=run,
            by=item.by,
            slots=item.counter_slots,
            events=item.events,
            raw={
                event: RawEvent(raw.code, raw.pmu or "", raw.note, raw.may_be_zero)
                for event, raw in item.raw_events.items()
            },
            board=_CountsThere(board),
        )
    if isinstance(item, tools.ProcessResources):
        from instruments.process_resources import ProcessResources

        return ProcessResources(name)
    from instruments.cachegrind import Cachegrind, CacheModel

    caches = CacheModel(l1i=_geometry(item.l1i), l1d=_geometry(item.l1d), ll=_geometry(item.ll))
    return Cachegrind(name, run=run, caches=caches)


def _geometry(geometry: tools.Geometry) -> CacheGeometry:
    from instruments.cachegrind import CacheGeometry

    return CacheGeometry(geometry.size, geometry.ways, geometry.line)


_TRY_DEADLINE_S = 20.0
"""A board that tries to count gives an answer in this time or none."""


class _CountsThere:
    """An :class:`instruments.counters.on_board.CountingBoard`: a board of the lab that counts a command's events."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def can_count(self) -> Probe:
        from instruments.counters.on_board import ABSENT

        if not isinstance(self._board, CountsEvents):
            return ABSENT
        try:
            return self._board.can_count()
        except LabError as error:
            return Probe(present=False, detail=error.message, advice=error.advice or "")

    def count(self, argv: Sequence[str], requests: Sequence[EventRequest]) -> Sequence[EventCount]:
        with TemporaryDirectory() as folder:
            command = Command(argv, events=tuple(requests), deadline_s=_TRY_DEADLINE_S)
            return self._board.run(command, Path(folder, "stdout"), Path(folder, "stderr")).counts
