"""What a bench file says of a board that is QEMU's user mode emulator on this machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lab.bench.board_base import LinuxBoardModel
from lab.config.fields import Text

EmulatedArchitecture = Literal["aarch64", "armv7l", "x86_64"]


class QemuUserBoard(LinuxBoardModel):
    """This machine, running programs of another architecture under ``qemu-…``. All it gives is stamped ``emulated``."""

    kind: Literal["qemu_user"]
    architecture: EmulatedArchitecture = Field(description="As `uname -m` says it; programs are compiled for it")
    cpu: Text | None = Field(None, description="As `qemu-aarch64 -cpu help` lists them")

    @property
    def emulated(self) -> bool:
        """Always."""
        return True
