"""The simulated ``benchmark_model``: plays a network's model onto the rail and prints what the real program prints.

The loop of runs, its flags and the text follow ``tensorflow/lite/tools/benchmark/benchmark_model.cc``: a stage of
inferences goes on until both the least number and the least time are reached, or the greatest time is passed; times are
whole microseconds of a clock; the statistics are those of the times as printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.boards.simulated.benchmark_options import LABELS, BenchmarkOptions, OptionError, parse_options
from lab.boards.simulated.console import Console, Ended
from lab.boards.simulated.counters import Counts
from lab.boards.simulated.power import load_power_w
from lab.boards.simulated.program import ProgramModel, Step, program_model
from lab.boards.simulated.roofline import Target
from lab.boards.simulated.supply import Drawn, Supply
from lab.boards.simulated.truth import pass_truth, singles_truth, soc_truth
from lab.errors import UsageError
from lab.networks.tables import parse_variation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lab.boards.simulated.constants import BoardConstants
    from lab.boards.simulated.variation import PassVariation

WINDOW_LINE = "window"
"""The pin that is high while measured inferences run."""
INFERENCE_LINE = "inference"
"""The pin that is high while one measured inference runs."""
WARMUP_LINE = "warmup"
"""The pin that is high while warm-up inferences run."""

CLASSIC, INFO = "classic", "info"
"""Styles of output: plain lines on standard output, or, as newer builds do, ``INFO: `` lines on standard error."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """The clock drops during this pass: at a share of the measured stage's expected length, by a factor on times."""

    at: float
    slowdown: float


