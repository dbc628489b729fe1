"""The plan: which passes a trial has on a bench, and who watches them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from experiment_texts import BENCH, EXPERIMENT, bench_of, load

from lab.errors import UsageError
from lab.experiment.discovery import discover
from lab.experiment.estimate import estimate
from lab.experiment.plan import PassPlan, Plan, Unavailable, build_plan

HOST = """\
bench: host
board: {kind: simulated}
instruments:
  perf: {kind: counters, events: [page-faults]}
  cachegrind:
    kind: cachegrind
    l1i: {size: 32 KiB, ways: 2}
    l1d: {size: 32 KiB, ways: 4}
    ll: {size: 512 KiB, ways: 16}
"""


def plan_of(folder: Path, *overrides: str, bench: str = BENCH) -> Plan:
    loaded = load(folder, EXPERIMENT, bench, *overrides)
    return build_plan(loaded.experiment, loaded.bench)


def test_the_passes_of_a_trial(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert len(plan.trials) == 12
    assert plan.unavailable == ()
    assert [trial.order for trial in plan.trials] == list(range(1, 13))
    trial = plan.trials[6]
    assert (trial.trial_id, trial.repeat) == ("t0007", 1)
    assert trial.passes == (
        PassPlan(pass_id="t0007.latency", kind="latency", instruments=("resources",), runs=50, warmup_runs=1),
        PassPlan(
            pass_id="t0007.energy",
            kind="energy",
            instruments=("meter",),
            runs=3,
            min_duration_s=10.0,
            idle_s=2.0,
            warmup_runs=1,
        ),
        PassPlan(
            pass_id="t0007.counters0",
            kind="counters",
            instruments=("perf",),
            events=("instructions", "page-faults", "cycles"),
            anchors=("cycles",),
            runs=51,
            warmup_runs=0,
        ),
        PassPlan(
            pass_id="t0007.counters0.baseline",
            kind="counters",
            instruments=("perf",),
            events=("instructions", "page-faults", "cycles"),
            anchors=("cycles",),
            runs=1,
            warmup_runs=0,
            baseline=True,
        ),
    )


def test_the_manifest_holds_all_of_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    data = json.loads(json.dumps(plan.to_json()))
    assert Plan.from_json(data) == plan
    assert set(data["trials"][0]) == {
        "trial_id", "point_id", "order", "repeat", "label", "values", "settings", "passes",
    }  # fmt: skip
    assert set(data["trials"][0]["passes"][0]) == {
        "pass_id", "kind", "instruments", "events", "anchors", "runs", "min_duration_s", "idle_s", "warmup_runs",
        "baseline", "window_only",
    }  # fmt: skip


def test_the_same_seed_gives_the_same_plan_and_another_another(tmp_path: Path) -> None:
    assert plan_of(tmp_path) == plan_of(tmp_path)
    assert plan_of(tmp_path) != plan_of(tmp_path, "seed=8")


def test_counters_are_shared_among_who_can_count_them(tmp_path: Path) -> None:
    events = "passes.counters.events=[page-faults, instructions, cycles, L1-dcache-load-misses]"
    plan = plan_of(tmp_path, events, "passes.counters.baseline_runs=null", bench=HOST)
    counters = [item for item in plan.trials[0].passes if item.kind == "counters"]
    assert [(item.pass_id, item.instruments, item.events) for item in counters] == [
        ("t0001.counters0", ("perf",), ("page-faults",)),
        ("t0001.counters1", ("cachegrind",), ("instructions", "L1-dcache-load-misses")),
    ]
    assert plan.unavailable == (
        Unavailable(what="energy", reason="no_power_meter"),
        Unavailable(what="cycles", reason="no_counter_source"),
    )


def test_a_bench_that_can_give_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can give nothing of what 'small' asks for \(energy\)"):
        plan_of(tmp_path, "passes={energy: {}}", bench=HOST)


def test_anchors_are_counted_in_every_chunk(tmp_path: Path) -> None:
    many = ["instructions", *(f"r{number:03x}" for number in range(12)), "page-faults"]
    plan = plan_of(tmp_path, f"passes.counters.events={json.dumps(many)}", "passes.counters.baseline_runs=null")
    counted = [item.events for item in plan.trials[0].passes if item.kind == "counters"]
    assert counted == [
        ("cycles", "instructions", "r000", "r001", "r002", "r003", "r004", "page-faults"),
        ("cycles", "instructions", "r005", "r006", "r007", "r008", "r009"),
        ("cycles", "instructions", "r00a", "r00b"),
    ]


SESSIONS = """\
experiment: sessions
bench: bench.yaml
workload: {kind: recorded_session, folder: "${SESSIONS}"}
factors:
  session: {glob: {folder: "${SESSIONS}", pattern: "**/trace1-energy.bin"}}
