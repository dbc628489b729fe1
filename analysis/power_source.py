"""What the energy of a pass is read from, whatever wrote it: samples, power asked for again and again, or a counter.

Places on a trace are in its own samples (nanoseconds for traces of readings), as marks are. The budget and the idle
power know only :class:`PowerSource`; :mod:`analysis.readings_energy` has those over readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from analysis.energy import Float64s, Gaps, StretchEnergy, Trace, block_powers, stretch_energy

Places = Sequence[tuple[float, float]]
"""Stretches of a trace, half open."""


class Kind(StrEnum):
    """What a source is."""

    SAMPLED = "sampled"
    """Each sample is the mean over its own interval, and one follows the other."""
    POLLED = "polled"
    """Power at the instants at which somebody asked; in between it is a guess."""
    COUNTER = "counter"
    """Energy since some instant, renewed every update period."""


@dataclass(frozen=True, slots=True)
class Padded:
    """A window with idle before and after it: [begin, end) holds all that the source shows of the window.

    Of that, [begin, clear_begin) and [clear_end, end) surely show nothing of it.
    """

    begin: float
    clear_begin: float
    clear_end: float
    end: float


class PowerSource(Protocol):
    """Power or energy along a trace."""

    @property
    def kind(self) -> Kind: ...
    @property
    def rate_hz(self) -> float:
        """Samples per second of the trace's clock."""
        ...

    @property
    def length(self) -> float:
        """Its extent in samples."""
        ...

    @property
    def step_s(self) -> float:
        """Time from one value to the next: a sample, the typical time between readings, or the update period."""
        ...

    @property
    def lost(self) -> str:
        """The reason code for a stretch that is not covered whole."""
        ...

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reason codes that concern all of the trace."""
        ...

    @property
    def checks(self) -> tuple[PowerSource, ...]:
        """Other readings of the same power, which only check these."""
        ...

    def energy(self, begin: float, end: float, steps: Places = ()) -> StretchEnergy | None:
        """Energy of [begin, end); ``None`` if nothing of it was seen.

        Without ``steps`` the power may step at both ends. With them it steps there, and not at the ends.
        """
        ...

    def block_powers(self, begin: float, end: float, blocks: int) -> Float64s:
        """Mean powers [W] of consecutive, about equally long blocks inside [begin, end), at most so many; no value of
        the source counts in two of them."""
        ...

    def settled(self, begin: float, end: float) -> tuple[float, float] | None:
        """The part of [begin, end) in which the source shows nothing of what lies outside; ``None`` if there is
        none."""
        ...

    def hole_s(self, place: float) -> float:
        """Time between the values on both sides of a place; 0 outside the trace."""
        ...

    def padded(self, begin: float, end: float, clear_s: float) -> Padded | None:
        """The window [begin, end) with all that the source shows of it, if its ends are open by up to ``clear_s``;
        ``None`` if the trace does not reach so far."""
        ...


CLEAR_SAMPLES = 2.0
"""Samples beyond the stated bound that are left between a window and the clear part of its padding."""

LEAST_CLEAR_SAMPLES = 8.0
"""And the least length of that clear part."""


@dataclass(frozen=True, slots=True)
class SampledPower:
    """A sampled trace as a source; ``gaps`` are the index ranges in which samples are known to be missing."""

    trace: Trace
    gaps: Gaps = ()
    kind: Kind = Kind.SAMPLED
    lost: str = "samples_dropped"
    reasons: tuple[str, ...] = ()
    checks: tuple[PowerSource, ...] = ()

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return self.trace.rate_hz

    @property
    def length(self) -> float:
        """Samples."""
        return float(self.trace.length)

    @property
    def step_s(self) -> float:
        """One sample."""
        return 1.0 / self.trace.rate_hz

    def energy(self, begin: float, end: float, steps: Places = ()) -> StretchEnergy | None:
        """Sample by sample; where the power steps does not matter."""
        return stretch_energy(self.trace, begin, end, self.gaps)

    def block_powers(self, begin: float, end: float, blocks: int) -> Float64s:
        """Of whole samples."""
        return block_powers(self.trace, begin, end, blocks, self.gaps)

    def settled(self, begin: float, end: float) -> tuple[float, float] | None:
        """All of it."""
        return (begin, end) if end > begin else None

    def hole_s(self, place: float) -> float:
        """One sample; gaps lower the coverage."""
        return self.step_s

    def padded(self, begin: float, end: float, clear_s: float) -> Padded | None:
        """Twice the bound, and some samples, on each side."""
        clear = clear_s * self.rate_hz + CLEAR_SAMPLES
        wide = clear + max(clear, LEAST_CLEAR_SAMPLES)
        if begin - wide < 0.0 or end + wide > self.length:
            return None
        return Padded(begin - wide, begin - clear, end + clear, end + wide)
