# SPDX-License-Identifier: Apache-2.0
"""``tn.py export``: a quantised network as C."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from tinynet.cli.options import say_json
from tinynet.export_c import Target, export
from tinynet.quantized import QuantizedNetwork


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("network", type=Path, metavar="NET.q.npz", help="a quantised network")
    parser.add_argument(
        "--target",
        choices=get_args(Target),
        default="c",
        help="c: C99 for any machine; avr: with the kernels of AVRs (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files, made if needed")
    parser.add_argument("--json", action="store_true", help="say it as JSON")


def run(args: argparse.Namespace) -> int:
    """Write the files and say what they take."""
    network = QuantizedNetwork.load(args.network)
    written = export(network, args.target, args.out, args.network.name.partition(".")[0])
    if args.json:
        say_json(
            {
                "event": "done",
                "target": args.target,
                "files": [path.name for path in written.files],
                "flash_bytes": written.flash_bytes,
                "memory_bytes": written.memory_bytes,
                "hash": network.hash.hex(),
            }
        )
    else:
        print(
            f"{args.out}: {', '.join(path.name for path in written.files)}; {written.flash_bytes} bytes of constants, "
            f"{written.memory_bytes} between layers"
        )
    return 0
