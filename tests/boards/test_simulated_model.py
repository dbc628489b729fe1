"""The model of the i.MX 8M Plus gives what the study prints, and behaves like hardware."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.boards.simulated.calibration import Calibration, Claim, markdown_table
from lab.boards.simulated.constants import IMX8MP, Precision
from lab.boards.simulated.operators import OperatorKind, operators
from lab.boards.simulated.program import program_model
from lab.boards.simulated.roofline import Target, blocked_traffic, network_cost, npu_utilisation
from lab.networks.tables import Variation, load_network, variations

CLAIMS = Calibration().claims()
ROOT = Path(__file__).resolve().parents[2]
ONE, FOUR, NPU = Target(1), Target(4), Target(npu=True)


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.statement for claim in CLAIMS])
def test_what_the_study_says_comes_out_of_the_model(claim: Claim) -> None:
    assert claim.holds, f"{claim.statement}: {claim.value:g} is not within {claim.low:g} … {claim.high:g}"


def test_the_documented_table_is_the_commands() -> None:
    text = (ROOT / "docs/simulated-bench.md").read_text(encoding="utf-8")
    assert markdown_table(CLAIMS) in text, "run: python -m lab.boards.simulated.calibration, and put it into the page"


def test_claims_can_fail() -> None:
    # Without the slow fallback of float32, compression gains little on the NPU.
    fast = replace(IMX8MP, npu=replace(IMX8MP.npu, float_gemm_mac_per_s=5e11, float_depthwise_mac_per_s=1e11))
    failed = {claim.statement for claim in Calibration(fast).claims() if not claim.holds}
    assert "compression speeds the NPU up, mean of 11" in failed
    assert "**no**" in markdown_table(Calibration(fast).claims())


def test_normalisation_and_activations_are_folded_away() -> None:
    kinds = [item.kind for item in operators(load_network("MobileNet", 32))]
    assert kinds.count(OperatorKind.DEPTHWISE) == 13
    assert kinds.count(OperatorKind.POINTWISE) == 13
    assert kinds.count(OperatorKind.SPATIAL) == 1
    assert kinds.count(OperatorKind.DENSE) == 2
    network = load_network("ResNet50", 75)
    assert sum(item.macs for item in operators(network)) == network.macs


@pytest.mark.parametrize("item", variations(), ids=lambda item: item.name)
def test_more_cores_are_faster_but_never_in_proportion(item: Variation) -> None:
    one, four = program_model(item, ONE), program_model(item, FOUR)
    assert 1.5 < one.latency_s / four.latency_s < 4
    assert four.energy_net_j / four.latency_s > one.energy_net_j / one.latency_s


@pytest.mark.parametrize("item", variations(), ids=lambda item: item.name)
@pytest.mark.parametrize("target", [ONE, FOUR, NPU], ids=["1", "4", "npu"])
def test_nothing_is_faster_than_the_hardware(item: Variation, target: Target) -> None:
    network = load_network(item.network, item.input_size)
    precision = Precision.INT8 if item.is_quantized else Precision.FLOAT32
    cost = network_cost(network, precision, target, IMX8MP)
    peak = IMX8MP.npu.peak_mac_per_s if target.npu else 4 * 8 * IMX8MP.cpu.clock_hz
    assert network.macs / cost.latency_s < peak
    weights = sum(layer.parameters for layer in network.layers if layer.kind in ("Conv2D", "Dense"))
    assert sum(part.dram_bytes for part in cost.operators) >= weights * cost.element_bytes
    assert sum(part.dram_bytes for part in cost.operators) / cost.latency_s < 16e9
    model = program_model(item, target)
    assert 0.3 < model.energy_net_j / model.latency_s < 6
    if not target.npu:
        assert model.counts.instructions / model.counts.cycles < 2
        assert model.counts.l1d_load_misses < model.counts.l1d_loads


def test_phases_add_up_to_the_latency() -> None:
    for item in variations():
        for target in (ONE, FOUR, NPU):
            model = program_model(item, target)
            precision = Precision.INT8 if item.is_quantized else Precision.FLOAT32
            network = load_network(item.network, item.input_size)
            cost = network_cost(network, precision, target, IMX8MP)
            assert model.latency_s == pytest.approx(cost.latency_s, rel=1e-12)
            assert model.energy_gross_j == pytest.approx(
                sum(phase.duration_s * (phase.net_power_w + model.idle_w) for phase in model.phases), rel=1e-12
            )


def test_the_first_inference_on_the_npu_loads_the_weights() -> None:
    model = program_model(Variation("ResNet50", 75, "PQ"), NPU)
    assert model.first.duration_s > 20 * model.latency_s
    assert model.first.counts.page_faults * IMX8MP.process.page_bytes > 28e6


def test_page_faults_of_loading_grow_with_the_file() -> None:
    small, large = (program_model(Variation("MobileNet", 32, item), ONE) for item in ("PQ", "none"))
    assert large.init.counts.page_faults / small.init.counts.page_faults == pytest.approx(
        large.file_bytes / small.file_bytes
    )


def test_threads_beyond_the_cores_change_nothing() -> None:
    item = Variation("VGG16", 32, "PQ")
    assert program_model(item, Target(16)).latency_s == program_model(item, FOUR).latency_s


POSITIVE = st.integers(1, 10**8)


@given(POSITIVE, POSITIVE, POSITIVE, st.sampled_from([1, 4]), st.integers(10, 22))
def test_blocked_traffic_touches_everything_once_at_least(
    first: int, second: int, macs: int, element_bytes: int, log_cache: int
) -> None:
    cache = 2.0**log_cache
    traffic = blocked_traffic(first, second, macs, element_bytes, cache)
    assert traffic >= element_bytes * (first + second) * (1 - 1e-12)
    assert traffic >= blocked_traffic(first, second, macs, element_bytes, 4 * cache) * (1 - 1e-12)
    if min(first, second) * element_bytes <= cache:
        assert traffic == pytest.approx(element_bytes * (first + second))


def test_the_npus_array_is_never_more_than_full() -> None:
    for item in variations():
        for operator in operators(load_network(item.network, item.input_size)):
            if operator.macs:
                assert 0 < npu_utilisation(operator, IMX8MP.npu) <= 1


def test_bounds_of_claims_are_bounds() -> None:
    assert all(claim.low < claim.high for claim in CLAIMS)
    assert all(math.isfinite(claim.value) for claim in CLAIMS)
