"""The experiment and bench files that are shipped, and the schemas that editors check them with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from experiment_texts import EXPERIMENT
from small_json_schema import failures

from lab.config.document import parse_document, read_document
from lab.experiment.load import load_bench, load_experiment
from lab.experiment.plan import build_plan
from lab.experiment.schema import SchemaKind, schema_text

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
BENCHES = sorted((ROOT / "experiments" / "benches").glob("*.yaml"))
SCENARIOS = sorted((ROOT / "experiments" / "offload").glob("*.yaml"))
FILES: list[tuple[SchemaKind, Path]] = [
    *(("experiment", path) for path in EXPERIMENTS),
    *(("bench", path) for path in BENCHES),
    *(("offload", path) for path in SCENARIOS),
]


def ids(value: object) -> str | None:
    return value.stem if isinstance(value, Path) else None


@pytest.mark.parametrize("path", EXPERIMENTS, ids=ids)
def test_experiments_are_valid_and_their_record_can_be_resumed(path: Path) -> None:
    experiment = load_experiment(path).experiment
    assert type(experiment).model_validate(json.loads(experiment.model_dump_json())) == experiment


@pytest.mark.parametrize("path", BENCHES, ids=ids)
def test_benches_are_valid(path: Path) -> None:
    bench = load_bench(path)
    assert type(bench).model_validate(json.loads(bench.model_dump_json())) == bench
    assert bench.bench == path.stem


def test_the_study_is_33_variations_on_three_platforms() -> None:
    loaded = load_experiment(ROOT / "experiments" / "imx8_npu.yaml")
    plan = build_plan(loaded.experiment, loaded.bench)
    assert len({trial.point_id for trial in plan.trials}) == 33 * 3
    assert len(plan.trials) == 33 * 3 * 5
    assert plan.unavailable == ()
    assert {trial.settings["threads"] for trial in plan.trials if trial.values["platform"] == "CPU 4-core"} == {4}


def test_the_study_goes_onto_the_real_bench() -> None:
    bench = ROOT / "experiments" / "benches" / "imx8mp_js220.yaml"
    loaded = load_experiment(ROOT / "experiments" / "imx8_npu.yaml", bench_path=bench)
    assert loaded.bench.board.kind == "ssh"
    assert build_plan(loaded.experiment, loaded.bench).unavailable == ()


@pytest.mark.parametrize(("kind", "path"), FILES, ids=ids)
def test_files_name_their_schema_for_editors(kind: SchemaKind, path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    named = (path.parent / first.removeprefix(prefix)).resolve()
    assert named == ROOT / "docs" / "schema" / f"{kind}.schema.json"
    assert named.is_file()


@pytest.mark.parametrize("kind", ["experiment", "bench", "offload"])
def test_published_schemas_are_those_of_the_models(kind: SchemaKind) -> None:
    path = ROOT / "docs" / "schema" / f"{kind}.schema.json"
    assert path.read_text(encoding="utf-8") == schema_text(kind), f"lab schema {kind} > {path.relative_to(ROOT)}"


@pytest.mark.parametrize(("kind", "path"), FILES, ids=ids)
def test_files_satisfy_their_schema(kind: SchemaKind, path: Path) -> None:
    schema = json.loads(schema_text(kind))
    assert list(failures(read_document(path).data, schema, schema)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("repeats: 2", "repeets: 2"),
        ("repeats: 2", "repeats: two"),
        ("duration: 10 s", "duration: 10 sec"),
        ("kind: tflite_benchmark", "kind: tflite"),
        ("[MobileNet, VGG16]", "[]"),
        ("{value: four,", "{"),
        ("experiment: small", "experiment: 3 words here"),
    ],
)
def test_editors_see_mistakes(old: str, new: str) -> None:
    schema = json.loads(schema_text("experiment"))
    assert not any(failures(parse_document(EXPERIMENT, "f").data, schema, schema))
    assert any(failures(parse_document(EXPERIMENT.replace(old, new), "f").data, schema, schema))


def nodes(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [node for item in part for node in nodes(item)]
    if isinstance(part, dict):
        return [part, *(node for item in part.values() for node in nodes(item))]
    return []


@pytest.mark.parametrize("kind", ["experiment", "bench", "offload"])
def test_schemas_are_closed_and_whole(kind: SchemaKind) -> None:
    schema = json.loads(schema_text(kind))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for node in nodes(schema):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in schema["$defs"]
        if "patternProperties" in node or (node.get("type") == "object" and "properties" in node):
            assert node["additionalProperties"] is False
    quantities = [node for node in nodes(schema) if "pattern" in node and "min" in node["pattern"]]
    assert quantities or kind == "bench"


def test_checking_needs_no_heavy_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from lab.experiment.load import load_experiment; "
        f"load_experiment(Path({str(EXPERIMENTS[0])!r})); "
        "print(*sorted(name.partition('.')[0] for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert {"pydantic", "ruamel"} <= loaded
    assert not loaded & {"numpy", "pandas", "scipy", "matplotlib", "pyarrow", "pyjls", "jinja2", "rich"}
