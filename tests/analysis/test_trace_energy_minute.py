"""A minute at 2 MSps, written as a meter's stream, sealed, integrated, cut into windows and viewed: a file of 1 GB.

Everything that reads it does so in a process of its own, whose memory is watched.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from instruments.protocol import Observation, PassContext
from instruments.stream_recorder import Block, StreamFormat, StreamRecorder
from lab.record.sealing import verified_sha256

RATE_HZ = 2_000_000
SECONDS = 60
LENGTH = SECONDS * RATE_HZ
BLOCK = RATE_HZ // 20
PERIOD = 3 * BLOCK
"""The load repeats, so that the truth is known; not with the chunks of the file."""

WINDOW = 5 * RATE_HZ, 55 * RATE_HZ
INFERENCES = 100_000

READ = """
import json, re, sys
from pathlib import Path
import numpy as np
from analysis.trace_energy import window_energies
from lab.record.traces.jls_trace import JlsTrace

def memory(field):
    return int(re.search(field + r":\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

path, first, last, count = sys.argv[1], *map(int, sys.argv[2:])
begins = np.linspace(first, last, count, endpoint=False)
ends = begins + 0.75 * (last - first) / count
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
with JlsTrace(Path(path)) as trace:
    whole = float(trace.block_sums().sum()) / trace.rate_hz
    summed = memory("VmHWM") - before
    found = window_energies(trace, [0.0, first + 0.25], [trace.length, last - 0.25])
    each = window_energies(trace, begins, ends)
    lengths = trace.length
np.save(sys.argv[1] + ".each.npy", each.seen_energy_j)
print(json.dumps({
    "length": lengths, "whole_j": whole, "windows_j": found.seen_energy_j.tolist(), "coverage": found.coverage.tolist(),
    "complete": bool(each.complete.all()), "summing_mib": summed, "all_mib": memory("VmHWM") - before,
}))
"""

VIEW = """
import re, sys
from pathlib import Path
from lab.cli.main import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def load() -> dict[str, np.ndarray]:
    """One period of current, of the voltage that sags under it, and of a line that is high while an inference runs."""
    rng = np.random.default_rng(7)
    busy = np.arange(PERIOD) % 1000 < 700
    current = (0.3 + 0.4 * busy + 0.05 * rng.standard_normal(PERIOD)).astype(np.float32)
    voltage = (5.1 - 0.12 * current + 0.005 * rng.standard_normal(PERIOD)).astype(np.float32)
    return {"current": current, "voltage": voltage, "inference": busy.astype(np.uint8)}


class Truth:
    """The energy of any stretch of the load, without end, to the digits of a long double."""

    def __init__(self, current: np.ndarray, voltage: np.ndarray) -> None:
        self._power = current.astype(np.float64) * voltage.astype(np.float64)
        self._until = np.concatenate([[np.longdouble(0)], np.cumsum(self._power.astype(np.longdouble))])
        assert float(self._until[-1]) == pytest.approx(math.fsum(self._power.tolist()), rel=1e-15)

    def energy_j(self, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
        return np.asarray((self._from_zero(ends) - self._from_zero(begins)) / RATE_HZ, np.float64)

    def _from_zero(self, edges: np.ndarray) -> np.ndarray:
        samples = np.floor(edges).astype(np.int64)
        periods, place = np.divmod(samples, PERIOD)
        share = (edges - samples).astype(np.longdouble) * self._power[place]
        return np.asarray(periods * self._until[-1] + self._until[place] + share)


def record(folder: Path) -> Observation:
    """What a meter's stream leaves: blocks of 50 ms, as they come."""
    (folder / "output").mkdir()
    context = PassContext(
        pass_id="t0001.energy",
        attempt=1,
        seed=1,
        record_root=folder,
        output=folder / "output",
        trace=folder / "traces" / "t0001.energy",
    )
    lines = {"gpi0": "window", "gpi1": "inference"}
    form = StreamFormat("JS110", "1", RATE_HZ, [("10 A", 10.0)], 15.0, lines)
    period = load()
    ranges = np.zeros(BLOCK, np.uint8)
    with StreamRecorder(context, "meter", form) as recorder:
        for first in range(0, LENGTH, BLOCK):
            part = slice(first % PERIOD, first % PERIOD + BLOCK)
            window = np.full(BLOCK, WINDOW[0] <= first < WINDOW[1], np.uint8)
            logic = {"gpi0": window, "gpi1": period["inference"][part]}
            recorder.feed(Block(first, period["current"][part], period["voltage"][part], ranges, logic))
        return recorder.finish(SECONDS)


@pytest.mark.slow
def test_a_minute_at_full_rate_from_the_stream_to_the_view(tmp_path: Path) -> None:
    seen = record(tmp_path)
    assert seen.faults == ()
    (trace,) = seen.traces
    assert (trace.samples, trace.gaps) == (LENGTH, ())
    edges = {mark.name: mark.sample for mark in seen.marks if mark.name.startswith("window")}
    assert edges == {"window_begin": WINDOW[0] - 0.5, "window_end": WINDOW[1] - 0.5}
    path = tmp_path / trace.path
    try:
        assert path.stat().st_size > 0.9e9
        assert verified_sha256(path)[1] == ""
        check_energies(path)
        check_view(path, tmp_path / "view.html")
    finally:
        path.unlink()


def check_energies(path: Path) -> None:
    arguments = [str(path), *map(str, (*WINDOW, INFERENCES))]
    done = subprocess.run([sys.executable, "-c", READ, *arguments], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    period = load()
    truth = Truth(period["current"], period["voltage"])
    (whole_j,) = truth.energy_j(np.array([0.0]), np.array([float(LENGTH)]))
    assert said["length"] == LENGTH
    assert said["whole_j"] == pytest.approx(whole_j, rel=1e-12)
    edges = np.array([0.0, WINDOW[0] + 0.25]), np.array([float(LENGTH), WINDOW[1] - 0.25])
    np.testing.assert_allclose(said["windows_j"], truth.energy_j(*edges), rtol=1e-12)
    assert said["coverage"] == [1.0, 1.0]
    begins = np.linspace(*WINDOW, INFERENCES, endpoint=False)
    ends = begins + 0.75 * (WINDOW[1] - WINDOW[0]) / INFERENCES
    np.testing.assert_allclose(np.load(f"{path}.each.npy"), truth.energy_j(begins, ends), rtol=1e-11)
    assert said["complete"]
    assert said["summing_mib"] < 64
    # The windows themselves take room: each has some 500 bytes of edges, stretches and totals.
    assert said["all_mib"] < 128


def check_view(path: Path, page: Path) -> None:
    arguments = ["view", str(path), "-o", str(page)]
    done = subprocess.run([sys.executable, "-c", VIEW, *arguments], capture_output=True, text=True, check=True)
    assert page.stat().st_size > 10_000
    assert int(done.stdout.split()[-1]) / 1024 < 600
