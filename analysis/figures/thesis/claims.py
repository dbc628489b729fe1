"""What the thesis claims of relations: which quantities go together, and which do not.

Every claim is an object of the catalogue that :meth:`judge`\\ s itself against a record. "Go together" is a matter of
Pearson's r of the logarithms with its 95 % interval over families of networks (:mod:`analysis.correlation`); the limits
that make "strong", "well" or "none" testable are ours, and stand in each finding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.correlation import Correlation
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.judgement import Finding, Judgement, Outcome, counted, finding, judged, listed, undecided
from analysis.figures.thesis.related import correlation_of, correlation_words, difference_of, plain_correlation
from analysis.figures.thesis.shapes import Bubbles, Relation
from analysis.figures.thesis.study import Role


def _signed(number: float) -> str:
    return f"{number:+.4f}".replace("-", "−")


@dataclass(frozen=True, slots=True)
class GoTogether:
    """The two quantities correlate: the whole interval of r lies above ``least``. ``printed_pct`` is what the thesis
    prints of its own, if it prints a number."""

    least: float
    printed_pct: int | None = None

    def judge(self, context: Context, shape: Relation) -> Judgement:
        """Hold the interval of r against the limit."""
        found = correlation_of(context, shape)
        if found.pearson is None or found.pearson_low is None or found.pearson_high is None:
            return undecided(_why_not(found))
        above = found.pearson_low > self.least
        below = found.pearson_high < self.least
        test = f"{correlation_words(found)}; the test: the interval of r lies above {self.least:g}"
        if self.printed_pct is not None:
            plain = plain_correlation(context, shape)
            own = f", here {100 * plain:.1f} %" if plain is not None else ""
            test += f". Of the plain values, in print {self.printed_pct} %{own}"
        return judged([finding(test, True if above else False if below else None)])


@dataclass(frozen=True, slots=True)
class DoNotGoTogether:
    """The two quantities do not correlate: the interval of r contains zero, and does not reach ``most`` either way.

    An interval that contains zero and much else beside decides nothing.
    """

    most: float

    def judge(self, context: Context, shape: Relation) -> Judgement:
        """Ask where the interval lies."""
        found = correlation_of(context, shape)
        if found.pearson is None or found.pearson_low is None or found.pearson_high is None:
            return undecided(_why_not(found))
        test = f"{correlation_words(found)}; the test: the interval of r contains zero and lies within ±{self.most:g}"
        if not found.pearson_low <= 0.0 <= found.pearson_high:
            return judged([finding(test, False)])
        narrow = max(-found.pearson_low, found.pearson_high) < self.most
        return judged([finding(test, True if narrow else None)])


@dataclass(frozen=True, slots=True)
class LessClear:
    """The relation is less close than the same one on one core, though the two quantities do correlate."""

    least: float

    def judge(self, context: Context, shape: Relation) -> Judgement:
        """Hold both against each other over the variations that have both."""
        one_core = replace(shape, where=Role.ONE_CORE)
        difference = difference_of(context, one_core, shape)
        close = GoTogether(self.least).judge(context, shape).findings[0]
        if difference is None:
            return judged([close, finding("there is no one core to hold it against, or too few families", None)])
        value, low, high = difference
        holds = True if high < 0.0 else False if low >= 0.0 else None
        text = (
            f"r less that on one core {_signed(value)} [{_signed(low)}, {_signed(high)}]; "
            "the test: the interval lies below zero"
        )
        return judged([close, finding(text, holds)])


@dataclass(frozen=True, slots=True)
class WorstFitSlowest:
    """Larger layers against a memory, more latency: r above zero, the worst fit the slowest, the best the quickest."""

    def judge(self, context: Context, shape: Relation) -> Judgement:
        """Test the trend, and its two ends."""
        found = correlation_of(context, shape)
        if found.pearson is None or found.pearson_low is None:
            return undecided(_why_not(found))
        pairs = context.pairs(shape)
        largest, smallest = (pick(pairs, key=lambda pair: pair[1].value)[0] for pick in (max, min))
        slowest, quickest = (pick(pairs, key=lambda pair: pair[2].value)[0] for pick in (max, min))
        return judged(
            [
                finding(
                    f"{correlation_words(found)}; the test: the interval of r lies above zero",
                    True if found.pearson_low > 0 else False if (found.pearson_high or 0.0) < 0 else None,
                ),
                finding(
                    f"the largest layers are {largest.title}'s, the slowest is {slowest.title}",
                    largest.network == slowest.network,
                ),
                finding(
                    f"the smallest layers are {smallest.title}'s, the quickest is {quickest.title}",
                    smallest.network == quickest.network,
                ),
            ]
        )


@dataclass(frozen=True, slots=True)
class SizeIsNotSpeed:
    """Parameters grow with the input, and latency does not go with parameters (5.3): see :class:`DoNotGoTogether`."""

    most: float

    def judge(self, context: Context, shape: Bubbles) -> Judgement:
        """Count the steps in which a network's parameters grow; correlate parameters with latency."""
        sizes = context.series(shape.role, "parameters", only=shape.only)
        steps = [
            (before, after)
            for before in sizes
            for after in sizes
            if before.network == after.network and before.size < after.size
        ]
        grown = sum(sizes[after].value > sizes[before].value for before, after in steps)
        findings = [counted(grown, len(steps), "the larger input has more parameters")]
        relation = Relation("parameters", "latency_s", shape.role, only=shape.only)
        return judged([*findings, *DoNotGoTogether(self.most).judge(context, relation).findings])


@dataclass(frozen=True, slots=True)
class FewerLayersSlower:
    """At one input size, the network of fewer layers is slower, though the other has more parameters (5.4)."""

    def judge(self, context: Context, shape: Bubbles) -> Judgement:
        """Count the pairs of networks in which it is so."""
        depths, parameters, latencies = (
            context.series(shape.role, name, only=shape.only) for name in ("depth", "parameters", "latency_s")
        )
        known = [item for item in depths if item in parameters and item in latencies]
        pairs = [
            (fewer, more)
            for fewer in known
            for more in known
            if fewer.size == more.size
            and depths[fewer].value < depths[more].value
            and parameters[fewer].value < parameters[more].value
        ]
        against = [pair for pair in pairs if latencies[pair[0]].value <= latencies[pair[1]].value]
        text = "of two networks at one input size the one with fewer layers and fewer parameters is the slower"
        found = counted(len(pairs) - len(against), len(pairs), text)
        if against:
            names = list(dict.fromkeys(fewer.network for fewer, _ in against))
            found = replace(found, text=f"{found.text} (not so: {listed(names)})")
        return judged([found])


@dataclass(frozen=True, slots=True)
class NothingSaid:
    """The thesis shows the relation and says nothing of it: what there is, without a judgement."""

    def judge(self, context: Context, shape: Relation) -> Judgement:
        """State the correlation."""
        text = correlation_words(correlation_of(context, shape))
        return Judgement(Outcome.NO_CLAIM, (Finding(text, Outcome.NO_CLAIM),))


def _why_not(found: Correlation) -> str:
    words = f"{correlation_words(found)}: " if found.pearson is not None else ""
    return f"{words}{found.note or 'no interval'}"
