"""The process that builds one network: Keras model, weights, compression, conversion.

    python -m lab.networks.building.worker < request.json

The only module that loads TensorFlow, so that its gigabytes and its chatter end with the process: standard output
carries one JSON document per line and nothing else, everything that libraries write goes to standard error.

Request: ``{"network", "input_size", "seed", "weights": FILE or null, "whole": bool, "dataset": FOLDER or null,
"images": N, "builds": [{"compression", "clustering", "file"}, …]}``. Answers, in this order: ``{"event": "network",
"layers": […]}``, then for each build ``{"event": "begins", "file"}`` and ``{"event": "built", "file", "kernels",
"operators", "input", "output"}``, at last ``{"event": "done", "peak_rss_bytes"}``. For weights that cannot be taken
there is ``{"event": "refused", "why"}`` alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lab.networks.building.bias_correction import correct_biases, mean_errors
from lab.networks.building.compress import COMPRESSED_KINDS, cluster, prune
from lab.networks.building.definitions import base_model, layer_rows, with_head
from lab.networks.building.images import representative_images
from lab.networks.building.tflite_file import counted, operator_rows, read_model
from lab.networks.building.weights import seeded_weights
from lab.networks.tables import load_network


class WeightsError(Exception):
    """A file with trained weights does not hold those of the network."""


class Worker:
    """One network at one input size, and what is asked of it."""

    def __init__(self, request: Mapping[str, Any], answers: IO[str]) -> None:
        self._request = request
        self._answers = answers

    def work(self) -> None:
        """Build everything that the request names."""
        import tensorflow

        request = self._request
        model = self._model()
        self.say("network", layers=layer_rows(model), tensorflow=tensorflow.__version__)
        original = {layer.name: layer.get_weights() for layer in model.layers}
        for build in request["builds"]:
            self.say("begins", file=build["file"])
            kernels = self._compress(model, original, build)
            quantized = "Q" in build["compression"]
            content = self._converted(model, quantized)
            Path(build["file"]).write_bytes(content)
            read = read_model(content)
            self.say(
                "built",
                file=build["file"],
                kernels=kernels,
                operators=operator_rows(read),
                input=read.input,
                output=read.output,
            )
        # Linux counts in KiB.
        self.say("done", peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)

    def _model(self) -> Any:
        request = self._request
        network = load_network(request["network"], request["input_size"])
        base = base_model(network.name, network.input_size)
        if request["weights"] and not request["whole"]:
            self._load(base)
        model = with_head(base)
        if request["weights"] and request["whole"]:
            self._load(model)
            return model
        # Trained weights come without the head's: those are drawn.
        drawn = seeded_weights(network, request["seed"])
        known = {layer.name for layer in base.layers} if request["weights"] else set()
        for layer in model.layers:
            if layer.name in drawn and layer.name not in known:
                layer.set_weights(drawn[layer.name])
        return model

    def _load(self, model: Any) -> None:
        try:
            model.load_weights(self._request["weights"])
        except Exception as error:
            # A file of another network, or no such file at all: Keras and HDF5 have many words for it.
            raise WeightsError(f"{type(error).__name__}: {error}") from error
        if not all(np.isfinite(array).all() for array in model.get_weights()):
            raise WeightsError("some of the weights are not finite")

    def _compress(
        self, model: Any, original: Mapping[str, list[NDArray[np.float32]]], build: Mapping[str, Any]
    ) -> dict[str, dict[str, int]]:
        kernels = {}
        for layer in model.layers:
            layer.set_weights(original[layer.name])
            if type(layer).__name__ not in COMPRESSED_KINDS:
                continue
            kernel = original[layer.name][0]
            if "P" in build["compression"]:
                kernel = prune(kernel)
            if "W" in build["compression"]:
                kernel = cluster(kernel, clustering=build["clustering"])
            kernels[layer.name] = kernel
        errors = {}
        if "W" in build["compression"]:
            errors = mean_errors(model, kernels, np.concatenate([image for (image,) in self._representative_dataset()]))
        for name, kernel in kernels.items():
            layer = model.get_layer(name)
            layer.set_weights([kernel, *layer.get_weights()[1:]])
        correct_biases(model, errors)
        return {name: counted(kernel) for name, kernel in kernels.items()}

    def _converted(self, model: Any, quantized: bool) -> bytes:
        import tensorflow as tf

        size = self._request["input_size"]
        signature = tf.TensorSpec((1, size, size, 3), tf.float32, name="image")
        # Traced for one image, with the weights as constants: batches of unknown size leave shape arithmetic in the
        # file, which accelerators do not take.
        function = tf.function(lambda image: model(image, training=False)).get_concrete_function(signature)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
        if quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = self._representative_dataset
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())

    def _representative_dataset(self) -> Iterator[list[NDArray[np.float32]]]:
        """One image at a time, at the network's size, preprocessed as its application wants it."""
        import keras
        import tensorflow as tf

        request = self._request
        folder = Path(request["dataset"]) if request["dataset"] else None
        module = {"InceptionV3": "inception_v3", "ResNet50": "resnet50", "MobileNet": "mobilenet", "VGG16": "vgg16"}
        preprocess = getattr(keras.applications, module[request["network"]]).preprocess_input
        size = request["input_size"]
        for image in representative_images(folder, request["seed"], request["images"]).pixels:
            resized = tf.image.resize(image[None].astype(np.float32), (size, size)).numpy()
            yield [np.asarray(preprocess(resized), np.float32)]

    def say(self, event: str, **facts: Any) -> None:
        """One answer, a line of its own."""
        print(json.dumps({"event": event, **facts}), file=self._answers, flush=True)


def main() -> None:
    """Answer the request on standard input."""
    # Libraries write to standard output too, some of them past Python: they get standard error in its place.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    worker = Worker(json.load(sys.stdin), answers)
    try:
        worker.work()
    except WeightsError as refused:
        worker.say("refused", why=str(refused))


if __name__ == "__main__":
    main()
