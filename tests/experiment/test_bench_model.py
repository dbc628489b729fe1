"""Bench files: what their models know, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import BENCH, bench_of

from lab.bench.boards import SimulatedBoard
from lab.bench.joulescopes import Joulescope, SimulatedJoulescope
from lab.bench.model import Bench
from lab.bench.tools import Cachegrind, Counters
from lab.config.problems import ConfigErrors
from lab.experiment.load import load_bench

MINIMAL = "bench: b\nboard: {kind: local}\ninstruments:\n"


def refused(folder: Path, text: str, *overrides: str) -> str:
    path = folder / "b.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigErrors) as caught:
        load_bench(path, overrides)
    return caught.value.message.replace(f"{path}:", "")


def test_quantities_are_in_si_units() -> None:
    bench = bench_of(BENCH)
    meter = bench.instruments["meter"]
    assert isinstance(meter, SimulatedJoulescope)
    assert isinstance(bench.board, SimulatedBoard)
    limits = meter.accuracy.ranges["2 A"]
    assert (meter.rate, limits.offset_i, limits.gain_v) == (5000.0, 100e-6, 0.001)


def test_a_resolved_bench_reads_as_itself() -> None:
    bench = bench_of(BENCH)
    assert Bench.model_validate(bench.model_dump(mode="json")) == bench


def test_what_instruments_are_for() -> None:
    assert SimulatedJoulescope.measures_power
    assert Joulescope.measures_power
    assert Counters.counts_events
    assert Cachegrind.counts_events
    assert not Counters.measures_power


def test_a_core_knows_how_many_counters_it_has() -> None:
    def slots(fields: str) -> int:
        perf = bench_of(f"{MINIMAL}  perf: {{kind: counters{fields}}}\n").instruments["perf"]
        assert isinstance(perf, Counters)
        return perf.counter_slots

    assert [slots(", core: cortex-a53"), slots(""), slots(", core: cortex-a53, slots: 2")] == [6, 4, 2]


FAULTS = """\
    faults:
      - {kind: drops, probability: 5 %, passes: ["*.energy"]}
      - {kind: drift, current: 3 mA}
      - {kind: saturation, share: 0.1}
      - {kind: range_change, at: 50 %}
      - {kind: unplug}
      - {kind: edge_jitter, bound: 2 ms}
