# SPDX-License-Identifier: Apache-2.0
"""A quantised network as C: ``network.h`` and ``network.c``, with the runtime's files that they need beside them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from tinynet.bounds import LayerProof
from tinynet.errors import TinynetError
from tinynet.quantized import QuantizedNetwork
from tinynet.quantized_layer import QuantizedLayer
from tinynet.shares import powers
from tinynet.windows import padding_before

Target = Literal["c", "avr"]
RUNTIME = Path(__file__).resolve().parent.parent / "runtime"
ALWAYS = tuple(RUNTIME / name for name in ("tn_port.h", "tn_kernels.h", "tn_choice.c"))
"""Files that go with every network: ``tn_argmax`` and ``tn_softmax`` serve whoever calls ``tn_infer``."""
LARGEST_COUNT = 65535
"""Kernels count in 16 bits."""

_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t"}


@dataclass(frozen=True, slots=True)
class Emitted:
    """The C of one layer. ``sources`` are files of the runtime to copy beside network.c; ``includes`` their headers."""

    declarations: str
    call: str
    includes: tuple[str, ...] = ("tn_kernels.h",)
    sources: tuple[Path, ...] = ()
    flash_bytes: int = 0


Emit = Callable[[int, QuantizedLayer, LayerProof, str, str], Emitted | None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. ``flash_bytes`` are those of the constants, ``memory_bytes`` those between the layers."""

    files: tuple[Path, ...]
    flash_bytes: int
    memory_bytes: int
    layers: tuple[Emitted, ...] = field(repr=False)


def export(network: QuantizedNetwork, target: Target, folder: Path, name: str = "network") -> Exported:
    """Write the network into ``folder``, which is made if it is not there.

    Raises TinynetError where the kernels cannot count that far or the files cannot be written.
    """
    for layer in network.layers:
        if max(layer.inputs, layer.outputs, layer.size, layer.stride) > LARGEST_COUNT:
            raise TinynetError(f"{layer.name} counts beyond {LARGEST_COUNT}; the kernels count in 16 bits")
    sizes = buffer_sizes(network)
    parts = [
        emit_layer(target, index, layer, proof, *_places(index, len(network.layers)))
        for index, (layer, proof) in enumerate(zip(network.layers, network.proof, strict=True))
    ]
    texts = {"network.h": _header(network, name), "network.c": _source(network, name, parts, sizes)}
    sources = sorted({*ALWAYS, *(path for part in parts for path in part.sources)})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        for path in sources:
            shutil.copyfile(path, folder / path.name)
    except OSError as error:
        raise TinynetError(f"{folder} cannot be written: {error.strerror or error}") from None
    files = tuple(folder / file for file in [*texts, *(path.name for path in sources)])
    return Exported(files, sum(part.flash_bytes for part in parts), sum(sizes), tuple(parts))


def emit_layer(target: Target, index: int, layer: QuantizedLayer, proof: LayerProof, source: str, to: str) -> Emitted:
    """The C of a layer: that of the target's own kernels where they have one for it, else that of the portable ones."""
    if target == "avr":
        from tinynet.layout_avr import emit as emit_for_avr

        own = emit_for_avr(index, layer, proof, source, to)
        if own is not None:
            return own
    return emit_portable(index, layer, proof, source, to)


def buffer_sizes(network: QuantizedNetwork) -> tuple[int, int]:
    """Bytes of the two buffers that layers but the last write to, in turn."""
    between = [layer.outputs for layer in network.layers[:-1]]
    return max(between[0::2], default=0), max(between[1::2], default=0)


def _places(index: int, count: int) -> tuple[str, str]:
    """Where a layer reads and writes."""
    return (
        "input" if index == 0 else f"between_{(index - 1) % 2}",
        "output" if index == count - 1 else f"between_{index % 2}",
    )


# ------------------------------------------------------------------------------------------------- portable kernels


def emit_portable(index: int, layer: QuantizedLayer, proof: LayerProof, source: str, target: str) -> Emitted:
    """The call of a portable kernel, and the constants it reads."""
    constants: list[tuple[str, NDArray[Any]]] = []
    window = ""

    def constant(name: str, values: NDArray[Any] | None) -> str:
        assert values is not None
        constants.append((f"layer_{index}_{name}", values))
        return constants[-1][0]

    if layer.kind in ("conv2d", "maxpool", "avgpool"):
        window = _window(f"layer_{index}_window", layer)
    arguments: list[str] = [source, target]
    if layer.kind in ("relu", "table"):
        function, file = f"tn_{layer.kind}", "tn_pointwise.c"
        arguments += [str(layer.outputs)]
        if layer.kind == "table":
            arguments += [constant("table", layer.table)]
    elif layer.kind == "maxpool":
        function, file = "tn_maxpool", "tn_pool.c"
        arguments += [f"&layer_{index}_window"]
    elif layer.kind == "avgpool":
        function, file = f"tn_avgpool_{_way(layer)}{16 if proof.accumulator_bits == 16 else 32}", "tn_pool.c"
        arguments += [f"&layer_{index}_window"]
        if layer.multipliers is not None and layer.shifts is not None:
            arguments += [str(layer.multipliers[0]), str(layer.shifts[0]), str(layer.low)]
        else:
            arguments += [str(layer.shift), str(layer.low)]
    else:
        verb = "dense" if layer.kind == "dense" else "conv"
        function, file = f"tn_{verb}_{_way(layer)}{layer.accumulator_bits}", f"tn_{verb}.c"
        arguments += [constant("weights", layer.weights), constant("bias", layer.bias)]
        if layer.kind == "dense":
            arguments += [str(layer.inputs), str(layer.outputs)]
        else:
            arguments += [f"&layer_{index}_window"]
        if layer.shift is None:
            arguments += [constant("multipliers", layer.multipliers), constant("shifts", layer.shifts)]
        else:
            arguments += [str(layer.shift)]
        arguments += [str(layer.low)]
    return Emitted(
        declarations="".join(c_array(name, values) for name, values in constants) + window,
        call=f"{function}({', '.join(arguments)});",
        sources=tuple(RUNTIME / name for name in ("tn_kernels.h", "tn_sums.h", file)),
        flash_bytes=sum(values.nbytes for _, values in constants) + (20 if window else 0),
    )


