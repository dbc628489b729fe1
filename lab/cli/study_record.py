"""A record for a notebook: the newest of the edge-or-offload study, made on the simulated bench where there is none."""

from __future__ import annotations

import os
from pathlib import Path

from lab.cli.main import main
from lab.errors import LabError
from lab.record.store import resolve_record

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = "imx8_npu"


def study_record(experiment: str = EXPERIMENT) -> Path:
    """The folder of an experiment's newest record in ``$LAB_RECORDS`` (else ``records/`` of the repository).

    Where there is none the shipped experiment is run first: about a minute on its simulated bench. Raises
    :class:`lab.errors.LabError` if that fails.
    """
    records = Path(os.environ.get("LAB_RECORDS", ROOT / "records"))
    try:
        return resolve_record(records, experiment)
    except LabError:
        path = ROOT / "experiments" / f"{experiment}.yaml"
        if not path.is_file():
            raise
        code = main(["run", str(path), "--records", str(records), "--quiet"])
        if code != 0:
            raise LabError(f"lab run {path.name} ended with code {code}", advice="run it by hand") from None
        return resolve_record(records, experiment)
