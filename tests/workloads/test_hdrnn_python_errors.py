"""The Python programs say what is wrong as the C program does: the same line, the same exit code."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hdrnn_files import idx_bytes, order_bytes
from hdrnn_programs import Programs

from hdrnn.checkpoint import Progress, write_checkpoint
from hdrnn.netfile import network_bytes, write_network
from hdrnn.network import Network, parameter_count
from hdrnn.numpy_batched import BatchedEngine
from hdrnn.numpy_per_sample import PerSampleEngine
from hdrnn.program import run

Said = tuple[int, str, str]
"""Exit code, standard output, standard error."""
Both = Callable[..., tuple[Said, Said]]


@pytest.fixture
def both(programs: Programs, capsys: pytest.CaptureFixture[str]) -> Both:
    """Runs the C program and the NumPy one, in this process, with the same arguments."""

    def call(*arguments: object) -> tuple[Said, Said]:
        done = programs("c", *arguments)
        code = run([str(argument) for argument in arguments], BatchedEngine, {"--per-sample": PerSampleEngine})
        captured = capsys.readouterr()
        return (done.returncode, done.stdout, done.stderr), (code, captured.out, captured.err)

    return call


def check(said: tuple[Said, Said], code: int = 2, output: str = "") -> None:
    """Both said the same, in one line."""
    c, numpy = said
    assert numpy == c
    assert c[:2] == (code, output)
    assert c[2].startswith("hdrnn: ")
    assert c[2].count("\n") == 1


def small_network(sizes: tuple[int, ...] = (784, 3, 10), dtype: type = np.float32) -> Network:
    values = np.random.default_rng(1).standard_normal(parameter_count(sizes))
    return Network(sizes, values.astype(dtype))


@pytest.mark.parametrize(
    "arguments",
    [
        "learn",
        "train --fast",
        "train -x",
        "train -",
        f"train --{'x' * 400}",
        f"train -{'x' * 30}",
        f"train -{'x' * 31}",
        "train 32",
        "train -e",
        "train --epochs=",
        "train -e=3",
        "train -e ten",
        "train -e -1",
        "train -e +1",
        "train -e 1.5",
        "train -e 99999999999999999999",
        "train -e 000000000000000000000000000x",
        "train -bs 0",
        "train -lr 0",
        "train -lr -1",
        "train -lr nan",
        "train -lr inf",
        "train -lr 1e39",
        "train -lr 1e-60",
        "train -lr 3,5",
        "train -lr 3x",
        "train -s 0",
        "train -s 32,",
        "train -s ,32",
        "train -s 32;16",
        "train -s 65537",
        "train -s 99999999999999999999",
        "train -s " + ",".join(["2"] * 16),
        "train --seed -1",
        "train --seed 18446744073709551616",
        "train --split 8000",
        "train --split /2000",
        "train --split 8000/",
        "train --split 8000/0",
        "train --split 8000/2000/1",
        "train --split 00000000000008000/2000",
        "train --train-limit 0",
        "train --test-limit 1000001",
        "train --precision float16",
        "train --precision=",
        "train --early-stop 0",
        "train --quiet=yes",
        "train --json=1",
        "train --init a --resume b",
        "train --data /no/such/folder",
        "train --init /no/such/file",
        "train --resume /no/such/file",
        "infer",
        "infer -i x",
        "infer -i x -n /no/such/file",
        "infer --json=1 -i x -n y",
        "infer --index -3 -i x -n y",
        "infer --precision double -i x -n y",
        "infer -e 3",
    ],
)
def test_wrong_arguments(both: Both, arguments: str) -> None:
    check(both(*arguments.split(" ")))


def test_bare_or_asked_they_show_the_same_usage(both: Both) -> None:
    """But for the C program's choice of kernels."""
    for arguments in ([], ["-h"], ["--help"]):
        c, numpy = both(*arguments)
        assert (c[0], numpy[0], numpy[2]) == (0, 0, "")
        assert numpy[1].splitlines() == [line for line in c[1].splitlines() if "--kernel" not in line]


