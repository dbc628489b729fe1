"""The portable kernels on an 8-bit machine: the same bytes from avr-gcc's 16-bit int and 24-bit sums, under simavr."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_inputs, random_network

from tinynet.export_c import RUNTIME, c_array, export
from tinynet.quantized import QuantizedNetwork

MAIN = """
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include "tn_port.h"
{declarations}
{inputs}
static int8_t given[{largest}], made[{largest}];
static void put(char letter)
{{
    while (!(UCSR0A & (1 << UDRE0)))
        ;
    UDR0 = letter;
}}
static void put_outputs(uint16_t count)
{{
    for (uint16_t i = 0; i < count; i++) {{
        put("0123456789abcdef"[(uint8_t)made[i] >> 4]);
        put("0123456789abcdef"[made[i] & 15]);
    }}
    put('\\n');
}}
int main(void)
{{
    UCSR0B = 1 << TXEN0;
{calls}
    cli();
    sleep_mode(); /* without interrupts: simavr ends */
    return 0;
}}
"""


def run_on_avr(folder: Path, networks: Sequence[QuantizedNetwork], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs that each network's portable C gives under simavr, (n, outputs) each."""
    for tool in ("avr-gcc", "simavr"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}: install gcc-avr, avr-libc and simavr")
    sources, declarations, arrays, calls = [], "", "", ""
    for index, (network, values) in enumerate(zip(networks, inputs, strict=True)):
        place = folder / f"network_{index}"
        export(network, "c", place)
        (place / "infer_name.h").write_text(f"#define tn_infer tn_infer_{index}\n")
        sources.append(str(place / "network.c"))
        declarations += f"void tn_infer_{index}(const int8_t *input, int8_t *output);\n"
        arrays += c_array(f"inputs_{index}", values)
        for row in range(len(values)):
            calls += (
                f"    TN_COPY_FROM_FLASH(given, inputs_{index} + {row * network.inputs}, {network.inputs});\n"
                f"    tn_infer_{index}(given, made);\n    put_outputs({network.outputs});\n"
            )
    largest = max(max(network.inputs, network.outputs) for network in networks)
    (folder / "main.c").write_text(
        MAIN.format(declarations=declarations, inputs=arrays, largest=largest, calls=calls.rstrip())
    )
    flags = ["-mmcu=atmega1284p", "-std=c99", "-Os", "-Wall", "-Wextra", "-Werror", '-DTN_HOOKS="infer_name.h"']
    runtime = [str(path) for path in sorted(RUNTIME.glob("*.c"))]
    main = [str(folder / "main.c"), *sources, *runtime]
    subprocess.run(["avr-gcc", *flags, f"-I{RUNTIME}", "-o", str(folder / "main.elf"), *main], check=True)
    done = subprocess.run(
        ["simavr", "-m", "atmega1284p", "-f", "20000000", str(folder / "main.elf")],
        capture_output=True,
        timeout=120,
        check=False,
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", (done.stdout + done.stderr).decode(errors="replace"))
    lines = iter(re.findall(r"^([0-9a-f]{2,})\.*\s*$", text, re.MULTILINE))
    return [
        np.array([list(bytes.fromhex(next(lines))) for _ in values], np.uint8).astype(np.int8).reshape(len(values), -1)
        for values in inputs
    ]


@pytest.mark.slow
def test_portable_kernels_are_bit_exact_on_an_avr(tmp_path: Path) -> None:
    networks = [random_network(seed) for seed in range(16, 36)]
    networks = [network for network in networks if network.inputs <= 300][:12]
    kinds = {(layer.kind, layer.accumulator_bits) for network in networks for layer in network.layers}
    assert {("conv2d", 16), ("conv2d", 24), ("dense", 24), ("avgpool", 16), ("maxpool", 0), ("table", 0)} <= kinds
    inputs = [random_inputs(network, 5, seed) for seed, network in enumerate(networks)]
    for network, values, got in zip(networks, inputs, run_on_avr(tmp_path, networks, inputs), strict=True):
        np.testing.assert_array_equal(got, network.infer(values), str(network.facts))
