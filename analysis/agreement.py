"""Two instruments that count the same event of the same program: how far apart their counts lie.

Like is compared with like only: counts of user space, by whatever name each instrument was asked for them
(``instructions:u`` of perf, ``instructions`` of an emulator's plugin, which sees no kernel). The difference is a row of
its own, in percent of the one whose instrument is nearest to a measurement; more than :data:`LIMIT_PCT` is doubtful.
Neither count suffers from it: which of the two is wrong, a difference does not say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations

from analysis.measured import Measured, measured, missing
from lab.record.quantity import Origin, Verdict
from lab.record.timed import PROCESS_SUFFIX

SUFFIX = "_difference_pct"
LIMIT_PCT = 0.1
"""Retired instructions of a deterministic program repeat to some thousandths of a percent (V. Weaver, S. McKee, IISWC
2008); the limit leaves room for start-up that depends on the environment's size and the layout of the address space."""

_USER_SPACE = (":user", "user space only")
"""What an instrument's scope says where it saw no kernel."""


def differences(items: Iterable[Measured], instruments: Mapping[str, Origin]) -> list[Measured]:
    """A row for each event and pair of instruments among the counts of one trial.

    ``instruments`` are those of the bench that may have counted, with the origin that each states of itself. A count
    without a value gives a row without one, with its reasons.
    """
    counts: dict[str, dict[str, Measured]] = defaultdict(dict)
    for item in items:
        if item.quantity.source in instruments and _is_of_user_space(item):
            counts[item.quantity.name.partition(":")[0]].setdefault(item.quantity.source, item)
    return [
        _difference(event, *sorted(pair, key=lambda item: instruments[item.quantity.source].rank))
        for event, by_source in counts.items()
        for pair in combinations(by_source.values(), 2)
    ]


def _is_of_user_space(item: Measured) -> bool:
    name, scope = item.quantity.name, item.quantity.scope
    return not name.endswith(PROCESS_SUFFIX) and (name.endswith(":u") or any(part in scope for part in _USER_SPACE))


def _difference(event: str, first: Measured, second: Measured) -> Measured:
    one, other = first.quantity, second.quantity
    name, origin = event + SUFFIX, Origin.furthest([one.origin, other.origin])
    source = f"{other.source} against {one.source}"
    reasons = tuple(dict.fromkeys((*one.reasons, *other.reasons)))
    usable = one.value and other.value is not None and Verdict.INVALID not in (one.verdict, other.verdict)
    if not usable or one.value is None or other.value is None:
        why = reasons or ("not_counted",)
        return missing(name, "%", pass_id=second.pass_id, origin=origin, reasons=why, source=source, scope="user space")
    difference_pct = 100.0 * (other.value - one.value) / one.value
    if abs(difference_pct) > LIMIT_PCT:
        reasons += ("counts_differ",)
    return measured(
        name,
        difference_pct,
        "%",
        pass_id=second.pass_id,
        origin=origin,
        reasons=reasons,
        source=source,
        scope="user space",
    )
