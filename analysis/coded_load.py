"""Finding a coded load in a power trace: a known pattern of busy and idle that ties the board's clock to the trace's.

The program ``coded_load`` (workloads/coded_load) keeps the processor busy or lets it idle, chip by chip, after a
maximum-length sequence, and writes the instant of every chip on the board's clock. Played before and after the program
under test, the two patterns are looked for in the trace.

*Search.* Means of power over an eighth of a chip are correlated with the pattern as it was written, normalised by the
local mean and variance (samples that are missing have no weight), so that the score is a coefficient of correlation:
1 for the pattern itself, whatever its height. The distance of the two patterns is known from the board's clock to
:data:`RATE_LIMIT`, so they are looked for together, and the score is the mean of both. It counts as found where the
score reaches :data:`LEAST_SCORE` and no place further than one and a half chips away comes nearer than
:data:`SECOND_SHARE` of it: an m-sequence shifted against itself correlates with about 1/n only.

*Refinement.* Around each edge, ± h of 0.4 chips, the energy above the idle level over the height of the step is the
time that was spent busy: h − δ at a rising edge that comes δ late, h + δ at a falling one. A wrong level shifts the two
in opposite directions, so the mean of each busy stretch's two edges is taken. The mean of these is the shift, their
scatter over √n its standard uncertainty (the scatter that the noise of the two levels must give, if that is more: a few
stretches may agree by chance). No sample's width enters: a sample that an edge falls into holds its share.

What lies between a change of load and the current at the meter (regulators, capacitors) delays pattern and window
alike, and cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.board_marks import BoardMarks
from analysis.clock_fit import RATE_LIMIT, RATE_WANDER
from analysis.energy import CHUNK_SAMPLES, Gaps, Trace, samples_of
from lab.errors import DataError
from lab.record.marks_file import CODE_BEGIN, CODE_BUSY, CODE_END, CODE_IDLE

LEAST_SCORE = 0.6
"""Least correlation. 63 chips of nothing but noise reach it once in half a million places."""

SECOND_SHARE = 0.75
"""Of the score, that the next best place may have."""

LEAST_CHIPS = 15
"""A shorter pattern is too easily found by chance."""

BLOCKS_PER_CHIP = 8
FINE_PER_CHIP = 256

LEAST_SAMPLES_PER_CHIP = 8
"""A slower trace cannot show the pattern."""

STAMP_S = 50e-6
"""How far a chip's written instant may lie from the change of load itself: reading the clock, waking from sleep."""

BOUND_PROBABILITY = 0.9995
"""One-sided probability of Student's t that makes a bound of a standard uncertainty: one in a thousand lies outside."""

_HALF_WINDOW = 0.4
_LEAST_PRESENT = 0.8
_LEAST_PAIRS = 4
_MOST_HEIGHT_RATIO = 2.0
_OUTLIER = 5.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Code:
    """One playing of the pattern: when each chip began, whether it was busy, and when the last one ended."""

    chips_ns: tuple[int, ...]
    busy: tuple[bool, ...]
    end_ns: int

    @property
    def begin_ns(self) -> int:
        """Where the first chip begins."""
        return self.chips_ns[0]

    @property
    def duration_s(self) -> float:
        """From the first chip's begin to the last one's end."""
        return (self.end_ns - self.begin_ns) * 1e-9

    @property
    def chip_s(self) -> float:
        """The mean length of a chip."""
        return self.duration_s / len(self.busy)

    def edges(self) -> list[tuple[float, bool]]:
        """Each change of load: seconds since the begin, and whether it is to busy. Idle lies before and after."""
        levels = [False, *self.busy, False]
        instants = [*self.chips_ns, self.end_ns]
        return [
            ((instant - self.begin_ns) * 1e-9, now)
            for instant, before, now in zip(instants, levels[:-1], levels[1:], strict=True)
            if before != now
        ]


@dataclass(frozen=True, slots=True)
class Detection:
    """A pattern that was found: the sample at which its board instant ``board_ns`` (its middle) lies.

    ``u_s`` is the standard uncertainty from the scatter of ``pairs`` busy stretches; ``score`` and ``second`` the
    correlations here and at the next best place; ``height_w`` what being busy adds.
    """

    board_ns: int
    sample: float
    u_s: float
    pairs: int
    score: float
    second: float
    height_w: float

    @property
    def bound_s(self) -> float:
        """How far the instant may lie from the truth, but for :data:`STAMP_S`."""
        return float(special.stdtrit(self.pairs - 1, BOUND_PROBABILITY)) * self.u_s


