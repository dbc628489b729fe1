"""Training: right gradients, right optimizers, the same network from the same seed, and digits that are learnt."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinynet_data import blob_data, mnist, tn

from tinynet.architecture import create_network, multiply_accumulates, parameter_count, shapes, words_of
from tinynet.data import Examples, Split, load_data
from tinynet.errors import TinynetError
from tinynet.inference import accuracy, layer_outputs, predict
from tinynet.losses import LOSSES
from tinynet.network import InputScale, Layer, Network
from tinynet.network_file import load, to_bytes
from tinynet.optimizers import OPTIMIZERS
from tinynet.passes import Parameters, make_pass
from tinynet.scales import SCALES
from tinynet.training import DivergedError, EpochResult, TrainingOptions, evaluate, train

UNIT = SCALES["unit"]


def double(layer: Layer) -> Parameters | None:
    """A layer's parameters in binary64, so that differences of losses mean something."""
    if layer.weights is None or layer.bias is None:
        return None
    weights, bias = layer.weights.astype(np.float64), layer.bias.astype(np.float64) + 0.1
    return Parameters(weights, bias, np.zeros_like(weights), np.zeros_like(bias))  # type: ignore[arg-type]


@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize(
    "words",
    [
        "flatten dense7 relu dense5",
        "flatten dense6 tanh dense6 sigmoid dense5",
        "conv3x3 relu flatten dense5",
        "conv3x2s2 tanh conv4x3same relu flatten dense5",
        "conv2x3s2same maxpool2 flatten dense5",
        "conv2x3 avgpool2 relu conv3x2 flatten dense5",
        "conv2x2 maxpool3 flatten dense4 softmax dense5",
    ],
)
def test_gradients_are_those_of_the_loss(words: str, loss_name: str) -> None:
    words = words.replace("softmax ", "")
    network = create_network(words, (8, 8, 2), UNIT, seed=3)
    generator = np.random.default_rng(5)
    inputs = generator.normal(size=(4, 8, 8, 2))
    labels = generator.integers(0, 5, 4).astype(np.uint8)
    parameters = [double(layer) for layer in network.layers]
    passes = [make_pass(layer, own) for layer, own in zip(network.layers, parameters, strict=True)]

    def loss_of(values: np.ndarray) -> tuple[float, np.ndarray]:
        for layer_pass in passes:
            values = layer_pass.forward(values)
        return LOSSES[loss_name](values, labels)

    gradient = loss_of(inputs)[1]
    for layer_pass in reversed(passes):
        gradient = layer_pass.backward(gradient)
    found = {(i, part): getattr(own, f"{part}_gradient").copy() for i, own in enumerate(parameters) if own is not None
             for part in ("weights", "bias")}  # fmt: skip
    step = 1e-5
    for (index, part), by_array in found.items():
        array = getattr(parameters[index], part)
        for place in generator.integers(0, array.size, 6):
            kept = array.flat[place]
            losses = []
            for moved in (kept - step, kept + step):
                array.flat[place] = moved
                losses.append(loss_of(inputs)[0])
            array.flat[place] = kept
            assert by_array.flat[place] == pytest.approx((losses[1] - losses[0]) / (2 * step), rel=1e-3, abs=2e-6)
    for place in generator.integers(0, inputs.size, 6):
        moved = inputs.copy()
        moved.flat[place] += step
        back = inputs.copy()
        back.flat[place] -= step
        expected = (loss_of(moved)[0] - loss_of(back)[0]) / (2 * step)
        assert gradient.flat[place] == pytest.approx(expected, rel=1e-3, abs=2e-6)