"""


def test_faults_have_defaults_and_magnitudes() -> None:
    meter = bench_of(BENCH.replace("    range: 2 A\n", "    range: 2 A\n" + FAULTS)).instruments["meter"]
    assert isinstance(meter, SimulatedJoulescope)
    assert [fault.kind for fault in meter.faults] == [
        "drops", "drift", "saturation", "range_change", "unplug", "edge_jitter",
    ]  # fmt: skip
    assert [fault.probability for fault in meter.faults] == [0.05, 1, 1, 1, 1, 1]
    assert meter.faults[0].passes == ("*.energy",)
    assert meter.faults[1].passes == ("*",)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "range: 2 A",
            "range: 10 A",
            "8:12: instruments.meter.range: no limits of error are given for this range (found '10 A', expected "
            "'2 A' or 'auto')",
        ),
        (
            "range: 2 A",
            "range: auto",
            "8:12: instruments.meter.range: a simulated meter needs a fixed range with limits of error (found 'auto', "
            "expected '2 A')",
        ),
        (
            "rate: 5 kHz",
            "rate: 3 MHz",
            "7:11: instruments.meter.rate: not a rate of a JS220 (found '3 MHz', expected 1 Hz to 1e+06 Hz)",
        ),
        (
            "rate: 5 kHz",
            "rate: 1.5 Hz",
            "7:11: instruments.meter.rate: not a whole number of samples per second (found '1.5 Hz')",
        ),
        (
            "model: JS220\n",
            "model: JS110\n    window_line: gpi3\n",
            "7:18: instruments.meter.window_line: a JS110 has no such input (found 'gpi3', expected 'gpi0' or 'gpi1')",
        ),
        (
            "gain_i: 0.2 %",
            "gain_i: 0.2 A",
            "13:40: instruments.meter.accuracy.ranges[\"2 A\"].gain_i: unknown unit 'A' (found '0.2 A', expected "
            "a ratio such as '0.2 %', '50 ppm', '0.002')",
        ),
        (
            "    range: 2 A\n",
            "    range: 2 A\n    faults: [{kind: drop}]\n",
            "9:21: instruments.meter.faults[0].kind: not one of the choices (found 'drop', expected 'drops', 'drift', "
            "'saturation', 'range_change', 'unplug' or 'edge_jitter'; did you mean 'drops'?)",
        ),
        (
            "    range: 2 A\n",
            "    range: 2 A\n    faults: [{kind: drops, probability: 2}]\n",
            "9:41: instruments.meter.faults[0].probability: out of bounds (found 2, expected at most 1)",
        ),
        (
            "    range: 2 A\n",
            "    range: 2 A\n    lines: {gpi1: inference, gpi2: inference}\n",
            "9:19: instruments.meter.lines.gpi1: several inputs are wired to inference (found 'inference', "
            "expected one)",
        ),
        (
            "    range: 2 A\n",
            "    range: 2 A\n    lines: {gpi0: inference}\n",
            "9:19: instruments.meter.lines.gpi0: this is the window's input (found 'inference', expected 'gpi1', "
            "'gpi2' or 'gpi3')",
        ),
        (
            "    range: 2 A\n",
            "    range: 2 A\n    rail: soc\n",
            "4:3: instruments.meter.scope: on the rail soc a meter does not see the whole board (expected a scope that "
            "says so, such as soc)",
        ),
    ],
)
def test_what_a_meter_cannot_be(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert BENCH.count(old) == 1
    assert refused(tmp_path, BENCH.replace(old, new)) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "  c: {kind: cachegrind, l1i: {size: 32 KiB, ways: 3}, l1d: {size: 4 KiB, ways: 4}, "
            "ll: {size: 1 MiB, ways: 16}}",
            "4:37: instruments.c.l1i.size: not a power-of-two number of sets (found '32 KiB', expected ways × line × "
            "a power of two)",
        ),
        (
            "  m: {kind: joulescope, model: JS220, rate: 1 MHz, accuracy: {source: datasheet, timebase_ppm: 50}}",
            "4:71: instruments.m.accuracy.source: no limits of error (found 'datasheet', expected at least one range "
            "in 'ranges', or 'power')",
        ),
        (
            "  two words: {kind: process_resources}",
            "4:3: instruments[\"two words\"]: not a name (found 'two words', expected letters, digits and underscores, "
            "not beginning with a digit; did you mean 'two_words'?)",
        ),
    ],
)
def test_what_instruments_cannot_be(tmp_path: Path, text: str, line: str) -> None:
    assert refused(tmp_path, MINIMAL + text + "\n") == line


def test_a_delegate_is_named_where_it_is_needed(tmp_path: Path) -> None:
    text = "bench: b\nboard: {kind: ssh, host: h, port: 0, tflite: {npu: external_delegate}}\n"
    assert refused(tmp_path, text).splitlines() == [
        "2:35: board.port: out of bounds (found 0, expected at least 1)",
        "2:52: board.tflite.npu: missing key 'delegate' (found 'external_delegate', expected the path of the library "
        "on the board)",
    ]


def test_a_placeholder_needs_no_ranges() -> None:
    text = "  m: {kind: joulescope, model: JS220, rate: 1 MHz, accuracy: {source: placeholder, timebase_ppm: 50}}\n"
    meter = bench_of(MINIMAL + text).instruments["m"]
    assert isinstance(meter, Joulescope)
    assert meter.range == "auto"


def test_overrides_of_a_bench_alone_need_no_prefix(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(BENCH, encoding="utf-8")
    bench = load_bench(path, ["instruments.meter.rate=10 kHz", "bench:board.supply=5 V"])
    meter = bench.instruments["meter"]
    assert isinstance(meter, SimulatedJoulescope)
    assert isinstance(bench.board, SimulatedBoard)
    assert (meter.rate, bench.board.supply) == (10e3, 5.0)
