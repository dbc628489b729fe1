"""Eight JS220 at full rate into eight files, in real time, by one core: does anything get lost?

    python benchmarks/live_ingest.py [--meters 8] [--seconds 20] [--speed 1] [--queue-mb 16] [--folder DIR] [--json]

Each meter is the lab's own instrument, with a stand-in for the vendor's driver behind it that publishes just what the
real one does, when the real one does: 20 times a second current, voltage and power at 1 MHz, the range and four logic
inputs at 2 MHz. The stand-in's thread makes one copy of each block, as the vendor's binding does, in this very process
and on the same core; its processor time is inside the total and shown apart. What the driver's C code and the USB cost
is not in it.

Everything runs on one core (`--cores 2` for two). Nothing may be lost, no fault may be told, and each file must hold
just the samples that were published, under right checksums; else the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.bounded_queue import BoundedQueue
from instruments.joulescope.instrument import Joulescope
from instruments.joulescope.intake import utc_ticks
from instruments.joulescope.settings import JoulescopeSettings
from instruments.protocol import Accuracy, Observation, PassContext
from lab.record.traces.jls_trace import JlsTrace

COUNTER_HZ = 2_000_000
ANALOG_HZ = 1_000_000
TICKS_PER_S = 1 << 30
BLOCKS_PER_S = 20
LINES = {"gpi1": "warmup", "gpi2": "program", "gpi3": "inference"}
INFERENCES_PER_S = 100
SHOWN_FAULTS = 4

OnValue = Callable[[str, Any], None]


@dataclass(frozen=True)
class Outcome:
    """What a run showed. ``cpu_share`` is processor seconds per second of recording, of which ``publishing_share``
    went into the stand-in for the driver; ``backlog_ms`` how much of a stream waited at worst."""

    meters: int
    cores: int
    speed: float
    seconds: float
    megabytes_per_s: float
    lost_bytes: int
    missing_samples: int
    wrong_samples: int
    faults: tuple[str, ...]
    cpu_share: float
    publishing_share: float
    backlog_ms: float
    backlog_mb: float
    late_ms: float
    memory_mb: float

    @property
    def clean(self) -> bool:
        """Did everything arrive?"""
        return not (self.lost_bytes or self.missing_samples or self.wrong_samples or self.faults)


def one_second() -> dict[str, list[NDArray[Any]]]:
    """The blocks of a second of each stream, by its topic's stem."""
    rng = np.random.default_rng(1)
    current = rng.lognormal(-2, 0.5, ANALOG_HZ).astype(np.float32)
    voltage = (5 + 0.01 * rng.standard_normal(ANALOG_HZ)).astype(np.float32)
    counts = np.arange(COUNTER_HZ)
    levels = {
        "s/gpi/0": counts * 2 // COUNTER_HZ,
        "s/gpi/1": counts < COUNTER_HZ // 4,
        "s/gpi/2": np.ones(COUNTER_HZ, np.uint8),
        "s/gpi/3": counts * 2 * INFERENCES_PER_S // COUNTER_HZ % 2,
    }
    streams: dict[str, NDArray[Any]] = {"s/i": current, "s/v": voltage, "s/p": current * voltage}
    streams["s/i/range"] = np.zeros(COUNTER_HZ, np.uint8)
    streams |= {stem: np.packbits(line.astype(np.uint8), bitorder="little") for stem, line in levels.items()}
    return {stem: np.split(samples, BLOCKS_PER_S) for stem, samples in streams.items()}


