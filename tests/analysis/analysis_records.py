"""A small record on disk, made with the real writers: a campaign whose every number is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lab.record.documents import Fault, Mark, PassBegin, PassEnd, Reading, TraceRef
from lab.record.reader import Record
from lab.record.traces.jls_writer import JlsWriter
from lab.record.writer import RecordWriter

RATE_HZ = 2000
IDLE_S, LOAD_S, WARMUP_S, WINDOW_S = 1.0, 0.25, 0.25, 2.0
VOLTAGE_V, IDLE_A, ACTIVE_A = 5.0, 0.4, 0.8
INFERENCES = 200
LATENCY_S = WINDOW_S / INFERENCES
COUNTS = {"instructions": 1e6, "page-faults": 3.0}
START_UP = {"instructions": 4e8, "page-faults": 900.0}
EVENTS = ("instructions", "page-faults")
ENERGY_GROSS_J = VOLTAGE_V * ACTIVE_A * LATENCY_S
ENERGY_NET_J = VOLTAGE_V * (ACTIVE_A - IDLE_A) * LATENCY_S

Edit = Callable[[dict[str, Any]], None]


@dataclass
class Campaign:
    """What differs from the plain case. Keys of the mappings are pass ids, such as ``t0001.energy``."""

    points: Sequence[Mapping[str, Any]] = ({"network": "A", "compression": "none"},)
    repeats: int = 3
    faults: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    exit_status: Mapping[str, int] = field(default_factory=dict)
    stdout: Mapping[str, str] = field(default_factory=dict)
    gaps: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    no_marks: frozenset[str] = frozenset()
    speed: Callable[[Mapping[str, Any]], float] = lambda _: 1.0
    edit_manifest: Edit = lambda _: None
    edit_readings: Callable[[list[Reading]], list[Reading]] = lambda readings: readings

    def write(self, root: Path) -> Record:
        """Write the record and open it."""
        root.mkdir()
        manifest = self.manifest()
        self.edit_manifest(manifest)
        writer = RecordWriter(root, manifest)
        rng = np.random.default_rng(1)
        for trial in manifest["plan"]["trials"]:
            scale = (1.0 + 0.005 * rng.normal()) / self.speed(trial["values"])
            for plan in trial["passes"]:
                if plan["pass_id"] not in self.missing:
                    self._write_pass(writer, plan, scale, rng)
        writer.seal("complete")
        return Record.open(root)

    def manifest(self) -> dict[str, Any]:
        """The manifest of the campaign."""
        trials = [
            _trial(index * self.repeats + repeat + 1, f"p{index}", repeat, values)
            for index, values in enumerate(self.points)
            for repeat in range(self.repeats)
        ]
        return {
            "schema": "lab.record/1",
            "record_id": "r",
            "state": "running",
            "origin": "simulated",
            "seed": 5,
            "experiment": {
                "resolved": {
                    "factors": {
                        name: [{"value": value} for value in dict.fromkeys(point[name] for point in self.points)]
                        for name in self.points[0]
                    },
                    "workload": {"kind": "tflite_benchmark"},
                    "analysis": {"hue": None, "correlations": []},
                }
            },
            "bench": {"resolved": {"instruments": {"meter": {"range": "2 A"}}}},
            "plan": {"trials": trials, "unavailable": []},
            "board": {"name": "b", "kind": "simulated", "origin": "simulated", "caches": {"l1d": 32768, "l2": 524288}},
            "instruments": {
                "meter": {"kind": "simulated_joulescope", "capabilities": meter_capabilities()},
                "perf": {
                    "kind": "counters",
                    "capabilities": {"measures": list(EVENTS), "origin": "measured", "scope": "process tree"},
                },
            },
            "workload": {"kind": "tflite_benchmark", "reader": "benchmark_model", "versions": {}},
            "inputs": [],
            "files": {},
        }

    def _write_pass(
        self, writer: RecordWriter, plan: Mapping[str, Any], scale: float, rng: np.random.Generator
    ) -> None:
        pass_id = str(plan["pass_id"])
        paths = writer.paths(pass_id, 1)
        count = plan["runs"] if plan["kind"] == "counters" else INFERENCES
        text = self.stdout.get(pass_id, benchmark_text(count, LATENCY_S * scale))
        (paths.output / "stdout.txt").write_text(text)
        writer.append(PassBegin(pass_id=pass_id, attempt=1))
        traces: tuple[TraceRef, ...] = ()
        if plan["kind"] == "energy":
            gaps = self.gaps.get(pass_id, ())
            traces = (_write_trace(paths.trace.with_name(pass_id + ".jls"), gaps, scale, rng),)
            if pass_id not in self.no_marks:
                writer.append(*_marks(pass_id, scale))
        if plan["kind"] == "counters":
            writer.append(*self.edit_readings(_readings(pass_id, count)))
        for code, source in self.faults.get(pass_id, ()):
            writer.append(Fault(pass_id=pass_id, attempt=1, source=source, code=code))
        status = self.exit_status.get(pass_id, 0)
        writer.append(
            PassEnd(
                pass_id=pass_id,
                attempt=1,
                state="failed" if status else "done",
                output=paths.output.relative_to(writer.root).as_posix(),
                traces=traces,
                exit_status=status,
            )
        )


def meter_capabilities(source: str = "datasheet") -> dict[str, Any]:
    """The meter's entry in the manifest: 0.2 % of current, 0.1 % of voltage."""
    limits = {"full_scale_a": 2.0, "gain_i": 0.002, "offset_i_a": 1e-4, "gain_v": 0.001, "offset_v_v": 1.5e-3}
    return {
        "measures": ["voltage", "current", "logic"],
        "origin": "simulated",
        "scope": "board",
        "rate_hz": RATE_HZ,
        "accuracy": {"ranges": {"2 A": limits}, "timebase_ppm": 50.0, "source": source},
    }


