"""How many cycles does a multiply-accumulate take on an ATmega1284P, and how much flash does a network?

    python benchmarks/avr_kernels.py [--widths 8 32 40] [--options O1 O2 O3 Os]

784-WIDTH-10 in simavr at 20 MHz, the pin's edges counted in cycles: our kernels in both schemes, the portable C beside
them, the study's printed figures (H. O. Lofstad, NTNU 2021, Table 4.5; ATmega4809 and NNoM), and the floor: lpm, mul,
add, adc, adc are 8 cycles. Every output is compared with the reference. Flash is that of the firmware with the study's
protocol. Then convolutions, and the same network pruned. Needs gcc-avr, avr-libc and libsimavr-dev.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

TINYNET = Path(__file__).resolve().parents[1] / "workloads" / "tinynet"
sys.path.insert(0, str(TINYNET))

from tinynet.bounds import with_proved_widths  # noqa: E402
from tinynet.export_c import Target  # noqa: E402
from tinynet.firmware import CLOCK_HZ, Option, build  # noqa: E402
from tinynet.network import InputScale  # noqa: E402
from tinynet.quantized import QuantizedNetwork, Scheme  # noqa: E402
from tinynet.quantized_layer import QuantizedLayer, output_shape  # noqa: E402

FLOOR_CYCLES = 8.0
IMAGES = 3
PRINTED = {
    (8, "O1"): (9.06, 23120),
    (8, "O2"): (8.04, 22976),
    (8, "O3"): (8.09, 25152),
    (8, "Os"): (7.01, 21984),
    (32, "O1"): (31.44, 42192),
    (32, "O2"): (27.39, 42064),
    (32, "O3"): (27.44, 44240),
    (32, "Os"): (23.14, 41072),
    (40, "O1"): (38.91, 48560),
    (40, "O2"): (33.89, 48416),
    (40, "Os"): (28.51, 47424),
}
"""Width and option → milliseconds and bytes of flash that the study prints. O3 did not fit at width 40."""


@dataclass(frozen=True)
class Taken:
    """One network on the emulated core: cycles of an inference and of each layer, bytes of flash."""

    cycles: int
    layers: list[int]
    flash_bytes: int

    @property
    def milliseconds(self) -> float:
        return 1000 * self.cycles / CLOCK_HZ


def dense_network(*widths: int, scheme: Scheme = "pow2", sparsity: float = 0.0) -> QuantizedNetwork:
    """Random weights of a trained network's size: times do not depend on their values, but for the zeros."""
    random = np.random.default_rng(0)
    layers = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        weights = random.integers(-40, 41, (outputs, inputs), dtype=np.int8)
        weights[random.random(weights.shape) < sparsity] = 0
        last = index == len(widths) - 2
        many = scheme == "per-channel"
        layers.append(
            QuantizedLayer(
                "dense",
                f"dense_{index}",
                (inputs,),
                (outputs,),
                weights=weights,
                bias=random.integers(-2000, 2000, outputs, dtype=np.int32),
                relu=not last,
                shift=None if many else 8 if last else 10,
                multipliers=random.integers(16384, 32768, outputs, np.int16) if many else None,
                shifts=random.integers(23, 26, outputs, np.uint8) if many else None,
            )
        )
    return QuantizedNetwork(scheme, (widths[0],), 1 / 8, InputScale(127.0, 8.0), with_proved_widths(layers))


def convolution(height: int, channels: int, filters: int, size: int) -> QuantizedNetwork:
    """One layer of windows over a square image."""
    random = np.random.default_rng(1)
    shape = (height, height, channels)
    layer = QuantizedLayer(
        "conv2d",
        "conv",
        shape,
        (),
        weights=random.integers(-60, 61, (filters, size, size, channels), dtype=np.int8),
        bias=random.integers(-100, 100, filters, dtype=np.int32),
        shift=9,
        relu=True,
        size=size,
    )
    layer = replace(layer, output_shape=output_shape(layer))
    return QuantizedNetwork("pow2", shape, 1 / 8, InputScale(127.0, 8.0), with_proved_widths([layer]))