class PacedDriver:
    """The driver, as far as the instrument uses it, and connected JS220 that stream while they are switched on."""

    def __init__(self, meters: int, speed: float) -> None:
        self.serials = [f"{number:06d}" for number in range(1, meters + 1)]
        self.cpu_s = 0.0
        self.late_s = 0.0
        self._speed = speed
        self._blocks = one_second()
        self._topics: dict[str, Any] = {}
        self._subscribers: dict[str, OnValue] = {}
        self._on: dict[str, set[str]] = {f"u/js220/{serial}": set() for serial in self.serials}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._stream, name="driver")

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def end(self) -> None:
        """Stop publishing."""
        self._end.set()
        self._thread.join()

    def _stream(self) -> None:
        began_s, began_utc = time.monotonic(), utc_ticks()
        tick = 0
        while not self._end.is_set():
            # A block is published when its last sample was taken.
            due_s = began_s + (tick + 1) / BLOCKS_PER_S / self._speed
            if (wait_s := due_s - time.monotonic()) > 0:
                self._end.wait(wait_s)
            else:
                self.late_s = max(self.late_s, -wait_s)
            first = tick * COUNTER_HZ // BLOCKS_PER_S
            for path, stems in self._on.items():
                for stem in tuple(stems):
                    self._publish_block(path, stem, tick, first, began_utc)
            tick += 1
            self.cpu_s = time.thread_time()

    def _publish_block(self, path: str, stem: str, tick: int, first: int, began_utc: int) -> None:
        topic = f"{path}/{stem}/!data"
        call = self._subscribers.get(topic)
        if call is None:
            return
        analog = stem in ("s/i", "s/v", "s/p")
        value = {
            "sample_id": first,
            "utc": began_utc + int(first / COUNTER_HZ * TICKS_PER_S),
            "field_id": 0,
            "index": 0,
            "sample_rate": COUNTER_HZ,
            "decimate_factor": 2 if analog else 1,
            "time_map": {"offset_time": 0, "offset_counter": 0, "counter_rate": float(COUNTER_HZ)},
            "data": self._blocks[stem][tick % BLOCKS_PER_S].copy(),
        }
        call(topic, value)

    # ------------------------------------------------------------------------------------------ the driver's interface

    def device_paths(self, timeout: float | None = None) -> list[str]:
        """All meters."""
        return sorted(self._on)

    def open(self, device_prefix: str, mode: str | None = None, timeout: float | None = None) -> None:
        """Nothing is to be done."""

    def close(self, device_prefix: str, timeout: float | None = None) -> None:
        """Nothing is to be done."""

    def publish(self, topic: str, value: Any, timeout: float | None = None) -> None:
        """Keep a setting; switch a stream on or off."""
        self._topics[topic] = value
        path, _, stem = topic.partition("/s/")
        if stem.endswith("/ctrl") and not stem.startswith("stats"):
            change = self._on[path].add if value else self._on[path].discard
            change("s/" + stem.removesuffix("/ctrl"))

    def query(self, topic: str, timeout: float | None = None) -> Any:
        """What was set."""
        return self._topics.get(topic, 0)

    def subscribe(self, topic: str, flags: str, fn: OnValue, timeout: float | None = None) -> None:
        """One subscriber per topic is enough."""
        self._subscribers[topic] = fn

    def unsubscribe(self, topic: str, fn: OnValue, timeout: float | None = None) -> None:
        """No more of it."""
        self._subscribers.pop(topic, None)

    def finalize(self, timeout: float | None = None) -> None:
        """Nothing is held."""


class Backlog:
    """The most bytes that ever waited in one of the instruments' queues."""

    def __init__(self) -> None:
        self.most_bytes = 0
        self._put = BoundedQueue.put

    def __enter__(self) -> Backlog:
        put = self._put

        def noted(queue: Any, item: Any, size_bytes: int) -> None:
            put(queue, item, size_bytes)
            self.most_bytes = max(self.most_bytes, queue._bytes)

        BoundedQueue.put = noted  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *_: object) -> None:
        BoundedQueue.put = self._put  # type: ignore[method-assign]


def measure(folder: Path, meters: int, seconds: float, speed: float, queue_bytes: int, cores: int) -> Outcome:
    """Record with all meters at once for ``seconds`` of their own time."""
    driver = PacedDriver(meters, speed)
    instruments = [joulescope(serial, driver, queue_bytes) for serial in driver.serials]
    driver.start()
    with Backlog() as backlog:
        for instrument in instruments:
            instrument.open()
            instrument.arm(context(folder, instrument.name))
        for instrument in instruments:
            instrument.start()
        began_s, began_cpu_s, began_driver_s = time.monotonic(), time.process_time(), driver.cpu_s
        time.sleep(seconds / speed)
        cpu_s, driver_s = time.process_time() - began_cpu_s, driver.cpu_s - began_driver_s
        elapsed_s = (time.monotonic() - began_s) * speed
        seen = [instrument.stop() for instrument in instruments]
    for instrument in instruments:
        instrument.close()
    driver.end()
    published = one_second()
    per_s = sum(blocks[0].nbytes * BLOCKS_PER_S for blocks in published.values())
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    faults = [fault for observation in seen for fault in observation.faults]
    return Outcome(
        meters=meters,
        cores=cores,
        speed=speed,
        seconds=round(elapsed_s, 2),
        megabytes_per_s=round(meters * per_s * speed / 1e6, 1),
        lost_bytes=sum(int(fault.detail.split()[0]) for fault in faults if " bytes in " in fault.detail),
        missing_samples=sum(missing(observation, seconds) for observation in seen),
        wrong_samples=sum(wrong(folder / ref.path, published) for observation in seen for ref in observation.traces),
        faults=tuple(sorted({f"{fault.code}: {fault.detail}" for fault in faults})),
        cpu_share=round(cpu_s / elapsed_s, 3),
        publishing_share=round(driver_s / elapsed_s, 3),
        backlog_ms=round(1e3 * backlog.most_bytes / per_s),
        backlog_mb=round(backlog.most_bytes / 1e6, 2),
        late_ms=round(1e3 * driver.late_s),
        memory_mb=round(memory_mb),
    )


