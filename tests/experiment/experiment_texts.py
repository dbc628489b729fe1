"""Small experiment and bench files for tests to change."""

from __future__ import annotations

from pathlib import Path

from lab.bench.model import Bench
from lab.config.document import parse_document
from lab.experiment.load import LoadedExperiment, load_experiment

EXPERIMENT = """\
experiment: small
bench: bench.yaml
seed: 7
workload:
  kind: tflite_benchmark
  network: "{network}"
  input: "{input}"
  threads: "{threads}"
factors:
  network: [MobileNet, VGG16]
  input: [32, 75]
  platform:
    - {value: one, settings: {threads: 1}, label: 1 core}
    - {value: four, settings: {threads: 4}}
exclude:
  - {network: VGG16, input: [75]}
repeats: 2
passes:
  latency: {runs: 50, warmup_runs: 1}
  energy: {duration: 10 s, runs: 3, idle: 2 s, warmup_runs: 1}
  counters: {events: [instructions, page-faults], runs: 51, baseline_runs: 1}
analysis:
  label: "{network} {platform}"
  hue: platform
"""

BENCH = """\
bench: small_bench
board: {kind: simulated}
instruments:
  meter:
    kind: simulated_joulescope
    model: JS220
    rate: 5 kHz
    range: 2 A
    accuracy:
      source: datasheet
      timebase_ppm: 50
      ranges:
        2 A: {full_scale: 2 A, gain_i: 0.2 %, offset_i: 100 uA, gain_v: 0.1 %, offset_v: 1.5 mV}
  perf: {kind: counters, core: cortex-a53}
  resources: {kind: process_resources}
"""


def load(folder: Path, experiment: str = EXPERIMENT, bench: str = BENCH, *overrides: str) -> LoadedExperiment:
    """Write both files into the folder and load them."""
    (folder / "small.yaml").write_text(experiment, encoding="utf-8")
    (folder / "bench.yaml").write_text(bench, encoding="utf-8")
    return load_experiment(folder / "small.yaml", overrides)


def bench_of(text: str) -> Bench:
    """The bench of a text."""
    return Bench.model_validate(parse_document(text, "bench.yaml").data)
