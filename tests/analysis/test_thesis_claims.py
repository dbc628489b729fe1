"""The thesis's claims judge themselves: they hold where the numbers are so, and fall where one bends them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thesis_tables import PLATFORMS, Bend, context, latency_s, tables

from analysis.figures.build import NothingToDrawError
from analysis.figures.thesis.build import chosen, context_of
from analysis.figures.thesis.catalogue import FIGURES, NUMBERS
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.draw_growth import spread
from analysis.figures.thesis.judgement import Finding, Judgement, Outcome, judged
from analysis.figures.thesis.offloading import ETHERNET_CPU, RADIO_GPU, Idle
from analysis.figures.thesis.requirements import require
from analysis.figures.thesis.study import Role
from lab.errors import UsageError
from lab.networks.tables import UNCOMPRESSED, Variation, variations


@pytest.fixture(scope="module")
def study() -> Context:
    return context()


def judgement(number: str, seen: Context) -> Judgement:
    (figure,) = chosen([number])
    return figure.claim.judge(seen, figure.shape)


def outcome(number: str, bend: Bend | None = None, items: Sequence[Variation] | None = None) -> Outcome:
    return judgement(number, context(items, bend=bend)).outcome


def test_the_table_has_every_figure_of_the_thesis_once() -> None:
    counts = {"4": 8, "5": 12, "A": 31}
    assert list(NUMBERS) == [f"{chapter}.{n}" for chapter, last in counts.items() for n in range(1, last + 1)]
    assert [figure.number for figure in chosen(["a"])] == [f"A.{n}" for n in range(1, 32)]
    assert [figure.number for figure in chosen(["A.5", "4.1"])] == ["4.1", "A.5"]
    with pytest.raises(UsageError, match=r"no figure 4\.9"):
        chosen(["4.9"])


def test_the_record_is_read_as_the_study(study: Context) -> None:
    assert len(study.study.variations) == 33
    assert [platform.name for platform in study.study.platforms.values()] == list(PLATFORMS)
    assert study.study.networks == ["InceptionV3", "ResNet50", "MobileNet", "VGG16"]
    assert study.study.compressions == ["", "PQ", "PWQ"]
    assert study.study.variations[8].name == "ResNet50 PWQ 32"


@pytest.mark.parametrize("number", ["4.1", "4.4", "4.5"])
def test_the_printed_thresholds_come_out_of_the_study_scenario(study: Context, number: str) -> None:
    found = judgement(number, study)
    assert found.outcome is Outcome.HOLDS
    assert "print" in found.findings[1].text


def test_high_idle_is_the_records_own_and_low_idle_the_studys(study: Context) -> None:
    assert study.offloading.idle_w(Idle.HIGH) == pytest.approx(3.04)
    assert study.offloading.is_own(Idle.HIGH)
    assert study.offloading.idle_w(Idle.LOW) == 0.91
    twice = context(bend=lambda _, __, quantity, value: 2 * value if quantity == "power_idle_w" else value)
    assert twice.offloading.idle_w(Idle.HIGH) == pytest.approx(6.08)
    energies = [item.series(RADIO_GPU, "energy_gross_j", idle=Idle.HIGH) for item in (study, twice)]
    for variation, value in energies[0].items():
        assert energies[1][variation].value == pytest.approx(2 * value.value)


def test_worked_example_of_an_offloaded_time(study: Context) -> None:
    """VGG16 128 over Ethernet to a CPU: 20 ms there and back, 16384 B at 3.04 MB/s, 7.54 ms · 5.0133^0.66."""
    (vgg,) = [item for item in study.study.variations if item.name == "VGG16 128"]
    cost = study.offloading.cost(vgg, ETHERNET_CPU)
    assert cost is not None
    assert cost.total_s == pytest.approx(0.020 + 16384 / 3.04e6 + 7.54e-3 * 5.013267456**0.66)
    assert cost.network_share == pytest.approx((0.020 + 16384 / 3.04e6) / cost.total_s)


def test_a_subset_of_the_networks_is_not_held_against_the_printed_means() -> None:
    some = [item for item in variations() if item.network == "MobileNet"]
    findings = judgement("4.1", context(some)).findings
    assert findings[1].outcome is Outcome.UNDECIDED
    assert "3 networks only" in findings[1].text


def test_energy_that_does_not_go_with_latency_fails_the_claim() -> None:
    assert outcome("4.8") is Outcome.HOLDS

    def inverse(_: Variation, __: str, quantity: str, value: float) -> float:
        return 1e-3 / value if quantity == "energy_gross_j" else value

    assert outcome("4.8", inverse) is Outcome.FAILS


def test_two_families_decide_nothing() -> None:
    some = [item for item in variations() if item.network in ("MobileNet", "VGG16")]
    assert outcome("4.8", items=some) is Outcome.UNDECIDED


def test_no_correlation_holds_only_where_it_is_shown() -> None:
    """On the NPU the counts hardly move: where they follow latency the claim falls, a wide interval decides nothing."""

    def following(item: Variation, platform: str, quantity: str, value: float) -> float:
        return 1e9 * latency_s(item, platform) if quantity == "instructions" else value

    assert outcome("A.18", following) is Outcome.FAILS
    assert outcome("A.26") is Outcome.UNDECIDED


def test_an_input_that_costs_less_when_larger_fails_the_claim() -> None:
    assert outcome("5.1") is Outcome.HOLDS

    def one_line(item: Variation, _: str, quantity: str, value: float) -> float:
        bent = item.name == "VGG16 PQ 128" and quantity == "latency_s"
        return value / 100 if bent else value

    assert outcome("5.1", one_line) is Outcome.PARTLY
    assert outcome("5.1", lambda i, _, q, v: v / i.input_size**4 if q == "latency_s" else v) is Outcome.FAILS


def test_the_npu_claims_follow_the_npu() -> None:
    assert judgement("A.15", context()).findings[0].outcome is Outcome.HOLDS
    assert outcome("A.16") is Outcome.HOLDS

    def slow(_: Variation, platform: str, quantity: str, value: float) -> float:
        return value + 10.0 if platform == "NPU" and quantity == "latency_s" else value

    assert judgement("A.15", context(bend=slow)).findings[0].outcome is Outcome.FAILS

    def quick(_: Variation, platform: str, quantity: str, value: float) -> float:
        return value / 1e4 if platform == "NPU" and quantity == "latency_s" else value

    assert outcome("A.16", quick) is Outcome.FAILS


def test_the_cpu_speedup_is_held_against_print() -> None:
    findings = {finding.text.split(" by ")[0]: finding for finding in judgement("A.15", context()).findings}
    assert findings["CPU 1-core"].outcome is Outcome.HOLDS
    assert "7.0 %" in findings["CPU 1-core"].text

    def twice(item: Variation, platform: str, quantity: str, value: float) -> float:
        bent = quantity == "latency_s" and item.compression != UNCOMPRESSED and platform == "CPU 1-core"
        return value / 2 if bent else value

    bent = {finding.text.split(" by ")[0]: finding for finding in judgement("A.15", context(bend=twice)).findings}
    assert bent["CPU 1-core"].outcome is Outcome.FAILS


def test_what_network_and_execution_take(study: Context) -> None:
    assert judgement("4.2", study).outcome is Outcome.HOLDS
    assert judgement("4.3", study).outcome is Outcome.HOLDS
    assert "54 to 98 %" in judgement("4.3", study).findings[0].text
    assert judgement("5.12", study).outcome is Outcome.PARTLY


def test_nothing_is_judged_where_nothing_was_claimed(study: Context) -> None:
    assert judgement("A.23", study).outcome is Outcome.NO_CLAIM


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ("HH", "H"),
        ("HF", "P"),
        ("HU", "P"),
        ("FU", "F"),
        ("UU", "U"),
        ("FF", "F"),
        ("PP", "P"),
        ("HFU", "P"),
    ],
)
def test_parts_of_a_claim_are_taken_together(parts: str, whole: str) -> None:
    letters = {"H": Outcome.HOLDS, "F": Outcome.FAILS, "U": Outcome.UNDECIDED, "P": Outcome.PARTLY}
    assert judged(Finding("", letters[part]) for part in parts).outcome is letters[whole]


def reason(number: str, seen: Context) -> str:
    (figure,) = chosen([number])
    with pytest.raises(NothingToDrawError) as refused:
        require(seen, figure.shape)
    return str(refused.value)


def test_what_a_record_lacks_is_said() -> None:
    no_npu = context(platforms={name: PLATFORMS[name] for name in ("CPU 1-core", "CPU 4-core")})
    assert "no platform of this record is an NPU (it has CPU 1-core, CPU 4-core)" in reason("A.2", no_npu)
    assert judgement("A.15", no_npu).outcome is Outcome.UNDECIDED
    no_energy = context_of(*_without("energy_gross_j"))
    assert "this record has no energy per inference" in reason("4.4", no_energy)
    assert "no multiply" not in reason("4.4", no_energy)
    assert "macs" in reason("4.2", context_of(*_without("macs")))
    lost = context(bend=lambda _, __, quantity, value: None if quantity == "energy_gross_j" else value)
    assert "crashed" in reason("4.8", lost)
    pq_only = context([item for item in variations() if item.compression == "PQ"])
    assert "no uncompressed variations" in reason("A.16", pq_only)


def _without(quantity: str):  # type: ignore[no-untyped-def]
    summary, manifest = tables()
    return summary[summary["quantity"] != quantity], manifest


def test_two_threads_stand_for_several_cores() -> None:
    two = {"1 thread": {"threads": 1}, "2 threads": {"threads": 2}}
    seen = context(platforms=two)
    assert seen.study.platform_name(Role.CORES) == "2 threads"
    assert judgement("A.5", seen).outcome is Outcome.HOLDS


def test_a_record_of_something_else_says_that_it_is() -> None:
    summary, manifest = tables()
    for trial in manifest["plan"]["trials"]:
        trial["values"], trial["settings"], trial["label"] = {"hidden": 32}, {"hidden": 32}, "32 hidden"
    seen = context_of(summary, manifest)
    assert {reason(figure.number, seen) for figure in FIGURES} == {seen.study.problem}


def test_an_emulated_boards_times_are_not_drawn() -> None:
    summary, manifest = tables(origin="emulated")
    seen = context_of(summary, manifest)
    assert "emulated board" in reason("4.8", seen)
    assert "emulated board" in reason("4.1", seen)
    (figure,) = chosen(["A.26"])
    require(seen, figure.shape)


@given(
    st.lists(st.floats(0, 500), min_size=1, max_size=12).map(sorted),
    st.floats(1, 20),
)
def test_spread_labels_keep_their_distance_and_their_order(wanted: list[float], least: float) -> None:
    found = spread(wanted, least)
    assert len(found) == len(wanted)
    assert all(after - before >= least - 1e-6 for before, after in itertools.pairwise(found))
    if all(after - before >= least for before, after in itertools.pairwise(wanted)):
        assert found == pytest.approx(wanted)
