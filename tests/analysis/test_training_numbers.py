"""The training study's arithmetic: network files, differences of weights, laws of growth, early stopping, profiles."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from analysis.studies.training.difference import difference
from analysis.studies.training.early_stopping import stop_of
from analysis.studies.training.growth import EXPONENTIAL, LINEAR, POWER, laws
from analysis.studies.training.networks import MAGIC, read_network
from analysis.studies.training.points import variation
from analysis.studies.training.profile import OTHER, Profile, callgrind_counts, perf_counts, plain_name
from lab.errors import DataError

SIZES = (3, 2, 1)
COUNT = 4 * 2 + 3 * 1


def network_bytes(parameters: np.ndarray, version: int = 1, sizes: tuple[int, ...] = SIZES) -> bytes:
    body = MAGIC + struct.pack(f"<II{len(sizes)}I", version, len(sizes) - 1, *sizes)
    body += parameters.astype("<f4" if version == 1 else "<f8").tobytes()
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize(("version", "element"), [(1, np.float32), (2, np.float64)])
def test_a_network_file_gives_its_parameters_in_its_precision(tmp_path: Path, version: int, element: type) -> None:
    wanted = np.linspace(-1, 1, COUNT).astype(element)
    (tmp_path / "a.nn").write_bytes(network_bytes(wanted, version))
    found = read_network(tmp_path / "a.nn")
    assert found.sizes == SIZES
    assert found.parameters.dtype == element
    assert np.array_equal(found.parameters, wanted)


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_no_damaged_byte_goes_unseen(tmp_path_factory: pytest.TempPathFactory, place: int, flip: int) -> None:
    content = bytearray(network_bytes(np.ones(COUNT)))
    content[place % len(content)] ^= flip
    path = tmp_path_factory.mktemp("damaged") / "a.nn"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.nn"):
        read_network(path)


@pytest.mark.parametrize("length", [0, 7, 23, 40, -1])
def test_a_cut_file_is_said(tmp_path: Path, length: int) -> None:
    (tmp_path / "a.nn").write_bytes(network_bytes(np.ones(COUNT))[:length])
    with pytest.raises(DataError):
        read_network(tmp_path / "a.nn")


def test_what_is_absent_or_not_finite_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_network(tmp_path / "nowhere.nn")
    (tmp_path / "a.nn").write_bytes(network_bytes(np.full(COUNT, np.inf)))
    with pytest.raises(DataError, match="not a finite number"):
        read_network(tmp_path / "a.nn")


FLOATS = arrays.arrays(np.float32, 5, elements=st.floats(-(2.0**20), 2.0**20, width=32, allow_subnormal=False))


@given(FLOATS)
def test_equal_weights_do_not_differ(weights: np.ndarray) -> None:
    found = difference(weights, weights.copy())
    assert (found.largest, found.rms, found.relative, found.ulp_largest, found.equal) == (0.0, 0.0, 0.0, 0.0, 1.0)
    assert found.is_none


@given(FLOATS)
def test_the_next_number_is_one_ulp_away(weights: np.ndarray) -> None:
    found = difference(weights, np.nextafter(weights, np.float32(np.inf)))
    assert found.equal == 0.0
    # At a power of two the gap below is half the gap above.
    assert 0.5 <= found.ulp_median <= 1.0 or np.median(np.abs(weights)) == 0.0


def test_ulps_are_those_of_the_coarser_precision() -> None:
    ones, step = np.ones(3, np.float32), float(np.spacing(np.float32(1.0)))
    assert difference(ones, np.ones(3) + step).ulp_median == pytest.approx(1.0)
    assert difference(np.ones(3), np.ones(3) + np.spacing(1.0)).ulp_median == pytest.approx(1.0)
    found = difference(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
    assert (found.largest, found.rms) == (0.5, math.sqrt(0.125))
    assert found.relative == pytest.approx(found.rms / math.sqrt((9 + 4.5**2) / 2))
    with pytest.raises(ValueError, match="cannot be compared"):
        difference(np.ones(2), np.ones(3))


PARAMETERS = [1600.0, 3190.0, 6370.0, 25450.0, 101770.0]


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        (LINEAR, [0.5 + 2e-5 * size for size in PARAMETERS]),
        (POWER, [1e-4 * size**0.8 for size in PARAMETERS]),
        (EXPONENTIAL, [0.3 * math.exp(size / 2e4) for size in PARAMETERS]),
    ],
)
def test_the_law_behind_run_times_is_found(kind: str, times: list[float]) -> None:
    nearest, *others = laws(PARAMETERS, times)
    assert nearest.kind == kind
    assert nearest.off < 1e-3 < others[0].off
    for size, time in zip(PARAMETERS, times, strict=True):
        assert nearest.time_s(size) == pytest.approx(time, rel=0.01)


def test_a_law_says_how_far_off_it_is() -> None:
    times = [time * (1.1 if place % 2 else 1 / 1.1) for place, time in enumerate([1.0, 1.0, 1.0, 1.0])]
    (constant, *_) = laws([1e3, 2e3, 3e3, 4e3], times)
    assert constant.off == pytest.approx(0.1, abs=0.03)
    assert laws([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == [], "three points fit anything"
    assert laws([], []) == []


def test_early_stopping_waits_for_a_better_epoch() -> None:
    accuracies = [0.5, 0.7, 0.6, 0.65, 0.8, 0.8, 0.79]
    first = stop_of(accuracies, 1)
    assert (first.epochs, first.best, first.best_epoch, first.saved) == (3, 0.7, 2, pytest.approx(4 / 7))
    patient = stop_of(accuracies, 3)
    assert (patient.epochs, patient.best, patient.stopped) == (7, 0.8, False)
    assert stop_of(accuracies, 2).epochs == 4
    assert stop_of([0.1, 0.1], 1).epochs == 2, "an equal accuracy is no better one"
    with pytest.raises(ValueError, match="no epoch"):
        stop_of([], 1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(1, 10))
def test_early_stopping_never_stops_within_its_patience(accuracies: list[float], patience: int) -> None:
    stop = stop_of(accuracies, patience)
    assert stop.best == max(accuracies[: stop.epochs]) <= stop.highest
    if stop.stopped:
        assert stop.epochs - stop.best_epoch == patience


def test_variation_is_scatter_over_mean() -> None:
    assert variation([1.0, 3.0]) == pytest.approx(math.sqrt(2) / 2)
    assert variation([1.0]) is None
    assert variation([-1.0, 1.0]) is None


PERF = """\
 60.00% ; 6          ;hdrnn               ;[.] Eigen::internal::gebp_kernel<float, 4>::operator()
 20.00% ; 2          ;libm.so.6           ;[.] 0x00000000000001a2
 10.00% ; 1          ;[kernel.kallsyms]   ;[k] clear_page_erms
 10.00% ; 1          ;[kernel.kallsyms]   ;[k] exc_page_fault
