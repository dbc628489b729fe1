"""Faults that a bench file asks a simulated meter for, and which passes they hit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.config.fields import Count, Model, Text
from lab.config.units import Current, Duration, Probability


class PassFault(Model):
    probability: Probability = Field(1.0, description="Share of the passes that are hit")
    passes: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        ("*",), description="Only passes whose id matches one of these patterns, such as *.energy"
    )


class Drops(PassFault):
    """Samples go missing in gaps spread over the trace."""

    kind: Literal["drops"]
    gaps: Count = Field(3, description="How many gaps")
    length: Duration = Field(0.02, description="Length of each gap")


class Drift(PassFault):
    """Idle power creeps: the current's offset grows from the beginning of the pass to its end."""

    kind: Literal["drift"]
    current: Current = Field(0.005, description="Offset at the end of the pass")


class Saturation(PassFault):
    """The current range is too small: samples stop at its end."""

    kind: Literal["saturation"]
    share: Probability = Field(0.05, description="Share of the highest samples that are cut")


class RangeChange(PassFault):
    """The meter switches its current range inside the window, with another gain and offset."""

    kind: Literal["range_change"]
    at: Probability = Field(0.5, description="Where, as a share of the trace")


class Unplug(PassFault):
    """The meter's cable is pulled: the trace ends."""

    kind: Literal["unplug"]
    at: Probability = Field(0.5, description="Where, as a share of the trace")


class EdgeJitter(PassFault):
    """The edges on the logic input bounce."""

    kind: Literal["edge_jitter"]
    bound: Duration = Field(0.002, description="How far from the true instant")


MeterFault = Annotated[Drops | Drift | Saturation | RangeChange | Unplug | EdgeJitter, Field(discriminator="kind")]
