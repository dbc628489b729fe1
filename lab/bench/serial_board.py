"""What a bench file says of a board that speaks the framed protocol over a serial line."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lab.bench.board_base import BoardModel
from lab.config.environment import PathText
from lab.config.fields import Count, Switch, config_error
from lab.config.templates import Template, names_in
from lab.config.units import Duration, Probability


class SerialBoard(BoardModel):
    """A microcontroller whose firmware speaks the lab's framed protocol (docs/serial.md)."""

    kind: Literal["serial"]
    port: PathText = Field(description="The serial device, best by its name in /dev/serial/by-id, which stays")
    baud: Count = Field(115200, description="Bits per second, as the firmware sets its UART")
    dtr: Switch = Field(True, description="Level of DTR while the port is open; its rise resets Arduino-like boards")
    boot_wait: Duration = Field(
        0.0, description="Wait so long after the port was opened: a board that this resets sits in its boot loader"
    )
    timeout: Annotated[Duration, Field(gt=0)] = Field(
        2.0, description="A request without an answer is asked again for so long"
    )
    longest_inference: Annotated[Duration, Field(gt=0)] = Field(
        10.0, description="No inference takes longer: a board that is silent for more than that is lost"
    )
    reconnect: Duration = Field(30.0, description="A board that was lost is looked for so long")
    clock_tolerance: Probability = Field(
        0.05, description="How wrong the firmware's tick rate may be; a counter that shows more is refused"
    )
    emulator: Literal["simavr"] | None = Field(
        None, description="The firmware runs in this emulator behind a pseudo terminal: values are stamped `emulated`"
    )

    flash: Annotated[tuple[Template, ...], Field(min_length=1)] | None = Field(
        None,
        description="Command that puts a firmware on the board: {image} is the file that the experiment made, {port} "
        "this port, which the lab lets go meanwhile",
    )
    flash_timeout: Annotated[Duration, Field(gt=0)] = Field(120.0, description="Flashing takes no longer")

    @field_validator("flash")
    @classmethod
    def _flash_names(cls, flash: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = {name for part in flash or () for name in names_in(part)} - {"image", "port"}
        if unknown:
            raise config_error(f"{{{min(unknown)}}} stands for nothing", expected="{image} or {port}")
        if flash is not None and not any("{image}" in part for part in flash):
            raise config_error("the command does not say what to put on the board", expected="{image} in it")
        return flash

    @property
    def cycle_true(self) -> bool:
        """simavr counts the cycles of the core's data sheet."""
        return self.emulator == "simavr"

    @property
    def emulated(self) -> bool:
        """Where its firmware runs in an emulator."""
        return self.emulator is not None
