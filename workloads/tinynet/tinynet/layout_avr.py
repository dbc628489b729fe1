# SPDX-License-Identifier: Apache-2.0
"""How weights lie in the flash of an AVR, and the C that calls the kernels of ``runtime/avr`` on them.

The kernels (``runtime/avr/tn_avr_blocks.S``) sum for 8, 4 or 2 outputs at once over bytes offset by 128, modulo 2^24. A
block is three bytes an output - the bias, the rounding of the shift and what the offsets of the weights add - and then
for each input one weight an output. Outputs that a block leaves over stand idle beside the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinynet.bounds import LayerProof
from tinynet.errors import TinynetError
from tinynet.export_c import RUNTIME, Emitted, c_array
from tinynet.quantized_layer import QuantizedLayer
from tinynet.windows import padding_before

OFFSET = 128
TERM_BYTES = 3
SUM_BITS = 8 * TERM_BYTES
SUM_END = 1 << (SUM_BITS - 1)
LARGEST_ARRAY = 32767
MOST_INPUTS = LARGEST_ARRAY // 8 - TERM_BYTES
MOST_OUTPUTS = 255
GROUP = 4
"""Places of a sparse row that the kernel takes at once."""

_AVR = RUNTIME / "avr"
SOURCES = (_AVR / "tn_avr.h", _AVR / "tn_avr_finish.S")
BLOCKS, SPARSE = _AVR / "tn_avr_blocks.S", _AVR / "tn_avr_sparse.S"
ADD = _AVR / "tn_avr_add.S"
GATHER, EDGE = _AVR / "tn_avr_gather.S", _AVR / "tn_avr_edge.c"


@dataclass(frozen=True, slots=True)
class Packed:
    """The flash image of some outputs: ``blocks``, and ``scales`` (four bytes an output; empty with a shift)."""

    blocks: bytes
    scales: bytes


def block_sizes(outputs: int) -> list[tuple[int, int]]:
    """(outputs summed at once, outputs wanted of them) of each block, in the order in which they lie.

    >>> block_sizes(13)
    [(8, 8), (4, 4), (2, 1)]
    """
    sizes = [(8, 8)] * (outputs // 8)
    rest = outputs % 8
    for size in (4, 2):
        if rest >= size:
            sizes.append((size, size))
            rest -= size
    if rest:
        sizes.append((2, 1))
    return sizes


def serves(layer: QuantizedLayer, proof: LayerProof) -> bool:
    """Whether the kernels can compute this layer exactly; the portable ones compute the others."""
    if layer.kind not in ("dense", "conv2d") or layer.weights is None:
        return False
    outputs, inputs = layer.weights.reshape(layer.weights.shape[0], -1).shape
    if inputs > MOST_INPUTS or outputs > MOST_OUTPUTS:
        return False
    if proof.wrapping_bits > SUM_BITS:
        return split_at(layer, proof) > 0
    # A window's row and the layer's strides are counted in a byte, its weights lie in one array.
    small = max(layer.size * layer.input_shape[-1], layer.stride) <= 255 and len(parts(layer)) == 1
    return layer.kind == "dense" or small


def pack(weights: NDArray[np.int8], bias: NDArray[np.int32], shift: int | None) -> bytes:
    """Weights (outputs, inputs) and biases → blocks. ``shift`` puts its rounding into the terms; None: none."""
    outputs, inputs = weights.shape
    offset = weights.astype(np.int64) + OFFSET
    rounding = 1 << (shift - 1) if shift else 0
    terms = bias.astype(np.int64) + rounding - OFFSET * offset.sum(axis=1) + OFFSET * OFFSET * inputs
    # sum (x' - 128)(w' - 128) = sum x'w' - 128 sum x' - 128 sum w' + 16384 n
    image = bytearray()
    first = 0
    for size, wanted in block_sizes(outputs):
        block = np.full((size, inputs), OFFSET, dtype=np.uint8)
        block[:wanted] = offset[first : first + wanted]
        for term in [*terms[first : first + wanted].tolist(), *[0] * (size - wanted)]:
            image += (term % (1 << SUM_BITS)).to_bytes(TERM_BYTES, "little")
        image += np.ascontiguousarray(block.T).tobytes()
        first += wanted
    return bytes(image)


def pack_scales(multipliers: NDArray[np.int16], shifts: NDArray[np.uint8]) -> bytes:
    """For each output the multiplier, low byte first, and the shift but for its last bit: whole bytes, bits."""
    image = bytearray()
    for multiplier, shift in zip(multipliers.tolist(), shifts.tolist(), strict=True):
        whole, bits = divmod(shift - 1, 8)
        if not 1 <= whole <= 3:
            raise TinynetError(f"a multiplier's shift of {shift} is not 9…32")
        image += int(multiplier).to_bytes(2, "little") + bytes([whole, bits])
    return bytes(image)


def pack_part(layer: QuantizedLayer, outputs: slice, inputs: slice) -> bytes:
    """The blocks of some outputs for some inputs; bias and rounding are with the first inputs."""
    assert layer.weights is not None
    assert layer.bias is not None
    weights = layer.weights.reshape(layer.weights.shape[0], -1)[outputs, inputs]
    if inputs.start:
        return pack(weights, np.zeros(len(weights), np.int32), None)
    return pack(weights, layer.bias[outputs], layer.shift)


def pack_layer_scales(layer: QuantizedLayer, first: int, last: int) -> bytes:
    """The multipliers and shifts of some outputs; empty where the layer has one shift."""
    if layer.shift is not None:
        return b""
    assert layer.multipliers is not None
    assert layer.shifts is not None
    return pack_scales(layer.multipliers[first:last], layer.shifts[first:last])


def pack_sparse(weights: NDArray[np.int8], bias: NDArray[np.int32], shift: int | None) -> bytes | None:
    """Weights (outputs, inputs) without the zeros, as ``tn_avr_sparse`` takes them; None where a row holds too many.

    A row: bias and rounding (3 bytes), number of groups, and per group four times the distance from the input before
    and the weight. Where a distance passes 255 a weight of 0 stands between.
    """
    rounding = 1 << (shift - 1) if shift else 0
    image = bytearray()
    for row, start in zip(weights, bias.tolist(), strict=True):
        entries: list[tuple[int, int]] = []
        at = 0
        for place in np.flatnonzero(row).tolist():
            while place - at > 255:
                entries.append((255, 0))
                at += 255
            entries.append((place - at, int(row[place]) % 256))
            at = place
        entries += [(0, 0)] * (-len(entries) % GROUP)
        if len(entries) // GROUP > 255:
            return None
        image += ((start + rounding) % (1 << SUM_BITS)).to_bytes(TERM_BYTES, "little")
        image.append(len(entries) // GROUP)
        image += bytes(part for entry in entries for part in entry)
    return bytes(image)


def emit(index: int, layer: QuantizedLayer, proof: LayerProof, source: str, target: str) -> Emitted | None:
    """What the exporter writes for this layer; None where the portable kernel serves.

    A dense layer is kept without its zeros where that takes less flash (:func:`pack_sparse`).
    """
    if not serves(layer, proof):
        return None
    if layer.kind == "conv2d":
        return _emit_conv(index, layer, source, target)
    if proof.wrapping_bits > SUM_BITS:
        return _emit_dense(index, layer, source, target, split_at(layer, proof))
    sparse = _emit_sparse(index, layer, source, target)
    dense = _emit_dense(index, layer, source, target, 0)
    return sparse if sparse is not None and sparse.flash_bytes < dense.flash_bytes else dense


def split_at(layer: QuantizedLayer, proof: LayerProof) -> int:
    """How many inputs to sum on their own where all of them pass 24 bits; 0 where that does not help.

    Both sums must fit 24 bits by themselves, whatever the input. Their sum stops at the ends of 24 bits; that changes
    no output if at those ends every output is at an end of its own range already.
    """
    weights, bias = layer.weights, layer.bias
    if layer.kind != "dense" or weights is None or bias is None or not _ends_saturate(layer):
        return 0
    products = weights.astype(np.int64)[:, :, None] * np.array(proof.input_range)
    rounding = 1 << (layer.shift - 1) if layer.shift else 0
    start = bias.astype(np.int64)
    for eighths in (4, 3, 5, 2, 6):
        split = layer.inputs * eighths // 8
        if split == 0:
            continue
        lows = [part.min(axis=2).sum(axis=1) for part in (products[:, :split], products[:, split:])]
        highs = [part.max(axis=2).sum(axis=1) for part in (products[:, :split], products[:, split:])]
        least = min(int((lows[0] + start).min()), int(lows[1].min()))
        most = max(int((highs[0] + start).max()) + rounding, int(highs[1].max()))
        if least >= -SUM_END and most < SUM_END:
            return split
    return 0


def _ends_saturate(layer: QuantizedLayer) -> bool:
    """Whether the largest sum of 24 bits gives each output's upper limit, and the smallest -128 or less."""
    if layer.shift is not None:
        return (SUM_END - 1) >> layer.shift >= 127 and -SUM_END >> layer.shift <= -128
    assert layer.multipliers is not None
    assert layer.shifts is not None
    return all(
        ((SUM_END - 1) * multiplier + (1 << (shift - 1))) >> shift >= 127
        and (-SUM_END * multiplier + (1 << (shift - 1))) >> shift <= -128
        for multiplier, shift in zip(layer.multipliers.tolist(), layer.shifts.tolist(), strict=True)
    )