@dataclass(frozen=True, slots=True)
class CodedClock:
    """The board's clock on a trace's, by one or two patterns. With one the trace's nominal rate is taken."""

    found: tuple[Detection, ...]
    rate_hz: float

    def sample(self, board_ns: int) -> float:
        """Where an instant of the board's clock lies on the trace, in fractional samples."""
        first = self.found[0]
        return first.sample + (board_ns - first.board_ns) * 1e-9 * self.samples_per_s

    def bound_s(self, board_ns: int) -> float:
        """How far :meth:`sample` may lie from the truth there, in seconds."""
        away_s = min(abs(board_ns - item.board_ns) for item in self.found) * 1e-9
        if len(self.found) == 1:
            return self.found[0].bound_s + RATE_LIMIT * away_s + STAMP_S
        first, last = self.found
        share = (board_ns - first.board_ns) / (last.board_ns - first.board_ns)
        return abs(1.0 - share) * first.bound_s + abs(share) * last.bound_s + RATE_WANDER * away_s + STAMP_S

    def change_s(self, span_s: float) -> float:
        """How much the error may change between two instants that lie ``span_s`` apart."""
        if len(self.found) == 1:
            return RATE_LIMIT * span_s
        first, last = self.found
        apart_s = (last.board_ns - first.board_ns) * 1e-9
        return span_s * ((first.bound_s + last.bound_s) / apart_s + RATE_WANDER)

    @property
    def samples_per_s(self) -> float:
        """Samples of the trace per second of the board's clock."""
        if len(self.found) == 1:
            return self.rate_hz
        first, last = self.found
        return (last.sample - first.sample) / ((last.board_ns - first.board_ns) * 1e-9)


def codes_in(marks: BoardMarks) -> list[Code]:
    """The patterns that were played to their end. Raises :class:`DataError` for marks of chips that make none."""
    codes: list[Code] = []
    chips: list[tuple[int, bool]] | None = None
    for mark in marks.named(CODE_BEGIN, CODE_BUSY, CODE_IDLE, CODE_END):
        if mark.name == CODE_BEGIN:
            chips = []
        elif chips is None:
            raise DataError(f"a mark {mark.name} without a {CODE_BEGIN} before it")
        elif mark.name != CODE_END:
            chips.append((mark.ns, mark.name == CODE_BUSY))
        else:
            codes.append(_code(chips, mark.ns))
            chips = None
    return codes


