"""What a bench file says of how windows are found in traces: which ways are gone, and what they need."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lab.config.fields import Model, Text, config_error
from lab.config.units import Duration

Method = Literal["gpio", "agent", "coded_load"]


class CodedLoad(Model):
    """The known pattern of busy and idle that is played before and after the program."""

    program: Text = Field("coded_load", description="Path of the program on the board (workloads/coded_load)")
    chip: Duration = Field(0.02, description="Length of one chip")
    order: Annotated[int, Field(ge=4, le=10, strict=True)] = Field(
        6, description="Order n of the sequence: it has 2^n − 1 chips"
    )


class Alignment(Model):
    """How the program's window is found in the power trace. Where two ways are at hand they check each other."""

    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = Field(
        ("gpio",), description="What is recorded to find the window: logic inputs, the board's clock, a coded load"
    )
    pings: Annotated[int, Field(ge=50, le=10_000, strict=True)] = Field(
        50, description="Comparisons of the board's clock with ours, before and again after the program"
    )
    code: CodedLoad = Field(default_factory=CodedLoad)

    @model_validator(mode="after")
    def _no_method_twice(self) -> Alignment:
        if len(set(self.methods)) < len(self.methods):
            raise config_error("the same method twice", at=("methods",))
        return self
