"""What a bench file says of its board: simulated, this machine, none; those at the end of a link lie beside this."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.bench.board_base import BoardModel, LinuxBoardModel, Tflite
from lab.bench.board_state import BoardState
from lab.bench.faults import PassFault
from lab.bench.qemu_board import QemuBoard
from lab.bench.qemu_user_board import QemuUserBoard
from lab.bench.serial_board import SerialBoard
from lab.bench.simavr_board import SimavrBoard
from lab.bench.ssh_board import SshBoard
from lab.config.fields import Model, Number
from lab.config.units import Duration, Voltage


class Throttling(PassFault):
    """The board gets hot and lowers its clock in the middle of the window."""

    kind: Literal["throttling"]
    slowdown: Annotated[float, Field(gt=1, strict=True)] = Field(
        1.5, description="How much longer inferences then take"
    )


class ClockStep(PassFault):
    """The board's clock is off by ``step`` while the program runs, and right again when it is asked."""

    kind: Literal["clock_step"]
    step: Duration = Field(0.02, description="How far the clock is ahead meanwhile")


BoardFault = Annotated[Throttling | ClockStep, Field(discriminator="kind")]
"""The faults that a simulated board can have."""


class SimulatedClock(Model):
    """The simulated board's own clock and the link to it: limits from which each campaign draws."""

    offset: Duration = Field(1000.0, description="It counts from up to so long before the pass")
    drift_ppm: Annotated[float, Field(ge=0, le=500, strict=True)] = Field(50.0, description="Limit of its rate's error")
    delay: Duration = Field(150e-6, description="Most that a question or an answer takes at least, either way")
    jitter: Duration = Field(200e-6, description="Mean of what comes on top of that")


class SimulatedBoard(BoardModel):
    """A model of a board, in virtual time. Everything it gives is stamped ``simulated``."""

    kind: Literal["simulated"]
    model: Literal["imx8mp"] = "imx8mp"
    supply: Voltage = Field(12.0, description="Voltage of the simulated supply")
    source_resistance: Number = Field(0.05, description="Resistance of supply and leads, in ohm")
    tflite: Tflite = Field(default_factory=Tflite)
    between_inferences: Duration = Field(
        0.0,
        description="What the program's loop takes from one inference to the next; without it the line of single "
        "inferences never falls between them",
    )
    clock: SimulatedClock = Field(default_factory=SimulatedClock)
    faults: tuple[BoardFault, ...] = Field((), description="Faults to inject")


class LocalBoard(LinuxBoardModel):
    """This very machine."""

    kind: Literal["local"]
    state: BoardState = Field(default_factory=BoardState)


class ReplayBoard(BoardModel):
    """No board: recorded sessions are replayed."""

    kind: Literal["replay"]


class NoBoard(BoardModel):
    """No board that the lab can reach: what the instruments see is recorded, and nothing is run."""

    kind: Literal["none"]


Board = Annotated[
    SimulatedBoard
    | LocalBoard
    | ReplayBoard
    | NoBoard
    | SshBoard
    | QemuBoard
    | QemuUserBoard
    | SerialBoard
    | SimavrBoard,
    Field(discriminator="kind"),
]