def _way(layer: QuantizedLayer) -> str:
    return "scale" if layer.shift is None else "shift"


def _window(name: str, layer: QuantizedLayer) -> str:
    height, width, channels = layer.input_shape
    rows, columns, filters = layer.output_shape
    before = [padding_before(side, layer.size, layer.stride, layer.padding)[0] for side in (height, width)]
    numbers = (height, width, channels, layer.size, layer.stride, *before, rows, columns, filters)
    return f"static const tn_window_t {name} TN_FLASH = {{{', '.join(map(str, numbers))}}};\n"


def c_array(name: str, values: NDArray[Any], per_line: int = 24) -> str:
    """A constant array in flash, as C text."""
    kind = _TYPES[values.dtype.name]
    numbers = [_number(value) for value in values.ravel().tolist()]
    lines = [", ".join(numbers[start : start + per_line]) for start in range(0, len(numbers), per_line)]
    body = ",\n    ".join(lines)
    return f"static const {kind} {name}[{len(numbers)}] TN_FLASH = {{\n    {body}}};\n"


def _number(value: int) -> str:
    # C has no negative literals: -2147483648 would be the negation of a number too large for int.
    return str(value) if value > -(1 << 31) else "(-2147483647 - 1)"


# ------------------------------------------------------------------------------------------------------ the two files


def _header(network: QuantizedNetwork, name: str) -> str:
    digest = ", ".join(f"0x{byte:02x}" for byte in network.hash)
    return f"""/* Written by tn.py export. */
#ifndef TN_NETWORK_H
#define TN_NETWORK_H

#include <stdint.h>

#define TN_MODEL_NAME "{_plain_name(name)}"
#define TN_MODEL_HASH {{{digest}}}
#define TN_INPUT_BYTES {network.inputs}
#define TN_OUTPUT_BYTES {network.outputs}
#define TN_LAYERS {len(network.layers)}

/* TN_INPUT_BYTES signed bytes in, TN_OUTPUT_BYTES out. Not reentrant: the layers share two static buffers. */
void tn_infer(const int8_t *input, int8_t *output);

/* Softmax of the outputs, as shares of 255. There with -DTN_SHARES; its table takes 512 bytes of flash. */
void tn_shares(const int8_t *output, uint8_t *shares);

#endif
"""


def _source(network: QuantizedNetwork, name: str, parts: Sequence[Emitted], sizes: tuple[int, int]) -> str:
    includes = "".join(f'#include "{header}"\n' for header in _once(h for part in parts for h in part.includes))
    buffers = "".join(f"static int8_t between_{i}[{size}];\n" for i, size in enumerate(sizes) if size)
    constants = "\n".join(
        f"/* {index}: {_summary(layer)} */\n{part.declarations}"
        for index, (layer, part) in enumerate(zip(network.layers, parts, strict=True))
    )
    calls = "".join(f"    {part.call}\n    TN_LAYER_DONE({index});\n" for index, part in enumerate(parts))
    return f"""/* Written by tn.py export: {_plain_name(name)}, {network.scheme}, {network.hash.hex()}. */
#ifdef TN_HOOKS
#include TN_HOOKS
#endif
#include "network.h"
#include "tn_port.h"
{includes}
#ifndef TN_LAYER_DONE
#define TN_LAYER_DONE(layer) ((void)0)
#endif

{constants}
{buffers}
void tn_infer(const int8_t *input, int8_t *output)
{{
{calls}}}

#ifdef TN_SHARES
#include "tn_kernels.h"

{c_array("powers", powers(network.output_step))}
void tn_shares(const int8_t *output, uint8_t *shares)
{{
    tn_softmax(output, shares, TN_OUTPUT_BYTES, powers);
}}
#endif
"""


def _summary(layer: QuantizedLayer) -> str:
    shapes = (" × ".join(map(str, shape)) for shape in (layer.input_shape, layer.output_shape))
    words = f"{layer.kind} {_plain_name(layer.name)}, {' → '.join(shapes)}"
    return words + (f", sums of {layer.accumulator_bits} bits" if layer.accumulator_bits else "")


def _plain_name(name: str) -> str:
    """A name that ends no comment and no string."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:60]


def _once(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
