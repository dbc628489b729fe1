# SPDX-License-Identifier: Apache-2.0
"""Training in PyTorch as one writes it there: layers, a loss, its gradient by autograd, a step of an optimiser."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hdrnn.digits import DIGITS, DigitSet
from hdrnn.network import Floats, Network
from hdrnn.order import Numbers

_IMAGES_AT_ONCE = 1024


class TorchEngine:
    """Eager mode, on the CPU, on one thread."""

    kernel = f"PyTorch {torch.__version__}"

    def __init__(self, network: Network, batch_size: int) -> None:
        torch.set_num_threads(1)
        self._network = network
        self._dtype = torch.from_numpy(network.parameters).dtype
        self._wanted = torch.eye(DIGITS, dtype=self._dtype)
        self._module = nn.Sequential()
        for weights, biases in network.layers():
            linear = nn.Linear(weights.shape[1], weights.shape[0], dtype=self._dtype)
            # The layers' parameters are the network's own memory: what a step moves is moved there.
            linear.weight = nn.Parameter(torch.from_numpy(weights))
            linear.bias = nn.Parameter(torch.from_numpy(biases))
            self._module.extend([linear, nn.Sigmoid()])
        # What PyTorch loads only at an optimiser's first step (seconds of it) is no part of training.
        torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0).step()

    def epoch(self, digits: DigitSet, order: Numbers, batch_size: int, rate: float) -> float:
        """See :class:`hdrnn.engine.Engine`."""
        pixels, labels = torch.from_numpy(digits.pixels), torch.from_numpy(digits.labels).long()
        optimizer = torch.optim.SGD(self._module.parameters(), lr=rate)
        loss = 0.0
        for batch in torch.from_numpy(order.astype(np.int64)).split(batch_size):
            optimizer.zero_grad()
            outputs = self._module(pixels[batch].to(self._dtype) / 255)
            mean_loss = 0.5 * (outputs - self._wanted[labels[batch]]).square().sum() / len(batch)
            mean_loss.backward()
            optimizer.step()
            loss += mean_loss.item() * len(batch)
        return loss / len(order)

    def right(self, digits: DigitSet) -> int:
        """See :class:`hdrnn.engine.Engine`."""
        pixels, labels = torch.from_numpy(digits.pixels), torch.from_numpy(digits.labels)
        found = 0
        with torch.inference_mode():
            for part, wanted in zip(pixels.split(_IMAGES_AT_ONCE), labels.split(_IMAGES_AT_ONCE), strict=True):
                answers = self._module(part.to(self._dtype) / 255).argmax(dim=1)
                found += int((answers == wanted).sum())
        return found

    def outputs(self, pixels: NDArray[np.uint8]) -> Floats:
        """See :class:`hdrnn.engine.Engine`."""
        with torch.inference_mode():
            outputs: Floats = self._module(torch.tensor(pixels).to(self._dtype) / 255).numpy()
        return outputs
