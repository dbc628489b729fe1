"""perf as it is installed here, with real pipes: the program's window, the exit status that perf 6.1 loses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from instruments.commands import run_here
from instruments.counters.instrument import Counters
from instruments.protocol import Observation, PassContext
from lab.errors import HardwareError

MakeContext = Callable[..., PassContext]

WINDOW = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int control = -1, acknowledge = -1;

static void touch(size_t mib)
{
    size_t size = mib << 20;
    volatile char *data = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise((void *)data, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += 4096)
        data[i] = 1;
}

/* To the end of the line, and whatever perf puts behind it. */
static void say(const char *word)
{
    char answer[64];
    if (control < 0)
        return;
    if (write(control, word, strlen(word)) < 0 || read(acknowledge, answer, sizeof answer) < 4)
        _exit(97);
    if (memcmp(answer, "ack\n", 4))
        _exit(98);
}

/* window OUTSIDE INSIDE [quiet]: touch so many MiB before and after the window, and in it. */
int main(int argc, char **argv)
{
    char *pipes = getenv("LAB_WINDOW");
    if (pipes && argc < 4) {
        char *second = strchr(pipes, ',');
        *second++ = 0;
        control = open(pipes, O_WRONLY);
        acknowledge = open(second, O_RDONLY);
        if (control < 0 || acknowledge < 0)
            return 99;
    }
    touch(strtoul(argv[1], 0, 10));
    say("enable\n");
    touch(strtoul(argv[2], 0, 10));
    say("disable\n");
    touch(strtoul(argv[1], 0, 10));
    return 0;
}
"""

SLOW_PARENT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* perf lets its child go by writing one byte; here it is then held up until the child is long gone. */
ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t (*real)(int, const void *, size_t);
    *(void **)&real = dlsym(RTLD_NEXT, "write");
    ssize_t written = real(fd, data, size);
    struct timespec rest = {0, 300000000};
    if (size == 1 && !strcmp(program_invocation_short_name, "perf"))
        while (nanosleep(&rest, &rest) && errno == EINTR)
            ;
    return written;
}
"""


def compiled(folder: Path, name: str, source: str, *flags: str) -> Path:
    """A C program or library of a test."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on this machine (apt install gcc libc6-dev)")
    (folder / f"{name}.c").write_text(source, encoding="utf-8")
    subprocess.run([compiler, "-O1", *flags, "-o", str(folder / name), str(folder / f"{name}.c"), "-ldl"], check=True)
    return folder / name


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("window"), "window", WINDOW)


@pytest.fixture
def perf() -> Counters:
    instrument = Counters("perf", core="generic", by="perf_stat", run=run_here)
    probe = instrument.probe()
    if not probe.present:
        pytest.skip(f"perf does not count here: {probe.detail} ({probe.advice})")
    if probe.facts["control"] != "yes":
        pytest.skip(f"{probe.facts['version']} has no --control (5.10 or newer has: apt install linux-perf)")
    instrument.open()
    return instrument


def counted(perf: Counters, context: PassContext, argv: list[str]) -> Observation:
    perf.arm(context)
    perf.start()
    subprocess.run(perf.wrap(argv, str(context.output)), check=True, timeout=60, stderr=subprocess.DEVNULL)
    return perf.stop()


def faults_of(seen: Observation) -> float:
    (reading,) = (item for item in seen.readings if item.name == "page-faults")
    assert reading.reasons == ()
    assert reading.value is not None
    return reading.value


def test_only_the_programs_window_is_counted(perf: Counters, make_context: MakeContext, window: Path) -> None:
    """4 MiB are 1024 pages of 4 KiB, and 32 MiB are touched outside."""
    context = make_context("t0001.counters0", events=("page-faults", "task-clock"), window_only=True)
    seen = counted(perf, context, [str(window), "16", "4"])
    assert faults_of(seen) == pytest.approx(4 * 2**20 // os.sysconf("SC_PAGE_SIZE"), abs=16)
    assert {reading.scope for reading in seen.readings} == {"process tree, in the window"}
    whole = counted(perf, make_context("t0002.counters0", events=("page-faults",)), [str(window), "16", "4", "quiet"])
    assert faults_of(whole) > 9 * 1024
    assert whole.readings[0].scope == "process tree"


def test_a_window_that_the_program_never_opens(perf: Counters, make_context: MakeContext, window: Path) -> None:
    context = make_context(events=("page-faults", "L1-dcache-loads", "task-clock"), window_only=True)
    seen = counted(perf, context, [str(window), "1", "1", "quiet"])
    codes = {reading.name: reading.reasons for reading in seen.readings}
    assert codes["page-faults"] == codes["task-clock"] == ("window_not_opened",)
    assert all(reading.value is None for reading in seen.readings)
    assert [fault.code for fault in seen.faults] == ["window_not_opened"]


def test_a_perf_without_control_cannot_count_in_a_window(make_context: MakeContext) -> None:
    def old(argv: list[str]) -> tuple[int, str, str]:
        return (129, "", "unknown option") if argv[0] == "sh" or "-j" in argv else run_here(argv)

    instrument = Counters("perf", core="generic", by="perf_stat", run=old)
    if not instrument.probe().present:
        pytest.skip("perf does not count here")
    with pytest.raises(HardwareError, match="in the program's window alone"):
        instrument.arm(make_context(events=("page-faults",), window_only=True))
    context = make_context("t0002.counters0", events=("page-faults", "task-clock"))
    assert faults_of(counted(instrument, context, ["true"])) > 10
    assert (context.output / "perf.csv").is_file(), "an old perf writes separated values"


def test_the_exit_status_of_a_program_that_is_gone_before_perf_waits_for_it(
    perf: Counters, make_context: MakeContext, tmp_path: Path
) -> None:
    library = compiled(tmp_path, "slow.so", SLOW_PARENT, "-shared", "-fPIC")
    held_up = {**os.environ, "LD_PRELOAD": str(library)}
    program = ["sh", "-c", "exit 7"]
    bare = ["perf", "stat", "-x,", "-o", str(tmp_path / "bare"), "-e", "task-clock", "--", *program]
    version = str(perf.probe().facts["version"])
    lost = subprocess.run(bare, env=held_up, check=False).returncode
    if version.startswith("perf version 6.1"):
        assert lost == 0, "what is mended here is really broken"
    perf.arm(make_context(events=("task-clock",)))
    argv = perf.wrap(program, str(make_context().output))
    assert subprocess.run(argv, env=held_up, check=False).returncode == 7


def test_an_event_that_this_perf_does_not_know_does_not_cost_the_others(
    perf: Counters, make_context: MakeContext
) -> None:
    context = make_context(events=("page-faults", "no_such_event", "task-clock"))
    seen = counted(perf, context, ["true"])
    known = {reading.name: reading.reasons for reading in seen.readings}
    assert known == {"page-faults": (), "no_such_event": ("not_supported",), "task-clock": ()}
    alone = make_context("t0002.counters0", events=("no_such_event",))
    seen = counted(perf, alone, ["true"])
    assert [reading.reasons for reading in seen.readings] == [("not_supported",)]


def test_what_this_machine_has_free_is_found_out_by_counting(perf: Counters) -> None:
    ((_, probe),) = perf.checks()
    assert probe.detail
    assert probe.facts["slots"] == 4
    assert probe.present or "set slots:" in probe.advice
