"""Opening a record that a command shall take numbers from: its raw files must be the ones that were recorded."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.record.reader import Record


def opened_record(args: argparse.Namespace) -> Record:
    """The record that ``args.record`` names, its checksums verified unless ``args.no_verify``.

    A campaign that runs or was killed has no checksums yet. Raises :class:`lab.errors.DataError` if the record is
    damaged or a file of it changed.
    """
    from lab.record.reader import Record
    from lab.record.store import resolve_record

    record = Record.open(resolve_record(args.records, args.record), salvage=args.no_verify)
    if not args.no_verify and record.manifest["state"] != "running":
        record.require_unchanged(advice="restore them, or take what is there with --no-verify")
    return record