# a comment
"""
CALLGRIND = """\
# callgrind format
version: 1
events: Ir
ob=(1) /usr/bin/hdrnn
fl=(1) train.c
fn=(1) epoch
16 400
+1 100
cob=(2) /lib/libm.so.6
cfn=(2) exp
calls=3 12
+2 900
fn=(1)
20 100
ob=(2)
fn=(2)
12 900
totals: 1500
"""


def test_perfs_table_is_read() -> None:
    counts = perf_counts(PERF)
    assert counts == {
        ("hdrnn", "Eigen::internal::gebp_kernel::operator()"): 6,
        ("libm.so.6", "unnamed functions"): 2,
        ("kernel", "kernel"): 2,
    }
    assert perf_counts("perf: nothing recorded\n") == {}


def test_callgrinds_file_is_read_without_what_was_called() -> None:
    assert callgrind_counts(CALLGRIND) == {("hdrnn", "epoch"): 600, ("libm.so.6", "exp"): 900}


def test_small_functions_stand_together_and_nothing_is_lost() -> None:
    shares = {("a.so", "big"): 0.5, ("a.so", "s1"): 0.04, ("a.so", "s2"): 0.03, ("b.so", "tiny"): 0.03, ("c", "x"): 0.4}
    parts = Profile("C", "32", "perf", 100, shares).main(0.05)
    assert [function for _, function, _ in parts] == ["big", "x", "other functions", OTHER]
    assert sum(share for _, _, share in parts) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("main", "main"),
        ("(anonymous namespace)::epoch", "epoch"),
        ("a<b<c>, d>::f<e>", "a::f"),
        ("at::loop<x>(char**)::{lambda(char*)#1}", "at::loop(char**)"),
    ],
)
def test_names_lose_their_template_arguments(symbol: str, name: str) -> None:
    assert plain_name(symbol) == name
