"""perf and valgrind, as they are installed on this machine, under a C program whose counts are known beforehand."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from instruments.cachegrind import CacheGeometry, Cachegrind, CacheModel
from instruments.commands import run_here
from instruments.counters.instrument import Counters
from instruments.protocol import Observation, PassContext
from lab.record.formats import cachegrind as cachegrind_format

MakeContext = Callable[..., PassContext]

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* touch PAGES STRIDE: map PAGES pages, write one byte of each, then read a byte every STRIDE bytes. */
int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], 0, 10) * 4096, stride = strtoul(argv[2], 0, 10);
    unsigned long sum = 0;
    if (!size)
        return argc - 3;
    volatile unsigned char *data = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return 1;
    madvise((void *)data, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += 4096)
        data[i] = 1;
    for (size_t i = 0; stride && i < size; i += stride)
        sum += data[i];
    printf("%lu\n", sum);
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("touch")
    (folder / "touch.c").write_text(PROGRAM, encoding="utf-8")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on this machine (apt install gcc libc6-dev)")
    subprocess.run([compiler, "-O1", "-o", str(folder / "touch"), str(folder / "touch.c")], check=True)
    return folder / "touch"


def _pass(instrument: Counters | Cachegrind, context: PassContext, argv: list[str]) -> tuple[Observation, str]:
    instrument.open()
    instrument.arm(context)
    instrument.start()
    done = subprocess.run(
        instrument.wrap(argv, str(context.output)), capture_output=True, text=True, timeout=60, check=True
    )
    return instrument.stop(), done.stdout


@pytest.fixture
def perf() -> Counters:
    instrument = Counters("perf", core="generic", run=run_here)
    probe = instrument.probe()
    if not probe.present:
        pytest.skip(f"perf does not count here: {probe.detail} ({probe.advice})")
    assert probe.facts["version"].startswith("perf version")
    return instrument


@pytest.fixture
def valgrind() -> None:
    if not Cachegrind("probe", run=run_here).probe().present:
        pytest.skip("no valgrind on this machine (apt install valgrind)")


def test_perf_counts_the_pages_that_the_program_touches(
    perf: Counters, make_context: MakeContext, program: Path
) -> None:
    counts = {}
    for pages in (1, 1025):
        context = make_context(f"t{pages}.counters0", events=("page-faults", "task-clock", "context-switches"))
        seen, _ = _pass(perf, context, [str(program), str(pages), "0"])
        assert [reading.reasons for reading in seen.readings] == [()] * 3
        assert [reading.unit for reading in seen.readings] == ["1", "s", "1"]
        counts[pages] = {reading.name: reading.value for reading in seen.readings}
    faults = counts[1025]["page-faults"], counts[1]["page-faults"]
    assert faults[0] is not None
    assert faults[1] is not None
    assert faults[0] - faults[1] == pytest.approx(1024, abs=8), "but for what the loader's mappings bring in"
    assert 0 < (counts[1025]["task-clock"] or 0) < 5


def test_perf_says_of_an_event_the_machine_lacks_that_it_lacks_it(perf: Counters, make_context: MakeContext) -> None:
    seen, _ = _pass(perf, make_context(events=("page-faults", "L1-dcache-loads")), ["true"])
    faults, loads = seen.readings
    assert faults.value is not None
    assert loads.value is None or loads.value > 0, "a count or a reason, never a zero"
    assert (loads.value is None) == bool(loads.reasons)


def test_perf_leaves_the_programs_output_and_exit_status_alone(
    perf: Counters, make_context: MakeContext, program: Path
) -> None:
    _, printed = _pass(perf, make_context(events=("task-clock",)), [str(program), "3", "4096"])
    assert printed == "3\n"
    perf.arm(make_context("t0002.counters0", events=("task-clock",)))
    argv = perf.wrap(["sh", "-c", "exit 5"], str(make_context("t0002.counters0").output))
    assert subprocess.run(argv, check=False).returncode == 5


@pytest.mark.usefixtures("valgrind")
def test_cachegrind_counts_each_line_of_a_large_array_as_one_miss(make_context: MakeContext, program: Path) -> None:
    totals = {}
    for pages in (0, 512):  # 2 MiB in lines of 64 B, none of which stays in 32 KiB
        context = make_context(
            f"t{pages}.counters0", events=("instructions", "L1-dcache-loads", "L1-dcache-load-misses", "page-faults")
        )
        seen, _ = _pass(Cachegrind("cachegrind", run=run_here), context, [str(program), str(pages), "16"])
        assert [reading.name for reading in seen.readings] == list(context.events[:3]), "it counts no page faults"
        totals[pages] = {reading.name: reading.value or 0.0 for reading in seen.readings}
        assert (context.output / "valgrind.log").is_file()
        caches = cachegrind_format.parse((context.output / "cachegrind.out").read_text(encoding="utf-8")).caches
        assert (caches["D1"].size_bytes, caches["D1"].ways, caches["LL"].size_bytes) == (32768, 4, 524288)
    extra = {name: totals[512][name] - totals[0][name] for name in totals[0]}
    reads, lines = 512 * 4096 // 16, 512 * 4096 // 64
    assert reads <= extra["L1-dcache-loads"] < reads * 1.1
    assert lines <= extra["L1-dcache-load-misses"] < lines * 1.02
    assert extra["instructions"] > 3 * reads


@pytest.mark.usefixtures("valgrind")
def test_cachegrind_repeats_exactly(make_context: MakeContext, program: Path) -> None:
    misses = set()
    for repeat in range(2):
        context = make_context(f"t{repeat}.counters0", events=("L1-dcache-load-misses",))
        seen, _ = _pass(Cachegrind("cachegrind", run=run_here), context, [str(program), "64", "64"])
        misses.add(seen.readings[0].value)
    assert max(misses) - min(misses) <= 20, "but for the environment's place on the stack"  # type: ignore[type-var]


@pytest.mark.usefixtures("valgrind")
def test_a_geometry_that_valgrind_refuses_is_said_before_anything_runs() -> None:
    odd = CacheModel(l1d=CacheGeometry(32768, 3))
    probe = Cachegrind("cachegrind", run=run_here, caches=odd).probe()
    assert not probe.present
    assert "32768,3,64" in probe.detail
    assert "bench file" in probe.advice


@pytest.mark.usefixtures("valgrind")
def test_the_scope_names_the_instruction_set_that_was_run() -> None:
    instrument = Cachegrind("cachegrind", run=run_here)
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    assert machine in instrument.capabilities().scope
    assert instrument.probe().facts["isa"] == machine
