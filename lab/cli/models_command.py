"""``lab models``: the study's networks as .tflite files: build them, list them, show what one is."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cache import cache_folder
from lab.cli.arguments import add_json_argument
from lab.errors import DataError, ExitCode, LabError, UsageError
from lab.record.printable import json_text, printable_line, printable_lines

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from lab.networks.building.build import BuiltModel, Outcome

_MB = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab models``."""
    from lab.networks.building.compress import CLUSTERINGS, PLAIN
    from lab.networks.building.recipe import DEFAULT_SEED

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser(
        "build", help="make the .tflite files, and a metadata file beside each (needs the extra [keras])"
    )
    build.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="networks, compressions, input sizes, or words together: MobileNet, 'VGG16 32', 'PQ 75' (default: all)",
    )
    _add_folder_argument(build, "--out")
    build.add_argument(
        "--dataset",
        type=Path,
        metavar="FOLDER",
        help="CIFAR-100 in its python form, to find the ranges of activations with (default: seeded synthetic images)",
    )
    build.add_argument(
        "--weights",
        type=Path,
        metavar="FOLDER",
        help="trained weights, as Keras keeps them in ~/.keras/models (default: drawn from the seed)",
    )
    build.add_argument(
        "--seed", type=_seed, default=DEFAULT_SEED, metavar="N", help=f"of everything drawn (default: {DEFAULT_SEED})"
    )
    build.add_argument(
        "--pwq",
        choices=CLUSTERINGS,
        default=PLAIN,
        help="how PWQ clusters what was pruned: plain moves zeros to the nearest centroid, sparse keeps them "
        f"(default: {PLAIN})",
    )
    build.add_argument("-q", "--quiet", action="store_true", help="no progress")
    add_json_argument(build)
    listing = actions.add_parser("list", help="list the 33 variations: which are built, how, and how large they are")
    _add_folder_argument(listing, "--out")
    add_json_argument(listing)
    show = actions.add_parser("show", help="show what a built file is, and check it against its metadata and the study")
    show.add_argument("model", type=Path, metavar="FILE", help="a .tflite file that `lab models build` made")
    add_json_argument(show)


def run(args: argparse.Namespace) -> int:
    """Do what ``ACTION`` says."""
    match args.action:
        case "build":
            return _build(args)
        case "list":
            return _list(args)
        case _:
            return _show(args)


def _add_folder_argument(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        name,
        type=Path,
        default=Path(os.environ.get("LAB_MODELS") or "models"),
        metavar="FOLDER",
        help="the folder of the models, `models:` of a bench (default: $LAB_MODELS or ./models)",
    )


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if seed < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return seed


# --------------------------------------------------------------------------------------------------------- build


def _build(args: argparse.Namespace) -> int:
    from lab.cli.run_command import stop_on_terminate
    from lab.networks.building.build import build_models
    from lab.networks.building.interpreter import keras_python
    from lab.networks.building.recipe import Choices, chosen_variations
    from lab.networks.building.store import ModelStore

    # The process that builds ends with this one, whoever ends it.
    stop_on_terminate()
    wanted = chosen_variations(args.only)
    for folder, option in ((args.dataset, "--dataset"), (args.weights, "--weights")):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"{option}: {folder} is not a folder")
    python = keras_python()
    choices = Choices(seed=args.seed, clustering=args.pwq, dataset=args.dataset, weights=args.weights)
    store = ModelStore(cache_folder() / "models", args.out)
    progress = _Bar(len(wanted)) if sys.stderr.isatty() and not args.quiet else _Lines(quiet=args.quiet)
    with progress:
        outcome = build_models(wanted, choices, store, python, progress)
    if args.json:
        print(json_text(_outcome_json(outcome, args.out)))
    elif outcome.models:
        print(_built_line(outcome, args.out))
        _say_what_is_drawn(outcome)
    if not outcome.failures:
        return int(ExitCode.OK)
    if outcome.models:
        return int(ExitCode.PARTIAL)
    return int(next(iter(outcome.failures.values())).exit_code)


def _built_line(outcome: Outcome, folder: Path) -> str:
    states = [model.state for model in outcome.models]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    megabytes = sum(model.metadata["bytes"] for model in outcome.models) / _MB
    models = "1 model" if len(states) == 1 else f"{len(states)} models"
    return printable_line(f"{models} in {folder}, {megabytes:.1f} MB: {', '.join(parts)}")


