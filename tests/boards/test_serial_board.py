"""A serial board as the runner sees it: its requests, its clock, and a cable that is pulled."""

from __future__ import annotations

import _thread
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from serial_line import INPUT_BYTES, MODEL_HASH, FaultyLine, opened, outputs, running

from analysis.readers.firmware import read_output
from instruments.serial_port import SerialPort
from lab.boards.protocol import ChecksItself, Command, CommandResult, ComparesClock, Reconnects
from lab.boards.serial import board as board_module
from lab.boards.serial.board import SerialBoard, SerialSettings
from lab.errors import HardwareError, LinkLostError
from lab.record.quantity import Origin


class Ran:
    """A request's result, and what it left."""

    def __init__(self, result: CommandResult, folder: Path) -> None:
        self.result = result
        self.errors = (folder / "stderr.txt").read_text()
        self.events = [json.loads(line) for line in (folder / "stdout.txt").read_text().splitlines()]

    def __getitem__(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]


def ran(board: SerialBoard, folder: Path, *argv: str, **command: Any) -> Ran:
    result = board.run(Command(argv, **command), folder / "stdout.txt", folder / "stderr.txt")
    return Ran(result, folder)


class TestRequests:
    def test_infer(self, tmp_path: Path) -> None:
        inputs = bytes(range(3 * INPUT_BYTES))
        (tmp_path / "inputs.bin").write_bytes(inputs)
        right = [outputs(inputs[at : at + INPUT_BYTES]) for at in range(0, len(inputs), INPUT_BYTES)]
        labels = bytes([row.index(max(row)) for row in right[:2]]) + b"\x09"
        (tmp_path / "labels.bin").write_bytes(labels)
        with opened("--infer-us", "300") as board:
            asked = ("infer", "--runs", "20", "--warmup-runs", "2", "--input", "inputs.bin", "--labels", "labels.bin")
            done = ran(board, tmp_path, *asked, workdir=str(tmp_path))
        assert (done.result.exit_status, done.result.timed_out, done.errors) == (0, False, "")
        assert [tuple(event["output"]) for event in done["inferred"]] == right
        assert done["firmware"][0]["model_hash"] == MODEL_HASH
        assert done["done"] == [{"event": "done", "inputs": 3, "inferences": 60, "right": 2}]
        output = read_output(tmp_path)
        assert (output.inferences, output.warmup_inferences, output.reasons) == (60, 6, ())
        assert 300e-6 <= (output.value("latency_s") or 0) < 5e-3
        assert output.value("accuracy") == pytest.approx(2 / 3)
        assert output.value("stack_peak_bytes") == 321
        assert not any(item.reasons for item in output.quantities)

    def test_min_seconds_and_inputs(self, tmp_path: Path) -> None:
        (tmp_path / "inputs.bin").write_bytes(bytes(5 * INPUT_BYTES))
        with opened("--infer-us", "500") as board:
            asked = ("infer", "--min-seconds", "0.05", "--inputs", "2", "--input", str(tmp_path / "inputs.bin"))
            done = ran(board, tmp_path, *asked)
        assert [event["ticks"] >= 50_000 for event in done["inferred"]] == [True, True]

    def test_identify_and_memory(self, tmp_path: Path) -> None:
        with opened() as board:
            assert ran(board, tmp_path, "identify")["firmware"][0]["mcu"] == "this machine"
            assert ran(board, tmp_path, "memory")["memory"] == [
                {"event": "memory", "flash": None, "data": 28, "stack_peak": 321, "unused": None}
            ]

    @pytest.mark.parametrize(
        ("argv", "status", "said"),
        [
            (["benchmark_model", "--graph=x"], 127, "benchmark_model"),
            ([], 127, "request"),
            (["infer", "--runs", "0"], 2, "0 is not in 1"),
            (["infer", "--runs", "many"], 2, "--runs"),
            (["infer", "--min-seconds", "nan"], 2, "no time"),
            (["infer", "--input", "absent.bin"], 2, "absent.bin: No such file"),
            (["infer", "--input", "odd.bin"], 2, "21 bytes, no whole number of inputs of 20"),
            (["infer", "--input", "even.bin", "--inputs", "2"], 2, "holds 1 inputs, not 2"),
            (["infer", "--input", "even.bin", "--labels", "empty.bin"], 2, "0 labels for 1 inputs"),
            (["infer", "--model", "beef"], 2, f"holds the network {MODEL_HASH}, not beef"),
            (["infer", "--help"], 2, "--help"),
        ],
    )
    def test_what_cannot_be_asked_is_said(self, argv: list[str], status: int, said: str, tmp_path: Path) -> None:
        (tmp_path / "odd.bin").write_bytes(bytes(INPUT_BYTES + 1))
        (tmp_path / "even.bin").write_bytes(bytes(INPUT_BYTES))
        (tmp_path / "empty.bin").touch()
        with opened() as board:
            done = ran(board, tmp_path, *argv, workdir=str(tmp_path))
            assert done.result.exit_status == status
            assert said in done.errors
            assert not done["done"]
            assert ran(board, tmp_path, "infer", "--model", MODEL_HASH[:4].upper()).result.exit_status == 0

    def test_a_failing_inference_is_an_exit_status(self, tmp_path: Path) -> None:
        with opened("--fail-at", "2") as board:
            done = ran(board, tmp_path, "infer", "--runs", "3")
            assert (done.result.exit_status, done.errors) == (1, "run: the inference failed: told to fail\n")

    def test_deadline(self, tmp_path: Path) -> None:
        with opened("--infer-us", "1000") as board:
            done = ran(board, tmp_path, "infer", "--runs", "1000000", deadline_s=0.2)
            assert (done.result.exit_status, done.result.timed_out) == (1, True)
            assert 0.2 <= done.result.elapsed_s < 3
            assert ran(board, tmp_path, "infer", deadline_s=5).result.exit_status == 0

    def test_interrupt_stops_the_inferences(self, tmp_path: Path) -> None:
        with opened("--infer-us", "1000") as board:
            timer = threading.Timer(0.2, _thread.interrupt_main)
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                ran(board, tmp_path, "infer", "--runs", "1000000")
            timer.join()
            assert ran(board, tmp_path, "infer").result.exit_status == 0

    def test_times_that_cannot_be_are_found_out(self, tmp_path: Path) -> None:
        """Inferences of 20 ms under a counter that begins anew every 6.6 ms."""
        with opened("--infer-us", "20000", "--tick-hz", "10000000", "--tick-bits", "16", clock_tolerance=0.01) as board:
            done = ran(board, tmp_path, "infer", "--runs", "20")
            assert done.result.exit_status == 0
        output = read_output(tmp_path)
        assert {item.name: item.reasons for item in output.quantities}["latency_s"] == ("ticks_disagree",)
        assert output.inference_time_s is None

    def test_a_rate_that_is_not_the_counters_is_refused(self, tmp_path: Path) -> None:
        """The firmware says that its timer counts a fifth faster than it does, as with a wrong F_CPU."""
        with running("--tick-hz", "1000000", "--infer-us", "1000") as (port, _):
            board = SerialBoard("board", SerialSettings(port, clock_tolerance=0.02))
            board.open()
            assert board._firmware is not None
            board._firmware.clock._hz = 1_200_000
            board.ping()
            time.sleep(0.2)
            with pytest.raises(HardwareError, match="from where 1200000 ticks a second") as wrong:
                board.ping()
            assert "F_CPU" in str(wrong.value.advice)
            board.close()


