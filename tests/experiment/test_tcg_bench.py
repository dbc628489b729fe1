"""What a bench file may say of the counting plugin and of the board that is an emulator, and what becomes of it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from instruments.tcg.instrument import TcgPlugin
from lab.bench.assemble import assemble_bench
from lab.boards.qemu_user import QemuUserBoard
from lab.config.problems import ConfigErrors
from lab.errors import HardwareError
from lab.experiment.load import load_bench, load_experiment
from lab.experiment.plan import build_plan

L1D = "l1d: {size: 32 KiB, ways: 4}"
EXPERIMENT = """
experiment: counted
bench: bench.yaml
workload: {kind: program, source: ., command: ["{source}/x"], reader: none, per: process}
passes:
  counters: {events: [instructions:u, L1-dcache-loads, L1-icache-load-misses, page-faults, instructions:k]}
"""


def written(folder: Path, board: str, entry: str = "kind: tcg_plugin, " + L1D) -> Path:
    path = folder / "bench.yaml"
    path.write_text(f"bench: here\nboard: {{{board}}}\ninstruments:\n  tcg: {{{entry}}}\n")
    return path


@pytest.mark.parametrize(
    ("board", "entry", "scope", "elsewhere"),
    [
        ("kind: qemu_user, architecture: armv7l, cpu: cortex-a9", "", "armv7l", False),
        ("kind: qemu_user, architecture: armv7l", "architecture: aarch64", "aarch64", True),
        ("kind: qemu, machine: qemu-imx8mp", "", "aarch64", True),
        ("kind: qemu, machine: qemu-imx6", "", "armv7l", True),
        ("kind: ssh, host: board", "architecture: aarch64, cpu: cortex-a72", "aarch64", True),
        ("kind: local", "architecture: aarch64", "aarch64", True),
        pytest.param(
            "kind: local", "", "x86_64", True,
            marks=pytest.mark.skipif(platform.machine() != "x86_64", reason="this machine is another one"),
        ),
    ],
)  # fmt: skip
def test_architecture_and_core_are_the_boards_unless_said(
    board: str, entry: str, scope: str, elsewhere: bool, tmp_path: Path
) -> None:
    path = written(tmp_path, board, ", ".join(filter(None, ["kind: tcg_plugin", L1D, entry])))
    assembled = assemble_bench(load_bench(path), path, campaign_seed=0)
    tool = assembled.instruments["tcg"]
    assert isinstance(tool, TcgPlugin)
    assert tool.capabilities().scope == f"process:user, {scope}, emulated caches"
    assert tool.capabilities().assumes[0] == "l1d 32768/4/64/lru/allocate"
    assert list(assembled.elsewhere) == (["tcg"] if elsewhere else [])
    there = assembled.elsewhere.get("tcg", assembled.board)
    assert isinstance(there, QemuUserBoard)
    assert there.architecture == scope


def test_what_nobody_says_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "kind: ssh, host: board")
    with pytest.raises(HardwareError, match="nothing says which architecture") as caught:
        assemble_bench(load_bench(path), path, campaign_seed=0)
    assert "architecture: aarch64" in str(caught.value.advice)


def test_nothing_else_counts_on_the_emulator_and_a_simulated_board_has_no_program(tmp_path: Path) -> None:
    path = written(tmp_path, "kind: qemu_user, architecture: aarch64", "kind: counters")
    with pytest.raises(HardwareError, match="the emulator's own work"):
        assemble_bench(load_bench(path), path, campaign_seed=0)
    path = written(tmp_path, "kind: simulated")
    with pytest.raises(HardwareError, match="no program to emulate"):
        assemble_bench(load_bench(path), path, campaign_seed=0)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("kind: tcg_plugin", "l1d"),
        ("kind: tcg_plugin, l1d: {size: 30 KiB, ways: 4}", "power-of-two number of sets"),
        ("kind: tcg_plugin, l1d: {size: 32 KiB, ways: 4, line: 48}", "not a power of two"),
        ("kind: tcg_plugin, l1d: {size: 32 KiB, ways: 4, replacement: clever}", "lru"),
        (f"kind: tcg_plugin, {L1D}, architecture: mips", "aarch64"),
    ],
)
def test_a_mistake_is_told_with_what_is_expected(entry: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=told):
        load_bench(written(tmp_path, "kind: local", entry))


@pytest.mark.parametrize(
    ("entry", "events"),
    [
        (L1D, ["instructions:u", "L1-dcache-loads"]),
        (L1D + ", l1i: {size: 32 KiB, ways: 2}", ["instructions:u", "L1-dcache-loads", "L1-icache-load-misses"]),
    ],
)
def test_the_plan_offers_it_what_it_counts_in_one_pass(entry: str, events: list[str], tmp_path: Path) -> None:
    """User space by name or by nature; never the kernel's instructions, nor page faults, which are QEMU's own."""
    written(tmp_path, "kind: local", "kind: tcg_plugin, architecture: aarch64, " + entry)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    loaded = load_experiment(tmp_path / "experiment.yaml", [], None)
    plan = build_plan(loaded.experiment, loaded.bench)
    (only,) = plan.trials[0].passes
    assert list(only.events) == events
    assert only.instruments == ("tcg",)
    lost = {item.what for item in plan.unavailable}
    assert lost == {
        "instructions:u",
        "L1-dcache-loads",
        "L1-icache-load-misses",
        "page-faults",
        "instructions:k",
    } - set(events)


def test_perf_and_the_plugin_count_the_same_event_each_in_its_own_pass(tmp_path: Path) -> None:
    path = written(tmp_path, "kind: ssh, host: board", f"kind: tcg_plugin, architecture: aarch64, {L1D}")
    path.write_text(path.read_text() + "  perf: {kind: counters, core: cortex-a53}\n")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT.replace(", instructions:k", ""))
    loaded = load_experiment(tmp_path / "experiment.yaml", [], None)
    passes = build_plan(loaded.experiment, loaded.bench).trials[0].passes
    counting = [item.instruments[0] for item in passes if "instructions:u" in item.events]
    assert counting == ["tcg", "perf"]
