"""Putting experiment and bench files together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from experiment_texts import BENCH, EXPERIMENT, load

from lab.config.problems import ConfigErrors
from lab.experiment.load import load_experiment
from lab.experiment.model import Experiment


def test_what_is_loaded(tmp_path: Path) -> None:
    loaded = load(tmp_path, EXPERIMENT, BENCH, "repeats=3", "bench:instruments.meter.rate=10kHz")
    assert loaded.experiment.repeats == 3
    assert loaded.bench.instruments["meter"].model_dump()["rate"] == 10e3
    assert (loaded.experiment_path, loaded.bench_path) == (tmp_path / "small.yaml", tmp_path / "bench.yaml")
    assert (loaded.experiment_text, loaded.bench_text) == (EXPERIMENT, BENCH)
    assert loaded.overrides == ("repeats=3", "bench:instruments.meter.rate=10kHz")


def test_another_bench(tmp_path: Path) -> None:
    load(tmp_path)
    other = tmp_path / "elsewhere" / "other.yaml"
    other.parent.mkdir()
    other.write_text(BENCH.replace("small_bench", "other"), encoding="utf-8")
    (tmp_path / "bench.yaml").unlink()
    loaded = load_experiment(tmp_path / "small.yaml", bench_path=other)
    assert loaded.bench.bench == "other"
    assert loaded.bench_path == other


def test_a_resolved_experiment_reads_as_itself(tmp_path: Path) -> None:
    experiment = load(tmp_path).experiment
    resolved = json.loads(json.dumps(experiment.model_dump(mode="json")))
    assert Experiment.model_validate(resolved) == experiment
    assert resolved["factors"]["network"][0] == {"value": "MobileNet", "settings": {}, "label": None}
    assert resolved["passes"]["energy"]["duration"] == 10.0


def test_a_broken_bench_does_not_hide_the_experiments_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, EXPERIMENT.replace("repeats: 2", "repeats: 0"), "a: [")
    assert [problem.file for problem in caught.value.problems] == [
        f"{tmp_path}/bench.yaml",
        f"{tmp_path}/small.yaml",
    ]


def test_a_bench_path_that_is_not_there(tmp_path: Path) -> None:
    load(tmp_path)
    with pytest.raises(ConfigErrors, match="no such file"):
        load_experiment(tmp_path / "small.yaml", bench_path=tmp_path / "no.yaml")


def test_a_bench_named_by_an_unset_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_BENCH", raising=False)
    with pytest.raises(ConfigErrors, match="the environment variable NO_SUCH_BENCH is not set"):
        load(tmp_path, EXPERIMENT.replace("bench.yaml", "${NO_SUCH_BENCH}/b.yaml"))


def test_paths_with_a_stray_dollar(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"bench: a '\$' that is no variable"):
        load(tmp_path, EXPERIMENT.replace("bench.yaml", "$BENCH"))
