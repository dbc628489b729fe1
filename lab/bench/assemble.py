"""From a bench file to a board and instruments that work together; nothing is opened yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from instruments import protocol
from instruments.protocol import Instrument
from lab.bench import model
from lab.boards.protocol import Board, Command
from lab.errors import HardwareError, UsageError

if TYPE_CHECKING:
    from instruments.cachegrind import CacheGeometry
    from instruments.commands import RunCommand
    from instruments.simulated import faults
    from instruments.simulated.rail import Rail


@dataclass(frozen=True, slots=True)
class AssembledBench:
    """A board, and the instruments by their names in the bench file."""

    board: Board
    instruments: dict[str, Instrument] = field(default_factory=dict)


BOARD_NAME = "board"
"""A bench has one board; this is what documents call it."""

_TRY_DEADLINE_S = 20.0
"""An instrument that tries its tool gets an answer in this time or none."""


def assemble_bench(bench: model.Bench, path: Path, *, campaign_seed: int) -> AssembledBench:
    """Make the board and instruments that a bench file names.

    ``path`` is the bench file's own, for messages. Raises :class:`HardwareError` for a kind of board or instrument that
    this version cannot drive yet, and for parts that do not fit together.
    """
    if isinstance(bench.board, model.SimulatedBoard):
        return _simulated(bench, path, bench.board, campaign_seed)
    from instruments.commands import run_here

    board = _real_board(bench.board, path)
    return AssembledBench(
        board, {name: _instrument(name, item, path, run_here) for name, item in bench.instruments.items()}
    )


def _simulated(bench: model.Bench, path: Path, board: model.SimulatedBoard, campaign_seed: int) -> AssembledBench:
    """A simulated board and its meters share one rail; its perf is the one that runs on the simulated board."""
    from instruments.simulated.rail import Rail
    from lab.boards.simulated.board import SimulatedBoard, SimulatedBoardSettings, Throttling

    rail = Rail(board.supply, board.source_resistance)
    settings = SimulatedBoardSettings(
        supply_v=board.supply,
        source_resistance_ohm=board.source_resistance,
        faults=tuple(Throttling(fault.probability, fault.passes or ("*",), fault.slowdown) for fault in board.faults),
    )
    simulated = SimulatedBoard(BOARD_NAME, settings, rail)
    instruments: dict[str, Instrument] = {}
    for name, item in bench.instruments.items():
        if isinstance(item, model.SimulatedJoulescope):
            instruments[name] = _simulated_joulescope(name, item, rail, path, campaign_seed)
        else:
            instruments[name] = _instrument(name, item, path, run_on(simulated))
    return AssembledBench(simulated, instruments)


def _real_board(board: model.LocalBoard | model.ReplayBoard | model.SshBoard, path: Path) -> Board:
    if isinstance(board, model.LocalBoard):
        from lab.boards.local import LocalBoard

        caches = {name: size for name, size in board.caches.model_dump().items() if size is not None}
        return LocalBoard(BOARD_NAME, affinity=board.affinity, caches=caches)
    if isinstance(board, model.ReplayBoard):
        from lab.boards.replay import ReplayBoard

        return ReplayBoard(BOARD_NAME)
    raise HardwareError(
        f"{path}: this version cannot drive boards over SSH yet",
        advice="put the experiment on a simulated bench, or on this host (board: {kind: local})",
    )


def _instrument(name: str, item: model.Instrument, path: Path, run: RunCommand) -> Instrument:
    """An instrument that is not simulated; ``run`` starts a command on the bench's board."""
    if isinstance(item, model.PerfStat):
        from instruments.perf_stat import PerfStat

        return PerfStat(name, core=item.core, run=run, slots=item.counter_slots, events=item.events)
    if isinstance(item, model.ProcessResources):
        from instruments.process_resources import ProcessResources

        return ProcessResources(name)
    if isinstance(item, model.Cachegrind):
        from instruments.cachegrind import Cachegrind, CacheModel

        caches = CacheModel(l1i=_geometry(item.l1i), l1d=_geometry(item.l1d), ll=_geometry(item.ll))
        return Cachegrind(name, run=run, caches=caches)
    if isinstance(item, model.EnergyRunner):
        from instruments.energyrunner import EnergyRunnerReplay

        return EnergyRunnerReplay(name, accuracy=None if item.accuracy is None else _accuracy(item.accuracy))
    if isinstance(item, model.SimulatedJoulescope):
        raise HardwareError(
            f"{path}: instruments.{name}: a simulated Joulescope has no line to watch here",
            advice="simulated meters go with a simulated board",
        )
    return _joulescope(name, item, path)


