"""What a bench file says of a board that is a microcontroller in simavr."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.bench.board_base import BoardModel
from lab.config.environment import PathText
from lab.config.fields import Count, Whole
from lab.config.units import Duration, Frequency


class SimavrBoard(BoardModel):
    """A microcontroller in simavr, with firmware that speaks the framed protocol (docs/microcontrollers.md)."""

    kind: Literal["simavr"]
    mcu: Annotated[str, Field(pattern=r"^[a-z0-9]{3,32}$")] = Field(
        "atmega1284p", description="The core, as simavr calls it"
    )
    clock: Annotated[Frequency, Field(gt=0)] = Field(20e6, description="Its clock; the firmware must be built for it")
    usart: Annotated[Whole, Field(le=3)] = Field(0, description="The USART that the firmware speaks on")
    pin: Annotated[str, Field(pattern=r"^[A-L][0-7]$")] = Field("B0", description="The window's pin, such as B0")
    marks: Annotated[Whole, Field(ge=0x20, le=0x1FF)] | None = Field(
        None,
        description="Address in the data space; what the firmware writes there marks the end of a layer "
        "(0x3e is GPIOR0 of an ATmega1284P)",
    )
    baud: Count = Field(115200, description="As the firmware sets its USART; the lab waits accordingly")
    image: PathText | None = Field(
        None, description="Firmware (ELF) that runs from the start; without it the experiment brings one"
    )
    timeout: Annotated[Duration, Field(gt=0)] = Field(
        10.0, description="A request without an answer is asked again for so long, on this machine's clock"
    )
    longest_inference: Annotated[Duration, Field(gt=0)] = Field(
        60.0, description="No inference takes longer, on this machine's clock"
    )

    @property
    def emulated(self) -> bool:
        """It is."""
        return True

    @property
    def cycle_true(self) -> bool:
        """simavr counts the cycles of the core's data sheet."""
        return True
