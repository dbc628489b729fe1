"""Tables 4.2, 4.3 and 4.4 of E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or Offloading*, Chalmers 2022,
as printed, beside what the study's own equations give in the one reading that holds, and in the literal one.

The reading that holds: an image is one byte per pixel, the stated latency is that of one way and counts twice, nothing
comes back, bytes cost no energy, the idle device draws 3.03 to 3.05 W or 0.903 to 0.916 W. How long the server took for
each network is not printed: the laws here are *inferred* from the tables themselves, two and three constants, and are
no measurement of anybody's.

The literal reading sends the images as they are, in colours, takes a reply, and pays for every byte. It needs no law:
a server that takes no time at all is already too slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.offload.grid import Grid, grid_of
from analysis.offload.medium import Medium, Payload
from analysis.offload.points import Cost, LocalPoint
from analysis.offload.scenario import IdleState, Scenario
from analysis.offload.server import ConstantServer, InferredServer, LawTerm
from analysis.offload.thresholds import Threshold, threshold

ETHERNET = Medium(
    name="Ethernet", latency_s=0.010, up_bytes_s=3.04e6, down_bytes_s=7.13e6, up_j_byte=128e-9, down_j_byte=57e-9
)
RADIO = Medium(name="radio", latency_s=0.029, up_bytes_s=1e6, down_bytes_s=3.53e6, up_j_byte=139e-9, down_j_byte=110e-9)
CPU = InferredServer(name="CPU", terms=(LawTerm("macs", 1e9, 7.54e-3, 0.66),))
GPU = InferredServer(name="GPU", terms=(LawTerm("depth", 100.0, 1.77e-3, 1.0), LawTerm("macs", 1e9, 0.043e-3, 2.93)))
HIGH, LOW = IdleState(name="high", power_w=3.04), IdleState(name="low", power_w=0.91)
IDLE_RANGES_W = {"high": (3.03, 3.05), "low": (0.903, 0.916)}
"""Between these the printed energies and latencies agree."""

HELD = Scenario(
    name="held",
    media=tuple(replace(medium, up_j_byte=0.0, down_j_byte=0.0) for medium in (RADIO, ETHERNET)),
    servers=(CPU, GPU),
    idle=(HIGH, LOW),
    payload=Payload(bytes_per_pixel=1.0),
)
"""The reading that reproduces the tables."""

_NO_TIME = tuple(ConstantServer(name=name, latency_s=0.0) for name in ("CPU", "GPU"))
_LABELS = 100
LITERAL = {
    name: replace(
        HELD,
        name=name,
        media=(RADIO, ETHERNET),
        servers=_NO_TIME,
        payload=Payload(bytes_per_pixel=per_pixel, result_bytes=per_label * _LABELS),
    )
    for name, per_pixel, per_label in (("8-bit colours", 3.0, 1.0), ("float32 colours", 12.0, 4.0))
}
"""The literal readings, with a server that takes no time: lower bounds of mean, max and min."""

COLUMNS = ("mean", "sd", "max", "min")
ROWS = (("radio", "CPU"), ("Ethernet", "CPU"), ("radio", "GPU"), ("Ethernet", "GPU"))
PRINTED: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "4.2": ((72, 12, 96, 59), (29, 8, 47, 20), (68, 7, 79, 59), (25, 3, 31, 21)),
    "4.3": ((220, 35, 291, 180), (89, 25, 144, 62), (207, 21, 241, 180), (76, 9, 94, 63)),
    "4.4": ((66, 11, 87, 54), (27, 7, 43, 19), (62, 6, 72, 54), (23, 3, 28, 19)),
}
"""Table → :data:`ROWS` × :data:`COLUMNS`, in ms (4.2) and mJ."""

ABOUT = {
    "4.2": (Cost.LATENCY, "", "ms"),
    "4.3": (Cost.ENERGY, "high", "mJ"),
    "4.4": (Cost.ENERGY, "low", "mJ"),
}
"""Table → what it is a threshold of, in which idle state, in which unit."""

TOLERANCE = {"4.2": 1.0, "4.3": 3.0, "4.4": 1.5}
"""How far a cell of the held reading may lie from the printed one, in the table's unit: half a printed digit, and what
two or three constants for eleven networks leave."""


@dataclass(frozen=True, slots=True)
class StudyNetwork:
    """One of the study's 33 variations: what its offloaded cost depends on."""

    label: str
    side: int
    macs: float
    depth: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A printed cell beside the two readings, all in ``unit``. ``literal`` holds a lower bound for each literal
    reading; empty for a standard deviation, which has none."""

    table: str
    medium: str
    server: str
    column: str
    unit: str
    printed: int
    held: float
    literal: dict[str, float]

    @property
    def residual(self) -> float:
        """Held − printed."""
        return self.held - self.printed

    @property
    def agrees(self) -> bool:
        """Is the residual within the table's tolerance?"""
        return abs(self.residual) <= TOLERANCE[self.table]

    @property
    def same_digits(self) -> bool:
        """Does the held reading round to what is printed?"""
        return round(self.held) == self.printed

    @property
    def impossible(self) -> tuple[str, ...]:
        """The literal readings whose lower bound is above what is printed, rounding granted."""
        return tuple(name for name, bound in self.literal.items() if bound > self.printed + 0.5)


