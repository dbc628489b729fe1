"""What an experiment file says, typed. An experiment knows no hardware: that is the bench's part.

Load files with :func:`lab.experiment.load.load_experiment`, which also checks what lies between the fields (template
names, exclusions, quantities) and reports everything with its position. All times are in seconds, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from analysis.readers import PROGRAM_READERS
from analysis.studies import STUDIES
from lab.config.environment import PathText
from lab.config.fields import Count, Identifier, Model, Scalar, Text, Whole, config_error
from lab.config.problems import closest, one_of
from lab.config.templates import ScalarTemplate, Template
from lab.config.units import Duration
from lab.record.timed import depends_on_time

# ------------------------------------------------------------------------------------------------ known names


def _known(what: str, names: Collection[str]) -> AfterValidator:
    """Find a misspelt name now, not when all passes are done."""

    def check(name: str) -> str:
        if name in names:
            return name
        known = one_of(sorted(names)) if names else None
        raise config_error(f"there is no such {what}", expected=known, suggestion=closest(name, names))

    return AfterValidator(check)


ReaderName = Annotated[Identifier, _known("reader", {*PROGRAM_READERS, "none"})]
StudyName = Annotated[Identifier, _known("study", STUDIES)]

# -------------------------------------------------------------------------------------------------- workloads


class TfliteBenchmarkWorkload(Model):
    """One of the study's networks, run by TensorFlow Lite's ``benchmark_model`` or what else the bench says."""

    kind: Literal["tflite_benchmark"]
    network: ScalarTemplate = Field(description="Network, such as MobileNet")
    input: ScalarTemplate = Field(description="Height and width of the input image in pixels")
    compression: ScalarTemplate = Field("none", description="Variant of the network: none, PQ or PWQ")
    threads: ScalarTemplate = Field(1, description="CPU threads")
    accelerator: ScalarTemplate = Field("cpu", description="cpu, npu or gpu")


class ProgramData(Model):
    """Input files of a program, in a folder that the user names with an environment variable."""

    env: Identifier = Field("LAB_DATA", description="Environment variable that names the folder")
    needs: tuple[Text, ...] = Field((), description="Files that must be in it")


class ProgramNetwork(Model):
    """The network that a program runs, for the cache-fit figures: fully connected layers alone."""

    dense: Template = Field(description="Inputs, then the neurons of each layer: 784,{hidden},10")
    element: Literal["float64", "float32", "float16", "int16", "int8"] = Field(
        "float32", description="Type of its weights and activations"
    )


class ProgramWorkload(Model):
    """A program of ours or yours, built from source and run with a command line.

    In ``build``, ``prepare`` and ``command``, ``{source}`` is the source folder, ``{build}`` a folder for what is
    built, ``{data}`` the folder with the input files; in ``command`` also every factor and setting, and ``{out}``, a
    fresh folder for each pass, whose files are kept in the record.
    """

    kind: Literal["program"]
    source: PathText = Field(description="Folder with the source, relative to this file")
    build: tuple[Template, ...] = Field((), description="Command that builds the program; empty: nothing to build")
    prepare: tuple[Template, ...] = Field(
        (), description="Command that makes the input files in {data}, where the user names no folder with them"
    )
    data: ProgramData | None = Field(None, description="Input files, if the program needs any")
    command: Annotated[tuple[Template, ...], Field(min_length=1)] = Field(description="Command of one pass")
    reader: ReaderName = Field(description="Which reader understands what the program prints; none: kept, not read")
    per: Literal["inference", "process"] = Field("inference", description="What results are stated per")
    network: ProgramNetwork | None = Field(None, description="The network that it runs, if it runs one")
    opens_window: bool = Field(
        False,
        description="The program says when its window opens and closes, through the pipes that LAB_WINDOW names",
    )


PROGRAM_PLACEHOLDERS = ("source", "build", "data")
"""Names that a program's templates may use beside factors and settings."""
COMMAND_PLACEHOLDERS = (*PROGRAM_PLACEHOLDERS, "out")
"""Those of its command."""