# ------------------------------------------------------------------------------------------------------ damaged files


def train_files(folder: Path, images: int = 4, labels: int = 4) -> Path:
    rng = np.random.default_rng(2)
    for name in ("train", "t10k"):
        pixels = rng.integers(0, 256, (images, 28, 28), dtype=np.uint8)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(pixels))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx_bytes((np.arange(labels) % 10).astype(np.uint8)))
    return folder


def changed(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("train-images-idx3-ubyte", lambda data: data[:-1]),
        ("train-images-idx3-ubyte", lambda data: data[:11]),
        ("train-images-idx3-ubyte", lambda _: b""),
        ("train-images-idx3-ubyte", lambda data: data + b"\0"),
        ("train-images-idx3-ubyte", lambda data: b"\1" + data[1:]),
        ("train-images-idx3-ubyte", lambda data: data[:2] + b"\x0d" + data[3:]),
        ("train-images-idx3-ubyte", lambda data: data[:3] + b"\2" + data[4:]),
        ("train-images-idx3-ubyte", lambda data: data[:4] + b"\0\0\0\0" + data[8:]),
        ("train-images-idx3-ubyte", lambda data: data[:4] + b"\xff\xff\xff\xff" + data[8:]),
        ("train-images-idx3-ubyte", lambda data: data[:8] + b"\0\0\0\x1d" + data[12:]),
        ("train-labels-idx1-ubyte", lambda data: data[:-1] + b"\x0a"),
        ("t10k-labels-idx1-ubyte", lambda _: idx_bytes(np.arange(3, dtype=np.uint8))),
    ],
)
def test_damaged_data(both: Both, tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    changed(train_files(tmp_path) / name, change)
    check(both("train", "--data", tmp_path, "-s", 2, "-e", 1))


def test_absent_data(both: Both, tmp_path: Path) -> None:
    check(both("train", "--data", tmp_path))
    check(both("train", "--data", tmp_path, "--split", "2/1"))
    train_files(tmp_path)
    check(both("train", "--data", tmp_path, "--split", "3/2"))
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    check(both("train", "--data", tmp_path))
    (tmp_path / "train-images-idx3-ubyte").unlink()
    check(both("train", "--data", tmp_path))


def test_packed_data_that_ends_too_early_is_refused_by_both(both: Both, tmp_path: Path) -> None:
    """In words of their own: each has a decoder of its own."""
    path = train_files(tmp_path) / "train-images-idx3-ubyte"
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    (tmp_path / f"{path.name}.gz").write_bytes(packed[:-9])
    for code, output, errors in both("train", "--data", tmp_path):
        assert (code, output, errors.count("\n")) == (2, "", 1)
        assert errors.startswith(f"hdrnn: {path}.gz: damaged gzip file (")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:10],
        lambda data: data[:20],
        lambda data: b"\0" + data[1:],
        lambda data: data[:8] + b"\3" + data[9:],
        lambda data: data[:12] + b"\0" + data[13:],
        lambda data: data[:12] + b"\x11" + data[13:],
        lambda data: data[:16] + b"\0\0\0\0" + data[20:],
        lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
        lambda data: b"\7\1\3" + data[3:],
        lambda _: b"\7\xff",
        lambda _: network_bytes(Network((784, 3, 10), np.full(2395, np.nan, dtype=np.float32))),
        lambda _: network_bytes(small_network((784, 3, 9))),
        lambda _: network_bytes(small_network((783, 3, 10))),
        lambda _: network_bytes(small_network((784, 4, 10))),
    ],
)
def test_wrong_network_files(both: Both, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    write_network(train_files(tmp_path) / "x.nn", small_network())
    changed(tmp_path / "x.nn", change)
    check(both("train", "--data", tmp_path, "-s", 3, "--init", tmp_path / "x.nn"))


def test_wrong_orders_and_checkpoints(both: Both, tmp_path: Path) -> None:
    arguments = ["train", "--data", train_files(tmp_path), "-s", 3, "-e", 2]
    order, checkpoint = tmp_path / "order", tmp_path / "checkpoint"
    for data in (b"", b"HDRO", order_bytes(np.array([[0, 1, 2]])), order_bytes(np.array([[0, 1, 2, 3]]))):
        order.write_bytes(data)
        check(both(*arguments, "--order", order))
    for last in (4, 2):
        order.write_bytes(order_bytes(np.array([[0, 1, 2, last], [0, 1, 2, 3]])))
        check(both(*arguments, "--order", order))
    hdrnn_checkpoint = [*arguments, "--resume", checkpoint]
    for change in (
        lambda data: b"X" + data[1:],
        lambda data: data[:4] + b"\2" + data[5:],
        lambda data: data[:30],
        lambda data: data[:-1],
        lambda data: data[:9] + b"\1" + data[10:],
    ):
        write_checkpoint(checkpoint, Progress(1, 4, 10, 1, 1, 0, 3.0, 0.1, 0.5), small_network())
        changed(checkpoint, change)
        check(both(*hdrnn_checkpoint))
    assert both(*arguments, "--checkpoint", checkpoint, "-q", "--json")[1][0] == 0
    for other in (["-bs", 5], ["-lr", 2], ["--seed", 2], ["--train-limit", 3], ["--precision", "float64"], ["-s", 4]):
        check(both(*hdrnn_checkpoint, *other))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 783, b"P5 28 28 255\n", b"P5\n27 28 255\n" + b"\0" * 784, b"P6 28 28 255\n"]
)
def test_files_that_are_no_image(both: Both, tmp_path: Path, data: bytes) -> None:
    write_network(tmp_path / "x.nn", small_network())
    (tmp_path / "image").write_bytes(data)
    check(both("infer", "-i", tmp_path / "image", "-n", tmp_path / "x.nn"))