def _emit_dense(index: int, layer: QuantizedLayer, source: str, target: str, split: int) -> Emitted:
    """``split`` of its inputs are summed on their own; 0: all are summed at once."""
    declarations, flash_bytes = "", 0
    scratch = f"(uint8_t *){source}"
    if index == 0:
        # The network's input must stay as it is; between layers the bytes are taken where they lie.
        scratch = f"tn_offset_{index}"
        declarations = f"static uint8_t {scratch}[{layer.inputs}];\n"
    ranges = [(0, split), (split, layer.inputs)] if split else [(0, layer.inputs)]
    calls = [
        f"TnAvrPart part_{start} = {{{scratch} + {start}, 0, {stop - start}, "
        f"tn_avr_offset({source} + {start}, {scratch} + {start}, {stop - start})}};"
        for start, stop in ranges
    ]
    rest = f"&part_{split}" if split else "0"
    for first, last in parts(layer):
        finish = f"(TnAvrFinish){{0, {layer.shift}, {layer.low}}}"
        if scales := pack_layer_scales(layer, first, last):
            finish = f"(TnAvrFinish){{tn_scales_{index}_{first}, 0, {layer.low}}}"
            declarations += _array(f"tn_scales_{index}_{first}", scales)
            flash_bytes += len(scales)
        for start, stop in ranges:
            blocks = pack_part(layer, slice(first, last), slice(start, stop))
            declarations += _array(f"tn_packed_{index}_{first}_{start}", blocks)
            calls.append(f"part_{start}.packed = tn_packed_{index}_{first}_{start};")
            flash_bytes += len(blocks)
        calls.append(f"tn_avr_outputs({target} + {first}, {last - first}, &part_0, {rest}, {finish});")
    body = "".join(f"\n        {call}" for call in calls)
    sources = (*SOURCES, BLOCKS, *((ADD,) if split else ()))
    return Emitted(declarations, f"{{{body}\n    }}", ("tn_avr.h",), sources, flash_bytes)


