"""Mistakes in experiment files: all at once, each with its place, what was found, what is expected, what was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from experiment_texts import BENCH, EXPERIMENT, load

from lab.config.problems import ConfigErrors
from lab.errors import ExitCode

FIVE = """\
experiment: five
bench: bench.yaml
workload:
  kind: tflite_benchmark
  network: "{netwrk}"
  input: 32
factors:
  network: [MobileNet, VGG16]
  platform: [one, four]
exclude:
  - {network: VGG19}
repeats: three
passes:
  latncy: {runs: 50}
  energy: {duration: 10 sec, idle: 2 s}
"""

FIVE_LINES = [
    "five.yaml:5:12: workload.network: {netwrk} stands for nothing "
    "(found '{netwrk}', expected '{network}' or '{platform}'; did you mean '{network}'?)",
    "five.yaml:11:15: exclude[0].network: network never has this value "
    "(found 'VGG19', expected 'MobileNet' or 'VGG16'; did you mean 'VGG16'?)",
    "five.yaml:12:10: repeats: wrong type (found 'three', expected a whole number)",
    "five.yaml:14:3: passes.latncy: unknown key "
    "(found 'latncy', expected 'latency', 'energy' or 'counters'; did you mean 'latency'?)",
    "five.yaml:15:22: passes.energy.duration: unknown unit 'sec' "
    "(found '10 sec', expected a duration such as '10 s', '500 ms', '2 min'; did you mean '10 s'?)",
]


def mistakes(folder: Path, experiment: str = EXPERIMENT, bench: str = BENCH, *overrides: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load(folder, experiment, bench, *overrides)
    return caught.value.message.replace(f"{folder}/small.yaml", "five.yaml").replace(f"{folder}/", "").splitlines()


def test_five_different_mistakes_give_five_lines(tmp_path: Path) -> None:
    assert mistakes(tmp_path, FIVE) == FIVE_LINES


def test_the_same_as_json(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, FIVE)
    problems = json.loads(json.dumps(caught.value.to_json()))
    assert len(problems) == 5
    assert problems[3] == {
        "file": f"{tmp_path}/small.yaml",
        "line": 14,
        "col": 3,
        "path": "passes.latncy",
        "message": "unknown key",
        "found": "'latncy'",
        "expected": "'latency', 'energy' or 'counters'",
        "suggestion": "latency",
    }
    assert caught.value.exit_code is ExitCode.USAGE


def test_mistakes_in_both_files_and_the_command_line_come_together(tmp_path: Path) -> None:
    lines = mistakes(
        tmp_path,
        EXPERIMENT.replace("repeats: 2", "repeats: 0"),
        BENCH.replace("kind: counters", "kind: counter"),
        "passes.energy.idle=soon",
        "bench:instruments.meter.rate=2 MHz",
    )
    assert lines == [
        "bench.yaml:14:16: instruments.perf.kind: not one of the choices (found 'counter', expected "
        "'simulated_joulescope', 'joulescope', 'ppk2', 'counters', 'process_resources', 'cachegrind', 'tcg_plugin', "
        "'energyrunner', 'replay', 'nvml', 'rapl' or 'hwmon'; "
        "did you mean 'counters'?)",
        "five.yaml:17:10: repeats: out of bounds (found 0, expected at least 1)",
        "--set bench:instruments.meter.rate=2 MHz: instruments.meter.rate: not a rate of a JS220 "
        "(found '2 MHz', expected 1 Hz to 1e+06 Hz)",
        "--set passes.energy.idle=soon: passes.energy.idle: not a quantity "
        "(found 'soon', expected a duration such as '10 s', '500 ms', '2 min')",
    ]


NETWORKS = "[MobileNet, VGG16]"
FOUR = "{value: four, settings: {threads: 4}}"
LABEL = 'label: "{network} {platform}"'
HUE = "hue: platform"
EVENTS = "[instructions, page-faults]"


@pytest.mark.parametrize(
    ("old", "new", "stands_at", "line"),
    [
        (
            "experiment: small",
            "experiment: a b",
            "a b\n",
            "experiment: not a name (found 'a b', expected letters, digits and underscores, not beginning with a "
            "digit; did you mean 'a_b'?)",
        ),
        ("experiment: small\n", "", "bench:", "experiment: missing key"),
        (
            "  kind: tflite_benchmark\n",
            "",
            "workload:",
            "workload.kind: missing key (expected 'tflite_benchmark', 'program', 'firmware', 'recorded_session' or "
            "'observe')",
        ),
        (
            "kind: tflite_benchmark",
            "kind: tflite_benchmrk",
            "tflite_benchmrk",
            "workload.kind: not one of the choices (found 'tflite_benchmrk', expected 'tflite_benchmark', 'program', "
            "'firmware', 'recorded_session' or 'observe'; did you mean 'tflite_benchmark'?)",
        ),
        (
            'network: "{network}"',
            "network: [1]",
            "network: [1]",
            "workload.network: must be a single value (found a list, expected a text, a number, true or false)",
        ),
        (
            NETWORKS,
            "[]",
            "network: []",
            "factors.network: must not be empty (found nothing, expected at least 1)",
        ),
        (
            NETWORKS,
            "MobileNet",
            "MobileNet\n",
            "factors.network: wrong type (found 'MobileNet', expected a list)",
        ),
        (
            NETWORKS,
            "[MobileNet, VGG16, VGG16]",
            "VGG16]",
            "factors.network[2]: the same value twice (found 'VGG16')",
        ),
        (
            FOUR,
            "{value: four, settings: {threads: 4}, lable: x}",
            "lable:",
            "factors.platform[1].lable: unknown key (found 'lable', expected 'value', 'settings' or 'label'; "
            "did you mean 'label'?)",
        ),
        (
            FOUR,
            "four",
            '"{threads}"',
            "workload.threads: {threads} is not defined for every value of platform (found '{threads}', expected "
            "a setting 'threads' for 'four')",
        ),
        (
            FOUR,
            "{value: four, settings: {threads: 4, input: 3}}",
            "input: 3",
            "factors.platform[1].settings.input: the name is that of a factor already",
        ),
        (
            "VGG16, input: [75]",
            "VGG16, input: [75, 99]",
            "99]",
            "exclude[0].input[1]: input never has this value (found 99, expected '32' or '75')",
        ),
        (
            "VGG16, input: [75]",
            "VGG16, inptu: 75",
            "inptu:",
            "exclude[0].inptu: no such factor (found 'inptu', expected 'network', 'input' or 'platform'; "
            "did you mean 'input'?)",
        ),
        (
            "{network: VGG16, input: [75]}",
            "{}",
            "{}",
            "exclude[0]: excludes nothing (found a mapping, expected {factor: value})",
        ),
        (
            EVENTS,
            "[instructions, page-fault]",
            "page-fault]",
            "passes.counters.events[1]: unknown event (found 'page-fault'; did you mean 'page-faults'?)",
        ),
        (
            EVENTS,
            "[instructions, instructions]",
            "instructions]",
            "passes.counters.events[1]: the same event twice (found 'instructions')",
        ),
        (
            "baseline_runs: 1",
            "baseline_runs: 51",
            "51}",
            "passes.counters.baseline_runs: the baseline must be shorter than the pass (found 51, expected less than "
            "51 (passes.counters.runs))",
        ),
        (
            LABEL,
            'label: "{network} {platfrm}"',
            '"{network} {platfrm}"',
            "analysis.label: {platfrm} stands for nothing (found '{network} {platfrm}', expected '{network}', "
            "'{input}', '{platform}' or '{threads}'; did you mean '{platform}'?)",
        ),
        (
            LABEL,
            'label: "{network"',
            '"{network"',
            "analysis.label: a single '{': write {name}, or {{ for the character (found '{network')",
        ),
        (
            HUE,
            "hue: platfrm",
            "platfrm",
            "analysis.hue: no such factor (found 'platfrm', expected 'network', 'input' or 'platform'; "
            "did you mean 'platform'?)",
        ),
        (
            HUE,
            "correlations: [{x: latency_s, y: energy_gros_j}]",
            "energy_gros_j",
            "analysis.correlations[0].y: unknown quantity (found 'energy_gros_j'; did you mean 'energy_gross_j'?)",
        ),
        (
            HUE,
            "figures: [{kind: bars, name: a, quantity: cycles}]",
            "cycles",
            "analysis.figures[0].quantity: this event is not counted: passes.counters.events does not ask for it "
            "(found 'cycles', expected 'instructions' or 'page-faults')",
        ),
        (
            HUE,
            "figures: [{kind: bars, name: trace, quantity: latency_s}]",
            "trace,",
            "analysis.figures[0].name: every record has a figure of this name already (found 'trace')",
        ),
        (
            HUE,
            "figures: [{kind: bars, name: a, quantity: latency_s, only: {platform: two}}]",
            "two}}",
            "analysis.figures[0].only.platform: platform never has this value (found 'two', expected 'one' or 'four')",
        ),
        (
            HUE,
            "figures: [{kind: bar, name: a, quantity: latency_s}]",
            "bar,",
            "analysis.figures[0].kind: not one of the choices (found 'bar', expected 'bars', 'scatter' or 'table'; "
            "did you mean 'bars'?)",
        ),
        (
            HUE,
            "figures: [{kind: bars, name: a, quantity: latency_s, scale: lgo}]",
            "lgo",
            "analysis.figures[0].scale: not one of the choices (found 'lgo', expected 'linear' or 'log'; "
            "did you mean 'log'?)",
        ),
        (
            "repeats: 2",
            "cool_down:",
            "cool_down:",
            "cool_down: not a quantity (found nothing, expected a duration such as '10 s', '500 ms', '2 min')",
        ),
        ("repeats: 2", "seed: 8", "seed: 8", "seed: duplicate key, first in line 3"),
        (
            "bench: bench.yaml",
            "bench: bensh.yaml",
            "bensh.yaml",
            "bench: there is no bench file bensh.yaml",
        ),
        (
            "bench: bench.yaml\n",
            "",
            "experiment:",
            "bench: no bench is named: write one here, or name one with --bench",
        ),
    ],
)
def test_each_mistake_has_its_line_at_its_place(tmp_path: Path, old: str, new: str, stands_at: str, line: str) -> None:
    assert EXPERIMENT.count(old) == 1
    text = EXPERIMENT.replace(old, new)
    (found,) = mistakes(tmp_path, text)
    file, row, column, message = found.split(":", 3)
    assert message.strip() == line
    assert file == "five.yaml"
    assert text.splitlines(keepends=True)[int(row) - 1][int(column) - 1 :].startswith(stands_at)


def test_a_name_of_ones_own_is_no_misspelling(tmp_path: Path) -> None:
    figure = "figures: [{kind: bars, name: a, quantity: words_per_minute}]"
    assert load(tmp_path, EXPERIMENT.replace("hue: platform", figure)).experiment.analysis.figures


PROGRAM = """\
experiment: program
bench: bench.yaml
workload:
  kind: program
  source: .
  build: [make, -C, "{source}", "{hidden}"]
  command: ["{build}/x", "{hidden}", "{data}", "{{literal}}", "${HOME}"]
  reader: none
