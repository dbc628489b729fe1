"""A Nordic PPK2 as an instrument.

It measures current alone, 100000 times a second, and eight logic inputs with it. As a source it feeds the board, and
the voltage is the one it was told to give; as an ampere meter it lies in a supply whose voltage the bench file states.
Either way the voltage is assumed, and every energy says so.

**Opening it in source mode switches the board's supply on, closing it switches it off** (unless the bench file says
``leave_on``), and changing its mode interrupts it. It is therefore opened once and held.

The samples are those of the converter. The vendor's programs smooth them after each change of range (a *spike filter*);
nothing is smoothed here, so what a change of range does to the samples is in the trace and in its energy.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from instruments.arrival_clock import host_s
from instruments.ppk2 import commands
from instruments.ppk2.calibration import END, Metadata, MetadataError, parse_metadata
from instruments.ppk2.live import Live
from instruments.ppk2.port import CONNECT_ADVICE, FindKits, Kit, OpenPort, SerialPort, choose
from instruments.ppk2.port import connected as connected_kits
from instruments.ppk2.recording import Recording
from instruments.ppk2.settings import AMPERE, RATE_HZ, Ppk2Settings
from instruments.protocol import Capabilities, LiveReading, Observation, PassContext, Probe
from instruments.serial_port import Port, PortLostError
from instruments.stream_presence import Patience
from lab.errors import HardwareError
from lab.record.quantity import Origin

_ANSWER_S = 2.0
"""A kit that does not answer in this time does not."""

_QUIET_S = 0.1
_MOST_ANSWER_BYTES = 1 << 16
_TRIES = 2
_MODES = {1: commands.AMPERE_MODE, 2: commands.SOURCE_MODE}


@dataclass(slots=True)
class _Held:
    """A kit that is open, and how it was set before."""

    kit: Kit
    port: Port
    before: Metadata
    gone: bool = False


class Ppk2:
    """An :class:`~instruments.protocol.Instrument` over a PPK2.

    ``open_port`` and ``find`` reach the serial lines, ``clock`` is the host's in s.
    """

    def __init__(
        self,
        name: str,
        settings: Ppk2Settings,
        *,
        open_port: OpenPort = SerialPort,
        find: FindKits = connected_kits,
        clock: Callable[[], float] = host_s,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._open_port = open_port
        self._find = find
        self._clock = clock
        self._patience = patience or Patience()
        self._held: _Held | None = None
        self._context: PassContext | None = None
        self._recording: Recording | None = None
        self._live: Live | None = None
        self._started_s = 0.0

    # ------------------------------------------------------------------------------------------------ what it is

    def probe(self) -> Probe:
        """Look for the kit and ask for its metadata; that changes nothing of the board's supply."""
        try:
            kit, metadata = self._asked()
        except HardwareError as error:
            return Probe(present=False, detail=error.message, advice=error.advice or "")
        settings = self._settings
        facts: dict[str, Any] = {
            "model": "PPK2",
            "serial": kit.serial,
            "port": kit.port,
            "hardware": metadata.hardware,
            "calibrated": metadata.calibrated,
            "mode": settings.mode,
            "voltage_v": settings.volts,
            "lines": settings.lines,
            "spike_filter": "off",
        }
        return Probe(present=True, detail=f"{kit}, {settings.mode} mode, {settings.volts:g} V assumed", facts=facts)

    def capabilities(self) -> Capabilities:
        """Current and logic; the voltage is assumed."""
        return Capabilities(
            measures=("current", "logic"),
            origin=Origin.MEASURED,
            scope=self._settings.scope,
            rate_hz=float(RATE_HZ),
            accuracy=self._settings.accuracy,
            assumes=("voltage",),
            clock="sample index",
        )

    # ---------------------------------------------------------------------------------------------- open and close

    def open(self) -> None:
        """Take hold of the kit, set it up and switch the board's supply on. Idempotent.

        Raises :class:`HardwareError` if it is not there, several would fit, or what answers is no sound PPK2.
        """
        if self._held is None:
            self._held = self._hold()

    def close(self) -> None:
        """Switch the board's supply off, put mode and voltage back, and let go; ``leave_on`` leaves all as it is.

        Idempotent.
        """
        self._abandon()
        self.end_live()
        held, self._held = self._held, None
        if held is None:
            return
        with contextlib.suppress(PortLostError):
            if not held.gone and not self._settings.leave_on:
                held.port.write(commands.POWER_OFF)
                if held.before.mode in _MODES and _MODES[held.before.mode] != self._mode:
                    held.port.write(_MODES[held.before.mode])
                if held.before.vdd_mv is not None:
                    with contextlib.suppress(ValueError):
                        held.port.write(commands.set_voltage(held.before.vdd_mv))
        held.port.close()

    @property
    def _mode(self) -> bytes:
        return commands.AMPERE_MODE if self._settings.mode == AMPERE else commands.SOURCE_MODE

    def _hold(self) -> _Held:
        kit = self._kit()
        port = self._open_port(kit.port)
        try:
            before = _ask(port, kit)
            if before.mode not in _MODES or _MODES[before.mode] != self._mode:
                port.write(self._mode)
            port.write(commands.set_voltage(self._settings.millivolts))
            port.write(commands.POWER_ON)
        except PortLostError as error:
            port.close()
            raise HardwareError(f"{kit} went away ({error})", advice=CONNECT_ADVICE) from error
        except HardwareError:
            port.close()
            raise
        return _Held(kit, port, before)

    def _kit(self) -> Kit:
        """The kit that the bench file means. Raises :class:`HardwareError`."""
        if self._settings.port is None:
            return choose(self._find(), self._settings.serial)
        known = {kit.port: kit for kit in self._find()}
        return known.get(self._settings.port, Kit(self._settings.serial or "", self._settings.port))

    def _asked(self) -> tuple[Kit, Metadata]:
        if self._held is not None and not self._held.gone:
            return self._held.kit, self._held.before
        kit = self._kit()
        port = self._open_port(kit.port)
        try:
            return kit, _ask(port, kit)
        except PortLostError as error:
            raise HardwareError(f"{kit} went away ({error})", advice=CONNECT_ADVICE) from error
        finally:
            port.close()

    # ------------------------------------------------------------------------------------------------- a pass

    def arm(self, context: PassContext) -> None:
        """Get ready for a pass. A kit that was unplugged and is back is opened again."""
        self._abandon()
        self._context = context
        held = self._held
        if held is not None and held.gone:
            held.port.close()
            with contextlib.suppress(HardwareError):
                self._held = self._hold()

    def start(self) -> None:
        """Have it send, and wait until samples come. What fails is told by :meth:`stop`.

        Raises ``RuntimeError`` if the instrument was not opened and armed.
        """
        context, held = self._context, self._held
        if context is None or held is None:
            raise RuntimeError(f"{self.name}: started before it was opened and armed")
        recording = Recording(
            context,
            self.name,
            held.kit.serial,
            self._settings,
            held.before.calibration,
            held.port,
            self._clock,
        )
        self._recording = recording
        self._started_s = self._clock()
        if held.gone:
            recording.trouble("meter_unplugged", f"{held.kit} is not connected any more")
            return
        try:
            _quiet(held.port)
            recording.begin()
            held.port.write(commands.START)
        except PortLostError as error:
            held.gone = True
            recording.trouble("meter_unplugged", f"{held.kit} went away ({error})")
            return
        recording.presence.wait_for_first(self._patience.start_s)

    def stop(self) -> Observation:
        """Wait until all that was sampled up to now has come, and give it. Empty if nothing was started."""
        recording, held = self._recording, self._held
        self._context = self._recording = None
        if recording is None or held is None:
            return Observation()
        stopped_s = self._clock()
        recording.presence.wait_until(stopped_s, self._patience.stall_s)
        self._silence(held)
        seen = recording.finish(stopped_s, self._started_s)
        held.gone |= recording.presence.gone
        return seen

    def _abandon(self) -> None:
        """End a recording that nobody asked the end of."""
        recording, self._recording = self._recording, None
        self._context = None
        if recording is not None and self._held is not None:
            self._silence(self._held)
            recording.finish(self._clock(), self._started_s)
            self._held.gone |= recording.presence.gone

    def _silence(self, held: _Held) -> None:
        if not held.gone:
            # A line that is gone is seen by the reader.
            with contextlib.suppress(PortLostError):
                held.port.write(commands.STOP)

    # ---------------------------------------------------------------------------------------------- watched live

    def begin_live(self) -> None:
        """Measure without recording. Raises :class:`HardwareError` if the kit does not answer."""
        held = self._held
        if held is None or held.gone:
            raise HardwareError("the PPK2 is not open", advice=CONNECT_ADVICE)
        self.end_live()
        live = Live(self._settings, held.before.calibration, held.port, self._clock, self.name)
        try:
            _quiet(held.port)
            live.begin()
            self._live = live
            held.port.write(commands.START)
        except PortLostError as error:
            held.gone = True
            self.end_live()
            raise HardwareError(f"{held.kit} went away ({error})", advice=CONNECT_ADVICE) from error
        if not live.presence.wait_for_first(self._patience.start_s):
            self.end_live()
            raise HardwareError(f"{held.kit} sends no samples", advice="unplug it and plug it in again")

    def take_live(self) -> LiveReading:
        """What was seen since the last call; power is with the assumed voltage."""
        if self._live is None:
            return LiveReading(duration_s=0.0)
        return self._live.take(self._patience.stall_s)

    def end_live(self) -> None:
        """Stop measuring. Idempotent."""
        live, self._live = self._live, None
        if live is not None and self._held is not None:
            self._silence(self._held)
            live.end()
            self._held.gone |= live.presence.gone


