"""How a campaign tells somebody how far it is. The command line shows it; tests and scripts may listen too."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears of each pass as it begins and ends."""

    def campaign_begins(self, passes: int, already_done: int, estimated_s: float) -> None:
        """``passes`` are still to do, ``already_done`` were completed before (on resume)."""
        ...

    def pass_begins(self, pass_id: str, label: str) -> None:
        """A pass is about to start."""
        ...

    def pass_ends(self, pass_id: str, state: str, faults: tuple[str, ...]) -> None:
        """A pass ended; ``faults`` are its reason codes."""
        ...

    def step(self, text: str) -> None:
        """Something else that takes time (building the program, processing) is being done."""
        ...

    def close(self) -> None:
        """Nothing more will be said."""
        ...


class Silent:
    """A progress that nobody watches."""

    def campaign_begins(self, passes: int, already_done: int, estimated_s: float) -> None: ...

    def pass_begins(self, pass_id: str, label: str) -> None: ...

    def pass_ends(self, pass_id: str, state: str, faults: tuple[str, ...]) -> None: ...

    def step(self, text: str) -> None: ...

    def close(self) -> None: ...
