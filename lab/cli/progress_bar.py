"""Progress of a campaign on stderr: a bar with the time left on a terminal, nothing but faults elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lab.record.printable import printable_line
from lab.runner.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_SHOWN_FAILURES = 5


def campaign_progress(quiet: bool) -> Progress:
    """A bar where somebody is looking, faults alone where nobody is, nothing if ``quiet``."""
    if quiet:
        return Silent()
    return ProgressBar() if sys.stderr.isatty() else FaultLines()


class FaultLines(Silent):
    """What goes wrong, for whoever reads a log: a line for each of the first passes that fail, then how many more."""

    def __init__(self) -> None:
        self._failed = 0
        self._faulty = 0

    def pass_ends(self, pass_id: str, state: str, faults: tuple[str, ...]) -> None:
        """Say that a pass failed; count those that carry faults."""
        if state != "done":
            self._failed += 1
            if self._failed <= _SHOWN_FAILURES:
                print(printable_line(f"{pass_id} failed: {', '.join(faults)}"), file=sys.stderr)
        elif faults:
            self._faulty += 1

    def close(self) -> None:
        """Say how many more failed, and how many carry faults."""
        if (more := self._failed - _SHOWN_FAILURES) > 0:
            print(f"… and {_passes(more, 'more ')} failed", file=sys.stderr)
        if self._faulty:
            print(_with_faults(self._faulty), file=sys.stderr)
        self._failed = self._faulty = 0


def _passes(count: int, more: str = "") -> str:
    return f"{count} {more}{'pass' if count == 1 else 'passes'}"


def _with_faults(count: int) -> str:
    return f"{_passes(count)} {'carries' if count == 1 else 'carry'} faults (see the verdicts)"


class ProgressBar:
    """A bar drawn with rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bar: RichProgress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._faulty = 0

    def campaign_begins(self, passes: int, already_done: int, estimated_s: float) -> None:
        """Show the bar, and the estimate above it; the time left is then learnt from the passes themselves."""
        about = f", about {max(1, round(estimated_s))} s" if estimated_s else ""
        self._bar.console.print(f"[dim]{_passes(passes)} to do{about}[/dim]")
        self._bar.start()
        self._task = self._bar.add_task("passes", total=passes + already_done, completed=already_done)

    def pass_begins(self, pass_id: str, label: str) -> None:
        """Name the pass beside the bar."""
        if self._task is not None:
            self._bar.update(self._task, description=f"{pass_id:<24} {printable_line(label, 60):<32}")

    def pass_ends(self, pass_id: str, state: str, faults: tuple[str, ...]) -> None:
        """Advance; a failed pass leaves a line above the bar."""
        if self._task is not None:
            self._bar.advance(self._task)
        if state != "done":
            text = printable_line(f"{pass_id} failed: {', '.join(faults)}")
            self._bar.console.print(text, style="red", markup=False, highlight=False)
        elif faults:
            self._faulty += 1

    def step(self, text: str) -> None:
        """A line of its own."""
        self._bar.console.print(f"{printable_line(text)} …", style="dim", markup=False, highlight=False)

    def close(self) -> None:
        """Take the bar away; say how many passes carry a fault."""
        self._bar.stop()
        if self._faulty:
            self._bar.console.print(_with_faults(self._faulty))
        self._faulty = 0
