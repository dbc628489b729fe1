"""``lab caches``: how networks' layers compare with a board's memories, and what that explains."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.arguments import add_json_argument, add_records_argument, add_verify_argument
from lab.errors import ExitCode, UsageError
from lab.record.printable import json_text, printable

if TYPE_CHECKING:
    from analysis.cache_fit_study import CacheFitStudy
    from analysis.process import Results
    from analysis.published_fit import FitCell
    from lab.record.reader import Record
    from lab.report.cache_fit import PlainTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab caches``."""
    parser.add_argument(
        "record",
        nargs="?",
        metavar="RECORD",
        help="a record's folder, its short id, an experiment's name, or `latest`; none: the study's table alone",
    )
    add_records_argument(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--published", action="store_true", help="the study's table of average layer fit, cell by cell")
    what.add_argument("--layers", metavar="NETWORK", help="one network layer by layer, such as 'MobileNet PQ 32'")
    what.add_argument("--correlations", action="store_true", help="every measure of fit against what was measured")
    what.add_argument("--roofline", action="store_true", help="what each network attained, and what the board can do")
    parser.add_argument("--png", type=Path, metavar="FILE", help="with --layers: draw them too, as PNG")
    add_verify_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print tables of networks and memories.

    Raises :class:`lab.errors.UsageError` where the record has none, or not the network asked for.
    """
    if args.png is not None and args.layers is None:
        raise UsageError("--png draws one network's layers", advice="name it with --layers NETWORK")
    if args.record is None:
        if args.layers or args.correlations or args.roofline:
            raise UsageError("which record?", advice="name one, e.g. `lab caches latest --roofline`")
        _show_published(args, _shipped_cells())
        return int(ExitCode.OK)
    from analysis.cache_fit_study import cache_fit_study
    from analysis.process import process
    from lab.cli.opened_record import opened_record

    record = opened_record(args)
    results = process(record)
    study = cache_fit_study(record, results.summary)
    if study is None:
        raise UsageError(
            f"{record.manifest['record_id']} has no networks to hold against memories",
            advice="its workload names no network, or nothing is known of the board's caches (board.caches)",
        )
    if args.published:
        _show_published(args, study.cells)
    elif args.layers is not None:
        _show_layers(args, record, study)
    elif args.json:
        print(json_text(_as_json(study, results, correlations=args.correlations, roofline=args.roofline)))
    else:
        _print(_tables(study, results, correlations=args.correlations, roofline=args.roofline))
        if not args.roofline:
            _print_sentences(results)
    return int(ExitCode.OK)


def _shipped_cells() -> list[FitCell]:
    """The table from the shipped layer tables and the study's memories."""
    from analysis.published_fit import MEMORIES, fit_cells
    from lab.networks.tables import INPUT_SIZES, load_network

    networks = [load_network(name, size) for name, sizes in INPUT_SIZES.items() for size in sizes]
    return fit_cells([(item.title, item.parameters, len(item.layers)) for item in networks], MEMORIES)


def _show_published(args: argparse.Namespace, cells: Any) -> None:
    from lab.report.cache_fit import published_table

    if args.json:
        print(json_text([_cell(cell) for cell in cells]))
        return
    table = published_table(cells)
    if table is None:
        raise UsageError("no cell of the study's table can be held against these networks and memories")
    _print([table])


def _cell(cell: FitCell) -> dict[str, Any]:
    return {
        "network": cell.network,
        "memory": cell.memory,
        "printed_pct": cell.printed,
        "computed_pct": cell.computed,
        "residual_pct": cell.residual,
        "holds": cell.holds,
    }


def _show_layers(args: argparse.Namespace, record: Record, study: CacheFitStudy) -> None:
    from lab.report.cache_fit import layers_table

    network = study.named(args.layers)
    fits = study.layers(network)
    if args.png is not None:
        from analysis.figures.networks import layers_drawing
        from analysis.figures.style import drawing, png_bytes

        record_id = str(record.manifest["record_id"])
        made = layers_drawing(study, str(record.manifest["board"]["origin"]), f"record {record_id}", args.layers)
        with drawing():
            args.png.write_bytes(png_bytes(made.draw().figure))
    if not args.json:
        _print([layers_table(network.variation, fits)])
        return
    rows = [
        {
            "layer": fit.layer.name,
            "kind": fit.layer.kind,
            "weight_bytes": fit.weight_bytes,
            "input_bytes": fit.input_bytes,
            "output_bytes": fit.output_bytes,
            "working_set_bytes": fit.working_set_bytes,
            "macs": fit.layer.macs,
            "held_by": fit.held_by,
        }
        for fit in fits
    ]
    print(json_text({"network": network.variation, "memories": dict(study.memories), "layers": rows}))


def _tables(study: CacheFitStudy, results: Results, *, correlations: bool, roofline: bool) -> list[PlainTable]:
    from lab.report.cache_fit import fits_table, published_table, roofline_table, spread_table

    found: list[PlainTable | None]
    if correlations:
        found = [fits_table(results.fits, str(quantity)) for quantity in dict.fromkeys(results.fits["y"])]
        if not any(found):
            notes = [note for note in dict.fromkeys(map(str, results.fits["note"])) if note]
            why = "; ".join(notes) or "no quantity that measures of fit are held against"
            raise UsageError(f"nothing in this record can be correlated with its networks: {why}")
    elif roofline:
        found = [roofline_table(study.roofline)]
        if not any(found):
            raise UsageError("no network of this record has a latency per inference")
    else:
        found = [published_table(study.cells), spread_table(study)]
    return [table for table in found if table is not None]


def _as_json(study: CacheFitStudy, results: Results, *, correlations: bool, roofline: bool) -> Any:
    if correlations:
        return json.loads(results.fits.to_json(orient="records", double_precision=15))
    if roofline:
        return [
            {
                "label": item.point.label,
                "group": item.point.hue,
                "macs": item.traffic.macs,
                "macs_per_byte_by_layer": item.traffic.intensity_by_layer,
                "macs_per_byte_at_best": item.traffic.intensity_at_best,
                "attained_mac_per_s": item.attained,
                "U_mac_per_s": item.expanded_u,
                "ceiling_mac_per_s": None if item.ceiling is None else item.ceiling.mac_per_s,
                "ceiling_bytes_per_s": None if item.ceiling is None else item.ceiling.bytes_per_s,
                "ceiling_source": None if item.ceiling is None else item.ceiling.source,
                "share_of_roof": None if item.shares is None else item.shares[0],
                "bound": item.bound or None,
                "origin": item.point.origin,
            }
            for item in study.roofline
        ]
    return {
        "memories": dict(study.memories),
        "published": [_cell(cell) for cell in study.cells],
        "networks": [
            {
                "network": network.variation,
                "layers": [{"held_by": fit.held_by, "macs": fit.layer.macs} for fit in study.layers(network)],
            }
            for network in study.networks
        ],
    }


def _print_sentences(results: Results) -> None:
    from lab.report.cache_fit import families_note, fit_sentences

    sentences = fit_sentences(results.fits)
    note = families_note(results.fits) if sentences else ""
    lines = [*(f"- {sentence}" for sentence in sentences), *([note] if note else [])]
    if lines:
        print(printable("\n".join(["", "Which explains more", *lines])))


def _print(tables: list[PlainTable]) -> None:
    from lab.report.tables import aligned

    blocks = []
    for table in tables:
        lines = aligned([table.heads, *table.rows], right=table.right)
        blocks.append(
            "\n".join([table.title, "", lines[0], "─" * max(map(len, lines)), *lines[1:], "", *table.notes]).rstrip()
        )
    print(printable("\n\n".join(blocks)))
