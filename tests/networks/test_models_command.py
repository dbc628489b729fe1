"""`lab models`: what is built, what is kept, what is refused; with a stand-in for Keras and TensorFlow."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.cli.main import main
from lab.networks.building.build import build_models
from lab.networks.building.interpreter import VARIABLE, keras_python
from lab.networks.building.metadata import TABLE_2_1
from lab.networks.building.recipe import Choices, chosen_variations
from lab.networks.building.store import ModelStore
from lab.networks.tables import INPUT_SIZES, variations
from lab.workloads.tflite_benchmark import TfliteBenchmarkSettings

STAND_IN = Path(__file__).with_name("stand_in_worker.py")
Lab = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    """`lab models …` in this process, building into tmp_path/out with the stand-in; (code, stdout, stderr)."""
    python = tmp_path / "python"
    # `-m lab.networks.building.worker` becomes the stand-in; the lab it imports is the one that it is shown.
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(python))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "out"))
    monkeypatch.delenv("STAND_IN", raising=False)

    def run(*words: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(["models", *map(str, words)])
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "defect" not in said.err
        return code, said.out, said.err

    return run


def states(lab: Lab, *words: str | Path) -> dict[str, str]:
    """File name → state of what is built."""
    code, out, err = lab("build", "--json", *words)
    assert code == 0, err
    return {Path(item["file"]).name: item["state"] for item in json.loads(out)["models"]}


MOBILENET_32 = ["MobileNet_32.tflite", "MobileNet_PQ_32.tflite", "MobileNet_PWQ_32.tflite"]


def test_all_33_are_built_with_metadata_under_the_names_that_benches_look_for(lab: Lab, tmp_path: Path) -> None:
    code, out, err = lab("build")
    assert code == 0
    assert len(err.splitlines()) == 33
    assert "chatter" not in out + err
    assert "33 models in" in out
    assert "not trained" in out
    assert "synthetic" in out
    folder = tmp_path / "out"
    assert {path.name for path in folder.glob("*.tflite")} == {item.file_name for item in variations()}
    assert len(list(folder.glob("*.json"))) == 33
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []
    assert "chatter" in (tmp_path / "cache" / "models" / "logs" / "VGG16_128.log").read_text()
    code, out, _ = lab("list", "--json")
    assert code == 0
    assert all(row["built"] and row["problem"] is None for row in json.loads(out))
    # The adapter's setting of the bench is this very folder.
    assert TfliteBenchmarkSettings(models=folder).models == folder


def test_what_is_there_is_kept_and_what_is_lost_comes_from_the_cache(lab: Lab, tmp_path: Path) -> None:
    assert states(lab, "--only", "MobileNet 32") == dict.fromkeys(MOBILENET_32, "built")
    (tmp_path / "out" / MOBILENET_32[1]).unlink()
    (tmp_path / "out" / "MobileNet_PWQ_32.json").write_text("{")
    assert states(lab, "--only", "MobileNet 32") == dict(zip(MOBILENET_32, ["kept", "cached", "cached"], strict=True))
    assert set(states(lab, "--only", "MobileNet 32", "--out", tmp_path / "elsewhere").values()) == {"cached"}
    assert not list((tmp_path / "cache" / "models").glob(".building-*"))


def test_a_changed_file_is_not_taken_for_the_model(lab: Lab, tmp_path: Path) -> None:
    lab("build", "--only", "MobileNet 32")
    changed = tmp_path / "out" / MOBILENET_32[0]
    content = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(content + b"!")
    code, _, err = lab("show", changed)
    assert code == 4
    assert "SHA-256" in err
    code, out, _ = lab("list")
    assert code == 4
    assert "SHA-256" in out
    assert states(lab, "--only", MOBILENET_32[0]) == {MOBILENET_32[0]: "cached"}
    # Damage in the cache: links share it with the folder. Then it is built again.
    changed.write_bytes(b"?")
    assert states(lab, "--only", MOBILENET_32[0]) == {MOBILENET_32[0]: "built"}
    assert states(lab, "--only", "MobileNet 32") == dict.fromkeys(MOBILENET_32, "kept")


def test_only_what_depends_on_a_choice_is_built_again(lab: Lab) -> None:
    lab("build", "--only", "MobileNet 32")
    assert states(lab, "--only", "MobileNet 32", "--pwq", "sparse") == dict(
        zip(MOBILENET_32, ["kept", "kept", "built"], strict=True)
    )
    assert set(states(lab, "--only", "MobileNet 32", "--seed", "2").values()) == {"built"}
    assert set(states(lab, "--only", "MobileNet 32").values()) == {"cached"}


def test_an_interrupted_network_goes_on_where_it_was(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "crash")
    code, _, err = lab("build", "--only", "MobileNet 32")
    assert code == 5  # one file of three is there
    assert "MobileNet 32: the process that builds it ended with 137: Killed" in err
    assert "MobileNet_32.log" in err
    monkeypatch.delenv("STAND_IN")
    assert states(lab, "--only", "MobileNet 32") == dict(zip(MOBILENET_32, ["kept", "built", "built"], strict=True))


def test_nothing_built_is_a_failure_with_its_own_code(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "mute")
    code, out, err = lab("build", "--only", "MobileNet 32")
    assert (code, out) == (3, "")
    assert "ended with 9: out of memory" in err


def test_weights_of_another_network_are_invalid_data(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "MobileNet_32.weights.h5").write_bytes(b"some weights")
    words = ["build", "--only", "MobileNet 32", "--weights", tmp_path]
    monkeypatch.setenv("STAND_IN", "refuse")
    code, _, err = lab(*words)
    assert code == 4
    assert "MobileNet_32.weights.h5 cannot be taken: ValueError: 13 layers, found 54" in err
    monkeypatch.delenv("STAND_IN")
    code, out, _ = lab(*words)
    assert code == 0
    assert "not trained" not in out
    _, out, _ = lab("show", tmp_path / "out" / "MobileNet_32.tflite")
    assert "weights      MobileNet_32.weights.h5 (sha256 " in out


@pytest.mark.parametrize(
    ("mood", "only", "message"),
    [
        ("parameters", "MobileNet none 32", "3516965 parameters, and Table 2.1 has 3516964"),
        ("parameters", "VGG16 none 32", "not as in the layer table: parameters"),
        ("dead", "MobileNet PQ 32", "operator 7 (?): nothing but zero comes out"),
        ("dense", "MobileNet PQ 32", "layer conv1: 0 zeros, at least 432 were to be"),
    ],
)
def test_a_model_that_is_not_the_studys_is_an_error(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mood: str, only: str, message: str
) -> None:
    monkeypatch.setenv("STAND_IN", mood)
    code, _, err = lab("build", "--only", only)
    assert code == 4
    assert message in err
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_show_prints_what_the_metadata_says_and_json_prints_all_of_it(lab: Lab, tmp_path: Path) -> None:
    lab("build", "--only", "MobileNet 32", "--pwq", "sparse")
    file = tmp_path / "out" / "MobileNet_PWQ_32.tflite"
    code, out, _ = lab("show", file)
    assert code == 0
    for text in (
        *("MobileNet PWQ 32", "3,516,964, as in Table 2.1", "56 layers with parameters of 89", "sparsity-preserving"),
        *(
            "DepthwiseConv2D",
            "drawn from seed 1, not trained",
            "32 synthetic ones",
            "tensorflow 2.99.0",
            "without fine",
        ),
    ):
        assert text in out
    code, out, _ = lab("show", "--json", file.with_suffix(".json"))
    metadata: dict[str, Any] = json.loads(out)
    assert code == 0
    assert metadata["compression"]["clustering"]["kind"] == "sparse"
    assert metadata["seed"] == 1
    assert metadata["gzip_bytes"] > 0
    assert [row["name"] for row in metadata["layers"]][:2] == ["input_layer", "conv1"]
    metadata["parameters"] += 1
    file.with_suffix(".json").write_text(json.dumps(metadata))
    code, _, err = lab("show", file)
    assert code == 4
    assert "Table 2.1" in err


def test_damaged_metadata_is_an_error_and_no_defect(lab: Lab, tmp_path: Path) -> None:
    lab("build", "--only", "MobileNet none 32")
    for text in ("", "[]", "{}", '{"schema": "lab.model/1"}', '{"schema": "lab.model/1", "name": 3}'):
        (tmp_path / "out" / "MobileNet_32.json").write_text(text)
        code, _, err = lab("show", tmp_path / "out" / "MobileNet_32.tflite")
        assert code == 4
        assert "MobileNet_32" in err
        assert lab("list")[0] == 4


def test_without_the_extra_one_message_says_what_to_install(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.write_text("""#!/bin/sh\necho '{"python": "3.12.1", "numpy": "2.1"}'\n""")
    bare.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(bare))
    code, out, err = lab("build", "--only", "MobileNet 32")
    assert (code, out) == (2, "")
    assert "building networks needs keras and tensorflow" in err
    assert "pip install 'embedded-lab[keras]'" in err
    assert len(err.splitlines()) == 2
    # Listing and showing need nothing.
    assert lab("list")[0] == 0


