"""``lab import energyrunner``: one recorded session, computed energy beside the published one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.arguments import add_json_argument
from lab.errors import DataError, ExitCode
from lab.record.printable import json_text

if TYPE_CHECKING:
    from analysis.replay import WindowEnergy
    from lab.record.traces.energyrunner import EnergyRunnerSession


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``energyrunner`` to the formats of ``lab import``."""
    summary = "a power session of EEMBC's EnergyRunner (MLPerf Tiny)"
    parser = subparsers.add_parser("energyrunner", help=summary, description=f"Read {summary}.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the session's folder (with trace1-energy.bin)")
    add_json_argument(parser)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Print each window of one session.

    Raises :class:`DataError` if the session is damaged; exit code 4 also if one of its windows contradicts itself or
    its published energy.
    """
    from analysis.replay import session_energies
    from lab.record.traces.energyrunner import disagreements, load_session

    session = load_session(_session_folder(args.folder))
    windows = session_energies(session)
    problems = [
        item.text if item.window is None else f"window {item.window}: {item.text}" for item in disagreements(session)
    ]
    problems += [
        f"window {window.index}: the published energy lies outside the bound of the computed one"
        for window in windows
        if not window.within_bound
    ]
    problems += [
        f"window {window.index}: no sum of the published number of samples gives the published energy"
        for window in windows
        if window.matches is False
    ]
    if args.json:
        print(json_text(_to_json(session, windows, problems)))
    else:
        _print_table(session, windows, problems)
    return int(ExitCode.DATA if problems else ExitCode.OK)


def _session_folder(folder: Path) -> Path:
    """The folder itself, or the one session below it. Raises :class:`DataError` if there are several or none."""
    from lab.record.traces.energyrunner_texts import TRACE_FILE

    if not folder.is_dir() or (folder / TRACE_FILE).exists():
        return folder  # load_session says what is wrong with a folder that is none
    below = sorted(path.parent for path in folder.rglob(TRACE_FILE))
    if len(below) == 1:
        return below[0]
    if not below:
        raise DataError(f"{folder}: no {TRACE_FILE} in it or below it", advice="name the folder of a session")
    listed = "\n  ".join(str(path) for path in below)
    raise DataError(f"{folder}: {len(below)} sessions below it, name one of them:\n  {listed}")


def _to_json(session: EnergyRunnerSession, windows: list[WindowEnergy], problems: list[str]) -> dict[str, Any]:
    """SI units; energies in J per inference, ``null`` where the session does not state the number of inferences."""
    log = session.log
    return {
        "session": str(session.folder),
        "origin": "replayed",
        "meter": log.meter or None,
        "supply_voltage_v": log.voltage_v,
        "runner_version": log.runner_version or None,
        "model": log.model or None,
        "dropped_packets": log.dropped_packets,
        "rate_hz": session.rate_hz,
        "samples": int(session.energy_uj.size),
        "duration_s": session.duration_s,
        "windows": [_window_json(session, window) for window in windows],
        "published_median_energy_j": session.results.median_energy_j,
        "problems": problems,
    }


def _window_json(session: EnergyRunnerSession, window: WindowEnergy) -> dict[str, Any]:
    published = next(item for item in session.results.windows if item.index == window.index)
    each = window.per_inference
    return {
        "window": window.index,
        "begin_s": session.bounds_s(published)[0],
        "window_s": window.duration_s,
        "inferences": window.inferences,
        "latency_s": each(window.runtime_s),
        "energy_gross_j": each(window.energy_j),
        "energy_edge_bound_j": each(window.edge_bound_j),
        "energy_edge_u_j": each(window.edge_u_j),
        "energy_published_j": each(window.published_j),
        "energy_residual_rel": window.residual_rel,
        "within_bound": window.within_bound,
        "published_samples": window.samples,
        "energy_matched_j": each(window.matched_j),
        "match_residual_rel": window.match_residual_rel,
        "energy_runner_j": each(window.runner_j),
        "runner_residual_rel": window.runner_residual_rel,
        "power_active_w": window.power_w,
        "complaint": published.complaint or None,
    }


def _print_table(session: EnergyRunnerSession, windows: list[WindowEnergy], problems: list[str]) -> None:
    log = session.log
    voltage = "" if log.voltage_v is None else f", {log.voltage_v:g} V"
    dropped = "" if log.dropped_packets is None else f", {log.dropped_packets} packets dropped"
    print(f"{session.folder}")
    print(
        f"replayed: {log.meter or 'unnamed power monitor'}{voltage}, {session.rate_hz:g} Hz, "
        f"{session.duration_s:.3f} s, EnergyRunner {log.runner_version or 'of unknown version'}{dropped}"
    )
    print()
    print(
        "energy per inference (µJ); computed between the time stamps, ± as far as their rounding leaves the edges open"
    )
    print(
        f"{'window':>6} {'inferences':>10} {'computed':>14} {'± bound':>10} {'published':>14} {'difference':>11} "
        f"{'in bound':>8} {'matched sum':>11} {'runner rule':>11}"
    )
    for window in windows:
        match = window.match_residual_rel
        print(
            f"{window.index:>6} {window.inferences if window.inferences is not None else '?':>10} "
            f"{_uj(window, window.energy_j):>14} {_uj(window, window.edge_bound_j):>10} "
            f"{_uj(window, window.published_j):>14} {window.residual_rel:>+11.1e} "
            f"{'yes' if window.within_bound else 'NO':>8} {'none' if match is None else f'{match:+.1e}':>11} "
            f"{window.runner_residual_rel:>+11.1e}"
        )
    print()
    print("difference: (computed − published)/published; matched sum: the same for as many whole samples as published;")
    print("runner rule: the same for the samples that the runner's own clock, adding up 1/rate, puts between stamps")
    for complaint in dict.fromkeys(window.complaint for window in session.results.windows if window.complaint):
        print(f"the runner itself objected: {complaint}")
    for problem in problems:
        print(f"problem: {problem}")


def _uj(window: WindowEnergy, energy_j: float) -> str:
    each = window.per_inference(energy_j)
    return "?" if each is None else f"{each * 1e6:.4f}"
