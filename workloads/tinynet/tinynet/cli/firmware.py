# SPDX-License-Identifier: Apache-2.0
"""``tn.py firmware``: build a microcontroller's firmware around a quantised network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import get_args

from tinynet.errors import TinynetError
from tinynet.firmware import MICROCONTROLLERS, Option, Protocol, build, facts
from tinynet.quantized import QuantizedNetwork


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("network", type=Path, metavar="NET.q.npz", help="a quantised network")
    parser.add_argument(
        "--mcu", choices=sorted(MICROCONTROLLERS), default="atmega1284p", help="for which (default: %(default)s)"
    )
    parser.add_argument(
        "--option", choices=get_args(Option), default="Os", help="how the compiler optimises (default: %(default)s)"
    )
    parser.add_argument(
        "--protocol",
        choices=get_args(Protocol),
        default="framed",
        help="framed: the lab's serial board; study: the frames 0xAA…0xAB of the study; "
        "bare: an input's bytes in, an output's bytes out (default: %(default)s)",
    )
    parser.add_argument("--baud", type=int, default=115200, help="of the serial line (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files, made if needed")
    parser.add_argument("--json", action="store_true", help="say it as JSON")


def run(args: argparse.Namespace) -> int:
    """Build it, write firmware.json beside it, say what it takes."""
    network = QuantizedNetwork.load(args.network)
    name = args.network.name.partition(".")[0]
    try:
        built = build(network, args.mcu, args.option, args.protocol, args.out, name=name, baud=args.baud)
        said = facts(built)
        (args.out / "firmware.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise TinynetError(f"{args.out} cannot be written: {error.strerror or error}") from None
    if args.json:
        print(json.dumps({"event": "done", **said}))
    else:
        print(f"{args.out / built.elf}: {built.mcu}, -{built.option}, {built.compiler}, network {built.model_hash}")
        print(f"flash  {built.flash_bytes:6d} of {built.flash_of_mcu_bytes}")
        print(f"data   {built.data_bytes:6d} of {built.ram_of_mcu_bytes}")
        print(f"stack  {built.stack_bytes:6d} at worst")
    return 0
