"""``lab measure``: live numbers of the power meters, nothing recorded."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.arguments import add_bench_argument, add_json_argument, add_override_argument, duration
from lab.errors import ExitCode
from lab.record.printable import json_text

if TYPE_CHECKING:
    from lab.cli.live_table import Totals
    from lab.runner.live import LiveMeter, LiveRound

_FILE_OF_CONNECTED = Path("connected meters")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab measure``."""
    add_bench_argument(parser)
    add_override_argument(parser)
    parser.add_argument("--duration", type=duration, metavar="TIME", help="end after so long (default: at Ctrl-C)")
    parser.add_argument(
        "--period", type=duration, default=0.5, metavar="TIME", help="one reading so often (default: 0.5s)"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Show readings until Ctrl-C or the end of ``--duration``; one JSON object for each period with ``--json``."""
    from lab.cli.live_table import Totals, display
    from lab.cli.run_command import stop_on_terminate
    from lab.runner.live import watching
    from lab.runner.recording import chosen_bench

    stop_on_terminate()
    bench, _ = chosen_bench(args.bench, tuple(args.overrides))
    with watching(bench, args.bench or _FILE_OF_CONNECTED) as (meters, next_round):
        totals = {meter.name: Totals() for meter in meters}
        # Ctrl-C is how this ends when nobody named a duration: no error, and the totals are there to be read.
        with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
            shown = None if args.json else stack.enter_context(display(meters))
            elapsed_s = 0.0
            while args.duration is None or elapsed_s < args.duration:
                left_s = args.period if args.duration is None else min(args.period, args.duration - elapsed_s)
                seen = next_round(left_s)
                elapsed_s = seen.elapsed_s
                for name, reading in seen.readings.items():
                    totals[name].add(reading)
                if shown is None:
                    print(json_text(_to_json(meters, seen, totals), indent=None), flush=True)
                else:
                    shown.show(seen, totals)
    return int(ExitCode.OK)


def _to_json(meters: list[LiveMeter], seen: LiveRound, totals: dict[str, Totals]) -> dict[str, Any]:
    return {
        "elapsed_s": seen.elapsed_s,
        "meters": {
            meter.name: {
                "origin": str(meter.origin),
                "scope": meter.scope,
                "duration_s": reading.duration_s,
                "power_w": reading.power_w,
                "power_min_w": reading.power_min_w,
                "power_max_w": reading.power_max_w,
                "voltage_v": reading.voltage_v,
                "current_a": reading.current_a,
                "energy_j": reading.energy_j,
                "total_energy_j": totals[meter.name].energy_j,
                "total_covered_s": totals[meter.name].covered_s,
                "faults": [{"code": code, "detail": detail} for code, detail in reading.faults],
            }
            for meter in meters
            for reading in (seen.readings[meter.name],)
        },
    }
