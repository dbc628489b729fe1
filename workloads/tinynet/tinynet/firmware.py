# SPDX-License-Identifier: Apache-2.0
"""A microcontroller's firmware around a quantised network: written out, compiled, linked, and measured."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from tinynet.errors import TinynetError
from tinynet.export_c import Target, c_array, export
from tinynet.quantized import QuantizedNetwork
from tinynet.stack import worst_stack

Option = Literal["O1", "O2", "O3", "Os"]
Protocol = Literal["framed", "study", "bare"]

FOLDER = Path(__file__).resolve().parent.parent / "firmware"
SOURCE_FOLDER = "firmware-source"
SERIAL_PROTOCOL = FOLDER.parent.parent / "serial_protocol"
CLOCK_HZ = 20_000_000
PRESCALERS = {"framed": 8, "study": 1024, "bare": 8}
LONGEST_FRAME = 254
FOR_SIZE = {"serial_protocol.c"}
"""Compiled with -Os whatever the option: no time of an inference is spent there."""
NEAR_FLASH_BYTES = 65_000
"""What ``lpm`` reaches, less the vectors before it."""
STUDY_OFFSET = 127.0
STUDY_KINDS = (("STUDY_DENSE_INPUTS", 8, 32), ("STUDY_CONVOLUTION_INPUTS", 4, 64))
"""The kinds of image in the study's frames: name of the table, what pixels are divided by, values."""


@dataclass(frozen=True, slots=True)
class Microcontroller:
    """What the compiler and the linker must be told of one. ``flash_bytes`` and ``ram_bytes`` are all it has.

    A bit on the serial line is a whole number of times ``cycles_of_bit`` cycles.
    """

    name: str
    flash_bytes: int
    ram_bytes: int
    cycles_of_bit: float
    sources: tuple[str, ...]
    flags: tuple[str, ...]
    link: tuple[str, ...] = ()