def _say_what_is_drawn(outcome: Outcome) -> None:
    """What a reader must not take for trained networks or real pictures."""
    metadata = [model.metadata for model in outcome.models]
    if any(item["weights"]["kind"] == "seeded" for item in metadata):
        print("weights: drawn from the seed, not trained; latency and energy do not depend on them, answers do")
    datasets = [item["dataset"] for item in metadata if item["dataset"]]
    if any(item["kind"] == "synthetic" for item in datasets):
        print("representative images: synthetic, drawn from the seed; --dataset takes CIFAR-100's folder")
    elif any(not item["published"] for item in datasets):
        print("representative images: from a file that is not the published CIFAR-100 (MD5)")


def _outcome_json(outcome: Outcome, folder: Path) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "models": [{**_row(model.path, model.metadata), "state": model.state} for model in outcome.models],
        "failures": {title: error.message for title, error in outcome.failures.items()},
        "peak_rss_bytes": outcome.peak_rss_bytes or None,
    }


def _row(path: Path, metadata: dict[str, Any]) -> dict[str, Any]:
    taken = ("name", "bytes", "gzip_bytes", "sparsity", "parameters", "depth", "sha256", "key")
    clustering = metadata["compression"]["clustering"]
    return {
        "file": str(path),
        **{name: metadata[name] for name in taken},
        "clustering": clustering and clustering["kind"],
    }


class _Lines:
    """A line on stderr for each file; only failures if ``quiet``."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begins(self, name: str) -> None:
        """Nothing: the line comes when it is done."""

    def ends(self, model: BuiltModel) -> None:
        """The file, its size, and how it came."""
        if not self._quiet:
            print(printable_line(_end_line(model)), file=sys.stderr, flush=True)

    def failed(self, title: str, error: LabError) -> None:
        """The error, and what to do about it."""
        print(f"lab: {_failure_line(title, error)}", file=sys.stderr)
        if error.advice:
            print(f"     {printable_lines(error.advice)}", file=sys.stderr)


class _Bar:
    """A bar drawn with rich, the files above it."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar: RichProgress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("models", total=total)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begins(self, name: str) -> None:
        """Name the variation beside the bar."""
        self._bar.update(self._task, description=name)

    def ends(self, model: BuiltModel) -> None:
        """Advance; a line for the file."""
        self._bar.console.print(_end_line(model), style="dim", markup=False, highlight=False)
        self._bar.advance(self._task)

    def failed(self, title: str, error: LabError) -> None:
        """A line for the error."""
        text = "\n     ".join(filter(None, [_failure_line(title, error), printable_lines(error.advice or "")]))
        self._bar.console.print(f"lab: {text}", style="red", markup=False, highlight=False)


def _end_line(model: BuiltModel) -> str:
    return f"{model.state:<7} {model.path.name:<26} {model.metadata['bytes'] / _MB:7.2f} MB"


def _failure_line(title: str, error: LabError) -> str:
    said = error.message if error.message.startswith(title) else f"{title}: {error.message}"
    return printable_lines(said)


# ---------------------------------------------------------------------------------------------------------- list


def _list(args: argparse.Namespace) -> int:
    from lab.networks.building.metadata import check_model, read_metadata
    from lab.networks.tables import load_network, variations

    rows: list[dict[str, Any]] = []
    for item in variations():
        path = args.out / item.file_name
        network = load_network(item.network, item.input_size)
        row: dict[str, Any] = {
            "name": item.name,
            "file": str(path),
            "parameters": network.parameters,
            "depth": network.depth,
            "built": path.is_file(),
            "problem": None,
        }
        if path.is_file():
            try:
                metadata = read_metadata(path)
                check_model(path, metadata)
                row |= _row(path, metadata)
            except DataError as error:
                row["problem"] = error.message
        rows.append(row)
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(printable_line(_list_line(row)))
        if not any(row["built"] for row in rows):
            print(f"none is built in {args.out}; `lab models build` makes them", file=sys.stderr)
    return int(ExitCode.DATA if any(row["problem"] for row in rows) else ExitCode.OK)


def _list_line(row: dict[str, Any]) -> str:
    line = f"{row['name']:<19} {row['parameters']:>11,} parameters  depth {row['depth']:>3}  "
    if row["problem"]:
        return f"{line}{row['problem']}"
    if not row["built"]:
        return f"{line}not built"
    clustering = f"  {row['clustering']} clustering" if row["clustering"] else ""
    sizes = f"{row['bytes'] / _MB:7.2f} MB  gzip {row['gzip_bytes'] / _MB:6.2f} MB"
    return f"{line}{sizes}  {row['sparsity']:4.0%} zeros{clustering}"


