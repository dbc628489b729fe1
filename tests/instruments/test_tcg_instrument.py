"""The counting plugin as an instrument: what it asks of the board, and what it says when there are no counts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tcg_programs import CORES, build_folder, compiled, needs

from instruments.protocol import PassContext
from instruments.tcg.build import interface_of
from instruments.tcg.emulator import Emulator, smallest_program
from instruments.tcg.instrument import ModelledCache, Replacement, TcgPlugin
from lab.errors import HardwareError
from lab.record.quantity import Origin

MakeContext = Callable[..., PassContext]
A53 = ModelledCache(32768, 4, 64)
EVENTS = ("instructions", "page-faults", "L1-dcache-load-misses", "L1-icache-load-misses")


def instrument(
    architecture: str = "aarch64", *, l1i: ModelledCache | None = None, l1d: ModelledCache = A53
) -> TcgPlugin:
    return TcgPlugin("tcg", emulator=needs(architecture), l1d=l1d, l1i=l1i, cache=build_folder())


def ready(make_context: MakeContext, tool: TcgPlugin, **context: object) -> PassContext:
    armed = make_context("t0001.counters0", **{"events": EVENTS, **context})
    tool.open()
    tool.arm(armed)
    tool.start()
    return armed


@pytest.mark.parametrize("architecture", CORES)
def test_probe_counts_a_program_that_is_known(architecture: str) -> None:
    probe = instrument(architecture).probe()
    assert probe.present, probe.detail
    assert probe.facts["architecture"] == architecture
    assert probe.facts["caches"]["l1d"] == {
        "size_bytes": 32768, "ways": 4, "line_bytes": 64, "replacement": "lru", "write_allocate": True,
    }  # fmt: skip


@pytest.mark.parametrize("architecture", ["aarch64", "armv7l", "x86_64"])
def test_the_smallest_program_runs(architecture: str, tmp_path: Path) -> None:
    emulator = Emulator(architecture)
    if not emulator.version(lambda argv: _run(argv)):
        pytest.skip(f"no {emulator.program} on this machine (make emulators)")
    program = tmp_path / "smallest"
    program.write_bytes(smallest_program(architecture))
    program.chmod(0o755)
    assert subprocess.run([*emulator.command, program], check=False).returncode == 0


def _run(argv: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_what_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    def nothing(argv: list[str]) -> tuple[int, str, str]:
        raise FileNotFoundError(argv[0])

    tool = TcgPlugin("tcg", emulator=Emulator("aarch64"), l1d=A53, cache=tmp_path, run=nothing)
    probe = tool.probe()
    assert not probe.present
    assert "qemu-aarch64 is not installed" in probe.detail
    assert "apt install qemu-user" in probe.advice
    with pytest.raises(HardwareError, match="tcg: qemu-aarch64"):
        tool.open()


def test_a_cpu_that_is_not_known_and_a_qemu_without_plugins(tmp_path: Path) -> None:
    needs("aarch64")
    wrong = TcgPlugin("tcg", emulator=Emulator("aarch64", "cortex-z9"), l1d=A53, cache=tmp_path).probe()
    assert not wrong.present
    assert "-cpu help" in wrong.advice

    def without_plugins(argv: list[str]) -> tuple[int, str, str]:
        return (1, "", "unknown option 'plugin'") if "-plugin" in argv else _run(argv)

    found = TcgPlugin("tcg", emulator=CORES["aarch64"], l1d=A53, cache=tmp_path, run=without_plugins).probe()
    assert not found.present
    assert "unknown option 'plugin'" in found.detail


@pytest.mark.parametrize(
    ("version", "interface"), [("7.2.22", 1), ("8.2.0", 1), ("9.0.4", 2), ("9.1.0", 3), ("10.0.2", 4)]
)
def test_interface_by_version(version: str, interface: int) -> None:
    assert interface_of(version) == interface


def test_counts_become_readings_with_their_scope_and_model(make_context: MakeContext, tmp_path: Path) -> None:
    program = compiled(tmp_path, "aarch64", "int main(void) { return 0; }\n")
    tool = instrument(l1i=ModelledCache(32768, 2, 64, Replacement.RANDOM))
    context = ready(make_context, tool)
    subprocess.run(tool.wrap([str(program)], str(context.output)), check=True)
    assert tool.files() == ("tcg.json",)
    seen = tool.stop()
    assert [reading.name for reading in seen.readings] == [EVENTS[0], *EVENTS[2:]], "it counts no page faults"
    for reading in seen.readings:
        assert (reading.value or 0) > 0
        assert (reading.unit, reading.reasons) == ("1", ())
        assert reading.scope == "process:user, aarch64, emulated caches"
        assert reading.details["cpu"] == "cortex-a53"
        assert reading.details["caches"]["l1d"]["ways"] == 4
        assert reading.details["seed"] == context.seed
    assert tool.capabilities().origin is Origin.EMULATED
    assert tool.stop().readings == (), "a pass is told once"


def test_without_an_instruction_cache_its_events_are_not_offered(make_context: MakeContext) -> None:
    tool = instrument()
    assert not {"L1-icache-loads", "L1-icache-load-misses"} & set(tool.capabilities().measures)
    context = ready(make_context, tool, events=("page-faults", "L1-icache-load-misses"))
    assert tool.wrap(["true"], str(context.output)) == ["true"], "nothing of what it counts is asked for"
    assert tool.files() == ()
    assert tool.stop().readings == ()


def test_a_program_that_dies_leaves_no_counts_and_says_so(make_context: MakeContext, tmp_path: Path) -> None:
    program = compiled(tmp_path, "aarch64", "#include <stdlib.h>\nint main(void) { abort(); }\n")
    tool = instrument()
    context = ready(make_context, tool)
    done = subprocess.run(tool.wrap([str(program)], str(context.output)), capture_output=True, check=False)
    assert done.returncode != 0
    seen = tool.stop()
    assert [reading.value for reading in seen.readings] == [None, None]
    assert {reading.reasons for reading in seen.readings} == {("output_unreadable",)}
    assert [fault.code for fault in seen.faults] == ["output_unreadable"]
    assert "ended by a signal" in seen.faults[0].detail


def test_the_window_alone_or_the_word_that_it_never_opened(make_context: MakeContext) -> None:
    tool = instrument()
    context = ready(make_context, tool, window_only=True)
    argv = tool.wrap(["program"], str(context.output))
    assert argv[:2] == ["env", f"LAB_WINDOW={context.output}/window.control,{context.output}/window.acknowledge"]
    assert "window=on" in argv[argv.index("-plugin") + 1]
    counts = {"instructions": 10, "l1d_load_misses": 4, "zeroing": 0}
    document = {
        "format": "lab.tcg/1", "complete": True, "threads": 1, "windows": 1,
        "whole": {**counts, "instructions": 99}, "window": counts,
    }  # fmt: skip
    (context.output / "tcg.json").write_text(json.dumps(document))
    readings = tool.stop().readings
    assert [reading.value for reading in readings] == [10.0, 4.0]
    assert {reading.scope for reading in readings} == {"process:user, aarch64, emulated caches, in the window"}
    tool.arm(context)
    tool.wrap(["program"], str(context.output))
    (context.output / "tcg.json").write_text(json.dumps({**document, "windows": 0}))
    seen = tool.stop()
    assert [reading.value for reading in seen.readings] == [None, None]
    assert [fault.code for fault in seen.faults] == ["window_not_opened"]


def test_commas_in_paths_are_no_options(tmp_path: Path) -> None:
    program = compiled(tmp_path, "aarch64", "int main(void) { return 0; }\n")
    odd = tmp_path / "a,b=c"
    odd.mkdir()
    tool = TcgPlugin("tcg", emulator=CORES["aarch64"], l1d=A53, cache=odd)
    tool.open()
    tool.arm(PassContext("p", 1, 1, tmp_path, odd, odd / "t", events=("instructions",)))
    subprocess.run(tool.wrap([str(program)], str(odd)), check=True)
    assert (tool.stop().readings[0].value or 0) > 100
    assert {path.name for path in odd.iterdir()} == {"tcg", "tcg.json"}
