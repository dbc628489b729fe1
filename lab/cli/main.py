"""The ``lab`` command: finds the subcommand, and turns every error into one clear line and an exit code.

Subcommands live in modules of their own, imported only when they are called, so that ``lab --help`` stays quick.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from lab import __version__
from lab.errors import ExitCode, LabError
from lab.record.printable import printable_line, printable_lines

COMMANDS = {
    "run": "run an experiment on a bench and leave a record",
    "check": "validate experiment and bench files; all mistakes at once",
    "plan": "show what would run, in what order, how long it takes and how much disk",
    "record": "record what a bench's power meters see, without any program",
    "measure": "show live numbers of a bench's power meters",
    "replay": "play a recording (JLS, table, EnergyRunner session) into a record and print its energy",
    "resume": "finish a campaign that was interrupted or killed",
    "process": "rebuild all results, figures and the report from a record's raw files",
    "report": "rebuild the figures and the report of a processed record",
    "figures": "draw a record's figures, or all of the edge-or-offload thesis that its data allow",
    "show": "show a record's results, budget, faults and provenance in the terminal",
    "offload": "hold each inference against having a server make it: costs, thresholds, decisions, break-evens",
    "caches": "hold networks' layers against a board's memories: the study's table, layers, correlations, roofline",
    "view": "show the trace of a pass, and what speaks against it, as a page to zoom in",
    "export": "write a stretch of a trace as CSV or Parquet",
    "list": "list the records there are",
    "board": "start, list, enter and end emulated boards (QEMU)",
    "models": "build the study's networks as .tflite files, list them, show what one is",
    "doctor": "check the boards, instruments, tools and versions at hand",
    "schema": "print the JSON Schema of experiment, bench or offload scenario files",
    "import": "read a recording made by other software",
    "recover": "recover what is left of a JLS file that was never closed or is damaged",
}
"""Subcommand → its line in the help; its module is ``lab.cli.<name>_command``."""

_DEFECT_EXIT = 70
"""``EX_SOFTWARE`` of sysexits.h: a defect of the lab itself, none of the codes that scripts act on."""


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The argument parser, with the options of ``command`` only (the others are listed by name)."""
    parser = argparse.ArgumentParser(
        prog="lab",
        description="Measure what a program costs on an embedded board: energy, time and hardware counters.",
        epilog="exit codes: 0 ok, 1 regression, 2 usage or configuration, 3 hardware or board, 4 invalid data, "
        "5 partial, 130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"lab {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, help_line in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=help_line, description=help_line[0].upper() + help_line[1:] + ".")
        if name == command:
            module = importlib.import_module(f"lab.cli.{name}_command")
            module.add_arguments(subparser)
            subparser.set_defaults(handler=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((item for item in arguments if item in COMMANDS), None)
    try:
        args = build_parser(command).parse_args(arguments)
        code: int = args.handler(args)
    except LabError as error:
        _show_error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has seen enough (`lab list | head`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except OSError as error:
        if os.environ.get("LAB_DEBUG"):
            raise
        # A folder that may not be written, a full disk: nothing that the lab could have known.
        where = f"{error.filename}: " if error.filename else ""
        print(f"lab: {printable_line(f'{where}{error.strerror or error}')}", file=sys.stderr)
        return int(ExitCode.USAGE)
    except Exception as error:
        if os.environ.get("LAB_DEBUG"):
            raise
        print(f"lab: defect in the lab: {type(error).__name__}: {printable_lines(str(error))}", file=sys.stderr)
        print("     please report it; LAB_DEBUG=1 shows where it happened", file=sys.stderr)
        return _DEFECT_EXIT
    return code


def _show_error(error: LabError) -> None:
    # What a board or a tool said may be part of it.
    lines = printable_lines(error.message).split("\n")
    prefix = "" if hasattr(error, "problems") else "lab: "
    print(f"{prefix}{lines[0]}", *lines[1:], sep="\n", file=sys.stderr)
    if error.advice:
        print(f"     {printable_lines(error.advice)}", file=sys.stderr)


def entry() -> None:
    """The console script."""
    sys.exit(main())
