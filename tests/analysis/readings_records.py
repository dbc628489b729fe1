"""Records watched by a meter of readings, whose true energy and whose every error is drawn and known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from analysis_records import benchmark_text
from numpy.typing import NDArray

from lab.record.documents import Fault, Mark, PassBegin, PassEnd, TraceRef
from lab.record.reader import Record
from lab.record.traces.jls_writer import JlsWriter
from lab.record.traces.readings import Channel, ReadingsWriter
from lab.record.writer import RecordWriter

INFERENCES = 100
ZERO_NS = 5_000_000_000
CELL_S = 0.5e-3
"""The board's power is even within such a cell, whatever watches it."""

Kind = Literal["sampled", "polled", "counter"]
Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class Board:
    """What the board draws: idle, then the program, then idle. ``noise_w`` is the scatter from cell to cell."""

    idle_w: float = 10.0
    active_w: float = 30.0
    idle_s: float = 2.5
    window_s: float = 2.0
    idle_noise_w: float = 0.4
    active_noise_w: float = 2.0
    load_s: float = 0.0
    """Before the window: the program at work that is not measured."""


@dataclass(frozen=True)
class Meter:
    """A meter and how far it may be off: limits as the manifest has them, and how it is asked."""

    kind: Kind
    gain_p: float = 0.01
    offset_p_w: float = 0.05
    update_s: float | None = None
    averaged_s: float = 0.0
    asked_s: float = 0.02
    question_s: float = 1e-3
    quantum_j: float = 1e-3
    rate_hz: float = 2000.0
    modulus: int | None = None
    u_mark_s: float = 0.2e-3
    clock_bound_s: float = 0.0


@dataclass
class Drawn:
    """One pass as it truly was."""

    begin_s: float
    end_s: float
    power_w: Float64s
    energy_j: Float64s
    """At the beginnings of the cells."""
    gain: float
    offset_w: float
    clock_s: float

    def energy_at(self, at_s: Float64s | float) -> Float64s:
        """What the meter would count from the beginning, with its errors."""
        true_j = self.true_energy_at(at_s)
        return (1.0 + self.gain) * true_j + self.offset_w * np.asarray(at_s)

    def true_energy_at(self, at_s: Float64s | float) -> Float64s:
        """What the board drew from the beginning."""
        return np.interp(at_s, np.arange(self.energy_j.size) * CELL_S, self.energy_j)

    def mean_power(self, at_s: Float64s, averaged_s: float) -> Float64s:
        """What the meter says of the power over the last seconds, of the cell for none."""
        if averaged_s:
            return (self.energy_at(at_s) - self.energy_at(np.maximum(at_s - averaged_s, 0.0))) / averaged_s
        cell = np.minimum((at_s / CELL_S).astype(np.intp), self.power_w.size - 1)
        return (1.0 + self.gain) * self.power_w[cell] + self.offset_w

    @property
    def gross_j(self) -> float:
        """True energy of the window."""
        return float(self.true_energy_at(self.end_s) - self.true_energy_at(self.begin_s))


def drawn(board: Board, meter: Meter, rng: np.random.Generator) -> Drawn:
    """A pass with all that is left to chance."""
    begin_s = board.idle_s + board.load_s + rng.uniform(0.0, 0.5)
    end_s = begin_s + board.window_s
    cells = round((end_s + board.idle_s + 0.3) / CELL_S)
    edges_s = np.arange(cells + 1) * CELL_S

    def share(first_s: float, last_s: float) -> Float64s:
        inside = np.clip(edges_s, first_s, last_s)
        return np.asarray(np.diff(inside) / CELL_S)

    busy = share(begin_s - board.load_s, end_s)
    noise_w = board.idle_noise_w + (board.active_noise_w - board.idle_noise_w) * busy
    power_w = board.idle_w + (board.active_w - board.idle_w) * busy + noise_w * rng.normal(size=cells)
    return Drawn(
        begin_s=begin_s,
        end_s=end_s,
        power_w=power_w,
        energy_j=np.concatenate([[0.0], np.cumsum(power_w * CELL_S)]),
        gain=rng.uniform(-1, 1) * meter.gain_p,
        offset_w=rng.uniform(-1, 1) * meter.offset_p_w,
        clock_s=rng.uniform(-1, 1) * meter.clock_bound_s,
    )