@pytest.mark.parametrize("path", ["/nowhere/python", "/bin/false", "/bin/true"])
def test_an_interpreter_that_is_none_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv(VARIABLE, path)
    code, _, err = lab("build")
    assert code == 2
    assert path in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "AlexNet"], "no network fits 'AlexNet'"),
        (["--only", "InceptionV3 32"], "no network fits 'InceptionV3 32'"),
        (["--dataset", "/nowhere"], "--dataset: /nowhere is not a folder"),
        (["--weights", "/nowhere"], "--weights: /nowhere is not a folder"),
        (["--dataset", "."], "no file 'test'"),
        (["--weights", "."], "has no weights of"),
        (["--seed", "-1"], "not a whole number"),
        (["--seed", "one"], "not a whole number"),
        (["--pwq", "both"], "invalid choice"),
    ],
)
def test_mistakes_of_usage(lab: Lab, words: list[str], message: str) -> None:
    code, out, err = lab("build", *words)
    assert (code, out) == (2, "")
    assert message in err


def test_showing_what_is_not_there(lab: Lab, tmp_path: Path) -> None:
    assert lab("show", tmp_path / "none.tflite")[0] == 2
    (tmp_path / "mine.tflite").write_bytes(b"TFL3")
    code, _, err = lab("show", tmp_path / "mine.tflite")
    assert code == 4
    assert "has no metadata" in err


