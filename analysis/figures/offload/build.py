"""All figures of a record in an offload scenario, as PNG and SVG."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from analysis.figures.build import FigureFile
from analysis.figures.dots import Drawn
from analysis.figures.offload.contributions import draw_contributions
from analysis.figures.offload.costs import TITLES, draw_costs
from analysis.figures.offload.decisions import draw_decisions
from analysis.figures.offload.regions import draw_idle_map, draw_link_map
from analysis.figures.style import drawing, png_bytes, svg_text
from analysis.offload.points import Cost
from analysis.offload.tables import Offload

PREFIX = "offload_"
_WORDS = {Cost.LATENCY: "latency", Cost.ENERGY: "energy", Cost.EDP: "energy-delay product"}


def write_offload_figures(folder: Path, found: Offload, record_id: str, *, everything: bool = True) -> list[FigureFile]:
    """Draw the figures into a folder, which is made, and say what was drawn. The same tables give the same bytes.

    Without ``everything`` only those for a page that has other figures too: no energy-delay product, no map by energy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    grid, scenario = found.grid, found.scenario
    if not np.isfinite(grid.total_s).any():
        missing = grid.missing(0, 0, 0)
        return [FigureFile(PREFIX.rstrip("_"), "Here or offloaded", "", "offload", grid.origins, missing=missing)]
    footer = f"record {record_id}, scenario {scenario.name}" if record_id else f"scenario {scenario.name}"
    files: list[FigureFile] = []

    def add(name: str, title: str, caption: str, draw: Callable[[str, str], Drawn]) -> None:
        drawn = draw(title, footer)
        stem = PREFIX + re.sub(r"[^A-Za-z0-9]+", "_", name)
        png, svg = folder / f"{stem}.png", folder / f"{stem}.svg"
        png.write_bytes(png_bytes(drawn.figure))
        svg.write_text(svg_text(drawn.figure, title, drawn.tooltips), encoding="utf-8")
        files.append(FigureFile(stem, title, caption, "offload", grid.origins, png, svg))

    with drawing():
        for which, i in _cases(found, everything=everything):
            state = "" if which is Cost.LATENCY else scenario.idle[i].name
            named = f"{which.value}_{state}" if state else which.value
            idle = f", {state} idle" if state else ""
            if which is not Cost.EDP:
                add(
                    named,
                    f"Here or offloaded: {_WORDS[which]}{idle}",
                    f"{TITLES[which]}{idle} of every network, on each platform and offloaded: a network right of a "
                    "dashed line costs more here than offloading costs on average. Logarithmic axis.",
                    partial(draw_costs, grid, which, i),
                )
            add(
                f"decisions_{named}",
                f"The better choice by {_WORDS[which]}{idle}",
                f"For every network on every platform, whether offloading costs less by {_WORDS[which]}{idle}; not "
                "told apart where the difference is within its expanded uncertainty (95 %), not known where nobody "
                "says what a byte costs.",
                partial(draw_decisions, grid, found.decisions, which, i),
            )
            if which is Cost.LATENCY or (everything and which is Cost.ENERGY):
                add(
                    f"map_{named}",
                    f"Where offloading wins by {_WORDS[which]}{idle}",
                    "For how many of the networks offloading costs less, over the link's upload bandwidth and round "
                    "trip; on the line it is half of them. What is sent is what the first medium sends"
                    + (", and its bytes cost what the first medium that has a price says." if state else "."),
                    partial(draw_link_map, grid, which, i),
                )
        for s, server in enumerate(scenario.servers):
            add(
                f"contributions_{server.name}",
                f"What an offloaded latency consists of: {server.name}",
                f"Contributions of the network and of execution to the latency of offloading to {server.name}; the "
                "per cent are the network's share. Each panel has its own axis. Variations that cost the same share a "
                "row.",
                partial(draw_contributions, grid, s),
            )
        if any(Cost.ENERGY in point.costs for point in grid.points):
            add(
                "idle_power",
                "Where offloading wins by energy, over idle power",
                "What an offloaded inference costs the device, over what it draws while it waits: bands hold all "
                "networks and servers. The record's own inferences stand at the right: one above a band is cheaper "
                "offloaded. Media without a price of a byte are left out.",
                partial(draw_idle_map, grid),
            )
    return files


def _cases(found: Offload, *, everything: bool) -> list[tuple[Cost, int]]:
    """What can be compared here: each cost that the record has, in each idle state where that matters."""
    asked = [which for which in Cost if everything or which is not Cost.EDP]
    having = [which for which in asked if any(which in point.costs for point in found.grid.points)]
    states = range(len(found.scenario.idle))
    return [(which, i) for which in having for i in (states if which is not Cost.LATENCY else range(1))]
