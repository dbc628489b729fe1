"""Times inferences as TensorFlow Lite's ``benchmark_model`` does: its flags, its loop, its lines, whatever runs them.

Programs give it a *model*: ``name``, ``bytes``, ``runtime`` and ``asked`` (for the record), and ``load()``, which gives
an interpreter with ``get_input_details``, ``set_tensor`` and ``invoke``. It needs Python 3.8 and NumPy.
"""

from __future__ import annotations

import argparse
import errno
import gc
import json
import math
import os
import select
import sys
import time
from array import array

# NumPy draws the input and nothing else. Its threads would be started all the same, and spin beside the inferences.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

LAB_MARKS = "LAB_MARKS"
"""Environment variable: the file to which marks are appended, ``NAME NANOSECONDS`` of ``CLOCK_MONOTONIC_RAW``."""

LAB_WINDOW = "LAB_WINDOW"
"""Environment variable: two named pipes, ``CONTROL,ACKNOWLEDGE``. ``enable`` is written to the first before the
measured inferences and ``disable`` after them; each time a line ``ack`` is awaited from the second, as by perf."""

PATIENCE_S = 10.0
"""Whoever was to answer may be gone: inferences that nobody watched would pass for ones in which nothing happened."""

JSON_SCHEMA = "lab.litert/1"


class WrongInputError(Exception):
    """The flags, the model or the machine do not fit: one line for the user, exit code 2."""


class FailedError(Exception):
    """What should have worked did not: one line for the user, exit code 1."""


# ------------------------------------------------------------------------------------------------------- flags


class Flags(argparse.ArgumentParser):
    """``benchmark_model``'s flags. A wrong one is told in one line."""

    def error(self, message: str) -> None:
        raise WrongInputError(message)


def boolean(text: str) -> bool:
    """``true``, ``1``, ``false``, ``0``, as TensorFlow's flags take them."""
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def whole(text: str) -> int:
    """A whole number that is not negative."""
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return number


def threads(text: str) -> int:
    """-1 (the runtime chooses) or at least 1."""
    number = -1 if text == "-1" else whole(text)
    if number == 0:
        raise argparse.ArgumentTypeError("0 threads cannot run anything")
    return number


def seconds(text: str) -> float:
    """A finite number; negative ones ask for no time at all."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def common_flags(prog: str, about: str) -> Flags:
    """The flags that do not depend on what runs the model."""
    flags = Flags(prog=prog, description=about, allow_abbrev=False)
    add = flags.add_argument
    add("--num_threads", type=threads, default=-1, metavar="N", help="-1: the runtime's own choice")
    add("--num_runs", type=whole, default=50, metavar="N", help="at least so many inferences (50)")
    add("--min_secs", type=seconds, default=1.0, metavar="S", help="and for at least so long (1)")
    add("--max_secs", type=seconds, default=150.0, metavar="S", help="but none begun after that (150)")
    add("--warmup_runs", type=whole, default=1, metavar="N", help="at least so many before (1)")
    add("--warmup_min_secs", type=seconds, default=0.5, metavar="S", help="and for at least so long (0.5)")
    add("--report_peak_memory_footprint", type=boolean, default=False, metavar="BOOL", help="print it")
    add("--seed", type=whole, default=0, metavar="N", help="of the random input (0)")
    add("--json", action="store_true", help="one JSON object on the last line, times unrounded")
    add("--version", action="store_true", help="say in JSON what would run the model, and end")
    return flags


# ------------------------------------------------------------------------------------------------------- input


def random_inputs(interpreter, seed: int):
    """(index, array) for each input, drawn as ``benchmark_model`` draws them: floats from -0.5 to 0.5, bytes over their
    range, larger integers from 0 to 99. The same seed gives the same input."""
    import numpy as np

    draw = np.random.default_rng(seed)
    ranges = {"int8": (-127, 127), "uint8": (0, 254), "bool": (0, 1)}
    found = []
    for detail in interpreter.get_input_details():
        shape, dtype = tuple(detail["shape"]), np.dtype(detail["dtype"])
        if dtype.kind == "f":
            values = draw.uniform(-0.5, 0.5, shape)
        elif dtype.kind in "iub":
            low, high = ranges.get(dtype.name, (0, 99))
            values = draw.integers(low, high, shape, endpoint=True)
        else:
            raise WrongInputError(f"input {detail['name']!r} is of type {dtype}, which cannot be drawn at random")
        found.append((detail["index"], values.astype(dtype)))
    return found


# ------------------------------------------------------------------------------- what is told of the window


class Marks:
    """Instants, kept in memory until all is done: a file written in between would be part of what is measured."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._lines: list[str] = []

    def __call__(self, name: str) -> None:
        if self._path:
            self._lines.append(f"{name} {time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)}\n")

    def save(self) -> None:
        if not self._path:
            return
        try:
            with open(self._path, "a", encoding="ascii") as file:  # noqa: PTH123
                file.writelines(self._lines)
        except OSError as error:
            raise FailedError(f"{self._path}: {error.strerror}") from None


