"""Offloading in tables of words and numbers: the same for the terminal and for the page."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.figures.data import ResultTables, number, text_of
from analysis.offload.break_evens import NEVER
from analysis.offload.decision import Choice
from analysis.offload.medium import Medium, Payload
from analysis.offload.points import UNITS, Cost
from analysis.offload.published import COLUMNS, IDLE_RANGES_W, TOLERANCE, Cell, why_not_literal
from analysis.offload.scenario import IdleState, Scenario, recorded_scenario
from analysis.offload.server import ConstantServer, InferredServer, LawTerm, Server
from analysis.offload.tables import Offload, offload_of
from analysis.withholding import board_is_emulated
from lab.record.printable import printable_line
from lab.report.format import MISSING, plural, show
from lab.report.text_table import TextTable

if TYPE_CHECKING:
    import pandas as pd

_TITLES = {Cost.LATENCY: "latency", Cost.ENERGY: "energy", Cost.EDP: "energy-delay product"}
_LETTERS = {Choice.OFFLOAD.value: "O", Choice.LOCAL.value: "L", Choice.UNDECIDED.value: "?", "": "×"}
_SUMMED_UP = (
    (Cost.LATENCY, "round trip"),
    (Cost.LATENCY, "upload bandwidth"),
    (Cost.ENERGY, "idle power"),
    (Cost.ENERGY, "energy per byte"),
)


def offload_text(found: Offload, *, networks: bool = False) -> str:
    """What ``lab offload`` prints; with ``networks`` also the decision for each network on each platform."""
    tables = [*assumption_tables(found), *result_tables(found)]
    if networks:
        tables += network_tables(found)
    return "\n\n".join([origin_line(found), *(table.text() for table in tables), *notes(found)]) + "\n"


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says of offloading."""

    title: str
    lead: str
    results: list[TextTable]
    assumptions: list[TextTable]
    notes: list[str]


def offload_section(manifest: Mapping[str, Any], tables: ResultTables) -> Section | None:
    """The section on the scenario that the record's experiment names; ``None`` where it names none, or where no pass
    gave a cost per inference."""
    if board_is_emulated(manifest):
        return None
    scenario = recorded_scenario(manifest)
    found = None if scenario is None else offload_of(manifest, tables.summary, scenario)
    if found is None:
        return None
    return Section(
        found.scenario.title, origin_line(found), result_tables(found), assumption_tables(found), notes(found)
    )


def origin_line(found: Offload) -> str:
    """What is measured (or simulated) of it, and what is assumed."""
    grid = found.grid
    here = dict.fromkeys(origin for point in grid.points for origin in point.origins)
    there = dict.fromkeys(remote.origin for row in grid.remotes for remote in row if remote.origin)
    inferred = any(isinstance(server, InferredServer) for server in found.scenario.servers)
    parts = [
        f"Local costs: {' + '.join(here).upper()}",
        *([f"server latencies: {' + '.join(there).upper()}"] if there else []),
        "network and stated constants: ASSUMED",
        *(["servers: INFERRED, never measured"] if inferred else []),
    ]
    return "; ".join(parts)


def assumption_tables(found: Offload) -> list[TextTable]:
    """The scenario: media, servers, idle states, each with its source."""
    scenario = found.scenario
    return [
        TextTable(
            "Media",
            "",
            ("Medium", "Round trip", "Up", "Down", "A byte up", "A byte down", "Sends", "Source"),
            tuple(_medium_row(medium, scenario) for medium in scenario.media),
            (1, 2, 3, 4, 5),
        ),
        TextTable(
            "Servers",
            "",
            ("Server", "Time per inference", "Source"),
            tuple(_server_row(item) for item in scenario.servers),
        ),
        TextTable(
            "The device while it waits",
            "",
            ("Idle state", "Power", "Source"),
            tuple(_idle_row(found, i, state) for i, state in enumerate(scenario.idle)),
            (1,),
        ),
    ]


def result_tables(found: Offload) -> list[TextTable]:
    """Thresholds, what wins how often, break-evens, and the best way for each network."""
    return [*_thresholds(found), *_counts(found), *_break_evens(found), *_best(found)]


