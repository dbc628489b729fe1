"""Dense networks as layer tables: counted as Keras does, and held against the memories like the others."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.cache_fit import ElementBytes
from analysis.covariates import network_values
from analysis.network_tables import network_table
from lab.errors import UsageError
from lab.networks.dense import ELEMENT_BYTES, dense_network
from lab.networks.document import PointNetwork, networks_file

CACHES = {"l1d": 32768, "l2": 524288, "ram": None}


def test_the_network_that_reads_digits() -> None:
    network = dense_network("784,32,10")
    assert (network.name, network.parameters, network.macs, network.depth) == ("784-32-10", 25450, 25408, 2)
    assert [(layer.name, layer.kind, layer.parameters) for layer in network.layers] == [
        ("input_layer", "InputLayer", 0),
        ("dense_1", "Dense", 25120),
        ("dense_2", "Dense", 330),
    ]


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=8), st.sampled_from([",", " ", "-", ", "]))
def test_parameters_and_work_of_any_shape(sizes: list[int], between: str) -> None:
    network = dense_network(between.join(map(str, sizes)))
    pairs = list(itertools.pairwise(sizes))
    assert network.macs == sum(inputs * outputs for inputs, outputs in pairs)
    assert network.parameters == network.macs + sum(sizes[1:])
    assert network.depth == len(pairs) == len(network.layers) - 1
    assert [layer.output_elements for layer in network.layers] == sizes


@pytest.mark.parametrize("shape", ["", "784", "784,,", "784,0,10", "784,ten", "784,1.5", "784,9999999999", "x"])
def test_what_is_no_shape_is_said(shape: str) -> None:
    with pytest.raises(UsageError, match="is no shape of a network") as raised:
        dense_network(shape)
    assert "784,32,10" in str(raised.value.advice)


def test_its_cache_fit_by_hand() -> None:
    points = [
        PointNetwork({"hidden": hidden}, dense_network(f"784,{hidden},10"), f"784-{hidden}-10", "x", 4)
        for hidden in ("8", "32", "8")
    ]
    content = json.loads(networks_file(points)["networks.json"])
    assert [point["settings"] for point in content["points"]] == [{"hidden": "8"}, {"hidden": "32"}]
    table = network_table("784-32-10", content["networks"]["784-32-10"])
    values = {name: value for name, value, _ in network_values(table, ElementBytes(4, 4), CACHES)}
    assert values["layer_fit_l1_pct"] == pytest.approx(100 * 25450 / 3 / 32768)
    # Of 32 neurons the first layer's weights (100,480 B) lie beyond L1d, all of it within L2.
    first, second = 4 * (25120 + 784 + 32), 4 * (330 + 32 + 10)
    assert values["bytes_over_l1_pct"] == pytest.approx(100 * first / (first + second))
    assert values["spilled_l1_bytes"] == first - 32768
    assert values["working_set_mean_bytes"] == (first + second) / 2
    assert values["macs_over_l1_pct"] == pytest.approx(100 * 25088 / 25408)
    assert values["bytes_over_l2_pct"] == values["macs_over_l2_pct"] == 0.0
    assert "layer_fit_ram_pct" not in values


def test_bytes_of_elements() -> None:
    assert ELEMENT_BYTES == {"float64": 8, "float32": 4, "float16": 2, "int16": 2, "int8": 1}
