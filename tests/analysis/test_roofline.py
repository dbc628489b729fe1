"""The roofline by hand, and the simulated board under its own roofs."""

from __future__ import annotations

import json

import pytest

from analysis.cache_fit import FOLDED, ElementBytes, LayerSize, executed, layer_fits, spilled_bytes
from analysis.network_tables import NetworkTable, PointNetwork, network_table
from analysis.roofline import COMPUTE, EITHER, MEMORY, Ceiling, RooflinePoint, ceiling_for, ceilings_of, traffic_of
from lab.boards.simulated import operators
from lab.boards.simulated.ceilings import modelled_ceilings
from lab.boards.simulated.constants import IMX8MP
from lab.boards.simulated.program import program_model
from lab.boards.simulated.roofline import Target
from lab.networks.document import PointNetwork as DocumentPoint
from lab.networks.document import networks_file
from lab.networks.tables import load_network, variations

INT8 = ElementBytes(1, 1)
LAYERS = (
    LayerSize(0, 0, 0, 100, "input", "InputLayer"),
    LayerSize(1000, 50_000, 100, 400, "conv", "Conv2D"),
    LayerSize(40, 0, 400, 400, "norm", "BatchNormalization"),
    LayerSize(4000, 4000, 400, 10, "dense", "Dense"),
)
TABLE = NetworkTable("two layers", 5040, 3, 54_000, LAYERS)


def test_what_is_folded_is_what_the_simulated_converter_folds() -> None:
    assert FOLDED == operators._FOLDED
    assert [layer.name for layer in executed(LAYERS)] == ["conv", "dense"]


def test_layers_by_the_memory_that_holds_them() -> None:
    fits = layer_fits(LAYERS, INT8, {"l1d": 1500, "l2": 4000, "ram": None})
    assert [(fit.layer.name, fit.working_set_bytes, fit.held_by) for fit in fits] == [
        ("conv", 1500, "l1d"),
        ("dense", 4410, None),
    ]
    assert spilled_bytes(LAYERS, INT8, 1500) == 2910
    wider = layer_fits(LAYERS, ElementBytes(4, 4), {"l1d": 1500, "l2": 6000})
    assert [fit.held_by for fit in wider] == ["l2", None]


def test_traffic_by_hand() -> None:
    traffic = traffic_of(TABLE, INT8, l2_bytes=4096)
    assert traffic is not None
    assert traffic.bytes_by_layer == 1500 + 4410
    assert traffic.bytes_at_best == 5000 + 100 + 10  # weights, first input, last output
    assert traffic.intensity_by_layer == pytest.approx(54_000 / 5910)
    stays = traffic_of(TABLE, INT8, l2_bytes=8192)
    assert stays is not None
    assert stays.bytes_at_best == 110
    assert traffic_of(NetworkTable("none", 0, 0, 0, LAYERS[:1]), INT8, None) is None


CEILING = Ceiling("cpu", 1, "int8", 4e9, 1e9, "measured")


def test_roof_and_ridge() -> None:
    assert CEILING.ridge == 4.0
    assert CEILING.roof(2.0) == 2e9
    assert CEILING.roof(100.0) == 4e9


@pytest.mark.parametrize(
    ("layers", "bound"),
    [
        ((LayerSize(1000, 9000, 10, 10, "a", "Dense"),), COMPUTE),
        ((LayerSize(1000, 1000, 10, 10, "a", "Dense"),), MEMORY),
        ((LayerSize(100, 800, 10, 900, "a", "Conv2D"), LayerSize(0, 0, 900, 1, "b", "Add")), EITHER),
    ],
)
def test_what_limits_a_network(layers: tuple[LayerSize, ...], bound: str) -> None:
    table = NetworkTable("x", 0, 0, sum(layer.macs for layer in layers), layers)
    traffic = traffic_of(table, INT8, None)
    assert traffic is not None
    point = RooflinePoint(None, "x", "int8", traffic, 1e9, None, CEILING)  # type: ignore[arg-type]
    assert point.bound == bound
    assert point.shares is not None
    assert point.shares[0] <= point.shares[1]


def test_a_ceiling_is_for_one_accelerator_number_of_threads_and_arithmetic() -> None:
    ceilings = ceilings_of({"board": {"ceilings": list(modelled_ceilings(IMX8MP))}})
    assert len(ceilings) == 10
    network = PointNetwork("x", TABLE, INT8, 4, "cpu")
    found = ceiling_for(network, ceilings)
    assert found is not None
    assert (found.threads, found.element, found.source) == (4, "int8", "model")
    assert ceiling_for(PointNetwork("x", TABLE, INT8, 7, "cpu"), ceilings) is None
    assert ceiling_for(PointNetwork("x", TABLE, INT8), ceilings) is None
    npu = ceiling_for(PointNetwork("x", TABLE, ElementBytes(4, 4), 1, "npu"), ceilings)
    assert npu is not None
    assert npu.element == "float32"
    assert ceilings_of({"board": {"ceilings": [{**modelled_ceilings(IMX8MP)[0], "mac_per_s": 0.0}]}}) == []


def test_the_model_keeps_below_its_own_roofs() -> None:
    ceilings = ceilings_of({"board": {"ceilings": list(modelled_ceilings(IMX8MP))}})
    for variation in variations():
        network = load_network(variation.network, variation.input_size)
        content = json.loads(
            networks_file([DocumentPoint({}, network, network.title, "x", variation.element_bytes)])["networks.json"]
        )
        table = network_table(network.title, content["networks"][network.title])
        sizes = ElementBytes(variation.element_bytes, variation.element_bytes)
        traffic = traffic_of(table, sizes, IMX8MP.cpu.l2_bytes)
        assert traffic is not None
        for target in (Target(1), Target(4), Target(npu=True)):
            accelerator = "npu" if target.npu else "cpu"
            ceiling = ceiling_for(PointNetwork("x", table, sizes, target.threads, accelerator), ceilings)
            assert ceiling is not None
            attained = traffic.macs / program_model(variation, target).latency_s
            assert attained <= ceiling.roof(traffic.intensity_at_best) * (1 + 1e-9), (variation.name, target)