class TestClock:
    @pytest.mark.parametrize("options", [("--tick-hz", "1000000"), ("--tick-hz", "19531", "--tick-bits", "16")])
    def test_pings_hold_the_truth(self, options: tuple[str, ...]) -> None:
        """The harness counts this machine's own clock: what the board says differs from it by a constant."""
        with opened(*options) as board:
            assert isinstance(board, ComparesClock)
            pings = []
            for _ in range(40):
                pings.append(board.ping())
                time.sleep(0.002)
        offsets = [(before - ns, after - ns) for before, ns, after in pings]
        assert max(low for low, _ in offsets) <= min(high for _, high in offsets)
        assert [ns for _, ns, _ in pings] == sorted(ns for _, ns, _ in pings)

    def test_marks_of_the_window(self, tmp_path: Path) -> None:
        with opened("--infer-us", "1000") as board:
            before = board.ping()[1]
            env = {"LAB_MARKS": str(tmp_path / "marks.txt")}
            ran(board, tmp_path, "infer", "--runs", "50", "--warmup-runs", "1", env=env)
            after = board.ping()[1]
        marks = [line.split() for line in (tmp_path / "marks.txt").read_text().splitlines()]
        assert [name for name, _ in marks] == ["warmup_begin", "warmup_end", "window_begin", "window_end"]
        times = [int(ns) for _, ns in marks]
        assert times == sorted(times)
        assert before < times[0] < times[-1] < after
        assert 50e6 <= times[3] - times[2] < 2e9

    def test_an_emulators_clock_is_not_compared(self, tmp_path: Path) -> None:
        with opened(emulator="simavr") as board:
            assert board.origin is Origin.EMULATED
            assert ran(board, tmp_path, "infer")["inferred"][0]["host_elapsed_s"] is None
            assert [name for name, _ in board.checks()] == ["serial line"]
            with pytest.raises(HardwareError, match="emulator"):
                board.ping()