Edit = Callable[[dict[str, Any]], None]


@dataclass
class Campaign:
    """One point, every trial of it drawn anew; each trial's truth is in :attr:`truths` once it is written."""

    meter: Meter
    board: Board = field(default_factory=Board)
    trials: int = 1
    seed: int = 1
    source: str = "datasheet"
    meters: Sequence[tuple[str, Meter]] = ()
    """Further meters on the same board, by name; the first is ``meter``."""
    per_process: bool = False
    no_marks: bool = False
    faults: Sequence[tuple[str, str]] = ()
    asked: Callable[[Float64s], Float64s] = lambda instants: instants
    """What becomes of the instants of the questions: some may be left out."""
    edit_manifest: Edit = lambda _: None
    truths: list[Drawn] = field(default_factory=list)

    def write(self, root: Path) -> Record:
        """Write the record and open it."""
        root.mkdir()
        manifest = self.manifest()
        self.edit_manifest(manifest)
        writer = RecordWriter(root, manifest)
        rng = np.random.default_rng(self.seed)
        for trial in manifest["plan"]["trials"]:
            self.truths.append(drawn(self.board, self.meter, rng))
            self._write_pass(writer, trial["passes"][0]["pass_id"], self.truths[-1], rng)
        writer.seal("complete")
        return Record.open(root)

    @property
    def _all_meters(self) -> list[tuple[str, Meter]]:
        return [("meter", self.meter), *self.meters]

    def manifest(self) -> dict[str, Any]:
        """The manifest of the campaign."""
        plan = {"events": [], "instruments": [name for name, _ in self._all_meters], "runs": 1, "warmup_runs": 0}
        plan |= {"idle_s": self.board.idle_s, "baseline": False, "kind": "energy"}
        trials = [
            {
                "trial_id": f"t{number:04d}",
                "point_id": "p0",
                "order": number,
                "repeat": number - 1,
                "label": "A",
                "values": {"network": "A"},
                "settings": {},
                "passes": [{**plan, "pass_id": f"t{number:04d}.energy"}],
            }
            for number in range(1, self.trials + 1)
        ]
        workload = {"kind": "program", "per": "process"} if self.per_process else {"kind": "tflite_benchmark"}
        instruments = {
            name: {"kind": "nvml", "capabilities": capabilities(meter, self.source)} for name, meter in self._all_meters
        }
        return {
            "schema": "lab.record/1",
            "record_id": "r",
            "state": "running",
            "origin": "measured",
            "seed": 5,
            "experiment": {
                "resolved": {
                    "factors": {"network": [{"value": "A"}]},
                    "workload": workload,
                    "analysis": {"hue": None, "correlations": []},
                }
            },
            "bench": {"resolved": {"instruments": {name: {} for name, _ in self._all_meters}}},
            "plan": {"trials": trials, "unavailable": []},
            "board": {"name": "b", "kind": "local", "origin": "measured", "caches": {}},
            "instruments": instruments,
            "workload": {
                "kind": workload["kind"],
                "reader": "none" if self.per_process else "benchmark_model",
                "versions": {},
            },
            "inputs": [],
            "files": {},
        }

    def _write_pass(self, writer: RecordWriter, pass_id: str, truth: Drawn, rng: np.random.Generator) -> None:
        paths = writer.paths(pass_id, 1)
        latency_s = self.board.window_s / INFERENCES
        (paths.output / "stdout.txt").write_text(benchmark_text(INFERENCES, latency_s))
        writer.append(PassBegin(pass_id=pass_id, attempt=1))
        traces = []
        for name, meter in self._all_meters:
            path = paths.trace.with_name(f"{pass_id}.{name}")
            ref = write_trace(path, name, meter, truth, rng, self.asked)
            traces.append(replace(ref, path=f"traces/{ref.path}"))
            if not self.no_marks:
                writer.append(*self._marks(pass_id, name, meter, truth, ref.rate_hz, rng))
        for code, source in self.faults:
            writer.append(Fault(pass_id=pass_id, attempt=1, source=source, code=code))
        output = paths.output.relative_to(writer.root).as_posix()
        writer.append(
            PassEnd(pass_id=pass_id, attempt=1, state="done", output=output, traces=tuple(traces), exit_status=0)
        )

    def _marks(
        self, pass_id: str, name: str, meter: Meter, truth: Drawn, rate_hz: float, rng: np.random.Generator
    ) -> list[Mark]:
        what = "program" if self.per_process else "window"
        return [
            Mark(
                pass_id=pass_id,
                attempt=1,
                instrument=name,
                name=f"{what}_{edge}",
                sample=(at_s + truth.clock_s + meter.u_mark_s * rng.normal()) * rate_hz,
                u_samples=meter.u_mark_s * rate_hz,
                method="agent",
            )
            for edge, at_s in (("begin", truth.begin_s), ("end", truth.end_s))
        ]


