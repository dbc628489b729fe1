"""What a bench file says, typed: one board, the instruments that watch it, and how they are wired and calibrated.

Load files with :func:`lab.experiment.load.load_bench`. All times are in seconds, sizes in bytes, rates in hertz,
currents in ampere, voltages in volt; accuracies are limits of error (half-widths), relative ones as plain ratios.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from lab.config.environment import PathText
from lab.config.fields import Count, Identifier, Model, Number, Text, Whole, config_error
from lab.config.problems import closest, one_of
from lab.config.units import Current, Duration, Frequency, Probability, Ratio, Size, Voltage

# ------------------------------------------------------------------------------------------------------ board


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


class _PassFault(Model):
    probability: Probability = Field(1.0, description="Share of the passes that are hit")
    passes: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        ("*",), description="Only passes whose id matches one of these patterns, such as *.energy"
    )


class Throttling(_PassFault):
    """The board gets hot and lowers its clock in the middle of the window."""

    kind: Literal["throttling"]
    slowdown: Annotated[float, Field(gt=1, strict=True)] = Field(
        1.5, description="How much longer inferences then take"
    )


BoardFault = Throttling
"""The faults that a simulated board can have; more kinds will make this a union by ``kind``."""


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
    faults: tuple[BoardFault, ...] = Field((), description="Faults to inject")


class LocalBoard(_LinuxBoard):
    """This very machine."""

    kind: Literal["local"]


class ReplayBoard(_Board):
    """No board: recorded sessions are replayed."""

    kind: Literal["replay"]


class SshBoard(_LinuxBoard):
    """A board reached with OpenSSH; your own keys and ~/.ssh/config apply."""

    kind: Literal["ssh"]
    host: Text = Field(description="Host name, address, or a Host of ~/.ssh/config")
    user: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = None
    workdir: Text = Field("/tmp/lab", description="Folder on the board for programs and their output")


Board = Annotated[SimulatedBoard | LocalBoard | ReplayBoard | SshBoard, Field(discriminator="kind")]

# ------------------------------------------------------------------------------------------- meter's accuracy


class RangeAccuracy(Model):
    """Limits of error of one current range."""

    full_scale: Current = Field(description="End of the range")
    gain_i: Ratio = Field(description="Gain error of the current")
    offset_i: Current = Field(description="Offset of the current")
    gain_v: Ratio = Field(description="Gain error of the voltage")
    offset_v: Voltage = Field(description="Offset of the voltage")


class Accuracy(Model):
    """How well a meter measures, and who says so."""

    source: Literal["datasheet", "calibration", "placeholder"] = Field(
        description="With a placeholder the budget is shown, and no expanded uncertainty is claimed"
    )
    date: Text | None = Field(None, description="Of the data sheet or the calibration")
    note: Text | None = None
    timebase_ppm: Number = Field(description="Limit of error of the sample clock, in ppm")
    ranges: dict[Text, RangeAccuracy] = Field({}, description="Limits of error by current range")

    @model_validator(mode="after")
    def _has_ranges(self) -> Accuracy:
        if not self.ranges and self.source != "placeholder":
            raise config_error("no limits of error", expected="at least one range in 'ranges'", at=("source",))
        return self


# -------------------------------------------------------------------------------- faults of a simulated meter


class Drops(_PassFault):
    """Samples go missing in gaps spread over the trace."""

    kind: Literal["drops"]
    gaps: Count = Field(3, description="How many gaps")
    length: Duration = Field(0.02, description="Length of each gap")


class Drift(_PassFault):
    """Idle power creeps: the current's offset grows from the beginning of the pass to its end."""

    kind: Literal["drift"]
    current: Current = Field(0.005, description="Offset at the end of the pass")


class Saturation(_PassFault):
    """The current range is too small: samples stop at its end."""

    kind: Literal["saturation"]
    share: Probability = Field(0.05, description="Share of the highest samples that are cut")


class RangeChange(_PassFault):
    """The meter switches its current range inside the window, with another gain and offset."""

    kind: Literal["range_change"]
    at: Probability = Field(0.5, description="Where, as a share of the trace")


class Unplug(_PassFault):
    """The meter's cable is pulled: the trace ends."""

    kind: Literal["unplug"]
    at: Probability = Field(0.5, description="Where, as a share of the trace")


class EdgeJitter(_PassFault):
    """The edges on the logic input bounce."""

    kind: Literal["edge_jitter"]
    bound: Duration = Field(0.002, description="How far from the true instant")


