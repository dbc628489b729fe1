"""Puts a firmware on a board: runs the bench file's command and says what went wrong if it fails."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.errors import HardwareError

_SHOWN_LINES = 8


def run_flash_command(command: Sequence[str], image: Path, port: str, timeout_s: float) -> None:
    """``{image}`` and ``{port}`` in the command stand for the two.

    Raises :class:`HardwareError` if the program is not installed, fails, or takes too long."""
    argv = [part.replace("{image}", str(image)).replace("{port}", port) for part in command]
    if shutil.which(argv[0]) is None:
        raise HardwareError(f"board.flash: {argv[0]} is not installed here", advice=f"install {argv[0]}")
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HardwareError(
            f"board.flash: {argv[0]} was not done after {timeout_s:g} s",
            advice="is the programmer connected? Else raise board.flash_timeout",
        ) from None
    except OSError as error:
        raise HardwareError(f"board.flash: {argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:])
        raise HardwareError(f"board.flash: {argv[0]} ended with exit status {done.returncode}", advice=said or None)
