"""The networks of the edge-or-offload study in PyTorch, as Keras defines them, with the study's head of 256 and 100.

For a server that work is offloaded to: latency and energy depend on the shapes, not on the weights, which are drawn at
random. Layers, padding and the number of values kept are those of ``keras.applications`` with ``include_top=False``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

INPUT_SIZES = {"InceptionV3": (75, 128), "ResNet50": (32, 75, 128), "MobileNet": (32, 75, 128), "VGG16": (32, 75, 128)}


def build(name: str, size: int) -> nn.Module:
    """A network for images of ``size`` × ``size`` pixels and three colours, ready for inference."""
    makers = {"InceptionV3": _inception, "ResNet50": _resnet, "MobileNet": _mobilenet, "VGG16": _vgg}
    body = makers[name]().eval()
    with torch.inference_mode():
        features = body(torch.zeros(1, 3, size, size)).numel()
    head = nn.Sequential(nn.Flatten(), nn.Linear(features, 256), nn.ReLU(), nn.Linear(256, 100), nn.Softmax(dim=1))
    return nn.Sequential(body, head).eval()


def values_kept(network: nn.Module) -> int:
    """Parameters as Keras counts them: weights, and the means and variances of normalisations."""
    kept = [*network.parameters(), *(item for item in network.buffers() if item.dtype.is_floating_point)]
    return sum(item.numel() for item in kept)


class _PadEnd(nn.Module):
    """One row below and one column to the right, as Keras's MobileNet pads in front of strides."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, (0, 1, 0, 1))


class _Both(nn.Module):
    """Branches side by side, joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class _Residual(nn.Module):
    """A branch and a shortcut, added and rectified."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.branch(x) + self.shortcut(x))


def _vgg() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _mobilenet() -> nn.Sequential:
    def normalised(channels: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels, eps=1e-3), nn.ReLU6()]

    layers = [_PadEnd(), nn.Conv2d(3, 32, 3, stride=2, bias=False), *normalised(32)]
    channels = 32
    blocks = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
    for filters, stride in blocks:
        padding = [_PadEnd()] if stride == 2 else []
        spatial = nn.Conv2d(
            channels, channels, 3, stride=stride, padding=0 if stride == 2 else 1, groups=channels, bias=False
        )
        layers += [*padding, spatial, *normalised(channels)]
        layers += [nn.Conv2d(channels, filters, 1, bias=False), *normalised(filters)]
        channels = filters
    return nn.Sequential(*layers)


def _resnet() -> nn.Sequential:
    def convolution(into: int, filters: int, size: int, stride: int = 1) -> list[nn.Module]:
        return [
            nn.Conv2d(into, filters, size, stride=stride, padding=size // 2),
            nn.BatchNorm2d(filters, eps=1.001e-5),
        ]

    layers = [*convolution(3, 64, 7, stride=2), nn.ReLU(), nn.ZeroPad2d(1), nn.MaxPool2d(3, stride=2)]
    channels = 64
    for filters, count, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for index in range(count):
            stride = first_stride if index == 0 else 1
            branch = nn.Sequential(
                *convolution(channels, filters, 1, stride),
                nn.ReLU(),
                *convolution(filters, filters, 3),
                nn.ReLU(),
                *convolution(filters, 4 * filters, 1),
            )
            shortcut = nn.Identity() if index else nn.Sequential(*convolution(channels, 4 * filters, 1, stride))
            layers.append(_Residual(branch, shortcut))
            channels = 4 * filters
    return nn.Sequential(*layers)


def _inception() -> nn.Sequential:
    def unit(into: int, filters: int, size: int | tuple[int, int], stride: int = 1, same: bool = True) -> nn.Sequential:
        sizes = (size, size) if isinstance(size, int) else size
        padding = (sizes[0] // 2, sizes[1] // 2) if same else (0, 0)
        normalised = nn.BatchNorm2d(filters, eps=1e-3)
        normalised.register_parameter("weight", None)  # scale=False
        return nn.Sequential(
            nn.Conv2d(into, filters, sizes, stride=stride, padding=padding, bias=False), normalised, nn.ReLU()
        )

    def chain(into: int, *steps: tuple[int, int | tuple[int, int]]) -> nn.Sequential:
        units = []
        for filters, size in steps:
            units.append(unit(into, filters, size))
            into = filters
        return nn.Sequential(*units)

    def pooled(into: int, filters: int) -> nn.Sequential:
        mean = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        return nn.Sequential(mean, unit(into, filters, 1))

    def shrunk(*steps: nn.Module) -> nn.Sequential:
        return nn.Sequential(*steps)

    row, column = (1, 7), (7, 1)
    layers: list[nn.Module] = [
        unit(3, 32, 3, stride=2, same=False),
        unit(32, 32, 3, same=False),
        unit(32, 64, 3),
        nn.MaxPool2d(3, stride=2),
        unit(64, 80, 1, same=False),
        unit(80, 192, 3, same=False),
        nn.MaxPool2d(3, stride=2),
    ]
    channels = 192
    for filters in (32, 64, 64):
        layers.append(
            _Both(
                unit(channels, 64, 1),
                chain(channels, (48, 1), (64, 5)),
                chain(channels, (64, 1), (96, 3), (96, 3)),
                pooled(channels, filters),
            )
        )
        channels = 64 + 64 + 96 + filters
    layers.append(
        _Both(
            unit(288, 384, 3, stride=2, same=False),
            shrunk(unit(288, 64, 1), unit(64, 96, 3), unit(96, 96, 3, stride=2, same=False)),
            nn.MaxPool2d(3, stride=2),
        )
    )
    layers += [
        _Both(
            unit(768, 192, 1),
            chain(768, (filters, 1), (filters, row), (192, column)),
            chain(768, (filters, 1), (filters, column), (filters, row), (filters, column), (192, row)),
            pooled(768, 192),
        )
        for filters in (128, 160, 160, 192)
    ]
    layers.append(
        _Both(
            shrunk(unit(768, 192, 1), unit(192, 320, 3, stride=2, same=False)),
            shrunk(
                unit(768, 192, 1), unit(192, 192, row), unit(192, 192, column), unit(192, 192, 3, stride=2, same=False)
            ),
            nn.MaxPool2d(3, stride=2),
        )
    )
    channels = 1280
    for _ in range(2):
        layers.append(
            _Both(
                unit(channels, 320, 1),
                nn.Sequential(unit(channels, 384, 1), _Both(unit(384, 384, (1, 3)), unit(384, 384, (3, 1)))),
                nn.Sequential(
                    unit(channels, 448, 1), unit(448, 384, 3), _Both(unit(384, 384, (1, 3)), unit(384, 384, (3, 1)))
                ),
                pooled(channels, 192),
            )
        )
        channels = 2048
    return nn.Sequential(*layers)