def measure(network: QuantizedNetwork, option: Option, feeder: Path, folder: Path, kernels: Target = "avr") -> Taken:
    """Run it, compare every output with the reference, count the cycles."""
    build(network, "atmega1284p", option, "bare", folder, baud=500_000, kernels=kernels)
    inputs = np.random.default_rng(2).integers(-128, 128, (IMAGES, network.inputs), dtype=np.int8)
    done = subprocess.run(
        [feeder, folder / "firmware.elf", str(CLOCK_HZ), str(network.inputs), str(network.outputs), "60"],
        input=inputs.tobytes(),
        capture_output=True,
        check=True,
    )
    outputs = np.frombuffer(done.stdout, np.int8).reshape(-1, network.outputs)
    if not np.array_equal(outputs, network.infer(inputs)):
        raise SystemExit("the AVR's outputs differ from the reference's")
    events = [line.split() for line in done.stderr.decode().splitlines()]
    begin = next(at for at, event in enumerate(events) if event[:2] == ["window", "1"])
    times = [int(event[2]) for event in events[begin : begin + len(network.layers) + 2]]
    layers = [after - before for before, after in pairwise(times[:-1])]
    flash_bytes = build(network, "atmega1284p", option, "study", folder, kernels=kernels).flash_bytes
    return Taken(times[-1] - times[0], layers, flash_bytes)


def say(name: str, network: QuantizedNetwork, taken: Taken, beside: str = "") -> None:
    macs = sum(layer.macs for layer in network.layers)
    layers = "+".join(f"{1000 * cycles / CLOCK_HZ:.2f}" for cycles in taken.layers)
    print(
        f"{name:34s} {taken.milliseconds:8.3f} ms  {taken.cycles / macs:6.2f} cycles/MAC  "
        f"{taken.flash_bytes:6d} B  layers {layers} ms{beside}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 32, 40])
    parser.add_argument("--options", nargs="+", default=["O1", "O2", "O3", "Os"], choices=["O1", "O2", "O3", "Os"])
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="avr-kernels-") as folder:
        place = Path(folder)
        subprocess.run(["make", "-s", "-C", TINYNET / "firmware", f"BUILD={folder}", "simavr"], check=True)
        feeder = place / "simavr_feed"
        for width in chosen.widths:
            macs = 784 * width + 10 * width
            print(f"\n784-{width}-10: {macs} MACs; the floor is {1000 * FLOOR_CYCLES * macs / CLOCK_HZ:.3f} ms")
            for option in chosen.options:
                milliseconds, flash = PRINTED.get((width, option), (None, None))
                printed = "the study's did not fit"
                if milliseconds is not None:
                    printed = f"the study's {milliseconds} ms, {milliseconds * CLOCK_HZ / 1000 / macs:.1f}, {flash} B"
                for scheme in ("pow2", "per-channel"):
                    network = dense_network(784, width, 10, scheme=scheme)
                    taken = measure(network, option, feeder, place / "built")
                    say(f"  -{option} {scheme}", network, taken, f"   {printed}" if scheme == "pow2" else "")
                network = dense_network(784, width, 10)
                say(f"  -{option} pow2, portable C", network, measure(network, option, feeder, place / "built", "c"))
        print("\n784-32-10, weights set to zero, -Os")
        for sparsity in (0.0, 0.5, 0.8, 0.9, 0.95):
            network = dense_network(784, 32, 10, sparsity=sparsity)
            say(f"  sparsity {sparsity:.2f}", network, measure(network, "Os", feeder, place / "built"))
        print("\nconvolutions, -Os")
        for height, channels, filters, size in ((28, 1, 8, 3), (13, 8, 12, 3), (13, 8, 16, 5)):
            network = convolution(height, channels, filters, size)
            name = f"  {height} × {height} × {channels}, {filters} of {size} × {size}"
            say(name, network, measure(network, "Os", feeder, place / "built"))
            say(f"{name}, portable C", network, measure(network, "Os", feeder, place / "built", "c"))


if __name__ == "__main__":
    main()
