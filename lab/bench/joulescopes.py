"""What a bench file says of a Joulescope, real or simulated."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from lab.bench.accuracy import Accuracy
from lab.bench.faults import MeterFault
from lab.bench.instrument import InstrumentModel
from lab.config.fields import Text, config_error
from lab.config.problems import closest, one_of
from lab.config.units import Frequency

AUTO_RANGE = "auto"

LogicInput = Literal["gpi0", "gpi1", "gpi2", "gpi3"]

_JOULESCOPE_MAX_RATE_HZ = {"JS110": 2e6, "JS220": 1e6, "JS320": 1e6}
_JOULESCOPE_LOGIC_INPUTS = {"JS110": 2, "JS220": 4, "JS320": 4}


class _JoulescopeBase(InstrumentModel):
    measures_power: ClassVar[bool] = True

    model: Literal["JS110", "JS220", "JS320"]
    rate: Frequency = Field(description="Samples per second of current and voltage")
    range: Text = Field(
        AUTO_RANGE,
        description="Current range, named as in accuracy.ranges; a fixed one lets gain and offset cancel between idle "
        "and load",
    )
    window_line: LogicInput = Field("gpi0", description="Logic input that is high while inferences are measured")
    lines: dict[LogicInput, Literal["warmup", "program", "inference"]] = Field(
        {},
        description="Further wired inputs: warmup and program are high while these last, inference while one single "
        "inference does. An input that nothing is wired to floats and must not be named",
    )
    scope: Text = Field("board", description="What the meter's energy is the energy of, such as board or soc")
    accuracy: Accuracy

    @model_validator(mode="after")
    def _range_is_known(self) -> _JoulescopeBase:
        if self.accuracy.power is not None:
            raise config_error(
                "a Joulescope measures current and voltage", expected="limits in 'ranges'", at=("accuracy", "power")
            )
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
        inputs = [f"gpi{line}" for line in range(_JOULESCOPE_LOGIC_INPUTS[self.model])]
        if self.window_line not in inputs:
            raise config_error(f"a {self.model} has no such input", expected=one_of(inputs), at=("window_line",))
        for line in self.lines:
            if line not in inputs or line == self.window_line:
                free = [item for item in inputs if item != self.window_line]
                what = "this is the window's input" if line == self.window_line else f"a {self.model} has no such input"
                raise config_error(what, expected=one_of(free), at=("lines", line))
        meanings = list(self.lines.values())
        for line, meaning in self.lines.items():
            if meanings.count(meaning) > 1:
                raise config_error(f"several inputs are wired to {meaning}", expected="one", at=("lines", line))
        return self


class SimulatedJoulescope(_JoulescopeBase):
    """A model of a Joulescope: it errs within the stated limits, and knows the truth."""

    kind: Literal["simulated_joulescope"]
    rail: Literal["board", "soc"] = Field(
        "board", description="Rail of the simulated board that it watches: its supply, or the one of the SoC's logic"
    )
    faults: tuple[MeterFault, ...] = Field((), description="Faults to inject")

    @model_validator(mode="after")
    def _is_fully_stated(self) -> SimulatedJoulescope:
        if self.rail != "board" and self.scope == "board":
            raise config_error(
                f"on the rail {self.rail} a meter does not see the whole board",
                expected=f"a scope that says so, such as {self.rail}",
                at=("scope",),
            )
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
    voltage_range: Text = Field("15 V", description="Voltage range; it is held")
    power: bool = Field(
        False, description="Also record the meter's own power channel: the better one at a lowered rate"
    )
    statistics: bool = Field(True, description="Compare the meter's own sums of energy with the trace's integral")

    @model_validator(mode="after")
    def _device_has_it(self) -> Joulescope:
        """What the device does not have is found here, where the file's line can be named."""
        from instruments.joulescope.models import MODELS, same_range

        meter = MODELS[self.model]
        asked = {
            "range": (self.range, [*(item.name for item in meter.current_ranges), AUTO_RANGE]),
            "voltage_range": (self.voltage_range, [item.name for item in meter.voltage_ranges]),
        }
        for key, (name, known) in asked.items():
            if not any(same_range(name, item) for item in known):
                raise config_error(
                    f"a {self.model} has no such range",
                    expected=one_of(known),
                    suggestion=closest(name, known),
                    at=(key,),
                )
        if self.rate not in meter.rates_hz:
            nearest = min(meter.rates_hz, key=lambda rate: abs(rate - self.rate))
            raise config_error(
                f"a {self.model} does not give so many samples per second",
                expected=f"1, 2 or 5 times a power of ten; the nearest is {nearest} Hz",
                at=("rate",),
            )
        return self
