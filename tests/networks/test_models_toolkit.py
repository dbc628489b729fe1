"""Pruning and clustering in NumPy give what TensorFlow's model optimisation toolkit gives without fine-tuning."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from keras_interpreter import skip_without

from lab.networks.building.compress import CLUSTERINGS, SPARSE, cluster, prune

SCRIPT = Path(__file__).with_name("toolkit_compression.py")
COMPRESSED = ("conv", "dense", "skewed")
SKIPPED = ("depthwise", "normalisation")


@pytest.mark.slow
def test_kernels_are_those_of_the_toolkit(tmp_path: Path) -> None:
    python = skip_without("tensorflow_model_optimization", "tf_keras")
    result = tmp_path / "kernels.npz"
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([python, SCRIPT, result], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(result) as found:
        for layer in COMPRESSED:
            pruned = prune(found[f"original/{layer}"])
            np.testing.assert_array_equal(pruned, found[f"pruned/{layer}"])
            assert not np.array_equal(pruned, found[f"original/{layer}"])
            for clustering in CLUSTERINGS:
                ours, theirs = cluster(pruned, clustering=clustering), found[f"{clustering}/{layer}"]
                # Centroids to a rounding of float32; nearest ones all the same.
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * float(np.ptp(pruned)))
                assert bool(np.count_nonzero(ours == 0) >= pruned.size // 2) == (clustering == SPARSE)
        for layer in SKIPPED:
            for stage in ("pruned", *CLUSTERINGS):
                np.testing.assert_array_equal(found[f"original/{layer}"], found[f"{stage}/{layer}"])
