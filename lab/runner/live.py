"""Watching a bench's power meters without recording: one reading of each, period by period."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from instruments.protocol import Instrument, LiveReading, ShowsLive, is_power_meter
from lab.bench.assemble import assemble_bench
from lab.bench.model import Bench
from lab.errors import HardwareError, UsageError
from lab.record.quantity import Origin


@dataclass(frozen=True, slots=True)
class LiveMeter:
    """A meter under watch: its name in the bench file, what its energy is the energy of, and its origin."""

    name: str
    scope: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class LiveRound:
    """What every meter saw in one period, ``elapsed_s`` after the watching began."""

    elapsed_s: float
    readings: Mapping[str, LiveReading]


@contextlib.contextmanager
def watching(
    bench: Bench, path: Path, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[list[LiveMeter], Callable[[float], LiveRound]]]:
    """Hold a bench's power meters open and watching.

    Gives the meters, and a function that waits for so many seconds and says what was seen meanwhile. A simulated bench
    is let idle for that time. Raises :class:`UsageError` if no instrument of the bench can be watched,
    :class:`HardwareError` if one is not there.
    """
    assembled = assemble_bench(bench, path, campaign_seed=0)
    meters = {name: item for name, item in assembled.instruments.items() if is_power_meter(item.capabilities())}
    watched = {name: item for name, item in meters.items() if isinstance(item, ShowsLive)}
    if not watched:
        raise UsageError(
            f"{path}: none of its instruments can be watched live", advice="`lab measure` needs a live power meter"
        )
    board = assembled.board
    simulated = board.origin is Origin.SIMULATED
    with contextlib.ExitStack() as stack:
        if simulated:
            board.begin_pass("live", 0)
        for name, item in watched.items():
            _hold(stack, meters[name], item)
        began_s = clock()

        def next_round(period_s: float) -> LiveRound:
            if simulated:
                board.idle(period_s)
            time.sleep(period_s)
            return LiveRound(clock() - began_s, {name: item.take_live() for name, item in watched.items()})

        described = [
            LiveMeter(name, meters[name].capabilities().scope, meters[name].capabilities().origin) for name in watched
        ]
        yield described, next_round


def _hold(stack: contextlib.ExitStack, meter: Instrument, live: ShowsLive) -> None:
    stack.callback(meter.close)
    meter.open()
    stack.callback(live.end_live)
    try:
        live.begin_live()
    except HardwareError as error:
        raise HardwareError(f"{meter.name}: {error.message}", advice=error.advice) from error
