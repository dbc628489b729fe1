"""What one epoch of training costs in each program of the hdrnn workload, beside the programs that were published.

    python benchmarks/hdrnn_training.py --published DIR [--data MNIST] [--shapes 32 128 ...] [--torch PYTHON]
    python benchmarks/hdrnn_training.py --growth cost.png [--data MNIST]

An epoch is 50,000 images in batches of 10, float32, one thread. DIR is a clone of github.com/paperbound/hdrnn-arm: its
programs are built here with their own flags and not kept; without it ours stand alone. Digits are drawn where no folder
is named. PYTHON is an interpreter that has PyTorch, where this one has not.

Every program runs for one epoch and for several; the difference of their processor times, over the epochs between,
is an epoch's, without start and reading. All programs take turns, and the least of all rounds counts: neighbours make
times longer, never shorter. The peaks are fused multiply-adds in registers and an array read from memory, in processor
time of the same minute; an epoch's work is counted in multiply-accumulates (forward, gradient, deltas, step) and in
bytes of images, and the larger share of its peak is printed.

`--growth` draws what an epoch costs our C program by width, by depth and by batch, against the work it is.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ROOT / "workloads"
IMAGES = 50_000
STUDY = ("2", "4", "8", "32", "128", "32,16", "128,16")
TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
KERNELS = ("avx512", "avx2", "neon", "scalar")
PEAK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__AVX512F__)
enum { BYTES = 64 };
#elif defined(__AVX__)
enum { BYTES = 32 };
#else
enum { BYTES = 16 };
#endif
typedef float V __attribute__((vector_size(BYTES)));
enum { CHAINS = 12, ROUNDS = 4000000, GOES = 7 };
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}
int main(void)
{
    const size_t count = ((size_t)256 << 20) / BYTES;
    V *array = aligned_alloc(BYTES, count * BYTES);
    double macs = 0, bytes = 0;
    if (array == NULL)
        return 1;
    memset(array, 1, count * BYTES);
    for (int go = 0; go < GOES; go++) {
        V sums[CHAINS], factor = (V){} + 0.5f, term = (V){} + 1e-3f;
        for (int i = 0; i < CHAINS; i++)
            sums[i] = (V){} + (float)i;
        double begin = now();
        for (int round = 0; round < ROUNDS; round++) {
            #pragma GCC unroll 16
            for (int i = 0; i < CHAINS; i++)
                sums[i] = sums[i] * factor + term;
        }
        double rate = (double)ROUNDS * CHAINS * (BYTES / 4) / (now() - begin);
        macs = rate > macs ? rate : macs;
        begin = now();
        for (size_t i = 0; i + 4 <= count; i += 4)
            for (int j = 0; j < 4; j++)
                sums[j] += array[i + j];
        rate = (double)count * BYTES / (now() - begin);
        bytes = rate > bytes ? rate : bytes;
        for (int i = 0; i < CHAINS; i++)
            __asm__ volatile("" : : "m"(sums[i]));
    }
    printf("%.4g %.4g\n", macs, bytes);
    return 0;
}
"""


@dataclass(frozen=True)
class Program:
    """One program: its command for a shape and a number of epochs, and how many epochs are timed."""

    name: str
    command: Sequence[str]
    shape: str = "--shape"
    epochs: str = "--epochs"
    timed: int = 2
    folder: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def seconds(self, shape: str, batch: int | None = None) -> float:
        """Processor time of one epoch, by difference."""
        more = () if batch is None else ("--batch_size", str(batch))
        short, long = (self._run(shape, epochs, more) for epochs in (1, 1 + self.timed))
        return (long - short) / self.timed

    def _run(self, shape: str, epochs: int, more: Sequence[str]) -> float:
        argv = [*self.command, self.shape, shape, self.epochs, str(epochs), *more]
        with subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder, env={**os.environ, **self.env}
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.stderr is not None
            if process.returncode != 0:
                sys.exit(f"{shlex.join(argv)}\n{process.stderr.read().decode()}")
        return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print one table per shape, or draw how cost grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--published", type=Path, metavar="DIR", help="clone of github.com/paperbound/hdrnn-arm")
    parser.add_argument("--data", type=Path, metavar="DIR", help="MNIST's four files, unpacked")
    parser.add_argument("--shapes", nargs="+", default=list(STUDY), help="hidden layers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these programs, such as 'C, avx2' or PyTorch")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch")
    parser.add_argument("--growth", type=Path, metavar="PNG", help="draw cost by width, depth and batch instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lab-") as name:
        folder = Path(name)
        data = (options.data or _draw(folder)).resolve()
        if options.growth:
            _grow(_ours(folder, data)[0], options.growth, options.rounds)
            return
        programs = [*_ours(folder, data), *_python(folder, data, options.torch)]
        if options.published:
            programs += _published(options.published.resolve(), folder, data)
        programs = [program for program in programs if options.only is None or program.name in options.only]
        peak, bandwidth = _ceilings(folder)
        print(f"peak: {peak / 1e9:.1f} G multiply-accumulates/s, {bandwidth / 1e9:.1f} GB/s from memory\n")
        for shape in options.shapes:
            _table(shape, _least(programs, shape, options.rounds), peak, bandwidth)


