"""The Joulescope's instrument on the vendor's own library, with blocks put in where the device would publish them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instruments.joulescope.driver import vendor_driver, vendor_version
from instruments.joulescope.models import filter_delay
from lab.record.documents import TraceRef
from lab.record.traces import open_trace

KNOWN = {"2.2.12"}

pytestmark = pytest.mark.skipif(
    vendor_version() not in KNOWN or sys.platform != "linux",
    reason=f"reaches into the memory of pyjoulescope_driver {', '.join(KNOWN)} on Linux, not of {vendor_version()}",
)


def _run(argument: str) -> dict[str, Any]:
    script = Path(__file__).with_name("joulescope_injection.py")
    done = subprocess.run([sys.executable, script, argument], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_blocks_come_whole_through_the_vendors_queues_decoding_and_callbacks(tmp_path: Path) -> None:
    seen = _run(str(tmp_path))
    assert {fault["code"] for fault in seen["faults"]} == {"samples_dropped"}
    (trace,) = seen["traces"]
    assert trace["samples"] == pytest.approx(1_100_000, abs=20)
    ((first, end),) = trace["gaps"]
    assert (first, end - first) == (pytest.approx(550_000, abs=10), pytest.approx(10_000, abs=10))
    marks = {mark["name"]: mark["sample"] for mark in seen["marks"]}
    assert marks["window_begin"] == pytest.approx(400_000, abs=1)
    assert marks["window_end"] == pytest.approx(800_000, abs=1)
    (reading,) = seen["readings"]
    assert reading["details"]["blocks"] == 8, "the ninth lies over the gap"
    assert abs(reading["details"]["relative_difference"]) < 1e-5
    with open_trace(tmp_path, TraceRef(**{**trace, "gaps": ()})) as reader:
        assert set(reader.channels) == {"current", "voltage", "power", "gpi0"}
        current = reader.read("current", 0, reader.length)
        power = reader.read("power", 0, reader.length)
    assert np.isnan(current).sum() == end - first
    assert set(np.unique(current[~np.isnan(current)])) == {np.float32(0.2), np.float32(0.25), np.float32(0.5)}
    np.testing.assert_allclose(power[600_000:700_000], 6.0)


def test_the_vendors_filter_delays_by_what_we_take_out() -> None:
    measured = _run("delay")
    assert measured == {factor: pytest.approx(filter_delay(int(factor)), abs=0.1) for factor in measured}
    assert len(measured) == 6


def test_an_absent_device_times_out_as_the_stand_in_does() -> None:
    driver = vendor_driver()
    try:
        assert driver.device_paths() == [] or all(path.count("/") == 2 for path in driver.device_paths())
        with pytest.raises(TimeoutError):
            driver.publish("u/js220/no-such/h/fs", 1_000_000, timeout=0.1)
    finally:
        driver.finalize()