def find_codes(trace: Trace, codes: Sequence[Code], gaps: Gaps = ()) -> CodedClock:
    """Find one or two patterns in a trace. Raises :class:`DataError`, with the reason, where they are not there, or not
    beyond doubt."""
    if not 1 <= len(codes) <= 2:
        raise DataError(f"{len(codes)} coded loads were played, expected one or two")
    if any(code.duration_s * trace.rate_hz > trace.length for code in codes):
        raise DataError("the trace is too short to hold the coded load")
    size = int(codes[0].chip_s * trace.rate_hz / BLOCKS_PER_CHIP)
    if size * BLOCKS_PER_CHIP < LEAST_SAMPLES_PER_CHIP:
        raise DataError(
            f"{codes[0].chip_s * trace.rate_hz:.3g} samples in a chip of the coded load, "
            f"expected at least {LEAST_SAMPLES_PER_CHIP}"
        )
    power_w = _block_means(trace, 0, size, trace.length // size, gaps)
    lags, score, second = _searched(power_w, codes, trace.rate_hz / size)
    found = []
    for code, lag in zip(codes, lags, strict=True):
        if lag is not None:
            found.append(_refined(trace, code, lag * size, gaps, score, second))
    heights_w = [item.height_w for item in found]
    if max(heights_w) > _MOST_HEIGHT_RATIO * min(heights_w):
        raise DataError(f"the two coded loads differ: {heights_w[0]:.3g} W and {heights_w[-1]:.3g} W above idle")
    clock = CodedClock(tuple(found), trace.rate_hz)
    if len(found) == 2:
        _require_clock(clock)
    return clock


def _code(chips: list[tuple[int, bool]], end_ns: int) -> Code:
    if len(chips) < LEAST_CHIPS:
        raise DataError(f"a coded load of {len(chips)} chips, expected at least {LEAST_CHIPS}")
    instants = np.array([*(ns for ns, _ in chips), end_ns]) - chips[0][0]
    lengths = np.diff(instants)
    # A chip that a busy board held up, and cut the next one short, is fine: it was written down. Many are not.
    held_up = int(np.count_nonzero(lengths < 0.5 * float(np.median(lengths))))
    if lengths.sum() <= 0 or held_up > len(chips) // 4:
        raise DataError(f"{held_up} of {len(chips)} chips of the coded load were cut short: the board was busy")
    busy = tuple(busy for _, busy in chips)
    if 2 * min(sum(busy), len(busy) - sum(busy)) < len(busy) // 2:
        raise DataError("a coded load that is hardly ever busy, or hardly ever idle")
    return Code(tuple(ns for ns, _ in chips), busy, end_ns)


def _require_clock(clock: CodedClock) -> None:
    first, last = clock.found
    off = clock.samples_per_s / clock.rate_hz - 1.0
    apart_s = (last.board_ns - first.board_ns) * 1e-9
    if abs(off) > RATE_LIMIT + (first.bound_s + last.bound_s) / apart_s:
        raise DataError(f"by the two coded loads the board's clock is {1e6 * off:+.0f} ppm off the trace's")


# ------------------------------------------------------------------------------------------------------- search


def _searched(power_w: Floats, codes: Sequence[Code], blocks_per_s: float) -> tuple[list[float | None], float, float]:
    """The lag of each pattern in blocks (``None`` where samples are missing), the joint score and the next best."""
    scores = [_scores(power_w, _template(code, blocks_per_s)) for code in codes]
    joint, shift, slack = scores[0], 0, 0
    if len(codes) == 2:
        apart = (codes[1].begin_ns - codes[0].begin_ns) * 1e-9 * blocks_per_s
        shift, slack = round(apart), math.ceil(2 * RATE_LIMIT * apart) + 1
        joint = _joint(scores[0], _widened(scores[1], slack), shift)
    if joint.size == 0 or not np.isfinite(joint).any():
        raise DataError("the trace is too short, or too full of gaps, to hold the coded load")
    peak = int(np.nanargmax(joint))
    near = math.ceil(1.5 * codes[0].chip_s * blocks_per_s)
    others = np.concatenate([joint[: max(peak - near, 0)], joint[peak + near + 1 :]])
    others = others[np.isfinite(others)]
    score, second = float(joint[peak]), float(others.max()) if others.size else 0.0
    if score < LEAST_SCORE:
        raise DataError(f"the coded load is not in the trace: the best place has a correlation of {score:.2f}")
    if second > SECOND_SHARE * score:
        raise DataError(
            f"the coded load is not found beyond doubt: correlations of {score:.2f} and {second:.2f} in two places"
        )
    lags: list[float | None] = []
    for number, of_code in enumerate(scores):
        centre = peak + shift if number else peak
        reach = slack if number else 0
        part = of_code[max(centre - reach, 0) : centre + reach + 1]
        if not np.isfinite(part).any():
            lags.append(None)
            continue
        best = float(np.nanmax(part))
        if best < LEAST_SCORE:
            which = "second" if number else "first"
            raise DataError(f"the {which} coded load is not where the other says: a correlation of {best:.2f}")
        lags.append(float(max(centre - reach, 0) + int(np.nanargmax(part))))
    return lags, score, second


def _template(code: Code, blocks_per_s: float) -> Floats:
    """The busy share of each block of the pattern, the first block beginning with it."""
    borders = np.array([(ns - code.begin_ns) * 1e-9 * blocks_per_s for ns in (*code.chips_ns, code.end_ns)])
    busy = np.concatenate([[0.0], np.cumsum(np.diff(borders) * np.array(code.busy, dtype=np.float64))])
    return np.asarray(np.diff(np.interp(np.arange(math.floor(borders[-1]) + 1), borders, busy)))


def _scores(power_w: Floats, template: Floats) -> Floats:
    """The coefficient of correlation of power and template at every lag; NaN where too little of it is there."""
    lags = power_w.size - template.size + 1
    if lags < 1:
        return np.empty(0)
    present = np.isfinite(power_w)
    if not present.any():
        return np.full(lags, np.nan)
    weight = present.astype(np.float64)
    # About their mean and in units of their spread: small differences of large sums keep their digits.
    centred = np.where(present, power_w - power_w[present].mean(), 0.0)
    spread = float(np.sqrt((centred**2).sum() / weight.sum()))
    if spread == 0.0:
        return np.full(lags, np.nan)
    centred /= spread
    window = np.ones_like(template)
    count = _correlated(weight, window)
    sum_x, sum_xx = _correlated(weight, template), _correlated(weight, template**2)
    sum_p, sum_pp = _correlated(centred, window), _correlated(centred**2, window)
    count = np.maximum(count, 1.0)
    covariance = _correlated(centred, template) - sum_p * sum_x / count
    spread_x = sum_xx - sum_x**2 / count
    spread_p = sum_pp - sum_p**2 / count
    # Where the power does not vary at all, rounding is left of its variance: such a place is not the pattern.
    product = np.maximum(spread_x, 0.0) * np.maximum(spread_p, 1e-7 * template.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(product > 0.0, covariance / np.sqrt(product), 0.0)
    return np.where(count >= _LEAST_PRESENT * template.size, np.clip(score, -1.0, 1.0), np.nan)


def _correlated(values: Floats, template: Floats) -> Floats:
    """Σ values[k + i]·template[i] for every lag k that fits, by FFT."""
    size = 1 << (values.size + template.size - 1).bit_length()
    spectrum = np.fft.rfft(values, size) * np.conj(np.fft.rfft(template, size))
    return np.asarray(np.fft.irfft(spectrum, size)[: values.size - template.size + 1])


def _widened(scores: Floats, slack: int) -> Floats:
    """The best score within ``slack`` lags of each; NaN where there is none."""
    padded = np.full(scores.size + 2 * slack, -np.inf)
    padded[slack : slack + scores.size] = np.where(np.isfinite(scores), scores, -np.inf)
    best = np.lib.stride_tricks.sliding_window_view(padded, 2 * slack + 1).max(axis=1) if scores.size else scores
    return np.where(np.isfinite(best), best, np.nan)


def _joint(first: Floats, second: Floats, shift: int) -> Floats:
    """Mean of both patterns' scores at each lag of the first. A lag counts only if both patterns then lie inside the
    trace: else the second pattern could be taken for the first. Where gaps hide one of them the other stands alone."""
    size = min(first.size, second.size - shift)
    if size < 1 or shift < 0:
        return np.empty(0)
    both = np.stack([first[:size], second[shift : shift + size]])
    there = np.isfinite(both)
    count = there.sum(axis=0)
    total = np.where(there, both, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


# --------------------------------------------------------------------------------------------------- refinement


def _refined(trace: Trace, code: Code, begin: float, gaps: Gaps, score: float, second: float) -> Detection:
    """The pattern that begins near sample ``begin``, to a fraction of a sample."""
    chip = code.chip_s * trace.rate_hz
    size = max(1, int(chip / FINE_PER_CHIP))
    first = max(0, math.floor(begin - 2.0 * chip))
    last = min(trace.length, math.ceil(begin + code.duration_s * trace.rate_hz + 2.0 * chip))
    power_w = _block_means(trace, first, size, (last - first) // size, gaps)
    # In units of chips from here on: fine blocks' borders, and the edges since the pattern's begin.
    borders = (first + size * np.arange(power_w.size + 1) - begin) / chip
    edges = np.array([at_s / code.chip_s for at_s, _ in code.edges()])
    rising = np.array([up for _, up in code.edges()])
    shift, height_w, least_scatter = 0.0, 0.0, 0.0
    pairs = middles = np.empty(0)
    for _ in range(3):
        low_w, height_w, noise_w = _levels(power_w, np.asarray((borders[:-1] + borders[1:]) / 2.0 - shift), edges)
        late = _lateness(power_w, low_w, height_w, np.asarray(borders - shift), edges, rising)
        pairs, middles = (late[0::2] + late[1::2]) / 2.0, (edges[0::2] + edges[1::2]) / 2.0
        whole = np.isfinite(pairs)
        pairs, middles = pairs[whole], middles[whole]
        if pairs.size < _LEAST_PAIRS:
            raise DataError(f"{pairs.size} busy stretches of the coded load are whole, expected {_LEAST_PAIRS}")
        least_scatter = noise_w / height_w * math.sqrt(_HALF_WINDOW * size / chip)
        alike = _alike(pairs, least_scatter)
        pairs, middles = pairs[alike], middles[alike]
        shift += float(pairs.mean())
    if abs(shift) > 1.0:
        raise DataError(f"the edges of the coded load lie {shift:+.2f} chips from where its pattern does")
    u_s = max(float(pairs.std(ddof=1)), least_scatter) / math.sqrt(pairs.size) * code.chip_s
    # At the mean of their instants the difference of the two clocks' rates shifts nothing.
    middle_ns = round(float(middles.mean()) * code.chip_s * 1e9)
    return Detection(
        board_ns=code.begin_ns + middle_ns,
        sample=begin + shift * chip + middle_ns * 1e-9 * trace.rate_hz,
        u_s=u_s,
        pairs=int(pairs.size),
        score=score,
        second=second,
        height_w=height_w,
    )


def _levels(power_w: Floats, middles: Floats, edges: Floats) -> tuple[Floats, float, float]:
    """The idle level at each fine block (a straight line over the pattern), the height of being busy, and the scatter
    of the blocks about these levels; all in W."""
    after = np.searchsorted(edges, middles)
    away = np.minimum(
        np.abs(middles - edges[np.maximum(after - 1, 0)]), np.abs(middles - edges[np.minimum(after, edges.size - 1)])
    )
    # The pattern begins and ends with idle, and every edge changes the level: odd counts are busy.
    busy = (after % 2).astype(np.float64)
    inside = (middles > edges[0] - 1.0) & (middles < edges[-1] + 1.0)
    plateau = np.isfinite(power_w) & (away > 0.25) & inside
    if np.count_nonzero(plateau) < 8:
        raise DataError("too little of the coded load is in the trace")
    columns = np.stack([np.ones_like(middles), middles, busy], axis=1)
    solution, *_ = np.linalg.lstsq(columns[plateau], power_w[plateau], rcond=None)
    height_w = float(solution[2])
    if not height_w > 0.0:
        raise DataError("the power does not rise where the coded load is busy")
    noise_w = float(np.std(power_w[plateau] - columns[plateau] @ solution))
    return np.asarray(solution[0] + solution[1] * middles, dtype=np.float64), height_w, noise_w


def _lateness(
    power_w: Floats, low_w: Floats, height_w: float, borders: Floats, edges: Floats, rising: NDArray[np.bool_]
) -> Floats:
    """How late each edge is, in chips; NaN where samples around it are missing."""
    present = np.isfinite(power_w)
    share = np.where(present, (power_w - low_w) / height_w, 0.0)
    widths = np.diff(borders)
    busy = np.concatenate([[0.0], np.cumsum(share * widths)])
    there = np.concatenate([[0.0], np.cumsum(present * widths)])
    begins, ends = edges - _HALF_WINDOW, edges + _HALF_WINDOW
    spent = np.interp(ends, borders, busy) - np.interp(begins, borders, busy)
    whole = np.interp(ends, borders, there) - np.interp(begins, borders, there)
    late = np.where(rising, _HALF_WINDOW - spent, spent - _HALF_WINDOW)
    # The level must hold over the whole half window on either side.
    room = np.diff(edges, prepend=-np.inf, append=np.inf)
    alone = np.minimum(room[:-1], room[1:]) >= 2.0 * _HALF_WINDOW
    return np.where(alone & (whole > 2.0 * _HALF_WINDOW * (1.0 - 1e-6)), late, np.nan)


def _alike(pairs: Floats, least_scatter: float) -> NDArray[np.bool_]:
    """Which busy stretches agree: in those far outside the others' scatter something else was at work.

    Where half of a few stretches lie close together by chance, the median would call the others strangers: so no
    scatter below what the noise of the levels alone must give is believed. Both in chips.
    """
    away = np.abs(pairs - np.median(pairs))
    alike = away <= _OUTLIER * max(1.4826 * float(np.median(away)), least_scatter)
    enough = np.count_nonzero(alike) >= max(_LEAST_PAIRS, pairs.size // 2)
    return np.asarray(alike if enough else np.ones_like(alike))


# ------------------------------------------------------------------------------------------------------- samples


def _block_means(trace: Trace, first: int, size: int, count: int, gaps: Gaps) -> Floats:
    """Mean power [W] of ``count`` blocks of ``size`` samples from sample ``first`` on; NaN where more than half of a
    block is missing."""
    means = np.full(max(count, 0), np.nan)
    per_chunk = max(1, CHUNK_SAMPLES // size)
    for begin in range(0, count, per_chunk):
        end = min(begin + per_chunk, count)
        start, stop = first + begin * size, first + end * size
        power_w = _power(trace, start, stop)
        for gap_first, gap_last in gaps:
            if gap_first < stop and gap_last > start:
                power_w[max(gap_first - start, 0) : max(gap_last - start, 0)] = np.nan
        table = power_w.reshape(end - begin, size)
        present = np.isfinite(table)
        seen = present.sum(axis=1)
        total = np.where(present, table, 0.0).sum(axis=1)
        means[begin:end] = np.where(2 * seen >= size, total / np.maximum(seen, 1), np.nan)
    return means


def _power(trace: Trace, start: int, stop: int) -> Floats:
    """Power, or the current where nothing else is there: both show the pattern."""
    if set(trace.channels) & {"voltage", "power", "energy"} or "current" not in trace.channels:
        return samples_of(trace, start, stop)[2]
    return trace.read("current", start, stop).astype(np.float64)