@pytest.mark.parametrize(
    ("patterns", "count"),
    [
        ([], 33),
        (["MobileNet"], 9),
        (["mobilenet 32"], 3),
        (["MobileNet_PQ_32.tflite"], 1),
        (["MobileNet_32.tflite"], 1),
        (["PQ"], 11),
        (["none 75"], 4),
        (["*net* 128"], 6),
        (["VGG16-32", "VGG16"], 9),
        (["p*q inceptionv3"], 4),
    ],
)
def test_patterns_choose_by_words(patterns: list[str], count: int) -> None:
    chosen = chosen_variations(patterns)
    assert len(chosen) == count
    assert chosen == [item for item in variations() if item in chosen]


def test_table_2_1_is_of_all_networks() -> None:
    assert set(TABLE_2_1) == {(name, size) for name, sizes in INPUT_SIZES.items() for size in sizes}


def test_what_a_killed_process_left_behind_is_cleared_away(lab: Lab, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "models"
    mine, dead = cache / f".building-{os.getpid()}-x", cache / ".building-4194399-x"
    for folder in (mine, dead):
        folder.mkdir(parents=True)
    assert states(lab, "--only", "MobileNet none 32") == {"MobileNet_32.tflite": "built"}
    assert mine.exists()
    assert not dead.exists()


class Interrupting:
    """Somebody presses Ctrl-C when the first file is there."""

    def begins(self, name: str) -> None:
        pass

    def ends(self, model: object) -> None:
        raise KeyboardInterrupt

    def failed(self, title: str, error: Exception) -> None:
        raise AssertionError(error)


def test_an_interruption_leaves_whole_files_and_no_process(lab: Lab, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "cache" / "models", tmp_path / "out")
    wanted = chosen_variations(["MobileNet 32"])
    with pytest.raises(KeyboardInterrupt):
        build_models(wanted, Choices(), store, keras_python(), Interrupting())
    assert not list((tmp_path / "cache" / "models").glob(".building-*"))
    assert states(lab, "--only", "MobileNet 32") == dict(zip(MOBILENET_32, ["kept", "built", "built"], strict=True))
