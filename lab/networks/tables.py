"""The benchmark's networks as layer tables, and the names of their 33 variations.

The tables (``lab/networks/data``) are computed from the Keras definitions by
``workloads/networks/make_layer_tables.py`` and read here with the standard library alone, one file when it is first
asked for.

The networks, input sizes, compressions and the way variations are named are those of E. Frennborn, A. Oliv, *Neural
Networks, Edge Computing or Offloading*, Chalmers 2022.
"""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from lab.errors import DataError, UsageError

INPUT_SIZES: dict[str, tuple[int, ...]] = {
    "InceptionV3": (75, 128),
    "ResNet50": (32, 75, 128),
    "MobileNet": (32, 75, 128),
    "VGG16": (32, 75, 128),
}
"""Network → edge lengths of its square inputs, in pixels."""

UNCOMPRESSED = "none"
COMPRESSIONS: tuple[str, ...] = (UNCOMPRESSED, "PQ", "PWQ")
"""P: pruned to 50 % zeros; W: weights clustered to 16 values per layer; Q: full 8-bit integer quantisation."""

_UNCOMPRESSED_NAMES = ("none", "uncompressed", "")


@dataclass(frozen=True, slots=True)
class Layer:
    """One Keras layer, for one image.

    ``kind`` is the Keras class; ``macs`` counts multiply-accumulates; ``input_elements`` are those of all inputs
    together; ``kernel`` and ``stride`` are (height, width) or ``None``; ``output_shape`` is without the batch axis.
    """

    name: str
    kind: str
    parameters: int
    macs: int
    input_elements: int
    output_elements: int
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    output_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A network at one input size: its Keras layers in the order of execution."""

    name: str
    input_size: int
    layers: tuple[Layer, ...]

    @property
    def title(self) -> str:
        """Name and input size, as in ``MobileNet 32``."""
        return f"{self.name} {self.input_size}"

    @property
    def parameters(self) -> int:
        """All parameters, trained or not."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def depth(self) -> int:
        """Number of layers that have parameters: how Keras counts the depth of its applications."""
        return sum(layer.parameters > 0 for layer in self.layers)


@dataclass(frozen=True, slots=True, order=True)
class Variation:
    """A network at one input size, compressed or not."""

    network: str
    input_size: int
    compression: str = UNCOMPRESSED

    @property
    def name(self) -> str:
        """As in ``MobileNet PQ 32``, and ``MobileNet 32`` for the uncompressed one."""
        return " ".join(self._parts())

    @property
    def file_name(self) -> str:
        """The file that holds it, as in ``MobileNet_PQ_32.tflite``."""
        return "_".join(self._parts()) + ".tflite"

    @property
    def title(self) -> str:
        """The network's title, whatever the compression: ``MobileNet 32``."""
        return f"{self.network} {self.input_size}"

    @property
    def is_quantized(self) -> bool:
        """True if weights and activations are 8-bit integers."""
        return "Q" in self.compression

    @property
    def element_bytes(self) -> int:
        """Bytes of one weight or activation: 1 for 8-bit integers, 4 for float32."""
        return 1 if self.is_quantized else 4

    def _parts(self) -> list[str]:
        compression = [] if self.compression == UNCOMPRESSED else [self.compression]
        return [self.network, *compression, str(self.input_size)]


def variation(network: object, input_size: object, compression: object = UNCOMPRESSED) -> Variation:
    """The variation that an experiment's values mean; upper and lower case are not told apart.

    Raises :class:`lab.errors.UsageError` for a network, size or compression that there is not.
    """
    name = _match("network", str(network), list(INPUT_SIZES))
    sizes = INPUT_SIZES[name]
    try:
        size = int(str(input_size))
    except ValueError:
        size = -1
    if size not in sizes:
        known = ", ".join(map(str, sizes))
        raise UsageError(f"{name} has no input size {input_size!r}", advice=f"its input sizes are {known}")
    wanted = str(compression).strip()
    if wanted.lower() in _UNCOMPRESSED_NAMES:
        return Variation(name, size, UNCOMPRESSED)
    return Variation(name, size, _match("compression", wanted, list(COMPRESSIONS)))


def parse_variation(name: str) -> Variation:
    """The variation of a name (``MobileNet PQ 32``) or of a file name (``MobileNet_PQ_32.tflite``, any folder before
    it).

    Raises :class:`lab.errors.UsageError` if it is not one of the 33.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".tflite")
    parts = base.replace("_", " ").split()
    if len(parts) == 2:
        return variation(parts[0], parts[1])
    if len(parts) == 3:
        return variation(parts[0], parts[2], parts[1])
    raise UsageError(f"{name!r} does not name a network variation", advice="write it as in 'MobileNet PQ 32'")


def variations() -> tuple[Variation, ...]:
    """All 33 variations, network by network, by input size, then uncompressed, PQ, PWQ."""
    return tuple(
        Variation(name, size, compression)
        for name, sizes in INPUT_SIZES.items()
        for size in sizes
        for compression in COMPRESSIONS
    )


@cache
def load_network(name: str, input_size: int) -> Network:
    """The layer table of a network at one input size.

    Raises :class:`lab.errors.UsageError` for a network or size that there is not, :class:`lab.errors.DataError` if the
    shipped table is damaged.
    """
    chosen = variation(name, input_size)
    file = f"{chosen.network}_{chosen.input_size}.csv"
    text = resources.files("lab.networks").joinpath("data", file).read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    try:
        layers = tuple(_layer(row) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the layer table {file} is damaged: {error}",
            advice="make it again with workloads/networks/make_layer_tables.py",
        ) from error
    return Network(chosen.network, chosen.input_size, layers)


def _layer(row: dict[str, str]) -> Layer:
    return Layer(
        name=row["name"],
        kind=row["kind"],
        parameters=int(row["parameters"]),
        macs=int(row["macs"]),
        input_elements=int(row["input_elements"]),
        output_elements=int(row["output_elements"]),
        kernel=_pair(row["kernel"]),
        stride=_pair(row["stride"]),
        output_shape=_sizes(row["output_shape"]),
    )


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split("x"))


def _pair(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    height, width = _sizes(text)
    return height, width


def _match(what: str, wanted: str, known: list[str]) -> str:
    for name in known:
        if name.lower() == wanted.strip().lower():
            return name
    close = difflib.get_close_matches(wanted, known, 1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"there is no {what} {wanted!r}", advice=f"{hint}known: {', '.join(known)}")
