"""Whether a board slowed itself down while a program ran: what its kernel says right before and right after.

Nothing is asked in between. What leaves a trace is seen even if it was over when the program ended: times at each
frequency, times at each cooling state, counts of throttling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lab.boards.state.frequency import CPU, Policy, of_cpus, policies
from lab.boards.state.inquiry import Answer, Inquiry, cpu_text, integer
from lab.boards.state.temperature import ZONES, hottest, zones

_COOLING = "sys/class/thermal/cooling_device"

WATCH = Inquiry(
    files=(
        *(
            f"{CPU}/cpu[0-9]*/cpufreq/{name}"
            for name in (
                "affected_cpus",
                "scaling_driver",
                "scaling_governor",
                "scaling_min_freq",
                "scaling_max_freq",
                "scaling_cur_freq",
                "stats/time_in_state",
            )
        ),
        f"{CPU}/cpu[0-9]*/thermal_throttle/core_throttle_count",
        f"{CPU}/cpu[0-9]*/thermal_throttle/package_throttle_count",
        f"{_COOLING}[0-9]*/type",
        f"{_COOLING}[0-9]*/cur_state",
        f"{_COOLING}[0-9]*/max_state",
        f"{_COOLING}[0-9]*/stats/time_in_state_ms",
        *ZONES,
    ),
    # A Raspberry Pi's firmware slows it down behind the kernel's back.
    named={"throttled": "sys/devices/platform/soc/soc:firmware/get_throttled"},
    tools={"throttled": ("vcgencmd", "get_throttled")},
)
"""What is looked at before and after each program."""

_SLOWS_DOWN = re.compile(
    r"cpufreq|cpu[-_ ]?idle|idle[-_ ]?cpu|thermal-idle|devfreq|processor|powerclamp|gpu|device_cooling", re.IGNORECASE
)
"""Types of cooling device that cost speed; a fan costs none."""

_TICK_S = 0.01
"""Unit of time_in_state (USER_HZ)."""
_LEAST_TICKS = 2
"""A change of frequency may be accounted a tick late."""

_FIRMWARE = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Low bits of a Raspberry Pi's get_throttled: now; 16 bits above: since it booted (Raspberry Pi documentation,
``vcgencmd get_throttled``)."""


def watchable(answer: Answer) -> bool:
    """Does the board tell anything that could show throttling?"""
    return any(not path.startswith("sys/class/thermal/thermal_zone") for path in answer.lines)


def throttling(before: Answer, after: Answer, cpus: Sequence[int] | None = None) -> str | None:
    """The evidence that the board slowed down between two looks, ``None`` if there is none.

    ``cpus`` are those that the program could use, all if ``None``.
    """
    was, is_now = of_cpus(policies(before), cpus), of_cpus(policies(after), cpus)
    evidence = [
        *_slower(was, before, after),
        *_limited(was, is_now),
        *_cooled(before, after),
        *_counted(before, after, cpus),
        *_by_firmware(before, after),
    ]
    if not evidence:
        return None
    return "; ".join([*evidence, *_temperatures(before, after)])


def _slower(was: Iterable[Policy], before: Answer, after: Answer) -> Iterable[str]:
    """Time below the frequency that the policy should have held; without that account, the frequency at the end."""
    for policy in was:
        held = policy.held_khz
        if held is None:
            continue
        path = f"{policy.folder}/stats/time_in_state"
        first, last = _times(before, path), _times(after, path)
        if first and last:
            ticks = {khz: count - first.get(khz, 0) for khz, count in last.items()}
            slow = {khz: count for khz, count in ticks.items() if khz < held and count > 0}
            if sum(slow.values()) >= _LEAST_TICKS:
                total = sum(count for count in ticks.values() if count > 0)
                lowest = min(slow)
                yield (
                    f"CPU {cpu_text(policy.cpus)} ran {sum(slow.values()) / total:.0%} of the time "
                    f"({sum(slow.values()) * _TICK_S:.2f} s) below {held / 1000:g} MHz, down to {lowest / 1000:g} MHz"
                )
            continue
        current = after.integer(f"{policy.folder}/scaling_cur_freq")
        # On x86 this is not what was set but what was measured, which rest alone makes small.
        measured = (policy.driver or "").startswith(("acpi", "pcc"))
        if current is not None and current < held and not measured:
            yield f"CPU {cpu_text(policy.cpus)} at {current / 1000:g} MHz after it, not {held / 1000:g} MHz"


