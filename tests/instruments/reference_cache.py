"""One level of cache in Python, written from its description, to hold the plugin's model against."""

from __future__ import annotations

from dataclasses import dataclass, field

MASK = 2**64 - 1


@dataclass
class ReferenceCache:
    """Sets hold line numbers; ``order`` is by use (LRU) or by arrival (FIFO), oldest first."""

    size: int
    ways: int
    line: int
    replacement: str = "lru"
    write_allocate: bool = True
    seed: int = 0
    sets: dict[int, list[int]] = field(default_factory=dict)
    load_misses: int = 0
    store_misses: int = 0

    def __post_init__(self) -> None:
        self.state = _splitmix64(self.seed) or 1

    def access(self, address: int, size: int, *, store: bool) -> int:
        """Touch the lines of ``size`` bytes; how many were missing."""
        lines = range(address // self.line, (address + size - 1) // self.line + 1)
        misses = sum(not self._touch(line, store) for line in lines)
        if store:
            self.store_misses += misses
        else:
            self.load_misses += misses
        return misses

    def _touch(self, line: int, store: bool) -> bool:
        held = self.sets.setdefault(line % (self.size // self.ways // self.line), [])
        if line in held:
            if self.replacement == "lru":
                held.remove(line)
                held.append(line)
            return True
        if store and not self.write_allocate:
            return False
        if len(held) < self.ways:
            held.append(line)
        elif self.replacement == "random":
            held[(self._random() >> 32) % self.ways] = line
        else:
            held.pop(0)
            held.append(line)
        return False

    def _random(self) -> int:
        """xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled")."""
        x = self.state
        x ^= x >> 12
        x = (x ^ (x << 25)) & MASK
        x ^= x >> 27
        self.state = x
        return x * 0x2545F4914F6CDD1D & MASK


def _splitmix64(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)
