"""What one sees of a pass: its traces thinned, what lies where on them, and what speaks against its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.measured import Measured
from analysis.view.runs import Runs
from analysis.view.steps import Steps
from analysis.view.tiles import Line, Tile
from lab.record.documents import Mark
from lab.record.quantity import Verdict


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch [begin, end) of a trace, in fractional samples, with what its samples say.

    ``name``: ``window``, ``warmup``, ``idle_before``, ``idle_after``, or what the marks call it; ``index`` counts those
    of one name. ``u_samples`` is the standard uncertainty of an edge, ``complete`` false where an edge was not seen and
    the trace's own end stands for it. ``power_w`` and ``energy_j`` are ``None`` where no sample of it is there;
    ``coverage`` (0…1) is how much of it is.
    """

    name: str
    index: int
    begin: float
    end: float
    u_samples: float = 0.0
    method: str = ""
    complete: bool = True
    power_w: float | None = None
    energy_j: float | None = None
    coverage: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """A place [begin, end) on a trace, in fractional samples, that stands behind a reason code."""

    code: str
    verdict: Verdict
    begin: float
    end: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView:
    """One meter's trace of the pass.

    A sampled trace has ``tiles``, the first of which is the overview; one of readings has ``steps``, or ``tiles`` where
    there are too many. ``problem`` says why there is neither. ``expected_end`` is where the trace should have ended, if
    it did not get there. ``limits`` are the readings (in A, V) at which samples were seen at full scale. Sample ``k``
    lies at ``zero_s + k * sample_s`` on the axis of its ``group``; meters of one group share it. ``wiring`` tells what
    logic lines mean.
    """

    name: str
    kind: str
    origin: str
    detail: str
    format: str
    rate_hz: float
    length: int
    tiles: tuple[Tile, ...] = ()
    product: bool = False
    steps: tuple[Steps, ...] = ()
    missing: Runs | None = None
    lines: Mapping[str, Line]
    wiring: Mapping[str, str]
    spans: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()
    bound_s: float = 0.0
    notes: tuple[Note, ...] = ()
    remarks: tuple[str, ...] = ()
    limits: Mapping[str, float]
    expected_end: float | None = None
    zero_s: float = 0.0
    sample_s: float
    group: int = 0
    problem: str = ""

    @property
    def duration_s(self) -> float:
        """The trace's length."""
        return self.length * self.sample_s

    def at_s(self, sample: float) -> float:
        """Where a sample lies on the axis."""
        return self.zero_s + sample * self.sample_s


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason code that befell the pass.

    ``hits`` are the quantities that suffer, none where the fault was seen but struck no result. ``details`` are
    (source, text) of what was seen; ``places`` are (meter, begin, end) in fractional samples of its trace.
    """

    code: str
    verdict: Verdict
    text: str
    advice: str
    hits: tuple[str, ...]
    details: tuple[tuple[str, str], ...]
    places: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A pass of a record, or a bare file (then without record, results and verdict).

    ``stretch`` is the part, in seconds, that was asked for in more detail.
    """

    title: str
    subtitle: str
    record_id: str
    pass_id: str
    origins: tuple[str, ...]
    verdict: Verdict | None
    findings: tuple[Finding, ...]
    quantities: tuple[Measured, ...]
    meters: tuple[MeterView, ...]
    stretch: tuple[float, float] | None
    facts: Mapping[str, str]
    stderr_tail: str = ""