def missing(seen: Observation, seconds: float) -> int:
    """Samples that a trace should have and has not; a block more or less at its ends is not counted."""
    if not seen.traces:
        return int(seconds * ANALOG_HZ)
    (trace,) = seen.traces
    short = int((seconds - 2 / BLOCKS_PER_S) * ANALOG_HZ) - trace.samples
    return max(short, 0) + sum(stop - start for start, stop in trace.gaps)


def wrong(path: Path, published: dict[str, list[NDArray[Any]]]) -> int:
    """Samples in a file that are not those that were published, all of one second after the other."""
    expected = {"current": np.concatenate(published["s/i"]), "voltage": np.concatenate(published["s/v"])}
    expected["power"] = np.concatenate(published["s/p"])
    for line in range(4):
        levels = np.unpackbits(np.concatenate(published[f"s/gpi/{line}"]), bitorder="little")
        expected[f"gpi{line}"] = levels[:: COUNTER_HZ // ANALOG_HZ]
    found = 0
    with JlsTrace(path) as trace:
        trace.verify()
        starts = range(0, ANALOG_HZ, ANALOG_HZ // BLOCKS_PER_S)
        begin = trace.read("current", 0, 100)
        phase = next((at for at in starts if np.array_equal(expected["current"][at : at + 100], begin)), 0)
        for start in range(0, trace.length, ANALOG_HZ):
            stop = min(start + ANALOG_HZ, trace.length)
            for channel, samples in expected.items():
                due = np.roll(samples, -phase)[: stop - start]
                found += int(np.count_nonzero(trace.read(channel, start, stop) != due))
    return found


def joulescope(serial: str, driver: PacedDriver, queue_bytes: int) -> Joulescope:
    """The instrument, at full rate with power and all four logic inputs."""
    accuracy = Accuracy(ranges={}, timebase_ppm=50, source="placeholder")
    settings = JoulescopeSettings(
        "JS220",
        ANALOG_HZ,
        "10 A",
        "gpi0",
        accuracy,
        serial=serial,
        more_lines=LINES,
        power=True,
        statistics=False,
        queue_bytes=queue_bytes,
    )
    return Joulescope(f"meter_{serial}", settings, factory=lambda: driver)


def context(folder: Path, name: str) -> PassContext:
    """A pass of its own for each meter."""
    output = folder / "output" / name
    output.mkdir(parents=True)
    return PassContext(
        pass_id="live", attempt=1, seed=1, record_root=folder, output=output, trace=folder / "traces" / name
    )


def show(outcome: Outcome) -> None:
    """The figures, for people."""
    print(
        f"{outcome.meters} JS220 (current, voltage, power at 1 MHz, range and 4 logic inputs at 2 MHz), "
        f"{outcome.cores} core{'s' if outcome.cores > 1 else ''}, {outcome.seconds:.1f} s at "
        f"{outcome.speed:g} × real time, {outcome.megabytes_per_s:.0f} MB/s"
    )
    print(f"lost                          {outcome.lost_bytes} bytes")
    print(f"missing in the traces         {outcome.missing_samples} samples")
    print(f"wrong in the traces           {outcome.wrong_samples} samples")
    print(f"processor                     {outcome.cpu_share:.2f} s per s, for {1 / outcome.cpu_share:.1f} × real time")
    print(f"  of which the stand-in       {outcome.publishing_share:.2f} s per s")
    print(f"most that waited in a queue   {outcome.backlog_mb:.1f} MB, {outcome.backlog_ms:.0f} ms of its stream")
    print(f"stand-in's greatest delay     {outcome.late_ms:.0f} ms")
    print(f"peak memory                   {outcome.memory_mb:.0f} MB")
    for fault in outcome.faults[:SHOWN_FAULTS]:
        print(f"fault                         {fault}")
    if len(outcome.faults) > SHOWN_FAULTS:
        print(f"                              and {len(outcome.faults) - SHOWN_FAULTS} more")
    print("nothing was lost" if outcome.clean else "NOT everything arrived")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--meters", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the recording, in the meters' time")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than real time the meters run")
    parser.add_argument("--queue-mb", type=float, default=16.0, help="room for what waits, per meter")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help="where to write the traces")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-chosen.cores :])
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        needed = chosen.meters * (chosen.seconds + 2) * 15e6
        if shutil.disk_usage(folder).free < 2 * needed:
            print(f"{folder}: less than {2 * needed / 1e9:.1f} GB free", file=sys.stderr)
            return 2
        outcome = measure(
            Path(folder), chosen.meters, chosen.seconds, chosen.speed, int(chosen.queue_mb * 1e6), chosen.cores
        )
    if chosen.json:
        print(json.dumps({"python": platform.python_version(), **asdict(outcome)}))
    else:
        show(outcome)
    return 0 if outcome.clean else 1


if __name__ == "__main__":
    sys.exit(main())
