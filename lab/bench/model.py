"""What a bench file says, typed: one board, the instruments that watch it, and how they are wired and calibrated.

Load files with :func:`lab.experiment.load.load_bench`. All times are in seconds, sizes in bytes, rates in hertz,
currents in ampere, voltages in volt; accuracies are limits of error (half-widths), relative ones as plain ratios.

The kinds of board and instrument lie in modules of their own beside this one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab.bench.alignment import Alignment
from lab.bench.boards import Board
from lab.bench.joulescopes import Joulescope, SimulatedJoulescope
from lab.bench.meters import Hwmon, Nvml, Rapl
from lab.bench.ppk2 import Ppk2
from lab.bench.recordings import EnergyRunner, Replay
from lab.bench.tcg import TcgPlugin
from lab.bench.tools import Cachegrind, Counters, ProcessResources
from lab.config.fields import Identifier, Model, Text

Instrument = Annotated[
    SimulatedJoulescope
    | Joulescope
    | Ppk2
    | Counters
    | ProcessResources
    | Cachegrind
    | TcgPlugin
    | EnergyRunner
    | Replay
    | Nvml
    | Rapl
    | Hwmon,
    Field(discriminator="kind"),
]


class Bench(Model):
    """A bench file."""

    bench: Identifier = Field(description="Its name")
    title: Text | None = None
    description: Text | None = None
    board: Board
    instruments: dict[Identifier, Instrument] = Field({}, description="What watches the board: name → instrument")
    alignment: Alignment | None = Field(None, description="How the program's window is found in the traces")