def _quiet(port: Port) -> None:
    """Read away what is still on its way, at most :data:`_ANSWER_S`. Raises :class:`PortLostError`."""
    deadline_s = time.monotonic() + _ANSWER_S
    while port.read(_QUIET_S) and time.monotonic() < deadline_s:
        pass


def _ask(port: Port, kit: Kit) -> Metadata:
    """Ask a kit that may still be sending for its metadata.

    Raises :class:`HardwareError` for what is no PPK2 or a damaged one, :class:`PortLostError`.
    """
    for left in reversed(range(_TRIES)):
        port.write(commands.STOP)
        _quiet(port)
        port.write(commands.ASK_METADATA)
        try:
            return parse_metadata(_answer(port))
        except MetadataError as error:
            if not left:
                advice = "check `port:`; a damaged calibration only the vendor can mend"
                raise HardwareError(f"{kit} cannot be used: {error}", advice=advice) from error
    raise AssertionError("unreachable")


def _answer(port: Port) -> str:
    """What is answered up to its last line, or what came until the time was over."""
    answer = bytearray()
    deadline_s = time.monotonic() + _ANSWER_S
    while END.encode() not in answer and len(answer) < _MOST_ANSWER_BYTES and time.monotonic() < deadline_s:
        answer += port.read(_QUIET_S)
    return answer.decode("ascii", errors="replace")
