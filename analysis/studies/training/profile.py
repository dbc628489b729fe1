"""Where a program's time goes, by function: what ``perf report`` and callgrind left in a pass's output files."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.data import scalar_text
from analysis.studies.training.trainings import OUT

if TYPE_CHECKING:
    import pandas as pd

    from lab.record.reader import Record

PERF, CALLGRIND = "perf", "callgrind"
_PERF_ROW = re.compile(r"^\s*(\d+(?:\.\d+)?)%\s*;\s*(\d+)\s*;\s*(.*?)\s*;\s*\[(.)\]\s*(.*?)\s*$")
_LEAST_SHARE = 0.01
OTHER, OTHER_OF_OBJECT = "all others", "other functions"


@dataclass(frozen=True)
class Profile:
    """One program's profile. ``shares`` are (object, function) → share of all samples or instructions, the largest
    first; ``total`` how many there were; ``tool`` what took them."""

    implementation: str
    shape: str
    tool: str
    total: int
    shares: dict[tuple[str, str], float]

    def main(self, least: float = _LEAST_SHARE) -> list[tuple[str, str, float]]:
        """(object, function, share) of what has at least that share; then what is left of each object that has it
        together, and all others."""
        shown = [(item, function, share) for (item, function), share in self.shares.items() if share >= least]
        rest: dict[str, float] = {}
        for (item, _), share in self.shares.items():
            if share < least:
                rest[item] = rest.get(item, 0.0) + share
        shown += [(item, OTHER_OF_OBJECT, share) for item, share in rest.items() if share >= least]
        shown.sort(key=lambda part: -part[2])
        left = 1.0 - sum(share for _, _, share in shown)
        return [*shown, ("", OTHER, left)] if left > 5e-4 else shown


def profiles_of(record: Record) -> list[Profile]:
    """The profiles that passes of a record left; what cannot be read is left out."""
    found = []
    for data in record.passes().values():
        if data.end.state != "done" or data.end.output is None:
            continue
        folder = record.path(data.end.output) / OUT
        values = data.trial.get("values") or {}
        name, shape = (scalar_text(values.get(factor, "")) for factor in ("implementation", "hidden"))
        for file, tool, parse in (
            ("perf.txt", PERF, perf_counts),
            ("callgrind.out", CALLGRIND, callgrind_counts),
        ):
            path = folder / file
            if path.is_file():
                counts = parse(path.read_text(encoding="utf-8", errors="replace"))
                total = sum(counts.values())
                if total:
                    shares = {key: count / total for key, count in counts.most_common()}
                    found.append(Profile(name or "C", shape, tool, total, shares))
    return found


def perf_counts(text: str) -> Counter[tuple[str, str]]:
    """(object, function) → samples, from ``perf report --stdio -F overhead,sample,dso,sym -t ';'``. What is no row is
    passed over; kernel functions are one."""
    counts: Counter[tuple[str, str]] = Counter()
    for line in text.splitlines():
        match = _PERF_ROW.match(line)
        if match:
            _, samples, item, space, symbol = match.groups()
            inside = space == "k"
            function = "kernel" if inside else "unnamed functions" if symbol.startswith("0x") else plain_name(symbol)
            counts["kernel" if inside else item, function] += int(samples)
    return counts


def plain_name(symbol: str) -> str:
    """A C++ name without template arguments, which can be longer than a page; a C name as it is."""
    parts, depth = [], 0
    for character in symbol.replace("(anonymous namespace)::", "").partition("{lambda")[0]:
        depth += character == "<"
        parts.append("" if depth else character)
        depth -= character == ">" and depth > 0
    return "".join(parts).strip(": ") or symbol[:80]


_CALL_LINES = re.compile(r"^calls=")
_COST = re.compile(r"^(?:\+|-|\*|0x[0-9a-f]+|\d+)[^ ]* +(\d+)")
_NAME = re.compile(r"^(ob|fn)=(?:\((\d+)\))?\s*(.*)$")


def callgrind_counts(text: str) -> Counter[tuple[str, str]]:
    """(object, function) → instructions of its own, from callgrind's output file (names may be compressed).

    The line after ``calls=`` is what the called function took, and no cost of the caller's own.
    """
    counts: Counter[tuple[str, str]] = Counter()
    names: dict[tuple[str, str], str] = {}
    at = {"ob": "", "fn": ""}
    inclusive = False
    for line in text.splitlines():
        name = _NAME.match(line)
        if name:
            kind, number, given = name.groups()
            if number and given:
                names[kind, number] = given
            at[kind] = names.get((kind, number), "") if number and not given else given
        elif line.startswith("cob=") or line.startswith("cfn="):
            called = _NAME.match(line[1:])
            if called and called[2] and called[3]:
                names[called[1], called[2]] = called[3]
        elif _CALL_LINES.match(line):
            inclusive = True
        else:
            cost = _COST.match(line)
            if cost and at["fn"]:
                if not inclusive:
                    counts[at["ob"].rpartition("/")[2], plain_name(at["fn"])] += int(cost[1])
                inclusive = False
    return counts


def profile_frame(profiles: list[Profile]) -> pd.DataFrame:
    """A row for each program and function with one percent at least."""
    import pandas as pd

    return pd.DataFrame(
        {
            "implementation": profile.implementation,
            "hidden layers": profile.shape,
            "object": item,
            "function": function,
            "share (%)": 100.0 * share,
            "by": profile.tool,
        }
        for profile in profiles
        for item, function, share in profile.main()
    )
