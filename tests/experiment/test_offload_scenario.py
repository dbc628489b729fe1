"""Scenario files of the offload model: what is shipped loads, mistakes come with their place, experiments name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import BENCH, EXPERIMENT

from analysis.offload.scenario import scenario_of
from lab.config.problems import ConfigErrors
from lab.experiment.load import LoadedExperiment, load_experiment
from lab.experiment.offload_scenario import load_scenario

SHIPPED = Path(__file__).resolve().parents[2] / "experiments" / "offload"

SMALL = """\
offload: small
payload: {kind: image, side: "{input}", bytes_per_pixel: 3, result: 400 B}
media:
  wire: {latency: 1 ms, latency_is: round_trip, up: 1 Gbit/s, down: 100 MB/s, source: here}
servers:
  box: {kind: constant, latency: 4 ms, source: a stop watch}
idle:
  own: {from_record: true}
"""

MISTAKES = """\
offload: small
payload: {kind: image, side: input, bytes_per_pixel: 0}
media:
  wire: {latency: 1 ms, latency_is: both_ways, up: 1 Gb/s, down: 0, up_energy: 1 nJ/B, source: here}
servers:
  box: {kind: constent, latency: 4 ms, source: a stop watch}
  law: {kind: inferred, terms: [], source: thin air}
idle:
  own: {from_record: true, power: 3 W}
  low: {power: 1 W}
  none: {}
"""

LINES = [
    "x.yaml:2:30: payload.side: neither a number nor one name in braces "
    "(found 'input', expected pixels, or a factor such as '{input}')",
    "x.yaml:2:54: payload.bytes_per_pixel: out of bounds (found 0, expected more than 0)",
    "x.yaml:4:37: media.wire.latency_is: not one of the choices "
    "(found 'both_ways', expected 'one_way' or 'round_trip'; did you mean 'one_way'?)",
    "x.yaml:4:52: media.wire.up: unknown unit 'Gb/s' "
    "(found '1 Gb/s', expected a bandwidth such as '3.04 MB/s', '202 Mbit/s'; did you mean '1 Gbit/s'?)",
    "x.yaml:4:66: media.wire.down: out of bounds (found 0, expected more than 0)",
    "x.yaml:6:15: servers.box.kind: not one of the choices "
    "(found 'constent', expected 'constant', 'inferred' or 'record'; did you mean 'constant'?)",
    "x.yaml:7:25: servers.law.terms: must not be empty (found nothing, expected at least 1)",
    "x.yaml:9:35: idle.own.power: both a stated power and the record's "
    "(found '3 W', expected 'power' or 'from_record: true')",
    "x.yaml:10:3: idle.low.source: missing key (expected where the stated power comes from)",
    "x.yaml:11:3: idle.none.power: missing key (expected 'power' or 'from_record: true')",
]


def load(folder: Path, text: str) -> list[str]:
    path = folder / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        load_scenario(path)
    return caught.value.message.replace(f"{folder}/", "").splitlines()


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_scenarios_load_and_name_every_source(path: Path) -> None:
    loaded = load_scenario(path)
    assert loaded.scenario.offload == path.stem
    scenario = scenario_of(loaded.resolved())
    assert all(medium.source for medium in scenario.media)


def test_quantities_are_in_si(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(SMALL)
    scenario = scenario_of(load_scenario(path).resolved())
    (wire,) = scenario.media
    assert (wire.round_trip_s, wire.up_bytes_s, wire.down_bytes_s) == (0.001, 125e6, 100e6)
    assert not wire.energy_known
    assert (scenario.payload.bytes_per_pixel, scenario.payload.result_bytes) == (3.0, 400.0)
    assert scenario.idle[0].from_record


def test_every_mistake_at_once_with_its_place(tmp_path: Path) -> None:
    assert load(tmp_path, MISTAKES) == LINES


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("down: 100 MB/s,", "down: 100 MB/s, up_energy: 1 nJ/B,", "media.wire.down_energy: missing key"),
        ("source: here", "sauce: here", "did you mean 'source'?"),
        ("  own: {from_record: true}", "  {}", "idle: must not be empty"),
        ('side: "{input}"', 'side: "{a}{b}"', "payload.side"),
        ('side: "{input}"', "side: -3", "payload.side: no size of an image"),
        ("offload: small", "offload: a name", "offload: not a name"),
        ("kind: image", "kind: picture", "expected 'image' or 'fixed'"),
    ],
)
def test_a_mistake(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert SMALL.count(old) == 1
    assert said in "\n".join(load(tmp_path, SMALL.replace(old, new)))


def experiment(folder: Path, scenario: str | None, named: str = "x.yaml") -> LoadedExperiment:
    (folder / "bench.yaml").write_text(BENCH)
    if scenario is not None:
        (folder / "x.yaml").write_text(scenario)
    path = folder / "experiment.yaml"
    path.write_text(EXPERIMENT + f"  offload: {named}\n")
    return load_experiment(path)


def test_an_experiment_names_its_scenario(tmp_path: Path) -> None:
    loaded = experiment(tmp_path, SMALL)
    assert loaded.offload is not None
    assert loaded.offload.scenario.offload == "small"
    assert loaded.offload.text == SMALL


def test_mistakes_in_a_named_scenario_are_found_with_the_experiment(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        experiment(tmp_path, MISTAKES)
    assert len(caught.value.problems) == len(LINES)


def test_a_scenario_that_is_not_there_is_missed_where_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        experiment(tmp_path, None, "nowhere.yaml")
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("analysis.offload", len(EXPERIMENT.splitlines()) + 1)
    assert "there is no scenario file" in problem.message


def test_without_a_scenario_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(BENCH)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    assert load_experiment(tmp_path / "experiment.yaml").offload is None
