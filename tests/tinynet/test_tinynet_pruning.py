"""Pruning: the schedule, which weights go, and what the sizes say of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tinynet_data import blob_data

from tinynet.architecture import create_network
from tinynet.errors import TinynetError
from tinynet.network import Network
from tinynet.pruning import MagnitudePruner, keep_largest, schedule, weight_count, zero_weights
from tinynet.scales import SCALES
from tinynet.sizes import sizes
from tinynet.training import TrainingOptions, evaluate, train


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=4, max_side=6), elements=st.floats(-2, 2, width=32)),
    st.floats(0, 0.99),
)
@settings(max_examples=100, deadline=None)
def test_the_smallest_go_and_as_many_as_were_asked_for(weights: np.ndarray, sparsity: float) -> None:
    mask = keep_largest(weights, sparsity)
    assert mask.shape == weights.shape
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert np.count_nonzero(mask == 0) == round(weights.size * sparsity)
    if 0 < np.count_nonzero(mask) < mask.size:
        assert np.abs(weights[mask == 1]).min() >= np.abs(weights[mask == 0]).max()


@given(st.floats(0, 0.95), st.floats(0, 0.95), st.integers(1, 3000), st.floats(0.05, 1))
@settings(max_examples=100, deadline=None)
def test_a_schedule_goes_from_initial_to_final_and_never_back(
    initial: float, final: float, steps: int, ramp: float
) -> None:
    plan = schedule(initial, final, steps, ramp)
    shares = [plan.sparsity(step) for step in range(steps)]
    if plan.ramp_steps:
        assert shares[0] == pytest.approx(initial)
    assert shares[-1] == final
    rising = np.diff(shares) * (1 if final >= initial else -1)
    assert (rising >= -1e-12).all()
    choices = [step for step in range(steps) if plan.chooses(step)]
    assert choices[-1] == plan.ramp_steps < steps
    assert plan.sparsity(choices[-1]) == final


def test_the_schedule_is_the_cubic_one_of_its_paper() -> None:
    plan = schedule(0.5, 0.8, 1250)
    assert (plan.ramp_steps, plan.every) == (1200, 100)
    assert plan.sparsity(600) == pytest.approx(0.8 - 0.3 * 0.5**3)


@pytest.mark.parametrize(("initial", "final", "ramp"), [(1, 0.5, 1), (0, 1.0, 1), (-0.1, 0, 1), (0, 0, 0), (0, 0, 1.1)])
def test_shares_that_are_none_are_refused(initial: float, final: float, ramp: float) -> None:
    with pytest.raises(TinynetError, match="expected a share"):
        schedule(initial, final, 100, ramp)


def trained() -> Network:
    data = blob_data()
    start = create_network("flatten dense16 relu dense4 softmax", (8, 8), SCALES["unit"], 0)
    return train(start, data.train, data.test, TrainingOptions(epochs=6, batch=16, rate=0.005))


def pruned(network: Network, initial: float, final: float, ramp: float = 1.0) -> Network:
    data = blob_data()
    options = TrainingOptions(epochs=4, batch=16, rate=0.002)
    pruner = MagnitudePruner(schedule(initial, final, 4 * 38, ramp))
    return train(network, data.train, data.test, options, pruner=pruner)


def test_a_pruned_network_has_its_zeros_and_still_knows_its_images() -> None:
    network = pruned(trained(), 0.2, 0.75)
    assert zero_weights(network) == 0.75 * weight_count(network)
    for layer in network.layers:
        if layer.weights is not None:
            assert np.count_nonzero(layer.weights == 0) == 0.75 * layer.weights.size
            assert layer.bias is not None
            assert layer.bias.all()
    assert evaluate(network, blob_data().test)[1] > 0.95


def test_weights_come_back_when_the_sparsity_falls() -> None:
    network = pruned(trained(), 0.8, 0.25)
    # A weight that is let go of has been moved from zero by every step since.
    assert zero_weights(network) == 0.25 * weight_count(network)


def test_without_sparsity_nothing_is_pruned() -> None:
    assert zero_weights(pruned(trained(), 0.0, 0.0)) == 0


def test_zeros_make_sparse_and_deflated_files_smaller_and_no_other() -> None:
    network = trained()
    before, after = sizes(network), sizes(pruned(network, 0.5, 0.8))
    same = ["parameters", "weights", "macs"]
    same += ["float_bytes", "with_adam_bytes", "int8_bytes", "avr_dense_bytes", "activation_bytes"]
    assert [before[name] for name in same] == [after[name] for name in same]
    for name in ("deflated_bytes", "int8_text_bytes", "bitmap_bytes", "avr_sparse_bytes"):
        assert after[name] < before[name]
    weights, biases = 64 * 16 + 16 * 4, 20
    assert before["parameters"] == weights + biases
    assert before["with_adam_bytes"] == 3 * before["float_bytes"] == 12 * (weights + biases)
    assert before["int8_bytes"] == weights + 4 * biases
    assert after["bitmap_bytes"] <= weights // 8 + round(0.2 * weights) + 4 * biases
