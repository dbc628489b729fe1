"""What a figure needs of a record: asked before anything is drawn, answered with the reason where it is not there."""

from __future__ import annotations

from analysis.figures.build import NothingToDrawError
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.shapes import Bubbles, Contributions, Growth, Relation, Rows, Shape


def require(context: Context, shape: Shape) -> None:
    """Raises :class:`NothingToDrawError`, which says what is missing, where a figure cannot be drawn."""
    if isinstance(shape, Rows):
        _require_rows(context, shape)
    elif isinstance(shape, Relation):
        for quantity in (shape.x, shape.y):
            context.require(shape.where, quantity, only=shape.only)
        if not context.pairs(shape):
            raise NothingToDrawError("no variation has both quantities")
    elif isinstance(shape, Growth):
        context.require(shape.role, shape.quantity)
    elif isinstance(shape, Bubbles):
        for quantity in ("latency_s", "parameters"):
            context.require(shape.role, quantity, only=shape.only)
    elif isinstance(shape, Contributions):
        context.require(shape.way, "latency_s")


def _require_rows(context: Context, shape: Rows) -> None:
    """A quantity on one platform at least: offloading alone makes no figure of a record."""
    reasons = []
    for role in context.present():
        try:
            context.require(role, shape.quantity, only=shape.only)
        except NothingToDrawError as reason:
            reasons.append(str(reason))
        else:
            return
    raise NothingToDrawError(reasons[0] if reasons else context.study.problem or "this record has no platform")
