"""The counting plugin on programs whose counts can be worked out by hand, and on random ones against the reference."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from reference_cache import ReferenceCache
from tcg_programs import BUFFER, assembled, build_folder, compiled, counted, needs

from instruments.tcg.build import plugin
from lab.record.window_gate import LAB_WINDOW

ARCHITECTURES = ("aarch64", "armv7l")
BASE = 65536
"""The buffer's address is a multiple of this; where it is exactly does not matter to a cache."""


def walk(architecture: str, *, passes: int, loads: int, stride: int) -> str:
    """Load a byte every ``stride`` bytes: 2 + passes·(4 + 3·loads) instructions with the end's three left out."""
    if architecture == "aarch64":
        return (
            f"{BUFFER[architecture]}mov x9, #{passes}\nagain: mov x1, x0\nmov x3, #{loads}\n"
            f"next: ldrb w2, [x1], #{stride}\nsubs x3, x3, #1\nb.ne next\nsubs x9, x9, #1\nb.ne again\n"
        )
    return (
        f"{BUFFER[architecture]}mov r9, #{passes}\nagain: mov r1, r0\nmovw r3, #{loads}\n"
        f"next: ldrb r2, [r1], #{stride}\nsubs r3, r3, #1\nbne next\nsubs r9, r9, #1\nbne again\n"
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_walk_misses_each_line_once_if_it_fits_and_each_time_if_not(tmp_path: Path, architecture: str) -> None:
    """16 KiB stay in 32 KiB; of 64 KiB, walked round and round, LRU and FIFO have never kept what comes next."""
    for kib, misses in ((16, 256), (64, 3 * 1024)):
        loads = kib * 1024 // 32
        program = assembled(tmp_path, architecture, walk(architecture, passes=3, loads=loads, stride=32))
        for policy in ("lru", "fifo"):
            whole = counted(program, architecture, options=f"l1d=32768/4/64/{policy}/allocate").whole
            assert whole["instructions"] == 3 + 3 * (2 + 3 * loads + 2) + 3
            assert (whole["loads"], whole["stores"]) == (3 * loads, 0)
            assert (whole["l1d_load_misses"], whole["l1d_store_misses"]) == (misses, 0)
    random = counted(program, architecture, options="l1d=32768/4/64/random/allocate,seed=3").whole
    assert 1024 < random["l1d_load_misses"] < 3 * 1024, "random replacement keeps some"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_lines_of_the_stated_length(tmp_path: Path, architecture: str) -> None:
    program = assembled(tmp_path, architecture, walk(architecture, passes=1, loads=512, stride=32))
    for line, misses in ((32, 512), (64, 256), (128, 128)):
        whole = counted(program, architecture, options=f"l1d=32768/4/{line}/lru/allocate").whole
        assert whole["l1d_load_misses"] == misses


ACCESSES: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "a load across the end of a line is one load and two misses": (
        "ldr x2, [x0, #60]",
        {"loads": 1, "load_accesses": 1, "l1d_load_misses": 2},
    ),
    "a pair is one load": ("ldp x2, x3, [x0]", {"loads": 1, "load_accesses": 2, "l1d_load_misses": 1}),
    "a pair across the end of a line": (
        "ldp x2, x3, [x0, #56]",
        {"loads": 1, "load_accesses": 2, "l1d_load_misses": 2},
    ),
    "sixty-four bytes of vectors": (
        "ld1 {v0.16b-v3.16b}, [x0]",
        {"loads": 1, "load_accesses": 8, "l1d_load_misses": 1},
    ),
    "a store brings its line in": (
        "str x2, [x0]\nldr x3, [x0, #8]",
        {"loads": 1, "stores": 1, "l1d_load_misses": 0, "l1d_store_misses": 1},
    ),
    "a prefetch is no load": ("prfm pldl1keep, [x0]", {"loads": 0, "l1d_load_misses": 0}),
    "the same load again and again": (
        "mov x1, #5\nn: ldr x2, [x0]\nsubs x1, x1, #1\nb.ne n",
        {"loads": 5, "load_accesses": 5, "l1d_load_misses": 1},
    ),
    "blocks are set to zero behind the last store": (
        "add x1, x0, #128\nstp xzr, xzr, [x0, #112]\ndc zva, x1\nadd x1, x1, #64\ndc zva, x1\n"
        "ldr x2, [x0, #128]\nldr x2, [x0, #192]\nldr x2, [x0, #256]",
        {"stores": 3, "l1d_store_misses": 3, "l1d_load_misses": 1, "zeroing": 2},
    ),
}


@pytest.mark.parametrize("case", ACCESSES)
def test_accesses_of_a64(tmp_path: Path, case: str) -> None:
    body, expected = ACCESSES[case]
    program = assembled(tmp_path, "aarch64", BUFFER["aarch64"] + body)
    whole = counted(program, "aarch64", options="l1d=32768/4/64/lru/allocate,zero=64").whole
    assert {name: whole[name] for name in expected} == expected


