"""The study's table of average layer fit, cell by cell: what is in print, what the formula gives, and the difference.

Source: E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or Offloading*, Chalmers 2022, table 5.1, for an
i.MX 8M Plus with 32 kB of L1, 512 kB of L2 and 868 kB of what the study calls RAM.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.cache_fit import average_layer_fit_pct, printed_pct

MEMORIES: dict[str, int] = {"l1d": 32 * 1024, "l2": 512 * 1024, "ram": 868 * 1024}
"""The study's memories, in bytes: a kB is 1024 of them."""

PRINTED: dict[str, tuple[int, int, int]] = {
    "InceptionV3 75": (217, 14, 8),
    "InceptionV3 128": (233, 15, 9),
    "ResNet50 32": (414, 26, 15),
    "ResNet50 75": (486, 30, 18),
    "ResNet50 128": (549, 34, 20),
    "MobileNet 32": (120, 8, 4),
    "MobileNet 75": (148, 9, 5),
    "MobileNet 128": (255, 16, 9),
    "VGG16 32": (2063, 129, 76),
    "VGG16 75": (2117, 132, 78),
    "VGG16 128": (2336, 146, 86),
}
"""Network and input size → percent of L1, L2, RAM."""


@dataclass(frozen=True, slots=True)
class FitCell:
    """One cell of the table: percent in print, and percent by the formula, unrounded."""

    network: str
    memory: str
    printed: int
    computed: float

    @property
    def residual(self) -> float:
        """Computed minus printed, in points of percent."""
        return self.computed - self.printed

    @property
    def holds(self) -> bool:
        """True if the computed value, rounded as the study rounds, is the printed one."""
        return printed_pct(self.computed) == self.printed


def fit_cells(networks: Iterable[tuple[str, int, int]], memories: Mapping[str, int | None]) -> list[FitCell]:
    """The cells of those networks (title, parameters, number of all Keras layers) that the study prints.

    A memory of another size than the study's has no cell: its percentage cannot be held against the printed one.
    """
    return [
        FitCell(title, memory, printed, average_layer_fit_pct(parameters, layers, size))
        for title, parameters, layers in networks
        if title in PRINTED
        for (memory, size), printed in zip(MEMORIES.items(), PRINTED[title], strict=True)
        if memories.get(memory) == size
    ]


def verdict(cells: Iterable[FitCell]) -> str:
    """How many cells come out, in a sentence that names those that do not."""
    listed = list(cells)
    if not listed:
        return "No cell of the study's table can be held against these networks and memories."
    wrong = [cell for cell in listed if not cell.holds]
    text = f"{len(listed) - len(wrong)} of {len(listed)} printed cells come out"
    if wrong:
        named = (
            f"{cell.network} in {TITLES[cell.memory]} ({cell.computed:.1f}, printed {cell.printed})" for cell in wrong
        )
        text += "; not " + ", ".join(named)
    return text + "."


TITLES = {"l1d": "L1", "l2": "L2", "ram": "RAM"}
"""What the study calls the memories."""
