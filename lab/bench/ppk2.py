"""What a bench file says of a Nordic PPK2."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from lab.bench.accuracy import Accuracy
from lab.bench.instrument import InstrumentModel
from lab.config.fields import Switch, Text, config_error
from lab.config.units import Voltage

LogicInput = Literal["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"]

LEAST_V, MOST_V = 0.8, 5.0


class Ppk2(InstrumentModel):
    """A Power Profiler Kit II: it measures current; the voltage is assumed."""

    measures_power: ClassVar[bool] = True

    kind: Literal["ppk2"]
    mode: Literal["source", "ampere"] = Field(
        "source", description="source: the kit feeds the board; ampere: it lies in the board's supply"
    )
    voltage: Voltage = Field(description="The supply voltage, 0.8 V to 5 V: set in source mode, stated in ampere mode")
    port: Text | None = Field(None, description="Serial line, such as /dev/ttyACM0; else the kit is looked for")
    serial: Text | None = Field(None, description="Serial number or its first digits; needed where several kits are on")
    window_line: LogicInput = Field("d0", description="Logic input that is high while inferences are measured")
    lines: dict[LogicInput, Literal["warmup", "program", "inference"]] = Field(
        {},
        description="Further wired inputs: warmup and program are high while these last, inference while one single "
        "inference does. An input that nothing is wired to must not be named",
    )
    scope: Text = Field("board", description="What the meter's energy is the energy of, such as board or soc")
    leave_on: Switch = Field(False, description="Leave the board fed when the kit is let go")
    accuracy: Accuracy

    @model_validator(mode="after")
    def _fits(self) -> Ppk2:
        if not LEAST_V <= self.voltage <= MOST_V:
            raise config_error("not a voltage of a PPK2", expected=f"{LEAST_V} V to {MOST_V} V", at=("voltage",))
        if self.accuracy.power is not None:
            raise config_error("a PPK2 measures current", expected="limits in 'ranges'", at=("accuracy", "power"))
        if self.window_line in self.lines:
            raise config_error("this is the window's input", at=("lines", self.window_line))
        meanings = list(self.lines.values())
        for place, line in enumerate(self.lines):
            if meanings.index(self.lines[line]) < place:
                raise config_error(f"two inputs are both wired to {self.lines[line]!r}", at=("lines", line))
        return self
