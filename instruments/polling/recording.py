"""One pass of a polled meter: its trace, and what is to be said about it."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from instruments.polling.cross_check import CrossCheck
from instruments.polling.pace import NS
from instruments.polling.poller import Poller
from instruments.polling.source import Asked
from instruments.polling.update_period import UpdatePeriod
from instruments.protocol import Observation, PassContext
from lab.record.documents import Fault, Reading, TraceClock, TraceRef
from lab.record.traces import readings


class Recording:
    """Where a pass's readings go: a file of format ``readings``, and the sums that check it."""

    def __init__(
        self,
        context: PassContext,
        instrument: str,
        scope: str,
        asked: Mapping[str, Asked],
        periods: Mapping[str, UpdatePeriod],
        *,
        zero_ns: int,
        period_s: float,
    ) -> None:
        self._context = context
        self._instrument = instrument
        self._scope = scope
        self._asked = asked
        self._periods = periods
        self._zero_ns = zero_ns
        self._path = context.trace.with_name(context.trace.name + readings.SUFFIX)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        channels = {name: item.channel for name, item in asked.items()}
        self._writer = readings.ReadingsWriter(self._path, zero_ns, channels)
        self._lock = threading.Lock()
        self._length: int | None = None
        self._closed = False
        counter = next((name for name, item in channels.items() if item.measures == "energy"), None)
        power = next((name for name, item in channels.items() if item.cross_check and item.measures == "power"), None)
        self._check = CrossCheck(counter, power, asked, period_s) if counter and power else None

    def take(self, channel: str, begin_ns: int, end_ns: int, value: float, changed: bool) -> None:
        """Write a reading. What comes from a thread that was left behind is dropped."""
        with self._lock:
            if self._closed:
                return
            self._writer.write(channel, begin_ns, end_ns, value)
            self._length = end_ns - self._zero_ns
            if self._check is not None:
                self._check.take(channel, begin_ns, end_ns, value, changed)

    def finish(self, poller: Poller) -> Observation:
        """Close the file and say what was seen."""
        faults = dict(poller.faults)
        try:
            self._close()
        except OSError as error:
            faults.setdefault("pass_failed", f"{self._path.name}: {error.strerror or error}")
        for watch in poller.watches.values():
            if watch.asked.channel.cross_check:
                continue
            for code, detail in (("meter_stale", watch.stale()), ("readings_sparse", watch.sparse())):
                if detail:
                    faults.setdefault(code, detail)
        agreement = self._check.result() if self._check is not None else None
        if agreement is not None and not agreement.agrees:
            faults.setdefault("statistics_disagree", agreement.text())
        if self._length is None and not faults:
            faults["meter_timeout"] = "nothing was read"
        return Observation(
            traces=self._traces(),
            readings=(*self._said_of_channels(poller), *self._said_of_check()),
            faults=tuple(self._fault(code, detail) for code, detail in faults.items()),
            clocks=self._clocks(),
        )

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            self._writer.close()
            if self._length is None:
                self._path.unlink(missing_ok=True)

    def _traces(self) -> tuple[TraceRef, ...]:
        if self._length is None:
            return ()
        return (
            TraceRef(
                instrument=self._instrument,
                path=self._path.relative_to(self._context.record_root).as_posix(),
                format=readings.FORMAT,
                rate_hz=readings.RATE_HZ,
                samples=self._length,
            ),
        )

    def _clocks(self) -> tuple[TraceClock, ...]:
        if not self._length:
            return ()
        return (
            TraceClock(
                pass_id=self._context.pass_id,
                attempt=self._context.attempt,
                instrument=self._instrument,
                anchors=((0.0, self._zero_ns), (float(self._length), self._zero_ns + self._length)),
                bound_s=0.0,
                method="same_clock",
            ),
        )

    def _said_of_channels(self, poller: Poller) -> list[Reading]:
        said: list[Reading] = []
        for name, watch in poller.watches.items():
            if watch.asked.channel.cross_check:
                continue
            found: dict[str, object] = {"channel": name}
            period, stated_s = self._periods.get(name), watch.asked.channel.update_period_s
            if period is not None:
                spread: dict[str, object] = {
                    "shortest_s": period.shortest_s,
                    "longest_s": period.longest_s,
                    "intervals": period.intervals,
                }
                said.append(self._reading("update_period_s", period.mean_s, "s", found | {"how": "measured"} | spread))
            elif stated_s is not None:
                said.append(self._reading("update_period_s", stated_s, "s", found | {"how": "stated by the meter"}))
            if watch.reads:
                longest: dict[str, object] = {"longest_s": watch.longest_read_ns / NS}
                said.append(
                    self._reading("read_duration_s", watch.total_read_ns / watch.reads / NS, "s", found | longest)
                )
            counts: dict[str, object] = {
                "failed": watch.failed,
                "missed_rounds": poller.missed_rounds,
                "longest_gap_s": watch.longest_gap_ns / NS,
            }
            said.append(self._reading("reads", float(watch.reads), "1", found | counts))
        return said

    def _said_of_check(self) -> list[Reading]:
        agreement = self._check.result() if self._check is not None else None
        if agreement is None:
            return []
        details = {
            "counter_j": agreement.counter_j,
            "duration_s": agreement.duration_s,
            "bound_j": agreement.bound_j,
        }
        return [self._reading("energy_by_power_samples_j", agreement.samples_j, "J", details)]

    def _reading(self, name: str, value: float, unit: str, details: Mapping[str, object]) -> Reading:
        return Reading(
            pass_id=self._context.pass_id,
            attempt=self._context.attempt,
            instrument=self._instrument,
            name=name,
            value=value,
            unit=unit,
            scope=self._scope,
            details=dict(details),
        )

    def _fault(self, code: str, detail: str) -> Fault:
        return Fault(
            pass_id=self._context.pass_id,
            attempt=self._context.attempt,
            source=self._instrument,
            code=code,
            detail=detail,
        )
