"""What the thesis claims of costs: thresholds of offloading, who is quickest, what compression gives, what grows."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from scipy import stats

from analysis.figures.thesis.context import Context, Series
from analysis.figures.thesis.judgement import Finding, Judgement, Outcome, counted, finding, judged, listed, undecided
from analysis.figures.thesis.offloading import ETHERNET_GPU, RADIO_GPU, Way
from analysis.figures.thesis.shapes import Contributions, Growth, Only, Rows, Where
from analysis.figures.thesis.study import Role, Variation
from analysis.figures.units import tick_text
from analysis.offload.thresholds import Threshold, threshold
from analysis.statistics import speedup

STUDY_NETWORKS = 11
"""Networks at their input sizes in the study: its printed means are over all of them."""

_TOLERANCE = 0.05
_FEWEST_CASES = 4
_SAME = 0.9


def thresholds_of(context: Context, shape: Rows) -> dict[Way, Threshold]:
    """The threshold of each way: its costs over the networks, each once whatever its compressions."""
    found = {}
    for way in shape.ways:
        series = context.series(way, shape.quantity, idle=shape.idle, only=shape.only)
        once = {variation.title: value.value for variation, value in series.items()}
        if len(once) >= 2:
            found[way] = threshold(list(once.values()))
    return found


@dataclass(frozen=True, slots=True)
class TwoThresholds:
    """Offloading costs about the same whatever the network: two bands, with the printed means (in ms or mJ)."""

    printed: dict[str, tuple[float, float, float, float]]
    """Way → mean, standard deviation, greatest, least of the tables 4.2, 4.3 and 4.4."""

    def judge(self, context: Context, shape: Rows) -> Judgement:
        """Compare the bands with each other and the means with print; count the variations above each mean."""
        found = thresholds_of(context, shape)
        if not found:
            return undecided("fewer than two networks: no threshold")
        radio = [item for way, item in found.items() if way.medium == "Radio"]
        ethernet = [item for way, item in found.items() if way.medium == "Ethernet"]
        unit = "s" if shape.quantity == "latency_s" else "J"
        least, most = min(item.min for item in radio), max(item.max for item in ethernet)
        words = f"radio costs at least {tick_text(least, unit)}, Ethernet at most {tick_text(most, unit)}"
        findings = [finding(f"two bands apart: {words}", least > most)]
        n = next(iter(found.values())).n
        pairs = [(way, item.mean * 1e3, self.printed[way.name][0]) for way, item in found.items()]
        text = ", ".join(f"{way.name} {mean:.3g} (print {printed:g})" for way, mean, printed in pairs)
        close = all(abs(mean - printed) <= _TOLERANCE * printed for _, mean, printed in pairs)
        whole = n == STUDY_NETWORKS
        test = "the test: within 5 %" if whole else f"over {n} networks only: not held against print"
        findings.append(finding(f"means in m{unit}: {text}; {test}", close if whole else None))
        above = self._above(context, shape, found)
        if above:
            findings[-1] = Finding(
                f"{findings[-1].text}. Above the mean of the offloaded ones (GPU): {above}", findings[-1].outcome
            )
        return judged(findings)

    def _above(self, context: Context, shape: Rows, found: dict[Way, Threshold]) -> str:
        words = []
        for role in context.present():
            series = context.series(role, shape.quantity, only=shape.only)
            counts = [
                f"{sum(value.value > found[way].mean for value in series.values())} ({way.medium})"
                for way in (ETHERNET_GPU, RADIO_GPU)
                if way in found
            ]
            if series:
                words.append(f"{context.name(role)} {' and '.join(counts)} of {len(series)}")
        return "; ".join(words)


@dataclass(frozen=True, slots=True)
class SamePattern:
    """The energy-delay product orders the cases as latency does."""

    def judge(self, context: Context, shape: Rows) -> Judgement:
        """Rank all cases by both; see whether the same place is cheapest."""
        places: list[Where] = [*context.present(), *shape.ways]
        products, times = (
            [context.series(place, quantity, idle=shape.idle) for place in places]
            for quantity in (shape.quantity, "latency_s")
        )
        cases = [
            (own[item].value, other[item].value)
            for own, other in zip(products, times, strict=True)
            for item in own
            if item in other
        ]
        if len(cases) < _FEWEST_CASES:
            return undecided(f"fewer than {_FEWEST_CASES} cases")
        rho = float(stats.spearmanr(cases).statistic)
        text = f"Spearman's ρ of the product with latency over {len(cases)} cases {rho:.3f}; the test: at least {_SAME}"
        cheapest = [(_cheapest(products, item), _cheapest(times, item)) for item in context.variations()]
        cheapest = [pair for pair in cheapest if None not in pair]
        same = sum(first == second for first, second in cheapest)
        return judged([finding(text, rho >= _SAME), counted(same, len(cheapest), "the same place is cheapest by both")])


def _cheapest(series: list[Series], variation: Variation) -> int | None:
    known = [(values[variation].value, place) for place, values in enumerate(series) if variation in values]
    return min(known)[1] if known else None


@dataclass(frozen=True, slots=True)
class NpuQuickest:
    """The NPU is quicker than any other place, offloading included; with what compression gives, as printed.

    ``mean`` and ``most`` are the printed speed-ups of the NPU, ``cpu_pct`` the least and greatest of the CPU's, in
    percent.
    """

    mean: float | None = None
    most: float | None = None
    cpu_pct: tuple[float, float] | None = None
    like: Only | None = None
    """Variations to which these make no difference on a CPU."""

    def judge(self, context: Context, shape: Rows) -> Judgement:
        """Count the variations for which the NPU is clearly quickest; then the speed-ups."""
        if Role.NPU not in context.present():
            return undecided("this record has no NPU")
        npu = context.series(Role.NPU, shape.quantity, only=shape.only)
        places: list[Where] = [*context.present((Role.ONE_CORE, Role.CORES)), *shape.ways]
        others = [context.series(place, shape.quantity, idle=shape.idle, only=shape.only) for place in places]
        beaten = [item for item in npu if all(npu[item].high < series[item].low for series in others if item in series)]
        findings = [counted(len(beaten), len(npu), "the NPU is quickest of all places, beyond its uncertainty")]
        if 0 < len(npu) - len(beaten) < len(npu):
            names = listed([item.name for item in npu if item not in beaten])
            findings[0] = Finding(f"{findings[0].text} (not {names})", findings[0].outcome)
        if self.mean is not None and self.most is not None:
            findings += self._npu_speedup(context, shape)
        if self.cpu_pct is not None:
            findings += self._cpu_speedup(context, shape)
        if self.like is not None:
            findings += self._no_difference(context, shape, self.like)
        return judged(findings)

    def _npu_speedup(self, context: Context, shape: Rows) -> list[Finding]:
        slow, fast = _before_and_after(context, Role.NPU, shape, Only.UNCOMPRESSED)
        if not slow or self.mean is None or self.most is None:
            return [finding("no uncompressed network beside the compressed ones", None)]
        figures = speedup(slow, fast)
        text = (
            f"compression speeds the NPU up {figures.mean:.0f}× (geometric mean {figures.geometric_mean:.0f}×, "
            f"at most {figures.maximum:.0f}×, n = {figures.n}; print {self.mean:g}× and {self.most:g}×); "
            "the test: mean and maximum within 10 % of print"
        )
        close = abs(figures.mean / self.mean - 1) <= 0.1 and abs(figures.maximum / self.most - 1) <= 0.1
        return [finding(text, close)]

    def _cpu_speedup(self, context: Context, shape: Rows) -> list[Finding]:
        findings = []
        low, high = self.cpu_pct or (0.0, 0.0)
        for role in context.present((Role.ONE_CORE, Role.CORES)):
            slow, fast = _before_and_after(context, role, shape, Only.UNCOMPRESSED)
            if slow:
                gain = 100 * (speedup(slow, fast).mean - 1)
                text = f"{context.name(role)} by {gain:.1f} % on average (print {low:g} to {high:g} %)"
                findings.append(finding(text, low - 0.5 <= gain < high + 0.5))
        return findings

    def _no_difference(self, context: Context, shape: Rows, other: Only) -> list[Finding]:
        findings = []
        for role in context.present((Role.ONE_CORE, Role.CORES)):
            before, after = _before_and_after(context, role, shape, other)
            if before:
                change = 100 * (speedup(before, after).geometric_mean - 1)
                text = f"{context.name(role)}: weight clustering changes the latency by {change:.1f} %".replace(
                    "-", "−"
                )
                findings.append(finding(f"{text}; the test: by less than 1 %", abs(change) < 1.0))
        return findings


def _before_and_after(context: Context, role: Role, shape: Rows, before: Only) -> tuple[list[float], list[float]]:
    """Latencies of the same networks as ``before`` has them and as the figure has them."""
    slow = {item.title: value.value for item, value in context.series(role, shape.quantity, only=before).items()}
    fast = {item.title: value.value for item, value in context.series(role, shape.quantity, only=shape.only).items()}
    common = [title for title in fast if title in slow]
    return [slow[title] for title in common], [fast[title] for title in common]


@dataclass(frozen=True, slots=True)
class NpuPenalised:
    """Uncompressed, every network is slower on the NPU than on one core."""

    def judge(self, context: Context, shape: Rows) -> Judgement:
        """Count those that are slower beyond their uncertainty."""
        if not {Role.NPU, Role.ONE_CORE} <= set(context.present()):
            return undecided("this record has no NPU beside one core")
        npu, core = (context.series(role, shape.quantity, only=shape.only) for role in (Role.NPU, Role.ONE_CORE))
        both = [item for item in npu if item in core]
        slower = sum(npu[item].low > core[item].high for item in both)
        findings = [counted(slower, len(both), "slower on the NPU than on one core, beyond the uncertainty")]
        if both:
            ratio = speedup([npu[item].value for item in both], [core[item].value for item in both])
            text = f"{findings[0].text}; on average {ratio.geometric_mean:.2g} times as long (geometric mean)"
            findings[0] = Finding(text, findings[0].outcome)
        return judged(findings)


@dataclass(frozen=True, slots=True)
class GrowsWithInput:
    """A larger input costs more, for every network in every compression."""

    def judge(self, context: Context, shape: Growth) -> Judgement:
        """Count the lines that rise at every step beyond their uncertainty, and state their exponents."""
        lines = lines_of(context, shape)
        if not lines:
            return undecided("no network at two input sizes")
        series = context.series(shape.role, shape.quantity)
        rising, exponents = 0, []
        for members in lines.values():
            steps = list(itertools.pairwise(members))
            rising += all(series[before].high < series[after].low for before, after in steps)
            first, last = members[0], members[-1]
            exponents.append(math.log(series[last].value / series[first].value) / math.log(last.size / first.size))
        found = counted(rising, len(lines), "lines that rise at every step, beyond the uncertainty")
        text = f"{found.text}; as the input's side to the power of {min(exponents):.2f} to {max(exponents):.2f}"
        return judged([Finding(text, found.outcome)])


def lines_of(context: Context, shape: Growth) -> dict[tuple[str, str], list[Variation]]:
    """Network and compression → its variations by rising input size, where there are two or more."""
    lines: dict[tuple[str, str], list[Variation]] = {}
    for variation, value in context.series(shape.role, shape.quantity).items():
        if value.value > 0:
            lines.setdefault((variation.network, variation.compression), []).append(variation)
    found = {key: sorted(members, key=lambda item: item.size) for key, members in lines.items()}
    return {key: members for key, members in found.items() if len(members) > 1}


@dataclass(frozen=True, slots=True)
class Dominates:
    """More than half of an offloaded inference's time is the network's (or, with ``execution``, the server's)."""

    execution: bool = False

    def judge(self, context: Context, shape: Contributions) -> Judgement:
        """Count the networks for which it is so."""
        shares = shares_of(context, shape)
        chosen = {title: 1 - share if self.execution else share for title, share in shares.items()}
        over = [title for title, share in chosen.items() if share > 0.5]
        what = "the server's execution" if self.execution else "the network"
        if not chosen:
            return undecided("no network")
        spread = f"{100 * min(chosen.values()):.0f} to {100 * max(chosen.values()):.0f} %"
        found = counted(len(over), len(chosen), f"{what} takes more than half ({spread} of the time)")
        lacking = [title for title in chosen if title not in over]
        text = f"{found.text} (not {listed(lacking)})" if over and lacking else found.text
        return judged([Finding(text, found.outcome)])


def shares_of(context: Context, shape: Contributions) -> dict[str, float]:
    """The network's share of the time, 0…1, of each network at each size."""
    shares: dict[str, float] = {}
    for variation in context.variations():
        cost = context.offloading.cost(variation, shape.way)
        if cost is not None:
            shares.setdefault(variation.title, cost.network_share)
    return shares


@dataclass(frozen=True, slots=True)
class BeatsTheCpu:
    """Execution dominates, and offloading is quicker than the device's CPU for all networks but one."""

    but: str
    execution: bool = True

    def judge(self, context: Context, shape: Contributions) -> Judgement:
        """Count the networks for which the device is quicker, on one core, on all and on the NPU."""
        findings = list(Dominates(self.execution).judge(context, shape).findings)
        totals = context.series(shape.way, "latency_s")
        for role in context.present((Role.ONE_CORE, Role.CORES)):
            local = context.series(role, "latency_s")
            lose = list(dict.fromkeys(item.title for item in local if item in totals and _quicker(local, totals, item)))
            text = f"quicker on {context.name(role)} than offloaded: {listed(lose) or 'none'}"
            findings.append(finding(f"{text}; the test: {self.but} alone", lose == [self.but]))
        npu = context.series(Role.NPU, "latency_s") if Role.NPU in context.present() else {}
        if npu:
            wins = sum(not _quicker(npu, totals, item) for item in npu if item in totals)
            outcome = Outcome.HOLDS if wins else Outcome.FAILS
            findings.append(
                Finding(f"quicker offloaded than on {context.name(Role.NPU)}: {wins} of {len(npu)}", outcome)
            )
        return judged(findings)


def _quicker(local: Series, totals: Series, item: Variation) -> bool:
    return local[item].value <= totals[item].value
