"""What `lab models build` takes for MobileNet 32 in all its variations, and its compression beside the usual toolkit's.

    python benchmarks/models_build.py

Three times each, the median is shown: with nothing cached, from the cache, and with everything in place; beside it,
what importing TensorFlow alone takes. Then pruning and clustering of all kernels of MobileNet 32, in NumPy and, where
tensorflow-model-optimization and tf-keras are installed, with that toolkit (wrapped, one step of training at a learning
rate of zero, stripped). Needs the extra [keras], here or in the interpreter of LAB_KERAS_PYTHON.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab.networks.building.compress import COMPRESSED_KINDS, cluster, prune
from lab.networks.building.interpreter import keras_python
from lab.networks.building.weights import seeded_weights
from lab.networks.tables import load_network

REPEATS = 3
TARGET_S = 60

TOOLKIT = """
import setuptools, time
import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras as keras
base = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
hidden = keras.layers.Dense(256, activation="relu")(keras.layers.Flatten()(base.output))
model = keras.Model(base.input, keras.layers.Dense(100)(hidden))
def step(wrapped, callbacks):
    wrapped.compile(keras.optimizers.SGD(0.0), "mse")
    wrapped.fit(np.zeros((1, 32, 32, 3), "f"), np.zeros((1, 100), "f"), verbose=0, callbacks=callbacks)
    return wrapped
began = time.perf_counter()
schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, begin_step=0, frequency=1)
wrapped = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)
pruned = tfmot.sparsity.keras.strip_pruning(step(wrapped, [tfmot.sparsity.keras.UpdatePruningStep()]))
linear = tfmot.clustering.keras.CentroidInitialization.LINEAR
wrapped = tfmot.clustering.keras.cluster_weights(pruned, number_of_clusters=16, cluster_centroids_init=linear)
tfmot.clustering.keras.strip_clustering(step(wrapped, []))
print(time.perf_counter() - began)
"""


def median_s(work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    """The median time of some repeats, each prepared first."""
    times = []
    for _ in range(REPEATS):
        prepare()
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def build_times(scratch: Path) -> list[tuple[str, float]]:
    """Seconds of `lab models build`, by what was there before."""
    python = keras_python().path
    command = [sys.executable, "-m", "lab", "models", "build", "--only", "MobileNet 32", "--quiet"]
    caches = iter(range(REPEATS))
    place = {"cache": scratch / "cache", "out": scratch / "out"}

    def build() -> None:
        environment = {**os.environ, "LAB_CACHE": str(place["cache"])}
        subprocess.run([*command, "--out", str(place["out"])], check=True, env=environment, capture_output=True)

    def nothing_there() -> None:
        number = next(caches)
        place.update(cache=scratch / f"cache{number}", out=scratch / f"out{number}")

    def out_gone() -> None:
        for path in place["out"].iterdir():
            path.unlink()

    load = [python, "-c", "import tensorflow, keras"]
    return [
        ("importing TensorFlow and Keras", median_s(lambda: subprocess.run(load, check=True, capture_output=True))),
        ("nothing cached", median_s(build, nothing_there)),
        ("cached", median_s(build, out_gone)),
        ("in place", median_s(build)),
    ]


def numpy_s() -> float:
    """Seconds to prune, then cluster, every kernel of MobileNet 32."""
    network = load_network("MobileNet", 32)
    drawn = seeded_weights(network, 1)
    kernels = [drawn[layer.name][0] for layer in network.layers if layer.kind in COMPRESSED_KINDS]
    return median_s(lambda: [cluster(prune(kernel)) for kernel in kernels])


def toolkit_s() -> float | None:
    """Seconds that the toolkit takes for the same; ``None`` where it is not installed."""
    times = []
    for _ in range(REPEATS):
        done = subprocess.run(
            [keras_python().path, "-c", TOOLKIT],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "-1"},
            check=False,
        )
        if done.returncode:
            return None
        times.append(float(done.stdout))
    return statistics.median(times)


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as scratch:
        (name, floor_s), *rest = build_times(Path(scratch))
    print("| `lab models build --only 'MobileNet 32'` | time | ratio | target |\n|---|---|---|---|")
    print(f"| {name} | {floor_s:.1f} s | 1 | |")
    for name, seconds in rest:
        target = f"{TARGET_S} s" if name == "nothing cached" else ""
        print(f"| {name} | {seconds:.1f} s | {seconds / floor_s:.2f} | {target} |")
    ours, theirs = numpy_s(), toolkit_s()
    print("\n| pruning and clustering MobileNet 32 | time | ratio |\n|---|---|---|")
    print(f"| NumPy | {ours:.2f} s | 1 |")
    print("| toolkit | not installed | |" if theirs is None else f"| toolkit | {theirs:.1f} s | {theirs / ours:.0f} |")


if __name__ == "__main__":
    main()
