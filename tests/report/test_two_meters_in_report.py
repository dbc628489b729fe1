"""Two meters that give the same quantity: each has figures, columns, budgets and findings of its own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import synthetic

from analysis.correlations import correlations_frame
from analysis.figures.build import write_figures
from analysis.figures.data import matrix_of
from analysis.sources import parts_of
from lab.record.reader import Record
from lab.report.build import render
from lab.report.findings import findings_of
from lab.report.rows import wide_table
from lab.report.tables import results_text
from lab.report.uncertainty import budget_tables, largest_terms

NETWORKS = ("MobileNet", "VGG16")
SHARE = 0.4
"""Of the board's energy, what the second meter sees: lower everywhere, so that it would win every contest."""


def doubled(frame: pd.DataFrame, numbers: tuple[str, ...]) -> pd.DataFrame:
    """The frame with a second meter's rows behind those of the first."""
    if "source" not in frame.columns:
        frame = frame.assign(source="meter")
    second = frame[frame["source"] == "meter"].copy()
    for name in numbers:
        second[name] = SHARE * second[name]
    return pd.concat([frame, second.assign(source="soc_meter", scope="soc")], ignore_index=True)


@pytest.fixture(scope="module")
def tables() -> synthetic.Tables:
    plain = synthetic.tables(networks=NETWORKS)
    return synthetic.Tables(
        doubled(plain.results, ("value", "u", "U")),
        doubled(plain.summary, ("value", "u", "U", "s", "U_comparison")),
        doubled(plain.budget, ("u",)),
        plain.correlations.iloc[:0],
        plain.speedups,
    )


@pytest.fixture(scope="module")
def content() -> dict:
    content = synthetic.manifest(networks=NETWORKS)
    second = content["instruments"]["meter"]
    capabilities = {**second["capabilities"], "scope": "soc"}
    content["instruments"]["soc_meter"] = {**second, "capabilities": capabilities}
    return content


def test_parts(tables: synthetic.Tables) -> None:
    first, second = parts_of(tables.summary, ["energy_gross_j"])
    assert (first.source, first.scope, first.suffix, first.name) == ("meter", "board", "", "meter (board)")
    assert (second.source, second.suffix, second.titled("E")) == ("soc_meter", ".soc_meter", "E – soc_meter (soc)")
    for part, other in ((first, second), (second, first)):
        kept = part.of(tables.summary)
        assert other.source not in set(kept["source"])
        assert (kept["source"] == "program").sum() == (tables.summary["source"] == "program").sum()
    (only,) = parts_of(tables.summary, ["latency_s"])
    assert (only.source, only.titled("t"), len(only.of(tables.summary))) == ("", "t", len(tables.summary))
    assert [part.source for part in parts_of(tables.summary, ["latency_s", "energy_net_j"])] == ["meter", "soc_meter"]
    assert parts_of(tables.summary.iloc[:0], ["energy_gross_j"]) == [only]


def test_the_board_comes_first_whatever_the_names(tables: synthetic.Tables) -> None:
    renamed = tables.summary.replace({"source": {"soc_meter": "a_meter"}})
    assert [part.source for part in parts_of(renamed, ["energy_net_j"])] == ["meter", "a_meter"]


def test_sources_of_different_origin_are_one_part(tables: synthetic.Tables) -> None:
    assert len(parts_of(tables.summary, ["L1-dcache-loads"])) == 1


def test_each_meter_has_its_own_figures(tmp_path: Path, content: dict, tables: synthetic.Tables) -> None:
    synthetic.write_record(tmp_path / "r", content)
    figures = {item.name: item for item in write_figures(tmp_path / "r", content, tables)}
    for name in ("energy", "energy_latency", "power", "uncertainty_budget"):
        for suffix, source in (("", "meter (board)"), (".soc_meter", "soc_meter (soc)")):
            figure = figures[name + suffix]
            assert figure.svg is not None, figure.missing
            assert f"– {source}" in figure.title
            assert f"– {source}" in figure.svg.read_text()
    assert "latency.soc_meter" not in figures
    assert "–" not in figures["latency"].title
    drawn = {name: figures[name].svg.read_text().count("<title>") for name in ("energy", "energy.soc_meter")}
    assert drawn["energy"] == drawn["energy.soc_meter"], "each point once in each"


def test_findings_never_compare_two_meters(content: dict, tables: synthetic.Tables) -> None:
    found = {finding.title: finding for finding in findings_of(tables, matrix_of(content))}
    alone = {finding.title: finding for finding in findings_of(synthetic.tables(networks=NETWORKS), matrix_of(content))}
    name = "Lowest energy per inference, idle included"
    assert name in alone
    assert name not in found
    assert found[f"{name} – meter (board)"].facts == alone[name].facts
    assert found[f"{name} – soc_meter (soc)"].facts != alone[name].facts


def test_budgets_are_of_one_meter_each(content: dict, tables: synthetic.Tables) -> None:
    matrix = matrix_of(content)
    both = {table.quantity: table for table in budget_tables(tables.budget, tables.summary, matrix)}
    plain = synthetic.tables(networks=NETWORKS)
    alone = {table.quantity: table for table in budget_tables(plain.budget, plain.summary, matrix)}
    for quantity, table in alone.items():
        assert both[f"{quantity} – meter (board)"].terms == table.terms
        assert len(both[f"{quantity} – soc_meter (soc)"].terms) == len(table.terms)
    names = [line.quantity for line in largest_terms(tables.summary)]
    assert len(names) == len(set(names))
    assert any("soc_meter" in name for name in names)


def test_tables_have_a_column_for_each(content: dict, tables: synthetic.Tables) -> None:
    table = wide_table(tables.summary, matrix_of(content), ["latency_s", "energy_gross_j"])
    assert [column.detail for column in table.columns] == ["program · process", "meter · board", "soc_meter · soc"]
    text = results_text(content, tables)
    assert "meter · board" in text
    assert "soc_meter · soc" in text
    assert "program · process" not in text, "a column without a twin needs no name"


def test_what_one_meter_could_not_give_is_said(tmp_path: Path, content: dict, tables: synthetic.Tables) -> None:
    synthetic.write_record(tmp_path / "r", content)
    summary = tables.summary.copy()
    gone = (summary["source"] == "soc_meter") & (summary["quantity"] == "energy_net_j")
    summary.loc[gone, ["verdict", "reasons"]] = ["invalid", "meter_unplugged"]
    summary.loc[gone, "value"] = None
    lost = synthetic.Tables(tables.results, summary, tables.budget, tables.correlations, tables.speedups)
    page = render(Record.open(tmp_path / "r", salvage=True), lost, [])
    assert "the meter went away during the pass. Energy per inference, net of idle – soc_meter (soc)." in page


def test_correlations_are_of_one_meter_each(tables: synthetic.Tables) -> None:
    asked = [{"x": "latency_s", "y": "energy_gross_j", "by": "platform", "cluster": None}]
    both = correlations_frame(tables.summary, asked, 1)
    alone = correlations_frame(synthetic.tables(networks=NETWORKS).summary, asked, 1)
    assert set(alone["source"]) == {""}
    assert len(both) == 2 * len(alone)
    for source in ("meter (board)", "soc_meter (soc)"):
        rows = both[both["source"] == source].reset_index(drop=True)
        pd.testing.assert_series_equal(rows["pearson"], alone["pearson"])
        pd.testing.assert_series_equal(rows["n"], alone["n"])