def benchmark_text(count: int, latency_s: float) -> str:
    """What ``benchmark_model`` prints after ``count`` inferences of about that latency."""
    us = round(1e6 * latency_s)
    same = f"count={count} curr={us}" + ("(all same)" if count > 1 else "")
    return (
        f"count=1 curr={us + 500}\n{same}\nInference timings in us: Init: 855, First inference: {us + 500}, "
        f"Warmup (avg): {us + 500}, Inference (avg): {us}\n"
    )


def _trial(number: int, point_id: str, repeat: int, values: Mapping[str, Any]) -> dict[str, Any]:
    trial_id = f"t{number:04d}"
    plain = {"events": [], "instruments": [], "runs": 1, "idle_s": 0.0, "warmup_runs": 1, "baseline": False}
    counters = {**plain, "kind": "counters", "instruments": ["perf"], "events": list(EVENTS), "warmup_runs": 0}
    passes = [
        {**plain, "pass_id": f"{trial_id}.latency", "kind": "latency"},
        {**plain, "pass_id": f"{trial_id}.energy", "kind": "energy", "instruments": ["meter"], "idle_s": IDLE_S},
        {**counters, "pass_id": f"{trial_id}.counters0", "runs": 51},
        {**counters, "pass_id": f"{trial_id}.counters0.baseline", "runs": 1, "baseline": True},
    ]
    return {
        "trial_id": trial_id,
        "point_id": point_id,
        "order": number,
        "repeat": repeat,
        "label": " ".join(str(value) for value in values.values()),
        "values": dict(values),
        "settings": dict(values),
        "passes": passes,
    }


def _edges(scale: float) -> tuple[float, float, float]:
    """Begin of warm-up, begin and end of the window, in samples."""
    warmup = (IDLE_S + LOAD_S) * RATE_HZ
    begin = warmup + WARMUP_S * RATE_HZ
    return warmup, begin, begin + WINDOW_S * scale * RATE_HZ


def _write_trace(path: Path, gaps: Sequence[tuple[int, int]], scale: float, rng: np.random.Generator) -> TraceRef:
    end = _edges(scale)[-1]
    n = int(end) + round(IDLE_S * RATE_HZ)
    index = np.arange(n)
    loading = index >= IDLE_S * RATE_HZ
    share = np.clip(np.minimum(index + 1, end) - index, 0.0, 1.0) * loading
    current = IDLE_A + (ACTIVE_A - IDLE_A) * share + rng.normal(0.0, 2e-3, n)
    voltage = np.full(n, VOLTAGE_V)
    with JlsWriter(path, source="JS220", serial="1", rate_hz=RATE_HZ, channels=("current", "voltage")) as jls:
        for name, data in (("current", current), ("voltage", voltage)):
            first = 0
            for gap_first, gap_last in (*gaps, (n, n)):
                jls.write(name, first, data[first:gap_first].astype(np.float32))
                first = gap_last
    return TraceRef(
        instrument="meter",
        path=f"traces/{path.name}",
        format="jls",
        rate_hz=RATE_HZ,
        samples=n,
        gaps=tuple(gaps),
    )


def _marks(pass_id: str, scale: float) -> list[Mark]:
    warmup, begin, end = _edges(scale)
    places = {"warmup_begin": warmup, "warmup_end": begin, "window_begin": begin, "window_end": end}
    return [
        Mark(pass_id=pass_id, attempt=1, instrument="meter", name=name, sample=at, u_samples=0.29, method="gpio")
        for name, at in places.items()
    ]


def _readings(pass_id: str, runs: int) -> list[Reading]:
    return [
        Reading(
            pass_id=pass_id,
            attempt=1,
            instrument="perf",
            name=event,
            value=START_UP[event] + runs * COUNTS[event],
            unit="1",
            scope="process tree",
        )
        for event in EVENTS
    ]
