"""How well a meter measures, as a bench file says it: limits of error by range, their source and their date."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lab.config.fields import Model, Number, Text, config_error
from lab.config.units import Current, Power, Ratio, Voltage


class RangeAccuracy(Model):
    """Limits of error of one current range."""

    full_scale: Current = Field(description="End of the range")
    gain_i: Ratio = Field(description="Gain error of the current")
    offset_i: Current = Field(description="Offset of the current")
    gain_v: Ratio = Field(description="Gain error of the voltage")
    offset_v: Voltage = Field(description="Offset of the voltage")


class PowerAccuracy(Model):
    """Limits of error of a meter that gives power or energy, without current and voltage."""

    gain: Ratio = Field(description="Gain error of the power")
    offset: Power = Field(0.0, description="Offset of the power")


class Accuracy(Model):
    """How well a meter measures, and who says so."""

    source: Literal["datasheet", "calibration", "placeholder"] = Field(
        description="With a placeholder the budget is shown, and no expanded uncertainty is claimed"
    )
    date: Text | None = Field(None, description="Of the data sheet or the calibration")
    note: Text | None = None
    timebase_ppm: Number = Field(description="Limit of error of the sample clock, in ppm")
    ranges: dict[Text, RangeAccuracy] = Field({}, description="Limits of error by current range")
    power: PowerAccuracy | None = Field(
        None, description="For a meter that gives power or energy alone, in place of ranges"
    )

    @model_validator(mode="after")
    def _has_ranges(self) -> Accuracy:
        if not self.ranges and self.power is None and self.source != "placeholder":
            raise config_error(
                "no limits of error", expected="at least one range in 'ranges', or 'power'", at=("source",)
            )
        return self
