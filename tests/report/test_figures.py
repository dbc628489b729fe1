"""Figures: stamped with their origin, honest about what is not there, the same bytes every time."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import synthetic

from analysis.figures.axes import limits
from analysis.figures.budget import shares_of
from analysis.figures.build import write_figures
from analysis.figures.data import matrix_of, points_of
from analysis.figures.style import ORIGIN_MARKERS, colours_for, marker_style, shortened
from analysis.figures.trace import power_envelope

PICTURES = ("latency", "energy", "power", "energy_latency", "fit", "uncertainty_budget", "example_trace")
SVG = "{http://www.w3.org/2000/svg}"


def tooltips(svg: str) -> list[str]:
    """The texts that rest on single marks."""
    tree = ElementTree.fromstring(svg)
    return [title.text or "" for use in tree.iter(f"{SVG}use") for title in use.findall(f"{SVG}title")]


def draw(root: Path, content: dict, tables: synthetic.Tables) -> dict[str, str]:
    """Figures of a fresh record: SVG by name, the reason where there is none."""
    synthetic.write_record(root, content)
    figures = write_figures(root, content, tables)
    return {item.name: item.svg.read_text("utf-8") if item.svg else f"missing: {item.missing}" for item in figures}


@pytest.mark.parametrize("name", PICTURES)
def test_every_figure_is_stamped(built, name: str) -> None:
    assert ">SIMULATED</text>" in built.svg(name)
    assert built.figures[name].origins[-1] == "simulated"
    assert built.figures[name].png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("origin", ["measured", "replayed", "emulated", "simulated"])
def test_the_stamp_follows_the_origin(tmp_path: Path, origin: str) -> None:
    networks = ("MobileNet", "VGG16")
    content = synthetic.manifest(origin=origin, networks=networks)
    entry = {"kind": "bars", "name": "faults", "quantity": "page-faults", "title": "Page faults"}
    content["experiment"]["resolved"]["analysis"]["figures"] = [entry]
    svg = draw(tmp_path / "r", content, synthetic.tables(origin=origin, networks=networks))["faults"]
    assert f">{origin.upper()}</text>" in svg
    for other in {"measured", "replayed", "emulated", "simulated"} - {origin}:
        assert other.upper() not in svg


def test_mixed_origins_are_both_stamped_and_have_marks_of_their_own(tmp_path: Path) -> None:
    content = synthetic.manifest()
    entry = {"kind": "bars", "name": "loads", "quantity": "L1-dcache-loads", "scale": "log", "title": "Loads"}
    content["experiment"]["resolved"]["analysis"]["figures"] = [entry]
    svg = draw(tmp_path / "r", content, synthetic.tables())["loads"]
    assert ">EMULATED</text>" in svg
    assert ">SIMULATED</text>" in svg
    texts = tooltips(svg)
    assert sum("(emulated)" in text for text in texts) == sum("(simulated)" in text for text in texts) == 24
    series = re.findall(r'<g id="points\d+">', svg)
    assert len(series) == 3 * 2, "one series per colour and origin, none across origins"
    assert len(set(ORIGIN_MARKERS.values())) == len(ORIGIN_MARKERS)


def test_every_point_is_on_the_dot_plot_or_in_its_lane(built) -> None:
    texts = tooltips(built.svg("energy"))
    assert len(texts) == 48
    absent = [text for text in texts if "no valid value" in text]
    assert len(absent) == 2
    assert any("no_window" in text for text in absent)
    assert any("saturated" in text for text in absent)


def test_an_invalid_value_is_not_shown_as_a_number(built) -> None:
    """The second point is invalid and yet carries a number: it must appear nowhere."""
    row = synthetic.tables().summary.query("quantity == 'energy_net_j' and verdict == 'invalid'").iloc[1]
    assert np.isfinite(row["value"])
    texts = [text for text in tooltips(built.svg("energy")) if f"{row['label']} · {row['platform']}:" in text]
    assert texts == [f"{row['label']} · {row['platform']}: no valid value (saturated)"]


def test_a_negative_value_on_a_log_axis_is_in_the_lane_with_its_number(built) -> None:
    texts = tooltips(built.svg("energy"))
    assert sum("-100 µJ" in text for text in texts) == 1


def test_degraded_marks_are_open() -> None:
    assert marker_style("#0072b2", "measured", "valid")["markerfacecolor"] == "#0072b2"
    assert marker_style("#0072b2", "measured", "degraded")["markerfacecolor"] != "#0072b2"


def test_a_scatter_counts_what_has_no_place(built) -> None:
    svg = built.svg("energy_latency")
    assert "× 2 not on both axes" in svg
    assert sum("no valid value" in text for text in tooltips(svg)) == 2


def test_correlations_stand_in_the_figure_they_belong_to(built) -> None:
    assert "CPU 1-core: r = 0.980 [0.950, 0.990], ρ = 0.970, n = 16" in built.svg("energy_latency")
    assert "ρ =" not in built.svg("fit"), "over a part of the points the coefficient of all says nothing"


def test_panels_share_no_point(tmp_path: Path) -> None:
    content = synthetic.manifest()
    entry = {
        "kind": "scatter",
        "name": "split",
        "x": "latency_s",
        "y": "instructions",
        "by": "platform",
        "scale": "log",
    }
    content["experiment"]["resolved"]["analysis"]["figures"] = [entry]
    svg = draw(tmp_path / "r", content, synthetic.tables())["split"]
    assert len(tooltips(svg)) == 48
    for platform in synthetic.PLATFORMS:
        assert f">{platform}</text>" in svg


def test_no_figure_of_an_earlier_call_is_left(tmp_path: Path) -> None:
    networks = ("MobileNet",)
    content, tables = synthetic.manifest(networks=networks), synthetic.tables(networks=networks)
    draw(tmp_path / "r", content, tables)
    content["experiment"]["resolved"]["analysis"]["figures"] = []
    write_figures(tmp_path / "r", content, tables)
    assert not (tmp_path / "r" / "figures" / "latency.svg").exists()


def test_matplotlib_is_left_as_it_was(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    networks = ("MobileNet",)
    draw(tmp_path / "r", synthetic.manifest(networks=networks), synthetic.tables(networks=networks))
    assert dict(mpl.rcParams) == before


def test_a_figure_without_data_says_why(tmp_path: Path) -> None:
    content = synthetic.manifest(networks=("VGG16",))
    content["experiment"]["resolved"]["analysis"]["figures"] = [
        {"kind": "bars", "name": "unknown", "quantity": "no_such_quantity"},
        {"kind": "bars", "name": "gone", "quantity": "energy_net_j"},
        {"kind": "bars", "name": "../outside", "quantity": "latency_s"},
    ]
    tables = synthetic.tables(networks=("VGG16",))
    summary = tables.summary.copy()
    summary.loc[summary["quantity"] == "energy_net_j", ["value", "verdict", "reasons"]] = [
        None,
        "invalid",
        "no_power_meter",
    ]
    found = draw(tmp_path / "r", content, dataclasses.replace(tables, summary=summary))
    assert found["unknown"] == "missing: this record has no no such quantity (no_such_quantity)"
    assert "no_power_meter" in found["gone"]
    assert found["../outside"].startswith("missing")
    assert not (tmp_path / "r" / "outside.svg").exists()


def test_empty_tables_draw_nothing_and_raise_nothing(tmp_path: Path) -> None:
    empty = synthetic.Tables(*[pd.DataFrame()] * 5)
    found = draw(tmp_path / "r", synthetic.manifest(), empty)
    assert found
    assert all(text.startswith("missing: ") for text in found.values())


def test_labels_are_text_not_markup_and_not_mathematics(tmp_path: Path) -> None:
    networks = ("<script>alert(1)</script>", "$x_1$ & co")
    content = synthetic.manifest(networks=networks)
    svg = draw(tmp_path / "r", content, synthetic.tables(networks=networks))["latency"]
    assert "<script" not in svg
    words = [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "$x_1$ & co" in words


def test_shares_add_up_and_leave_out_what_is_not_counted() -> None:
    tables, matrix = synthetic.tables(), matrix_of(synthetic.manifest())
    rows = shares_of(tables.budget, tables.summary, matrix, "energy_net_j")
    assert len(rows) == 12
    for row in rows:
        assert sum(row.shares.values()) == pytest.approx(1.0)
    budget = tables.budget.copy()
    budget.loc[budget["term"] == "idle noise", "counted"] = False
    for row in shares_of(budget, tables.summary, matrix, "energy_net_j"):
        assert "idle noise" not in row.shares
        assert sum(row.shares.values()) == pytest.approx(1.0)


def test_a_log_axis_has_no_place_for_what_is_lost_in_its_uncertainty() -> None:
    points = points_of(synthetic.tables().summary, matrix_of(synthetic.manifest()), "latency_s")
    point = dataclasses.replace(points[0], value=1e-18, expanded_u=0.1, verdict="degraded")
    assert point.fits(log=False)
    assert not point.fits(log=True)
    assert dataclasses.replace(point, value=0.05).fits(log=True)
    assert not dataclasses.replace(point, value=-1.0).fits(log=True)
    assert not dataclasses.replace(point, value=1.0, verdict="invalid").fits(log=False)


def test_factors_found_by_the_plan_are_listed() -> None:
    content = synthetic.manifest()
    content["experiment"]["resolved"]["factors"]["network"] = {"glob": {"folder": "x", "pattern": "*"}}
    assert matrix_of(content).factors["network"] == synthetic.NETWORKS
    content["experiment"]["resolved"]["analysis"]["label"] = None
    assert matrix_of(content).label_factors == ("network", "input", "compression")


def test_points_come_in_the_order_of_the_factors() -> None:
    points = points_of(
        synthetic.tables().summary.sample(frac=1, random_state=1), matrix_of(synthetic.manifest()), "latency_s"
    )
    assert [point.label for point in points[:4]] == ["InceptionV3 none 32"] * 3 + ["InceptionV3 PQ 32"]
    assert [point.hue for point in points[:3]] == list(synthetic.PLATFORMS)


class _Trace:
    """A trace in memory."""

    rate_hz = 100.0
    channels = ("energy",)

    def __init__(self, power: np.ndarray) -> None:
        self._energy = power / self.rate_hz
        self.length = power.size

    def read(self, channel: str, start: int, stop: int) -> np.ndarray:
        assert channel == "energy"
        return self._energy[start:stop]


def test_thinning_keeps_the_extremes_and_the_gaps() -> None:
    power = np.full(10_000, 2.0)
    power[1234], power[8765] = 9.0, 0.5
    power[3000:4000] = np.nan
    thin = power_envelope(_Trace(power), 0, power.size, columns=100)
    assert thin.at.size == 100
    assert np.nanmax(thin.high) == 9.0
    assert np.nanmin(thin.low) == 0.5
    assert np.isnan(thin.mean[30:40]).all()
    assert np.isfinite(np.delete(thin.mean, slice(30, 40))).all()
    np.testing.assert_allclose(thin.mean[:10], 2.0)


def test_limits_hold_the_values() -> None:
    low, high = limits([1e-3, 5.0], log=True)
    assert 0 < low < 1e-3 < 5.0 < high
    assert limits([-1.0, 0.0], log=True) == (0.1, 10.0)
    low, high = limits([2.0, 2.0], log=False)
    assert low < 2.0 < high


def test_colours_never_repeat() -> None:
    names = [str(number) for number in range(40)]
    assert len(set(colours_for(names).values())) == 40
    assert len(set(colours_for(names[:8]).values())) == 8


def test_a_long_label_keeps_both_ends() -> None:
    text = shortened("a-very-long-name-of-a-session/that-goes-on-and-on/results_ic01", 1.5, 8)
    assert len(text) < 30
    assert text.startswith("a-very")
    assert text.endswith("ic01")
