"""Exported networks as programs of this host: bytes in, bytes out."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tinynet.export_c import RUNTIME, export
from tinynet.quantized import QuantizedNetwork

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DTN_CHECK_SUMS")

MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
{includes}
void tn_sum_overflow(void);
void tn_sum_overflow(void) {{ fputs("a sum passed its width\\n", stderr); exit(3); }}
typedef void infer_t(const int8_t *input, int8_t *output);
{declarations}
static const struct {{ infer_t *infer; size_t inputs, outputs; }} networks[] = {{ {rows} }};
int main(int argc, char **argv)
{{
    size_t which = argc > 1 ? (size_t)atoi(argv[1]) : 0, inputs = networks[which].inputs;
    /* On the heap and of the exact size, so that the address sanitizer sees a byte read or written too far. */
    int8_t *in = malloc(inputs), *out = malloc(networks[which].outputs);
    while (fread(in, 1, inputs, stdin) == inputs) {{
        networks[which].infer(in, out);
        fwrite(out, 1, networks[which].outputs, stdout);
    }}
    free(in);
    free(out);
    return 0;
}}
"""


@functools.cache
def runtime_objects(compiler: tuple[str, ...], flags: tuple[str, ...]) -> list[str]:
    """The runtime's files, compiled once for all tests that want it so."""
    folder = Path(tempfile.mkdtemp(prefix="tinynet-runtime-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sources = sorted(RUNTIME.glob("*.c"))
    subprocess.run([*compiler, *STRICT, *flags, "-c", *map(str, sources)], cwd=folder, check=True)
    return [str(folder / f"{path.stem}.o") for path in sources]


class HostProgram:
    """One program that holds several networks. ``flags`` choose optimisation and sanitizers."""

    def __init__(
        self,
        folder: Path,
        networks: Sequence[QuantizedNetwork],
        flags: tuple[str, ...] = SANITIZED,
        compiler: tuple[str, ...] = ("gcc",),
        emulator: Sequence[str] = (),
    ) -> None:
        for tool in (compiler[0], *emulator[:1]):
            if shutil.which(tool) is None:
                pytest.skip(f"needs {tool}: install it to run exported networks on this host")
        self.networks = networks
        objects = []
        names = [f"tn_infer_{index}" for index in range(len(networks))]
        for index, network in enumerate(networks):
            place = folder / f"network_{index}"
            export(network, "c", place)
            (place / "infer_name.h").write_text(f"#define tn_infer {names[index]}\n")
            objects += ['-DTN_HOOKS="infer_name.h"', str(place / "network.c")]
        main = folder / "main.c"
        rows = ", ".join(f"{{{name}, {n.inputs}, {n.outputs}}}" for name, n in zip(names, networks, strict=True))
        main.write_text(
            MAIN.format(includes="", declarations="\n".join(f"infer_t {name};" for name in names), rows=rows)
        )
        self.binary = folder / "networks"
        self.emulator = emulator
        runtime = runtime_objects(compiler, flags)
        subprocess.run(
            [*compiler, *STRICT, *flags, f"-I{RUNTIME}", "-o", str(self.binary), str(main), *objects, *runtime],
            check=True,
        )

    def infer(self, which: int, inputs: np.ndarray) -> np.ndarray:
        """Signed bytes (n, inputs) → (n, outputs), by the C code. A sanitizer's finding is an error."""
        done = subprocess.run(
            [*self.emulator, str(self.binary), str(which)], input=inputs.tobytes(), capture_output=True, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"exit {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
        return np.frombuffer(done.stdout, np.int8).reshape(len(inputs), self.networks[which].outputs)