def test_accesses_of_arm(tmp_path: Path) -> None:
    """Eight registers across a line of 32 B; a load whose condition fails is an instruction and no load."""
    body = BUFFER["armv7l"] + "add r1, r0, #16\nldmia r1, {r2-r8, r10}\ncmp r0, r0\nldrne r2, [r0, #2048]\n"
    whole = counted(assembled(tmp_path, "armv7l", body), "armv7l", options="l1d=32768/4/32/lru/allocate").whole
    assert (whole["loads"], whole["load_accesses"], whole["l1d_load_misses"]) == (1, 8, 2)
    assert whole["instructions"] == 2 + 4 + 3


def test_stores_around_the_cache_miss_each_time(tmp_path: Path) -> None:
    body = BUFFER["aarch64"] + "str x2, [x0]\nstr x2, [x0]\nldr x2, [x0]\nstr x2, [x0]\n"
    program = assembled(tmp_path, "aarch64", body)
    for policy, misses in (("allocate", (1, 0)), ("around", (2, 1))):
        whole = counted(program, "aarch64", options=f"l1d=32768/4/64/lru/{policy}").whole
        assert (whole["l1d_store_misses"], whole["l1d_load_misses"]) == misses


def test_fetches_miss_each_line_of_code_once(tmp_path: Path) -> None:
    """1024 instructions of 4 bytes, aligned, executed twice, in a cache that holds them and in one that does not."""
    body = "mov x9, #2\n.balign 64\nagain: .rept 1022\nnop\n.endr\nsubs x9, x9, #1\nb.ne again"
    program = assembled(tmp_path, "aarch64", body)
    for size, misses in ((8192, 64), (2048, 128)):
        whole = counted(program, "aarch64", options=f"l1i={size}/2/64/lru/allocate").whole
        assert "l1d_load_misses" not in whole
        assert misses + 2 <= whole["l1i_misses"] <= misses + 3, "and what lies before and behind"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("policy", ["lru", "fifo", "random"])
def test_random_accesses_miss_as_in_the_reference(tmp_path: Path, architecture: str, policy: str) -> None:
    rng = np.random.default_rng([ord(letter) for letter in architecture + policy])
    count = 1500
    offsets = (rng.integers(0, 60, count) * 64 + rng.integers(0, 64, count)).tolist()
    stores, shifts = rng.integers(0, 2, count).tolist(), rng.integers(0, 4, count).tolist()
    lines = []
    for offset, store, shift in zip(offsets, stores, shifts, strict=True):
        lines.append(_one_access(architecture, offset, bool(store), shift))
    program = assembled(tmp_path, architecture, BUFFER[architecture] + "\n".join(lines))
    for allocate in (True, False):
        reference = ReferenceCache(2048, 4, 64, policy, allocate, seed=5)
        for offset, store, shift in zip(offsets, stores, shifts, strict=True):
            for part, size in _parts(architecture, offset, shift):
                reference.access(BASE + part, size, store=bool(store))
        options = f"l1d=2048/4/64/{policy}/{'allocate' if allocate else 'around'},seed=5"
        whole = counted(program, architecture, options=options).whole
        assert (whole["loads"], whole["stores"]) == (count - sum(stores), sum(stores))
        assert whole["l1d_load_misses"] == reference.load_misses
        assert whole["l1d_store_misses"] == reference.store_misses


def _one_access(architecture: str, offset: int, store: bool, shift: int) -> str:
    kind = "str" if store else "ldr"
    if architecture == "aarch64":
        register = "x2" if shift == 3 else "w2"
        return f"mov x1, #{offset}\n{kind}{['b', 'h', '', ''][shift]} {register}, [x0, x1]"
    if shift == 3:  # two registers, which must be aligned
        return f"movw r1, #{offset & ~7}\nadd r1, r0, r1\n{'stm' if store else 'ldm'}ia r1, {{r2, r3}}"
    return f"movw r1, #{offset}\n{kind}{['b', 'h', ''][shift]} r2, [r0, r1]"


def _parts(architecture: str, offset: int, shift: int) -> list[tuple[int, int]]:
    if architecture == "armv7l" and shift == 3:
        return [(offset & ~7, 4), ((offset & ~7) + 4, 4)]
    return [(offset, 1 << shift)]


