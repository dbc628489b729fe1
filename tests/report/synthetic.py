"""A plausible record without a campaign: random but seeded tables in the shape the analysis gives, and a manifest.

Nothing here imitates the analysis: values are drawn, not computed, and cover every verdict and origin, so that tests
can ask what the figures and the report make of them.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.fits import COLUMNS as FIT_COLUMNS
from lab.record.documents import Mark, PassBegin, PassEnd, TraceRef, to_json
from lab.record.manifest import write_manifest
from lab.record.traces.jls_writer import JlsWriter

NETWORKS = ("InceptionV3", "ResNet50", "MobileNet", "VGG16")
PLATFORMS = ("CPU 1-core", "CPU 4-core", "NPU")
_SCALE = {"InceptionV3": 0.5, "ResNet50": 0.6, "MobileNet": 0.05, "VGG16": 2.0}
_SPEED = {"CPU 1-core": 1.0, "CPU 4-core": 0.3, "NPU": 0.02}
_UNITS = {
    "latency_s": "s",
    "energy_gross_j": "J",
    "energy_net_j": "J",
    "edp_gross_js": "J·s",
    "power_active_w": "W",
    "instructions": "1",
    "L1-dcache-loads": "1",
    "page-faults": "1",
    "layer_fit_l1_pct": "%",
    "parameters": "1",
}
TERMS = ("gain I", "gain V", "offset I", "offset V", "timebase", "window edges", "idle noise", "repeats")


@dataclass(frozen=True)
class Tables:
    """What the analysis hands on."""

    results: pd.DataFrame
    summary: pd.DataFrame
    budget: pd.DataFrame
    correlations: pd.DataFrame
    speedups: pd.DataFrame
    fits: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FIT_COLUMNS)))


def manifest(
    *, origin: str = "simulated", networks: tuple[str, ...] = NETWORKS, title: str = "A synthetic campaign"
) -> dict[str, Any]:
    """A manifest with a three-factor experiment."""
    figures = [
        {"kind": "bars", "name": "latency", "quantity": "latency_s", "scale": "log", "title": "Latency"},
        {"kind": "bars", "name": "energy", "quantity": "energy_net_j", "scale": "log", "title": "Energy"},
        {"kind": "bars", "name": "power", "quantity": "power_active_w", "scale": "linear", "title": "Power"},
        {
            "kind": "scatter",
            "name": "energy_latency",
            "x": "latency_s",
            "y": "energy_gross_j",
            "scale": "log",
            "title": "Energy against latency",
        },
        {
            "kind": "scatter",
            "name": "fit",
            "x": "layer_fit_l1_pct",
            "y": "latency_s",
            "scale": "log",
            "only": {"compression": ["PQ"]},
            "title": "Layer fit against latency",
        },
    ]
    correlations = [{"x": "latency_s", "y": "energy_gross_j", "by": "platform", "cluster": "network"}]
    trials = [
        {
            "trial_id": f"t{index:04d}",
            "point_id": point_id,
            "order": index,
            "repeat": repeat,
            "label": f"{network} {compression} {size}",
            "values": {
                "network": network,
                "input": size,
                "compression": compression,
                "platform": platform,
            },
            "settings": {},
            "passes": [],
        }
        for index, ((point_id, network, size, compression, platform), repeat) in enumerate(
            itertools.product(_points(networks), range(2))
        )
    ]
    return {
        "schema": "lab.record/1",
        "record_id": "20220613T101112Z-abc123",
        "created_utc": "2022-06-13T10:11:12.000000Z",
        "lab_version": "0.1.0",
        "state": "complete",
        "origin": origin,
        "experiment": {
            "path": "experiments/synthetic.yaml",
            "text": "experiment: synthetic\ntitle: <b>not bold</b>\n",
            "resolved": {
                "experiment": "synthetic",
                "title": title,
                "repeats": 2,
                "factors": {
                    "network": list(networks),
                    "input": [32, 128],
                    "compression": ["none", "PQ"],
                    "platform": [{"value": name, "settings": {}} for name in PLATFORMS],
                },
                "analysis": {
                    "label": "{network} {compression} {input}",
                    "hue": "platform",
                    "figures": figures,
                    "correlations": correlations,
                },
            },
        },
        "bench": {
            "path": "experiments/benches/synthetic.yaml",
            "text": "bench: synthetic\n",
            "resolved": {"bench": "synthetic", "title": "A synthetic bench"},
        },
        "overrides": ["repeats=2"],
        "seed": 7,
        "plan": {"trials": trials},
        "board": {
            "name": "imx8mp",
            "kind": "simulated",
            "origin": origin,
            "probe": {"present": True, "detail": "model loaded", "facts": {}},
            "fingerprint": {"model": "i.MX 8M Plus", "cores": 4},
            "caches": {"l1d": 32768, "l2": 524288, "ram": 888832},
        },
        "instruments": {
            "meter": {
                "kind": "simulated_joulescope",
                "probe": {"present": True, "detail": "simulated JS220", "facts": {}},
                "capabilities": {
                    "measures": ["current", "voltage"],
                    "origin": origin,
                    "scope": "board",
                    "rate_hz": 5000.0,
                    "update_period_s": None,
                    "accuracy": {
                        "ranges": {
                            "2 A": {
                                "full_scale_a": 2.0,
                                "gain_i": 0.002,
                                "offset_i_a": 1e-4,
                                "gain_v": 0.001,
                                "offset_v_v": 1.5e-3,
                            }
                        },
                        "timebase_ppm": 50.0,
                        "source": "datasheet",
                        "date": "",
                        "note": "",
                    },
                    "assumes": [],
                    "clock": "own",
                    "slots": None,
                },
            }
        },
        "workload": {"kind": "tflite_benchmark", "reader": "benchmark_model", "versions": {"tflite": "2.14"}},
        "inputs": [],
        "files": {"inputs/networks.json": "0" * 64, "events.jsonl": "f" * 64},
        "versions": {"python": "3.11", "lab": "0.1.0"},
    }


def _points(networks: tuple[str, ...]) -> list[tuple[str, str, int, str, str]]:
    product = itertools.product(networks, (32, 128), ("none", "PQ"), PLATFORMS)
    return [(f"p{index:03d}", *values) for index, values in enumerate(product)]


def tables(*, origin: str = "simulated", networks: tuple[str, ...] = NETWORKS, seed: int = 1) -> Tables:
    """Random tables for the manifest's matrix.

    Of the energies, the first point has none (invalid, no value), the second is invalid but carries a number, the third
    is degraded, the fourth is negative. ``instructions`` come from two sources of different origin.
    """
    random = np.random.default_rng(seed)
    rows, summary, budget = [], [], []
    for index, (point_id, network, size, compression, platform) in enumerate(_points(networks)):
        factors = {"network": network, "input": size, "compression": compression, "platform": platform}
        label = f"{network} {compression} {size}"
        base = _SCALE.get(network, 1.0) * _SPEED[platform] * (size / 64) * random.uniform(0.8, 1.25)
        values = {
            "latency_s": base,
            "energy_gross_j": base * 3.2,
            "energy_net_j": base * 1.1,
            "edp_gross_js": base * base * 3.2,
            "power_active_w": 3.2 + random.uniform(0, 2),
            "instructions": base * 1e9,
            "L1-dcache-loads": base * 3e8,
            "page-faults": 120.0 + 1000 * base,
            "layer_fit_l1_pct": 100 * _SCALE.get(network, 1.0) * (1 + size / 100),
            "parameters": 1e6 * _SCALE.get(network, 1.0),
        }
        for quantity, value in values.items():
            faults = _fault(quantity, index)
            row_origin = "emulated" if quantity == "L1-dcache-loads" and index % 2 else origin
            source = "meter" if quantity.startswith(("energy", "power", "edp")) else "program"
            shown = None if faults == ("invalid", "no_window") else value
            if index == 3 and quantity == "energy_net_j":
                shown = -1e-4
            common = {"point_id": point_id, "label": label, **factors, "quantity": quantity}
            verdict, reason = faults or ("valid", "")
            tail = {
                "verdict": verdict,
                "reasons": reason,
                "origin": row_origin,
                "source": source,
                "scope": "board" if source == "meter" else "process",
            }
            claimed = shown is not None and quantity not in {"parameters", "layer_fit_l1_pct"}
            expanded = abs(value) * random.uniform(0.005, 0.08) if claimed else None
            summary.append(
                {
                    **common,
                    "unit": _UNITS[quantity],
                    "n": 2,
                    "n_invalid": int(verdict == "invalid"),
                    "value": shown,
                    "s": expanded,
                    "u": expanded / 2 if expanded else None,
                    "U": expanded,
                    "k": 2.0 if expanded else None,
                    "nu_eff": 17.9,
                    "U_comparison": expanded * 0.8 if expanded else None,
                    "largest_term": "repeats" if claimed else None,
                    **tail,
                }
            )
            rows.extend(
                {
                    "trial_id": f"t{2 * index + repeat:04d}",
                    "point_id": point_id,
                    "order": 2 * index + repeat,
                    "repeat": repeat,
                    **{name: common[name] for name in ("label", *factors)},
                    "pass_id": f"t{2 * index + repeat:04d}.energy",
                    "quantity": quantity,
                    "value": shown,
                    "unit": _UNITS[quantity],
                    "u": expanded / 2 if expanded else None,
                    "U": expanded,
                    "coverage": 1.0,
                    **tail,
                }
                for repeat in range(2)
            )
            if quantity.startswith("energy") and expanded:
                squares = random.dirichlet(np.ones(len(TERMS)))
                budget.extend(
                    {
                        "point_id": point_id,
                        "label": label,
                        "quantity": quantity,
                        "term": term,
                        "u": float(np.sqrt(square)) * expanded / 2,
                        "unit": "J",
                        "share": float(square),
                        "kind": "A" if term == "repeats" else "B",
                        "counted": True,
                        "note": "",
                    }
                    for term, square in zip(TERMS, squares, strict=True)
                )
    return Tables(pd.DataFrame(rows), pd.DataFrame(summary), pd.DataFrame(budget), correlations(), speedups())


def speedups() -> pd.DataFrame:
    """One compression on each platform."""
    return pd.DataFrame(
        [
            {
                "group": platform,
                "compression": "PQ",
                "n": 8,
                "mean": 2.5,
                "geometric_mean": 2.0,
                "maximum": 4.0,
                "minimum": 1.0,
                "largest_at": "VGG16 PQ 32",
                "origin": "simulated",
            }
            for platform in PLATFORMS
        ]
    )


def _fault(quantity: str, index: int) -> tuple[str, str] | None:
    if not quantity.startswith(("energy", "edp")):
        return None
    return {
        0: ("invalid", "no_window"),
        1: ("invalid", "saturated"),
        2: ("degraded", "samples_dropped;idle_drift"),
    }.get(index)


def correlations() -> pd.DataFrame:
    """One pair of quantities on each platform."""
    return pd.DataFrame(
        [
            {
                "x": "latency_s",
                "y": "energy_gross_j",
                "by": "platform",
                "group": platform,
                "n": 16,
                "pearson": 0.98,
                "pearson_low": 0.95,
                "pearson_high": 0.99,
                "spearman": 0.97,
                "spearman_low": 0.9,
                "spearman_high": 0.99,
            }
            for platform in PLATFORMS
        ]
    )


RATE_HZ = 5000.0


def add_energy_pass(root: Path, content: dict[str, Any], *, latency_s: float = 0.04) -> None:
    """Give the third trial of a record one completed energy pass: 1 s idle, warm-up, 3 s window, 1 s idle, one gap."""
    trial = content["plan"]["trials"][8]
    pass_id = f"{trial['trial_id']}.energy"
    counters_id = f"{trial['trial_id']}.counters0"
    events = ["instructions", "L1-dcache-loads", "page-faults"]
    trial["passes"] = [
        {"pass_id": pass_id, "kind": "energy", "instruments": ["meter"], "events": [], "baseline": False},
        {"pass_id": counters_id, "kind": "counters", "instruments": [], "events": events, "baseline": False},
    ]
    random = np.random.default_rng(3)
    time_s = np.arange(int(5.4 * RATE_HZ)) / RATE_HZ
    busy = (time_s > 1.0) & (time_s < 4.4)
    power = np.where(busy, 3.4 + 1.8 * ((time_s % latency_s) < 0.7 * latency_s), 2.9)
    power += random.normal(0, 0.08, time_s.size)
    voltage = np.full(time_s.size, 12.0, dtype=np.float32)
    current = (power / 12.0).astype(np.float32)
    current[12000:12500] = np.nan
    (root / "traces").mkdir(exist_ok=True)
    path = root / "traces" / f"{pass_id}.jls"
    with JlsWriter(path, source="JS220", serial="1", rate_hz=RATE_HZ, channels=("current", "voltage")) as writer:
        writer.write("voltage", 0, voltage)
        writer.write("current", 0, current[:12000])
        writer.write("current", 12500, current[12500:])
    trace = TraceRef(
        instrument="meter",
        path=f"traces/{pass_id}.jls",
        format="jls",
        rate_hz=RATE_HZ,
        samples=time_s.size,
        gaps=((12000, 12500),),
    )
    spans = {"idle_before": (0, 1), "warmup": (1, 1.4), "window": (1.4, 4.4), "idle_after": (4.4, 5.4)}
    marks = [
        Mark(pass_id=pass_id, attempt=1, instrument="meter", name=f"{name}_{end}", sample=at * RATE_HZ, method="gpio")
        for name, span in spans.items()
        for end, at in zip(("begin", "end"), span, strict=True)
    ]
    documents = [
        PassBegin(pass_id=pass_id, attempt=1),
        *marks,
        PassEnd(pass_id=pass_id, attempt=1, state="done", traces=(trace,), exit_status=0),
        PassBegin(pass_id=counters_id, attempt=1),
        PassEnd(pass_id=counters_id, attempt=1, state="done", exit_status=0),
    ]
    lines = [json.dumps(to_json(document)) + "\n" for document in documents]
    (root / "events.jsonl").write_text("".join(lines), encoding="utf-8")
    write_manifest(root, content)


def write_record(root: Path, content: dict[str, Any]) -> Path:
    """A record's folder with a manifest and no passes."""
    root.mkdir(parents=True, exist_ok=True)
    write_manifest(root, content)
    (root / "events.jsonl").write_text("", encoding="utf-8")
    return root