class Gate:
    """Tells whoever watches that the window opens or closes, and waits until they are ready."""

    def __init__(self, paths: str | None) -> None:
        self._pipes: tuple[int, int] | None = None
        if not paths:
            return
        control, comma, acknowledge = paths.partition(",")
        if not comma:
            raise FailedError(f"{LAB_WINDOW}={paths}: expected the paths of two pipes with a comma between them")
        path = acknowledge
        try:
            hears = os.open(acknowledge, os.O_RDONLY | os.O_NONBLOCK)
            path = control
            says = os.open(control, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            why = "nobody listens" if error.errno == errno.ENXIO else error.strerror
            raise FailedError(f"{path}: {why}") from None
        self._pipes = (says, hears)

    def say(self, word: str) -> None:
        """``enable`` or ``disable``. Raises :class:`FailedError` if nobody answers."""
        if self._pipes is None:
            return
        says, hears = self._pipes
        try:
            os.write(says, word.encode("ascii") + b"\n")
        except OSError:
            raise FailedError(f"{LAB_WINDOW}: nobody takes the word {word!r}") from None
        # Byte by byte: what follows a line belongs to the next answer. perf ends its answers with a zero byte.
        line, until = b"", time.monotonic() + PATIENCE_S
        while not line.endswith(b"\n"):
            try:
                byte = os.read(hears, 1)
            except BlockingIOError:
                select.select([hears], [], [], max(0.0, until - time.monotonic()))
            else:
                line += byte.strip(b"\0")
                if not byte:  # before anybody has opened the pipe for writing it seems to be at its end
                    time.sleep(0.001)
            if len(line) > 16:
                break
            if time.monotonic() > until:
                raise FailedError(f"{LAB_WINDOW}: no answer within {PATIENCE_S:g} s")
        if line != b"ack\n":
            raise FailedError(f"{LAB_WINDOW}: the answer was not understood")


# -------------------------------------------------------------------------------------------------- the inferences


def infer(interpreter, inputs, runs: int, min_s: float, max_s: float) -> array:
    """Inferences one after the other, for at least ``runs`` and ``min_s``, none begun after ``max_s``: the time of each
    in ns, its input set before and outside of it."""
    clock, set_tensor, invoke = time.perf_counter_ns, interpreter.set_tensor, interpreter.invoke
    times = array("q")
    now = clock()
    least, most = now + int(min_s * 1e9), now + int(max_s * 1e9)
    try:
        while (len(times) < runs or now < least) and now <= most:
            for index, values in inputs:
                set_tensor(index, values)
            begin = clock()
            invoke()
            now = clock()
            times.append(now - begin)
    except (RuntimeError, ValueError) as error:
        raise FailedError(f"inference {len(times) + 1}: {one_line(error)}") from None
    return times


def percentile(ordered, percent: int):
    """As ``benchmark_model`` takes it: the element at n · percent / 100, rounded down; 0 of nothing."""
    return ordered[len(ordered) * percent // 100] if ordered else 0


def deviation(times) -> float:
    """Standard deviation of the times themselves (divided by n, as ``benchmark_model`` does)."""
    mean = sum(times) / len(times)
    return math.sqrt(sum((value - mean) ** 2 for value in times) / len(times))


def statistics_line(times_us: list[int]) -> str:
    """A line such as ``count=50 first=32891 … std=450 p5=32700 median=33100 p95=33950``, in whole µs."""
    if not times_us:
        text = "count=0"
    elif min(times_us) == max(times_us):
        text = f"count={len(times_us)} curr={times_us[-1]}" + ("(all same)" if len(times_us) > 1 else "")
    else:
        text = (
            f"count={len(times_us)} first={times_us[0]} curr={times_us[-1]} min={min(times_us)} max={max(times_us)} "
            f"avg={sum(times_us) / len(times_us):g} std={int(deviation(times_us))}"
        )
    ordered = sorted(times_us)
    return f"{text} p5={percentile(ordered, 5)} median={percentile(ordered, 50)} p95={percentile(ordered, 95)}"


def statistics(times: array) -> dict:
    """The same, and the 99 % point, in seconds and unrounded; nothing but the count where there were none."""
    if not times:
        return {"count": 0}
    ordered = sorted(times)
    values = {
        "first": times[0],
        "last": times[-1],
        "min": ordered[0],
        "max": ordered[-1],
        "mean": sum(times) / len(times),
        "std": deviation(times),
        "p5": percentile(ordered, 5),
        "median": percentile(ordered, 50),
        "p95": percentile(ordered, 95),
        "p99": percentile(ordered, 99),
    }
    return {"count": len(times), **{name + "_s": value * 1e-9 for name, value in values.items()}}


def peak_memory_bytes() -> int:
    """The most memory that this process has had in RAM so far.

    ``getrusage`` would also count what whoever started it had before; the kernel's own account begins anew.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# ------------------------------------------------------------------------------------------------------- output


def say(line: str) -> None:
    """A line of the log, at once."""
    print(f"INFO: {line}", flush=True)


def microseconds(times: array) -> list[int]:
    """Times in ns to the nearest whole microsecond."""
    return [(ns + 500) // 1000 for ns in times]


def announce(runs: int, min_s: float, max_s: float) -> None:
    """What is about to be run."""
    say(
        f"Running benchmark for at least {runs} iterations and at least {min_s:g} seconds but terminate if exceeding "
        f"{max_s:g} seconds."
    )


def say_statistics(times: array) -> None:
    """What came of it."""
    say(statistics_line(microseconds(times)))
    say("")


def one_line(error: BaseException) -> str:
    """What an exception says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def mean_us(times: array) -> str:
    """Six digits, as C++ prints a double; the mean of nothing is ``nan`` there."""
    return f"{sum(microseconds(times)) / len(times):g}" if times else "nan"


def measure(flags: argparse.Namespace, make) -> dict:
    """All of it; ``make`` gives the model. Raises :class:`WrongInputError` or :class:`FailedError`."""
    gate, mark = Gate(os.environ.get(LAB_WINDOW)), Marks(os.environ.get(LAB_MARKS))
    model = make(flags)
    say("STARTING!")
    say("Log parameter values verbosely: [0]")
    say(f"Num threads: [{flags.num_threads}]")
    say(f"Graph: [{model.name}]")
    begin_bytes = peak_memory_bytes()
    begin = time.perf_counter_ns()
    interpreter = model.load()
    init_ns = time.perf_counter_ns() - begin
    loaded_bytes = peak_memory_bytes()
    say(f"Loaded model {model.name}")
    say(f"The input model file size (MB): {model.bytes / 1e6:g}")
    say(f"Initialized session in {init_ns // 1000 / 1e3:g}ms.")
    inputs = random_inputs(interpreter, flags.seed)
    # A collection in the middle of an inference would be taken for the model's own time.
    gc.collect()
    gc.disable()
    announce(flags.warmup_runs, flags.warmup_min_secs, flags.max_secs)
    mark("warmup_begin")
    warmup = infer(interpreter, inputs, flags.warmup_runs, flags.warmup_min_secs, flags.max_secs)
    mark("warmup_end")
    say_statistics(warmup)
    announce(flags.num_runs, flags.min_secs, flags.max_secs)
    gate.say("enable")
    mark("window_begin")
    times = infer(interpreter, inputs, flags.num_runs, flags.min_secs, flags.max_secs)
    mark("window_end")
    gate.say("disable")
    end_bytes = peak_memory_bytes()
    say_statistics(times)
    mark.save()
    first_us = microseconds(warmup[:1])[0] if warmup else 0
    say(
        f"Inference timings in us: Init: {init_ns // 1000}, First inference: {first_us}, "
        f"Warmup (avg): {mean_us(warmup)}, Inference (avg): {mean_us(times)}"
    )
    say(
        "Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual "
        "memory footprint of the model at runtime. Take the information at your discretion."
    )
    init_mb, overall_mb = ((after - begin_bytes) / 2**20 for after in (loaded_bytes, end_bytes))
    say(f"Memory footprint delta from the start of the tool (MB): init={init_mb:g} overall={overall_mb:g}")
    if flags.report_peak_memory_footprint:
        say(f"Overall peak memory footprint (MB) via periodic monitoring: {end_bytes / 2**20:g}")
    first_ns = warmup[0] if warmup else times[0] if times else None
    return {
        "schema": JSON_SCHEMA,
        "graph": model.name,
        "model_bytes": model.bytes,
        "runtime": model.runtime,
        "threads": flags.num_threads,
        **model.asked,
        "seed": flags.seed,
        "init_s": init_ns * 1e-9,
        "first_inference_s": None if first_ns is None else first_ns * 1e-9,
        "warmup": statistics(warmup),
        "inference": statistics(times),
        "memory": {
            "load_bytes": loaded_bytes - begin_bytes,
            "overall_bytes": end_bytes - begin_bytes,
            "peak_bytes": end_bytes,
        },
    }


def main(argv: list[str], name: str, parse, about, make) -> int:
    """A program's exit code. ``parse`` reads its flags, ``about`` says what runs its models, ``make`` gives one."""
    try:
        flags = parse(argv)
        found = about() if flags.version else measure(flags, make)
    except WrongInputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except FailedError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    if flags.json or flags.version:
        print(json.dumps(found, allow_nan=False), flush=True)
    return 0
