"""Marks say what was seen on the logic lines: no edge, no mark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from instruments.logic_marks import bounce_faults, edge_marks, idle_marks
from instruments.protocol import PassContext
from instruments.stream_checks import LogicEdge

MakeContext = Callable[..., PassContext]


def _edge(sample: int, level: int, width: int = 1) -> LogicEdge:
    return LogicEdge(sample - width, sample, level, bounced=width > 1, in_gap=False)


def test_several_windows_are_counted(make_context: MakeContext) -> None:
    edges = [_edge(10, 1), _edge(20, 0), _edge(30, 1), _edge(40, 0)]
    marks = edge_marks(make_context(), "meter", "window", edges)
    assert [(mark.name, mark.index, mark.sample) for mark in marks] == [
        ("window_begin", 0, 9.5),
        ("window_end", 0, 19.5),
        ("window_begin", 1, 29.5),
        ("window_end", 1, 39.5),
    ]
    assert {mark.method for mark in marks} == {"gpio"}


@pytest.mark.parametrize(
    ("initial", "final", "names"),
    [
        ((0, 0), (0, 0), ["idle_before_begin", "idle_before_end", "idle_after_begin", "idle_after_end"]),
        ((0, 1), (0, 0), ["idle_after_begin", "idle_after_end"]),
        ((0, 0), (1, 0), ["idle_before_begin", "idle_before_end"]),
    ],
)
def test_idle_needs_low_lines(
    make_context: MakeContext, initial: tuple[int, ...], final: tuple[int, ...], names: list[str]
) -> None:
    marks = idle_marks(
        make_context(),
        "meter",
        [_edge(500, 1, width=21), _edge(700, 0)],
        samples=1000,
        initial_levels=initial,
        final_levels=final,
        rate_hz=100.0,
        guard_s=1.0,
    )
    assert [mark.name for mark in marks] == names
    where = {mark.name: mark.sample for mark in marks}
    assert where.get("idle_before_end", 379.0) == 379.0, "a second before the edge's earliest bound"
    assert where.get("idle_after_begin", 800.0) == 800.0


def test_no_idle_without_edges_or_without_room(make_context: MakeContext) -> None:
    def marks(edges: list[LogicEdge]) -> tuple[object, ...]:
        return idle_marks(
            make_context(),
            "meter",
            edges,
            samples=100,
            initial_levels=[0],
            final_levels=[0],
            rate_hz=100.0,
            guard_s=0.6,
        )

    assert marks([]) == ()
    assert marks([_edge(50, 1), _edge(60, 0)]) == ()


def test_one_fault_per_bouncing_line_that_says_how_far(make_context: MakeContext) -> None:
    lines = {"gpi0": [_edge(50, 1, width=12), _edge(90, 0)], "gpi1": [_edge(20, 1)]}
    (fault,) = bounce_faults(make_context(), "meter", lines)
    assert (fault.code, fault.source) == ("edge_jitter", "meter")
    assert "gpi0" in fault.detail
    assert "12 samples" in fault.detail
