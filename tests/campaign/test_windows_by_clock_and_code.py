"""Windows found over the board's clock, or by a coded load, instead of a pin: the stated intervals cover the truth as
often as with the pin, marks lie within their bounds, and clocks that disagree are found out.

The clocks' offset, drift, delay and jitter are drawn by each campaign (lab/boards/simulated/clock.py), the trace's
anchors err within their bound, and the board's idle power wanders.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from campaigns import ENERGY_ONLY, SHORT, SMALL, Campaign, run_study

from analysis.alignment import PlacedMarks, place_marks
from lab.record.reader import PassData
from lab.record.traces import open_trace

PLATFORMS = ("CPU 1-core", "CPU 4-core", "NPU")
CLOCK = "bench:board.clock={drift_ppm: 100, delay: 500 us, jitter: 1 ms}"
"""A worse clock and link than a cable's."""


def aligned(folder: Path, methods: str, *overrides: str) -> Campaign:
    return run_study(folder, *ENERGY_ONLY, *SHORT, f"bench:alignment={{methods: [{methods}]}}", CLOCK, *overrides)


def placed(campaign: Campaign) -> list[tuple[PassData, PlacedMarks, float]]:
    """Each energy pass with its marks on its trace, and the trace's rate."""
    found = []
    for data in campaign.record.passes().values():
        (ref,) = data.end.traces
        with open_trace(campaign.record.root, ref) as trace:
            found.append((data, place_marks(campaign.record, data, ref, trace), ref.rate_hz))
    return found


@pytest.mark.parametrize("method", ["agent", "coded_load"])
def test_marks_lie_within_their_bound_of_the_pins_edges(tmp_path: Path, method: str) -> None:
    campaign = aligned(tmp_path, method, *SMALL, "repeats=6", "bench:instruments.meter.rate=20 kHz")
    passes = placed(campaign)
    assert len(passes) == 18
    for data, marks, rate_hz in passes:
        assert marks.reasons == ()
        pins = {mark.name: mark.sample for mark in data.marks}
        assert {mark.name for mark in marks.marks} == {
            "warmup_begin",
            "warmup_end",
            "window_begin",
            "window_end",
        }
        for mark in marks.marks:
            assert mark.method == method
            apart_s = abs(mark.sample - pins[mark.name]) / rate_hz
            assert apart_s <= marks.bound_s + 1.0 / rate_hz
        assert marks.bound_s < 2e-3


def test_all_ways_agree_on_a_sound_bench(tmp_path: Path) -> None:
    campaign = aligned(tmp_path, "gpio, agent, coded_load", *SMALL, "repeats=3")
    for _, marks, _ in placed(campaign):
        assert marks.reasons == ()
        assert {mark.method for mark in marks.marks} == {"gpio"}
        assert len(marks.notes) == 2
    assert set(campaign.rows("energy_net_j")["verdict"]) == {"valid"}


def test_a_clock_that_disagrees_with_the_pin_makes_its_passes_invalid(tmp_path: Path) -> None:
    fault = "bench:board.faults=[{kind: clock_step, step: 20 ms, passes: [t0001.*]}]"
    campaign = aligned(tmp_path, "gpio, agent", *SMALL, "repeats=2", fault)
    rows = campaign.rows("energy_net_j").set_index("trial_id")
    assert rows.loc["t0001", "verdict"] == "invalid"
    assert "alignment_disagrees" in rows.loc["t0001", "reasons"]
    assert set(rows.drop("t0001")["verdict"]) == {"valid"}
    assert set(campaign.rows("power_idle_w")["verdict"]) == {"valid"}, "the idle power has no window"


@pytest.mark.parametrize("methods", ["agent, coded_load"])
def test_clock_and_code_need_no_pin_to_find_a_step(tmp_path: Path, methods: str) -> None:
    # The program's marks are off, the code's are not: both ways shift the window alike. Only a pin could tell.
    fault = "bench:board.faults=[{kind: clock_step, step: 20 ms}]"
    campaign = aligned(tmp_path, methods, *SMALL, "repeats=2", fault)
    for _, marks, _ in placed(campaign):
        assert marks.reasons == ()


def test_a_code_that_was_not_played_is_told(tmp_path: Path) -> None:
    campaign = run_study(
        tmp_path,
        *ENERGY_ONLY,
        *SHORT,
        *SMALL,
        "repeats=2",
        "bench:alignment={methods: [gpio, coded_load], code: {program: coded_lode}}",
    )
    rows = campaign.rows("energy_net_j")
    assert set(rows["verdict"]) == {"degraded"}
    assert rows["reasons"].str.contains("alignment_unchecked").all()
    faults = [fault for data in campaign.record.passes().values() for fault in data.faults]
    assert "exit status 127" in faults[0].detail


def test_without_the_board_clock_asked_for_nothing_more_is_recorded(tmp_path: Path) -> None:
    campaign = run_study(tmp_path, *ENERGY_ONLY, *SHORT, *SMALL, "repeats=2")
    for data in campaign.record.passes().values():
        assert data.pings == ()
        assert not (campaign.record.path(str(data.end.output)) / "marks.txt").exists()


def test_the_idle_stretches_keep_clear_of_pings_and_code(tmp_path: Path) -> None:
    plain = run_study(tmp_path / "plain", *ENERGY_ONLY, *SHORT, *SMALL, "repeats=3")
    coded = aligned(tmp_path / "coded", "agent, coded_load", *SMALL, "repeats=3")
    idle_w = [campaign.rows("power_idle_w").set_index("trial_id")["value"] for campaign in (plain, coded)]
    # The same passes with the same wander. A code in the idle would add a tenth of a watt.
    assert (idle_w[1] - idle_w[0]).abs().max() < 0.01


# ------------------------------------------------------------------------------------------------------- coverage


def covered(seed: int, method: str, networks: str) -> list[bool]:
    """Which energies of one campaign (one platform, ten repeats) have the truth in their interval."""
    points = (f"factors.network=[{networks}]", f"factors.platform=[{PLATFORMS[seed % 3]}]")
    with TemporaryDirectory() as folder:
        campaign = aligned(Path(folder), method, "repeats=10", f"seed={seed}", *points)
        truth = campaign.true_means("energy_net_j")
        rows = list(campaign.points("energy_net_j").itertuples())
        assert all(row.verdict != "invalid" for row in rows)
        return [abs(row.value - truth[row.point_id]) <= row.U for row in rows]


def shares(seeds: range, method: str, networks: str) -> list[bool]:
    # Spawned, not forked: the test process has threads.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        parts = workers.map(covered, seeds, [method] * len(seeds), [networks] * len(seeds))
        return [inside for part in parts for inside in part]


@pytest.mark.parametrize("method", ["agent", pytest.param("coded_load", marks=pytest.mark.slow)])
def test_intervals_cover_the_truth(method: str) -> None:
    inside = shares(range(1, 4), method, "MobileNet")
    assert len(inside) == 27
    # 95 % of 27 whose points share a meter: fewer than 22 is less than one chance in a hundred.
    assert sum(inside) >= 22


@pytest.mark.slow
@pytest.mark.parametrize("method", ["agent", "coded_load"])
def test_intervals_cover_the_truth_over_many_clocks(method: str) -> None:
    inside = shares(range(2000, 2024), method, "InceptionV3, ResNet50, MobileNet, VGG16")
    assert len(inside) == 24 * 33
    assert 0.93 <= sum(inside) / len(inside) <= 0.97
