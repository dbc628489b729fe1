"""The figures of E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or Offloading*, Chalmers 2022: one table.

Each row says which figure of the thesis it is, what it shows, what the thesis claims of it and how that is tested.
``note`` names a slip of the print, or what is read into it. Adding or changing a figure is changing a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from analysis.figures.thesis.claims import (
    DoNotGoTogether,
    FewerLayersSlower,
    GoTogether,
    LessClear,
    NothingSaid,
    SizeIsNotSpeed,
    WorstFitSlowest,
)
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.cost_claims import (
    BeatsTheCpu,
    Dominates,
    GrowsWithInput,
    NpuPenalised,
    NpuQuickest,
    SamePattern,
    TwoThresholds,
)
from analysis.figures.thesis.judgement import Judgement
from analysis.figures.thesis.offloading import (
    ETHERNET_CPU,
    ETHERNET_GPU,
    FIVE_G_CPU,
    FIVE_G_GPU,
    QUANTITIES,
    RADIO_CPU,
    RADIO_GPU,
    WAYS,
    Idle,
)
from analysis.figures.thesis.shapes import (
    INPUT,
    PAGE_FAULTS,
    Bubbles,
    Contributions,
    Growth,
    Only,
    Relation,
    Rows,
    Shape,
)
from analysis.figures.thesis.study import Role

ONE, CORES, NPU = Role.ONE_CORE, Role.CORES, Role.NPU
LATENCY, ENERGY, EDP = "latency_s", "energy_gross_j", "edp_gross_js"
LOADS, MISSES = "L1-dcache-loads", "L1-dcache-load-misses"

STRONG, WELL = 0.9, 0.7
"""Least r that "strongly correlated" and "correlates well" are held to."""


class Claim(Protocol):
    """What the thesis says of a figure, able to test itself."""

    def judge(self, context: Context, shape: Any) -> Judgement: ...


@dataclass(frozen=True, slots=True)
class ThesisFigure:
    """One figure of the thesis."""

    number: str
    title: str
    shape: Shape
    says: str
    claim: Claim
    note: str = ""

    @property
    def chapter(self) -> str:
        """``4``, ``5`` or ``A``."""
        return self.number.partition(".")[0]


LATENCIES = {
    "Radio CPU": (72.0, 12.0, 96.0, 59.0),
    "Ethernet CPU": (29.0, 8.0, 47.0, 20.0),
    "Radio GPU": (68.0, 7.0, 79.0, 59.0),
    "Ethernet GPU": (25.0, 3.0, 31.0, 21.0),
}
"""Table 4.2, ms: mean, standard deviation, greatest, least."""
ENERGIES_HIGH = {
    "Radio CPU": (220.0, 35.0, 291.0, 180.0),
    "Ethernet CPU": (89.0, 25.0, 144.0, 62.0),
    "Radio GPU": (207.0, 21.0, 241.0, 180.0),
    "Ethernet GPU": (76.0, 9.0, 94.0, 63.0),
}
"""Table 4.3, mJ."""
ENERGIES_LOW = {
    "Radio CPU": (66.0, 11.0, 87.0, 54.0),
    "Ethernet CPU": (27.0, 7.0, 43.0, 19.0),
    "Radio GPU": (62.0, 6.0, 72.0, 54.0),
    "Ethernet GPU": (23.0, 3.0, 28.0, 19.0),
}
"""Table 4.4, mJ."""

_BOTTLENECK = "communication takes most of the time of an offloaded inference, in the worst case too"
_FASTEST = "the NPU is the quickest place for every compressed network, offloading included"
_GROWS = "the input size heavily affects the {}"
_LINEAR = "energy and latency are strongly correlated"
_OFFLOADED = "energy and latency of offloading are correlated to a rounded 100 %, the bytes costing next to nothing"
_NOT_PARAMETERS = "one would expect a correlation with the number of parameters, and there is none"
_NOT_ON_NPU = "no correlation is observed on the NPU"
_FIT = (
    "the larger the layers are against the memory, the slower: VGG16 fits worst and is slowest, the quickest fits best"
)
_SLIP_NPU = "The print's caption says embedded NPU; its text says that A.7 to A.10 are the offloaded cases at low idle."
_SHORT = "Per inference, model load and warm-up left out; the thesis's perf counted them too."

FIGURES: tuple[ThesisFigure, ...] = (
    ThesisFigure(
        "4.1",
        "Latency, on the device and offloaded",
        Rows(LATENCY, WAYS),
        "offloading takes about the same whatever the network, in two bands (Ethernet 25 ms, radio 68 ms with a GPU) "
        "that are thresholds for the device's own latency",
        TwoThresholds(LATENCIES),
        "The text has 24 ms for Ethernet, its table 25.",
    ),
    ThesisFigure("4.2", "Radio, GPU: network and execution", Contributions(RADIO_GPU), _BOTTLENECK, Dominates()),
    ThesisFigure("4.3", "Ethernet, CPU: network and execution", Contributions(ETHERNET_CPU), _BOTTLENECK, Dominates()),
    ThesisFigure(
        "4.4",
        "Energy at high idle power",
        Rows(ENERGY, WAYS, Idle.HIGH),
        "offloading's energy makes two thresholds: radio 207 mJ, Ethernet 76 mJ with a GPU",
        TwoThresholds(ENERGIES_HIGH),
        "The text has 75 mJ for Ethernet, its table 76. Energy is the whole board's, idle included.",
    ),
    ThesisFigure(
        "4.5",
        "Energy at low idle power",
        Rows(ENERGY, WAYS, Idle.LOW),
        "with the device suspended while it waits the thresholds are radio 62 mJ, Ethernet 23 mJ with a GPU",
        TwoThresholds(ENERGIES_LOW),
        "The print's text and caption have 32 mJ for radio, its table 62.",
    ),
    ThesisFigure(
        "4.6",
        "Energy-delay product at high idle power",
        Rows(EDP, WAYS, Idle.HIGH),
        "the energy-delay product shows the same pattern as energy and latency",
        SamePattern(),
    ),
    ThesisFigure(
        "4.7",
        "Energy-delay product at low idle power",
        Rows(EDP, WAYS, Idle.LOW),
        "the energy-delay product shows the same pattern as energy and latency",
        SamePattern(),
    ),
    ThesisFigure(
        "4.8", "Energy against latency, one core", Relation(LATENCY, ENERGY, ONE), _LINEAR, GoTogether(STRONG, 99)
    ),
    ThesisFigure(
        "5.1", "Latency over input size, one core", Growth(LATENCY, ONE), _GROWS.format("latency"), GrowsWithInput()
    ),
    ThesisFigure(
        "5.2", "Energy over input size, one core", Growth(ENERGY, ONE), _GROWS.format("energy"), GrowsWithInput()
    ),
    ThesisFigure(
        "5.3",
        "Parameters over input size",
        Bubbles(INPUT, ONE),
        "a larger input means more parameters, but latency does not go with the number of parameters",
        SizeIsNotSpeed(WELL),
    ),
    ThesisFigure(
        "5.4",
        "Parameters over depth",
        Bubbles("depth", ONE),
        "networks of fewer layers are slower than those of more layers, even where those have more parameters",
        FewerLayersSlower(),
        "Depth counts the layers that have parameters; the thesis gives MobileNet 105, which is another network's.",
    ),
    ThesisFigure(
        "5.5",
        "L1d layer fit and latency",
        Relation("layer_fit_l1_pct", LATENCY, ONE, only=Only.FULLEST),
        _FIT,
        WorstFitSlowest(),
    ),
    ThesisFigure(
        "5.6",
        "L2 layer fit and latency",
        Relation("layer_fit_l2_pct", LATENCY, ONE, only=Only.FULLEST),
        _FIT,
        WorstFitSlowest(),
    ),
    ThesisFigure(
        "5.7",
        "RAM layer fit and latency",
        Relation("layer_fit_ram_pct", LATENCY, ONE, only=Only.FULLEST),
        _FIT,
        WorstFitSlowest(),
    ),
    ThesisFigure(
        "5.8",
        "Instructions and latency, one core",
        Relation("instructions", LATENCY, ONE),
        "the number of instructions correlates well with latency on one core",
        GoTogether(WELL),
        _SHORT,
    ),
    ThesisFigure(
        "5.9",
        "L1d loads and latency, one core",
        Relation(LOADS, LATENCY, ONE),
        "the number of L1d loads correlates well with latency on one core",
        GoTogether(WELL),
        _SHORT,
    ),
    ThesisFigure(
        "5.10",
        "L1d load misses and latency, one core",
        Relation(MISSES, LATENCY, ONE),
        "L1d misses correlate well with latency",
        GoTogether(WELL),
        _SHORT,
    ),
    ThesisFigure(
        "5.11",
        "5G, CPU: network and execution",
        Contributions(FIVE_G_CPU, beside=True),
        "with 5G the execution dominates, and offloading beats the device's CPU for all networks but MobileNet 32, "
        "the NPU for some",
        BeatsTheCpu("MobileNet 32"),
        "Its caption is of the contributions, its text of the comparison with the device: both are drawn.",
    ),
    ThesisFigure(
        "5.12",
        "5G, GPU: network and execution",
        Contributions(FIVE_G_GPU),
        "with 5G the execution dominates",
        Dominates(execution=True),
    ),
    ThesisFigure(
        "A.1",
        "Latency over input size, several cores",
        Growth(LATENCY, CORES),
        _GROWS.format("latency"),
        GrowsWithInput(),
    ),
    ThesisFigure(
        "A.2", "Latency over input size, NPU", Growth(LATENCY, NPU), _GROWS.format("latency"), GrowsWithInput()
    ),
    ThesisFigure(
        "A.3", "Energy over input size, several cores", Growth(ENERGY, CORES), _GROWS.format("energy"), GrowsWithInput()
    ),
    ThesisFigure("A.4", "Energy over input size, NPU", Growth(ENERGY, NPU), _GROWS.format("energy"), GrowsWithInput()),
    ThesisFigure(
        "A.5",
        "Energy against latency, several cores",
        Relation(LATENCY, ENERGY, CORES),
        _LINEAR,
        GoTogether(STRONG, 98),
    ),
    ThesisFigure("A.6", "Energy against latency, NPU", Relation(LATENCY, ENERGY, NPU), _LINEAR, GoTogether(STRONG, 99)),
    *(
        ThesisFigure(
            number,
            f"Energy against latency, {way.name}",
            Relation(LATENCY, ENERGY, way, Idle.LOW),
            _OFFLOADED,
            GoTogether(0.995, 100),
            _SLIP_NPU,
        )
        for number, way in zip(
            ("A.7", "A.8", "A.9", "A.10"), (ETHERNET_CPU, ETHERNET_GPU, RADIO_CPU, RADIO_GPU), strict=True
        )
    ),
    ThesisFigure("A.11", "Radio, CPU: network and execution", Contributions(RADIO_CPU), _BOTTLENECK, Dominates()),
    ThesisFigure("A.12", "Ethernet, GPU: network and execution", Contributions(ETHERNET_GPU), _BOTTLENECK, Dominates()),
    ThesisFigure(
        "A.13",
        "5G, CPU: network and execution",
        Contributions(FIVE_G_CPU),
        "with 5G the execution dominates",
        Dominates(execution=True),
        "The print gives it the caption of 5.11.",
    ),
    ThesisFigure(
        "A.14",
        "Latency, PWQ only",
        Rows(LATENCY, WAYS, only=Only.PWQ, thresholds=False),
        f"{_FASTEST}; weight clustering makes no difference on a CPU",
        NpuQuickest(like=Only.PQ),
    ),
    ThesisFigure(
        "A.15",
        "Latency, PQ only",
        Rows(LATENCY, WAYS, only=Only.PQ, thresholds=False),
        f"{_FASTEST}; pruning and quantisation speed it up 188× on average, 716× at most, the CPU by 6 to 8 %",
        NpuQuickest(188.0, 716.0, (6.0, 8.0)),
    ),
    ThesisFigure(
        "A.16",
        "Latency, uncompressed only",
        Rows(LATENCY, WAYS, only=Only.UNCOMPRESSED, thresholds=False),
        "uncompressed, every network is penalised on the NPU",
        NpuPenalised(),
    ),
    ThesisFigure(
        "A.17",
        "Instructions and latency, several cores",
        Relation("instructions", LATENCY, CORES),
        "instructions correlate with latency, somewhat less clearly than on one core",
        LessClear(WELL),
        _SHORT,
    ),
    ThesisFigure(
        "A.18",
        "Instructions and latency, NPU",
        Relation("instructions", LATENCY, NPU),
        _NOT_ON_NPU,
        DoNotGoTogether(WELL),
        _SHORT,
    ),
    ThesisFigure(
        "A.19",
        "L1d loads and latency, several cores",
        Relation(LOADS, LATENCY, CORES),
        "L1d loads correlate with latency, somewhat less clearly than on one core",
        LessClear(WELL),
        _SHORT,
    ),
    ThesisFigure(
        "A.20", "L1d loads and latency, NPU", Relation(LOADS, LATENCY, NPU), _NOT_ON_NPU, DoNotGoTogether(WELL), _SHORT
    ),
    ThesisFigure(
        "A.21",
        "L1d load misses and latency, several cores",
        Relation(MISSES, LATENCY, CORES),
        "L1d misses correlate well with latency, as on one core",
        GoTogether(WELL),
        _SHORT,
    ),
    ThesisFigure(
        "A.22",
        "L1d load misses and latency, NPU",
        Relation(MISSES, LATENCY, NPU),
        _NOT_ON_NPU,
        DoNotGoTogether(WELL),
        _SHORT,
    ),
    *(
        ThesisFigure(
            number,
            f"Page faults and latency, {where}",
            Relation(PAGE_FAULTS, LATENCY, role),
            "nothing is said of page faults",
            NothingSaid(),
            "Page faults of the whole process: they come with loading the model, hardly one with an inference.",
        )
        for number, where, role in (
            ("A.23", "one core", ONE),
            ("A.24", "several cores", CORES),
            ("A.25", "NPU", NPU),
        )
    ),
    *(
        ThesisFigure(
            number,
            f"Parameters and {what}, {where}",
            Relation("parameters", quantity, role),
            _NOT_PARAMETERS,
            DoNotGoTogether(WELL),
            _SHORT,
        )
        for number, what, quantity, where, role in (
            ("A.26", "instructions", "instructions", "one core", ONE),
            ("A.27", "instructions", "instructions", "several cores", CORES),
            ("A.28", "instructions", "instructions", "NPU", NPU),
            ("A.29", "L1d loads", LOADS, "one core", ONE),
            ("A.30", "L1d loads", LOADS, "several cores", CORES),
            ("A.31", "L1d loads", LOADS, "NPU", NPU),
        )
    ),
)
"""4.1 to 4.8, 5.1 to 5.12, A.1 to A.31, in the order of print."""

NUMBERS: tuple[str, ...] = tuple(figure.number for figure in FIGURES)


def quantities_of(figures: Iterable[ThesisFigure]) -> set[str]:
    """Every quantity that the figures and their claims take from a record."""
    names = {*QUANTITIES, LATENCY, "parameters", "depth"}
    for figure in figures:
        shape = figure.shape
        if isinstance(shape, Rows | Growth):
            names.add(shape.quantity)
        elif isinstance(shape, Relation):
            names |= {shape.x, shape.y}
    return names