def published_cells(networks: Sequence[StudyNetwork]) -> list[Cell]:
    """Every cell of the three tables, row by row."""
    points = published_points(networks)
    held = grid_of(points, HELD)
    literal = {name: grid_of(points, scenario) for name, scenario in LITERAL.items()}
    cells = []
    for table, printed in PRINTED.items():
        _, _, unit = ABOUT[table]
        for (medium, server), row in zip(ROWS, printed, strict=True):
            ours = _threshold(held, table, medium, server)
            bounds = {name: _threshold(grid, table, medium, server) for name, grid in literal.items()}
            for column, value in zip(COLUMNS, row, strict=True):
                lower = {name: 1e3 * getattr(found, column) for name, found in bounds.items() if column != "sd"}
                cells.append(Cell(table, medium, server, column, unit, value, 1e3 * getattr(ours, column), lower))
    return cells


def published_points(networks: Sequence[StudyNetwork]) -> list[LocalPoint]:
    """The networks as the model takes them: without any cost of their own."""
    return [_point(network) for network in networks]


def why_not_literal(cells: Sequence[Cell]) -> str:
    """Why the literal reading cannot be the study's, with the cells that say so."""
    parts = []
    for name in LITERAL:
        against = [cell for cell in cells if name in cell.impossible]
        bounded = [cell for cell in cells if name in cell.literal]
        worst = max(
            (cell for cell in against if cell.table == "4.2"), key=lambda cell: cell.literal[name] / cell.printed
        )
        parts.append(
            f"with {name} {len(against)} of {len(bounded)} cells are too small for a server that takes no time at all "
            f"({worst.medium} {worst.server}, {worst.column} of table {worst.table}: at least "
            f"{worst.literal[name]:.0f} {worst.unit}, printed {worst.printed})"
        )
    return (
        f"The literal reading cannot be: {'; '.join(parts)}. Nor can equation 2.4 be taken as printed: bytes divided "
        "by an energy per byte are no energy."
    )


def _threshold(grid: Grid, table: str, medium: str, server: str) -> Threshold:
    which, idle, _ = ABOUT[table]
    scenario = grid.scenario
    m = [item.name for item in scenario.media].index(medium)
    s = [item.name for item in scenario.servers].index(server)
    i = [item.name for item in scenario.idle].index(idle) if idle else 0
    return threshold(np.asarray(grid.offloaded(which)[0])[:, m, s, i])


def _point(network: StudyNetwork) -> LocalPoint:
    return LocalPoint(
        point_id=network.label,
        label=network.label,
        platform="",
        family="",
        order=(),
        settings={"input": network.side},
        costs={},
        idle=None,
        network={"macs": network.macs, "depth": network.depth},
    )
