"""What a bench file says of an emulated board: a machine of QEMU with a real Linux, reached over SSH."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lab.bench.ssh_board import OverSsh


class QemuBoard(OverSsh):
    """A board emulated by QEMU; the campaign boots it if it is not up. Everything it gives is stamped ``emulated``."""

    kind: Literal["qemu"]
    machine: Literal["qemu-a53", "qemu-imx8mp", "qemu-imx6"] = Field(description="As for `lab board up`")

    @property
    def emulated(self) -> bool:
        """Always."""
        return True
