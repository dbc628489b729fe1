"""The JSON Schemas of experiment, bench and scenario files, which ``lab schema`` prints and ``docs/schema`` holds."""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

from pydantic import BaseModel

from lab.bench.model import Bench
from lab.config.schema import editor_schema
from lab.experiment.model import Experiment
from lab.experiment.offload_scenario import OffloadScenario

SchemaKind: TypeAlias = Literal["experiment", "bench", "offload"]

_MODELS: dict[SchemaKind, type[BaseModel]] = {"experiment": Experiment, "bench": Bench, "offload": OffloadScenario}


def schema_text(kind: SchemaKind) -> str:
    """The JSON Schema of a kind of file, as text with a final newline; the same for the same models."""
    return json.dumps(editor_schema(_MODELS[kind], f"lab {kind}"), indent=2, ensure_ascii=False) + "\n"