def _joulescope(name: str, item: model.Joulescope, path: Path) -> Instrument:
    from instruments.joulescope.instrument import Joulescope
    from instruments.joulescope.settings import JoulescopeSettings

    try:
        settings = JoulescopeSettings(
            model=item.model,
            rate_hz=item.rate,
            range_name=item.range,
            window_line=item.window_line,
            accuracy=_accuracy(item.accuracy),
            serial=item.serial,
        )
    except UsageError as error:
        raise UsageError(f"{path}: instruments.{name}: {error.message}", advice=error.advice) from None
    return Joulescope(name, settings)


def _simulated_joulescope(
    name: str, item: model.SimulatedJoulescope, rail: Rail, path: Path, campaign_seed: int
) -> Instrument:
    from instruments.simulated.joulescope import SimulatedJoulescope, SimulatedJoulescopeSettings

    if item.range == model.AUTO_RANGE:
        raise HardwareError(
            f"{path}: instruments.{name}.range: a simulated Joulescope does not change ranges by itself",
            advice=f"name one of {', '.join(item.accuracy.ranges) or 'accuracy.ranges'}",
        )
    settings = SimulatedJoulescopeSettings(
        model=item.model,
        rate_hz=item.rate,
        range_name=item.range,
        window_line=item.window_line,
        accuracy=_accuracy(item.accuracy),
        campaign_seed=campaign_seed,
        faults=tuple(_meter_fault(fault) for fault in item.faults),
    )
    return SimulatedJoulescope(name, settings, rail)


def _meter_fault(fault: model.MeterFault) -> faults.MeterFault:
    from instruments.simulated import faults

    when: dict[str, Any] = {"probability": fault.probability, "passes": fault.passes or ("*",)}
    match fault:
        case model.Drops():
            return faults.Drops(**when, gaps=fault.gaps, length_s=fault.length)
        case model.Drift():
            return faults.Drift(**when, current_a=fault.current)
        case model.Saturation():
            return faults.Saturation(**when, share=fault.share)
        case model.RangeChange():
            return faults.RangeChange(**when, at=fault.at)
        case model.Unplug():
            return faults.Unplug(**when, at=fault.at)
        case model.EdgeJitter():
            return faults.EdgeJitter(**when, bound_s=fault.bound)


def _accuracy(accuracy: model.Accuracy) -> protocol.Accuracy:
    return protocol.Accuracy(
        ranges={
            name: protocol.RangeAccuracy(
                full_scale_a=limits.full_scale,
                gain_i=limits.gain_i,
                offset_i_a=limits.offset_i,
                gain_v=limits.gain_v,
                offset_v_v=limits.offset_v,
            )
            for name, limits in accuracy.ranges.items()
        },
        timebase_ppm=accuracy.timebase_ppm,
        source=accuracy.source,
        date=accuracy.date or "",
        note=accuracy.note or "",
    )


def _geometry(geometry: model.Geometry) -> CacheGeometry:
    from instruments.cachegrind import CacheGeometry

    return CacheGeometry(geometry.size, geometry.ways, geometry.line)


def run_on(board: Board) -> RunCommand:
    """How an instrument tries a tool on a board."""

    def run(argv: list[str]) -> tuple[int, str, str]:
        with TemporaryDirectory() as folder:
            stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
            result = board.run(Command(argv, deadline_s=_TRY_DEADLINE_S), stdout, stderr)
            return result.exit_status, stdout.read_text(errors="replace"), stderr.read_text(errors="replace")

    return run