def network_tables(found: Offload) -> list[TextTable]:
    """The decision for every network on every platform, a letter each."""
    platforms = list(dict.fromkeys(point.platform for point in found.grid.points))
    order = ", ".join(platforms) if any(platforms) else "this device"
    note = f"Letters in the order {order}: O offload, L here, ? not told apart or not known, × no valid value."
    tables = []
    for which, idle in _cases(found):
        cells = {
            (row["label"], row["platform"], row["medium"], row["server"]): _LETTERS.get(row["choice"], "×")
            for row in _of(found.decisions, which, idle).to_dict("records")
        }
        ways = _ways(found)
        rows = [
            (label, *(" ".join(cells.get((label, name, *way), "·") for name in platforms) for way in ways))
            for label in found.grid.labels
        ]
        head = ("Network", *(f"{medium} → {server}" for medium, server in ways))
        tables.append(TextTable(f"The better choice by {_named(which, idle)}", note, head, tuple(rows)))
    return tables


def notes(found: Offload) -> list[str]:
    """Why some things are not decided or not there, each reason once, with how often."""
    frame = found.decisions
    if frame.empty:
        return []
    reasons = Counter(str(reason) for reason in frame["reason"] if reason)
    return [f"{plural(count, 'decision')}: {printable_line(reason)}" for reason, count in reasons.most_common(12)]


def _medium_row(medium: Medium, scenario: Scenario) -> tuple[str, ...]:
    def energy(value: float | None) -> str:
        return "unknown" if value is None else show(value, None, "J").text + "/B"

    return (
        medium.name,
        show(medium.round_trip_s, None, "s").text,
        show(medium.up_bytes_s, None, "B").text + "/s",
        show(medium.down_bytes_s, None, "B").text + "/s",
        energy(medium.up_j_byte),
        energy(medium.down_j_byte),
        _payload(scenario.payload_of(medium)),
        printable_line(medium.source),
    )


def _payload(payload: Payload) -> str:
    reply = f", {payload.result_bytes:g} B back" if payload.result_bytes else ", no reply"
    if not payload.bytes_per_pixel:
        return f"{payload.header_bytes:g} B{reply}"
    header = f" + {payload.header_bytes:g} B" if payload.header_bytes else ""
    return f"{payload.bytes_per_pixel:g} B a pixel{header}{reply}"


def _server_row(server: Server) -> tuple[str, ...]:
    if isinstance(server, ConstantServer):
        return server.name, f"{show(server.latency_s, None, 's').text} for every network", printable_line(server.source)
    if isinstance(server, InferredServer):
        law = " + ".join(map(_term, server.terms))
        return server.name, f"inferred: {law}", printable_line(server.source)
    known = server.latencies
    what = (
        printable_line(known.missing)
        if known.missing
        else f"record {known.record_id}: {plural(len(known.points), 'latency', 'latencies')}"
    )
    return server.name, what, printable_line(server.source)


def _term(term: LawTerm) -> str:
    power = "" if term.exponent == 1 else f"^{term.exponent:g}"
    return f"{show(term.latency_s, None, 's').text} · ({term.of}/{term.per:g}){power}"


def _idle_row(found: Offload, i: int, state: IdleState) -> tuple[str, ...]:
    if state.power_w is not None:
        return state.name, show(state.power_w, None, "W").text, printable_line(state.source)
    known = [value for value in found.grid.idle_w[:, 0, 0, i].tolist() if value == value]
    mean = sum(known) / len(known) if known else None
    return state.name, show(mean, None, "W").text, "the record's own, measured beside each energy; here its mean"


def _cases(found: Offload) -> Iterator[tuple[Cost, str]]:
    """Each cost that the record has, with each idle state's name where that matters."""
    having = set() if found.decisions.empty else set(found.decisions["cost"])
    for which in Cost:
        if which.value in having:
            for idle in [""] if which is Cost.LATENCY else [state.name for state in found.scenario.idle]:
                yield which, idle


def _ways(found: Offload) -> list[tuple[str, str]]:
    scenario = found.scenario
    return [(medium.name, server.name) for medium in scenario.media for server in scenario.servers]


def _of(frame: pd.DataFrame, which: Cost, idle: str) -> pd.DataFrame:
    return frame[(frame["cost"] == which.value) & (frame["idle"] == idle)]


def _named(which: Cost, idle: str) -> str:
    return f"{_TITLES[which]}, {idle} idle" if idle else _TITLES[which]


