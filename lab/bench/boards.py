"""What a bench file says of its board: simulated, this machine, none, or one reached over SSH."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lab.bench.faults import PassFault
from lab.config.environment import PathText
from lab.config.fields import Model, Number, Text, Whole, config_error
from lab.config.units import Duration, Size, Voltage


class Caches(Model):
    """Sizes of the board's memories next to the core, for the cache-fit figures."""

    l1d: Size | None = Field(None, description="Level 1 data cache of one core")
    l2: Size | None = Field(None, description="Level 2 cache")
    ram: Size | None = Field(None, description="On-chip memory that the study calls RAM")


class Tflite(Model):
    """Where TensorFlow Lite lies on the board."""

    benchmark_model: Text = Field("benchmark_model", description="Path of the program on the board")
    npu: Literal["nnapi", "external_delegate"] = Field("nnapi", description="How work is put on the NPU")
    delegate: Text | None = Field(None, description="Path of the delegate's library on the board")

    @model_validator(mode="after")
    def _delegate_is_named(self) -> Tflite:
        if self.npu == "external_delegate" and self.delegate is None:
            raise config_error("missing key 'delegate'", expected="the path of the library on the board", at=("npu",))
        return self


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


class _Board(Model):
    caches: Caches = Field(default_factory=Caches)


class _LinuxBoard(_Board):
    affinity: Annotated[tuple[Whole, ...], Field(min_length=1)] | None = Field(
        None, description="CPUs that programs may use"
    )
    models: PathText | None = Field(None, description="Folder with the .tflite files, on this machine")
    tflite: Tflite = Field(default_factory=Tflite)


class SimulatedBoard(_Board):
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


class LocalBoard(_LinuxBoard):
    """This very machine."""

    kind: Literal["local"]


class ReplayBoard(_Board):
    """No board: recorded sessions are replayed."""

    kind: Literal["replay"]


class NoBoard(_Board):
    """No board that the lab can reach: what the instruments see is recorded, and nothing is run."""

    kind: Literal["none"]


class SshBoard(_LinuxBoard):
    """A board reached with OpenSSH; your own keys and ~/.ssh/config apply."""

    kind: Literal["ssh"]
    host: Text = Field(description="Host name, address, or a Host of ~/.ssh/config")
    user: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = None
    workdir: Text = Field("/tmp/lab", description="Folder on the board for programs and their output")


Board = Annotated[SimulatedBoard | LocalBoard | ReplayBoard | NoBoard | SshBoard, Field(discriminator="kind")]
