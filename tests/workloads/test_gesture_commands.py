"""The commands of workloads/gesture: from the simulated sensor to a named gesture, and what they say of mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gesture.board import SimulatedBoard
from gesture.cli.main import COMMANDS, main
from gesture.files import read, read_folder
from gesture.forms import Form
from gesture.serial_line import Cable, SerialPort
from tinynet.quantized import QuantizedNetwork

PROGRAM = Path(__file__).resolve().parents[2] / "workloads" / "gesture" / "gestures.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two gestures of a practised hand, twelve performances each and ten unseen ones."""
    path = tmp_path_factory.mktemp("gestures")
    words = ["--gestures", "flex,punch", "--hands", "practised", "--count", "12", "--unseen", "10"]
    assert main(["collect", "--out", str(path), *words]) == 0
    return path / "practised"


@pytest.fixture(scope="module")
def studied(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The study, run as a program: its output folder and what it said."""
    out = tmp_path_factory.mktemp("study")
    command = [sys.executable, PROGRAM, "study", "--data", folder, "--out", out, "--epochs", "50", "--tflite", "no"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return out, [json.loads(line) for line in done.stdout.splitlines()]


def of(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def test_collecting_writes_a_file_per_gesture(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"flex.csv", "punch.csv", "unseen"}
    found, unseen = read_folder(folder), read_folder(folder / "unseen")
    assert found.values.shape == (24, 30, 6)
    assert unseen.values.shape == (20, 30, 6)
    together = np.concatenate([found.values, unseen.values]).reshape(44, -1)
    assert len(np.unique(together, axis=0)) == 44


def test_collecting_again_gives_the_same_files_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    for seed, same in (("1", True), ("2", False)):
        out = tmp_path / seed
        words = ["--gestures", "punch", "--hands", "practised", "--count", "2", "--unseen", "1", "--seed", seed]
        assert main(["collect", "--out", str(out), *words]) == 0
        first = read(out / "practised" / "punch.csv")
        assert np.array_equal(first, read(folder / "punch.csv")[:2]) is same


def test_a_gesture_too_gentle_to_start_the_capture_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--gestures", "twist", "--count", "1", "--start-g", "3.9", "--start-dps", "1990", "--hands", "practised"]
    assert main(["collect", "--out", str(tmp_path), *words]) == 2
    assert "twist: only 0 of 1 performances were strong enough" in capsys.readouterr().err


def test_the_study_says_every_step(studied: tuple[Path, list[dict[str, Any]]]) -> None:
    _, events = studied
    names = [event["event"] for event in events]
    order = ["data", "example", "layer", "epoch", "trained", "form", "done"]
    assert [
        name for name, before in zip(names, [None, *names], strict=False) if name != before and name not in order
    ] == []
    assert sorted(set(names), key=names.index) == ["data", "example", "epoch", "layer", "trained", "form", "done"]
    assert of(events, "data")[0] == {
        "event": "data", "gestures": ["flex", "punch"], "training": 19, "validation": 5, "unseen": 20,
    }  # fmt: skip
    assert [len(event["samples"]) for event in of(events, "example")] == [30, 30]
    assert [event["parameters"] for event in of(events, "layer")] == [9050, 765, 32]
    assert [event["epoch"] for event in of(events, "epoch")] == list(range(1, 51))
    (trained,) = of(events, "trained")
    assert trained["training_accuracy"] == 1.0
    assert trained["unseen_accuracy"] >= 0.9
    assert trained["unrounded_accuracy"] == pytest.approx(trained["unseen_accuracy"], abs=0.051)
    assert [event["form"] for event in of(events, "form")] == ["float32", "float16", "dynamic", "int8", "int8_pow2"]
    assert of(events, "done")[0]["parameters"] == 9847


def test_the_study_leaves_what_it_speaks_of(studied: tuple[Path, list[dict[str, Any]]]) -> None:
    out, events = studied
    for event in of(events, "form")[:3]:
        data = (out / f"gesture_{event['form']}.bin").read_bytes()
        assert len(data) == event["bytes"]
        assert Form.from_bytes(data).form == event["form"]
        assert f"GESTURE_{event['form'].upper()}_LEN {len(data)}u" in (out / f"gesture_{event['form']}.h").read_text()
    for form in ("int8", "int8_pow2"):
        assert QuantizedNetwork.load(out / f"gesture_{form}.q.npz").outputs == 2
        assert (out / f"gesture_{form}_c" / "network.c").is_file()


def test_inputs_for_a_microcontroller_come_with_what_it_should_answer(
    folder: Path, studied: tuple[Path, list[dict[str, Any]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = studied[0] / "gesture_int8.q.npz"
    words = ["--before", str(studied[0] / "gesture.npz"), "--data", str(folder), "--count", "4", "--out", str(tmp_path)]
    assert main(["inputs", str(network), *words]) == 0
    said = json.loads(capsys.readouterr().out)
    inputs = np.frombuffer((tmp_path / "inputs.bin").read_bytes(), np.int8).reshape(-1, 180)
    assert said["count"] == len(inputs) == 8
    assert (tmp_path / "labels.bin").read_bytes() == bytes([0] * 4 + [1] * 4)
    assert QuantizedNetwork.load(network).infer(inputs).tolist() == said["outputs"]
    assert said["accuracy_host"] >= 0.75


def test_gestures_are_named_as_they_come_over_the_line(
    studied: tuple[Path, list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    for network in ("gesture.npz", "gesture_int8.q.npz"):
        board = SimulatedBoard(77)
        with Cable() as cable:
            said = board.header() + "".join(board.perform(name) for name in ("punch", "flex", "punch"))
            threading.Timer(0.1, cable.write, [said]).start()
            words = ["--port", cable.port, "--count", "3", "--silence", "10"]
            assert main(["classify", str(studied[0] / network), *words]) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["punch", "flex", "punch"]


def test_a_gesture_is_captured_from_a_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = SimulatedBoard(5)
    performances = board.header() + board.perform("wave") + "0.1,0.2\r\n\r\n" + board.perform("wave")
    with Cable() as cable:
        threading.Timer(0.1, cable.write, [performances]).start()
        words = ["--port", cable.port, "--gesture", "wave", "--count", "2", "--out", str(tmp_path), "--silence", "10"]
        assert main(["capture", *words]) == 0
    assert capsys.readouterr().out == "wave 1/2\nwave 2/2\nleft out 1: not six numbers\n"
    assert len(read(tmp_path / "wave.csv")) == 2


def test_a_cable_pulled_keeps_what_was_captured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board, cable = SimulatedBoard(5), Cable()

    def use_and_pull() -> None:
        cable.write(board.header() + board.perform("wave"))
        until = time.monotonic() + 8
        while not (tmp_path / "wave.csv").exists() and time.monotonic() < until:
            time.sleep(0.02)
        cable.close()

    person = threading.Thread(target=use_and_pull)
    person.start()
    words = ["--port", cable.port, "--gesture", "wave", "--count", "2", "--out", str(tmp_path), "--silence", "10"]
    assert main(["capture", *words]) == 2
    person.join()
    assert "the line went away" in capsys.readouterr().err
    assert len(read(tmp_path / "wave.csv")) == 1


def test_the_simulated_board_prints_in_real_time_on_a_terminal_of_its_own() -> None:
    command = [sys.executable, PROGRAM, "sensor", "--gestures", "punch", "--count", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        received = b""
        with SerialPort(port) as line:
            for data in line.chunks(10.0):
                received += data
                if received.count(b"\n") == 32:
                    break
        assert process.wait(timeout=20) == 0
    assert received.startswith(b"aX,aY,aZ,gX,gY,gZ\r\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study", "--data", "{none}", "--out", "{out}"], "no such folder"),
        (["study", "--data", "{empty}", "--out", "{out}"], "found no gesture; at least two files"),
        (["study", "--data", "{data}", "--gestures", "flex,wave", "--out", "{out}"], "wave.csv: No such file"),
        (["study", "--data", "{data}", "--optimizer", "sgd", "--out", "{out}"], "optimizer 'sgd'"),
        (["collect", "--out", "{out}", "--gestures", "salute"], "no gesture is called 'salute'"),
        (["collect", "--out", "{out}", "--hands", "left"], "no hand is called 'left'"),
        (["capture", "--port", "{none}", "--gesture", "a", "--out", "{out}"], "is the board plugged in"),
        (["capture", "--port", "{none}", "--gesture", "../a", "--out", "{out}"], "cannot be a gesture's name"),
        (["classify", "{none}", "--port", "{none}"], "there is no file"),
        (["inputs", "{none}", "--before", "{none}", "--data", "{data}", "--out", "{out}"], "there is no file"),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    words: list[str], said: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    places = {name: tmp_path / name for name in ("none", "empty", "out")} | {"data": folder}
    assert main([word.format(**places) for word in words]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.startswith(f"gestures.py {words[0]}: ")
    assert shown.err.count("\n") == 1


def test_training_that_diverges_ends_with_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.errstate(all="ignore"):
        code = main(["study", "--data", str(folder), "--out", str(tmp_path), "--rate", "1e8", "--epochs", "30"])
    shown = capsys.readouterr()
    assert code == 1, shown.out[-300:]
    assert "diverged in epoch" in shown.err
    assert not (tmp_path / "gesture.npz").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert COMMANDS[command].split()[0] in capsys.readouterr().out


@pytest.mark.slow
def test_tensorflow_makes_the_known_sizes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if find_spec("tensorflow") is None or find_spec("keras") is None:
        pytest.skip("needs TensorFlow (pip install embedded-lab[keras])")
    assert main(["study", "--data", str(folder), "--out", str(tmp_path), "--epochs", "30"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    sizes = {event["form"]: event["bytes"] for event in of(events, "form") if event["maker"] == "tflite"}
    known = {"float32": 41580, "float16": 22812, "dynamic": 15272, "int8_float_io": 14528, "int8": 14176}
    assert sizes == pytest.approx(known, rel=0.02)
    for form, size in sizes.items():
        assert len((tmp_path / f"gesture_{form}.tflite").read_bytes()) == size
