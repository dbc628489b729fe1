"""What TensorFlow's model optimisation toolkit makes of a small network, for comparison with ours.

    TF_USE_LEGACY_KERAS=1 python tests/networks/toolkit_compression.py RESULT.npz

Run by tests/networks/test_models_toolkit.py in an interpreter that has tensorflow, tf-keras and
tensorflow-model-optimization; needs nothing of the lab. The result holds each layer's kernel as it was
(``original/LAYER``), pruned, and pruned then clustered in both ways.
"""

from __future__ import annotations

import sys

import numpy as np
import setuptools  # noqa: F401 - stands in for distutils, which the toolkit imports and Python 3.12 no longer has
import tensorflow_model_optimization as tfmot
import tf_keras as keras


def network() -> keras.Model:
    """A convolution, a depthwise one, and two dense layers; weights normal, one layer's far from zero mean."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3), batch_size=1),
            layers.Conv2D(21, 3, name="conv"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.BatchNormalization(name="normalisation"),
            layers.Flatten(),
            layers.Dense(37, name="dense"),
            layers.Dense(5, name="skewed"),
        ]
    )
    generator = np.random.default_rng(5)
    for layer in model.layers:
        shift = 0.8 if layer.name == "skewed" else 0.0
        drawn = [generator.normal(shift, 1, array.shape).astype(np.float32) for array in layer.get_weights()]
        # A variance is not negative.
        layer.set_weights([np.abs(array) for array in drawn] if layer.name == "normalisation" else drawn)
    return model


def trained_without_learning(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
    """One step at a learning rate of zero: the wrappers work in training only."""
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(
        np.zeros((1, 8, 8, 3), np.float32), np.zeros((1, 5), np.float32), epochs=1, verbose=0, callbacks=callbacks
    )


def pruned(model: keras.Model) -> keras.Model:
    """To constant 50 % sparsity."""
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, begin_step=0, frequency=1)
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)
    trained_without_learning(wrapped, [tfmot.sparsity.keras.UpdatePruningStep()])
    return tfmot.sparsity.keras.strip_pruning(wrapped)


def clustered(model: keras.Model, preserve_sparsity: bool) -> keras.Model:
    """To 16 linear centroids."""
    settings = {
        "number_of_clusters": 16,
        "cluster_centroids_init": tfmot.clustering.keras.CentroidInitialization.LINEAR,
    }
    if preserve_sparsity:
        from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

        wrapped = cluster.cluster_weights(model, preserve_sparsity=True, **settings)
    else:
        wrapped = tfmot.clustering.keras.cluster_weights(model, **settings)
    trained_without_learning(wrapped, [])
    return tfmot.clustering.keras.strip_clustering(wrapped)


def kernels(model: keras.Model) -> dict[str, np.ndarray]:
    """Layer → its first array."""
    return {layer.name: layer.get_weights()[0] for layer in model.layers if layer.get_weights()}


def main() -> None:
    """Write the result."""
    found = {}
    once = pruned(network())
    stages = {
        "original": network(),
        "pruned": once,
        "plain": clustered(copied(once), False),
        "sparse": clustered(copied(once), True),
    }
    for stage, model in stages.items():
        found |= {f"{stage}/{name}": kernel for name, kernel in kernels(model).items()}
    np.savez(sys.argv[1], **found)


def copied(model: keras.Model) -> keras.Model:
    """Another model with the same weights."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


if __name__ == "__main__":
    main()
