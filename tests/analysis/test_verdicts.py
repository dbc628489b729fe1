"""Which quantity suffers from which fault, and what a stretch's coverage means."""

from __future__ import annotations

import pytest

from analysis.verdicts import SUFFERS, coverage_reasons, known_codes, reasons_for
from lab.record.quantity import Verdict
from lab.record.reasons import REASONS, verdict_of

ENERGIES = {"energy_gross_j", "energy_net_j", "energy_warmup_j", "power_active_w", "power_idle_w", "edp_gross_js"}
NET = {"energy_net_j", "power_idle_w", "edp_net_js"}
TIMES = {"latency_s", "elapsed_s", "cycles", "edp_gross_js"}
COUNTS = {"instructions", "L1-dcache-loads", "page-faults"}
EVERYTHING = ENERGIES | NET | TIMES | COUNTS | {"window_s", "accuracy", "peak_rss_bytes", "inferences"}

TABLE = {
    "samples_dropped": ENERGIES | NET,
    "meter_unplugged": ENERGIES | NET,
    "saturated": ENERGIES | NET,
    "range_changed": ENERGIES | NET,
    "placeholder_accuracy": ENERGIES | NET,
    "idle_drift": ENERGIES | NET,
    "idle_too_short": NET,
    "no_window": (ENERGIES | NET | {"window_s"}) - {"power_idle_w"},
    "edge_jitter": (ENERGIES | NET | {"window_s"}) - {"power_idle_w"},
    "window_disagrees": (ENERGIES | NET | {"window_s"}) - {"power_idle_w"},
    "throttled": ENERGIES | NET | TIMES | {"window_s"},
    "count_missing": {"energy_gross_j", "energy_net_j", "edp_gross_js", "edp_net_js", "inferences", "cycles"} | COUNTS,
    "exit_nonzero": EVERYTHING,
    "deadline": EVERYTHING,
    "pass_failed": EVERYTHING,
    "output_unreadable": EVERYTHING,
}


@pytest.mark.parametrize("code", sorted(TABLE))
def test_who_suffers(code: str) -> None:
    assert {name for name in EVERYTHING if reasons_for(name, [code])} == TABLE[code]


def test_every_code_that_is_placed_is_a_code() -> None:
    assert SUFFERS.keys() <= REASONS.keys()


def test_codes_come_once_and_in_order() -> None:
    codes = ["exit_nonzero", "saturated", "exit_nonzero"]
    assert reasons_for("energy_net_j", codes) == ("exit_nonzero", "saturated")
    assert reasons_for("latency_s", codes) == ("exit_nonzero",)


def test_a_code_of_a_newer_lab_fails_the_pass() -> None:
    assert known_codes(["saturated", "eaten_by_moths"]) == ("saturated", "pass_failed")
    assert verdict_of(known_codes(["eaten_by_moths"])) is Verdict.INVALID


@pytest.mark.parametrize(
    ("coverage", "verdict"), [(1.0, Verdict.VALID), (0.99, Verdict.DEGRADED), (0.5, Verdict.INVALID)]
)
def test_coverage_decides(coverage: float, verdict: Verdict) -> None:
    assert verdict_of(coverage_reasons(coverage)) is verdict
