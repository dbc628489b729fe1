"""The study's network: its shape, what it learns, and what its smaller forms are and lose."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesture.board import SimulatedBoard
from gesture.capture import Capture
from gesture.errors import GestureError
from gesture.files import Performances
from gesture.forms import FORMS, Form
from gesture.header import c_header
from gesture.integers import SCHEMES, centred, constant_bytes, integer_network, integer_outputs
from gesture.judging import LEAST_SHARE, judge, judge_all
from gesture.scaling import as_network_inputs, scaled, unrounded
from gesture.training import GestureData, first_of_each, layers_of, train_network
from tinynet.architecture import create_network, parameter_count
from tinynet.data import Examples, load_data
from tinynet.network import Network
from tinynet.quantize import quantize
from tinynet.scales import parse_scale
from tinynet.training import TrainingOptions

NAMES = ("flex", "punch")


def performances(seed: int, count: int) -> Performances:
    """So many of each, captured."""
    values = []
    for number, name in enumerate(NAMES):
        board, capture, found = SimulatedBoard(10 * seed + number), Capture(), []
        while len(found) < count:
            found += capture.feed(board.perform(name).encode())
        values += found[:count]
    return Performances(NAMES, np.stack(values), np.repeat([0, 1], count))


@pytest.fixture(scope="module")
def unseen() -> Performances:
    return performances(2, 30)


@pytest.fixture(scope="module")
def data(unseen: Performances) -> GestureData:
    return GestureData.split(performances(1, 30), 1, unseen)


@pytest.fixture(scope="module")
def network(data: GestureData) -> Network:
    return train_network(data, TrainingOptions(40, 1, 0.001, "rmsprop", "cross_entropy", 1))


def test_the_network_has_the_printed_parameters() -> None:
    network = create_network(layers_of(2), (180,), parse_scale("unit"), 1)
    sizes = [layer.weights.size + layer.bias.size for layer in network.layers if layer.weights is not None]
    assert sizes == [9050, 765, 32]
    assert parameter_count(network) == 9847
    assert parameter_count(create_network(layers_of(5), (180,), parse_scale("unit"), 1)) == 9815 + 5 * 16


def test_it_learns_two_gestures(network: Network, data: GestureData) -> None:
    judged = judge_all(lambda inputs: Form.of(network, "float32").outputs(as_network_inputs(network, inputs)), data)
    assert [judged[name].count for name in ("training", "validation", "all", "unseen")] == [48, 12, 60, 60]
    assert judged["training"].accuracy == 1.0
    assert judged["unseen"].accuracy >= 0.95
    assert judged["all"].loss == pytest.approx((48 * judged["training"].loss + 12 * judged["validation"].loss) / 60)


def test_the_same_seed_gives_the_same_network_and_another_another(data: GestureData) -> None:
    options = TrainingOptions(2, 1, 0.001, "rmsprop", "cross_entropy", 1)
    first, again, other = (train_network(data, replace(options, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.layers[0].weights, again.layers[0].weights)
    assert not np.array_equal(first.layers[0].weights, other.layers[0].weights)


def test_the_split_keeps_training_validation_and_unseen_apart(data: GestureData, unseen: Performances) -> None:
    sets = [{row.tobytes() for row in part.inputs} for part in (data.training, data.validation, data.unseen)]
    assert [len(part) for part in sets] == [48, 12, 60]
    assert not sets[0] & sets[1]
    assert not (sets[0] | sets[1]) & sets[2]
    with pytest.raises(GestureError, match="too few to hold a fifth"):
        GestureData.split(Performances(NAMES, unseen.values[:2], np.array([0, 1])), 1)
    with pytest.raises(GestureError, match="trained on: flex, punch"):
        GestureData.split(unseen, 1, Performances(("flex", "wave"), unseen.values, unseen.labels))
    with pytest.raises(GestureError, match="scale 'study'"):
        train_network(data, TrainingOptions(1), "study")


def test_what_is_written_for_tn_py_is_what_was_trained_on(data: GestureData, tmp_path: Path) -> None:
    data.write(tmp_path / "idx")
    found = load_data(tmp_path / "idx")
    np.testing.assert_array_equal(found.train.inputs, data.training.inputs)
    np.testing.assert_array_equal(found.test.labels, data.unseen.labels)


def test_the_first_of_each_are_as_many_of_every_gesture() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1], np.uint8)
    chosen = first_of_each(Examples(np.arange(7, dtype=np.uint8)[:, None], labels), 2)
    assert chosen.labels.tolist() == [0, 0, 1, 1]
    assert chosen.inputs[:, 0].tolist() == [0, 1, 3, 4]


# -------------------------------------------------------------------------------------------------- small forms


def test_sixteen_bits_for_every_parameter_are_more_than_the_printed_file(network: Network) -> None:
    stored = {
        name: sum(part.nbytes for layer in Form.of(network, name).layers for part in (layer.weights, layer.bias))
        for name in FORMS
    }
    assert stored == {"float32": 39388, "float16": 19694, "dynamic": 9780 + 4 * 67}
    assert stored["float16"] > 14008 > stored["dynamic"]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read_back_as_it_was_written(network: Network, form: str, data: GestureData) -> None:
    made = Form.of(network, form)
    again = Form.from_bytes(made.to_bytes())
    inputs = as_network_inputs(network, data.unseen.inputs)
    np.testing.assert_array_equal(made.outputs(inputs), again.outputs(inputs))
    assert again.to_bytes() == made.to_bytes()


def test_float32_is_the_trained_network(network: Network, data: GestureData) -> None:
    from tinynet.inference import predict

    inputs = data.unseen.inputs
    ours = Form.of(network, "float32").outputs(as_network_inputs(network, inputs))
    np.testing.assert_allclose(ours, predict(network, inputs), atol=1e-6)


@pytest.mark.parametrize(("form", "near"), [("float16", 2e-3), ("dynamic", 0.2)])
def test_a_form_s_weights_are_near_the_trained_ones(network: Network, form: str, near: float) -> None:
    whole, small = Form.of(network, "float32"), Form.of(network, form)
    for exact, rounded in zip(whole.layers, small.layers, strict=True):
        error = np.abs(rounded.weights.astype(np.float32) * np.float32(rounded.step) - exact.weights).max()
        limit = 0.5 * rounded.step * 1.0001 if form == "dynamic" else near * np.abs(exact.weights).max()
        assert 0 < error <= limit


@given(st.binary(max_size=200), st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_no_damage_makes_the_reader_fall_over(noise: bytes, at: int) -> None:
    good = SMALL.to_bytes()
    place = at % len(good)
    damaged = good[:place] + noise + good[place + len(noise) :]
    try:
        found = Form.from_bytes(damaged)
    except GestureError:
        return
    assert np.isfinite(found.layers[0].weights).all()
    assert found.to_bytes() == damaged


def test_a_form_of_another_network_is_refused(network: Network) -> None:
    with pytest.raises(GestureError, match="form 'bfloat16'"):
        Form.of(network, "bfloat16")
    other = create_network("dense4 tanh dense2 softmax", (6,), parse_scale("unit"), 1)
    with pytest.raises(GestureError, match="only dense layers"):
        Form.of(other, "float16")
    large = replace(network, layers=(replace(network.layers[0], weights=network.layers[0].weights * 1e6),))
    with pytest.raises(GestureError, match="beyond the range of float16"):
        Form.of(large, "float16")


@pytest.mark.parametrize("form", SCHEMES)
def test_integers_take_a_byte_per_weight_and_name_the_same_gestures(
    form: str, network: Network, data: GestureData
) -> None:
    integers = integer_network(network, data, form)
    # Weights, biases of 32 bits, and per-channel a multiplier of 16 bits and a shift of 8 for each output.
    assert constant_bytes(integers) == 9780 + 67 * (4 if form == "int8_pow2" else 7)
    exact = Form.of(network, "float32").outputs(as_network_inputs(network, data.unseen.inputs))
    small = integer_outputs(integers, data.unseen.inputs)
    np.testing.assert_allclose(small.sum(axis=1), 1.0)
    assert np.mean(exact.argmax(axis=1) == small.argmax(axis=1)) >= 0.98


def test_what_all_outputs_have_in_common_is_taken_away_before_rounding(network: Network, data: GestureData) -> None:
    *before, last, softmax = network.layers
    # What long training does: all outputs before softmax drift off together, hundreds of times as far as they differ.
    drifted = replace(network, layers=(*before, replace(last, bias=last.bias - np.float32(5000)), softmax))
    inputs = as_network_inputs(network, data.unseen.inputs)
    exact = Form.of(drifted, "float32").outputs(inputs)
    np.testing.assert_allclose(Form.of(centred(drifted), "float32").outputs(inputs), exact, atol=2e-3)
    choices = exact.argmax(axis=1)
    careless = quantize(drifted, data.training.inputs, "per-channel", "max")
    assert np.mean(careless.classify(data.unseen.inputs) == choices) < 0.7
    careful = integer_network(drifted, data, "int8")
    assert np.mean(careful.classify(data.unseen.inputs) == choices) >= 0.98
    with pytest.raises(GestureError, match="ends in a dense layer and softmax"):
        centred(replace(network, layers=network.layers[:-1]))


def test_rounding_the_inputs_to_bytes_costs_next_to_nothing(
    network: Network, data: GestureData, unseen: Performances
) -> None:
    form = Form.of(network, "float32")
    real = unrounded(network, unseen.values)
    np.testing.assert_allclose(real, scaled(unseen.values), atol=1e-6)
    np.testing.assert_allclose(real, as_network_inputs(network, data.unseen.inputs), atol=0.5 / 255 + 1e-6)
    rounded = form.outputs(as_network_inputs(network, data.unseen.inputs))
    assert np.mean(form.outputs(real).argmax(axis=1) == rounded.argmax(axis=1)) >= 0.98


def test_judging() -> None:
    shares = np.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])
    judged = judge(shares, np.array([0, 1, 0]))
    # Of equal shares the first is the choice, so the second is wrong.
    assert judged.accuracy == pytest.approx(1 / 3)
    assert judged.loss == pytest.approx(-(np.log(0.75) + np.log(0.5) + np.log(LEAST_SHARE)) / 3)


# ------------------------------------------------------------------------------------------------------ headers


@given(st.binary(max_size=300))
@settings(max_examples=30, deadline=None)
def test_a_header_holds_the_bytes(data: bytes) -> None:
    text = c_header(data, "net", "what it is")
    body = text[text.index("{") + 1 : text.index("}")]
    assert bytes(int(word, 16) for word in body.replace(",", " ").split()) == data
    assert f"NET_LEN {len(data)}u" in text


@pytest.mark.parametrize(
    ("name", "comment"), [("2net", "x"), ("Net", "x"), ("a b", "x"), ("net", "*/"), ("net", "a\nb")]
)
def test_a_header_that_c_would_not_take_is_refused(name: str, comment: str) -> None:
    with pytest.raises(GestureError):
        c_header(b"1", name, comment)


def test_a_compiler_takes_the_header_and_finds_the_file_in_it(network: Network, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (apt install gcc)")
    data = Form.of(network, "float16").to_bytes()
    (tmp_path / "gesture_net.h").write_text(c_header(data, "gesture_net", "a network"))
    body = "int main(void) { fwrite(gesture_net, 1, GESTURE_NET_LEN, stdout); return 0; }"
    source = f'#include <stdio.h>\n#include "gesture_net.h"\n{body}\n'
    (tmp_path / "main.c").write_text(source)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([compiler, *flags, "main.c", "-o", "main"], cwd=tmp_path, check=True, timeout=60)
    assert subprocess.run([tmp_path / "main"], capture_output=True, check=True, timeout=60).stdout == data


def _small() -> Form:
    return Form.of(create_network("dense3 relu dense2 softmax", (4,), parse_scale("unit"), 1), "float16")


SMALL = _small()