def _thresholds(found: Offload) -> list[TextTable]:
    tables = []
    for which, idle in _cases(found):
        if which is Cost.EDP:
            continue
        rows = []
        for row in _of(found.thresholds, which, idle).to_dict("records"):
            numbers = [show(number(row[name]), None, UNITS[which]).text for name in COLUMNS]
            remark = printable_line(
                text_of(row["missing"]) or ("at least: bytes not priced" if row["note"] else ""), 60
            )
            rows.append((f"{row['medium']} → {row['server']}", *numbers, str(row["n"]), remark))
        head = ("Way", "Mean", "sd", "Max", "Min", "Networks", "")
        note = "What offloading costs over the networks: above the mean, offloading pays for a usual one."
        tables.append(TextTable(f"Thresholds: {_named(which, idle)}", note, head, tuple(rows), (1, 2, 3, 4, 5)))
    return tables


def _counts(found: Offload) -> list[TextTable]:
    cases = list(_cases(found))
    if not cases:
        return []
    counted: dict[tuple[str, str, str, Cost, str], Counter[str]] = {}
    for row in found.decisions.to_dict("records"):
        key = (row["platform"], row["medium"], row["server"], Cost(row["cost"]), row["idle"])
        counted.setdefault(key, Counter())[row["choice"]] += 1
    platforms = list(dict.fromkeys(point.platform for point in found.grid.points))
    rows = []
    for medium, server in _ways(found):
        for platform in platforms:
            cells = [_tally(counted.get((platform, medium, server, which, idle))) for which, idle in cases]
            rows.append((f"{medium} → {server}", platform or "this device", *cells))
    head = ("Way", "Instead of", *(_named(which, idle).replace("energy-delay product", "EDP") for which, idle in cases))
    note = "Networks better offloaded / better here / ? not told apart or not known (× without a valid value)."
    numbers = tuple(range(2, len(head)))
    return [TextTable("What wins, and how often", note, head, tuple(rows), numbers)]


def _tally(counts: Counter[str] | None) -> str:
    if counts is None:
        return MISSING
    text = f"{counts[Choice.OFFLOAD.value]} / {counts[Choice.LOCAL.value]}"
    if counts[Choice.UNDECIDED.value]:
        text += f" / {counts[Choice.UNDECIDED.value]}?"
    return text + (f" ({counts['']}×)" if counts[""] else "")


def _break_evens(found: Offload) -> list[TextTable]:
    """The median network's break-evens: each network's own, with its interval, is in the file."""
    frame = found.break_evens
    if frame.empty:
        return []
    columns = [
        (which, name, idle)
        for which, name in _SUMMED_UP
        for idle in ([""] if which is Cost.LATENCY else [state.name for state in found.scenario.idle])
        if name != "idle power" or idle == found.scenario.idle[0].name
    ]
    cells: dict[tuple[str, str, str], dict[tuple[str, str, str], str]] = {}
    keys = ["medium", "server", "platform", "cost", "break_even", "idle"]
    for key, part in frame.groupby(keys, sort=False):
        medium, server, platform, cost, name, idle = map(str, key)
        cells.setdefault((medium, server, platform), {})[cost, name, idle] = _median(part)
    rows = [
        (f"{medium} → {server}", platform or "this device", *(own.get((c.value, n, i), MISSING) for c, n, i in columns))
        for medium, server in _ways(found)
        for platform in dict.fromkeys(point.platform for point in found.grid.points)
        for own in [cells.get((medium, server, platform), {})]
    ]
    shown = [n for n, (c, name, i) in enumerate(columns) if any(row[2 + n] != MISSING for row in rows)]
    head = ("Way", "Instead of", *(_break_even_name(*columns[n]) for n in shown))
    rows = [(*row[:2], *(row[2 + n] for n in shown)) for row in rows]
    note = (
        "Median over the networks; offloading pays below ↓ or above ↑ it (n never: for so many it pays nowhere). "
        "Each network's own, with its interval, is in break_evens.csv."
    )
    return [TextTable("Break-evens", note, head, tuple(rows), tuple(range(2, len(head))))]


def _break_even_name(which: Cost, name: str, idle: str) -> str:
    arrow = "↑" if name == "upload bandwidth" else "↓"
    if name == "idle power":
        return f"{name} {arrow}"
    return f"{name} {arrow} by {_named(which, idle).removesuffix(' idle')}"


