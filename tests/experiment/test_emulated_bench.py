"""An experiment on an emulated bench: energy is left out, and what will not be stated is said before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import load

from lab.cli.main import main
from lab.errors import UsageError
from lab.experiment.load import LoadedExperiment
from lab.experiment.plan import Unavailable, build_plan
from lab.experiment.withheld import notes_of

EXPERIMENT = """\
experiment: small
bench: bench.yaml
workload: {kind: program, source: ., command: ["true"], reader: none, per: process}
factors: {shape: [a, b]}
passes:
  latency: {}
  energy: {duration: 10 s}
  counters: {events: [instructions, page-faults, cycles]}
analysis:
  figures:
    - {kind: bars, name: elapsed, quantity: elapsed_s}
    - {kind: table, name: joules, quantity: energy_process_net_j}
    - {kind: scatter, name: cycles_of_work, x: instructions, y: cycles}
    - {kind: bars, name: faults, quantity: page-faults}
  correlations:
    - {x: instructions, y: elapsed_s}
    - {x: instructions, y: page-faults}
"""
BENCH = """\
bench: emulated
board: {kind: qemu, machine: qemu-a53}
instruments:
  resources: {kind: process_resources}
  rapl: {kind: rapl, scope: cpu, accuracy: {source: placeholder, timebase_ppm: 100, power: {gain: 1 %, offset: 1 W}}}
"""


def loaded(folder: Path, bench: str = BENCH, *overrides: str) -> LoadedExperiment:
    return load(folder, EXPERIMENT, bench, *overrides)


def test_energy_is_left_out_even_where_a_meter_watches_the_host(tmp_path: Path) -> None:
    files = loaded(tmp_path)
    plan = build_plan(files.experiment, files.bench)
    assert Unavailable(what="energy", reason="emulated_time") in plan.unavailable
    assert [item.kind for item in plan.trials[0].passes] == ["latency"]


def test_watching_an_emulated_board_is_refused(tmp_path: Path) -> None:
    observed = "experiment: o\nbench: bench.yaml\nworkload: {kind: observe, duration: 1 s}\npasses: {energy: {}}\n"
    files = load(tmp_path, observed, BENCH)
    with pytest.raises(UsageError, match="can give nothing"):
        build_plan(files.experiment, files.bench)


def test_the_notes_name_what_will_not_be_stated(tmp_path: Path) -> None:
    files = loaded(tmp_path)
    first, figures, correlations = notes_of(files.experiment, files.bench)
    assert first == "the board is emulated: times, cycles and energies are not stated (emulated_time)"
    assert figures == "left out for that: figures elapsed, joules, cycles_of_work"
    assert correlations == "left out for that: correlation instructions against elapsed_s"


def test_a_board_with_a_time_of_its_own_brings_no_notes(tmp_path: Path) -> None:
    files = loaded(tmp_path, BENCH.replace("{kind: qemu, machine: qemu-a53}", "{kind: local}"))
    assert notes_of(files.experiment, files.bench) == []
    assert [item.kind for item in build_plan(files.experiment, files.bench).trials[0].passes] == ["latency", "energy"]


@pytest.mark.parametrize("command", ["plan", "check"])
def test_plan_and_check_say_so(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    loaded(tmp_path)
    assert main([command, str(tmp_path / "small.yaml")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "the board is emulated: times, cycles and energies are not stated (emulated_time)" in said
    assert "left out for that: figures elapsed, joules, cycles_of_work" in said
    assert ("not to be had on this bench: energy (emulated_time)" in said) == (command == "plan")