order: as_written
passes: {energy: {}}
"""
REPLAY = "bench: replay\nboard: {kind: replay}\ninstruments: {meter: {kind: energyrunner}}\n"


def test_sessions_are_discovered_and_have_an_energy_pass_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b/deep", "a", "c"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "trace1-energy.bin").touch()
    monkeypatch.setenv("SESSIONS", "data")
    loaded = load(tmp_path, SESSIONS, REPLAY)
    plan = build_plan(loaded.experiment, loaded.bench, folder=tmp_path)
    assert [trial.values["session"] for trial in plan.trials] == ["a", "b/deep", "c"]
    assert plan.trials[0].passes == (PassPlan(pass_id="t0001.energy", kind="energy", instruments=("meter",)),)
    listed = loaded.discovered()
    assert [value.value for value in listed.experiment.factors["session"]] == ["a", "b/deep", "c"]
    assert build_plan(listed.experiment, listed.bench) == plan


def test_what_is_not_there_to_be_discovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SESSIONS", raising=False)
    experiment = load(tmp_path, SESSIONS, REPLAY).experiment
    for environ, message, advice in (
        ({}, "factors.session: the environment variable SESSIONS is not set", "export SESSIONS="),
        ({"SESSIONS": "nowhere"}, f"factors.session: there is no folder {tmp_path}/nowhere", "is it the right place?"),
        ({"SESSIONS": "."}, f"factors.session: nothing below {tmp_path} matches", "look whether the folder holds"),
    ):
        with pytest.raises(UsageError) as caught:
            discover(experiment, tmp_path, environ)
        assert caught.value.message.startswith(message)
        assert advice in (caught.value.advice or "")


def test_a_pattern_that_cannot_be_used(tmp_path: Path) -> None:
    text = SESSIONS.replace('"**/trace1-energy.bin"', "/absolute")
    with pytest.raises(UsageError, match="the pattern '/absolute' cannot be used"):
        discover(load(tmp_path, text, REPLAY).experiment, tmp_path, {"SESSIONS": "."})


def test_ten_thousand_trials_are_planned(tmp_path: Path) -> None:
    loaded = load(tmp_path, EXPERIMENT, BENCH, f"factors.input={list(range(500))}", "exclude=[]", "repeats=5")
    plan = build_plan(loaded.experiment, loaded.bench)
    assert len(plan.trials) == 10_000
    assert plan.trials[0].trial_id == "t00001"
    assert len({trial.trial_id for trial in plan.trials}) == 10_000


def test_estimates_add_up(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    plan = build_plan(loaded.experiment, loaded.bench)
    found = estimate(plan, loaded.bench, lambda _, item: 1.0 if item.kind == "latency" else 0.5, cool_down_s=3.0)
    assert (found.trials, found.passes) == (12, 48)
    # latency 1 s; energy 2 × 2 s idle and at least 10 s; counters and their baseline 0.5 s each; 3 s before each trial
    assert found.duration_s == pytest.approx(12 * (1 + 14 + 0.5 + 0.5 + 3))
    # 5 kHz over 14 s: 8.4 bytes a sample
    assert found.trace_bytes == round(12 * 5000 * 14 * 8.4)
    assert found.disk_bytes > found.trace_bytes


def test_a_longer_program_than_asked_for_makes_longer_traces(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    plan = build_plan(loaded.experiment, loaded.bench)
    assert estimate(plan, loaded.bench, lambda *_: 100.0).trace_bytes == round(12 * 5000 * 104 * 8.4)


def test_benches_of_the_tests_are_valid() -> None:
    assert bench_of(HOST).instruments["cachegrind"].counts_events
