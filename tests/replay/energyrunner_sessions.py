"""Writes EnergyRunner sessions with a known truth, for the tests only.

The runner is imitated independently of :mod:`analysis.replay`: samples are walked one by one with an accumulated clock,
the published figures are rounded as ``results.txt`` rounds them.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 1000.0


@dataclass(frozen=True)
class MadeWindow:
    """What is true of a window and what is published of it (µJ, µW)."""

    index: int
    true_begin_s: float
    true_end_s: float
    first: int
    last: int
    energy_uj: float
    power_uw: float
    inferences: int


@dataclass
class MadeSession:
    rate_hz: float
    energy_uj: NDArray[np.float32]
    stamps_s: list[float]
    windows: list[MadeWindow] = field(default_factory=list)
    meter: str = "js110"


def accumulated_index(stamp_s: float, rate_hz: float, samples: int) -> int:
    """The first sample whose accumulated instant is not before the stamp, counted one by one."""
    step, now, index = 1.0 / rate_hz, 0.0, 0
    while index < samples and now < stamp_s:
        now += step
        index += 1
    return index


def make_session(
    *,
    samples: int,
    instants_s: tuple[float, ...],
    inferences: int,
    seed: int,
    rule: str = "accumulated",
    level_uj: float = 1500.0,
) -> MadeSession:
    """A session whose even windows lie between the true instants 2–3, 4–5, … (counted from 1).

    ``rule``: which whole samples are published. ``accumulated`` as EnergyRunner does it from the rounded stamps,
    ``ceil`` and ``floor`` from the true instants, which no one knows who has only the stamps.
    """
    random = np.random.default_rng(seed)
    steps = np.repeat(random.uniform(0.3, 2.0, size=samples // 50 + 1), 50)[:samples]
    energy_uj = (level_uj * steps + level_uj * 0.1 * random.standard_normal(samples)).astype(np.float32)
    stamps_s = [round(instant, 3) for instant in instants_s]
    session = MadeSession(RATE_HZ, energy_uj, stamps_s)
    for index in range(2, len(instants_s), 2):
        begin_s, end_s = instants_s[index - 1], instants_s[index]
        first, last = (
            _whole(instant, stamp, rule, samples)
            for instant, stamp in ((begin_s, stamps_s[index - 1]), (end_s, stamps_s[index]))
        )
        total = float(energy_uj[first:last].astype(np.float64).sum())
        session.windows.append(
            MadeWindow(
                index=index,
                true_begin_s=begin_s,
                true_end_s=end_s,
                first=first,
                last=last,
                energy_uj=total,
                power_uw=total / ((last - first) / RATE_HZ),
                inferences=inferences,
            )
        )
    return session


def _whole(instant_s: float, stamp_s: float, rule: str, samples: int) -> int:
    if rule == "accumulated":
        return accumulated_index(stamp_s, RATE_HZ, samples)
    return math.ceil(instant_s * RATE_HZ) if rule == "ceil" else math.floor(instant_s * RATE_HZ)


def trace_bytes(session: MadeSession) -> bytes:
    return struct.pack("<Bf", 0xF1, session.rate_hz) + session.energy_uj.astype("<f4").tobytes()


def results_text(session: MadeSession) -> str:
    lines = []
    for window in session.windows:
        begin_s, end_s = session.stamps_s[window.index - 1], session.stamps_s[window.index]
        lines += [
            f"Energy data for window {window.index} at time {begin_s:.2f} for {end_s - begin_s:.2f} sec.:",
            f"  Energy       : {window.energy_uj:12.3f} uJ",
            f"  Power        : {window.power_uw:12.3f} uW",
            f"  Energy/Inf.  : {window.energy_uj / window.inferences:12.3f} uJ/inf.",
        ]
    middle = median(round(window.energy_uj / window.inferences, 3) for window in session.windows)
    rule = "-" * 57
    lines += [rule, f"Median energy cost is {middle:.3f} uJ/inf.", rule]
    paces = []
    for window in session.windows:
        runtime_s = session.stamps_s[window.index] - session.stamps_s[window.index - 1]
        paces.append(window.inferences / round(runtime_s, 3))
        lines += [
            f"Performance results for window {window.index}:",
            f"  # Inferences : {window.inferences:12d}",
            f"  Runtime      : {runtime_s:12.3f} sec.",
            f"  Throughput   : {paces[-1]:12.3f} inf./sec.",
            "e-[The run must take at least 10 seconds and 10 iterations to be valid]",
        ]
    lines += [rule, f"Median throughput is {median(paces):.3f} inf./sec.", rule]
    lines += ["Cannot compute accuracy metrics in single-run mode."]
    return "".join(f"00514.965 ulp-ml: {line}\n" for line in lines)


def log_text(session: MadeSession) -> str:
    lines = [
        "parser: m-version[3.0.10]",
        "io: [dut]: m-model-[kws01]",
        "emon: m-dropthresh[0.1]",
        *(f"emon: m-lap-us-{round(stamp * 1e6)}" for stamp in session.stamps_s),
        f"emon: m-regfile-fn[trace1-energy.bin]-type[emon]-name[{session.meter}]",
        f"emon: m-regfile-fn[trace1-timestamps.json]-type[etime]-name[{session.meter}]",
        "emon: m-[Dropped 0 packets out of 1027584, 0%]",
        "emon: m-voltage-mv[3300]",
    ]
    return "".join(f"00470.958 {line}\n" for line in lines)


def write_session(session: MadeSession, folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "trace1-energy.bin").write_bytes(trace_bytes(session))
    (folder / "trace1-timestamps.json").write_text(json.dumps(session.stamps_s), encoding="utf-8")
    (folder / "results.txt").write_text(results_text(session), encoding="utf-8")
    (folder / "log.txt").write_text(log_text(session), encoding="utf-8")
    return folder
