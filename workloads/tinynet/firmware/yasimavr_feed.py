#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What simavr_feed does, for the ATmega4809 in yasimavr (GPL 3; ``pip install yasimavr``, which needs libelf-dev).

python3 yasimavr_feed.py FIRMWARE.elf CLOCK_HZ REQUEST_BYTES ANSWER_BYTES SECONDS_AT_MOST

Standard input holds the requests one after the other; answers go to standard output, `window 0|1 CYCLES` (pin PA0) to
standard error. Exit code 0, or 3 where the core's time was up first.
"""

from __future__ import annotations

import sys
from typing import Any

SERIAL_LINE = 3
STEP_CYCLES = 20_000


def main(argv: list[str]) -> int:
    """Run the firmware until the last request is answered."""
    try:
        import yasimavr.lib.core as core
        from yasimavr.device_library import load_device
        from yasimavr.utils.uart import UART_IO
    except ImportError:
        print("yasimavr_feed: there is no yasimavr here: apt install libelf-dev, pip install yasimavr", file=sys.stderr)
        return 2
    if len(argv) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    clock_hz, request, answer = int(argv[1]), int(argv[2]), int(argv[3])
    device = load_device("atmega4809")
    loop = core.SimLoop(device)
    firmware = core.Firmware.read_elf(argv[0])
    if firmware is None:
        print(f"yasimavr_feed: {argv[0]} cannot be read", file=sys.stderr)
        return 2
    firmware.frequency = clock_hz
    device.load_firmware(firmware)
    line = UART_IO(device, SERIAL_LINE)

    def on_pin(signal: Any, _: Any) -> None:
        if signal.sigid == core.Pin.SignalId.DigitalChange:
            print("window", signal.data.as_uint(), loop.cycle(), file=sys.stderr)

    pin_hook = core.CallableSignalHook(on_pin)
    device.find_pin("PA0").signal().connect(pin_hook)
    requests = sys.stdin.buffer.read()
    last = float(argv[4]) * clock_hz
    loop.run(clock_hz // 100)  # what comes before the firmware has begun is lost
    for begin in range(0, len(requests) - request + 1, request):
        line.write(requests[begin : begin + request])
        while line.available() < answer:
            if loop.cycle() > last:
                return 3
            loop.run(STEP_CYCLES)
        sys.stdout.buffer.write(line.read(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
