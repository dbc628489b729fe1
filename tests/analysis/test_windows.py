"""From marks to windows: what is missing is said, idle never reaches into the program's work, lengths are checked."""

from __future__ import annotations

import pytest

from analysis.windows import PassStretches, pass_stretches, window_agrees
from lab.record.documents import Mark

RATE_HZ = 1000.0
SAMPLES = 10_000


def marks(**samples: float) -> list[Mark]:
    return [
        Mark(pass_id="t1.energy", attempt=1, instrument="meter", name=name, sample=at, u_samples=0.3, method="gpio")
        for name, at in samples.items()
    ]


def stretches(found: list[Mark], idle_s: float | None = 1.0) -> PassStretches:
    return pass_stretches(found, samples=SAMPLES, rate_hz=RATE_HZ, planned_idle_s=idle_s)


def test_marks_become_stretches() -> None:
    found = stretches(
        marks(warmup_begin=1500.5, warmup_end=2000, window_begin=2000.25, window_end=8000.75), idle_s=None
    )
    assert [(item.begin, item.end, item.u_samples, item.method) for item in found.measured] == [
        (2000.25, 8000.75, 0.3, "gpio")
    ]
    assert [(item.begin, item.end) for item in found.warmup] == [(1500.5, 2000)]
    assert found.idle_before is None
    assert found.idle_after is None
    assert found.reasons == ()


@pytest.mark.parametrize(
    "found",
    [
        [],
        marks(window_begin=2000),
        marks(window_end=8000),
        marks(window_begin=8000, window_end=2000),
        marks(warmup_begin=100, warmup_end=200),
    ],
)
def test_no_whole_window_is_no_window(found: list[Mark]) -> None:
    assert stretches(found).measured == ()
    assert stretches(found).reasons == ("no_window",)


def test_several_windows_keep_their_order_and_one_broken_spoils_the_pass() -> None:
    first = marks(window_begin=1000, window_end=2000)
    second = [
        Mark(pass_id="p", attempt=1, instrument="meter", name=name, sample=at, index=1)
        for name, at in (("window_begin", 3000.0), ("window_end", 4500.0))
    ]
    assert [item.samples for item in stretches(first + second, None).measured] == [1000, 1500]
    assert stretches(first + second[:1], None).reasons == ("no_window",)


def test_idle_reaches_no_further_than_planned() -> None:
    """The line rises after the model was loaded; only the planned second before was idle for sure."""
    found = stretches(
        marks(
            window_begin=4000,
            window_end=8000,
            idle_before_begin=0,
            idle_before_end=3900,
            idle_after_begin=8100,
            idle_after_end=10_000,
        )
    )
    assert found.idle_before is not None
    assert found.idle_after is not None
    assert (found.idle_before.begin, found.idle_before.end, found.idle_before.method) == (0, 980, "gpio")
    assert (found.idle_after.begin, found.idle_after.end) == (9020, 10_000)


def test_without_idle_marks_the_plan_tells_idle() -> None:
    found = stretches(marks(window_begin=500, window_end=8000))
    assert found.idle_before is not None
    assert (found.idle_before.begin, found.idle_before.end, found.idle_before.method) == (0, 500, "plan")


def test_no_idle_is_left_where_the_window_fills_the_trace() -> None:
    found = stretches(marks(window_begin=0, window_end=10_000))
    assert found.idle_before is None
    assert found.idle_after is None


@pytest.mark.parametrize(
    ("window_s", "inference_s", "agrees"),
    [
        (10.0, 10.0, True),
        (10.0, 9.9, True),  # bookkeeping between inferences
        (10.0, 10.01, True),  # clocks and edges
        (10.0, 9.6, False),  # something else ran in the window
        (10.0, 10.2, False),  # the window misses inferences
        (0.5, 10.0, False),  # another pin
    ],
)
def test_window_and_program_must_tell_the_same_time(window_s: float, inference_s: float, agrees: bool) -> None:
    assert window_agrees(window_s, inference_s, 300, 1e-4) is agrees


def test_blurred_edges_widen_what_still_agrees() -> None:
    assert not window_agrees(1.0, 1.1, 10, 1e-4)
    assert window_agrees(1.0, 1.1, 10, 0.03)