def capabilities(meter: Meter, source: str) -> dict[str, Any]:
    """The meter's entry in the manifest. A sampled one states its limits for power too, so that all can be compared."""
    return {
        "measures": ["energy" if meter.kind == "counter" else "power"],
        "origin": "measured",
        "scope": "gpu",
        "update_period_s": meter.update_s,
        "accuracy": {
            "ranges": {},
            "timebase_ppm": 20.0,
            "source": source,
            "power": {"gain_p": meter.gain_p, "offset_p_w": meter.offset_p_w},
        },
    }


def write_trace(
    path: Path,
    name: str,
    meter: Meter,
    truth: Drawn,
    rng: np.random.Generator,
    asked: Callable[[Float64s], Float64s] = lambda instants: instants,
) -> TraceRef:
    """Write what a meter sees of a pass; the reference's path is the file's name."""
    if meter.kind == "sampled":
        return _write_samples(path.with_name(path.name + ".jls"), name, meter, truth)
    path = path.with_name(path.name + ".readings.csv")
    measures = "energy" if meter.kind == "counter" else "power"
    scale = meter.quantum_j if meter.kind == "counter" else 1.0
    channel = Channel(
        measures=measures,
        scale=scale,
        modulus=meter.modulus,
        update_period_s=meter.update_s,
        averaged_s=meter.averaged_s,
    )
    extent_s = truth.power_w.size * CELL_S
    begin_s = np.arange(0.0, extent_s - 0.01, meter.asked_s)
    begin_s = asked(np.sort(begin_s + rng.uniform(0.0, 0.3 * meter.asked_s, begin_s.size)))
    end_s = begin_s + meter.question_s * rng.uniform(0.7, 1.0, begin_s.size)
    begin_s[1:] = np.maximum(begin_s[1:], end_s[:-1])
    end_s = np.maximum(end_s, begin_s)
    answered_s = rng.uniform(begin_s, end_s)
    if meter.update_s:
        # What is shown was renewed at the last of evenly spaced instants.
        phase_s = rng.uniform(0.0, meter.update_s)
        answered_s = np.maximum(np.floor((answered_s - phase_s) / meter.update_s) * meter.update_s + phase_s, 0.0)
    with ReadingsWriter(path, ZERO_NS, {measures: channel}) as writer:
        if meter.kind == "counter":
            raw = np.floor(truth.energy_at(answered_s) / meter.quantum_j) + 1000
            values = (raw if meter.modulus is None else raw % meter.modulus).astype(np.int64).tolist()
        else:
            values = truth.mean_power(answered_s, meter.averaged_s).tolist()
        for first, last, value in zip(begin_s, end_s, values, strict=True):
            writer.write(measures, ZERO_NS + int(first * 1e9), ZERO_NS + int(last * 1e9), value)
    return TraceRef(
        instrument=name, path=path.name, format="readings", rate_hz=1e9, samples=int(float(end_s[-1]) * 1e9)
    )


def _write_samples(path: Path, name: str, meter: Meter, truth: Drawn) -> TraceRef:
    """Each sample the mean over its interval."""
    edges_s = np.arange(0.0, truth.power_w.size * CELL_S, 1.0 / meter.rate_hz)
    power_w = np.diff(truth.energy_at(edges_s)) * meter.rate_hz
    with JlsWriter(
        path, source="JS220", serial="1", rate_hz=round(meter.rate_hz), channels=("current", "voltage")
    ) as jls:
        jls.write("current", 0, (power_w / 12.0).astype(np.float32))
        jls.write("voltage", 0, np.full(power_w.size, 12.0, np.float32))
    return TraceRef(instrument=name, path=path.name, format="jls", rate_hz=meter.rate_hz, samples=power_w.size)
