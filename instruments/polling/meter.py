"""A meter that is asked again and again, as an instrument: NVML, RAPL and hwmon differ only in their source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from instruments.polling.live import PolledSums
from instruments.polling.pace import HostTime, Time
from instruments.polling.poller import Poller
from instruments.polling.recording import Recording
from instruments.polling.source import Asked, MeterGoneError, MeterHangsError, MeterSilentError, Source, said
from instruments.polling.update_period import UpdatePeriod, measure_update_period
from instruments.protocol import Accuracy, Capabilities, LiveReading, Observation, PassContext, Probe
from lab.errors import HardwareError
from lab.record.quantity import Origin

PATIENCE_S = 2.0
"""How long a meter may leave a question without an answer."""


@dataclass(slots=True)
class _Running:
    """A poller at work, and where its readings go."""

    poller: Poller
    sink: Recording | PolledSums


class PolledMeter:
    """An :class:`~instruments.protocol.Instrument` that :class:`~instruments.protocol.ShowsLive`, over a source.

    While a pass is recorded, a thread asks the source at its pace. If it counts energy, the trace begins and ends on
    edges of the counter: :meth:`start` and :meth:`stop` wait for one. How often the source renews its values is
    measured by :meth:`open`, where the source does not say it itself.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        accuracy: Accuracy | None = None,
        time: Time | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.name = name
        self._source = source
        self._accuracy = accuracy
        self._time = time or HostTime()
        self._patience_s = patience_s
        self._open = False
        self._gone = False
        self._asked: dict[str, Asked] = {}
        self._periods: dict[str, UpdatePeriod] = {}
        self._context: PassContext | None = None
        self._running: _Running | None = None
        self._hung: Poller | None = None

    def probe(self) -> Probe:
        """Read from it."""
        return self._source.probe()

    def capabilities(self) -> Capabilities:
        """Energy, power, or voltage and current; how often, once it is open."""
        main = [item.channel for item in self._asked.values() if not item.channel.cross_check]
        return Capabilities(
            measures=self._source.measures,
            origin=Origin.MEASURED,
            scope=self._source.scope,
            rate_hz=1.0 / self._source.period_s,
            update_period_s=max((item.update_period_s or 0.0 for item in main), default=0.0) or None,
            accuracy=self._accuracy,
            assumes=self._source.assumes,
            clock="the host's",
        )

    def open(self) -> None:
        """Open the source, and measure how often it renews its values. Idempotent.

        Raises :class:`HardwareError` if it is not there, or an energy counter stands still.
        """
        if self._open:
            return
        self._source.open()
        try:
            self._periods = self._measured_periods()
        except (MeterGoneError, MeterSilentError, OSError) as error:
            self._source.close()
            raise HardwareError(f"{self.name}: it cannot be read ({said(error)})", advice="try `lab doctor`") from error
        except HardwareError:
            self._source.close()
            raise
        self._asked = {name: self._with_period(name, item) for name, item in self._source.channels.items()}
        self._open, self._gone = True, False

    def close(self) -> None:
        """Let go of the source. Idempotent."""
        self._abandon()
        if self._open and not self._is_hung():
            self._source.close()
        self._open = False

    def arm(self, context: PassContext) -> None:
        """Get ready for a pass. A meter that went away is opened again, if it is back."""
        self._abandon()
        if self._open and self._gone and not self._is_hung():
            self._source.close()
            self._open = False
            try:
                self.open()
            except HardwareError:
                # The pass will say so; the meter stays named as open, so that the next pass tries again.
                self._open = True
        self._context = context

    def start(self) -> None:
        """Begin to ask, and wait for the first edge of a counter. What fails is told by :meth:`stop`.

        Raises ``RuntimeError`` if the instrument was not opened and armed.
        """
        context = self._context
        if context is None or not self._open:
            raise RuntimeError(f"{self.name}: started before it was opened and armed")
        recording = Recording(
            context,
            self.name,
            self._source.scope,
            self._asked,
            self._periods,
            zero_ns=self._time.now_ns(),
            period_s=self._source.period_s,
        )
        self._run(recording)

    def stop(self) -> Observation:
        """Wait for an edge of the counter, end, and say what was seen. Empty if nothing was started."""
        running = self._end()
        self._context = None
        if running is None or not isinstance(running.sink, Recording):
            return Observation()
        return running.sink.finish(running.poller)

    # -------------------------------------------------------------------------------------------------------- live

    def begin_live(self) -> None:
        """Begin to ask without recording. Raises :class:`HardwareError` if the meter went away or hangs."""
        if not self._open:
            raise HardwareError(f"{self.name}: it is not open")
        self._abandon()
        self._run(PolledSums(self._asked))
        assert self._running is not None
        if self._running.poller.gone:
            self.end_live()
            raise HardwareError(f"{self.name}: the meter does not answer", advice="try `lab doctor`")

    def take_live(self) -> LiveReading:
        """What was seen since the last call; for a counter, from edge to edge."""
        running = self._running
        if running is None or not isinstance(running.sink, PolledSums):
            return LiveReading(0.0)
        return running.sink.reading(tuple(running.poller.faults.items()))

    def end_live(self) -> None:
        """Stop asking. Idempotent."""
        self._abandon()

    # ------------------------------------------------------------------------------------------------------ inside

    def _run(self, sink: Recording | PolledSums) -> None:
        edge = next((name for name, item in self._asked.items() if item.channel.measures == "energy"), None)
        poller = Poller(
            self._read,
            self._asked,
            sink,
            time=self._time,
            period_s=self._source.period_s,
            patience_s=self._patience_s,
            edge=edge,
        )
        self._running = _Running(poller, sink)
        poller.start()

    def _read(self, channel: str) -> float:
        if self._hung is not None and self._is_hung():
            raise MeterHangsError("a question of an earlier pass still waits for its answer")
        if self._gone:
            raise MeterGoneError("the meter went away before this, and is not back")
        return self._source.read(channel)

    def _end(self) -> _Running | None:
        running, self._running = self._running, None
        if running is not None:
            running.poller.stop()
            self._gone = self._gone or running.poller.gone
            if running.poller.is_running:
                self._hung = running.poller
        return running

    def _abandon(self) -> None:
        """End what nobody asked the end of."""
        running = self._end()
        self._context = None
        if running is not None and isinstance(running.sink, Recording):
            running.sink.finish(running.poller)

    def _is_hung(self) -> bool:
        """Is a read of an earlier pass still under way? Nobody else may ask then."""
        if self._hung is not None and not self._hung.is_running:
            self._hung = None
        return self._hung is not None

    def _measured_periods(self) -> dict[str, UpdatePeriod]:
        periods: dict[str, UpdatePeriod] = {}
        for name, item in self._source.channels.items():
            if item.channel.cross_check or item.channel.update_period_s is not None:
                continue
            period = measure_update_period(partial(self._source.read, name), self._time)
            if period is not None:
                periods[name] = period
            elif item.channel.measures == "energy":
                raise HardwareError(
                    f"{self.name}: its energy counter stands still",
                    advice="a virtual machine or a driver may show a counter that nothing feeds; see docs/meters.md",
                )
        return periods

    def _with_period(self, name: str, item: Asked) -> Asked:
        if name not in self._periods:
            return item
        return replace(item, channel=replace(item.channel, update_period_s=self._periods[name].mean_s))
