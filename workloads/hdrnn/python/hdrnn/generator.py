# SPDX-License-Identifier: Apache-2.0
"""Random numbers: xoshiro256** (Blackman and Vigna, 2018) seeded by SplitMix64, bit for bit those of c/random.c.

Python does a single step in about a microsecond, so many numbers are drawn at once: the generator's state is a vector
of 256 bits that each step maps linearly, and a state any number of steps ahead is a product of matrices over the field
of two elements. Lanes that begin that far apart then step side by side.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

STREAM_WEIGHTS, STREAM_ORDER = 1, 2
"""Streams of one seed that have nothing to do with each other."""

_MASK = (1 << 64) - 1
_FEWEST_AT_ONCE = 4096
"""From so many numbers on, lanes are worth their beginning."""

Words = NDArray[np.uint64]
Bits = NDArray[np.float32]
"""Zeros and ones."""
State = tuple[int, int, int, int]


class Random:
    """One stream of numbers. ``state`` is four words of 64 bits, as in C."""

    def __init__(self, seed: int, stream: int) -> None:
        mixer = _SplitMix(seed)
        mixer.value = mixer.next() ^ stream
        self.state: State = (mixer.next(), mixer.next(), mixer.next(), mixer.next())

    def next(self) -> int:
        """The next 64 bits."""
        s0, s1, s2, s3 = self.state
        result = (_rotated(s1 * 5 & _MASK, 7) * 9) & _MASK
        s2 ^= s0
        s3 ^= s1
        self.state = (s0 ^ s3, s1 ^ s2, s2 ^ (s1 << 17 & _MASK), _rotated(s3, 45))
        return result

    def take(self, count: int) -> Words:
        """The next ``count`` words, shape (count,)."""
        if count < _FEWEST_AT_ONCE:
            return np.array([self.next() for _ in range(count)], dtype=np.uint64)
        steps = 1 << (count.bit_length() // 2)
        lanes = count // steps
        states = _states_apart(self.state, lanes + 1, steps)
        drawn = np.empty((steps, lanes), dtype=np.uint64)
        lane = [states[:lanes, word].copy() for word in range(4)]
        for row in drawn:
            _step_all(lane, row)
        self.state = _as_state(states[lanes])
        rest = [self.next() for _ in range(count - lanes * steps)]
        return np.concatenate([drawn.T.ravel(), np.array(rest, dtype=np.uint64)])

    def normals(self, count: int) -> NDArray[np.float64]:
        """Normally distributed, mean 0, variance 1 (Marsaglia's polar method), shape (count,)."""
        found: list[NDArray[np.float64]] = []
        missing = count
        while missing:
            before = self.state
            # A pair is kept with probability π/4; too many are drawn, and those after the last one kept are given back.
            pairs = int(missing * 1.3) + 64
            unit = (self.take(2 * pairs) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
            x, square = unit[0::2], unit[0::2] ** 2 + unit[1::2] ** 2
            kept = np.flatnonzero((square < 1.0) & (square != 0.0))[:missing]
            # log is the C library's: NumPy's own may differ from it in the last bit.
            logarithm = np.fromiter(map(math.log, square[kept].tolist()), np.float64, len(kept))
            found.append(x[kept] * np.sqrt(-2.0 * logarithm / square[kept]))
            missing -= len(kept)
            if not missing:
                self.state = before
                self.skip(2 * (int(kept[-1]) + 1))
        return np.concatenate(found) if found else np.empty(0)

    def skip(self, count: int) -> None:
        """Go on as if ``count`` words had been taken."""
        bits = _bits(np.array([self.state], dtype=np.uint64))
        for twos in range(count.bit_length()):
            if count >> twos & 1:
                bits = (bits @ _steps(twos)) % 2
        self.state = _as_state(_packed(bits)[0])

    def shuffle(self, items: NDArray[np.uint32]) -> None:
        """Put the items in a random order (Fisher and Yates)."""
        count = len(items)
        if count < 2:
            return
        before = self.state
        bounds = np.arange(count, 1, -1, dtype=np.uint64)
        words = self.take(count - 1)
        chosen = words % bounds
        # Words below 2^64 modulo the bound would favour small numbers; C draws again then (some 1 in 10^15).
        if np.any(words < (np.uint64(0) - bounds) % bounds):
            self.state = before
            chosen = np.array([self._below(int(bound)) for bound in bounds], dtype=np.uint64)
        order = items.tolist()
        for i, j in zip(range(count - 1, 0, -1), chosen.tolist(), strict=True):
            order[i], order[j] = order[j], order[i]
        items[:] = order

    def _below(self, bound: int) -> int:
        skipped = (1 << 64) % bound
        while (value := self.next()) < skipped:
            pass
        return value % bound


class _SplitMix:
    def __init__(self, seed: int) -> None:
        self.value = seed

    def next(self) -> int:
        self.value = (self.value + 0x9E3779B97F4A7C15) & _MASK
        mixed = self.value
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
        return mixed ^ mixed >> 31


def _rotated(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & _MASK


def _as_state(words: Words) -> State:
    s0, s1, s2, s3 = (int(word) for word in words)
    return (s0, s1, s2, s3)


def _step_all(lane: list[Words], result: Words) -> None:
    """One step of every lane in place; its words go to ``result``."""
    s0, s1, s2, s3 = lane
    np.multiply(s1, np.uint64(5), out=result)
    result[:] = (result << np.uint64(7)) | (result >> np.uint64(57))
    result *= np.uint64(9)
    shifted = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3[:] = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))


def _states_apart(state: State, count: int, steps: int) -> Words:
    """The states after 0, steps, 2 · steps, … steps, a power of two; shape (count, 4)."""
    bits = _bits(np.array([state], dtype=np.uint64))
    twos = steps.bit_length() - 1
    # Doubling: the second half is the first one, moved ahead by its length.
    while len(bits) < count:
        bits = np.concatenate([bits, (bits @ _steps(twos)) % 2])
        twos += 1
    return _packed(bits[:count])


def _bits(states: Words) -> Bits:
    """Each state's 256 bits, lowest first; shape (states, 256). Sums of 256 ones are exact in float32."""
    octets = states.astype("<u8").view(np.uint8).reshape(len(states), 32)
    return np.unpackbits(octets, axis=1, bitorder="little").astype(np.float32)


def _packed(bits: Bits) -> Words:
    octets = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    return np.ascontiguousarray(octets).view("<u8").astype(np.uint64)


@cache
def _steps(twos: int) -> Bits:
    """The matrix of 2 ** twos steps, (256, 256), to be multiplied from the right."""
    if twos:
        return (_steps(twos - 1) @ _steps(twos - 1)) % 2
    unit = np.zeros((256, 4), dtype=np.uint64)
    for bit in range(256):
        unit[bit, bit // 64] = np.uint64(1) << np.uint64(bit % 64)
    lane = [unit[:, word].copy() for word in range(4)]
    _step_all(lane, np.empty(256, dtype=np.uint64))
    return _bits(np.stack(lane, axis=1))
