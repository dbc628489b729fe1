#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a set of handwritten-looking digits and writes it as MNIST's four IDX files.

A stand-in for MNIST where MNIST is not at hand: drawn by this program, not collected from people. Each digit is a
few pen strokes (polylines in a unit square, y downwards, in several ways of writing it) that are bent, slanted,
turned, scaled and moved at random and then drawn with a round pen of random width and softness. The same arguments
give the same files.

    draw_digits.py --out digits                 10,000 training and 2,000 test images
    draw_digits.py --out digits --sheet s.pgm   and a picture of the first hundred test images

Needs NumPy only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 28
BOX = 19.0
"""Pixels that the unit square is wide before the random scaling; MNIST's digits fit a box of 20."""

Points = NDArray[np.float64]
"""Shape (n, 2): x to the right, y downwards."""
Floats = NDArray[np.floating[Any]]


def line(*points: tuple[float, float]) -> Points:
    """A polyline."""
    return np.array(points, dtype=np.float64)


def arc(cx: float, cy: float, rx: float, ry: float, begin: float, end: float, steps: int = 14) -> Points:
    """Part of an ellipse; angles in degrees, 0 to the right, growing clockwise on the page."""
    angle = np.radians(np.linspace(begin, end, steps))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def joined(*parts: Points) -> Points:
    """One stroke out of several pieces."""
    return np.concatenate(parts)


WAYS_OF_WRITING: dict[int, list[list[Points]]] = {
    0: [
        [arc(0.5, 0.5, 0.32, 0.46, -90, 270, 22)],
        [arc(0.5, 0.5, 0.24, 0.46, -70, 280, 22)],
    ],
    1: [
        [line((0.5, 0.04), (0.5, 0.5), (0.5, 0.96))],
        [line((0.32, 0.24), (0.54, 0.04), (0.54, 0.96))],
        [line((0.34, 0.22), (0.52, 0.04), (0.52, 0.94)), line((0.3, 0.95), (0.74, 0.95))],
    ],
    2: [
        [joined(arc(0.48, 0.3, 0.28, 0.26, 190, 380), line((0.6, 0.56), (0.18, 0.94), (0.84, 0.94)))],
        [
            joined(
                arc(0.5, 0.28, 0.27, 0.24, 200, 390),
                line((0.5, 0.68)),
                arc(0.3, 0.84, 0.12, 0.1, -60, -330, 10),
                line((0.55, 0.92), (0.88, 0.86)),
            )
        ],
    ],
    3: [
        [joined(arc(0.45, 0.27, 0.28, 0.22, 200, 450), arc(0.45, 0.72, 0.32, 0.24, -90, 160))],
        [line((0.2, 0.06), (0.76, 0.06), (0.44, 0.42)), arc(0.44, 0.69, 0.3, 0.27, -90, 150)],
    ],
    4: [
        [line((0.3, 0.06), (0.16, 0.56), (0.86, 0.56)), line((0.66, 0.1), (0.62, 0.96))],
        [line((0.64, 0.96), (0.64, 0.05), (0.14, 0.64), (0.88, 0.64))],
    ],
    5: [
        [
            joined(line((0.3, 0.08), (0.26, 0.46)), arc(0.46, 0.67, 0.3, 0.27, -120, 140)),
            line((0.3, 0.08), (0.8, 0.06)),
        ],
        [joined(line((0.78, 0.06), (0.34, 0.06), (0.28, 0.42)), arc(0.45, 0.68, 0.3, 0.28, -115, 155))],
    ],
    6: [
        [joined(line((0.66, 0.04), (0.38, 0.3)), arc(0.5, 0.7, 0.27, 0.25, 190, -170, 20))],
        [joined(arc(0.74, 0.56, 0.52, 0.54, 255, 180, 8), arc(0.48, 0.7, 0.26, 0.25, 180, -180, 18))],
    ],
    7: [
        [line((0.16, 0.08), (0.82, 0.08), (0.56, 0.5), (0.42, 0.96))],
        [line((0.18, 0.12), (0.8, 0.06), (0.4, 0.96)), line((0.36, 0.5), (0.78, 0.48))],
    ],
    8: [
        [arc(0.5, 0.27, 0.23, 0.22, 90, 450, 18), arc(0.5, 0.72, 0.29, 0.24, -90, 270, 18)],
        [
            joined(
                arc(0.5, 0.26, 0.24, 0.21, -20, -220, 12),
                arc(0.5, 0.72, 0.26, 0.24, -50, 215, 16),
                line((0.69, 0.36), (0.72, 0.2)),
            )
        ],
    ],
    9: [
        [arc(0.48, 0.3, 0.26, 0.25, 0, 360, 18), line((0.74, 0.28), (0.7, 0.62), (0.62, 0.96))],
        [joined(arc(0.5, 0.3, 0.25, 0.25, -20, -350, 16), arc(0.38, 0.56, 0.37, 0.4, -40, 100, 10))],
    ],
}


def segments_of(strokes: list[Points]) -> NDArray[np.float64]:
    """The straight pieces of some strokes, shape (pieces, 2 ends, 2)."""
    return np.concatenate([np.stack([stroke[:-1], stroke[1:]], axis=1) for stroke in strokes])


