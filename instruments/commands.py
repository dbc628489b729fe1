"""How an instrument tries a tool on the board that the program will run on, whatever the way there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

RunCommand = Callable[[list[str]], tuple[int, str, str]]
"""Runs a command to its end and gives (exit status, stdout, stderr).

Raises ``OSError`` if it cannot be started; a shell's exit status 127 says the same.
"""

_DEADLINE_S = 20.0


def run_here(argv: list[str]) -> tuple[int, str, str]:
    """A :data:`RunCommand` on this machine."""
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=_DEADLINE_S, check=False)
    return done.returncode, done.stdout, done.stderr


def attempt(run: RunCommand, argv: Sequence[str]) -> tuple[int, str, str]:
    """Run a command for a probe: what goes wrong on the way is an outcome, with status 127 or 124, not an exception."""
    try:
        return run(list(argv))
    except subprocess.TimeoutExpired:
        return 124, "", f"{argv[0]} did not end in time"
    except Exception as error:  # noqa: BLE001 - a probe never raises, whatever the connection to the board does
        return 127, "", str(error)
