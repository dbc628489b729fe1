"""What a bench file says of a board that is reached over SSH."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lab.bench.board_base import LinuxBoardModel
from lab.bench.board_state import BoardState
from lab.config.environment import PathText
from lab.config.fields import Model, Text, Whole, config_error
from lab.config.units import Duration, Size


def _checked_host(value: str) -> str:
    if value.startswith("-") or any(character.isspace() for character in value):
        raise config_error("not a host", expected="a host name, an address, or a Host of ~/.ssh/config")
    return value


class Pin(Model):
    """A line of a GPIO chip that the agent drives: high while the program's window is open."""

    chip: Text = Field(description="gpiochip0, or the device's full path on the board")
    line: Whole = Field(description="Number of the line on that chip")


class OverSsh(LinuxBoardModel):
    """What holds for every board that programs reach over SSH, real or emulated."""

    workdir: Text = Field(
        "/tmp/lab",
        description="Folder on the board below which each campaign makes one of its own, and removes it at the end",
    )
    agent: Literal["auto", "required", "none"] = Field(
        "auto", description="The lab's agent on the board: if it can be copied there, always, or never (plain sh)"
    )
    keep_agent: Text | None = Field(
        None, description="Path on the board at which the agent stays afterwards; removed with the rest if not given"
    )
    nice: Annotated[int, Field(ge=-20, le=19, strict=True)] | None = Field(
        None, description="Niceness of programs; below 0 needs permission on the board"
    )
    output_limit: Size = Field(64 * 1024 * 1024, description="Most that a program may print before it is stopped")
    pin: Pin | None = Field(None, description="GPIO line that is high while the program's window is open")
    connect_timeout: Duration = Field(20.0, description="Longest time until the connection stands")
    reconnect_for: Duration = Field(120.0, description="How long a board is tried again after its link broke")
    state: BoardState = Field(default_factory=BoardState)


class SshBoard(OverSsh):
    """A board reached with OpenSSH; your own keys and ~/.ssh/config apply."""

    kind: Literal["ssh"]
    host: Annotated[Text, AfterValidator(_checked_host)] = Field(
        description="Host name, address, or a Host of ~/.ssh/config"
    )
    user: Text | None = Field(None, description="Who logs in; as ~/.ssh/config says if not given")
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = Field(
        None, description="Port of its SSH server; as ~/.ssh/config says if not given"
    )
    identity: PathText | None = Field(None, description="Private key to log in with, beside those ssh would try")
    ssh_config: PathText | None = Field(None, description="Configuration file for ssh instead of ~/.ssh/config")
    silence: Duration = Field(15.0, description="The link counts as broken after so long without a sign of life")