class TestPort:
    def test_probe_open_fingerprint_checks(self, tmp_path: Path) -> None:
        with running() as (port, _):
            board = SerialBoard("board", SerialSettings(port), root=tmp_path)
            assert isinstance(board, ChecksItself)
            assert isinstance(board, Reconnects)
            probe = board.probe()
            assert (probe.present, board.origin) == (True, Origin.MEASURED)
            assert "harness 1.0" in probe.detail
            board.open()
            board.open()
            assert board.probe().present
            facts = board.fingerprint()
            json.dumps(facts)
            assert (facts["kind"], facts["network"]["hash"], facts["tick_hz"]) == ("serial", MODEL_HASH, 1_000_000)
            (line, said), (clock, rate) = board.checks()
            assert (line, clock, rate.present) == ("serial line", "firmware's clock", True)
            assert "questions" in said.detail
            assert "ppm" in rate.detail
            board.close()
            board.close()
            assert list(tmp_path.iterdir()) == []
            with pytest.raises(HardwareError, match="not open"):
                board.ping()

    def test_absent(self) -> None:
        board = SerialBoard("board", SerialSettings("/dev/no-such-port"))
        assert board.probe().detail == "/dev/no-such-port cannot be opened (No such file or directory)"
        assert "by-id" in board.probe().advice
        with pytest.raises(HardwareError, match="No such file"):
            board.open()

    def test_no_serial_device(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.touch()
        probe = SerialBoard("board", SerialSettings(str(path))).probe()
        assert (probe.present, probe.advice) == (False, "is it a serial device?")

    def test_held_by_another_program(self) -> None:
        with running() as (port, _):
            other = SerialPort(port, 115200, advice="")
            probe = SerialBoard("board", SerialSettings(port)).probe()
            other.close()
            assert not probe.present
            assert "another program has it open" in probe.advice
            assert SerialBoard("board", SerialSettings(port)).probe().present

    def test_open_but_silent(self) -> None:
        master, slave = os.openpty()
        board = SerialBoard("board", SerialSettings(os.ttyname(slave), timeout_s=0.2))
        with pytest.raises(HardwareError, match="does not answer") as silent:
            board.open()
        assert not isinstance(silent.value, LinkLostError)
        os.close(master)
        os.close(slave)

    def test_boot_wait_leaves_the_line_alone(self) -> None:
        with FaultyLine() as line:
            board = SerialBoard("board", SerialSettings(line.port, boot_wait_s=0.3))
            thread = threading.Thread(target=board.open)
            thread.start()
            time.sleep(0.2)
            assert line.seen_to_board == 0
            thread.join()
            assert line.seen_to_board > 0
            board.close()

    def test_a_boot_loaders_greeting_is_no_answer(self) -> None:
        with FaultyLine() as line:
            board = SerialBoard("board", SerialSettings(line.port))
            line.say(b"boot loader 4.4\r\n\x00\xff\x00\x05half")
            assert "harness 1.0" in board.probe().detail

    def test_dtr_is_left_low_where_the_bench_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[tuple[Any, ...]] = []

        def spy(name: str, baud: int, **keys: Any) -> SerialPort:
            seen.append((name, baud, keys["dtr"]))
            raise HardwareError("enough")

        monkeypatch.setattr(board_module, "SerialPort", spy)
        SerialBoard("board", SerialSettings("/dev/x", baud=57600, dtr=False)).probe()
        assert seen == [("/dev/x", 57600, False)]


class TestLostLink:
    def test_cable_pulled_in_mid_run_and_put_back(self, tmp_path: Path) -> None:
        with FaultyLine("--infer-us", "1000") as line:
            settings = SerialSettings(str(tmp_path / "port"), reconnect_s=5)
            (tmp_path / "port").symlink_to(line.port)
            board = SerialBoard("board", settings)
            board.open()
            board.put(Path(__file__), "kept")
            timer = threading.Timer(0.2, line.unplug)
            timer.start()
            begin = time.monotonic()
            with pytest.raises(LinkLostError, match="is gone") as lost:
                ran(board, tmp_path, "infer", "--runs", "1000000")
            assert time.monotonic() - begin < 4
            assert "cable" in str(lost.value.advice)
            with pytest.raises(LinkLostError):
                board.ping()
            (tmp_path / "port").unlink()

            def back() -> None:
                time.sleep(0.3)
                line.plug()
                (tmp_path / "port").symlink_to(line.port)

            thread = threading.Thread(target=back)
            thread.start()
            board.reconnect()
            thread.join()
            assert ran(board, tmp_path, "infer").result.exit_status == 0
            board.fetch("kept", tmp_path / "kept")
            board.close()

    def test_a_board_that_stays_away(self, tmp_path: Path) -> None:
        with FaultyLine() as line:
            board = SerialBoard("board", SerialSettings(line.port, reconnect_s=0.3))
            board.open()
            line.unplug()
            begin = time.monotonic()
            with pytest.raises(HardwareError, match="cannot be opened"):
                board.reconnect()
            assert 0.3 <= time.monotonic() - begin < 5
            with pytest.raises(HardwareError, match="not open"):
                board.ping()
            board.close()

    def test_another_firmware_is_not_taken_for_the_one_that_was_lost(self, tmp_path: Path) -> None:
        port = tmp_path / "port"
        with running() as (first, _):
            port.symlink_to(first)
            board = SerialBoard("board", SerialSettings(str(port), reconnect_s=1))
            board.open()
        port.unlink()
        with running("--tick-bits", "16") as (second, _):
            port.symlink_to(second)
            with pytest.raises(HardwareError, match="another firmware answers"):
                board.reconnect()
        board.close()

    def test_a_firmware_that_dies_in_mid_run(self, tmp_path: Path) -> None:
        with opened("--exit-at", "3", timeout_s=0.3, longest_inference_s=0.3) as board, pytest.raises(LinkLostError):
            ran(board, tmp_path, "infer", "--runs", "5", "--min-seconds", "0")
