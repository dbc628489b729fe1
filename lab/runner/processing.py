"""From a record to its results, figures and report: what ``lab run`` does at its end and ``lab process`` again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.record.reader import Record

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ProcessOutcome:
    """What was written, and how far the results can be trusted. ``verdicts`` counts the rows of the summary."""

    root: Path
    written: tuple[Path, ...]
    verdicts: dict[str, int]
    missing: tuple[str, ...]
    origin: str

    def to_json(self) -> dict[str, Any]:
        """For scripts; paths as text."""
        return {
            "record": str(self.root),
            "origin": self.origin,
            "verdicts": self.verdicts,
            "missing_passes": list(self.missing),
            "written": [str(path) for path in self.written],
        }

    def describe(self) -> str:
        """For people: verdicts first, then where to look."""
        counts = ", ".join(f"{count} {name}" for name, count in self.verdicts.items() if count)
        rows = [("origin", self.origin), ("verdicts", counts or "no results")]
        if self.missing:
            passes = "1 pass" if len(self.missing) == 1 else f"{len(self.missing)} passes"
            rows.append(("missing", f"{passes}: `lab resume {_shown(self.root)}` tries again"))
        rows += [(_purpose(path), _shown(path)) for path in self.written if path.suffix in {".html", ".csv"}]
        return "\n".join(described(name, text) for name, text in rows)


def process_record(record: Record, *, report: bool) -> ProcessOutcome:
    """Compute the results of a record and write them, with figures and report unless ``report`` is false."""
    from analysis.process import process, write
    from analysis.single_inferences import write_inferences
    from analysis.withholding import stated_rows
    from lab.report.study import write_study_tables

    results = process(record)
    written = list(write(results, record.root))
    written += write_inferences(record)
    written += _offload_tables(record, results.summary)
    written += write_study_tables(record, results)
    if report:
        from lab.report.build import write_report

        written.append(write_report(record.root, results))
    # What is withheld of an emulated board was never to be had, and is no finding about this campaign.
    counts = stated_rows(results.summary)["verdict"].value_counts()
    return ProcessOutcome(
        root=record.root,
        written=tuple(written),
        verdicts={name: int(counts.get(name, 0)) for name in ("valid", "degraded", "invalid")},
        missing=tuple(record.missing_passes()),
        origin=str(record.manifest["origin"]),
    )


def _offload_tables(record: Record, summary: pd.DataFrame) -> tuple[Path, ...]:
    """The tables of the offload scenario that the experiment names; none where it names none."""
    from analysis.offload.scenario import recorded_scenario
    from analysis.offload.tables import offload_of
    from analysis.offload.write import write_tables

    scenario = recorded_scenario(record.manifest)
    found = None if scenario is None else offload_of(record.manifest, summary, scenario)
    return () if found is None else write_tables(found, record.root / "offload" / found.scenario.name)


def described(name: str, text: object) -> str:
    """One line of what came of a campaign."""
    return f"{name:<12}  {text}"


def _shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _purpose(path: Path) -> str:
    return "report" if path.suffix == ".html" else path.stem