def test_images_of_all_kinds_are_named_alike(both: Both, tmp_path: Path) -> None:
    write_network(tmp_path / "x.nn", small_network())
    pixels = np.random.default_rng(4).integers(0, 101, (3, 28, 28), dtype=np.uint8)
    (tmp_path / "raw").write_bytes(pixels[0].tobytes())
    (tmp_path / "pgm").write_bytes(b"P5 # drawn\n28\t28 #\n100\n" + pixels[0].tobytes())
    (tmp_path / "idx").write_bytes(idx_bytes(pixels))
    (tmp_path / "idx.gz").write_bytes(gzip.compress(idx_bytes(pixels)))
    for name, index in (("raw", 0), ("pgm", 0), ("idx", 2), ("idx.gz", 1)):
        image = ["-i", tmp_path / name, "--index", index]
        c, numpy = both("infer", *image, "-n", tmp_path / "x.nn")
        assert (numpy, c[0]) == (c, 0)
        assert c[1].strip() in "0123456789"
    check(both("infer", "-i", tmp_path / "idx", "--index", 3, "-n", tmp_path / "x.nn"))
    (tmp_path / "pgm").write_bytes(b"P5 28 28 99\n" + np.full(784, 100, dtype=np.uint8).tobytes())
    check(both("infer", "-i", tmp_path / "pgm", "-n", tmp_path / "x.nn"))


# ---------------------------------------------------------------------------------------------- what cannot be written


def test_what_cannot_be_written_is_said(both: Both, tmp_path: Path) -> None:
    arguments = ["train", "--data", train_files(tmp_path), "-s", 2, "-e", 1, "-q"]
    nowhere = tmp_path / "no" / "such"
    for option in ("-n", "--checkpoint"):
        check(both(*arguments, option, nowhere), code=1)
    check(both(*arguments, "--save-epochs", nowhere))


def test_output_that_cannot_be_written_is_an_error(digits: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no /dev/full")
    import sys

    script = Path(__file__).parents[2] / "workloads" / "hdrnn" / "python" / "hdrnn_numpy.py"
    with Path("/dev/full").open("w") as full:
        argv = [sys.executable, "-B", script, "train", "--data", digits, "-e", "1", "-s", "2", "--train-limit", "50"]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "hdrnn: the output cannot be written\n")
