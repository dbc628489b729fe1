"""Accuracy of int8 networks relative to their float ones, over widths and trainings, on this machine alone.

The arithmetic is the boards', bit for bit (the tests hold all of them to one reference), so a thousand images need no
serial line. Beside the two schemes: the same networks with sums that wrap at 16 bits, with biases of a byte, and
compared as the study on 8-bit microcontrollers did, 300 images against 1,000. Digits: MNIST's test files.

    python benchmarks/int8_accuracy.py --data /path/to/mnist
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workloads" / "tinynet"))

import narrow_sums  # noqa: E402

from tinynet.architecture import create_network  # noqa: E402
from tinynet.data import load_data, parse_split  # noqa: E402
from tinynet.inference import accuracy  # noqa: E402
from tinynet.quantize import quantize  # noqa: E402
from tinynet.scales import parse_scale  # noqa: E402
from tinynet.training import TrainingOptions, train  # noqa: E402

LAYERS = "flatten tanh dense{width} relu dense10 softmax"
IMAGES, FEW = 1000, 300


def main() -> int:
    """Train, quantise, compare, print a line for each network and the extremes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--widths", type=int, nargs="+", default=list(range(4, 33, 2)))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    args = parser.parse_args()
    data = load_data(args.data, parse_split("8000/2000"))
    tests = data.test.first(IMAGES)
    print(f"{'width':>5} {'seed':>4} {'scheme':<11} {'float':>6} {'same':>6} {'300':>6} {'wrap':>6} {'bytes':>6}")
    rows: list[tuple[int, float, float, float, float]] = []
    for width in args.widths:
        for seed in args.seeds:
            network = create_network(LAYERS.format(width=width), (28, 28), parse_scale("study"), seed)
            network = train(network, data.train, data.test, TrainingOptions(seed=seed))
            host = accuracy(network, tests)
            for scheme in ("pow2", "per-channel"):
                quantized = quantize(network, data.train.inputs[:IMAGES], scheme, "max")
                ways = (None, narrow_sums.wrapped, narrow_sums.with_byte_biases)
                right = [narrow_sums.classes(quantized, tests.inputs, way) == tests.labels for way in ways]
                same, few, wrapped, byte = (
                    float(np.mean(part)) / host for part in (right[0], right[0][:FEW], right[1], right[2])
                )
                rows.append((width, same, few, wrapped, byte))
                print(
                    f"{width:5} {seed:4} {scheme:<11} {host:6.3f} {same:6.3f} {few:6.3f} {wrapped:6.3f} {byte:6.3f}",
                    flush=True,
                )
    for least in (min(args.widths), 10):
        chosen = np.array([row[1:] for row in rows if row[0] >= least])
        if len(chosen):
            low, high = chosen.min(axis=0), chosen.max(axis=0)
            names = ("same images", "300 against 1000", "wrapping", "byte biases")
            spans = ", ".join(f"{name} {a:.3f}…{b:.3f}" for name, a, b in zip(names, low, high, strict=True))
            print(f"widths from {least}: {len(chosen)} networks; {spans}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
