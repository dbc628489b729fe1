"""What the page and the terminal show of a record's tables: all but what is withheld of an emulated board.

The tables in the record's folder keep a row for each withheld value, without a number and with its reason; shown to
people, they would be columns of crosses. One sentence stands for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.figures.data import ResultTables
from analysis.figures.names import quantity_title, sentence_case
from analysis.withholding import refused_correlations, sentence, stated_rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Stated:
    """The tables to be shown. ``note`` says what is not in them, ``refused`` which correlations were asked in vain."""

    results: pd.DataFrame
    summary: pd.DataFrame
    budget: pd.DataFrame
    correlations: pd.DataFrame
    speedups: pd.DataFrame
    fits: pd.DataFrame
    note: str
    refused: tuple[str, ...]


def stated(manifest: Mapping[str, Any], tables: ResultTables) -> Stated:
    """The tables of a record without what is withheld."""
    refused = refused_correlations(manifest, tables.summary)
    why = sentence(manifest)
    return Stated(
        results=stated_rows(tables.results),
        summary=stated_rows(tables.summary),
        budget=tables.budget,
        correlations=tables.correlations,
        speedups=tables.speedups,
        fits=tables.fits,
        note=why,
        refused=tuple(f"{sentence_case(quantity_title(x))} against {quantity_title(y)}: {why}" for x, y in refused),
    )
