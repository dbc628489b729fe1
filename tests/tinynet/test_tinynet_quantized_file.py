"""Files of quantised networks: the same bytes for the same network, and a clear word for every damaged one."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_networks import random_inputs, random_network

from tinynet.array_file import read_arrays, write_arrays
from tinynet.errors import TinynetError
from tinynet.quantized import QuantizedNetwork


@pytest.mark.parametrize("seed", range(12))
def test_a_network_comes_back_as_it_was(tmp_path: Path, seed: int) -> None:
    network = random_network(seed)
    network.save(tmp_path / "a.q.npz")
    network.save(tmp_path / "b.q.npz")
    assert (tmp_path / "a.q.npz").read_bytes() == (tmp_path / "b.q.npz").read_bytes() == network.to_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.q.npz", "b.q.npz"]
    loaded = QuantizedNetwork.load(tmp_path / "a.q.npz")
    assert loaded.hash == network.hash
    assert loaded.to_bytes() == network.to_bytes()
    inputs = random_inputs(network, 8, seed)
    np.testing.assert_array_equal(loaded.infer(inputs), network.infer(inputs))


def test_the_hash_is_that_of_the_arithmetic_alone() -> None:
    network = random_network(10)
    first = network.layers[0]
    assert first.weights is not None
    assert len(network.hash) == 8
    renamed = replace(network, layers=(replace(first, name="other"), *network.layers[1:]), facts={"x": 1})
    assert renamed.hash == network.hash
    weights = first.weights.copy()
    weights[0, 0] ^= 1
    assert replace(network, layers=(replace(first, weights=weights), *network.layers[1:])).hash != network.hash
    assert replace(network, layers=(replace(first, relu=not first.relu), *network.layers[1:])).hash != network.hash
    assert replace(network, input_step=network.input_step * 2).hash != network.hash


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_is_a_network(tmp_path: Path, data: st.DataObject) -> None:
    whole = random_network(5).to_bytes()
    kind = data.draw(st.sampled_from(["cut", "changed", "noise"]))
    if kind == "cut":
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif kind == "changed":
        place, value = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
        damaged = whole[:place] + bytes([whole[place] ^ value]) + whole[place + 1 :]
    else:
        damaged = data.draw(st.binary(max_size=200))
    path = tmp_path / "damaged.q.npz"
    path.write_bytes(damaged)
    # Anything but a TinynetError fails: an error of another kind, or a network that then does not work.
    with contextlib.suppress(TinynetError):
        network = QuantizedNetwork.load(path)
        assert network.infer(np.zeros((1, network.inputs), np.int8)).shape == (1, network.outputs)


CHANGES = {
    "no scheme": ({"scheme": "cubic"}, "scheme"),
    "no layers": ({"layers": []}, "no layers"),
    "no input": ({"input_shape": [0]}, "holds nothing"),
    "no step": ({"input_step": 0.0}, "step"),
    "no divisor": ({"input_scale": [0.0, 0.0]}, "divides by 0"),
    "wrong words": ({"facts": 3}, "not a quantised network"),
    "another format": ({"format": "tinynet/1"}, "is not a quantised network"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_header_that_says_something_else_is_refused(tmp_path: Path, change: str) -> None:
    network = random_network(10)
    network.save(tmp_path / "a.q.npz")
    header, arrays = read_arrays(tmp_path / "a.q.npz")
    changes, words = CHANGES[change]
    write_arrays(tmp_path / "b.q.npz", {**header, **changes}, arrays)
    with pytest.raises(TinynetError, match=words):
        QuantizedNetwork.load(tmp_path / "b.q.npz")


LAYER_CHANGES = {
    "an unknown kind": ({"kind": "lstm"}, "no kind"),
    "another shape": ({"output_shape": [3, 3]}, "gives"),
    "sums too narrow": ({"accumulator_bits": 16}, "needs 24"),
    "sums of 20 bits": ({"accumulator_bits": 20}, "16, 24 or 32"),
    "a shift and multipliers": ({"shift": 3}, "both"),
    "no padding": ({"padding": "mirror"}, "padding"),
    "no name": ({"name": 7}, "name"),
    "a step of nothing": ({"output_step": 0.0}, "steps"),
    "a size that fills the memory": ({"kind": "relu", "output_shape": [10**6, 10**6]}, "too large"),
    "more than is known": ({"colour": "red"}, "not a quantised network"),
}


@pytest.mark.parametrize("change", LAYER_CHANGES)
def test_a_layer_that_does_not_hold_together_is_refused(tmp_path: Path, change: str) -> None:
    network = random_network(10)
    assert network.layers[0].accumulator_bits == 24
    network.save(tmp_path / "a.q.npz")
    header, arrays = read_arrays(tmp_path / "a.q.npz")
    changes, words = LAYER_CHANGES[change]
    header["layers"][0].update(changes)
    write_arrays(tmp_path / "b.q.npz", header, arrays)
    with pytest.raises(TinynetError, match=words):
        QuantizedNetwork.load(tmp_path / "b.q.npz")


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network = random_network(10)
    network.save(tmp_path / "a.q.npz")
    header, arrays = read_arrays(tmp_path / "a.q.npz")

    def refused(words: str, **changes: np.ndarray) -> None:
        changed = {**arrays, **{f"00.{name}": value for name, value in changes.items()}}
        write_arrays(tmp_path / "b.q.npz", header, changed)
        with pytest.raises(TinynetError, match=words):
            QuantizedNetwork.load(tmp_path / "b.q.npz")

    weights = arrays["00.weights"].copy()
    weights[0, 0] = -128
    refused("-128", weights=weights)
    refused("float32", weights=weights.astype(np.float32))
    refused("no weights", weights=weights[:, 1:])
    refused("biases", bias=arrays["00.bias"][1:])
    refused("multipliers", multipliers=arrays["00.multipliers"] // 4)
    refused("shifts", shifts=arrays["00.shifts"] * 0)
    refused("need", shifts=arrays["00.shifts"][1:])
    write_arrays(tmp_path / "b.q.npz", header, {**arrays, "07.bias": arrays["00.bias"]})
    with pytest.raises(TinynetError, match="no layer uses"):
        QuantizedNetwork.load(tmp_path / "b.q.npz")


def test_files_that_are_not_there_or_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(TinynetError, match="no file"):
        QuantizedNetwork.load(tmp_path / "none.q.npz")
    with pytest.raises(TinynetError, match="cannot be read"):
        QuantizedNetwork.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TinynetError, match="cannot be written"):
        random_network(1).save(tmp_path / "file" / "a.q.npz")
