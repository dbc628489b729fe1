"""Trainings that are cut short, starved or fed numbers that are none: what comes back is right or is not there."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hdrnn_files import Hdrnn, network_bytes, order_bytes, random_network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ORDERS = ("seed", "sequential", "file")


@pytest.fixture
def arguments(digits: Path, tmp_path: Path) -> tuple[object, ...]:
    """A short training; its order file, which not every test asks for, is there too."""
    orders = np.stack([np.random.default_rng(epoch).permutation(200) for epoch in range(6)])
    (tmp_path / "order").write_bytes(order_bytes(orders))
    return ("--data", digits, "-s", "6,5", "--train-limit", 200, "--test-limit", 100)


def train(hdrnn: Hdrnn, *arguments: object) -> list[dict[str, Any]]:
    done = hdrnn("train", "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(hdrnn: Hdrnn, *arguments: object) -> str:
    done = hdrnn("train", "--json", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    return done.stderr


class TestResume:
    @pytest.mark.parametrize("precision", ["float32", "float64"])
    @pytest.mark.parametrize("order", ORDERS)
    def test_goes_on_to_the_same_weights(
        self, hdrnn: Hdrnn, arguments: tuple[object, ...], tmp_path: Path, order: str, precision: str
    ) -> None:
        chosen = ("--order", tmp_path / "order" if order == "file" else order, "--precision", precision)
        whole = train(hdrnn, *arguments, *chosen, "-e", 6, "-n", tmp_path / "whole.nn")
        first = train(hdrnn, *arguments, *chosen, "-e", 2, "--checkpoint", tmp_path / "c")
        rest = train(
            hdrnn, *arguments, *chosen, "-e", 6, "--resume", tmp_path / "c", "--checkpoint", tmp_path / "c",
            "-n", tmp_path / "rest.nn",
        )  # fmt: skip
        assert (tmp_path / "rest.nn").read_bytes() == (tmp_path / "whole.nn").read_bytes()
        assert [event["epoch"] for event in rest[:-1]] == [3, 4, 5, 6]
        for key in ("loss", "accuracy"):
            assert [event[key] for event in [*first[:-1], *rest]] == [event[key] for event in whole]
        assert rest[-1]["epochs"] == 6
        again = train(hdrnn, *arguments, *chosen, "-e", 6, "--resume", tmp_path / "c")
        assert [again[0][key] for key in ("event", "loss", "accuracy")] == [
            "done",
            whole[-1]["loss"],
            rest[-1]["accuracy"],
        ]

    def test_killed_in_mid_training(self, built: Path, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        """Killed twice, at whatever moment it happens to be in, and resumed each time from the last epoch's file."""
        common = ["train", "--data", str(digits), "-s", "8", "-e", "80", "-n", str(tmp_path / "x.nn")]
        kept = ["--checkpoint", str(tmp_path / "c")]
        resume: list[str] = []
        printed = 0
        for until in (3, 7):
            with subprocess.Popen(
                [built / "hdrnn", *common, *kept, *resume], stdout=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    if not line.startswith("done"):
                        printed = int(line.split()[1])
                    if printed == until:
                        process.send_signal(signal.SIGKILL)
            assert process.returncode == -signal.SIGKILL
            assert not (tmp_path / "x.nn").exists(), "it was still training"
            resume = ["--resume", str(tmp_path / "c")]
        rest = hdrnn(*common, *kept, *resume).stdout.splitlines()
        assert int(rest[0].split()[1]) in (printed, printed + 1), "at most the epoch at hand was lost"
        resumed = (tmp_path / "x.nn").read_bytes()
        assert hdrnn(*common).returncode == 0
        assert (tmp_path / "x.nn").read_bytes() == resumed
        assert not (tmp_path / "c.part").exists()

    def test_only_with_what_it_was_begun_with(
        self, hdrnn: Hdrnn, arguments: tuple[object, ...], tmp_path: Path
    ) -> None:
        train(hdrnn, *arguments, "-e", 2, "--checkpoint", tmp_path / "c")
        (tmp_path / "first.nn").write_bytes(network_bytes(random_network(np.random.default_rng(1), 784, 10)))
        for message, others in {
            "trained on other images": ("--train-limit", 199),
            "trained with batches of 10": ("-bs", 11),
            "a learning rate of 3": ("-lr", 2.9),
            "trained in another order": ("--seed", 2),
            "in another order": ("--order", "sequential"),
            "not in float64": ("--precision", "float64"),
            "its shape": ("-s", "6,4"),
            "goes on or begins": ("--init", tmp_path / "first.nn"),
            "not a checkpoint": ("--resume", tmp_path / "first.nn"),
            "No such file": ("--resume", tmp_path / "none"),
        }.items():
            assert message in refused(hdrnn, *arguments, "--resume", tmp_path / "c", *others), message

    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(draw=st.data())
    def test_no_damage_goes_unseen(
        self, checked_hdrnn: Hdrnn, arguments: tuple[object, ...], tmp_path: Path, draw: st.DataObject
    ) -> None:
        if not (tmp_path / "c").exists():
            train(checked_hdrnn, *arguments, "-e", 1, "--checkpoint", tmp_path / "c")
        data = bytearray((tmp_path / "c").read_bytes())
        kind = draw.draw(st.sampled_from(["flip", "cut", "longer"]))
        if kind == "flip":
            at = draw.draw(st.integers(0, 100) | st.integers(0, len(data) - 1))
            data[at] ^= draw.draw(st.integers(1, 255))
        elif kind == "cut":
            del data[draw.draw(st.integers(0, 100) | st.integers(0, len(data) - 1)) :]
        else:
            data += bytes(draw.draw(st.integers(1, 9)))
        (tmp_path / "damaged").write_bytes(data)
        assert str(tmp_path / "damaged") in refused(checked_hdrnn, *arguments, "--resume", tmp_path / "damaged")

    def test_checkpoint_that_cannot_be_written(
        self, hdrnn: Hdrnn, arguments: tuple[object, ...], tmp_path: Path
    ) -> None:
        done = hdrnn("train", "-q", *arguments, "-e", 2, "--checkpoint", tmp_path / "no" / "c")
        assert (done.returncode, done.stdout, "cannot be written" in done.stderr) == (1, "", True)


class TestEarlyStop:
    def test_stops_after_epochs_without_a_better_accuracy(self, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        arguments = ("--data", digits, "-s", 4, "--train-limit", 100, "--test-limit", 50, "-e", 60)
        whole = [event["accuracy"] for event in train(hdrnn, *arguments)[:-1]]
        for patience in (1, 3):
            best, expected = -1.0, 0
            stale = 0
            for accuracy in whole:
                expected += 1
                stale = 0 if accuracy > best else stale + 1
                best = max(best, accuracy)
                if stale == patience:
                    break
            assert expected < len(whole), "a training that stops early"
            stopped = train(hdrnn, *arguments, "--early-stop", patience, "-n", tmp_path / "x.nn")
            assert [event["accuracy"] for event in stopped[:-1]] == whole[:expected]
            assert (stopped[-1]["epochs"], stopped[-1]["stopped_early"]) == (expected, True)
            again = ("-e", expected, "-n", tmp_path / "y.nn")
            assert train(hdrnn, *arguments, *again)[-1]["stopped_early"] is False
            assert (tmp_path / "x.nn").read_bytes() == (tmp_path / "y.nn").read_bytes(), "the last epoch's weights"

    def test_patience_is_kept_over_a_resume(self, hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        arguments = ("--data", digits, "-s", 4, "--train-limit", 100, "--test-limit", 50, "--early-stop", 3)
        whole = train(hdrnn, *arguments, "-e", 60)
        last = whole[-1]["epochs"]
        train(hdrnn, *arguments, "-e", last - 1, "--checkpoint", tmp_path / "c")
        rest = train(hdrnn, *arguments, "-e", 60, "--resume", tmp_path / "c", "--checkpoint", tmp_path / "c")
        assert (rest[-1]["epochs"], rest[-1]["stopped_early"]) == (last, True)
        assert train(hdrnn, *arguments, "-e", 60, "--resume", tmp_path / "c")[-1]["epochs"] == last


class TestNotNumbers:
    @staticmethod
    def nothing_is_kept(hdrnn: Hdrnn, folder: Path, *arguments: object) -> str:
        kept = ("-n", folder / "x.nn", "--save-epochs", folder / "all", "--checkpoint", folder / "c")
        done = hdrnn("train", "-q", *arguments, *kept)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert not (folder / "x.nn").exists()
        assert not (folder / "c").exists()
        assert [path.name for path in (folder / "all").iterdir()] == ["epoch-0000.nn"]
        return done.stderr

    @pytest.mark.parametrize("kernel", ["scalar", None])
    def test_loss(self, checked_hdrnn: Hdrnn, digits: Path, tmp_path: Path, kernel: str | None) -> None:
        """Weights of both signs and so large that their sums overflow: infinity minus infinity is no number."""
        layers = random_network(np.random.default_rng(1), 784, 4, 10)
        layers[0][0][:] = np.where(layers[0][0] > 0, 3e38, -3e38)
        (tmp_path / "first.nn").write_bytes(network_bytes(layers))
        chosen = ("--kernel", kernel) if kernel else ()
        arguments = ("--data", digits, "-e", 3, "--init", tmp_path / "first.nn", *chosen)
        assert "the loss is no longer a number in epoch 1" in self.nothing_is_kept(checked_hdrnn, tmp_path, *arguments)

    def test_weights_alone(self, checked_hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
        """A step beyond the largest number after a loss that is still one: ½ from either of two equal neurons."""
        layers = [(np.zeros((2, 784), np.float32), np.zeros(2, np.float32))]
        layers.append((np.tile(np.array([3.4e38, -3.4e38], np.float32), (10, 1)), np.zeros(10, np.float32)))
        (tmp_path / "first.nn").write_bytes(network_bytes(layers))
        arguments = ("--data", digits, "-e", 1, "--init", tmp_path / "first.nn", "--train-limit", 1, "-lr", "3e38")
        said = self.nothing_is_kept(checked_hdrnn, tmp_path, *arguments)
        assert "the weights are no longer a number in epoch 1" in said


class TestCutData:
    @settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(draw=st.data())
    def test_any_file_cut_anywhere_is_named(
        self, checked_hdrnn: Hdrnn, digits: Path, tmp_path: Path, draw: st.DataObject
    ) -> None:
        files = sorted(digits.glob("*-ubyte"))
        cut = draw.draw(st.sampled_from(files))
        for path in files:
            (tmp_path / path.name).unlink(missing_ok=True)
            if path != cut:
                (tmp_path / path.name).symlink_to(path)
        data = cut.read_bytes()
        (tmp_path / cut.name).write_bytes(data[: draw.draw(st.integers(0, 40) | st.integers(0, len(data) - 1))])
        assert str(tmp_path / cut.name) in refused(checked_hdrnn, "--data", tmp_path, "-e", 1)


class TestLittleMemory:
    @staticmethod
    def limited(built: Path, kib: int, *arguments: object) -> subprocess.CompletedProcess[str]:
        argv = ["sh", "-c", f'ulimit -v {kib} && exec "$@"', "sh", str(built / "hdrnn"), *map(str, arguments)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    def test_is_said_and_nothing_breaks(self, built: Path, digits: Path, tmp_path: Path) -> None:
        """From too little for the images to enough, for a network of 12 MB and its gradient."""
        arguments = ("train", "-q", "--data", digits, "-s", 4000, "-e", 1, "--train-limit", 70, "-bs", 70)
        codes = []
        for kib in (5_000, 9_000, 14_000, 20_000, 26_000, 200_000):
            done = self.limited(built, kib, *arguments, "-n", tmp_path / "x.nn")
            codes.append(done.returncode)
            if done.returncode == 0:
                assert (done.stderr, (tmp_path / "x.nn").exists()) == ("", True)
            else:
                assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
                assert "not enough memory" in done.stderr
                assert not (tmp_path / "x.nn").exists()
        assert codes == sorted(codes, reverse=True)
        assert (codes[0], codes[-1]) == (1, 0)

    def test_inference_too(self, built: Path, digits: Path, tmp_path: Path) -> None:
        layers = random_network(np.random.default_rng(1), 784, 6000, 10)
        (tmp_path / "x.nn").write_bytes(network_bytes(layers))
        image = ("infer", "-i", digits / "t10k-images-idx3-ubyte", "-n", tmp_path / "x.nn")
        done = self.limited(built, 15_000, *image)
        assert (done.returncode, "not enough memory" in done.stderr) == (1, True), done.stderr
        assert self.limited(built, 100_000, *image).returncode == 0


class TestFullDisk:
    """A file may not grow beyond 8 KiB, and the signal that would end the program for it is ignored, as by Python."""

    @pytest.mark.parametrize("option", ["--net", "--checkpoint"])
    def test_leaves_the_old_file(self, built: Path, digits: Path, tmp_path: Path, option: str) -> None:
        (tmp_path / "x").write_bytes(b"the old one")
        argv = ["sh", "-c", 'ulimit -f 16 && exec "$@"', "sh", built / "hdrnn", "train", "-q", "--data", digits]
        done = subprocess.run(
            [*argv, "-s", "32", "-e", "1", "--train-limit", "50", option, tmp_path / "x"],
            capture_output=True,
            text=True,
            check=False,
            restore_signals=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"hdrnn: {tmp_path}/x: cannot be written: File too large\n"
        assert (tmp_path / "x").read_bytes() == b"the old one"
        assert [path.name for path in tmp_path.iterdir()] == ["x"]