MICROCONTROLLERS = {
    "atmega1284p": Microcontroller("ATmega1284P", 131072, 16384, 8, ("atmega1284p.c",), ("-mmcu=atmega1284p",)),
    # Debian's avr-gcc has no files for this one, but code and libraries for its core. -Wno-cpp: the headers say so.
    "atmega4809": Microcontroller(
        "ATmega4809",
        49152,
        6144,
        0.25,
        ("atmega4809.c", "start_atmega4809.S"),
        ("-mmcu=avrxmega3", "-Wno-cpp"),
        (
            "-nostartfiles",
            "-Wl,--defsym=__RODATA_PM_OFFSET__=0x4000",
            "-Wl,--defsym=__DATA_REGION_ORIGIN__=0x802800",
            "-Wl,--defsym=__DATA_REGION_LENGTH__=6K",
            "-Wl,--defsym=__TEXT_REGION_LENGTH__=48K",
        ),
    ),
}
"""By the name that ``--mcu`` takes."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """What was built. ``data_bytes`` are static; ``stack_bytes`` is the worst case, interrupts included.

    Of ``flash_bytes``, ``network_flash_bytes`` are the network's: its weights, its kernels, its calls; the rest is the
    protocol's and the board's.
    """

    elf: str
    hex: str
    model_hash: str
    mcu: str
    option: str
    protocol: str
    compiler: str
    clock_hz: int
    tick_hz: int
    baud: int
    flash_bytes: int
    data_bytes: int
    stack_bytes: int
    flash_of_mcu_bytes: int
    ram_of_mcu_bytes: int
    input_bytes: int
    output_bytes: int
    layers: int
    weights_bytes: int
    network_flash_bytes: int


def build(
    network: QuantizedNetwork,
    mcu: str,
    option: Option,
    protocol: Protocol,
    folder: Path,
    *,
    name: str = "network",
    baud: int = 115200,
    kernels: Target = "avr",
) -> Firmware:
    """Build ``folder``/firmware.elf and firmware.hex; what was compiled stays beside them.

    ``kernels`` may be "c": the portable ones, to be compared with. Raises TinynetError where there is no compiler, the
    network does not fit, or its weights lie beyond what ``lpm`` reaches.
    """
    chip = MICROCONTROLLERS[mcu]
    if option not in get_args(Option):
        raise TinynetError(f"the option is {option}, not one of {', '.join(get_args(Option))}")
    _check_baud(baud, chip)
    compiler = find_compiler()
    source = folder / SOURCE_FOLDER
    shutil.rmtree(source, ignore_errors=True)
    exported = export(network, kernels, source, name)
    for path in _sources(chip, protocol):
        shutil.copyfile(path, source / path.name)
    if protocol == "study":
        (source / "study_inputs.h").write_text(study_inputs(network), encoding="utf-8")
    elf, image = folder / "firmware.elf", folder / "firmware.hex"
    flags = [
        "-std=gnu99",
        *chip.flags,
        f"-{option}",
        f"-DF_CPU={CLOCK_HZ}UL",
        f"-DBOARD_BAUD={baud}UL",
        f"-DBOARD_PRESCALER={PRESCALERS[protocol]}",
        f"-DSERIAL_FRAME_LIMIT={LONGEST_FRAME}",
        f'-DBUILD_TEXT="-{option}"',
        '-DTN_HOOKS="hooks.h"',
        "-Wall",
        "-Wextra",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-common",
        "-Wl,--gc-sections",
    ]
    if exported.flash_bytes > NEAR_FLASH_BYTES:
        raise TinynetError(
            f"the weights take {exported.flash_bytes} bytes; the first 64 kB of flash have no room for them"
        )
    compiled = {path.name for path in source.iterdir() if path.suffix in (".c", ".S")}
    objects = []
    for file in sorted(compiled & FOR_SIZE):
        objects.append(f"{Path(file).stem}.o")
        _run([compiler, *flags, "-Os", "-c", "-o", objects[-1], file], source, chip)
    _run([compiler, *flags, "-o", "../firmware.elf", *sorted(compiled - FOR_SIZE), *objects, *chip.link], source, chip)
    _run(["avr-objcopy", "-O", "ihex", "-R", ".eeprom", elf.name, image.name], folder, chip)
    flash_bytes, data_bytes = section_sizes(elf)
    stack_bytes = worst_stack(elf)
    if flash_bytes > chip.flash_bytes:
        raise TinynetError(f"the firmware takes {flash_bytes} bytes of flash; the {chip.name} has {chip.flash_bytes}")
    if data_bytes + stack_bytes > chip.ram_bytes:
        raise TinynetError(
            f"the firmware takes {data_bytes} bytes of memory and {stack_bytes} of stack at worst; "
            f"the {chip.name} has {chip.ram_bytes}"
        )
    return Firmware(
        elf=elf.name,
        hex=image.name,
        model_hash=network.hash.hex(),
        mcu=mcu,
        option=option,
        protocol=protocol,
        compiler=_compiler_version(compiler),
        clock_hz=CLOCK_HZ,
        tick_hz=CLOCK_HZ // PRESCALERS[protocol],
        baud=baud,
        flash_bytes=flash_bytes,
        data_bytes=data_bytes,
        stack_bytes=stack_bytes,
        flash_of_mcu_bytes=chip.flash_bytes,
        ram_of_mcu_bytes=chip.ram_bytes,
        input_bytes=network.inputs,
        output_bytes=network.outputs,
        layers=len(network.layers),
        weights_bytes=exported.flash_bytes,
        network_flash_bytes=network_flash(elf),
    )


def facts(firmware: Firmware) -> dict[str, object]:
    """The contents of firmware.json."""
    return asdict(firmware)


def find_compiler() -> str:
    """The compiler's path. Raises TinynetError where it or its library is not installed."""
    compiler = shutil.which("avr-gcc")
    if compiler is None or not Path(_answer([compiler, "-print-file-name=libc.a", "-mmcu=avr5"])).is_absolute():
        raise TinynetError("there is no avr-gcc with avr-libc here: apt install gcc-avr avr-libc")
    return compiler


