"""What the bench files' instruments have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from lab.config.fields import Model


class InstrumentModel(Model):
    """What the plan needs to know of an instrument, whatever its kind."""

    measures_power: ClassVar[bool] = False
    counts_events: ClassVar[bool] = False
    watches_process: ClassVar[bool] = False

    @property
    def counts_at_once(self) -> Collection[str]:
        """Lab names of the events that it counts all in one pass, whatever their number."""
        return ()
