"""``lab offload``: each inference of a record held against having a server make it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.arguments import add_json_argument, add_records_argument, add_verify_argument
from lab.cli.opened_record import opened_record
from lab.errors import DataError, ExitCode, UsageError
from lab.record.printable import json_text, printable

if TYPE_CHECKING:
    from analysis.offload.scenario import Scenario
    from lab.record.reader import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab offload``."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "record",
        nargs="?",
        metavar="RECORD",
        help="a record's folder, its short id, an experiment's name (its newest record), or `latest`",
    )
    what.add_argument(
        "--published", action="store_true", help="no record: the study's tables 4.2 to 4.4, cell by cell, recomputed"
    )
    add_records_argument(parser)
    parser.add_argument(
        "--scenario",
        type=Path,
        metavar="FILE.yaml",
        help="media, servers and idle states (default: what the record's experiment names)",
    )
    parser.add_argument("--networks", action="store_true", help="print the decision for every network too")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where tables and figures go (default: offload/ in the record)"
    )
    parser.add_argument("--no-figures", action="store_true", help="tables only")
    add_verify_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print the tables, write them and the figures; exit code 4 for a record without any cost per inference."""
    if args.published:
        return _published(as_json=args.json)
    from analysis.offload.tables import offload_of
    from analysis.offload.write import write_tables
    from analysis.process import process
    from lab.report.offload import offload_text

    record = opened_record(args)
    scenario = _scenario(args, record)
    found = offload_of(record.manifest, process(record).summary, scenario)
    if found is None:
        raise DataError(f"{record.root}: no pass gave a latency or an energy per inference to hold against offloading")
    folder: Path = args.out or record.root / "offload" / scenario.name
    written = write_tables(found, folder)
    if not args.no_figures:
        from analysis.figures.offload.build import write_offload_figures

        files = write_offload_figures(folder, found, str(record.manifest["record_id"]))
        written += tuple(path for file in files for path in (file.png, file.svg) if path is not None)
    if args.json:
        tables = {name: _rows(frame) for name, frame in found.frames.items()}
        said = {"record": str(record.root), "scenario": scenario.name, "origins": list(found.grid.origins)}
        print(json_text({**said, **tables, "written": [str(path) for path in written]}))
    else:
        print(printable(f"{scenario.title}\n{offload_text(found, networks=args.networks)}"))
        print(f"tables and figures: {printable(str(folder))}")
    return int(ExitCode.OK)


def _scenario(args: argparse.Namespace, record: Record) -> Scenario:
    """The scenario that is named, its servers' latencies looked up; else the one in the record."""
    from analysis.offload.scenario import recorded_scenario, scenario_of

    if args.scenario is None:
        recorded = recorded_scenario(record.manifest)
        if recorded is None:
            raise UsageError(
                "the record's experiment names no offload scenario",
                advice="name one: --scenario experiments/offload/study.yaml",
            )
        return recorded
    from lab.experiment.offload_scenario import load_scenario
    from lab.runner.offload_servers import server_latencies

    scenario = scenario_of(load_scenario(args.scenario).resolved())
    # Beside the record itself first: a folder of records is carried about as a whole.
    beside = record.root.resolve().parents[1]
    return scenario.with_latencies(server_latencies(scenario, beside, args.records))


def _published(*, as_json: bool) -> int:
    from analysis.offload.published import StudyNetwork, published_cells, why_not_literal
    from lab.networks.tables import load_network, variations
    from lab.report.offload import published_text

    networks = []
    for item in variations():
        table = load_network(item.network, item.input_size)
        networks.append(StudyNetwork(item.name, item.input_size, table.macs, table.depth))
    cells = published_cells(networks)
    if as_json:
        rows = [
            {
                **{name: getattr(cell, name) for name in ("table", "medium", "server", "column", "unit", "printed")},
                **{name: getattr(cell, name) for name in ("held", "residual", "agrees", "same_digits")},
                "literal_at_least": cell.literal,
            }
            for cell in cells
        ]
        print(json_text({"cells": rows, "why_not_literal": why_not_literal(cells)}))
    else:
        print(published_text(cells), end="")
    return int(ExitCode.OK)


def _rows(frame: Any) -> list[dict[str, Any]]:
    """The rows as JSON objects; a missing value is ``null``."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows
