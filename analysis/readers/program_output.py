"""What a program under test said about itself: the common form that all readers give."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrintedQuantity:
    """One number a program printed, in SI units. ``value`` is ``None``, with ``reasons``, when it could not be read."""

    name: str
    value: float | None
    unit: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """The output of one pass, understood.

    ``quantities`` hold whatever the program measured itself, by results name (``latency_s``, ``latency_first_s``,
    ``latency_std_s``, ``accuracy`` …). ``inferences`` is the number completed inside the measured window (warm-up
    left out), ``inference_time_s`` the time the program itself gives for all of them together, ``warmup_inferences``
    the number before the window, ``resolution_s`` the step of the clock that it times an inference with, where that is
    coarse. ``exact_clock`` is true where that clock cannot be fast or slow: it counts an emulated core's cycles.
    ``reasons`` are codes for the output as a whole (``output_unreadable``,
    ``count_missing``).
    """

    quantities: tuple[PrintedQuantity, ...] = ()
    inferences: int | None = None
    inference_time_s: float | None = None
    warmup_inferences: int | None = None
    resolution_s: float | None = None
    exact_clock: bool = False
    reasons: tuple[str, ...] = ()

    def value(self, name: str) -> float | None:
        """The printed value of that name, ``None`` if it was not printed or not understood."""
        return next((item.value for item in self.quantities if item.name == name), None)
