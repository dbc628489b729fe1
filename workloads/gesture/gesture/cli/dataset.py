# SPDX-License-Identifier: Apache-2.0
"""``gestures.py dataset``: captured gestures as the IDX files that ``tn.py`` reads."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gesture.cli.options import made, names, seed
from gesture.cli.study import load
from gesture.training import GestureData


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of CSV files, one per gesture")
    parser.add_argument("--gestures", type=names, default=(), metavar="A,B", help="default: every file")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="draws which fifth is held back")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Read, split, write."""
    data: GestureData = load(args.data, args.gestures, args.seed).data
    data.write(made(args.out))
    (args.out / "gestures.json").write_text(json.dumps(list(data.names)) + "\n", encoding="utf-8")
    print(
        f"{len(data.training)} to train on, {len(data.unseen or data.validation)} to test with: {', '.join(data.names)}"
    )
    return 0
