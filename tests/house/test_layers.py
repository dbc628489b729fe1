"""The house rules that a reader of docs/architecture.md relies on, checked from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FLOORS: dict[str, set[str]] = {
    "lab.errors": set(),
    "lab.cache": set(),
    "lab.record": {"lab.errors"},
    "instruments": {"lab.errors", "lab.record"},
    "analysis": {"lab.errors", "lab.record"},
    "lab.toolchains": {"lab.errors"},
    "lab.networks": {"lab.errors"},
    "lab.config": {"lab.errors"},
    "lab.bench": {"lab.errors", "lab.cache", "lab.record", "lab.config", "lab.boards", "instruments"},
    "lab.boards": {"lab.errors", "lab.cache", "lab.record", "lab.networks", "lab.toolchains", "instruments"},
    "lab.workloads": {"lab.errors", "lab.record", "lab.config", "lab.networks", "lab.toolchains", "lab.boards"},
    "lab.experiment": {"lab.errors", "lab.record", "lab.config", "lab.bench", "lab.networks", "analysis"},
    "lab.report": {"lab.errors", "lab.record", "analysis"},
    "lab.runner": {
        "lab.errors",
        "lab.record",
        "lab.config",
        "lab.experiment",
        "lab.bench",
        "lab.boards",
        "lab.workloads",
        "lab.report",
        "instruments",
        "analysis",
    },
}
"""What each room may import besides itself. ``lab.cli`` is the roof and may import anything."""

OURS = ("lab", "instruments", "analysis")


def room_of(module: str) -> str | None:
    """The room a module belongs to, or ``None`` if it is not ours (or the bare package ``lab``)."""
    rooms = [*FLOORS, "lab.cli"]
    return next((room for room in rooms if module == room or module.startswith(room + ".")), None)


def imports() -> Iterator[tuple[Path, str, str]]:
    """Every import of one of our modules by another: file, importing module, imported module."""
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                else:
                    continue
                for name in names:
                    if name.split(".")[0] in OURS:
                        yield path, module, name


def test_no_module_imports_upward() -> None:
    wrong = []
    for path, module, name in imports():
        here, there = room_of(module), room_of(name)
        if here in (None, "lab.cli") or there in (None, here):
            continue
        if there not in FLOORS[str(here)]:
            wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_an_experiment_knows_of_the_analysis_what_can_be_named_and_no_more() -> None:
    lists = ("analysis.readers", "analysis.readers.PROGRAM_READERS", "analysis.studies", "analysis.studies.STUDIES")
    used = {name for _, module, name in imports() if room_of(module) == "lab.experiment" if room_of(name) == "analysis"}
    assert used == set(lists)


def test_programs_under_test_know_nothing_of_the_lab() -> None:
    # Not run on any board: it makes the lab's own tables of layers.
    tools = {ROOT / "workloads" / "networks" / "make_layer_tables.py"}
    wrong = []
    for path in sorted(set((ROOT / "workloads").rglob("*.py")) - tools):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in names if name.split(".")[0] in OURS]
    assert not wrong, "\n".join(wrong)


def test_every_room_is_known() -> None:
    strangers = {
        module for _, module, _ in imports() if room_of(module) is None and module not in (*OURS, "lab.__main__")
    }
    assert not strangers


HEAVY = ("numpy", "pandas", "matplotlib", "scipy", "pyarrow", "pyjls", "joulescope", "jinja2", "rich")


@pytest.mark.parametrize(
    ("arguments", "allowed"), [(["--help"], ()), (["check", "experiments/imx8_npu.yaml"], ("pydantic", "ruamel"))]
)
def test_quick_commands_load_nothing_heavy(arguments: list[str], allowed: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "from lab.cli.main import main\n"
        "try:\n    code = main(sys.argv[1:])\nexcept SystemExit as stop:\n    code = stop.code\n"
        "print('loaded', code, *sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    _, status, *loaded = done.stdout.splitlines()[-1].split()
    assert status in ("0", "None"), done.stderr
    heavy = set(HEAVY) | {"pydantic", "ruamel"} - set(allowed)
    assert not heavy & set(loaded)


def test_modules_are_small() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert not long, "does each still have one purpose?"
