"""How warm a board is, and waiting until it is cool enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lab.boards.state.inquiry import Answer, integer
from lab.boards.state.settings import TemperatureGate
from lab.errors import HardwareError

_THERMAL = "sys/class/thermal"
ZONES = (f"{_THERMAL}/thermal_zone[0-9]*/type", f"{_THERMAL}/thermal_zone[0-9]*/temp")
TRIPS = tuple(f"{_THERMAL}/thermal_zone[0-9]*/trip_point_*_{name}" for name in ("type", "temp"))

_PLAUSIBLE_C = (-55.0, 250.0)
"""What a sensor on a board can say; others are those of a zone that is switched off or has no sensor."""
_FIRST_POLL_S, _LONGEST_POLL_S = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Trip:
    """A temperature at which the kernel does something: ``passive`` slows the board down, ``critical`` ends it."""

    kind: str
    at_c: float


@dataclass(frozen=True, slots=True)
class Zone:
    """A thermal zone: its folder's name, its type, its temperature (``None`` if it does not say) and its trips."""

    folder: str
    kind: str
    at_c: float | None
    trips: tuple[Trip, ...] = ()

    @property
    def slows_at_c(self) -> float | None:
        """The lowest temperature at which the board is slowed down or switched off."""
        return min((trip.at_c for trip in self.trips if trip.kind in ("passive", "hot", "critical")), default=None)

    def __str__(self) -> str:
        return f"{self.kind} {'unreadable' if self.at_c is None else f'{self.at_c:.1f} °C'}"


def zones(answer: Answer) -> list[Zone]:
    """The thermal zones of a board; none if its kernel knows no sensor."""
    found = []
    for folder in answer.below(rf"{_THERMAL}/(thermal_zone\d+)/"):
        path = f"{_THERMAL}/{folder}"
        trips = []
        for number in answer.below(rf"{path}/trip_point_(\d+)_temp$"):
            at_c = _celsius(answer.integer(f"{path}/trip_point_{number}_temp"))
            if at_c is not None and at_c > 0:
                trips.append(Trip(answer.text(f"{path}/trip_point_{number}_type") or "unknown", at_c))
        kind = answer.text(f"{path}/type") or folder
        found.append(Zone(folder, kind, _celsius(integer(answer.text(f"{path}/temp"))), tuple(trips)))
    return found


def _celsius(thousandths: int | None) -> float | None:
    """Degrees from the kernel's thousandths; ``None`` for what no sensor measures."""
    if thousandths is None:
        return None
    at_c = thousandths / 1000
    return at_c if _PLAUSIBLE_C[0] < at_c < _PLAUSIBLE_C[1] else None


def hottest(found: Iterable[Zone]) -> Zone | None:
    """The warmest zone that says how warm it is."""
    return max((zone for zone in found if zone.at_c is not None), key=lambda zone: zone.at_c or 0.0, default=None)


def watched(found: Iterable[Zone], wanted: str | None) -> list[Zone]:
    """The zones that a gate looks at: those of that type or folder, all if ``None``."""
    return [zone for zone in found if wanted is None or wanted in (zone.kind, zone.folder)]


def check_gate(gate: TemperatureGate, found: list[Zone], name: str) -> None:
    """Raises :class:`HardwareError` if the board has not the zone that the gate names, or it gives no temperature."""
    if not found:
        raise HardwareError(
            f"board {name!r}: its kernel has no thermal zone: the lab cannot wait for it to cool down",
            advice="leave state.temperature out of the bench file, or use the experiment's cool_down",
        )
    looked_at = watched(found, gate.zone)
    there = ", ".join(dict.fromkeys(str(zone) for zone in found))
    if not looked_at:
        raise HardwareError(f"board {name!r}: it has no thermal zone {gate.zone!r}", advice=f"there are: {there}")
    if hottest(looked_at) is None:
        raise HardwareError(f"board {name!r}: its thermal zone cannot be read", advice=f"there are: {there}")


def cool_down(
    gate: TemperatureGate,
    look: Callable[[], list[Zone]],
    sleep: Callable[[float], None],
    now: Callable[[], float],
) -> tuple[tuple[str, str], ...]:
    """Wait until the gate's zone is below its limit; ``look`` reads the zones.

    It is asked rarely (the wait between two questions grows to ten seconds): asking warms a board too. Returns
    ``too_hot`` if it takes too long, ``state_unread`` if the zone no longer says anything.
    """
    begun, wait = now(), _FIRST_POLL_S
    while True:
        zone = hottest(watched(look(), gate.zone))
        waited = now() - begun
        if zone is None or zone.at_c is None:
            return (("state_unread", f"thermal zone {gate.zone or ''} gives no temperature".replace("  ", " ")),)
        if zone.at_c < gate.below_c:
            return ()
        left = gate.timeout_s - waited
        if left <= 0:
            return (("too_hot", f"{zone} after {waited:.0f} s of waiting for less than {gate.below_c:g} °C"),)
        sleep(min(wait, left))
        wait = min(wait * 1.5, _LONGEST_POLL_S)
