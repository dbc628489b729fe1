"""Several meters that give the same quantity: told apart wherever points are compared, drawn or summed up.

A meter in the board's supply and one in the rail of its SoC both give an energy per inference, of different things.
They have rows of their own in every table; whoever makes one picture or statement of a table makes one for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

WHOLE = "board"
"""The scope that comes first."""
_COUNTS_NOT = frozenset({"not_supported", "zero_count", "pmu_dead"})


@dataclass(frozen=True, slots=True)
class Part:
    """What one of several sources gave; empty where there is one source only, and the part is all."""

    source: str = ""
    scope: str = ""
    others: frozenset[str] = frozenset()
    first: bool = True

    @property
    def suffix(self) -> str:
        """What sets the names of its files apart; the first source's keep their own."""
        return "" if self.first else f".{self.source}"

    @property
    def name(self) -> str:
        """``soc_meter (soc)``; empty for all there is. Of a scope with particulars its first part is enough here."""
        scope = self.scope.partition(",")[0]
        return f"{self.source} ({scope})" if scope and scope != self.source else self.source

    def titled(self, title: str) -> str:
        """The title with the source behind it, where it needs one."""
        return f"{title} – {self.name}" if self.source else title

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame without what the other sources gave; what only one source gives stays."""
        if not self.others or frame.empty or "source" not in frame.columns:
            return frame
        return frame[~frame["source"].isin(self.others)]


def parts_of(summary: pd.DataFrame, quantities: Iterable[str]) -> list[Part]:
    """A part for each source where some of the quantities have several of one origin, else one part that is all.

    A source that does not count one of the quantities at all has no part: it has nothing to be compared or drawn.

    Several sources of different origin (counters that were measured here and emulated there) are told apart by that
    already. The part of the whole board comes first, then the order of the table.
    """
    if summary.empty:
        return [Part()]
    chosen = summary.loc[summary["quantity"].isin(set(quantities))]
    kinds = chosen[["quantity", "origin", "source", "scope"]]
    unable = _unable(chosen)
    rows = kinds.drop_duplicates().to_dict("records")
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        sources = found.setdefault((_text(row, "quantity"), _text(row, "origin")), {})
        sources.setdefault(_text(row, "source"), _text(row, "scope"))
    several = {source: scope for sources in found.values() if len(sources) > 1 for source, scope in sources.items()}
    if not several:
        return [Part()]
    unable |= _lacking(chosen, frozenset(several))
    able = [source for source in several if source not in unable] or list(several)
    ordered = sorted(able, key=lambda source: several[source] != WHOLE)
    return [
        Part(source, several[source], frozenset(several) - {source}, first=place == 0)
        for place, source in enumerate(ordered)
    ]


def each_part(summary: pd.DataFrame, quantities: Iterable[str]) -> Iterator[tuple[str, Part]]:
    """Each quantity by itself, once for each of its parts."""
    for quantity in quantities:
        for part in parts_of(summary, [quantity]):
            yield quantity, part


def _unable(rows: pd.DataFrame) -> set[str]:
    """The sources that have one of the quantities at no point, because they have no counter for it or one that does not
    count."""
    lacking = rows["reasons"].map(lambda cell: isinstance(cell, str) and not _COUNTS_NOT.isdisjoint(cell.split(";")))
    by_quantity = lacking.groupby([rows["quantity"], rows["source"]]).all()
    return {str(key[1]) for key, lacks in zip(by_quantity.index.to_list(), by_quantity.to_list(), strict=True) if lacks}


def _lacking(rows: pd.DataFrame, several: frozenset[str]) -> set[str]:
    """Those of ``several`` sources that were not asked for a quantity which only others of them give."""
    of = rows["source"].map(lambda cell: cell if isinstance(cell, str) else "")
    given = [set(sources) for _, sources in of.groupby(rows["quantity"])]
    return {source for source in several if any(source not in names and names <= several for names in given)}


def _text(row: Mapping[Any, Any], key: str) -> str:
    cell = row.get(key)
    return cell if isinstance(cell, str) else ""