def _table(shape: str, seconds: Mapping[str, float], peak: float, bandwidth: float) -> None:
    work, traffic = _work(shape, batch=10)
    reference = seconds.get("published C")
    print(f"784,{shape},10: {work / 1e9:.2f} G multiply-accumulates, {traffic / 1e6:.0f} MB of images an epoch")
    print(f"  {'':<24}{'s per epoch':>12}{'published C is':>16}{'of peak':>9}")
    for name, value in sorted(seconds.items(), key=lambda item: item[1]):
        ratio = f"{reference / value:.2f} x" if reference else ""
        share = max(work / value / peak, traffic / value / bandwidth)
        print(f"  {name:<24}{value:>12.3f}{ratio:>16}{share:>9.1%}")
    print(flush=True)


def _least(programs: Sequence[Program], shape: str, rounds: int) -> dict[str, float]:
    """Each program's least time; they take turns."""
    least: dict[str, float] = {}
    for _ in range(rounds):
        for program in programs:
            seconds = program.seconds(shape)
            least[program.name] = min(seconds, least.get(program.name, seconds))
    return least


def _work(shape: str, *, batch: int) -> tuple[float, float]:
    """Multiply-accumulates and bytes of images of one epoch."""
    sizes = [784, *map(int, shape.split(",")), 10]
    weights = [above * below for below, above in pairwise(sizes)]
    parameters = sum(weights) + sum(sizes[1:])
    return IMAGES * (2.0 * sum(weights) + sum(weights[1:])) + IMAGES / batch * parameters, IMAGES * 784.0


def _draw(folder: Path) -> Path:
    draw = WORKLOADS / "digits" / "draw_digits.py"
    out = folder / "digits"
    subprocess.run([sys.executable, draw, "--out", out, "--train", str(IMAGES), "--test", "10000"], check=True)
    return out


def _ours(folder: Path, data: Path) -> list[Program]:
    """Our C program with each of its kernels that runs here, and the one with Eigen if Eigen is there."""
    subprocess.run(["make", "-s", "-C", WORKLOADS / "hdrnn", f"BUILD={folder / 'ours'}"], check=True)
    common = ["train", "--quiet", "--data", str(data), "--train-limit", str(IMAGES), "--test-limit", "1"]
    listed = [
        str(folder / "ours" / "hdrnn"),
        "c",
        "train",
        "-e",
        "0",
        "--split",
        "1/1",
        "--data",
        str(data),
        "--kernel",
    ]
    programs = []
    for kernel in KERNELS:
        if subprocess.run([*listed, kernel], capture_output=True, check=False).returncode == 0:
            command = [str(folder / "ours" / "hdrnn"), "c", *common, "--kernel", kernel]
            programs.append(Program(f"C, {kernel}", command, timed=4))
    if (folder / "ours" / "eigen" / "hdrnn").exists():
        programs.append(Program("Eigen", [str(folder / "ours" / "hdrnn"), "eigen", *common], timed=4))
    return programs


def _python(folder: Path, data: Path, torch: str | None) -> list[Program]:
    common = ["train", "--quiet", "--data", str(data), "--train-limit", str(IMAGES), "--test-limit", "1"]
    launcher = str(folder / "ours" / "hdrnn")
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    here = {**one, "HDRNN_PYTHON": sys.executable}
    programs = [
        Program("NumPy, batched", [launcher, "numpy", *common], env=here),
        Program("NumPy, per sample", [launcher, "numpy-per-sample", *common], timed=1, env=here),
    ]
    interpreter = torch or sys.executable
    found = subprocess.run([interpreter, "-c", "import torch"], capture_output=True, check=False).returncode == 0
    if found:
        with_torch = {**one, "HDRNN_PYTHON": interpreter}
        programs.append(Program("PyTorch", [launcher, "torch", *common], timed=1, env=with_torch))
    else:
        print(f"PyTorch is left out: {interpreter} has none (pip install torch, or --torch PYTHON)")
    return programs


