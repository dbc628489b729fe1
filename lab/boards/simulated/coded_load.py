"""The simulated ``coded_load``: the same pattern of busy and idle as the real program, drawn on the rail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lab.boards.simulated.console import Console, Ended
from lab.record.marks_file import CODE_BEGIN, CODE_BUSY, CODE_END, CODE_IDLE

if TYPE_CHECKING:
    from lab.boards.simulated.clock import BoardClock
    from lab.boards.simulated.constants import BoardConstants
    from lab.boards.simulated.supply import Supply

PROGRAM_NAME = "coded_load"

TAPS = {4: (4, 3), 5: (5, 3), 6: (6, 5), 7: (7, 6), 8: (8, 6, 5, 4), 9: (9, 5), 10: (10, 7)}
"""Stages of the shift register that are fed back, by order: primitive polynomials (XAPP 052, Xilinx 1996)."""

GUARD_CHIPS = 2
"""Idle before the first chip and after the last one."""

WAKE_S = 40e-6
"""Mean time from the end of an idle chip to the first instruction of the next. Typical of Linux."""

STAMP_S = 2e-6
"""Mean time from reading the clock to the change of load."""


def m_sequence(order: int) -> tuple[bool, ...]:
    """The 2^order − 1 chips of the maximum-length sequence of a Fibonacci shift register that begins with all ones."""
    state, chips = (1 << order) - 1, []
    for _ in range((1 << order) - 1):
        chips.append(bool(state & 1))
        # The register shifts right; stage k is the bit order − k.
        fed = sum(state >> (order - tap) & 1 for tap in TAPS[order]) & 1
        state = state >> 1 | fed << (order - 1)
    return tuple(chips)


def play(
    arguments: Sequence[str], console: Console, supply: Supply, clock: BoardClock, board: BoardConstants
) -> tuple[Ended, list[tuple[str, int]]]:
    """Play the pattern; returns how the program ended and its marks on the board's clock."""
    order, chip_s, threads = 6, 0.02, 1
    words = list(arguments)
    try:
        while words:
            name, value = words.pop(0), words.pop(0)
            if name == "--order" and int(value) in TAPS:
                order = int(value)
            elif name == "--chip-ms" and 1 <= float(value) <= 10_000:
                chip_s = float(value) * 1e-3
            elif name == "--threads" and 1 <= int(value) <= 1024:
                threads = min(int(value), board.cpu.cores)
            else:
                raise ValueError(name)
    except (IndexError, ValueError):
        console.error("usage: coded_load [--order 4…10] [--chip-ms MS] [--threads N]")
        return Ended(2), []
    chips = m_sequence(order)
    work_w = threads * board.power.core_overhead_w + board.power.cluster_w
    supply.draw_one(GUARD_CHIPS * chip_s)
    starts_s = supply.now_s + chip_s * np.arange(len(chips) + 1)
    # A chip that follows an idle one begins when the kernel has woken the program.
    asleep = np.array([True, *(not busy for busy in chips)])
    starts_s += np.array([clock.late_s(WAKE_S) if slept else 0.0 for slept in asleep])
    stamps_s = np.maximum.accumulate(starts_s - np.array([clock.late_s(STAMP_S) for _ in starts_s]))
    supply.draw_one(float(starts_s[0]) - supply.now_s)
    supply.draw(np.diff(starts_s), np.where(chips, work_w, 0.0))
    supply.draw_one(GUARD_CHIPS * chip_s)
    marks = [(CODE_BEGIN, clock.ns(float(stamps_s[0])))]
    marks += [
        (CODE_BUSY if busy else CODE_IDLE, clock.ns(float(at_s)))
        for busy, at_s in zip(chips, stamps_s[:-1], strict=True)
    ]
    marks.append((CODE_END, clock.ns(float(stamps_s[-1]))))
    console.out(f"{len(chips)} chips of {1e3 * chip_s:g} ms, {sum(chips)} of them busy, {threads} threads")
    return Ended(0), marks
