"""Passes that were not alike are flagged, whatever they counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from analysis_records import EVENTS, Campaign
from hypothesis import given
from hypothesis import strategies as st

from analysis.anchors import ALL_INSTRUCTIONS, CYCLES, USER_INSTRUCTIONS, disagreeing
from analysis.counters import counter_quantities, is_accelerated
from analysis.process import process
from analysis.readers.program_output import ProgramOutput
from lab.record.documents import Reading
from lab.record.quantity import Origin, Verdict

USER = "process tree, user space only"


def reading(name: str, value: float | None, scope: str = "process tree", **more: Any) -> Reading:
    return Reading(
        pass_id="p", attempt=1, instrument="counts", name=name, value=value, unit="1", scope=scope, **more
    )  # fmt: skip


def passes(*values: float | None, name: str = "instructions", scope: str = "process tree") -> dict[str, list[Reading]]:
    return {f"p{number}": [reading(name, value, scope)] for number, value in enumerate(values)}


@pytest.mark.parametrize(
    ("name", "scope", "values", "agree"),
    [
        ("instructions", USER, (13_080_000, 13_080_010, 13_079_990), True),
        ("instructions:u", USER, (1e9, 1.0009e9), True),
        ("instructions:u", USER, (1e9, 1.002e9), False),
        ("instructions", "process tree", (1e9, 1.002e9), True),
        ("instructions", "process tree", (1e9, 1.02e9), False),
        ("instructions", "process tree", (1_000_000, 1_150_000), True),
        ("cycles", "process tree", (1e9, 1.03e9, 0.99e9), True),
        ("cycles", "process tree", (1e9, 1.2e9), False),
        ("branches", "process tree", (1e9, 9e9), True),
    ],
)
def test_how_far_passes_may_lie_apart(name: str, scope: str, values: tuple[float, ...], agree: bool) -> None:
    found = disagreeing(passes(*values, name=name, scope=scope))
    assert found == (frozenset() if agree else frozenset(f"p{number}" for number in range(len(values))))


def test_what_was_not_counted_is_not_compared() -> None:
    assert disagreeing(passes(1e9, None)) == frozenset()
    assert disagreeing(passes(1e9)) == frozenset()
    assert disagreeing({}) == frozenset()
    assert disagreeing(passes(1e9, None, 2e9)) == {"p0", "p2"}


def test_instruments_and_scopes_are_not_compared_with_each_other() -> None:
    mixed = {"p0": [reading("instructions", 1e9)], "p1": [reading("instructions", 2e9, USER)]}
    assert disagreeing(mixed) == frozenset()
    other = {"p0": [reading("instructions", 1e9)], "p1": [replace(reading("instructions", 2e9), instrument="other")]}
    assert disagreeing(other) == frozenset()


def test_cycles_of_an_emulator_are_not_compared() -> None:
    wild = passes(1e9, 3e9, name="cycles")
    assert disagreeing(wild) == {"p0", "p1"}
    assert disagreeing(wild, emulated=True) == frozenset()
    assert disagreeing(passes(1e9, 3e9), emulated=True) == {"p0", "p1"}, "its instructions are"


@given(
    st.lists(st.floats(0, 1e12), min_size=1, max_size=5), st.sampled_from([USER_INSTRUCTIONS, ALL_INSTRUCTIONS, CYCLES])
)
def test_equal_counts_agree_and_so_does_their_order(values: list[float], tolerance: Any) -> None:
    assert tolerance.holds(values[:1] * 3)
    assert tolerance.holds(values) == tolerance.holds(values[::-1])


# ---------------------------------------------------------------------------------------- through to the results


def two_passes(manifest: dict[str, Any]) -> None:
    """A second counter pass for each trial, which counts the instructions again only to check the page faults."""
    for trial in manifest["plan"]["trials"]:
        again = [
            {**plan, "pass_id": plan["pass_id"].replace("counters0", "counters1"), "anchors": ["instructions"]}
            for plan in trial["passes"]
            if plan["kind"] == "counters"
        ]
        trial["passes"] += again


def results_of(tmp_path: Path, times: float, where: str = "counters1") -> pd.DataFrame:
    """The results where some passes had so many times the instructions of the others."""

    def edit(readings: list[Reading]) -> list[Reading]:
        changed = [replace(item, value=times * (item.value or 0.0)) for item in readings]
        return changed if readings[0].pass_id.endswith(where) else readings

    record = Campaign(repeats=1, edit_manifest=two_passes, edit_readings=edit).write(tmp_path / "record")
    return process(record).results


def counter_rows(results: pd.DataFrame) -> pd.DataFrame:
    names = [name + suffix for name in EVENTS for suffix in ("", "_process")]
    return results[results["quantity"].isin(names)]


@pytest.mark.parametrize("where", ["counters1", "counters1.baseline"])
def test_passes_that_disagree_are_flagged_in_the_results(tmp_path: Path, where: str) -> None:
    rows = counter_rows(results_of(tmp_path, 1.3, where))
    assert set(rows["quantity"]) == {"instructions", "instructions_process", "page-faults", "page-faults_process"}
    assert set(rows["verdict"]) == {"degraded"}
    assert set(rows["reasons"]) == {"anchors_disagree"}


def test_passes_that_agree_are_not_and_no_anchor_is_stated_twice(tmp_path: Path) -> None:
    rows = counter_rows(results_of(tmp_path, 1.0001))
    assert set(rows["verdict"]) == {"valid"}
    assert list(rows["quantity"]).count("instructions") == 1


@pytest.mark.parametrize("code", ["pmu_dead", "window_not_opened", "not_permitted"])
def test_a_reading_that_is_not_believed_has_no_value_in_the_results(tmp_path: Path, code: str) -> None:
    def lying(readings: list[Reading]) -> list[Reading]:
        return [
            replace(item, value=None, reasons=(code,)) if item.name == "instructions" else item for item in readings
        ]

    rows = process(Campaign(repeats=1, edit_readings=lying).write(tmp_path / "record")).results.set_index("quantity")
    assert rows["value"].isna()["instructions"]
    assert (rows.loc["instructions", "verdict"], rows.loc["instructions", "reasons"]) == ("invalid", code)
    assert rows.loc["page-faults", "verdict"] == "valid"


def test_counts_that_were_only_to_check_are_not_results(tmp_path: Path) -> None:
    def only_checked(manifest: dict[str, Any]) -> None:
        for trial in manifest["plan"]["trials"]:
            for plan in trial["passes"]:
                if plan["kind"] == "counters":
                    plan["anchors"] = ["instructions"]

    rows = counter_rows(process(Campaign(repeats=1, edit_manifest=only_checked).write(tmp_path / "record")).results)
    assert set(rows["quantity"]) == {"page-faults", "page-faults_process"}


def windowed(value: float | None, **more: Any) -> Reading:
    return reading("instructions", value, "process tree, in the window", details={"window_only": True}, **more)


def stated(item: Reading, output: ProgramOutput, **more: Any) -> Any:
    (found,) = counter_quantities([item], output, None, pass_id="p", origin=Origin.MEASURED, codes=(), **more)
    return found.quantity


def test_what_was_counted_in_the_window_is_per_inference() -> None:
    quantity = stated(windowed(5e6), ProgramOutput(inferences=50))
    assert (quantity.name, quantity.value, quantity.scope) == ("instructions", 1e5, "process tree, in the window")
    assert quantity.verdict is Verdict.VALID


def test_a_window_with_an_unknown_number_of_inferences_in_it() -> None:
    quantity = stated(windowed(5e6), ProgramOutput())
    assert (quantity.value, quantity.reasons) == (None, ("count_missing",))
    per_window = stated(windowed(5e6), ProgramOutput(), per_process=True)
    assert (per_window.value, per_window.scope) == (5e6, "process tree, in the window, per window")


def test_a_window_that_was_not_opened_has_no_count() -> None:
    quantity = stated(windowed(None, reasons=("window_not_opened",)), ProgramOutput(inferences=50))
    assert (quantity.value, quantity.verdict, quantity.reasons) == (None, Verdict.INVALID, ("window_not_opened",))


def test_with_an_accelerator_at_work_the_counters_see_the_cpu_alone() -> None:
    assert stated(reading("instructions", 7.0), ProgramOutput(), accelerated=True).scope == (
        "process tree, CPU side only, per process"
    )
    assert is_accelerated({"accelerator": "{accelerator}"}, {"accelerator": "npu"})
    assert is_accelerated({"accelerator": "npu"}, {})
    assert is_accelerated({}, {"accelerator": "gpu"})
    assert not is_accelerated({"accelerator": "{accelerator}"}, {"accelerator": "cpu"})
    assert not is_accelerated({}, {})