def _emit_sparse(index: int, layer: QuantizedLayer, source: str, target: str) -> Emitted | None:
    assert layer.weights is not None
    assert layer.bias is not None
    rows = pack_sparse(layer.weights, layer.bias, layer.shift)
    if rows is None or len(rows) > LARGEST_ARRAY:
        return None
    packed = Packed(rows, pack_layer_scales(layer, 0, layer.outputs))
    declarations, finish = _arrays(str(index), packed, layer)
    call = f"tn_avr_sparse_outputs({source}, {target}, tn_packed_{index}, {layer.outputs}, {finish});"
    return Emitted(declarations, call, ("tn_avr.h",), (*SOURCES, SPARSE), len(packed.blocks) + len(packed.scales))


def _emit_conv(index: int, layer: QuantizedLayer, source: str, target: str) -> Emitted:
    height, width, channels = layer.input_shape
    rows, columns, filters = layer.output_shape
    packed = Packed(pack_part(layer, slice(None), slice(None)), pack_layer_scales(layer, 0, filters))
    arrays, finish = _arrays(str(index), packed, layer)
    top, left = (padding_before(side, layer.size, layer.stride, layer.padding)[0] for side in (height, width))
    padded = layer.padding == "same" and layer.size > 1
    patch = f"static uint8_t tn_patch_{index}[{layer.size * layer.size * channels}];\n"
    call = (
        f"tn_avr_conv({source}, {target}, tn_packed_{index}, tn_patch_{index}, "
        f"(TnAvrImage){{{height}, {width}, {channels}, {layer.size}}}, {int(padded)}, {layer.stride}, {-top}, {-left}, "
        f"{rows}, {columns}, {filters}, {finish});"
    )
    sources = (*SOURCES, BLOCKS, GATHER, *((EDGE,) if padded else ()))
    return Emitted(patch + arrays, call, ("tn_avr.h",), sources, len(packed.blocks) + len(packed.scales))


def _arrays(name: str, packed: Packed, layer: QuantizedLayer) -> tuple[str, str]:
    """The declarations of a layer's arrays, and the C that says how its sums become bytes."""
    declarations = _array(f"tn_packed_{name}", packed.blocks)
    if not packed.scales:
        return declarations, f"(TnAvrFinish){{0, {layer.shift}, {layer.low}}}"
    return declarations + _array(
        f"tn_scales_{name}", packed.scales
    ), f"(TnAvrFinish){{tn_scales_{name}, 0, {layer.low}}}"


def parts(layer: QuantizedLayer) -> list[tuple[int, int]]:
    """The outputs (from, to) that lie in one array each: the compiler takes none larger than 32767 bytes."""
    assert layer.weights is not None
    outputs = layer.weights.shape[0]
    blocks = max(1, LARGEST_ARRAY // (8 * (TERM_BYTES + layer.weights[0].size)))
    return [(first, min(first + 8 * blocks, outputs)) for first in range(0, outputs, 8 * blocks)]


def _array(name: str, image: bytes) -> str:
    return c_array(name, np.frombuffer(image, dtype=np.uint8))
