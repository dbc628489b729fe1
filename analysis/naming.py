"""What the quantities of an energy pass are called where nothing is counted inside the window.

``energy_gross_j`` is an energy per inference. What a whole process took, or a board that was only watched, must not
pass under that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from analysis.measured import Measured

PER_PROCESS = {"energy_gross_j": "energy_process_gross_j", "energy_net_j": "energy_process_net_j"}
"""Where results are stated per process."""

RECORDED = {"energy_gross_j": "energy_recorded_j", "power_active_w": "power_recorded_w", "window_s": "recorded_s"}
"""Where a board was only watched: one recording is all there is, not one of several repeats."""


def renamed(items: Iterable[Measured], names: Mapping[str, str]) -> list[Measured]:
    """The same values under the names they deserve."""
    return [
        replace(item, quantity=replace(item.quantity, name=names.get(item.quantity.name, item.quantity.name)))
        for item in items
    ]