@dataclass(frozen=True, slots=True)
class _Stage:
    """Inferences one after the other: durations in s, the index from which they were slowed, what was drawn.

    ``between_s`` lies between two of them, half of it before the first and half after the last.
    """

    durations_s: NDArray[np.float64]
    slow_from: int
    begin_s: float
    drawn: Drawn
    between_s: float = 0.0

    @property
    def spans_s(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When each inference begins and ends, in s."""
        return _spans(self.begin_s, self.durations_s, self.between_s)


class SimulatedBenchmark:
    """One process of ``benchmark_model`` on the simulated board."""

    def __init__(
        self,
        supply: Supply,
        variation: PassVariation,
        console: Console,
        board: BoardConstants,
        *,
        style: str = CLASSIC,
        throttle: Throttle | None = None,
        between_s: float = 0.0,
    ) -> None:
        self._supply = supply
        self._variation = variation
        self._console = console
        self._board = board
        self._style = style
        self._throttle = throttle
        self._between_s = between_s

    def run(self, arguments: Sequence[str]) -> Ended:
        """Run with these arguments (the program's name left out).

        Raises :class:`lab.boards.simulated.supply.DeadlineReachedError` when stopped.
        """
        try:
            options, given, rest = parse_options(arguments)
        except OptionError as error:
            self._fail(f"Failed to parse the flag {error}")
            return Ended(1)
        self._say("STARTING!")
        if rest:
            self._say(f"Unconsumed cmdline flags: {' '.join(rest)}", "WARNING")
        if not options.graph:
            self._fail("Please specify the name of your TF Lite input file with --graph")
            return Ended(1)
        try:
            variation = parse_variation(options.graph)
        except UsageError:
            self._fail(f"Could not open '{options.graph}'.")
            self._fail(f"Failed to load model {options.graph}")
            self._fail("Benchmarking failed.")
            return Ended(1)
        target = Target(max(options.num_threads, 1), npu=options.on_npu)
        return self._benchmark(options, given, program_model(variation, target, self._board))

    def _benchmark(self, options: BenchmarkOptions, given: list[str], model: ProgramModel) -> Ended:
        self._list_parameters(options, given)
        self._step(model.start)
        init_s = self._step(model.init).duration_s
        if options.on_npu:
            kind = "NNAPI" if options.use_nnapi else "EXTERNAL"
            self._say(f"{kind} delegate created.")
        self._say(f"Loaded model {options.graph}")
        if options.on_npu:
            self._say(
                f"Explicitly applied {kind} delegate, and the model graph will be completely executed by the delegate."
            )
        self._say(f"The input model file size (MB): {model.file_bytes / 1e6:g}")
        self._say(f"Initialized session in {init_s * 1e3:g}ms.")
        warmup = self._stage(
            model, WARMUP_LINE, options.warmup_runs, options.warmup_min_secs, options.max_secs, model.first, None
        )
        # Without any warm-up it is the first measured inference that packs or uploads the weights.
        first = None if warmup.durations_s.size else model.first
        measured = self._stage(
            model, WINDOW_LINE, options.num_runs, options.min_secs, options.max_secs, first, self._throttle
        )
        self._report(options, model, init_s, warmup, measured)
        return self._ended(model, warmup, measured)

    def _step(self, step: Step) -> Drawn:
        duration_s = step.duration_s * self._variation.latency_factor
        return self._supply.draw_one(duration_s, step.net_power_w * self._variation.active_power_factor)

    def _stage(
        self,
        model: ProgramModel,
        line: str,
        min_runs: int,
        min_s: float,
        max_s: float,
        first: Step | None,
        throttle: Throttle | None,
    ) -> _Stage:
        """One stage of inferences; ``first`` is what its first one takes in addition."""
        self._say(
            f"Running benchmark for at least {min_runs} iterations and at least {min_s:g} seconds "
            f"but terminate if exceeding {max_s:g} seconds."
        )
        extra_s = first.duration_s * self._variation.latency_factor if first else 0.0
        durations_s, slow_from = self._durations(model.latency_s, min_runs, min_s, max_s, extra_s, throttle)
        begin_s = self._supply.now_s
        drawn = Drawn()
        if durations_s.size:
            self._supply.edge(line, 1)
            try:
                drawn = self._draw(model, durations_s, extra_s, first, slow_from, throttle)
            finally:
                if line == WINDOW_LINE:
                    self._supply.pulses(INFERENCE_LINE, *_spans(begin_s, durations_s, self._between_s))
                self._supply.edge(line, 0)
        stage = _Stage(durations_s, slow_from, begin_s, drawn, self._between_s)
        self._say(self._statistics(_microseconds(stage)))
        self._say("")
        return stage

    def _durations(
        self,
        latency_s: float,
        min_runs: int,
        min_s: float,
        max_s: float,
        extra_s: float,
        throttle: Throttle | None,
    ) -> tuple[NDArray[np.float64], int]:
        """Durations in s of the inferences that the loop completes, and the index from which they are slowed."""
        if min_runs <= 0 and min_s <= 0:
            return np.empty(0), 0
        mean_s = latency_s * self._variation.latency_factor
        planned_s = min(max(min_s, min_runs * mean_s), max_s)
        plain_s = np.empty(0)
        while True:
            fresh = mean_s * self._variation.jitter(int(1.02 * planned_s / mean_s) + 16)
            plain_s = np.concatenate([plain_s, fresh])
            durations_s = plain_s.copy()
            durations_s[0] += extra_s
            slow_from = durations_s.size
            if throttle is not None:
                starts_s = np.cumsum(durations_s + self._between_s) - durations_s
                slow_from = int(np.searchsorted(starts_s, throttle.at * planned_s))
                durations_s[slow_from:] *= throttle.slowdown
            elapsed_s = np.cumsum(durations_s + self._between_s)
            runs = np.arange(1, elapsed_s.size + 1)
            stops = np.flatnonzero(((runs >= min_runs) & (elapsed_s >= min_s)) | (elapsed_s > max_s))
            if stops.size:
                count = int(stops[0]) + 1
                return durations_s[:count], min(slow_from, count)

    def _draw(
        self,
        model: ProgramModel,
        durations_s: NDArray[np.float64],
        extra_s: float,
        first: Step | None,
        slow_from: int,
        throttle: Throttle | None,
    ) -> Drawn:
        """Put the inferences onto the rail, each in its phases."""
        shares = np.array([phase.duration_s for phase in model.phases]) / model.latency_s
        powers_w = np.array([phase.net_power_w for phase in model.phases]) * self._variation.active_power_factor
        steady_s = durations_s.copy()
        steady_s[0] -= extra_s
        slowness = np.ones(durations_s.size)
        if throttle is not None:
            slowness[slow_from:] = throttle.slowdown
        # A lower clock at the same voltage: the same work above idle, over a longer time.
        segments_s = np.outer(steady_s, shares).ravel()
        segments_w = np.outer(1 / slowness, powers_w).ravel()
        if self._between_s > 0:
            segments_s, segments_w = self._with_pauses(segments_s, segments_w, durations_s.size)
        if first is not None and extra_s > 0:
            first_w = first.net_power_w * self._variation.active_power_factor
            place = int(self._between_s > 0)
            segments_s = np.insert(segments_s, place, extra_s)
            segments_w = np.insert(segments_w, place, first_w)
        return self._supply.draw(segments_s, segments_w)

    def _with_pauses(
        self, segments_s: NDArray[np.float64], segments_w: NDArray[np.float64], inferences: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The segments with half a pause before and after each inference: one core drives the loop."""
        pause_w = load_power_w(self._board) * self._variation.active_power_factor
        halves = np.full((inferences, 1), self._between_s / 2)
        table_s = np.hstack([halves, segments_s.reshape(inferences, -1), halves])
        table_w = np.pad(segments_w.reshape(inferences, -1), ((0, 0), (1, 1)), constant_values=pause_w)
        return table_s.ravel(), table_w.ravel()

    def _ended(self, model: ProgramModel, warmup: _Stage, measured: _Stage) -> Ended:
        inferences = warmup.durations_s.size + measured.durations_s.size
        steady = model.counts.times(inferences)
        once = model.start.counts + model.init.counts + (model.first.counts if inferences else Counts())
        faults: tuple[tuple[str, str], ...] = ()
        slowed = measured.durations_s.size - measured.slow_from
        if self._throttle is not None and slowed:
            clock_hz = self._board.cpu.clock_hz
            detail = (
                f"clock lowered from {clock_hz / 1e6:.0f} to {clock_hz / self._throttle.slowdown / 1e6:.0f} MHz "
                f"before inference {measured.slow_from + 1} of {measured.durations_s.size}"
            )
            faults = (("throttled", detail),)
        return Ended(
            exit_status=0,
            counts=self._varied(once + steady),
            resident_bytes=model.resident_bytes,
            truth=self._truth(model, warmup, measured),
            faults=faults,
        )

    def _truth(self, model: ProgramModel, warmup: _Stage, measured: _Stage) -> dict[str, Any] | None:
        if measured.durations_s.size == 0:
            return None
        pause_w = load_power_w(self._board)
        found = pass_truth(model, warmup.drawn, measured.drawn, measured.durations_s, self._between_s, pause_w)
        if self._between_s > 0:
            begins_s, ends_s = measured.spans_s
            found["actual"]["inferences"] = {
                rail: singles_truth(energies_j, ends_s - begins_s)
                for rail, energies_j in self._supply.energies_j(begins_s, ends_s).items()
            }
        if self._supply.soc is not None:
            found["soc"] = soc_truth(found, self._supply.soc, measured.drawn, measured.durations_s.size)
        return found

    def _varied(self, counts: Counts) -> Counts:
        """The counts as this process's counters would give them: every count scatters a little, of itself."""
        scatter, stream = self._board.variation, self._variation.counts
        work, misses = scatter.instructions_relative, scatter.misses_relative
        factor = self._variation.latency_factor
        return Counts(
            instructions=counts.instructions * (1 + work * stream.standard_normal()),
            l1d_loads=counts.l1d_loads * (1 + work * stream.standard_normal()),
            l1d_load_misses=counts.l1d_load_misses * (1 + misses * stream.standard_normal()),
            l2_refills=counts.l2_refills * (1 + misses * stream.standard_normal()),
            branches=counts.branches * (1 + work * stream.standard_normal()),
            branch_misses=counts.branch_misses * (1 + misses * stream.standard_normal()),
            page_faults=max(counts.page_faults + scatter.faults * stream.standard_normal(), 0.0),
            context_switches=float(stream.poisson(counts.context_switches)),
            cycles=counts.cycles * factor,
            cpu_s=counts.cpu_s * factor,
        )

    def _list_parameters(self, options: BenchmarkOptions, given: list[str]) -> None:
        self._say(f"Log parameter values verbosely: [{int(options.verbose)}]")
        for name, label in LABELS.items():
            if name in given and name != "verbose":
                value = getattr(options, name)
                self._say(f"{label}: [{value if isinstance(value, str) else f'{value:g}'}]")
        self._say(f"#threads used for CPU inference: [{options.num_threads}]")

    def _report(
        self, options: BenchmarkOptions, model: ProgramModel, init_s: float, warmup: _Stage, measured: _Stage
    ) -> None:
        warmup_us = _microseconds(warmup)
        measured_us = _microseconds(measured)
        first_us = int(warmup_us[0]) if warmup_us.size else 0
        self._say(
            f"Inference timings in us: Init: {int(init_s * 1e6)}, First inference: {first_us}, "
            f"Warmup (avg): {_average(warmup_us)}, Inference (avg): {_average(measured_us)}"
        )
        self._say(
            "Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the "
            "actual memory footprint of the model at runtime. Take the information at your discretion."
        )
        mebi = 1024 * 1024
        loaded = model.file_bytes / mebi
        overall = loaded + model.packed_bytes / mebi
        self._say(f"Memory footprint delta from the start of the tool (MB): init={loaded:g} overall={overall:g}")
        if options.report_peak_memory_footprint:
            peak = model.resident_bytes / mebi
            self._say(f"Overall peak memory footprint (MB) via periodic monitoring: {peak:g}")

    def _statistics(self, times_us: NDArray[np.int64]) -> str:
        """The line of statistics of one stage, in the program's own format."""
        if times_us.size == 0:
            return "count=0"
        first, current, least, most = times_us[0], times_us[-1], times_us.min(), times_us.max()
        if least == most:
            return f"count={times_us.size} curr={current}" + ("(all same)" if times_us.size > 1 else "")
        text = (
            f"count={times_us.size} first={first} curr={current} min={least} max={most} "
            f"avg={_average(times_us)} std={int(times_us.std())}"
        )
        if self._style == INFO:
            low, middle, high = np.percentile(times_us, [5, 50, 95], method="lower").astype(int)
            text += f" p5={low} median={middle} p95={high}"
        return text

    def _say(self, line: str, severity: str = "INFO") -> None:
        if self._style == INFO:
            self._console.error(f"{severity}: {line}")
        else:
            self._console.out(line)

    def _fail(self, line: str) -> None:
        self._console.error(f"ERROR: {line}" if self._style == INFO else line)


def _spans(
    begin_s: float, durations_s: NDArray[np.float64], between_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When each inference of a stage begins and ends, in s."""
    borders_s = begin_s + np.concatenate([[0.0], np.cumsum(durations_s + between_s)])
    return borders_s[:-1] + between_s / 2, borders_s[1:] - between_s / 2


def _microseconds(stage: _Stage) -> NDArray[np.int64]:
    """Durations as differences of a clock that shows whole microseconds."""
    begins_us, ends_us = (np.floor(instants_s * 1e6).astype(np.int64) for instants_s in stage.spans_s)
    return ends_us - begins_us


def _average(times_us: NDArray[np.int64]) -> str:
    """The mean with six significant digits, as a C++ stream prints it; ``nan`` of nothing."""
    return f"{times_us.mean():g}" if times_us.size else "nan"
