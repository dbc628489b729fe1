"""Runs the Joulescope's instrument on the vendor's own library, with blocks put in from below; prints what was seen.

Started by the tests in a process of its own: it reaches into the library's memory layout, which belongs to known
versions only, and a mistake there takes the process down. The library has no emulator; but its ``jsdrv_publish`` is
exported, so what a device would publish can be published in its place. From there on everything is real: the library's
queues and threads, the decoding to Python, the callbacks, and all of ours.

Usage: ``python joulescope_injection.py FOLDER`` or ``python joulescope_injection.py delay``.
"""

from __future__ import annotations

import ctypes
import json
import struct
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from fake_joulescope import Clock, FakeDevice, FakeDriver, Line, OnValue, pulse, step
from pyjoulescope_driver import Driver, binding

from instruments.joulescope.instrument import Joulescope
from instruments.joulescope.settings import JoulescopeSettings
from instruments.protocol import Accuracy, PassContext
from instruments.stream_presence import Patience

CONTEXT_OFFSET = 16
"""Where the Python object of 2.2.12 keeps its library context."""

_STREAM, _STATISTICS = 1, 2
_BIN = 3
_UINT, _FLOAT = 3, 4


class _Value(ctypes.Structure):
    """``struct jsdrv_union_s``."""

    _fields_ = (
        ("type", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("op", ctypes.c_uint8),
        ("app", ctypes.c_uint8),
        ("size", ctypes.c_uint32),
        ("bin", ctypes.c_void_p),
    )


class InjectingDriver(FakeDriver):
    """Devices are made up, but whatever they publish goes through the vendor's library."""

    def __init__(self, devices: list[FakeDevice]) -> None:
        super().__init__(devices)
        self.real = Driver()
        self._library = ctypes.CDLL(binding.__file__)
        self._library.jsdrv_publish.argtypes = (
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.POINTER(_Value),
            ctypes.c_uint32,
        )
        self._context = ctypes.c_void_p.from_address(id(self.real) + CONTEXT_OFFSET).value

        self._calls: dict[tuple[str, int], OnValue] = {}
        self._under_way = 0
        self._lock = threading.Lock()

    def settle(self) -> None:
        """Wait until everything put in has come out."""
        deadline_s = time.monotonic() + 20
        while self._under_way and time.monotonic() < deadline_s:
            time.sleep(0.01)

    def deliver(self, topic: str, value: Any) -> None:
        with self._lock:
            self._under_way += sum(subscribed == topic for subscribed, _ in self._calls)
        raw, kind = (_statistics(value), _STATISTICS) if "signals" in value else (_stream(topic, value), _STREAM)
        buffer = ctypes.create_string_buffer(raw, len(raw))
        union = _Value(_BIN, 0, 0, kind, len(raw), ctypes.addressof(buffer))
        failed = self._library.jsdrv_publish(self._context, topic.encode(), ctypes.byref(union), 0)
        if failed:
            raise RuntimeError(f"{topic}: {failed}")

    def subscribe(self, topic: str, flags: str, fn: OnValue, timeout: float | None = None) -> None:
        def counted(at: str, value: Any) -> None:
            fn(at, value)
            with self._lock:
                self._under_way -= 1

        self._calls[topic, id(fn)] = counted
        self.real.subscribe(topic, flags, counted)

    def unsubscribe(self, topic: str, fn: OnValue, timeout: float | None = None) -> None:
        self.real.unsubscribe(topic, self._calls.pop((topic, id(fn))))

    def finalize(self, timeout: float | None = None) -> None:
        self.real.finalize()


def _stream(topic: str, value: dict[str, Any]) -> bytes:
    """``struct jsdrv_stream_signal_s``; range codes go in packed, two to a byte."""
    data = value["data"]
    kind, bits, count = _FLOAT, 32, data.size
    if "/gpi/" in topic:
        kind, bits, count = _UINT, 1, data.size * 8
    elif "/range/" in topic:
        kind, bits = _UINT, 4
        data = data[0::2] | data[1::2] << 4
    # UTC = offset_time + (sample_id − offset_counter) / counter_rate
    head = struct.pack(
        "<B3xIQBBBBIII",
        1,
        0,
        value["sample_id"],
        0,
        0,
        kind,
        bits,
        count,
        value["sample_rate"],
        value["decimate_factor"],
    )
    return head + struct.pack("<qQd", value["utc"], value["sample_id"], float(value["sample_rate"])) + data.tobytes()


def _statistics(value: dict[str, Any]) -> bytes:
    """``struct jsdrv_statistics_s`` of a JS220."""
    begin, end = value["time"]["samples"]["value"]
    power = [value["signals"]["power"]["avg"]["value"], 0.0, 0.0, 0.0]
    head = struct.pack("<B2xBIIIQQ", 1, 2, (end - begin) // 2, 2_000_000, 0, begin, 0)
    return head + struct.pack("<14d4QqQd", *[0.0] * 8, *power, 0.0, 0.0, 0, 0, 0, 0, 1 << 30, begin, 2e6)


def record(folder: Path) -> dict[str, Any]:
    """One pass with a gap, over a wrap of the lower 32 bits."""
    clock = Clock()
    device = FakeDevice("JS220", "001234", clock, count=(1 << 32) - (1 << 20))
    device.lost = [(0.45, 0.46, ())]
    driver = InjectingDriver([device])
    setup = JoulescopeSettings("JS220", 1e6, "10 A", "gpi0", Accuracy({}, 50, "placeholder"), power=True)
    meter = Joulescope("meter", setup, factory=lambda: driver, clock=clock, patience=Patience(5.0, 0.5))
    output = folder / "output"
    output.mkdir()
    meter.open()
    meter.arm(PassContext("t0001.energy", 1, 1, folder, output, folder / "traces" / "t0001.energy"))
    meter.start()
    line = Line(current=step(0.2, 0.5, 0.3, 0.7), levels={0: pulse(0.3, 0.7)})
    device.play(1.0, line)
    driver.settle()
    seen = meter.stop()
    meter.close()
    return asdict(seen)


def measured_delays() -> dict[str, float]:
    """The delay of the library's decimating filter for some factors, in input samples, from its answer to a ramp."""
    library = ctypes.CDLL(binding.__file__)
    library.jsdrv_downsample_alloc.restype = ctypes.c_void_p
    library.jsdrv_downsample_add_f32.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_float,
        ctypes.POINTER(ctypes.c_float),
    )
    library.jsdrv_downsample_add_f32.restype = ctypes.c_bool
    delays: dict[str, float] = {}
    for factor in (2, 4, 5, 10, 20, 200):
        chain = library.jsdrv_downsample_alloc(1_000_000, 1_000_000 // factor, 1)
        out, slope = ctypes.c_float(), 2.0**-14
        for number in range(40 * factor * 45 if factor < 50 else 60 * factor):
            if library.jsdrv_downsample_add_f32(chain, number, number * slope, ctypes.byref(out)):
                delays[str(factor)] = number - out.value / slope
    return delays


if __name__ == "__main__":
    answer = measured_delays() if sys.argv[1] == "delay" else record(Path(sys.argv[1]))
    print(json.dumps(answer, default=lambda item: np.asarray(item).tolist()))
