"""What quantisation promises: steps that hold what was seen, outputs near the trained network's, a proof, warnings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import random_network

from tinynet import reference
from tinynet.architecture import create_network
from tinynet.bounds import bits_for
from tinynet.calibrate import LEVELS, any_step, power_of_two_step, step_for
from tinynet.errors import TinynetError
from tinynet.forms import form_sizes, in_form
from tinynet.inference import layer_outputs, predict
from tinynet.network import InputScale, Layer, Network
from tinynet.proof_table import rows, text, warnings_for
from tinynet.quantize import FLAT_FROM, multiplier_for, observe, quantize
from tinynet.quantized import QuantizedNetwork, Scheme
from tinynet.scales import SCALES

SCHEMES: tuple[Scheme, ...] = ("pow2", "per-channel")
IMAGES = np.random.default_rng(5).integers(0, 256, (200, 12, 12), dtype=np.uint8)
DENSE = "flatten dense12 relu dense6 softmax"
EVERYTHING = "conv4x3same relu maxpool2 conv5x3s2 tanh avgpool2 relu flatten dense9 sigmoid dense6 softmax"


def trained(words: str, seed: int = 3, scale: str = "signed") -> Network:
    """Initial weights, and biases as training would leave them: quantisation cares for numbers, not for skill."""
    network = create_network(words, (12, 12), SCALES[scale], seed)
    random = np.random.default_rng(seed)
    layers = [
        layer if layer.bias is None else replace(layer, bias=random.normal(0, 0.2, layer.bias.shape).astype(np.float32))
        for layer in network.layers
    ]
    return replace(network, layers=tuple(layers))


# -------------------------------------------------------------------------------------------------------------- steps


@given(st.floats(1e-20, 1e20))
def test_steps_reach_the_largest_value_and_not_far_beyond(largest: float) -> None:
    power, free = power_of_two_step(largest), any_step(largest)
    assert math.frexp(power)[0] == 0.5
    assert power * 64 < largest <= power * 128
    assert free * 127 * (1 - 1 / 2000) < largest <= free * 127
    assert math.frexp(free)[0] * 4096 == int(math.frexp(free)[0] * 4096)


@pytest.mark.parametrize("power_of_two", [True, False])
def test_nothing_seen_gives_a_step_all_the_same(power_of_two: bool) -> None:
    for method in ("max", "kl"):
        assert step_for(np.zeros(10), method=method, power_of_two=power_of_two) > 0
        assert step_for(np.zeros(0), method=method, power_of_two=power_of_two) > 0


@pytest.mark.parametrize("power_of_two", [True, False])
def test_divergence_cuts_off_a_lonely_outlier_that_the_largest_value_does_not(power_of_two: bool) -> None:
    values = np.random.default_rng(1).normal(0, 1, 20_000)
    values[0] = 100.0
    by_largest = step_for(values, method="max", power_of_two=power_of_two)
    by_divergence = step_for(values, method="kl", power_of_two=power_of_two)
    assert by_largest * LEVELS >= 100
    assert by_divergence * LEVELS < 20
    assert by_divergence * LEVELS > 2
    error = [
        np.mean((np.clip(np.rint(values[1:] / s), -128, 127) * s - values[1:]) ** 2)
        for s in (by_largest, by_divergence)
    ]
    assert error[1] < error[0] / 4


@pytest.mark.parametrize("power_of_two", [True, False])
def test_divergence_keeps_the_range_of_values_spread_evenly(power_of_two: bool) -> None:
    values = np.random.default_rng(1).uniform(-0.99, 0.99, 20_000)
    step = step_for(values, method="kl", power_of_two=power_of_two)
    assert step * LEVELS > 0.9


@given(st.floats(2.0**-17, 1.0))
def test_a_multiplier_is_the_nearest(ratio: float) -> None:
    multiplier, shift = multiplier_for(ratio)
    assert 16384 <= multiplier <= 32767
    assert 14 <= shift <= 31
    assert abs(multiplier / 2**shift - ratio) <= ratio / 32768


# ---------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("method", ["max", "kl"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("words", [DENSE, EVERYTHING, "avgpool3 flatten dense5 tanh", "maxpool2 relu conv3x2 flatten"])
def test_outputs_stay_near_the_trained_network(words: str, scheme: Scheme, method: str) -> None:
    network = trained(words)
    quantized = quantize(network, IMAGES, scheme, method)  # type: ignore[arg-type]
    got = quantized.infer(quantized.quantize_input(IMAGES)) * quantized.output_step
    names = [layer.function for layer in network.layers]
    outputs = layer_outputs(network, IMAGES)
    wanted = outputs[-2 if names[-1] == "softmax" else -1].reshape(len(IMAGES), -1)
    error = math.sqrt(np.mean((got - wanted) ** 2)) / math.sqrt(np.mean(wanted**2))
    assert error < 0.15
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.98


def test_multipliers_are_nearer_than_powers_of_two() -> None:
    network = trained(DENSE)
    wanted = layer_outputs(network, IMAGES)[-2]
    errors = []
    for scheme in SCHEMES:
        quantized = quantize(network, IMAGES, scheme, "max")
        errors.append(np.abs(quantized.infer(quantized.quantize_input(IMAGES)) * quantized.output_step - wanted).mean())
    assert errors[1] < errors[0]


def test_the_studys_input_scale_takes_a_byte_less_127() -> None:
    quantized = quantize(trained(DENSE, scale="study"), IMAGES, "pow2", "max")
    assert quantized.input_step == 1 / 8
    assert quantized.input_table.tolist() == [min(byte - 127, 127) for byte in range(256)]


def test_a_relu_becomes_the_limit_of_the_layer_before_or_a_layer() -> None:
    quantized = quantize(trained(EVERYTHING), IMAGES, "pow2", "max")
    assert [layer.kind for layer in quantized.layers] == [
        "conv2d", "maxpool", "conv2d", "table", "avgpool", "dense", "table", "dense",
    ]  # fmt: skip
    assert [layer.relu for layer in quantized.layers] == [True, False, False, False, True, False, False, False]
    alone = quantize(trained("maxpool2 relu flatten dense3"), IMAGES, "pow2", "max")
    assert [layer.kind for layer in alone.layers] == ["maxpool", "relu", "dense"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("function", ["tanh", "sigmoid"])
def test_a_function_that_is_flat_is_not_given_a_coarse_step(scheme: Scheme, function: str) -> None:
    network = trained(f"flatten dense8 {function} dense3")
    steep = replace(network.layers[1], weights=network.layers[1].weights * 100)
    quantized = quantize(
        replace(network, layers=(network.layers[0], steep, *network.layers[2:])), IMAGES, scheme, "max"
    )
    assert quantized.layers[0].output_step * 127 <= FLAT_FROM[function] * 1.01
    table = quantized.layers[1].table
    assert table is not None
    assert np.all(np.diff(table.astype(int)) >= 0)
    assert (
        abs(
            table[128 + 20] * quantized.layers[1].output_step
            - {"tanh": math.tanh, "sigmoid": lambda v: 1 / (1 + math.exp(-v))}[function](
                20 * quantized.layers[0].output_step
            )
        )
        < 0.01
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("weight", "bias"), [(1e-12, 5.0), (1e12, 1e-6), (0.0, 3.0), (0.0, 0.0), (1e-9, 1e-9), (3.0, -1e9)]
)
def test_extreme_parameters_are_held_and_still_say_what_they_mean(scheme: Scheme, weight: float, bias: float) -> None:
    weights = np.full((2, 4), weight, np.float32)
    weights[1] = -weights[1]
    layer = Layer("dense", "dense", weights, np.array([bias, -bias], np.float32))
    network = Network((4,), InputScale(128.0, 128.0), (layer,))
    data = np.random.default_rng(0).integers(0, 256, (50, 4), dtype=np.uint8)
    quantized = quantize(network, data, scheme, "max")
    got = quantized.infer(quantized.quantize_input(data)) * quantized.output_step
    wanted = predict(network, data)
    assert np.abs(got - wanted).max() <= 0.03 * np.abs(wanted).max() + quantized.output_step


def test_a_network_that_cannot_be_quantised_is_refused() -> None:
    network = trained(DENSE)
    bad = replace(network.layers[1], bias=np.full(12, np.inf, np.float32))
    with pytest.raises(TinynetError, match="finite"):
        quantize(replace(network, layers=(network.layers[0], bad, *network.layers[2:])), IMAGES, "pow2", "max")
    with pytest.raises(TinynetError, match="no examples"):
        quantize(network, IMAGES[:0], "pow2", "max")
    with pytest.raises(TinynetError, match="no layer"):
        quantize(trained("flatten softmax"), IMAGES, "pow2", "max")


def test_wrong_inputs_are_refused() -> None:
    quantized = quantize(trained(DENSE), IMAGES, "pow2", "max")
    with pytest.raises(TinynetError, match="144 bytes"):
        quantized.infer(np.zeros((2, 143), np.int8))
    with pytest.raises(TinynetError, match="int16"):
        quantized.infer(np.zeros((2, 144), np.int16))  # type: ignore[arg-type]
    with pytest.raises(TinynetError, match="not bytes"):
        quantized.quantize_input(np.zeros((2, 144), np.int8))  # type: ignore[arg-type]
    with pytest.raises(TinynetError, match="finite"):
        quantized.quantize_values([0.0, math.nan])
    assert quantized.infer(np.zeros((0, 144), np.int8)).shape == (0, 6)


# ------------------------------------------------------------------------------------------------ proofs and warnings


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
def test_a_width_holds_its_range_and_the_next_smaller_does_not(one: int, other: int) -> None:
    low, high = min(one, other, 0), max(one, other, 0)
    bits = bits_for(low, high, "layer")
    assert -(2 ** (bits - 1)) <= low
    assert high < 2 ** (bits - 1)
    assert bits == 16 or low < -(2 ** (bits - 9)) or high >= 2 ** (bits - 9)


def test_sums_past_32_bits_are_refused() -> None:
    with pytest.raises(TinynetError, match="32 bits"):
        bits_for(0, 2**31, "layer")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_wrapping_sums_of_the_proved_width_give_the_right_answer(seed: int) -> None:
    """Additions modulo 2^wrapping_bits, as machine code makes them, come out right whatever wraps on the way."""
    network = random_network(seed)
    inputs = np.random.default_rng(seed).integers(-128, 128, (20, network.inputs), dtype=np.int8)
    bits = max(proof.wrapping_bits for proof in network.proof) or 16
    np.testing.assert_array_equal(network.infer_wrapping(inputs, bits), network.infer(inputs))


def test_the_table_says_where_outputs_saturate_and_sums_pass_16_bits() -> None:
    network = trained("flatten dense12 relu dense6", scale="study")
    quantized = quantize(network, IMAGES, "pow2", "max")
    quiet = rows(quantized, quantized.quantize_input(IMAGES))
    assert quiet[0]["saturated"] / quiet[0]["values"] < 0.001
    first = quantized.layers[0]
    hot = replace(quantized, layers=(replace(first, shift=first.shift - 3), *quantized.layers[1:]))
    table = rows(hot, hot.quantize_input(IMAGES))
    sums = reference.accumulate(hot.layers[0], hot.quantize_input(IMAGES).reshape(len(IMAGES), -1))
    assert table[0]["saturated"] == int((reference.before_clamp(hot.layers[0], sums) > 127).sum()) > 0
    assert (table[0]["observed_low"], table[0]["observed_high"]) == (sums.min(), sums.max())
    half = 1 << (hot.layers[0].shift - 1)
    assert table[0]["beyond_16_bits"] == int(((sums < -32768) | (sums + half > 32767)).sum()) > 0
    words = "\n".join(warnings_for(hot, IMAGES, table))
    assert "saturate" in words
    assert "16 bits" in words
    assert network.layers[1].name in text(table)
    assert np.any(hot.infer_wrapping(hot.quantize_input(IMAGES), 16) != hot.infer(hot.quantize_input(IMAGES)))


def test_inputs_beyond_the_calibrated_range_are_warned_of() -> None:
    dim = (IMAGES // 8 + 112).astype(np.uint8)
    quantized = quantize(trained(DENSE), dim, "pow2", "max")
    words = warnings_for(quantized, dim, rows(quantized, quantized.quantize_input(dim)))
    assert not any("input bytes" in line for line in words)
    words = warnings_for(quantized, IMAGES, rows(quantized, quantized.quantize_input(IMAGES)))
    assert any("input bytes" in line for line in words)


def test_observing_in_lots_is_observing_at_once() -> None:
    quantized = quantize(trained(DENSE), IMAGES, "pow2", "max")
    inputs = np.tile(quantized.quantize_input(IMAGES), (6, 1, 1))
    (whole, _), (once, _) = observe(quantized, inputs), observe(quantized, inputs[:200])
    assert whole is not None
    assert once is not None
    assert (whole.low, whole.high, whole.saturated, whole.values) == (
        once.low, once.high, 6 * once.saturated, 6 * once.values,
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- forms


def test_forms_shrink_and_stay_near() -> None:
    network = trained(EVERYTHING)
    sizes = form_sizes(network, quantize(network, IMAGES, "pow2", "max"))
    parameters = {size.form: size.parameter_bytes for size in sizes}
    assert parameters["float16"] * 2 == parameters["float32"]
    assert parameters["dynamic"] < parameters["float16"]
    wanted = predict(network, IMAGES)
    half = np.abs(predict(in_form(network, "float16"), IMAGES) - wanted).max()
    dynamic = np.abs(predict(in_form(network, "dynamic"), IMAGES) - wanted).max()
    assert 0 < half < 0.001
    assert half < dynamic < 0.02
    with pytest.raises(TinynetError, match="integers"):
        in_form(network, "int8")
    large = replace(network.layers[0], weights=network.layers[0].weights * 1e6)
    with pytest.raises(TinynetError, match="65504"):
        in_form(replace(network, layers=(large, *network.layers[1:])), "float16")


def test_the_loaded_network_is_the_made_one() -> None:
    quantized = quantize(trained(EVERYTHING), IMAGES, "per-channel", "kl")
    assert isinstance(quantized, QuantizedNetwork)
    assert quantized.facts["calibration"] == "kl"
    assert quantized.facts["calibration_images"] == len(IMAGES)
