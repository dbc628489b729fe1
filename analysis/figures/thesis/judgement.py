"""Whether a claim of the thesis holds in a record: one word, and the findings that it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a claim fares."""

    HOLDS = "holds"
    PARTLY = "holds in part"
    FAILS = "fails"
    UNDECIDED = "cannot be decided"
    NO_CLAIM = "nothing claimed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tested, in a sentence without a full stop, with its numbers and the test used."""

    text: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Judgement:
    """The claim as a whole."""

    outcome: Outcome
    findings: tuple[Finding, ...]


def judged(findings: Iterable[Finding]) -> Judgement:
    """The findings taken together: a claim holds if all its parts do, fails if some fail and none holds, cannot be
    decided if none can be, and holds in part otherwise."""
    parts = tuple(findings)
    outcomes = {finding.outcome for finding in parts}
    if len(outcomes) == 1:
        return Judgement(outcomes.pop(), parts)
    if outcomes == {Outcome.FAILS, Outcome.UNDECIDED}:
        return Judgement(Outcome.FAILS, parts)
    return Judgement(Outcome.PARTLY, parts)


def undecided(text: str) -> Judgement:
    """A claim that this record cannot test."""
    return judged([Finding(text, Outcome.UNDECIDED)])


def finding(text: str, holds: bool | None) -> Finding:
    """A finding that holds, fails, or (``None``) cannot be decided."""
    return Finding(text, Outcome.UNDECIDED if holds is None else Outcome.HOLDS if holds else Outcome.FAILS)


def counted(good: int, total: int, text: str) -> Finding:
    """A finding about each of several cases: it holds in all of them, in some, or in none."""
    if total == 0:
        return Finding(f"{text}: no case in this record", Outcome.UNDECIDED)
    outcome = Outcome.HOLDS if good == total else Outcome.PARTLY if good else Outcome.FAILS
    return Finding(f"{text}: {good} of {total}", outcome)


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a sentence, the end of a long list counted only."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
