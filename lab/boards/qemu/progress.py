"""How those who build and boot say what they are doing, to whoever waits for it."""

from __future__ import annotations

import sys
from typing import Protocol


class Progress(Protocol):
    """Told of each step, and again and again of what is being waited for."""

    def step(self, text: str) -> None:
        """Something new begins."""
        ...

    def waiting(self, text: str) -> None:
        """It is still going on; ``text`` says how far, with a time."""
        ...


class Silent:
    """Nobody is waiting."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def waiting(self, text: str) -> None:
        """Say nothing."""


class Steps:
    """Each step as a line on stderr, where somebody is looking."""

    def step(self, text: str) -> None:
        """A line of its own."""
        if sys.stderr.isatty():
            print(f"{text} …", file=sys.stderr, flush=True)

    def waiting(self, text: str) -> None:
        """Say nothing."""