def study_inputs(network: QuantizedNetwork) -> str:
    """C tables: the network's signed byte for each byte of a frame of the study."""
    tables = "".join(
        c_array(name, study_table(network, divisor, count)).replace("TN_FLASH", "PROGMEM")
        for name, divisor, count in STUDY_KINDS
    )
    return f"/* Written by tn.py firmware. */\n#include <avr/pgmspace.h>\n#include <stdint.h>\n\n{tables}"


def study_table(network: QuantizedNetwork, divisor: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """For each byte ``v`` of a frame, whose pixel was divided by ``divisor``, what the network takes; int8 (count,).

    A network with the study's scale (pixel - 127)/divisor gets v - 128/divisor, as the published firmware makes it. For
    other scales the byte stands for the pixel v·divisor.
    """
    bytes_of_frame = np.arange(count)
    if (network.input_scale.offset, network.input_scale.divisor) == (STUDY_OFFSET, divisor):
        return network.quantize_values(bytes_of_frame - 128 // divisor)
    return np.asarray(network.input_table[bytes_of_frame * divisor])


def section_sizes(elf: Path) -> tuple[int, int]:
    """Bytes of flash and bytes of static memory of a linked firmware."""
    sizes: dict[str, int] = {}
    for line in _answer(["avr-size", "-A", str(elf)]).splitlines():
        if match := re.match(r"(\.\w+)\s+(\d+)\s", line):
            sizes[match[1]] = int(match[2])
    data = sizes.get(".data", 0)
    flash = sizes.get(".text", 0) + sizes.get(".rodata", 0) + data
    return flash, data + sizes.get(".bss", 0) + sizes.get(".noinit", 0)


def network_flash(elf: Path) -> int:
    """Bytes of flash of everything whose name says that it is the network's."""
    total = 0
    for line in _answer(["avr-nm", "-S", "--defined-only", str(elf)]).splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "tTrR" and words[3].startswith(("tn_", "layer_")):
            total += int(words[1], 16)
    return total


def _check_baud(baud: int, chip: Microcontroller) -> None:
    """Receivers stand a rate that is a few hundredths off."""
    if not 1200 <= baud <= 1_000_000:
        raise TinynetError(f"{baud} baud: expected 1200 to 1000000")
    steps = max(1, round(CLOCK_HZ / baud / chip.cycles_of_bit))
    made = CLOCK_HZ / (steps * chip.cycles_of_bit)
    if abs(made / baud - 1) > 0.025:
        raise TinynetError(
            f"{baud} baud: from {CLOCK_HZ / 1e6:g} MHz the {chip.name} makes {made:.0f}; try 500000 or less"
        )


def _sources(chip: Microcontroller, protocol: Protocol) -> list[Path]:
    names = ["board.h", "ring.h", "hooks.h", "memory.c", f"{protocol}.c", *chip.sources]
    if protocol == "study":
        names += ["study_frames.c", "study_frames.h"]
    paths = [FOLDER / name for name in names]
    if protocol == "framed":
        paths += [SERIAL_PROTOCOL / name for name in ("serial_protocol.c", "serial_protocol.h")]
    return paths


def _run(command: Sequence[str], folder: Path, chip: Microcontroller) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    if match := re.search(r"region [`'](text|data)' overflowed by (\d+) bytes", done.stderr):
        kind, all_bytes = ("flash", chip.flash_bytes) if match[1] == "text" else ("memory", chip.ram_bytes)
        raise TinynetError(f"the firmware is {match[2]} bytes too large for the {chip.name}'s {all_bytes} of {kind}")
    if re.search(r"is not within region [`']data'", done.stderr):
        raise TinynetError(f"the buffers take more than the {chip.name}'s {chip.ram_bytes} of memory")
    last = [line for line in done.stderr.strip().splitlines() if "error" in line.lower()] or [done.stderr.strip()]
    raise TinynetError(f"{command[0]} failed: {last[0]}")


def _answer(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise TinynetError(f"{command[0]} failed: {error}") from None


def _compiler_version(compiler: str) -> str:
    return f"avr-gcc {_answer([compiler, '-dumpversion'])}"
