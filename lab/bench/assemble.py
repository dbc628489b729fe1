"""From a bench file to a board and instruments that work together; nothing is opened yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from instruments.protocol import Instrument
from lab.bench import boards, joulescopes, meters, model, ppk2, recordings, tcg, tools
from lab.bench.assemble_boards import BOARD_NAME, make_board
from lab.bench.assemble_joulescopes import make_joulescope, make_simulated_joulescope
from lab.bench.assemble_meters import make_polled_meter
from lab.bench.assemble_ppk2 import make_ppk2
from lab.bench.assemble_recordings import make_energyrunner, make_replay
from lab.bench.assemble_tools import make_tool
from lab.boards.protocol import AnswersQuestions, Board, Command
from lab.errors import HardwareError

if TYPE_CHECKING:
    from instruments.commands import RunCommand


@dataclass(frozen=True, slots=True)
class AssembledBench:
    """A board, and the instruments by their names in the bench file."""

    board: Board
    instruments: dict[str, Instrument] = field(default_factory=dict)
    elsewhere: dict[str, Board] = field(default_factory=dict)
    """Instruments whose passes run the program on another board than the bench's: instrument → that board."""


_TRY_DEADLINE_S = 20.0
"""An instrument that tries its tool gets an answer in this time or none."""


def assemble_bench(bench: model.Bench, path: Path, *, campaign_seed: int) -> AssembledBench:
    """Make the board and instruments that a bench file names.

    ``path`` is the bench file's own, for messages. Raises :class:`HardwareError` for a kind of board or instrument that
    this version cannot drive yet, and for parts that do not fit together.
    """
    if isinstance(bench.board, boards.SimulatedBoard):
        return _simulated(bench, path, bench.board, campaign_seed)
    from instruments.commands import run_here

    board = make_board(bench.board, path)
    run = run_here if isinstance(bench.board, boards.LocalBoard) else run_on(board)
    assembled = AssembledBench(board)
    for name, item in bench.instruments.items():
        if isinstance(item, tcg.TcgPlugin):
            from lab.bench.assemble_tcg import make_tcg

            assembled.instruments[name], elsewhere = make_tcg(name, item, bench.board, path)
            if elsewhere is not None:
                assembled.elsewhere[name] = elsewhere
        else:
            if bench.board.emulated:
                from lab.bench.assemble_tcg import refuse_to_count_the_emulator

                refuse_to_count_the_emulator(name, item, bench.board, path)
            assembled.instruments[name] = _instrument(name, item, path, run, board)
    return assembled


def _simulated(bench: model.Bench, path: Path, board: boards.SimulatedBoard, campaign_seed: int) -> AssembledBench:
    """A simulated board and its meters share one rail; its perf is the one that runs on the simulated board."""
    from instruments.simulated.rail import Rail
    from lab.boards.simulated.board import SimulatedBoard, SimulatedBoardSettings, Throttling
    from lab.boards.simulated.clock import ClockSettings, ClockStep
    from lab.boards.simulated.supply import soc_rail

    rail = Rail(board.supply, board.source_resistance)
    meters = [item for item in bench.instruments.values() if isinstance(item, joulescopes.SimulatedJoulescope)]
    rails = {"board": rail} | {item.rail: soc_rail(rail) for item in meters if item.rail != "board"}
    settings = SimulatedBoardSettings(
        supply_v=board.supply,
        source_resistance_ohm=board.source_resistance,
        faults=tuple(
            Throttling(fault.probability, fault.passes or ("*",), fault.slowdown)
            for fault in board.faults
            if isinstance(fault, boards.Throttling)
        ),
        clock=ClockSettings(board.clock.offset, board.clock.drift_ppm, board.clock.delay, board.clock.jitter),
        clock_steps=tuple(
            ClockStep(fault.probability, fault.passes or ("*",), fault.step)
            for fault in board.faults
            if isinstance(fault, boards.ClockStep)
        ),
        campaign_seed=campaign_seed,
        between_inferences_s=board.between_inferences,
    )
    simulated = SimulatedBoard(BOARD_NAME, settings, rail, soc=rails.get("soc"))
    instruments: dict[str, Instrument] = {}
    for name, item in bench.instruments.items():
        if isinstance(item, joulescopes.SimulatedJoulescope):
            instruments[name] = make_simulated_joulescope(name, item, rails[item.rail], path, campaign_seed)
        else:
            instruments[name] = _instrument(name, item, path, run_on(simulated), simulated)
    return AssembledBench(simulated, instruments)


def _instrument(name: str, item: model.Instrument, path: Path, run: RunCommand, board: Board) -> Instrument:
    """An instrument that is not simulated; ``run`` starts a command on the bench's ``board``."""
    match item:
        case tools.Counters() | tools.ProcessResources() | tools.Cachegrind():
            return make_tool(name, item, run, board)
        case recordings.EnergyRunner():
            return make_energyrunner(name, item)
        case recordings.Replay():
            return make_replay(name, item, path)
        case joulescopes.Joulescope():
            return make_joulescope(name, item, path)
        case ppk2.Ppk2():
            return make_ppk2(name, item, path)
        case meters.Nvml() | meters.Rapl() | meters.Hwmon():
            return make_polled_meter(name, item)
        case joulescopes.SimulatedJoulescope():
            raise HardwareError(
                f"{path}: instruments.{name}: a simulated Joulescope has no line to watch here",
                advice="simulated meters go with a simulated board",
            )
        case tcg.TcgPlugin():
            raise HardwareError(
                f"{path}: instruments.{name}: a simulated board has no program to emulate",
                advice="the counting plugin goes with real and emulated boards, and with this machine",
            )


def run_on(board: Board) -> RunCommand:
    """How an instrument tries a tool on a board."""
    if isinstance(board, AnswersQuestions):
        return board.ask

    def run(argv: list[str]) -> tuple[int, str, str]:
        with TemporaryDirectory() as folder:
            stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
            result = board.run(Command(argv, deadline_s=_TRY_DEADLINE_S), stdout, stderr)
            return result.exit_status, stdout.read_text(errors="replace"), stderr.read_text(errors="replace")

    return run