class FirmwareWorkload(Model):
    """A firmware that this machine makes anew for each point of the matrix and puts on the board.

    Each step is a command that runs here once for its content: in it, ``{source}`` is the source folder, ``{data}`` the
    folder with the input files, the step's own name a fresh folder, the names of earlier steps theirs; factors and
    settings stand in all of them. In ``image`` and ``command`` the same names may stand.
    """

    kind: Literal["firmware"]
    source: PathText = Field(description="Folder with the source, relative to this file")
    uses: tuple[PathText, ...] = Field((), description="Further folders whose content the steps depend on")
    prepare: tuple[Template, ...] = Field(
        (), description="Command that makes the input files in {data}, where the user names no folder with them"
    )
    data: ProgramData | None = Field(None, description="Input files, if the steps need any")
    steps: dict[Identifier, Annotated[tuple[Template, ...], Field(min_length=1)]] = Field(
        description="What is done here, in this order: name → command"
    )
    compiler: Text = Field("avr-gcc", description="Its version is part of what is made, and kept in the record")
    image: Template = Field(description="The file that is put on the board")
    command: Annotated[tuple[Template, ...], Field(min_length=1)] = Field(
        description="Request of one pass (docs/serial.md)"
    )
    reader: ReaderName = Field("firmware", description="Which reader understands what the request prints")
    quantities: dict[Identifier, Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]] = Field(
        {},
        description="What steps print and results hold, too: name → STEP.KEY of the last line of JSON that it prints",
    )
    per: Literal["inference", "process"] = Field("inference", description="What results are stated per")

    @model_validator(mode="after")
    def _quantities_are_printed(self) -> FirmwareWorkload:
        for name, place in self.quantities.items():
            step = place.partition(".")[0]
            if step not in self.steps:
                known = ", ".join(self.steps)
                raise config_error(f"no step is called {step!r}", expected=f"one of {known}", at=("quantities", name))
            if depends_on_time(name):
                raise config_error(
                    "this machine's times are none of the board's", expected="a size, a share", at=("quantities", name)
                )
        return self


FIRMWARE_PLACEHOLDERS = ("source", "data")
"""Names that a firmware's templates may use beside factors, settings and steps."""


class RecordedSessionWorkload(Model):
    """Recordings that were made elsewhere: nothing is run."""

    kind: Literal["recorded_session"]
    format: Literal["energyrunner", "jls", "csv"] = Field(
        "energyrunner", description="Sessions of EnergyRunner, JLS files of any program, or tables with a layout"
    )
    folder: PathText | None = Field(
        None, description="Folder below which the recordings lie; none, where the bench's instruments name their files"
    )
    session: Template = Field(
        "{session}", description="The recording, relative to `folder`: a session's folder, a JLS file, a table"
    )
    inferences: ScalarTemplate | None = Field(
        None, description="Inferences in the window (all windows together), where the recording does not say"
    )
    per: Literal["inference", "process"] = Field(
        "inference", description="What results are stated per; process: the window as a whole"
    )


class ObserveWorkload(Model):
    """No program: the board is left alone and watched. All of the trace is then the window."""

    kind: Literal["observe"]
    duration: Annotated[Duration, Field(gt=0)] = Field(description="How long")
    ends_early: bool = Field(False, description="Ctrl-C ends the watching and keeps what was seen, as a whole pass")


Workload = Annotated[
    TfliteBenchmarkWorkload | ProgramWorkload | FirmwareWorkload | RecordedSessionWorkload | ObserveWorkload,
    Field(discriminator="kind"),
]

# ---------------------------------------------------------------------------------------------------- factors


class FactorValue(Model):
    """One value of a factor, with the settings that it stands for."""

    value: Scalar
    settings: dict[Identifier, Scalar] = Field({}, description="Further names for templates, defined by this value")
    label: str | None = Field(None, description="How it is called in figures, if not by its value; may be empty")


