"""hdrnn built for boards learns the very same weights as on this machine; its emulated counts are what they say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import network_bytes, network_of, order_bytes, random_network, read_network

from instruments.tcg.build import plugin
from instruments.tcg.emulator import Emulator
from lab.errors import UsageError
from lab.record.formats import cachegrind as cachegrind_format
from lab.record.formats import tcg as tcg_format
from lab.toolchains import toolchain

SOURCE = Path(__file__).parents[2] / "workloads" / "hdrnn" / "c"
CORES = {"aarch64": Emulator("aarch64", "cortex-a53"), "armv7l": Emulator("armv7l", "cortex-a9")}


@pytest.fixture(scope="module", params=CORES)
def crossed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Emulator, Path]:
    """The emulator, and hdrnn for it."""
    emulator = CORES[request.param]
    try:
        tools = toolchain(request.param)
        subprocess.run([emulator.program, "--version"], capture_output=True, check=True)
    except (UsageError, FileNotFoundError) as error:
        pytest.skip(f"{error} (make emulators)")
    build = tmp_path_factory.mktemp(request.param)
    flags = [f"CC={tools.cc}", f"LDFLAGS={' '.join(tools.ldflags)}", f"BUILD={build}"]
    subprocess.run(["make", "-s", "-C", SOURCE, *flags, "all", "selftest"], check=True, capture_output=True)
    return emulator, build / "hdrnn"


def arguments(folder: Path, digits: Path, images: int, out: Path) -> list[str]:
    """Two epochs from given weights in a given order."""
    rng = np.random.default_rng(11)
    (folder / "first.nn").write_bytes(network_bytes(random_network(rng, 784, 16, 8, 10)))
    (folder / "order").write_bytes(order_bytes(np.stack([rng.permutation(images) for _ in range(2)])))
    return [
        "train", "-q", "--data", str(digits), "--init", str(folder / "first.nn"), "--order", str(folder / "order"),
        "-e", "2", "-bs", "10", "--train-limit", str(images), "--test-limit", "50", "-n", str(out),
    ]  # fmt: skip


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_same_weights_as_on_this_machine(
    crossed: tuple[Emulator, Path], built: Path, digits: Path, tmp_path: Path, precision: str
) -> None:
    """Bit for bit, whatever kernel: the order of additions is written down, and every operation rounds by itself."""
    emulator, program = crossed
    here = arguments(tmp_path, digits, 300, tmp_path / "here.nn")
    subprocess.run([built / "hdrnn", *here, "--precision", precision], check=True, capture_output=True)
    expected = (tmp_path / "here.nn").read_bytes()
    listed = subprocess.run(
        [*emulator.command, program.with_name("hdrnn_selftest"), "kernels"], check=True, capture_output=True, text=True
    ).stdout.split("\n")
    names = [line.split()[0] for line in listed if line.endswith(precision)]
    assert ("neon" in names) == (precision == "float32" or "aarch64" in emulator.program), "ARMv7's has no doubles"
    for name in names:
        there = arguments(tmp_path, digits, 300, tmp_path / "there.nn")
        argv = [*emulator.command, program, *there, "--precision", precision, "--kernel", name]
        subprocess.run(argv, check=True, capture_output=True)
        assert (tmp_path / "there.nn").read_bytes() == expected, name
    layers = zip(read_network(tmp_path / "first.nn"), network_of(expected), strict=True)
    assert max(float(np.abs(after[0] - before[0]).max()) for before, after in layers) > 0.02, "it learned"


def test_plugin_and_cachegrind_agree_on_the_misses(
    crossed: tuple[Emulator, Path], built: Path, digits: Path, tmp_path: Path
) -> None:
    """The same C, two compilers, two instruction sets, two models of one cache: what misses is the data's doing.

    Without vector instructions: those kernels work on blocks that suit the registers, which is to say in another order.
    """
    emulator, program = crossed
    train = [*arguments(tmp_path, digits, 200, tmp_path / "x.nn"), "--kernel", "scalar"]
    options = "l1d=32768/4/64/lru/allocate" + (",zero=64" if emulator.zeroed_bytes else "")
    library = plugin(tmp_path / "cache")
    subprocess.run(
        [*emulator.command, "-plugin", f"file={library},out={tmp_path}/counts,{options}", program, *train], check=True,
        capture_output=True,
    )  # fmt: skip
    ours = tcg_format.parse((tmp_path / "counts").read_text()).whole
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--D1=32768,4,64", "--I1=32768,2,64"]
    try:
        subprocess.run(
            [*command, "--LL=524288,16,64", f"--cachegrind-out-file={tmp_path}/cachegrind", built / "hdrnn", *train],
            check=True, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no valgrind on this machine (apt install valgrind)")
    theirs = cachegrind_format.parse((tmp_path / "cachegrind").read_text()).totals
    assert ours["l1d_load_misses"] == pytest.approx(theirs["D1mr"], rel=0.02)
    assert ours["l1d_store_misses"] == pytest.approx(theirs["D1mw"], rel=0.1)
    assert ours["instructions"] != theirs["Ir"], "instructions are of different machines"
