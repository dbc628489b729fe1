"""`tn.py firmware`: what it builds, what it says of it, and the study's frames on the board."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from avr_programs import feed, make, needs_avr_gcc, needs_simavr
from random_networks import random_network

from tinynet.bounds import with_proved_widths
from tinynet.errors import TinynetError
from tinynet.firmware import MICROCONTROLLERS, build, study_table
from tinynet.network import InputScale
from tinynet.quantized import QuantizedNetwork
from tinynet.quantized_layer import QuantizedLayer
from tinynet.stack import Function, depth, read_functions, worst_stack

TN = Path(__file__).parents[2] / "workloads" / "tinynet" / "tn.py"


def small_network(inputs: int = 49, outputs: int = 10, scale: InputScale | None = None) -> QuantizedNetwork:
    random = np.random.default_rng(inputs)
    layer = QuantizedLayer(
        "dense",
        "dense",
        (inputs,),
        (outputs,),
        weights=random.integers(-127, 128, (outputs, inputs), dtype=np.int8),
        bias=random.integers(-2000, 2000, outputs, dtype=np.int32),
        shift=10,
    )
    return QuantizedNetwork(
        "pow2", (inputs,), 1 / 8, scale or InputScale(127.0, 8.0), with_proved_widths([layer]), {"made": "up"}
    )


def tn(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TN), *map(str, arguments)], capture_output=True, text=True, check=False, env={**os.environ}
    )


@needs_avr_gcc
def test_the_command_says_what_it_built(tmp_path: Path) -> None:
    network = small_network()
    network.save(tmp_path / "net.q.npz")
    done = tn("firmware", tmp_path / "net.q.npz", "--option", "O2", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.pop("event") == "done"
    assert said == json.loads((tmp_path / "out" / "firmware.json").read_text())
    assert (said["mcu"], said["option"], said["protocol"]) == ("atmega1284p", "O2", "framed")
    assert said["model_hash"] == network.hash.hex()
    assert said["clock_hz"] == 20_000_000
    assert said["compiler"].startswith("avr-gcc ")
    elf = tmp_path / "out" / said["elf"]
    text, data, bss = map(
        int,
        subprocess.run(["avr-size", elf], capture_output=True, text=True, check=True)
        .stdout.splitlines()[1]
        .split()[:3],
    )
    assert (said["flash_bytes"], said["data_bytes"]) == (text + data, data + bss)
    assert said["stack_bytes"] == worst_stack(elf)
    assert said["weights_bytes"] < said["network_flash_bytes"] < said["flash_bytes"] - 3000, "the protocol is not small"
    # The image for a programmer holds the same bytes: record type 00 of Intel's format.
    records = [bytes.fromhex(line[1:]) for line in (tmp_path / "out" / said["hex"]).read_text().split()]
    assert all(sum(record) % 256 == 0 for record in records)
    assert sum(record[0] for record in records if record[3] == 0) == said["flash_bytes"]


@needs_avr_gcc
def test_the_same_network_gives_the_same_image(tmp_path: Path) -> None:
    network = small_network()
    images = []
    for place in ("one", "another/place"):
        build(network, "atmega4809", "Os", "framed", tmp_path / place)
        images.append((tmp_path / place / "firmware.hex").read_bytes())
    assert images[0] == images[1]


@needs_avr_gcc
@pytest.mark.parametrize("mcu", sorted(MICROCONTROLLERS))
def test_what_does_not_fit_is_said(mcu: str, tmp_path: Path) -> None:
    network = small_network(700, 200)
    with pytest.raises(TinynetError, match=r"49152 of flash|first 64 kB"):
        build(network, mcu, "Os", "bare", tmp_path)


@needs_avr_gcc
def test_buffers_that_do_not_fit_are_said(tmp_path: Path) -> None:
    network = small_network(30000, 1)
    with pytest.raises(TinynetError, match=r"16384( of memory|$)"):
        build(network, "atmega1284p", "Os", "bare", tmp_path)


def test_a_missing_compiler_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TinynetError, match="apt install gcc-avr avr-libc"):
        build(small_network(), "atmega1284p", "Os", "bare", tmp_path / "out")


@needs_avr_gcc
def test_what_cannot_be_used_is_said_in_a_line(tmp_path: Path) -> None:
    small_network().save(tmp_path / "net.q.npz")
    (tmp_path / "file").write_text("in the way")
    for arguments in (
        (tmp_path / "absent.q.npz", "--out", tmp_path / "out"),
        (tmp_path / "net.q.npz", "--out", tmp_path / "file"),
        (tmp_path / "net.q.npz", "--baud", "7", "--out", tmp_path / "out"),
        (tmp_path / "net.q.npz", "--baud", "1000000", "--out", tmp_path / "out"),
    ):
        done = tn("firmware", *arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1, done.stderr


# ------------------------------------------------------------------------------------------------- the study's frames


def frame(image: np.ndarray, kind: int = 0) -> bytes:
    return bytes([0xAA, kind, *image.tolist(), 0xAB])


@needs_avr_gcc
@needs_simavr
def test_the_studys_frames_are_answered_as_published(tmp_path: Path) -> None:
    """0xAA, prediction, two bytes of ticks of 1024 cycles, 0xAB; after garbage and half a frame, too."""
    network = small_network()
    build(network, "atmega1284p", "Os", "study", tmp_path, baud=500_000)
    random = np.random.default_rng(1)
    images = random.integers(0, 32, (12, 49), dtype=np.uint8)
    requests, request = b"", 3 * 52
    for number, image in enumerate(images):
        before = (
            b"",
            frame(image)[: 3 + 4 * number],  # half a frame
            bytes(random.integers(0, 256, 60, dtype=np.uint8)),
            frame(np.append(image, 1)),  # one byte too many
            frame(image[1:]),  # one too few
            frame(image, 2),  # of no kind
        )[number % 6]
        before += b"\0" * (request - len(frame(image)) - len(before))
        requests += before + frame(image)
    answered = feed(tmp_path / "firmware.elf", requests, request, 5)
    answers = [answered.bytes[at : at + 5] for at in range(0, len(answered.bytes), 5)]
    expected = network.infer(study_table(network, 8, 32)[images]).argmax(axis=1)
    assert [answer[1] for answer in answers] == expected.tolist()
    assert len(set(expected.tolist())) > 2
    for answer, (begin, end) in zip(answers, answered.windows, strict=True):
        assert (answer[0], answer[4]) == (0xAA, 0xAB)
        assert abs(int.from_bytes(answer[2:4], "big") - (end - begin) / 1024) <= 1


def test_the_networks_input_is_made_as_the_published_firmware_makes_it() -> None:
    network = small_network()
    assert study_table(network, 8, 32).tolist() == [max(-128, (v - 16) * 8) for v in range(32)]
    convolution = small_network(scale=InputScale(127.0, 4.0))
    assert study_table(convolution, 4, 64)[:33:8].tolist() == [-128, -128, -128, -64, 0]
    unit = small_network(scale=InputScale(0.0, 255.0))
    assert study_table(unit, 8, 32).tolist() == unit.input_table[0:256:8].tolist()


def test_the_frame_parsers_survive_anything_and_understand_the_next_frame() -> None:
    """Both parsers as programs of this machine, watched by the sanitizers where the compiler has them."""
    try:
        program = make("fuzz_frames", "SANITIZE=1", "CFLAGS=-O1 -g")
    except AssertionError:
        program = make("fuzz_frames")
    for seed in range(1, 5):
        done = subprocess.run([str(program), str(seed), "10000"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr[:2000]


# ---------------------------------------------------------------------------------------------------------- the stack

LISTING = """
00000100 <main>:
 100:\t0f 93       \tpush\tr16
 102:\t0e 94 90 00 \tcall\t0x120\t; 0x120 <leaf>
 106:\t0c 94 98 00 \tjmp\t0x130\t; 0x130 <tail>