class Glob(Model):
    """Folders or files to be found when the plan is made."""

    folder: PathText = Field(description="Where to look; ${LAB_DATA} and ${LAB_DATA:-fallback} are expanded")
    pattern: Text = Field(description="Which files, such as **/trace1-energy.bin or *.jls")
    values: Literal["folders", "files"] = Field(
        "folders", description="Whether the folders of the files are the values, or the files themselves"
    )


class DiscoveredFactor(Model):
    """A factor whose values are the folders of the files that match, relative to ``folder``, sorted."""

    glob: Glob


def _as_factor_value(value: Any) -> Any:
    return value if isinstance(value, (dict, FactorValue)) else {"value": value}


def _factor_form(value: Any) -> str:
    return "discovered" if isinstance(value, (dict, DiscoveredFactor)) else "listed"


ListedFactor = Annotated[
    tuple[Annotated[FactorValue, BeforeValidator(_as_factor_value, json_schema_input_type=Scalar | FactorValue)], ...],
    Field(min_length=1),
]
Factor = Annotated[
    Annotated[ListedFactor, Tag("listed")] | Annotated[DiscoveredFactor, Tag("discovered")],
    Discriminator(_factor_form),
]

# ----------------------------------------------------------------------------------------------------- passes


class LatencyPass(Model):
    """Time per inference; resource use is taken along."""

    runs: Count = Field(1, description="At least so many inferences")
    warmup_runs: Whole = Field(0, description="Inferences before, left out")
    min_duration: Duration | None = Field(None, description="At least so long")


class EnergyPass(Model):
    """Energy per inference, with idle power before and after."""

    duration: Duration | None = Field(None, description="The measured window lasts at least so long")
    runs: Count = Field(1, description="At least so many inferences")
    warmup_runs: Whole = Field(0, description="Inferences before the window, left out")
    idle: Duration = Field(0.0, description="Idle time recorded before and after")


class CountersPass(Model):
    """Hardware and software counters, in as many passes as the counters need."""

    events: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="Events in the kernel's spelling, such as instructions, L1-dcache-loads, page-faults"
    )
    runs: Count = Field(1, description="Inferences per pass")
    warmup_runs: Whole = Field(0, description="Inferences before, left out")
    baseline_runs: Whole | None = Field(
        None, description="A second pass with so few inferences: the difference leaves start-up and warm-up out"
    )
    window_only: bool = Field(False, description="Count inside the program's window only; needs workload.opens_window")


class Passes(Model):
    """Which passes each trial consists of; at least one."""

    latency: LatencyPass | None = None
    energy: EnergyPass | None = None
    counters: CountersPass | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Passes:
        if self.latency is None and self.energy is None and self.counters is None:
            raise config_error("no pass", expected="at least one of 'latency', 'energy', 'counters'")
        return self


# --------------------------------------------------------------------------------------------------- analysis


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (bool, int, float, str)) else value


Only = dict[
    Identifier,
    Annotated[tuple[Scalar, ...], BeforeValidator(_as_list, json_schema_input_type=Scalar | tuple[Scalar, ...])],
]
"""Factor → the values to show."""
Scale = Literal["linear", "log"]


class _Figure(Model):
    name: Identifier = Field(description="File name of the figure, without suffix")
    title: Text | None = Field(None, description="Default: made from the quantities")
    caption: Text | None = Field(None, description="A sentence below the figure")
    only: Only = Field({}, description="Only the points with these factor values")
    hue: Identifier | None = Field(None, description="Factor that colours the figure, if not analysis.hue")


class BarsFigure(_Figure):
    """One quantity for each variation."""

    kind: Literal["bars"]
    quantity: Text = Field(description="Quantity, such as latency_s or instructions")
    scale: Scale = "linear"


class ScatterFigure(_Figure):
    """One quantity against another, a point for each variation."""

    kind: Literal["scatter"]
    x: Text = Field(description="Quantity, such as layer_fit_l1_pct")
    y: Text = Field(description="Quantity, such as latency_s")
    by: Identifier | None = Field(None, description="One panel per value of this factor")
    scale: Scale = Field("linear", description="Of both axes")