MeterFault = Annotated[Drops | Drift | Saturation | RangeChange | Unplug | EdgeJitter, Field(discriminator="kind")]

# ------------------------------------------------------------------------------------------------ instruments

AUTO_RANGE = "auto"

_JOULESCOPE_MAX_RATE_HZ = {"JS110": 2e6, "JS220": 1e6, "JS320": 1e6}
_JOULESCOPE_LOGIC_INPUTS = {"JS110": 2, "JS220": 4, "JS320": 4}


class _Instrument(Model):
    """What the plan needs to know of an instrument, whatever its kind."""

    measures_power: ClassVar[bool] = False
    counts_events: ClassVar[bool] = False
    watches_process: ClassVar[bool] = False


class _JoulescopeBase(_Instrument):
    measures_power: ClassVar[bool] = True

    model: Literal["JS110", "JS220", "JS320"]
    rate: Frequency = Field(description="Samples per second of current and voltage")
    range: Text = Field(
        AUTO_RANGE,
        description="Current range, named as in accuracy.ranges; a fixed one lets gain and offset cancel between idle "
        "and load",
    )
    window_line: Literal["gpi0", "gpi1", "gpi2", "gpi3"] = Field(
        "gpi0", description="Logic input that is high while inferences are measured"
    )
    accuracy: Accuracy

    @model_validator(mode="after")
    def _range_is_known(self) -> _JoulescopeBase:
        ranges = list(self.accuracy.ranges)
        if ranges and self.range not in (*ranges, AUTO_RANGE):
            choices = [*ranges, AUTO_RANGE]
            raise config_error(
                "no limits of error are given for this range",
                expected=one_of(choices),
                suggestion=closest(self.range, choices),
                at=("range",),
            )
        most = _JOULESCOPE_MAX_RATE_HZ[self.model]
        if not 1 <= self.rate <= most:
            raise config_error(f"not a rate of a {self.model}", expected=f"1 Hz to {most:g} Hz", at=("rate",))
        if int(self.window_line[-1]) >= _JOULESCOPE_LOGIC_INPUTS[self.model]:
            lines = [f"gpi{line}" for line in range(_JOULESCOPE_LOGIC_INPUTS[self.model])]
            raise config_error(f"a {self.model} has no such input", expected=one_of(lines), at=("window_line",))
        return self


class SimulatedJoulescope(_JoulescopeBase):
    """A model of a Joulescope: it errs within the stated limits, and knows the truth."""

    kind: Literal["simulated_joulescope"]
    faults: tuple[MeterFault, ...] = Field((), description="Faults to inject")

    @model_validator(mode="after")
    def _is_fully_stated(self) -> SimulatedJoulescope:
        if self.range not in self.accuracy.ranges:
            raise config_error(
                "a simulated meter needs a fixed range with limits of error",
                expected=one_of(list(self.accuracy.ranges)) or "one that accuracy.ranges describes",
                at=("range",),
            )
        if self.rate != int(self.rate):
            raise config_error("not a whole number of samples per second", at=("rate",))
        return self


class Joulescope(_JoulescopeBase):
    """A real Joulescope in the board's supply."""

    kind: Literal["joulescope"]
    serial: Text | None = Field(None, description="Serial number; needed where several are connected")


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


class PerfStat(_Instrument):
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


class ProcessResources(_Instrument):
    """What the operating system accounts to the program: elapsed, user and system time, peak memory."""

    watches_process: ClassVar[bool] = True

    kind: Literal["process_resources"]


class Cachegrind(_Instrument):
    """Valgrind's cachegrind with the caches of another core: its counts are ``emulated``."""

    counts_events: ClassVar[bool] = True

    kind: Literal["cachegrind"]
    l1i: Geometry
    l1d: Geometry
    ll: Geometry = Field(description="Last level")


class EnergyRunner(_Instrument):
    """Power sessions that EnergyRunner (MLPerf Tiny) recorded."""

    measures_power: ClassVar[bool] = True

    kind: Literal["energyrunner"]
    accuracy: Accuracy | None = None


Instrument = Annotated[
    SimulatedJoulescope | Joulescope | PerfStat | ProcessResources | Cachegrind | EnergyRunner,
    Field(discriminator="kind"),
]

# ------------------------------------------------------------------------------------------------------ bench


class Bench(Model):
    """A bench file."""

    bench: Identifier = Field(description="Its name")
    title: Text | None = None
    description: Text | None = None
    board: Board
    instruments: dict[Identifier, Instrument] = Field({}, description="What watches the board: name → instrument")
