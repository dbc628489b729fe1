"""What planning counter passes is worth: nine events on a PMU with six counters, planned and all at once.

    python benchmarks/counter_passes.py --machine qemu-a53

boots (or finds) an emulated board with a real Linux and a real perf, whose PMU has six counters and one for cycles, as
a Cortex-A53 has. Two programs are counted over and over in two ways: with the nine events in one `perf stat`, where
the kernel takes turns and extrapolates, and in the passes that the lab's planner makes of them. Printed are the share
of the time that each event was on the PMU, how far its counts scatter (standard deviation), and how far their mean and
the worst of them lie from the planned mean. The steady program does the same all the time, where that is right;
the other works in user space first and in the kernel then, as inference changes from layer to layer. Events that this
emulator does not count (it answers 0) take a counter all the same. Times and cycles of an emulator are not those of a
board, and none is stated.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from instruments.counters.board_facts import ask
from instruments.counters.cores import CORES
from instruments.counters.counted import Counted
from instruments.counters.events import EventTable
from instruments.counters.perf import PerfStat
from lab.bench.assemble import run_on
from lab.bench.assemble_boards import make_board
from lab.bench.qemu_board import QemuBoard
from lab.experiment.events import chunks

CORE = "cortex-a53"
EVENTS = ("cycles", "instructions", "instructions:u", "instructions:k", "r04", "r10", "r16", "r17", "r19")
COUNTED = ("instructions", "instructions:u", "instructions:k")
"""Those that this emulator counts and that say something."""

_LOOP = "i=0; while [ $i -lt {turns} ]; do i=$((i+1)); done"
PROGRAMS = {
    "steady": ["sh", "-c", _LOOP.format(turns=4000)],
    "two phases": [
        "sh",
        "-c",
        f"{_LOOP.format(turns=2000)}; dd if=/dev/zero of=/dev/null bs=64 count=8000 2>/dev/null",
    ],
}


class Seen:
    """The counts of each event, and the least share of the time it was on the PMU."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = defaultdict(list)
        self.running_pct: dict[str, list[float]] = defaultdict(list)

    def take(self, counts: list[Counted] | str) -> None:
        """One execution of the program."""
        if isinstance(counts, str):
            sys.exit(f"counter_passes.py: {counts}")
        for count in counts:
            self.running_pct[count.event.name].append(count.running_pct or 0.0)
            if count.value is not None:
                self.values[count.event.name].append(count.value)

    def shares(self, event: str) -> str:
        """The range of the shares of the time."""
        low, high = min(self.running_pct[event]), max(self.running_pct[event])
        return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f}-{high:.0f}"

    def mean(self, event: str) -> float:
        """Mean count; NaN if it never counted."""
        return statistics.fmean(self.values[event]) if self.values[event] else math.nan

    def scatter_pct(self, event: str) -> float:
        """Standard deviation in per cent of the mean; NaN if there is none."""
        mean = self.mean(event)
        return 100 * statistics.stdev(self.values[event]) / mean if mean > 0 else math.nan


def main() -> None:
    """Count in both ways and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", default="qemu-a53", choices=("qemu-a53", "qemu-imx8mp"))
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    board = make_board(QemuBoard(kind="qemu", machine=args.machine), Path("bench.yaml"))
    board.open()
    try:
        run = run_on(board)
        table = EventTable(CORE, listed=ask(run).listed)
        perf = PerfStat(run)
        planned = chunks(EVENTS, CORES[CORE].slots, CORES[CORE].dedicated)
        print(f"{len(EVENTS)} events, {CORES[CORE].slots} counters and one for cycles, {args.repeats} repeats")
        for number, chosen in enumerate(planned):
            print(f"pass {number}: {' '.join(chosen.events)}")
        for name, program in PROGRAMS.items():
            at_once, in_passes = Seen(), Seen()
            for _ in range(args.repeats):
                at_once.take(perf.count_here(program, [table.event(event) for event in EVENTS]))
                for chosen in planned:
                    in_passes.take(perf.count_here(program, [table.event(event) for event in chosen.events]))
            _show(name, at_once, in_passes)
    finally:
        board.close()


def _show(name: str, at_once: Seen, in_passes: Seen) -> None:
    print(f"\n{name:<16}{'':>6}| at once{'':<34}| planned")
    print(
        f"{'':<16}{'count':>14}{'run %':>9}{'scatter':>10}{'mean off':>10}{'worst off':>11}{'run %':>9}{'scatter':>10}"
    )
    for event in EVENTS:
        shares = f"{at_once.shares(event):>9}", f"{in_passes.shares(event):>9}"
        if event not in COUNTED:
            print(f"{event:<16}{'-':>14}{shares[0]}{'':>31}{shares[1]}")
            continue
        mean = in_passes.mean(event)
        worst_pct = max(abs(100 * (value / mean - 1)) for value in at_once.values[event])
        print(
            f"{event:<16}{mean:>14,.0f}{shares[0]}{at_once.scatter_pct(event):>8.3f} %"
            f"{100 * (at_once.mean(event) / mean - 1):>8.3f} %{worst_pct:>9.3f} %{shares[1]}"
            f"{in_passes.scatter_pct(event):>8.3f} %"
        )


if __name__ == "__main__":
    main()