def _median(part: pd.DataFrame) -> str:
    never = int((part["note"] == NEVER).sum())
    least = math.inf if part["pays"].iloc[0] == "above" else 0.0
    values = sorted([*part["value"].dropna(), *[least] * never])
    if not values:
        return MISSING
    median = statistics.median_low(values) if least == 0.0 else statistics.median_high(values)
    lacking = f" ({never} never)" if never else ""
    return f"never{lacking}" if median == least else _shown(median, str(part["unit"].iloc[0])) + lacking


def _shown(value: float, unit: str) -> str:
    """With the prefix before the unit proper: ``64 kB/s``, ``13 µJ/B``."""
    base, slash, per = unit.partition("/")
    return show(value, None, base).text + slash + per


def _best(found: Offload) -> list[TextTable]:
    if found.best.empty:
        return []
    cases = [(which, idle) for which, idle in _cases(found) if which is not Cost.EDP]
    cells: dict[str, dict[tuple[str, str], str]] = {}
    for row in found.best.to_dict("records"):
        cells.setdefault(row["label"], {})[row["cost"], row["idle"]] = _best_cell(row)
    rows = [(label, *(own.get((which.value, idle), MISSING) for which, idle in cases)) for label, own in cells.items()]
    head = ("Network", *(_named(which, idle) for which, idle in cases))
    note = (
        "Among all platforms and all ways to offload; ≈ those that cannot be told from it. Lower bounds take no part."
    )
    return [TextTable("The best way for each network", note, head, tuple(rows))]


def _best_cell(row: Mapping[Any, Any]) -> str:
    if not row["best"]:
        return MISSING
    value = show(number(row["value"]), number(row["U"]) or None, row["unit"]).text
    tied = f" ≈ {row['not_told_apart']}" if row["not_told_apart"] else ""
    return f"{row['best']}: {value}{tied}"


# ---------------------------------------------------------------------------------------- the published tables

_TABLE_TITLES = {
    "4.2": "Table 4.2, threshold latency",
    "4.3": "Table 4.3, threshold energy, high idle",
    "4.4": "Table 4.4, threshold energy, low idle",
}


def published_text(cells: Sequence[Cell]) -> str:
    """The study's tables cell by cell: printed, the reading that holds with its residual, and the literal readings."""
    same, near = sum(cell.same_digits for cell in cells), sum(cell.agrees for cell in cells)
    held = (
        "The reading that holds: one byte a pixel, the latency twice, no reply, no energy for bytes, idle "
        f"{IDLE_RANGES_W['high'][0]} to {IDLE_RANGES_W['high'][1]} W (high) and {IDLE_RANGES_W['low'][0]} to "
        f"{IDLE_RANGES_W['low'][1]} W (low). The server's times are not printed; they are inferred here by a law of "
        f"two constants for the CPU and three for the GPU. Of {len(cells)} cells {same} come out in the printed "
        f"digits, {near} within {TOLERANCE['4.2']:g} ms, {TOLERANCE['4.3']:g} mJ (high) and {TOLERANCE['4.4']:g} mJ "
        "(low)."
    )
    return "\n\n".join([*(table.text() for table in published_tables(cells)), held, why_not_literal(cells)]) + "\n"


def published_tables(cells: Sequence[Cell]) -> list[TextTable]:
    """A table for each of the study's three, a row for each cell."""
    tables = []
    for table, title in _TABLE_TITLES.items():
        mine = [cell for cell in cells if cell.table == table]
        readings = list(dict.fromkeys(name for cell in mine for name in cell.literal))
        rows = tuple(
            (
                f"{cell.medium} {cell.server}",
                cell.column,
                str(cell.printed),
                f"{cell.held:.1f}",
                f"{cell.residual:+.1f}".replace("-", "−"),
                *(_bound(cell, name) for name in readings),
            )
            for cell in mine
        )
        unit = mine[0].unit
        head = ("Way", "", f"Printed [{unit}]", "Held", "Residual", *(f"{name}, at least" for name in readings))
        tables.append(TextTable(title, "", head, rows, tuple(range(2, len(head)))))
    return tables


def _bound(cell: Cell, reading: str) -> str:
    if reading not in cell.literal:
        return MISSING
    return f"{cell.literal[reading]:.0f}{' !' if reading in cell.impossible else '  '}"