@given(st.integers(1, 3), st.integers(1, 3), st.booleans(), st.integers(3, 7), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_convolution_is_its_definition(size: int, stride: int, same: bool, side: int, seed: int) -> None:
    words = f"conv3x{size}s{stride}{'same' if same else ''}"
    network = create_network(words, (side, side + 1, 2), UNIT, seed)
    layer = network.layers[0]
    assert layer.weights is not None
    inputs = np.random.default_rng(seed).integers(0, 256, (2, side, side + 1, 2)).astype(np.uint8)
    outputs = predict(network, inputs)
    real = inputs.astype(np.float64) / 255
    before = []
    for length, windows in zip((side, side + 1), outputs.shape[1:3], strict=True):
        before.append(max((windows - 1) * stride + size - length, 0) // 2 if same else 0)
    for n, row, column, channel in np.ndindex(*outputs.shape):
        total = 0.0
        for i, j, c in np.ndindex(size, size, 2):
            y, x = row * stride + i - before[0], column * stride + j - before[1]
            if 0 <= y < side and 0 <= x < side + 1:
                total += float(layer.weights[channel, i, j, c]) * real[n, y, x, c]
        assert outputs[n, row, column, channel] == pytest.approx(total, abs=1e-5)


def test_pooling_is_its_definition() -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (3, 7, 5)).astype(np.uint8)
    largest = predict(create_network("maxpool2", (7, 5), InputScale(0, 1), 0), inputs)
    mean = predict(create_network("avgpool3", (7, 5), InputScale(0, 1), 0), inputs)
    assert largest.shape == (3, 3, 2, 1)
    assert mean.shape == (3, 2, 1, 1)
    assert largest[1, 2, 1, 0] == inputs[1, 4:6, 2:4].max()
    assert mean[2, 1, 0, 0] == pytest.approx(inputs[2, 3:6, 0:3].mean())


def plain_adam(values: list[float], gradients: list[list[float]], rate: float) -> list[float]:
    mean, square = [0.0] * len(values), [0.0] * len(values)
    for t, gradient in enumerate(gradients, start=1):
        for i, g in enumerate(gradient):
            mean[i] = 0.9 * mean[i] + 0.1 * g
            square[i] = 0.999 * square[i] + 0.001 * g * g
            values[i] -= rate * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * mean[i] / (math.sqrt(square[i]) + 1e-7)
    return values


def plain_rmsprop(values: list[float], gradients: list[list[float]], rate: float) -> list[float]:
    square = [0.0] * len(values)
    for gradient in gradients:
        for i, g in enumerate(gradient):
            square[i] = 0.9 * square[i] + 0.1 * g * g
            values[i] -= rate * g / (math.sqrt(square[i]) + 1e-7)
    return values


@pytest.mark.parametrize(("name", "plain"), [("adam", plain_adam), ("rmsprop", plain_rmsprop)])
def test_optimizers_are_their_definitions(name: str, plain: object) -> None:
    generator = np.random.default_rng(2)
    start, gradients = generator.normal(size=5), generator.normal(size=(40, 5))
    moved = start.astype(np.float32)
    optimizer = OPTIMIZERS[name](5, 0.01)
    for gradient in gradients:
        optimizer.step(moved, gradient.astype(np.float32))
    expected = plain(start.tolist(), gradients.tolist(), 0.01)  # type: ignore[operator]
    assert moved == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "words", ["flatten dense8 relu dense4 softmax", "conv4x3 relu maxpool2 flatten dense4 softmax"]
)
def test_easy_images_are_learnt(words: str, optimizer: str) -> None:
    data = blob_data()
    heard: list[EpochResult] = []
    options = TrainingOptions(epochs=8, batch=16, rate=0.005, optimizer=optimizer)
    start = create_network(words, (8, 8), UNIT, 0)
    network = train(start, data.train, data.test, options, on_epoch=heard.append)
    assert [result.epoch for result in heard] == list(range(1, 9))
    assert heard[-1].loss < 0.5 * heard[0].loss
    assert heard[-1].test_accuracy == accuracy(network, data.test) > 0.97
    loss, share = evaluate(network, data.test)
    assert (loss, share) == pytest.approx((heard[-1].test_loss, heard[-1].test_accuracy))
    assert evaluate(start, data.test)[1] < 0.8


def test_the_same_seed_gives_the_same_network_and_another_another() -> None:
    data = blob_data()

    def trained(seed: int) -> bytes:
        start = create_network("flatten dense6 relu dense4 softmax", (8, 8), UNIT, seed)
        return to_bytes(train(start, data.train, data.test, TrainingOptions(epochs=2, seed=seed)))

    assert trained(4) == trained(4)
    assert trained(4) != trained(5)


