"""A small campaign as the offload model sees it: a manifest and a summary, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.offload.medium import Medium, Payload
from analysis.offload.scenario import IdleState, Scenario
from analysis.offload.server import ConstantServer, Server

MEDIUM = Medium(name="cable", latency_s=0.010, up_bytes_s=1e6, down_bytes_s=1e6, up_j_byte=1e-7, down_j_byte=1e-7)
UNPRICED = Medium(name="air", latency_s=0.010, up_bytes_s=1e6, down_bytes_s=1e6)
SERVER = ConstantServer(name="server", latency_s=0.004)
IDLE = IdleState(name="idle", power_w=2.0)
PLATFORMS = ("slow", "fast")
COLUMNS = ("point_id", "label", "network", "size", "platform", "quantity", "unit", "value", "U", "verdict", "reasons")
UNITS = {"latency_s": "s", "energy_gross_j": "J", "edp_gross_js": "J·s", "power_idle_w": "W", "macs": "1"}

Values = Mapping[tuple[str, str], tuple[float | None, float | None]]
"""(label, platform) → value and its expanded uncertainty; a value of ``None`` is invalid."""


def scenario(
    *media: Medium, server: Server = SERVER, idle: IdleState = IDLE, payload: Payload | None = None
) -> Scenario:
    """One server, one idle state, images of one byte a pixel."""
    return Scenario(
        name="test",
        media=media or (MEDIUM,),
        servers=(server,),
        idle=(idle,),
        payload=payload or Payload(bytes_per_pixel=1.0, side="{size}"),
    )


def manifest(origin: str = "measured", board: str = "measured") -> dict[str, Any]:
    """Two networks of sizes 10 and 100 on two platforms."""
    factors = {"network": ["small", "large"], "size": [10, 100], "platform": list(PLATFORMS)}
    trials = [
        {
            "trial_id": f"{label}-{platform}",
            "point_id": f"{label}-{platform}",
            "label": label,
            "values": {"network": label, "size": size, "platform": platform},
            "settings": {"network": label, "size": size, "platform": platform},
            "passes": [],
        }
        for label, size in (("small", 10), ("large", 100))
        for platform in PLATFORMS
    ]
    return {
        "record_id": "made-by-hand",
        "origin": origin,
        "board": {"origin": board},
        "experiment": {
            "resolved": {"factors": factors, "analysis": {"label": "{network}", "hue": "platform"}, "title": "By hand"}
        },
        "plan": {"trials": trials},
    }


def summary(origin: str = "measured", **quantities: Values) -> pd.DataFrame:
    """A row for each value."""
    rows = []
    for quantity, values in quantities.items():
        for (label, platform), (value, expanded) in values.items():
            rows.append(
                (f"{label}-{platform}", label, label, 10 if label == "small" else 100, platform)
                + (quantity, UNITS[quantity], value, expanded)
                + (("valid", "") if value is not None else ("invalid", "throttled"))
            )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.assign(n=3, n_invalid=0, origin=origin, source="meter", scope="board")


LATENCIES: Values = {
    ("small", "slow"): (0.050, 0.001),
    ("small", "fast"): (0.010, 0.001),
    ("large", "slow"): (0.034, 0.002),
    ("large", "fast"): (None, None),
}
"""Offloaded: small 24.1 ms, large 34 ms."""
ENERGIES: Values = {
    ("small", "slow"): (0.200, 0.004),
    ("small", "fast"): (0.030, 0.001),
    ("large", "slow"): (0.140, 0.002),
    ("large", "fast"): (0.020, None),
}
"""Offloaded at 2 W: small 48.2 mJ and 10 µJ, large 68 mJ and 1 mJ."""
