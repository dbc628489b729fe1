"""The study's 33 variations on three platforms as a table of results: plausible numbers of a plain model, no campaign.

Sizes of the networks are the real ones; latencies, energies and counts follow from them by simple laws, so that tests
can bend one of them and see a claim fall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import pandas as pd

from analysis.figures.thesis.build import context_of
from analysis.figures.thesis.context import Context
from lab.networks.tables import UNCOMPRESSED, Variation, load_network, variations

PLATFORMS: dict[str, dict[str, Any]] = {
    "CPU 1-core": {"threads": 1, "accelerator": "cpu"},
    "CPU 4-core": {"threads": 4, "accelerator": "cpu"},
    "NPU": {"threads": 1, "accelerator": "npu"},
}
UNITS = {
    "latency_s": "s",
    "energy_gross_j": "J",
    "edp_gross_js": "Js",
    "power_idle_w": "W",
    "layer_fit_l1_pct": "%",
    "layer_fit_l2_pct": "%",
    "layer_fit_ram_pct": "%",
}
CERTAIN = {"parameters", "depth", "macs", "layer_fit_l1_pct", "layer_fit_l2_pct", "layer_fit_ram_pct"}
Bend = Callable[[Variation, str, str, float], float | None]
"""(variation, platform, quantity, value) → the value to take instead; ``None``: no valid value."""


def latency_s(item: Variation, platform: str) -> float:
    """By work alone on the CPU; on the NPU a little by work, very slow if not quantised."""
    work_s: float = 0.35 * (load_network(item.network, item.input_size).macs / 1e9) ** 0.95
    gain = 1.0 if item.compression == UNCOMPRESSED else 1.07
    if platform == "NPU":
        return 8.0 * work_s if item.compression == UNCOMPRESSED else 0.0008 + 0.01 * work_s
    return work_s / gain / (1.0 if platform == "CPU 1-core" else 3.3)


@cache
def values_of(item: Variation, platform: str) -> dict[str, float]:
    """All quantities of a point."""
    network = load_network(item.network, item.input_size)
    time_s = latency_s(item, platform)
    energy_j = time_s * (3.6 if platform == "CPU 1-core" else 4.4)
    counted = 2e4 if platform == "NPU" else network.macs
    fit = 100 * network.parameters / len(network.layers)
    return {
        "latency_s": time_s,
        "energy_gross_j": energy_j,
        "edp_gross_js": time_s * energy_j,
        "power_idle_w": 3.04,
        "instructions": 1e5 + 2.1 * counted,
        "L1-dcache-loads": 3e4 + 0.6 * counted,
        "L1-dcache-load-misses": 1e3 + 0.01 * counted + 1e-4 * network.parameters,
        "page-faults_process": 2000.0 + network.parameters * item.element_bytes / 4096,
        "parameters": float(network.parameters),
        "depth": float(network.depth),
        "macs": float(network.macs),
        "layer_fit_l1_pct": fit / 32768,
        "layer_fit_l2_pct": fit / 524288,
        "layer_fit_ram_pct": fit / 888832,
    }


def tables(
    items: Iterable[Variation] | None = None,
    platforms: Mapping[str, Mapping[str, Any]] = PLATFORMS,
    bend: Bend | None = None,
    origin: str = "simulated",
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The summary and the manifest of a record with these variations."""
    chosen = list(items if items is not None else variations())
    rows, trials, points = [], [], []
    for number, (item, platform) in enumerate((item, platform) for item in chosen for platform in platforms):
        point = f"p{number:03d}"
        values = {
            "network": item.network,
            "input": item.input_size,
            "compression": item.compression,
            "platform": platform,
        }
        points.append(values)
        head = {"point_id": point, "label": item.name, **values}
        settings = {**values, **platforms[platform]}
        trials.append(
            {"trial_id": point, "point_id": point, "label": item.name, "values": values, "settings": settings}
        )
        for quantity, value in values_of(item, platform).items():
            bent = bend(item, platform, quantity, value) if bend is not None else value
            valid = (
                {"verdict": "valid", "reasons": ""}
                if bent is not None
                else {"verdict": "invalid", "reasons": "crashed"}
            )
            rows.append(
                {
                    **head,
                    "quantity": quantity,
                    "unit": UNITS.get(quantity, "1"),
                    "value": bent,
                    "U": None if quantity in CERTAIN or bent is None else 0.01 * bent,
                    "origin": origin,
                    "source": "model",
                    "scope": "board",
                    **valid,
                }
            )
    factors = {
        name: list(dict.fromkeys(point[name] for point in points))
        for name in ("network", "input", "compression", "platform")
    }
    analysis = {"label": "{network} {compression} {input}", "hue": "platform"}
    manifest = {
        "record_id": "20220613T101112Z-abc123",
        "seed": 7,
        "origin": origin,
        "board": {"origin": origin},
        "experiment": {"resolved": {"experiment": "synthetic", "factors": factors, "analysis": analysis}},
        "plan": {"trials": trials},
    }
    return pd.DataFrame(rows), manifest


def context(
    items: Iterable[Variation] | None = None,
    platforms: Mapping[str, Mapping[str, Any]] = PLATFORMS,
    bend: Bend | None = None,
) -> Context:
    """What the figures see of it."""
    return context_of(*tables(items, platforms, bend))