00000120 <leaf>:
 120:\tcf 93       \tpush\tr28
 122:\tdf 93       \tpush\tr29
 124:\tcd b7       \tin\tr28, 0x3d\t; 61
 126:\tde b7       \tin\tr29, 0x3e\t; 62
 128:\tc0 50       \tsubi\tr28, 0x10\t; 16
 12a:\td1 40       \tsbci\tr29, 0x01\t; 1
 12c:\tcd bf       \tout\t0x3d, r28\t; 61
 12e:\tc0 5f       \tsubi\tr28, 0xF0\t; 240
 130:\tde 4f       \tsbci\tr29, 0xFE\t; 254
 132:\tcd bf       \tout\t0x3d, r28\t; 61

00000140 <tail>:
 140:\t00 d0       \trcall\t.+0      \t; 0x142 <tail+0x2>
 142:\t62 97       \tsbiw\tr28, 0x12\t; 18
 144:\tcd bf       \tout\t0x3d, r28\t; 61
"""


def test_the_stack_is_read_from_the_code() -> None:
    functions = read_functions(LISTING)
    assert {name: function.own_bytes for name, function in functions.items()} == {
        "main": 1,
        "leaf": 2 + 0x110,
        "tail": 2 + 18,
    }
    assert depth(functions, "main", {}) == 1 + 2 + 2 + 0x110


def test_a_stack_without_bound_is_said() -> None:
    with pytest.raises(TinynetError, match="calls itself"):
        depth({"a": Function(calls={"b"}), "b": Function(calls={"a"})}, "a", {})
    with pytest.raises(TinynetError, match="through a pointer"):
        depth({"a": Function(calls_through_pointer=True)}, "a", {})


@needs_avr_gcc
@needs_simavr
@pytest.mark.parametrize("seed", [1, 6])
def test_the_stack_never_gets_deeper_than_said(seed: int, tmp_path: Path) -> None:
    """The framed firmware paints its stack and says how deep it was; its worst case holds, and is near."""
    pytest.importorskip("serial")
    from serial_firmware import run_framed

    network = random_network(seed)
    firmware = build(network, "atmega1284p", "Os", "framed", tmp_path)
    inputs = np.random.default_rng(seed).integers(-128, 128, (2, network.inputs), dtype=np.int8)
    outputs, memory = run_framed(tmp_path / "firmware.elf", inputs, tmp_path)
    np.testing.assert_array_equal(np.array(outputs), network.infer(inputs))
    assert memory["flash"] == firmware.flash_bytes
    assert memory["data"] == firmware.data_bytes
    assert 0.6 * firmware.stack_bytes <= memory["stack_peak"] <= firmware.stack_bytes
