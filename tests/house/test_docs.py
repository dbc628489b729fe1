"""What the documents say can be done: their YAML loads, their commands parse, their links lead somewhere."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bench.model import Bench
from lab.cli.main import COMMANDS, build_parser
from lab.config.document import parse_document
from lab.experiment.load import load_bench, load_experiment
from lab.experiment.model import DiscoveredFactor, Experiment
from lab.experiment.offload_scenario import OffloadScenario, load_scenario
from lab.experiment.plan import build_plan

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for room in ("docs", "benchmarks", "workloads") for page in (ROOT / room).rglob("*.md")),
    ]
)

FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)")
INLINE_COMMAND = re.compile(r"`lab ([a-z]+)([^`]*)`")
NOT_HERE = re.compile(r"^## What is not here yet\n.*?(?=^## )", re.DOTALL | re.MULTILINE)
"""A section of the README that names what later versions will have."""
OWN_FILE = re.compile(
    r"`((?:\.ci|analysis|benchmarks|docs|experiments|instruments|lab|notebooks|tests|workloads)/[\w./-]+)`"
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, text) of each fenced block whose info string is ``kind``."""
    return [(name_of(page), text) for page in PAGES for info, text in FENCED.findall(page.read_text()) if info == kind]


def numbered(found: list[tuple[str, str]]) -> list[object]:
    return [pytest.param(text, id=f"{page}-{number}") for number, (page, text) in enumerate(found, start=1)]


# ---------------------------------------------------------------------------------------------------------- YAML


@pytest.fixture
def experiments(tmp_path: Path) -> Path:
    """A folder like experiments/, with the shipped benches beside the file to come."""
    shutil.copytree(ROOT / "experiments" / "benches", tmp_path / "benches")
    return tmp_path


@pytest.mark.parametrize("text", numbered(blocks("yaml experiment")))
def test_an_experiment_in_the_documents_loads_and_plans(text: str, experiments: Path) -> None:
    path = experiments / "from_the_documents.yaml"
    path.write_text(text)
    loaded = load_experiment(path)
    if not any(isinstance(factor, DiscoveredFactor) for factor in loaded.experiment.factors.values()):
        assert build_plan(loaded.experiment, loaded.bench).trials


@pytest.mark.parametrize("text", numbered(blocks("yaml bench")))
def test_a_bench_in_the_documents_loads(text: str, experiments: Path) -> None:
    path = experiments / "benches" / "from_the_documents.yaml"
    path.write_text(text)
    assert load_bench(path).instruments


@pytest.mark.parametrize("text", numbered(blocks("yaml offload")))
def test_an_offload_scenario_in_the_documents_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "from_the_documents.yaml"
    path.write_text(text)
    assert load_scenario(path).scenario.media


@pytest.mark.parametrize("text", numbered(blocks("yaml")))
def test_part_of_a_file_in_the_documents_has_keys_that_files_have(text: str) -> None:
    document = parse_document(text, "part")
    assert not document.findings
    assert set(document.data) <= set(Bench.model_fields) or set(document.data) <= set(Experiment.model_fields)


def test_every_key_of_an_experiment_and_of_a_bench_is_explained() -> None:
    experiments, benches = ((ROOT / "docs" / name).read_text() for name in ("experiments.md", "bench-files.md"))
    assert [key for key in Experiment.model_fields if f"`{key}`" not in experiments] == []
    assert [key for key in Bench.model_fields if f"`{key}`" not in benches] == []
    scenarios = (ROOT / "docs" / "offload.md").read_text()
    assert [key for key in OffloadScenario.model_fields if f"`{key}`" not in scenarios] == []


# ------------------------------------------------------------------------------------------------------ commands


def shell_commands() -> Iterator[tuple[str, list[str]]]:
    """(page, arguments) of each ``lab …`` in a block of shell commands."""
    for page, text in blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words[:1] == ["lab"]:
                yield page, words[1:]


def parsed(words: list[str]) -> argparse.Namespace:
    command = next((word for word in words if word in COMMANDS), None)
    return build_parser(command).parse_args(words)


@pytest.mark.parametrize(
    "words", [pytest.param(words, id=f"{page}: {' '.join(words)}") for page, words in shell_commands()]
)
def test_a_command_in_the_documents_is_understood(words: list[str]) -> None:
    args = parsed(words)
    files = [getattr(args, name, None) for name in ("experiment", "file", "bench", "scenario")]
    for path in [item for item in files if isinstance(item, Path)]:
        assert (ROOT / path).is_file()
    if args.command in {"run", "check", "plan"}:
        experiment = getattr(args, "experiment", None) or args.file
        if experiment.parent.name == "offload":
            assert load_scenario(ROOT / experiment).scenario
            return
        bench = None if args.bench is None else ROOT / args.bench
        assert load_experiment(ROOT / experiment, args.overrides, bench).experiment


def test_commands_named_in_passing_exist_with_their_options() -> None:
    for page in PAGES:
        for command, rest in INLINE_COMMAND.findall(NOT_HERE.sub("", page.read_text())):
            assert command in COMMANDS, f"{name_of(page)}: lab {command}"
            options = re.findall(r"--[a-z-]+", rest)
            plain = rest.partition(" --")[0].split()
            help_text = io.StringIO()
            with contextlib.redirect_stdout(help_text), pytest.raises(SystemExit) as ended:
                parsed([command, *plain, "--help"])
            assert ended.value.code == 0
            for option in options:
                assert option in help_text.getvalue(), f"{name_of(page)}: lab {command}{rest}"


def test_what_the_readme_calls_missing_is_still_missing() -> None:
    (section,) = NOT_HERE.findall((ROOT / "README.md").read_text()) or [""]
    assert [command for command, _ in INLINE_COMMAND.findall(section) if command in COMMANDS] == []


# ---------------------------------------------------------------------------------------------- links, examples


@pytest.mark.parametrize("page", [pytest.param(page, id=name_of(page)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text())
    for target, anchor in LINK.findall(text):
        path = (page.parent / target) if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"
    for file in OWN_FILE.findall(text):
        assert (ROOT / file).exists(), file


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page get."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def computed_blocks() -> list[object]:
    """Blocks of Python that are followed by what they print."""
    pair = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [
        pytest.param(code, output, id=f"{name_of(page)}-{number}")
        for page in PAGES
        for number, (code, output) in enumerate(pair.findall(page.read_text()), start=1)
    ]


@pytest.mark.parametrize(("code", "output"), computed_blocks())
def test_numbers_in_the_documents_are_what_their_code_prints(code: str, output: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "documents", "exec"), {"__name__": "documents"})
    assert printed.getvalue() == output
