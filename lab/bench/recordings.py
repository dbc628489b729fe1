"""What a bench file says of recordings that stand in for a live meter."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lab.bench.accuracy import Accuracy
from lab.bench.csv_layouts import LayoutOrFile
from lab.bench.instrument import InstrumentModel
from lab.bench.joulescopes import LogicInput
from lab.config.environment import PathText
from lab.config.fields import Model, Text, config_error
from lab.config.problems import closest, one_of
from lab.config.units import Duration


class EnergyRunner(InstrumentModel):
    """Power sessions that EnergyRunner (MLPerf Tiny) recorded."""

    measures_power: ClassVar[bool] = True

    kind: Literal["energyrunner"]
    accuracy: Accuracy | None = None


class Stretch(Model):
    """A stretch of a recording, by its own time from its first sample on."""

    begin: Duration
    end: Duration

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Stretch:
        if self.end <= self.begin:
            raise config_error("ends before it begins", expected="an end after the begin", at=("end",))
        return self


def _window_form(value: Any) -> str:
    return "stretch" if isinstance(value, (dict, Stretch)) else "named"


Window = Annotated[
    Annotated[Stretch, Tag("stretch")] | Annotated[Literal["whole", "stamps"] | LogicInput, Tag("named")],
    Discriminator(_window_form),
]

Channel = Literal["current", "voltage", "power", "range", "gpi0", "gpi1", "gpi2", "gpi3"]


class Replay(InstrumentModel):
    """A recording of any meter, played as if that meter were measuring now."""

    measures_power: ClassVar[bool] = True

    kind: Literal["replay"]
    file: PathText | None = Field(
        None, description="JLS file, table, or folder of an EnergyRunner session; default: what the workload names"
    )
    layout: LayoutOrFile | None = Field(None, description="Layout of a table, or the file that holds it")
    source: Text | None = Field(None, description="Meter in a JLS file that holds several: its name or serial number")
    signals: dict[Channel, Text] = Field({}, description="Names of a JLS file's signals, where not the usual ones")
    window: Window | None = Field(
        None,
        description="Where the window is: a logic line that is high meanwhile, whole, stamps (the session's own time "
        "stamps), or begin and end; default: stamps of a session, else gpi0",
    )
    lines: dict[LogicInput, Literal["warmup", "program", "inference"]] = Field(
        {}, description="Further logic lines of the recording, and what was wired to them"
    )
    scope: Text = Field("board", description="What the meter's energy is the energy of, such as board or soc")
    range: Text | None = Field(None, description="Current range it was recorded in, named as in accuracy.ranges")
    accuracy: Accuracy | None = Field(None, description="Limits of error of the meter that recorded")
    origin: Literal["replayed", "simulated"] = Field(
        "replayed", description="What recorded: a real meter, or a simulated one, which playing does not make real"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Replay:
        if self.window in self.lines:
            raise config_error("this is the window's input", at=("lines", str(self.window)))
        meanings = list(self.lines.values())
        for line, meaning in self.lines.items():
            if meanings.count(meaning) > 1:
                raise config_error(f"several inputs are wired to {meaning}", expected="one", at=("lines", line))
        if self.range is not None:
            ranges = [] if self.accuracy is None else list(self.accuracy.ranges)
            if self.range not in ranges:
                raise config_error(
                    "no limits of error are given for this range",
                    expected=one_of(ranges) or "a range of accuracy.ranges",
                    suggestion=closest(self.range, ranges),
                    at=("range",),
                )
        return self