THREADS = r"""
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* threads COUNT MODE: each thread loads a byte of each line of 16 KiB of its own, 200 times over. */
static unsigned char data[8][16384] __attribute__((aligned(16384)));

static void *walk(void *of)
{
    unsigned long sum = 0;
    for (int pass = 0; pass < 200; pass++)
        for (int i = 0; i < 16384; i += 64)
            sum += ((volatile unsigned char *)of)[i];
    return (void *)sum;
}

int main(int argc, char **argv)
{
    int count = atoi(argv[1]), together = argc > 2;
    pthread_t threads[8];
    for (int i = 0; i < count; i++) {
        pthread_create(&threads[i], 0, walk, data[i]);
        if (!together)
            pthread_join(threads[i], 0);
    }
    for (int i = 0; together && i < count; i++)
        pthread_join(threads[i], 0);
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_threads_are_all_counted_each_with_caches_of_its_own(tmp_path: Path, architecture: str) -> None:
    program = compiled(tmp_path, architecture, THREADS, "-pthread")
    none = counted(program, architecture, "0").whole
    for mode in ((), ("together",)):
        read = counted(program, architecture, "8", *mode)
        assert read.threads == 9
        extra = {name: read.whole[name] - none[name] for name in none}
        assert 0 <= extra["loads"] - 8 * 200 * 256 < 8 * 600, "no load lost, and few made by starting threads"
        assert 8 * 256 <= extra["l1d_load_misses"] < 8 * 256 * 1.5, "each walk fits into its core's cache"


ENDINGS = r"""
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void load(int times)
{
    static volatile int data;
    for (int i = 0; i < times; i++)
        (void)data;
}

int main(int argc, char **argv)
{
    load(1000);
    if (argv[1][0] == 'f') {             /* a child that counts on its own copy */
        pid_t child = fork();
        if (!child) {
            load(1000000);
            exit(0);
        }
        int status;
        waitpid(child, &status, 0);
    }
    if (argv[1][0] == 'q')
        _exit(7);
    if (argv[1][0] == 'a')
        abort();
    return 0;
}
"""


def test_however_the_program_ends(tmp_path: Path) -> None:
    program = compiled(tmp_path, "aarch64", ENDINGS)
    plain = counted(program, "aarch64", "r").whole["loads"]
    assert 1000 < plain < 10000
    assert abs(counted(program, "aarch64", "q", status=7).whole["loads"] - plain) < 1000
    forked = counted(program, "aarch64", "fork").whole["loads"]
    assert abs(forked - plain) < 1000, "the child's million loads are not this process's, and leave its file alone"
    # QEMU 7.2 tells a plugin nothing of an end by a signal: there must then be no file that looks whole.
    with pytest.raises(FileNotFoundError):
        counted(program, "aarch64", "abort", status=-signal.SIGABRT)


WINDOW = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *control, *acknowledge;

static void say(const char *what)
{
    char line[16];
    fputs(what, control);
    fflush(control);
    if (!fgets(line, sizeof line, acknowledge) || strncmp(line, "ack", 3))
        exit(9);
}

static void load(int times)
{
    static volatile int data;
    for (int i = 0; i < times; i++)
        (void)data;
}

/* window TIMES: 100000 loads outside, and so many windows of 5000 inside. */
int main(int argc, char **argv)
{
    char *paths = getenv("LAB_WINDOW"), *comma = strchr(paths, ',');
    *comma = 0;
    control = fopen(paths, "w");
    acknowledge = fopen(comma + 1, "r");
    load(50000);
    for (int i = 0; i < atoi(argv[1]); i++) {
        say("enable\n");
        load(5000);
        say("disable\n");
    }
    load(50000);
    return 0;
}
"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_the_window_is_counted_where_that_is_asked(
    tmp_path: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = compiled(tmp_path, architecture, WINDOW)
    monkeypatch.setenv(LAB_WINDOW, f"{tmp_path}/control,{tmp_path}/acknowledge")
    for times in (0, 1, 3):
        read = counted(program, architecture, str(times), options="l1d=32768/4/64/lru/allocate,window=on")
        assert read.windows == times
        assert read.window is not None
        assert times * 5000 <= read.window["loads"] < times * 6000 + 1, "and the saying itself"
        assert read.whole["loads"] > 100000 + times * 5000


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("l1d=32768/3/64/lru/allocate", "l1d: 32768/3/64/lru/allocate"),
        ("l1d=32768/4/64/clever/allocate", "l1d"),
        ("l1d=32768/4/64/lru/allocate/more", "l1d"),
        ("seed=-1", "seed: -1"),
        ("zero=48", "zero: 48"),
        ("colour=red", "colour: red"),
        ("window=on", "LAB_WINDOW: not set"),
    ],
)
def test_what_it_does_not_understand_it_refuses(
    tmp_path: Path, options: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LAB_WINDOW, raising=False)
    emulator = needs("aarch64")
    library = plugin(build_folder())
    argv = [*emulator.command, "-plugin", f"file={library},out={tmp_path}/o,{options}", sys.executable]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_built_once_for_one_content(tmp_path: Path) -> None:
    first = plugin(tmp_path)
    written = first.stat().st_mtime_ns
    assert plugin(tmp_path) == first
    assert first.stat().st_mtime_ns == written
    assert plugin(tmp_path, interface=4) != first, "another version of the interface is another file"
    assert set((tmp_path / "tcg").iterdir()) == {first, plugin(tmp_path, interface=4)}