factors:
  hidden: [1, 2]
  data: [3]
passes:
  latency: {}
"""


def test_programs_know_their_folders_and_only_the_command_varies(tmp_path: Path) -> None:
    assert mistakes(tmp_path, PROGRAM) == [
        "five.yaml:6:33: workload.build[3]: {hidden} stands for nothing "
        "(found '{hidden}', expected '{source}', '{build}' or '{data}')",
        "five.yaml:7:38: workload.command[2]: {data} stands for nothing: the workload has neither 'data' nor 'prepare' "
        "(found '{data}')",
        "five.yaml:7:63: workload.command[4]: {HOME} stands for nothing (found '${HOME}', expected '{hidden}', "
        "'{data}', '{source}', '{build}', '{data}' or '{out}')",
        "five.yaml:11:3: factors.data: the name stands for the program's data folder already",
    ]


REPLAY = "bench: replay\nboard: {kind: replay}\ninstruments: {meter: {kind: energyrunner}}\n"

SESSION = """\
experiment: sessions
bench: bench.yaml
workload: {kind: recorded_session, folder: "${LAB_DATA}"}
factors:
  sesion: {glob: {folder: "${LAB_DATA}", pattern: "*/trace1-energy.bin"}}
passes:
  energy: {}
  latency: {}
"""


def test_recorded_sessions_have_energy_only_and_a_session(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SESSION, REPLAY) == [
        "five.yaml:3:1: workload.session: missing key, and there is no factor of this name that would stand for it",
        "five.yaml:8:3: passes.latency: a recorded session has an energy pass only",
    ]


def test_a_workload_that_does_not_fit_the_board(tmp_path: Path) -> None:
    assert mistakes(tmp_path, bench=BENCH.replace("kind: simulated}", "kind: replay}")) == [
        "bench.yaml:2:15: board.kind: does not fit the workload 'tflite_benchmark' of 'small' "
        "(found 'replay', expected a board that runs programs)"
    ]
    assert mistakes(tmp_path, bench=BENCH.replace("kind: simulated}", "kind: local}")) == [
        "bench.yaml:2:1: board.models: missing key: 'small' needs the folder with the .tflite files"
    ]


def test_narrowing_a_factor_is_no_mistake_in_exclusions_and_figures(tmp_path: Path) -> None:
    loaded = load(tmp_path, EXPERIMENT, BENCH, "factors.network=[MobileNet]", "factors.input=[32]")
    assert [value.value for value in loaded.experiment.factors["input"]] == [32]
    assert loaded.overrides == ("factors.network=[MobileNet]", "factors.input=[32]")


def test_readers_and_studies_are_found_before_anything_runs(tmp_path: Path) -> None:
    said = mistakes(tmp_path, PROGRAM.replace("reader: none", "reader: hdrn") + "analysis: {study: trainning}\n")
    reader, study = (line for line in said if "no such" in line)
    assert reader.startswith("five.yaml:8:11: workload.reader: there is no such reader (found 'hdrn', expected ")
    assert reader.endswith("did you mean 'hdrnn'?)")
    assert "'firmware'" in reader
    assert study.startswith("five.yaml:14:19: analysis.study: there is no such study (found 'trainning'")
