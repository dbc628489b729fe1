"""What a bench file says of the state that a Linux board shall be in while it is measured."""

from __future__ import annotations

from pydantic import Field

from lab.config.fields import Model, Switch, Text
from lab.config.units import Duration, Frequency, Temperature


class TemperatureGate(Model):
    """Wait before each trial until the board has cooled down."""

    below: Temperature = Field(description="No trial begins while it is as warm as this")
    zone: Text | None = Field(
        None, description="Type (cpu-thermal) or folder (thermal_zone0) of the thermal zone; the hottest if not given"
    )
    timeout: Duration = Field(600.0, description="Longest wait; the trial then goes on and is marked too_hot")


class BoardState(Model):
    """Key ``state`` of a board that runs Linux."""

    governor: Text | None = Field(
        None, description="CPU frequency governor while the lab measures; restored afterwards"
    )
    frequency: Frequency | None = Field(
        None, description="CPU clock while the lab measures, pinned (least = most); restored afterwards"
    )
    temperature: TemperatureGate | None = Field(None, description="How cool the board must be before a trial")
    sudo: Switch = Field(False, description="Set these through `sudo -n` on the board")
