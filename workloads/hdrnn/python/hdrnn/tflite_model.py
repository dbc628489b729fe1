# SPDX-License-Identifier: Apache-2.0
"""The training as signatures of a TFLite model: ``train``, ``infer``, ``restore`` and ``save``.

TensorFlow writes the model; LiteRT alone runs it, with operations of its own (no TensorFlow in it). Shapes and batches
are fixed in it. A smaller last batch is filled up with images whose weight is 0.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from typing import Any

INFERENCE_BATCH = 100
"""Images of one call of ``infer``."""


def model_bytes(sizes: tuple[int, ...], batch_size: int) -> bytes:
    """The .tflite file of a network's training.

    ``train`` takes inputs (batch, sizes[0]), what is wanted (batch, sizes[-1]), and for each image (batch, 1) whether
    it counts (0 or 1) and how far its gradient moves the parameters, rate / images; it gives the sum of the losses.
    """
    import tensorflow as tf

    layers = range(len(sizes) - 1)
    shapes = [shape for inputs, neurons in pairwise(sizes) for shape in ((neurons, inputs), (neurons,))]

    def tensor(shape: tuple[int, ...]) -> Any:
        return tf.TensorSpec(shape, tf.float32)

    class Training(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [tf.Variable(tf.zeros(shape), name=f"block{i}") for i, shape in enumerate(shapes)]

        def outputs(self, inputs: Any) -> list[Any]:
            found = [inputs]
            for layer in layers:
                sums = tf.matmul(found[-1], self.blocks[2 * layer], transpose_b=True) + self.blocks[2 * layer + 1]
                found.append(tf.sigmoid(sums))
            return found

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[
                tensor((batch_size, sizes[0])),
                tensor((batch_size, sizes[-1])),
                tensor((batch_size, 1)),
                tensor((batch_size, 1)),
            ]
        )
        def train(self, inputs: Any, wanted: Any, counts: Any, scale: Any) -> dict[str, Any]:
            outputs = self.outputs(inputs)
            difference = (outputs[-1] - wanted) * counts
            delta = difference * outputs[-1] * (1 - outputs[-1]) * scale
            steps: list[Any] = [None] * len(shapes)
            for layer in reversed(layers):
                steps[2 * layer] = tf.matmul(delta, outputs[layer], transpose_a=True)
                steps[2 * layer + 1] = tf.reduce_sum(delta, axis=0)
                if layer:
                    delta = tf.matmul(delta, self.blocks[2 * layer]) * outputs[layer] * (1 - outputs[layer])
            for block, step in zip(self.blocks, steps, strict=True):
                block.assign(block - step)
            return {"loss": 0.5 * tf.reduce_sum(difference * difference)}

        @tf.function(input_signature=[tensor((INFERENCE_BATCH, sizes[0]))])  # type: ignore[untyped-decorator]
        def infer(self, inputs: Any) -> dict[str, Any]:
            return {"outputs": self.outputs(inputs)[-1]}

        @tf.function(input_signature=[[tensor(shape) for shape in shapes]])  # type: ignore[untyped-decorator]
        def restore(self, blocks: list[Any]) -> dict[str, Any]:
            for own, given in zip(self.blocks, blocks, strict=True):
                own.assign(given)
            return {"restored": tf.constant(len(shapes))}

        @tf.function(input_signature=[tensor((1,))])  # type: ignore[untyped-decorator]
        def save(self, one: Any) -> dict[str, Any]:
            """``one`` is 1: a signature needs something to take."""
            return {f"block{i}": block * one[0] for i, block in enumerate(self.blocks)}

    training = Training()
    names = ("train", "infer", "restore", "save")
    with tempfile.TemporaryDirectory() as folder:
        signatures = {name: getattr(training, name).get_concrete_function() for name in names}
        tf.saved_model.save(training, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.experimental_enable_resource_variables = True
        converted: bytes = converter.convert()
    return converted
