#!/usr/bin/env python3
"""Runs one of the study's networks with PyTorch, on a server's CPU or GPU, and says how long it takes.

    python3 run_network.py --network=MobileNet --input=128 --device=cuda --num_runs=50 --json

Flags, loop and printed lines are those of ``../litert/run_model.py``, by the same ``measuring.py``, and so are the exit
codes. An inference is a request's: on a GPU the image goes there and the answer comes back within its time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "litert"))

import measuring
from measuring import WrongInputError


def parse_flags(argv: list[str]) -> argparse.Namespace:
    """The flags as a namespace. Raises :class:`measuring.WrongInputError`."""
    flags = measuring.common_flags("run_network.py", (__doc__ or "").splitlines()[0])
    flags.add_argument("--network", default="", metavar="NAME", help="InceptionV3, ResNet50, MobileNet or VGG16")
    flags.add_argument("--input", type=measuring.whole, default=0, metavar="PIXELS", help="edge of its square input")
    flags.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, cuda, cuda:1 (cpu)")
    chosen = flags.parse_args(argv)
    if not (chosen.version or (chosen.network and chosen.input)):
        raise WrongInputError("the following arguments are required: --network, --input")
    return chosen


def find_torch():
    """PyTorch. Raises :class:`measuring.WrongInputError` if it is not there."""
    try:
        import torch
    except ImportError as error:
        why = "is not installed" if getattr(error, "name", "") == "torch" else f"does not load: {error}"
        raise WrongInputError(f"PyTorch {why} for {sys.executable}; pip install torch") from None
    return torch


def about() -> dict:
    """What runs the networks, and on what."""
    torch = find_torch()
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {"package": "torch", "version": torch.__version__, "python": sys.version.split()[0], "gpu": gpu}


class TorchModel:
    """What :func:`measuring.measure` runs. Nothing is built yet."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self._torch = find_torch()
        from networks import INPUT_SIZES

        if flags.input not in INPUT_SIZES.get(flags.network, ()):
            known = "; ".join(f"{name} {', '.join(map(str, sizes))}" for name, sizes in INPUT_SIZES.items())
            raise WrongInputError(f"there is no network {flags.network} {flags.input}; there are {known}")
        try:
            self._device = self._torch.device(flags.device)
            self._torch.zeros(1, device=self._device)
        except (RuntimeError, AssertionError) as error:
            raise WrongInputError(f"--device={flags.device}: {measuring.one_line(error).split('. ')[0]}") from None
        self._flags = flags
        self.name, self.bytes = f"{flags.network}_{flags.input}", 0
        self.runtime = about()
        self.asked = {"device": flags.device}

    def load(self):
        """The network, its weights on the device."""
        from networks import build, values_kept

        torch, flags = self._torch, self._flags
        if flags.num_threads > 0:
            torch.set_num_threads(flags.num_threads)
        torch.manual_seed(flags.seed)
        network = build(flags.network, flags.input)
        self.bytes = 4 * values_kept(network)
        return Requests(torch, network.to(self._device), self._device, flags.input)


class Requests:
    """A network as ``measuring`` drives an interpreter: an input is set, then the inference is made."""

    def __init__(self, torch, network, device, size: int) -> None:
        self._torch, self._network, self._device, self._size = torch, network, device, size
        self._image = self.answer = None

    def get_input_details(self) -> list[dict]:
        """One image, channels first."""
        return [{"index": 0, "name": "image", "shape": (1, 3, self._size, self._size), "dtype": "float32"}]

    def set_tensor(self, index: int, values) -> None:
        """The image of the next request, in the server's memory."""
        self._image = self._torch.from_numpy(values)

    def invoke(self) -> None:
        """There and back: reading the answer waits for the GPU."""
        with self._torch.inference_mode():
            self.answer = self._network(self._image.to(self._device)).cpu()


if __name__ == "__main__":
    sys.exit(measuring.main(sys.argv[1:], "run_network", parse_flags, about, TorchModel))