def test_training_leaves_the_network_it_was_given_alone() -> None:
    data = blob_data()
    start = create_network("flatten dense4 softmax", (8, 8), UNIT, 0)
    before = to_bytes(start)
    assert to_bytes(train(start, data.train, data.test, TrainingOptions(epochs=1))) != before
    assert to_bytes(start) == before
    assert to_bytes(train(start, data.train, data.test, TrainingOptions(epochs=0))) == before


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_a_rate_that_is_far_too_large_is_said() -> None:
    data = blob_data()
    start = create_network("flatten dense4 relu dense4 softmax", (8, 8), InputScale(0, 1), 0)
    with pytest.raises(DivergedError, match="epoch 1"):
        train(start, data.train, data.test, TrainingOptions(epochs=3, rate=1e38))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ("", "no layers"),
        ("dense5", "put flatten before it"),
        ("flatten conv3x3", "needs an input of height"),
        ("flatten dense0", "above zero"),
        ("lstm4", "expected dense32"),
        ("softmax flatten", "last layer"),
        ("maxpool9", "larger than its input"),
        ("conv3x9 flatten", "larger than its input"),
    ],
)
def test_layers_that_cannot_be_are_refused_in_words(words: str, match: str) -> None:
    with pytest.raises(TinynetError, match=match):
        create_network(words, (8, 8), UNIT, 0)


@pytest.mark.parametrize(
    ("words", "options", "match"),
    [
        ("flatten dense4", TrainingOptions(), "needs softmax"),
        ("flatten dense3 softmax", TrainingOptions(), "a label is 3"),
        ("conv4x8 softmax", TrainingOptions(), "one output per class"),
        ("flatten softmax", TrainingOptions(), "no weights"),
        ("flatten dense4 softmax", TrainingOptions(optimizer="sgd"), "one of adam, rmsprop"),
        ("flatten dense4 softmax", TrainingOptions(loss="mse"), "one of cross_entropy"),
        ("flatten dense4 softmax", TrainingOptions(rate=math.nan), "above zero"),
        ("flatten dense4 softmax", TrainingOptions(batch=0), "at least one example"),
    ],
)
def test_trainings_that_cannot_be_are_refused_in_words(words: str, options: TrainingOptions, match: str) -> None:
    data = blob_data()
    with pytest.raises(TinynetError, match=match):
        train(create_network(words, (8, 8), UNIT, 0), data.train, data.test, options)


def test_data_of_another_shape_are_refused() -> None:
    data = blob_data()
    network = create_network("flatten dense4 softmax", (9, 9), UNIT, 0)
    with pytest.raises(TinynetError, match=r"takes inputs of shape \(9, 9, 1\)"):
        evaluate(network, data.test)
    with pytest.raises(TinynetError, match="no examples"):
        evaluate(create_network("flatten dense4 softmax", (8, 8), UNIT, 0), data.test.first(0))


def test_sizes_shapes_and_words_of_a_network() -> None:
    words = "conv4x3s2same relu maxpool2 conv5x2 tanh avgpool2 flatten dense10 softmax"
    network = create_network(words, (28, 28), UNIT, 0)
    assert words_of(network) == words
    assert shapes(network)[1:4] == [(14, 14, 4), (14, 14, 4), (7, 7, 4)]
    assert parameter_count(network) == 4 * 9 + 4 + 5 * 4 * 4 + 5 + 10 * 45 + 10
    assert multiply_accumulates(network) == 14 * 14 * 36 + 6 * 6 * 80 + 450


def test_outputs_of_every_layer_lead_to_the_prediction() -> None:
    data = blob_data()
    network = create_network("maxpool2 flatten dense5 relu dense4 softmax", (8, 8), UNIT, 0)
    outputs = layer_outputs(network, data.test.inputs)
    assert [array.shape[1:] for array in outputs] == shapes(network)
    assert (outputs[-1] == predict(network, data.test.inputs)).all()


def test_mnist_is_learnt(tmp_path: Path) -> None:
    layers = "flatten dense32 relu dense10 softmax"
    options = ["--data", mnist(), "--split", "8000/2000", "--scale", "unit", "--quiet", "--out", tmp_path / "a.npz"]
    tn("train", "--layers", layers, *options)
    data, network = load_data(mnist(), Split(8000, 2000)), load(tmp_path / "a.npz")
    assert accuracy(network, data.test) > 0.92
    assert accuracy(network, Examples(data.test.inputs, (data.test.labels + 1) % 10)) < 0.02


def test_a_network_may_have_a_row_of_values_for_its_input() -> None:
    examples = Examples(np.arange(120, dtype=np.uint8).reshape(20, 6), (np.arange(20) % 2).astype(np.uint8))
    network = create_network("dense3 relu dense2 softmax", (6,), UNIT, 0)
    assert isinstance(train(network, examples, examples, TrainingOptions(epochs=1)), Network)
