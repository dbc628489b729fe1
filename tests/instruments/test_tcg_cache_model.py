"""The plugin's model of a cache against one written a second time, access by access."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_cache import ReferenceCache

from instruments.tcg.build import SOURCES

POLICIES = ("lru", "fifo", "random")


class Geometry(ctypes.Structure):
    """``struct cache_geometry``."""

    _fields_ = (
        ("size", ctypes.c_uint64),
        ("ways", ctypes.c_uint32),
        ("line", ctypes.c_uint32),
        ("replacement", ctypes.c_int),
        ("write_allocate", ctypes.c_bool),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on this machine (apt install gcc libc6-dev)")
    shared = tmp_path_factory.mktemp("cache") / "cache.so"
    sanitized = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    subprocess.run(
        [compiler, "-std=c11", "-O1", *sanitized, "-fPIC", "-shared", "-o", shared, SOURCES / "cache_model.c"],
        check=True,
    )
    found = ctypes.CDLL(str(shared))
    found.cache_new.restype = ctypes.c_void_p
    found.cache_new.argtypes = [ctypes.POINTER(Geometry), ctypes.c_uint64]
    found.cache_free.argtypes = [ctypes.c_void_p]
    found.cache_access_bytes.restype = ctypes.c_uint
    found.cache_access_bytes.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_bool]
    return found


class Ours:
    """The C model."""

    def __init__(self, library: ctypes.CDLL, reference: ReferenceCache) -> None:
        policy = POLICIES.index(reference.replacement)
        geometry = Geometry(reference.size, reference.ways, reference.line, policy, reference.write_allocate)
        self._library = library
        self._cache = library.cache_new(ctypes.byref(geometry), reference.seed)
        assert self._cache

    def access(self, address: int, size: int, *, store: bool) -> int:
        return int(self._library.cache_access_bytes(self._cache, address, size, store))

    def close(self) -> None:
        self._library.cache_free(self._cache)


@st.composite
def caches(draw: st.DrawFn) -> ReferenceCache:
    """Small ones, so that lines come and go; ways need not be a power of two."""
    ways, line = draw(st.integers(1, 6)), draw(st.sampled_from([16, 32, 64]))
    sets = draw(st.sampled_from([1, 2, 4, 16]))
    policy, allocate = draw(st.sampled_from(POLICIES)), draw(st.booleans())
    return ReferenceCache(ways * line * sets, ways, line, policy, allocate, draw(st.integers(0, 2**64 - 1)))


ACCESSES = st.lists(st.tuples(st.integers(0, 4096), st.sampled_from([1, 2, 4, 8, 16, 64]), st.booleans()), max_size=200)


@given(reference=caches(), accesses=ACCESSES, base=st.sampled_from([0, 2**32 - 64, 2**48 - 8192]))
def test_every_access_misses_where_the_reference_does(
    library: ctypes.CDLL, reference: ReferenceCache, accesses: list[tuple[int, int, bool]], base: int
) -> None:
    ours = Ours(library, reference)
    try:
        for address, size, store in accesses:
            assert ours.access(base + address, size, store=store) == reference.access(base + address, size, store=store)
    finally:
        ours.close()


@pytest.mark.parametrize(
    ("size", "ways", "line"), [(32768, 3, 64), (32768, 4, 48), (0, 4, 64), (32768, 0, 64), (32768, 4, 0), (100, 1, 64)]
)
def test_a_geometry_that_cannot_be_is_refused(library: ctypes.CDLL, size: int, ways: int, line: int) -> None:
    assert not library.cache_new(ctypes.byref(Geometry(size, ways, line, 0, True)), 0)


def test_random_replacement_takes_every_way_alike(library: ctypes.CDLL) -> None:
    """When a fifth line comes into a set of four, each of the first four goes in a quarter of the cases."""
    draws = 2000
    gone = [sum(_is_missing(library, seed, line) for seed in range(draws)) for line in range(4)]
    assert sum(gone) == draws, "one each time"
    for count in gone:
        assert abs(count - draws / 4) < 4 * (draws * 0.25 * 0.75) ** 0.5


def _is_missing(library: ctypes.CDLL, seed: int, asked: int) -> bool:
    """Is a line gone from a set of four after five came? (Asking brings it in, so every question has its own cache.)"""
    ours = Ours(library, ReferenceCache(256, 4, 64, "random", seed=seed))
    for line in range(5):
        ours.access(64 * line, 1, store=False)
    missed = ours.access(64 * asked, 1, store=False)
    ours.close()
    return bool(missed)