def _times(answer: Answer, path: str) -> dict[int, int]:
    pairs = (line.split() for line in answer.lines.get(path, ()))
    found = ((integer(pair[0]), integer(pair[1])) for pair in pairs if len(pair) == 2)
    return {khz: count for khz, count in found if khz is not None and count is not None}


def _limited(was: Iterable[Policy], is_now: Iterable[Policy]) -> Iterable[str]:
    later = {policy.folder: policy for policy in is_now}
    for policy in was:
        now = later.get(policy.folder)
        if now is None or policy.maximum_khz is None or now.maximum_khz is None:
            continue
        if now.maximum_khz < policy.maximum_khz:
            yield (
                f"CPU {cpu_text(policy.cpus)} is held to {now.maximum_khz / 1000:g} MHz after it, "
                f"to {policy.maximum_khz / 1000:g} MHz before"
            )


def _cooled(before: Answer, after: Answer) -> Iterable[str]:
    for number in after.below(rf"{_COOLING}(\d+)/type$"):
        path = f"{_COOLING}{number}"
        kind = after.text(f"{path}/type") or ""
        if not _SLOWS_DOWN.search(kind):
            continue
        most = after.integer(f"{path}/max_state")
        states = [answer.integer(f"{path}/cur_state") or 0 for answer in (before, after)]
        first, last = (_states(answer, f"{path}/stats/time_in_state_ms") for answer in (before, after))
        slow_ms = sum(max(0, ms - first.get(state, 0)) for state, ms in last.items() if state > 0)
        limit = "" if most is None else f" of {most}"
        if max(states) > 0:
            yield f"{kind} at cooling state {states[0]} before it and {states[1]}{limit} after it"
        elif slow_ms > 0 and first:
            yield f"{kind} in a cooling state for {slow_ms / 1000:.2f} s"


def _states(answer: Answer, path: str) -> dict[int, int]:
    found = (re.fullmatch(r"state(\d{1,4})\s+(\d{1,18})", line.strip()) for line in answer.lines.get(path, ()))
    return {int(match[1]): int(match[2]) for match in found if match}


def _counted(before: Answer, after: Answer, cpus: Sequence[int] | None) -> Iterable[str]:
    """x86: each core counts how often it was throttled, and its package too (every core of it says the same)."""
    for what in ("core", "package"):
        risen = {}
        for cpu in after.below(rf"{CPU}/cpu(\d+)/thermal_throttle/{what}_throttle_count$"):
            path = f"{CPU}/cpu{cpu}/thermal_throttle/{what}_throttle_count"
            first, last = before.integer(path), after.integer(path)
            if first is not None and last is not None and last > first and (cpus is None or int(cpu) in cpus):
                risen[int(cpu)] = last - first
        if risen:
            yield f"CPU {cpu_text(risen)}: {what} throttled {max(risen.values())} times"


def _by_firmware(before: Answer, after: Answer) -> Iterable[str]:
    first, last = firmware_bits(before), firmware_bits(after)
    if last is None:
        return
    for bit, meaning in _FIRMWARE.items():
        if last >> bit & 1:
            yield f"firmware: {meaning} after it"
        elif first is not None and last >> bit + 16 & 1 and not first >> bit + 16 & 1:
            yield f"firmware: {meaning} meanwhile"


def firmware_bits(answer: Answer) -> int | None:
    """What a Raspberry Pi's firmware says of throttling, ``None`` on other boards."""
    for text in (answer.text("named/throttled"), (answer.tool("throttled") or "").removeprefix("throttled=")):
        if text and re.fullmatch(r"(?:0x)?[0-9a-fA-F]{1,8}", text):
            return int(text, 16)
    return None


def firmware_says(bits: int) -> list[str]:
    """The bits in words: what is now, and what was since the board booted."""
    now = [f"{meaning} now" for bit, meaning in _FIRMWARE.items() if bits >> bit & 1]
    return now + [f"{meaning} since it booted" for bit, meaning in _FIRMWARE.items() if bits >> bit + 16 & 1]


def _temperatures(before: Answer, after: Answer) -> list[str]:
    hot = hottest(zones(after))
    if hot is None:
        return []
    was = next((zone for zone in zones(before) if zone.folder == hot.folder and zone.at_c is not None), None)
    return [str(hot) if was is None else f"{hot.kind} {was.at_c:.1f} → {hot.at_c:.1f} °C"]