def bent(ends: Floats, rng: np.random.Generator) -> Floats:
    """A slow random wave through each image's strokes, as an unsteady hand makes it. ``ends``: (images, n, 2)."""
    count = len(ends)
    frequency = rng.uniform(0.4, 1.1, (count, 1, 2))
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 2))
    amplitude = rng.uniform(0.0, 0.075, (count, 1, 2))
    return ends + amplitude * np.sin(2 * np.pi * frequency * ends[..., ::-1] + phase)


def placed(ends: Floats, rng: np.random.Generator) -> Floats:
    """Scaled, slanted, turned, and moved on to the page, in pixels. ``ends``: (images, n, 2)."""
    count = len(ends)
    width, height = rng.uniform(0.62, 1.05, count), rng.uniform(0.8, 1.08, count)
    turn, slant = np.radians(rng.normal(0, 7, count)), rng.normal(0.12, 0.18, count)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.empty((count, 2, 2))
    matrix[:, 0, 0], matrix[:, 0, 1] = width * cos, -height * (slant * cos + sin)
    matrix[:, 1, 0], matrix[:, 1, 1] = width * sin, height * (cos - slant * sin)
    shift = SIDE / 2 + rng.normal(0, 1.0, (count, 1, 2)) - 0.5
    return BOX * np.einsum("nij,nkj->nki", matrix, ends - 0.5) + shift


def drawn(ends: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pixels of each image, shape (images, SIDE, SIDE). ``ends``: (images, 2 · pieces, 2), in pixels."""
    count = len(ends)
    pieces = ends.reshape(count, ends.shape[1] // 2, 2, 2).astype(np.float32)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    nearest = np.full((count, SIDE, SIDE), np.inf, dtype=np.float32)
    for k in range(pieces.shape[1]):
        x0, y0, x1, y1 = (pieces[:, k, end, axis, None, None] for end in (0, 1) for axis in (0, 1))
        dx, dy = x1 - x0, y1 - y0
        along = ((x - x0) * dx + (y - y0) * dy) / np.maximum(dx * dx + dy * dy, 1e-6)
        along = np.clip(along, 0, 1)
        np.minimum(nearest, (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2, out=nearest)
    radius = rng.uniform(0.7, 1.7, (count, 1, 1))
    softness = rng.uniform(0.8, 1.6, (count, 1, 1))
    ink = rng.uniform(0.75, 1.0, (count, 1, 1))
    cover = np.clip((radius - np.sqrt(nearest)) / softness + 0.5, 0, 1)
    grain = 1 + rng.normal(0, 0.06, cover.shape)
    return np.rint(255 * np.clip(ink * cover * grain, 0, 1)).astype(np.uint8)


def draw(count: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """``count`` images (count, SIDE, SIDE) and their labels, the digits in random order."""
    labels = rng.integers(0, 10, count).astype(np.uint8)
    ways = rng.random(count)
    images = np.zeros((count, SIDE, SIDE), dtype=np.uint8)
    for digit, writings in WAYS_OF_WRITING.items():
        for way, strokes in enumerate(writings):
            chosen = np.flatnonzero((labels == digit) & ((ways * len(writings)).astype(int) == way))
            ends = np.repeat(segments_of(strokes).reshape(1, -1, 2), len(chosen), axis=0)
            images[chosen] = drawn(placed(bent(ends, rng), rng), rng)
    return images, labels


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write unsigned bytes as an IDX file (big-endian sizes), whole or not at all."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    part = path.with_name(path.name + ".part")
    part.write_bytes(header + array.tobytes())
    part.replace(path)


def write_sheet(path: Path, images: NDArray[np.uint8]) -> None:
    """The first hundred images, ten by ten, as a PGM picture."""
    sheet = np.zeros((100, SIDE, SIDE), dtype=np.uint8)
    sheet[: len(images[:100])] = images[:100]
    picture = sheet.reshape(10, 10, SIDE, SIDE).swapaxes(1, 2).reshape(10 * SIDE, 10 * SIDE)
    path.write_bytes(b"P5 %d %d 255\n" % (10 * SIDE, 10 * SIDE) + picture.tobytes())


def whole_number(text: str) -> int:
    """An argument that must be at least 1."""
    value = int(text)
    if not 1 <= value <= 1_000_000:
        raise ValueError(text)
    return value


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(
        description="Draw a set of handwritten-looking digits and write it as MNIST's four IDX files."
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files (made if absent)")
    parser.add_argument("--train", type=whole_number, default=10_000, metavar="N", help="training images (10000)")
    parser.add_argument("--test", type=whole_number, default=2_000, metavar="N", help="test images (2000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed, 0 or more (1)")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also a PGM picture of the first test images")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error("argument --seed: expected 0 or more")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for stream, (name, count) in enumerate([("train", options.train), ("t10k", options.test)]):
            images, labels = draw(count, np.random.default_rng([options.seed, stream]))
            write_idx(options.out / f"{name}-images-idx3-ubyte", images)
            write_idx(options.out / f"{name}-labels-idx1-ubyte", labels)
        if options.sheet:
            write_sheet(options.sheet, images)
    except OSError as error:
        print(f"draw_digits: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"drew {options.train} training and {options.test} test images (seed {options.seed}) into {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