def _published(source: Path, folder: Path, data: Path) -> list[Program]:
    """The published program in C with its Makefile's flags; the one with Eigen, with its CMake file's, if it builds."""
    build = folder / "published"
    build.mkdir()
    (build / "dataset").symlink_to(data)
    c = source / "hdrnn" / "c-math.h" / "src" / "main.c"
    if not c.exists():
        sys.exit(f"{c}: not there; --published is to name a clone of github.com/paperbound/hdrnn-arm")
    subprocess.run(["cc", "-std=c99", "-w", "-O2", c, "-o", build / "c", "-lm"], check=True)
    options = ["train", "-q", "-bs", "10", "-lr", "3"]
    programs = [Program("published C", [str(build / "c"), *options], "-s", "-e", timed=1, folder=build)]
    eigen = source / "hdrnn" / "cpp-eigen" / "src" / "hdrnn.cc"
    flags = ["-std=c++17", "-w", "-O2", "-DEIGEN_DONT_PARALLELIZE", "-include", "algorithm", "-I/usr/include/eigen3"]
    made = subprocess.run(
        ["c++", *flags, eigen, "-o", build / "eigen", "-lgflags"], capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        command = [str(build / "eigen"), "train", "-quiet", "-batch_size", "10", "-mnist", "./dataset/"]
        programs.append(Program("published Eigen", command, "-shape", "-epochs", timed=1, folder=build))
    else:
        print("the published Eigen program is left out (Debian: apt install libeigen3-dev libgflags-dev)")
    return programs


def _ceilings(folder: Path) -> tuple[float, float]:
    """Float32 multiply-accumulates and bytes from memory, per second of one thread."""
    (folder / "peak.c").write_text(PEAK)
    flags = ["-O3", "-ffp-contract=fast", *(["-march=native"] if platform.machine() == "x86_64" else [])]
    subprocess.run(["cc", *flags, str(folder / "peak.c"), "-o", str(folder / "peak")], check=True)
    said = subprocess.run([folder / "peak"], check=True, capture_output=True, text=True).stdout
    macs, bytes_read = map(float, said.split())
    return macs, bytes_read


def _grow(program: Program, png: Path, rounds: int) -> None:
    """Three panels: seconds of an epoch by width, by depth and by batch, with the work they are at one speed."""
    widths = {str(width): float(width) for width in (2, 4, 8, 16, 32, 64, 128, 256, 512)}
    depths = {",".join(["32"] * depth): float(depth) for depth in (1, 2, 4, 8, 14)}
    batches = (1, 2, 5, 10, 20, 50, 64, 100, 500, 1000)
    by_width = {width: _least([program], shape, rounds)[program.name] for shape, width in widths.items()}
    by_depth = {depth: _least([program], shape, rounds)[program.name] for shape, depth in depths.items()}
    by_batch = {float(b): min(program.seconds("32", b) for _ in range(rounds)) for b in batches}
    work = {
        "width": {width: _work(shape, batch=10)[0] for shape, width in widths.items()},
        "depth": {depth: _work(shape, batch=10)[0] for shape, depth in depths.items()},
        "batch": {float(b): _work("32", batch=b)[0] for b in batches},
    }
    panels = {"width": by_width, "depth": by_depth, "batch": by_batch}
    for name, seconds in panels.items():
        print(name, ", ".join(f"{x:g}: {y:.3f} s" for x, y in seconds.items()))
    _panels(panels, work, f"{program.name}: cost of an epoch of {IMAGES:,} images (● MEASURED)", png)


def _panels(
    panels: Mapping[str, Mapping[float, float]], work: Mapping[str, Mapping[float, float]], title: str, png: Path
) -> None:
    from matplotlib.figure import Figure

    from analysis.figures.style import PALETTE, drawing

    labels = {"width": "neurons of one hidden layer", "depth": "hidden layers of 32 neurons", "batch": "images a batch"}
    with drawing():
        figure = Figure(figsize=(10.0, 3.6))
        for axes, (name, seconds) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            speed = max(work[name][x] / y for x, y in seconds.items())
            at_one_speed = [work[name][x] / speed for x in seconds]
            axes.plot(list(seconds), list(seconds.values()), "o-", color=PALETTE[0], label="measured")
            axes.plot(
                list(seconds), at_one_speed, "--", color=PALETTE[1], label=f"its work at {speed / 1e9:.0f} G MAC/s"
            )
            axes.set(xlabel=labels[name])
            axes.set_xscale("log")
            axes.set_yscale("log")
            shown = list(seconds)[:: 1 + len(seconds) // 8]
            axes.set_xticks(shown, [f"{x:g}" for x in shown])
            axes.set_yticks(TICKS, [f"{y:g}" for y in TICKS])
            axes.set_ylim(0.5 * min(at_one_speed), 2 * max(seconds.values()))
            axes.minorticks_off()
            axes.grid(visible=True)
            axes.legend(frameon=False, loc="upper left")
        figure.axes[0].set_ylabel("s of processor time per epoch")
        figure.suptitle(title, fontsize=10)
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.15, top=0.88, wspace=0.22)
        figure.savefig(png, dpi=130)


if __name__ == "__main__":
    if shutil.which("make") is None or shutil.which("cc") is None:
        sys.exit("needs make and a C compiler (Debian: apt install build-essential)")
    main()
