"""What the counting plugin for QEMU costs and how well its counts agree with cachegrind's, on two kernels in C.

    python benchmarks/emulated_counters.py [matmul | hdrnn]

`matmul` is a dense product of two 256 × 256 matrices of floats; `hdrnn` an epoch of training with 32 hidden neurons on
500 drawn digits, by the kernel without vector instructions. Each runs on this machine, under cachegrind and, built for
Arm, under QEMU's user mode emulator without and with the plugin. Times are of the CPU in user space, the least of
three. Needs gcc, the cross compilers, QEMU 7.2 and valgrind.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from instruments.tcg.build import plugin
from instruments.tcg.emulator import Emulator
from lab.record.formats import cachegrind as cachegrind_format
from lab.record.formats import tcg as tcg_format
from lab.toolchains import toolchain

ROOT = Path(__file__).resolve().parents[1]
CORES = (Emulator("aarch64", "cortex-a53"), Emulator("armv7l", "cortex-a9"))
REPEATS = 3
MATMUL = r"""
#include <stdio.h>
enum { N = 256 };
static float a[N][N], b[N][N], c[N][N];
int main(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = (float)(i + j), b[i][j] = (float)(i - j);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0;
            for (int k = 0; k < N; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    printf("%g\n", c[N / 2][N / 3]);
    return 0;
}
"""
CACHEGRIND = (
    "valgrind",
    "--tool=cachegrind",
    "--cache-sim=yes",
    "--I1=32768,2,64",
    "--D1=32768,4,64",
    "--LL=524288,16,64",
)


def main(kernels: Sequence[str]) -> None:
    """Print a table for each kernel."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        for kernel in kernels or ("matmul", "hdrnn"):
            measure(kernel, Path(folder))


def measure(kernel: str, folder: Path) -> None:
    print(f"{kernel:<22}{'s':>8}{'instructions':>16}{'load misses':>14}{'store misses':>14}")
    arguments = _arguments(kernel, folder)
    here = [str(_built(kernel, folder, "cc", ())), *arguments]
    print(f"{'this machine':<22}{_seconds(here):>8.3f}")
    out = folder / "cachegrind.out"
    took_s = _seconds([*CACHEGRIND, f"--cachegrind-out-file={out}", *here])
    totals = cachegrind_format.parse(out.read_text()).totals
    _row("cachegrind", took_s, {"instructions": totals["Ir"], "loads": totals["D1mr"], "stores": totals["D1mw"]})
    library = plugin(folder)
    for emulator in CORES:
        tools = toolchain(emulator.architecture)
        there = [str(_built(kernel, folder, tools.cc, tools.ldflags)), *arguments]
        print(f"{emulator.program:<22}{_seconds([*emulator.command, *there]):>8.3f}")
        for caches in ("", ",l1d=32768/4/64/lru/allocate", ",l1d=32768/4/64/random/allocate,seed=1"):
            zero = f",zero={emulator.zeroed_bytes}" if emulator.zeroed_bytes else ""
            counts = folder / tcg_format.FILE_NAME
            option = f"file={library},out={counts}{caches}{zero}"
            took_s = _seconds([*emulator.command, "-plugin", option, *there])
            whole = tcg_format.parse(counts.read_text()).whole
            name = "  plugin, " + ("no cache" if not caches else caches.split("/")[3])
            misses = {"loads": whole.get("l1d_load_misses"), "stores": whole.get("l1d_store_misses")}
            _row(name, took_s, {"instructions": whole["instructions"], **misses})
    print()


def _row(name: str, took_s: float, counts: Mapping[str, int | None]) -> None:
    instructions, loads, stores = ("" if value is None else f"{value:,}" for value in counts.values())
    print(f"{name:<22}{took_s:>8.3f}{instructions:>16}{loads:>14}{stores:>14}")


def _built(kernel: str, folder: Path, compiler: str, flags: Sequence[str]) -> Path:
    build = folder / f"{kernel}-{compiler}"
    build.mkdir(exist_ok=True)
    if kernel == "matmul":
        (build / "matmul.c").write_text(MATMUL)
        subprocess.run([compiler, "-O2", *flags, "-o", build / kernel, build / "matmul.c"], check=True)
    else:
        source = ROOT / "workloads" / "hdrnn" / "c"
        command = ["make", "-s", "-C", str(source), f"BUILD={build}", f"CC={compiler}", f"LDFLAGS={' '.join(flags)}"]
        subprocess.run(command, check=True)
    return build / kernel


def _arguments(kernel: str, folder: Path) -> list[str]:
    if kernel == "matmul":
        return []
    draw = [sys.executable, str(ROOT / "workloads" / "digits" / "draw_digits.py"), "--out", str(folder / "digits")]
    subprocess.run([*draw, "--train", "500", "--test", "500"], check=True, capture_output=True)
    # The kernel that is the same loops everywhere; those with vector instructions take blocks that suit the registers.
    return ["train", "-q", "-s", "32", "-e", "1", "--kernel", "scalar", "--data", str(folder / "digits")]


def _seconds(argv: Sequence[str]) -> float:
    took_s = []
    for _ in range(REPEATS):
        before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run(argv, check=True, capture_output=True)
        took_s.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s)
    return min(took_s)


if __name__ == "__main__":
    main(sys.argv[1:])
