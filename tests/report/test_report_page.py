"""report.html: complete in itself, well-formed, escaped, honest about what is missing, the same bytes every time."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import synthetic

from analysis.figures.data import matrix_of
from lab.errors import DataError
from lab.report.build import ORIGIN_MEANINGS, write_report
from lab.report.findings import findings_of
from lab.report.format import ratio
from lab.report.rows import MAIN, pivot_table, wide_table, window_table
from lab.report.tables import aligned, budget_text, results_text
from lab.report.verdicts import verdicts_of

VOID = {"meta", "br", "input", "link", "img", "hr"}


class Reader(HTMLParser):
    """Checks that every element is closed in order, and gathers what a test asks for."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "href", "xlink:href", "srcset", "data"} and not (value or "").startswith("#"):
                self.loads.append(f"{tag} {name}={value}")
            assert not name.startswith("on"), f"{tag} has a handler {name}"
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        """What a person reads."""
        return " ".join(" ".join(self.words).split())


def read(page: str) -> Reader:
    """Parse a page to its end."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open, f"never closed: {reader.open}"
    return reader


def rendered(root: Path, content: dict, tables: synthetic.Tables) -> str:
    """The page of a fresh record."""
    synthetic.write_record(root, content)
    return write_report(root, tables).read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_its_links_lead_somewhere(built) -> None:
    reader = read(built.page)
    assert len(reader.ids) == len(set(reader.ids)), "an id stands twice"
    for link in reader.links:
        assert link.startswith("#")
        assert link[1:] in reader.ids


def test_the_page_loads_nothing(built) -> None:
    assert read(built.page).loads == []
    assert not re.search(r"@import|url\((?!#)", built.page)
    assert "http://" not in built.page
    assert "https://" not in built.page


def test_references_inside_figures_stay_inside_their_figure(built) -> None:
    reader = read(built.page)
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', built.page)
    for one, other in used:
        assert (one or other) in reader.ids


def test_the_origin_cannot_be_missed(built) -> None:
    reader = read(built.page)
    assert reader.text.index("SIMULATED") < reader.text.index("A synthetic campaign", 40)
    assert ORIGIN_MEANINGS["simulated"] in reader.text
    assert ORIGIN_MEANINGS["emulated"] in reader.text
    assert "MEASURED" not in reader.text
    assert re.search(r"<title>A synthetic campaign · EMULATED \+ SIMULATED</title>", built.page)


def test_verdicts_come_before_results_with_reasons_advice_and_trials(built) -> None:
    text = read(built.page).text
    assert text.index("How far to trust it") < text.index("What the data say") < text.index("One line per point")
    assert "no window was found in the trace" in text
    assert "check the wire between the board's pin and the logic input" in text
    assert "t0000, t0001" in text


def test_every_part_is_there(built) -> None:
    ids = read(built.page).ids
    for part in ("verdicts", "findings", "figures", "results", "counters", "networks", "uncertainty", "correlations"):
        assert part in ids
    text = read(built.page).text
    for fact in (
        "lab process 20220613T101112Z-abc123",
        "--set repeats=2",
        "datasheet",
        "i.MX 8M Plus",
        "2022-06-13 10:11:12 UTC",
    ):
        assert fact in text


def test_what_a_record_says_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    content = synthetic.manifest(networks=(evil, "VGG16"), title=f"{evil} & <b>co</b>")
    content["board"]["fingerprint"] = {"model": evil}
    content["bench"]["text"] = "</pre><script>alert(2)</script>"
    content["overrides"] = [evil]
    tables = synthetic.tables(networks=(evil, "VGG16"))
    page = rendered(tmp_path / "r", content, tables)
    reader = read(page)
    assert reader.scripts == 1
    assert page.count("<script") == 1
    assert f"{evil} none 32" in reader.text
    assert "</pre><script>alert(2)</script>" in reader.text


def test_the_same_bytes_again(built, tmp_path: Path) -> None:
    """The page and every figure, elsewhere on disk and drawn a second time in this process."""
    root = tmp_path / "another" / "place"
    content = synthetic.manifest()
    synthetic.write_record(root, content)
    synthetic.add_energy_pass(root, content)
    path = write_report(root, synthetic.tables())
    assert path == root / "report.html"
    assert path.read_text(encoding="utf-8") == built.page
    assert path.stat().st_size < 5_000_000
    first, second = (
        {file.name: file.read_bytes() for file in (folder / "figures").iterdir()} for folder in (built.root, root)
    )
    assert len(first) == 14
    assert first.keys() == second.keys()
    for name in first:
        assert first[name] == second[name], name


def test_rebuilding_in_place_changes_nothing(tmp_path: Path) -> None:
    tables = synthetic.tables(networks=("VGG16",))
    page = rendered(tmp_path / "r", synthetic.manifest(networks=("VGG16",)), tables)
    assert write_report(tmp_path / "r", tables).read_text(encoding="utf-8") == page


def test_invalid_values_are_dashes_with_their_reason(built) -> None:
    tables, matrix = synthetic.tables(), matrix_of(synthetic.manifest())
    table = wide_table(tables.summary, matrix, MAIN)
    at = [column.quantity for column in table.columns].index("energy_net_j")
    cells = [line.cells[at] for line in table.lines]
    invalid = [cell for cell in cells if cell.verdict == "invalid"]
    assert len(invalid) == 2
    for cell in invalid:
        assert cell.shown.text == "—"
        assert cell.sort is None
        assert cell.reasons
    assert sum(cell.verdict == "degraded" for cell in cells) == 1
    assert 'title="invalid: samples lie at the end of the instrument&#39;s range"' in built.page


def test_origins_never_share_a_column() -> None:
    table = wide_table(synthetic.tables().summary, matrix_of(synthetic.manifest()), ["L1-dcache-loads"])
    assert [column.origin for column in table.columns] == ["emulated", "simulated"]
    for line in table.lines:
        assert [cell.verdict for cell in line.cells].count("absent") == 1


def test_sources_of_one_origin_stand_apart() -> None:
    """The same quantity of the same point from two instruments is two columns, not one overwritten."""
    tables = synthetic.tables(networks=("VGG16",))
    rows = tables.summary[tables.summary["quantity"] == "instructions"]
    twice = pd.concat([rows, rows.assign(source="other", value=rows["value"] * 2)])
    table = wide_table(twice, matrix_of(synthetic.manifest(networks=("VGG16",))), ["instructions"])
    assert [column.detail for column in table.columns] == ["other · process", "program · process"]
    assert all(line.cells[0].sort == 2 * (line.cells[1].sort or 0) for line in table.lines)


def test_cache_fit_is_written_once_per_network() -> None:
    tables, matrix = synthetic.tables(), matrix_of(synthetic.manifest())
    table = wide_table(tables.summary, matrix, ["layer_fit_l1_pct"], per_label=True)
    assert len(table.lines) == 16
    assert not table.has_hue


def test_a_table_that_the_experiment_asks_for() -> None:
    content = synthetic.manifest()
    table = pivot_table(synthetic.tables().summary, matrix_of(content), {"quantity": "latency_s", "by": "platform"})
    assert [column.title for column in table.columns] == list(synthetic.PLATFORMS)
    assert len(table.lines) == 16
    assert all(cell.verdict == "valid" for line in table.lines for cell in line.cells)


def test_counts_of_the_verdicts() -> None:
    verdicts = verdicts_of(synthetic.tables().results)
    assert verdicts.counts == {"valid": 942, "degraded": 6, "invalid": 12}
    assert (verdicts.trials, verdicts.untouched_trials) == (96, 90)
    assert [line.code for line in verdicts.reasons] == ["no_window", "saturated", "idle_drift", "samples_dropped"]
    assert sum(verdicts.share(name) for name in verdicts.counts) == pytest.approx(100)


def test_an_unknown_reason_is_shown_by_its_code() -> None:
    frame = synthetic.tables(networks=("VGG16",)).results.head(1).assign(verdict="invalid", reasons="from_the_future")
    line = verdicts_of(frame).reasons[0]
    assert (line.code, line.verdict) == ("from_the_future", "invalid")


def test_findings_are_computed_from_usable_values() -> None:
    tables, matrix = synthetic.tables(), matrix_of(synthetic.manifest())
    findings = {finding.title: finding for finding in findings_of(tables, matrix)}
    lowest = findings["Lowest energy per inference, idle included"]
    usable = tables.summary.query("quantity == 'energy_gross_j' and verdict != 'invalid' and network == 'VGG16'")
    best = usable.loc[usable["value"].idxmin()]
    fact = next(fact for fact in lowest.facts if fact.name == "VGG16")
    assert fact.remark == f"{best['label']} on {best['platform']}"
    gains = findings["Speed-up from compression"]
    assert [fact.name for fact in gains.facts] == [f"{platform} · PQ" for platform in synthetic.PLATFORMS]
    assert gains.facts[0].value == ratio(2.0)
    assert gains.facts[0].remark == f"mean {ratio(2.5)}, at most {ratio(4.0)} (VGG16 PQ 32)"


def test_values_of_different_origin_are_not_compared() -> None:
    tables = synthetic.tables()
    summary = tables.summary.copy()
    summary.loc[summary["platform"] == "NPU", "origin"] = "measured"
    titles = [
        finding.title
        for finding in findings_of(dataclasses.replace(tables, summary=summary), matrix_of(synthetic.manifest()))
    ]
    assert not any(title.startswith("Lowest") for title in titles)


def test_energy_that_cannot_be_had_is_said_with_its_reason(tmp_path: Path) -> None:
    tables = synthetic.tables(networks=("VGG16",))
    frames = []
    for frame in (tables.results, tables.summary):
        lost = frame["quantity"].str.startswith(("energy", "edp", "power"))
        changed = frame.copy()
        changed.loc[lost, ["value", "U", "u"]] = None
        changed.loc[lost, ["verdict", "reasons"]] = ["invalid", "no_power_meter"]
        frames.append(changed)
    without = synthetic.Tables(*frames, *[pd.DataFrame()] * 3)
    text = read(rendered(tmp_path / "r", synthetic.manifest(networks=("VGG16",)), without)).text
    assert "no instrument on this bench measures power" in text
    assert "Left out: “Energy”" in text
    assert 'id="uncertainty"' not in text


def test_a_record_without_values_has_a_page_that_says_so(tmp_path: Path) -> None:
    empty = synthetic.Tables(*[pd.DataFrame()] * 5)
    text = read(rendered(tmp_path / "r", synthetic.manifest(), empty)).text
    assert "This record holds no values yet" in text
    assert "SIMULATED" in text


def test_a_partial_record_says_what_is_missing_and_how_to_go_on(tmp_path: Path) -> None:
    content = synthetic.manifest(networks=("VGG16",)) | {"state": "partial"}
    content["plan"]["trials"][0]["passes"] = [{"pass_id": "t0000.energy", "kind": "energy"}]
    text = read(rendered(tmp_path / "r", content, synthetic.tables(networks=("VGG16",)))).text
    assert "1 planned pass was not completed (t0000.energy)" in text
    assert "lab resume 20220613T101112Z-abc123" in text


def test_recorded_windows_have_a_line_each() -> None:
    """Two windows of a replayed session: one within its bound, one not."""
    frame = pd.DataFrame(
        [
            {
                "trial_id": "t0000",
                "point_id": "p0",
                "label": "session",
                "window": window,
                "quantity": quantity,
                "value": value,
                "unit": "J",
                "U": None,
                "verdict": "valid",
                "reasons": "",
                "origin": "replayed",
                "source": "JS110",
                "scope": "board",
            }
            for window, computed in ((10, 0.110), (2, 0.100))
            for quantity, value in {
                "energy_gross_j": computed,
                "energy_published_j": 0.1001,
                "energy_edge_bound_j": 0.0005,
            }.items()
        ]
    )
    tables = synthetic.Tables(frame, *[pd.DataFrame()] * 4)
    table = window_table(frame, matrix_of({}))
    assert [line.label for line in table.lines] == ["session, window 2", "session, window 10"]
    finding = findings_of(tables, matrix_of({}))[0]
    assert finding.facts[0].value == "1 of 2 windows"


def test_a_column_without_a_value_is_left_out_of_the_tables() -> None:
    tables = synthetic.tables(networks=("VGG16",))
    summary = tables.summary.copy()
    summary.loc[summary["quantity"] == "energy_net_j", ["value", "verdict", "reasons"]] = [None, "invalid", "saturated"]
    table = wide_table(summary, matrix_of(synthetic.manifest(networks=("VGG16",))), MAIN)
    assert "energy_gross_j" in [column.quantity for column in table.columns]
    assert "energy_net_j" not in [column.quantity for column in table.columns]


def test_a_budget_of_a_single_term_is_not_shown(tmp_path: Path) -> None:
    tables = synthetic.tables(networks=("VGG16",))
    alone = tables.budget[tables.budget["term"] == "repeats"]
    page = rendered(tmp_path / "r", synthetic.manifest(networks=("VGG16",)), dataclasses.replace(tables, budget=alone))
    assert "No quantity here has a budget of more than one term" in read(page).text


def test_a_folder_that_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a record"):
        write_report(tmp_path, synthetic.tables(networks=("VGG16",)))


def test_the_terminal_says_the_same_as_the_page(built) -> None:
    content, tables = synthetic.manifest(), synthetic.tables()
    text = results_text(content, tables)
    assert "■ EMULATED + ◆ SIMULATED" in text
    assert "960 values of 96 trials: 942 valid, 6 degraded, 12 invalid" in text
    table = wide_table(tables.summary, matrix_of(content), MAIN)
    page = read(built.page).text
    for line in table.lines[:5]:
        for cell in line.cells:
            assert cell.text in text
            if cell.shown.uncertainty:
                assert f"{cell.shown.value} ± {cell.shown.uncertainty} {cell.shown.unit}" in page
    assert "idle noise" in budget_text(content, tables)


def test_columns_line_up() -> None:
    assert aligned([("a", "1"), ("bcd", "22")], right=(1,)) == ["a     1", "bcd  22"]
    assert aligned([]) == []
