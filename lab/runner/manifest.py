"""The manifest of a new campaign: everything a reader will need to know that is not measured pass by pass."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from lab import __version__
from lab.bench.model import Bench
from lab.boards.protocol import Board
from lab.experiment.load import LoadedExperiment
from lab.experiment.plan import Plan
from lab.record.events import utc_now
from lab.record.manifest import SCHEMA, Manifest
from lab.record.quantity import Origin
from lab.runner.campaign import Equipment

_LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "matplotlib", "pyjls", "pyjoulescope_driver", "joulescope")


def new_manifest(root: Path, loaded: LoadedExperiment, plan: Plan, equipment: Equipment) -> Manifest:
    """The manifest of a campaign that is about to begin in ``root``. Board and instruments must be held open."""
    kinds = {name: item.kind for name, item in loaded.bench.instruments.items()}
    instruments = {
        name: {
            "kind": kinds[name],
            "probe": _probe(instrument.probe()),
            "capabilities": asdict(instrument.capabilities()),
        }
        for name, instrument in equipment.instruments.items()
    }
    for name, elsewhere in equipment.elsewhere.items():
        instruments[name]["board"] = {
            "origin": str(elsewhere.origin),
            "probe": _probe(elsewhere.probe()),
            "fingerprint": elsewhere.fingerprint(),
        }
    points = [dict(trial.settings) for trial in plan.trials]
    board = equipment.board
    return {
        "schema": SCHEMA,
        "record_id": root.name,
        "created_utc": utc_now(),
        "lab_version": __version__,
        "state": "running",
        "origin": str(campaign_origin(equipment)),
        "experiment": _source(
            loaded.experiment_path, loaded.experiment_text, loaded.experiment.model_dump(mode="json")
        ),
        "bench": _source(loaded.bench_path, loaded.bench_text, loaded.bench.model_dump(mode="json")),
        "overrides": list(loaded.overrides),
        "seed": loaded.experiment.seed,
        "plan": plan.to_json(),
        "board": {
            "name": board.name,
            "kind": loaded.bench.board.kind,
            "origin": str(board.origin),
            "cycle_true": bool(getattr(board, "cycle_true", False)),
            "probe": _probe(board.probe()),
            "fingerprint": board.fingerprint(),
            "caches": _caches(loaded.bench, board),
            "ceilings": _ceilings(loaded.bench, board),
        },
        "instruments": instruments,
        "workload": {
            "kind": loaded.experiment.workload.kind,
            "reader": equipment.workload.reader,
            "versions": equipment.workload.versions(),
        },
        "inputs": sorted(equipment.workload.inputs(points)),
        "files": {},
        "versions": versions(),
        **_offload(loaded, root),
    }


def campaign_origin(equipment: Equipment) -> Origin:
    """The origin that the campaign as a whole is stamped with: the furthest from a measurement among its board and its
    instruments that do not merely stand in for counters the board lacks."""
    watching = [item.capabilities().origin for item in equipment.instruments.values()]
    return Origin.furthest([equipment.board.origin, *(item for item in watching if item is not Origin.EMULATED)])


def versions() -> dict[str, str]:
    """Versions of Python, the lab and the libraries that numbers depend on; absent ones are left out."""
    found = {"python": platform.python_version(), "lab": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _offload(loaded: LoadedExperiment, root: Path) -> dict[str, Any]:
    """The offload scenario that the experiment names, and what its servers were measured to take; else nothing."""
    if loaded.offload is None:
        return {}
    from lab.runner.offload_servers import kept_latencies

    resolved = loaded.offload.resolved()
    source = _source(loaded.offload.path, loaded.offload.text, resolved)
    return {"offload": {**source, "servers": kept_latencies(resolved, root.parents[1])}}


def _source(path: Path, text: str, resolved: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": str(path.resolve()), "text": text, "resolved": dict(resolved)}


def _probe(probe: Probe) -> dict[str, Any]:
    return {"present": probe.present, "detail": probe.detail, "facts": dict(probe.facts)}


def _caches(bench: Bench, board: Board) -> dict[str, int]:
    """Sizes in bytes: what the board itself knows, and over it what the bench file says."""
    known: dict[str, int] = getattr(board, "caches", {})
    return {**known, **{name: size for name, size in bench.board.caches.model_dump().items() if size is not None}}


def _ceilings(bench: Bench, board: Board) -> list[dict[str, Any]]:
    """What the bench file says of how fast the board is at best; else what a simulated board's model says of itself."""
    said = [ceiling.model_dump(mode="json") for ceiling in bench.board.ceilings]
    return said or [dict(ceiling) for ceiling in getattr(board, "ceilings", ())]