# ---------------------------------------------------------------------------------------------------------- show


def _show(args: argparse.Namespace) -> int:
    from lab.networks.building.metadata import check_model, read_metadata

    model = args.model.with_suffix(".tflite") if args.model.suffix == ".json" else args.model
    if not model.is_file():
        raise UsageError(f"there is no file {model}", advice="`lab models list` shows what is built")
    metadata = read_metadata(model)
    check_model(model, metadata)
    if args.json:
        print(json_text(metadata))
    else:
        print(printable_lines(_shown(metadata)))
    return int(ExitCode.OK)


def _shown(metadata: dict[str, Any]) -> str:
    compression, ends = metadata["compression"], (metadata["input"], metadata["output"])
    lines = [
        f"{metadata['name']}  ({metadata['file']})",
        f"  parameters   {metadata['parameters']:,}, as in Table 2.1; {metadata['depth']} layers with parameters of "
        f"{len(metadata['layers'])}; {metadata['macs']:,} multiply-accumulates",
        f"  size         {metadata['bytes']:,} bytes; gzip {metadata['gzip_bytes']:,}; "
        f"{metadata['sparsity']:.1%} of the file's weights are zero",
        f"  compression  {_compression_text(compression)}",
        *[f"  not compressed: {kind} ({why})" for kind, why in compression["skipped"].items()],
        f"  weights      {_weights_text(metadata)}",
        f"  images       {_dataset_text(metadata['dataset'])}",
        f"  input, output  {', '.join(_end_text(end) for end in ends)}",
        f"  made with    {', '.join(f'{name} {version}' for name, version in metadata['versions'].items())}",
        f"  sha256       {metadata['sha256']}",
        "",
        f"  {'layer':<28} {'kind':<16} {'parameters':>11} {'output':>12} {'zeros':>7} {'distinct':>9}",
    ]
    lines += [_layer_line(row) for row in metadata["layers"] if row["macs"]]
    return "\n".join(lines)


def _layer_line(row: dict[str, Any]) -> str:
    kernel = row["kernel_weights"]
    share, distinct = (f"{kernel['zeros'] / kernel['elements']:.1%}", f"{kernel['distinct']:,}") if kernel else ("", "")
    return (
        f"  {row['name']:<28} {row['kind']:<16} {row['parameters']:>11,} {row['output_shape']:>12} {share:>7} "
        f"{distinct:>9}"
    ).rstrip()


def _compression_text(compression: dict[str, Any]) -> str:
    parts = []
    if pruning := compression["pruning"]:
        parts.append(f"pruned to {pruning['sparsity']:.0%} zeros per layer")
    if clustering := compression["clustering"]:
        kind = "plain" if clustering["kind"] == "plain" else "sparsity-preserving"
        parts.append(f"clustered to {clustering['clusters']} values per layer ({kind}, {clustering['centroids']})")
    if compression["quantization"]:
        parts.append("full int8")
    if parts and (compression["pruning"] or compression["clustering"]):
        parts.append("without fine-tuning" + (", biases corrected" if compression["clustering"] else ""))
    return ", ".join(parts) or "none"


def _weights_text(metadata: dict[str, Any]) -> str:
    weights = metadata["weights"]
    if weights["kind"] == "seeded":
        return f"drawn from seed {metadata['seed']}, not trained"
    head = "" if weights["whole"] else f"; the head drawn from seed {metadata['seed']}"
    return f"{weights['file']} (sha256 {weights['sha256'][:16]}…){head}"


def _dataset_text(dataset: dict[str, Any] | None) -> str:
    if dataset is None:
        return "none needed"
    if dataset["kind"] == "synthetic":
        return f"{dataset['images']} synthetic ones, drawn from seed {dataset['seed']}"
    published = "" if dataset["published"] else "; not the published file"
    return f"{dataset['images']} of {dataset['kind']}'s {dataset['of']} test images, seed {dataset['seed']}{published}"


def _end_text(end: dict[str, Any]) -> str:
    scale = f" (scale {end['scale']:.4g}, zero point {end['zero_point']})" if end["scale"] is not None else ""
    return f"{end['dtype']} {'×'.join(map(str, end['shape']))}{scale}"