class TableFigure(_Figure):
    """One quantity as a table: a row for each variation, a column for each value of `by`."""

    kind: Literal["table"]
    quantity: Text = Field(description="Quantity, such as latency_s or instructions")
    by: Identifier | None = Field(None, description="Factor whose values are the columns")


Figure = Annotated[BarsFigure | ScatterFigure | TableFigure, Field(discriminator="kind")]


class Correlation(Model):
    """How two quantities go together, over the points of the matrix."""

    x: Text
    y: Text
    by: Identifier | None = Field(None, description="One correlation per value of this factor")
    cluster: Identifier | None = Field(None, description="Factor whose values are drawn as a whole by the bootstrap")


class CacheFit(Model):
    """What measures of cache fit are held against; without it, all that a record has."""

    by: Identifier | None = Field(None, description="One comparison per value of this factor; default: analysis.hue")
    cluster: Identifier | None = Field(
        None, description="Factor that makes families, drawn as a whole by the bootstrap; default: the label's first"
    )
    only: Only = Field({}, description="Only the points with these factor values")
    against: tuple[Text, ...] = Field((), description="Quantities; default: latency, energy and counters")
    network: Text | None = Field(None, description="The variation drawn layer by layer, such as MobileNet PQ 32")


class Analysis(Model):
    """What is made of the results, beyond the tables that every record has."""

    label: Template | None = Field(None, description="Name of a variation in figures; default: all factor values")
    hue: Identifier | None = Field(None, description="Factor that colours figures and splits their groups")
    figures: tuple[Figure, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    cache_fit: CacheFit = Field(default_factory=CacheFit)
    study: StudyName | None = Field(
        None, description="Published study whose figures and tables are made of this record, too"
    )
    offload: PathText | None = Field(
        None, description="Scenario file, relative to this one: what each inference would cost if a server made it"
    )


# ------------------------------------------------------------------------------------------------- experiment


class Experiment(Model):
    """An experiment file."""

    experiment: Identifier = Field(description="Its name; records lie in a folder of this name")
    title: Text | None = None
    description: Text | None = None
    bench: PathText | None = Field(None, description="Bench file used where the command line names none")
    seed: Whole = Field(0, description="Every random order and simulated noise is drawn from it")
    workload: Workload
    factors: dict[Identifier, Factor] = Field({}, description="Axes of the matrix: name → values")
    exclude: tuple[Only, ...] = Field((), description="Combinations of factor values to leave out")
    repeats: Count = Field(1, description="How often each point of the matrix is tried")
    order: Literal["interleaved", "grouped", "as_written"] = Field(
        "interleaved",
        description="interleaved: every repeat in its own random order; grouped: the repeats of a point together, "
        "points in random order; as_written: repeats of a point together, points in the order of the file",
    )
    passes: Passes
    warm_up: Duration = Field(0.0, description="Wait before the first trial")
    cool_down: Duration = Field(0.0, description="Wait before each trial")
    deadline: Duration | None = Field(
        None, description="A program that runs longer is stopped, and its pass has failed"
    )
    on_link_loss: Literal["repeat", "go_on", "stop"] = Field(
        "repeat",
        description="When the link to the board breaks in a pass and comes back: try the pass again, leave it failed "
        "and go on, or stop the campaign",
    )
    analysis: Analysis = Field(default_factory=Analysis)

    @model_validator(mode="after")
    def _window_is_opened(self) -> Experiment:
        counters = self.passes.counters
        # Whether a network's runtime opens a window is the bench's to say: the two are checked together.
        opens = isinstance(self.workload, TfliteBenchmarkWorkload) or getattr(self.workload, "opens_window", False)
        if counters is not None and counters.window_only and not opens:
            raise config_error(
                "the program does not open a window",
                expected="workload.opens_window: true, for a program that speaks LAB_WINDOW",
                at=("passes", "counters", "window_only"),
            )
        return self
