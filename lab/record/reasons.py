"""The reason codes that stand behind a verdict: one place that says what each means and what to do about it.

A code is what instruments, boards and the analysis write into the record; the text is what a person reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.record.quantity import Verdict


@dataclass(frozen=True, slots=True)
class Reason:
    """What a reason code means, the verdict it brings at least, and what the engineer can do."""

    code: str
    verdict: Verdict
    text: str
    advice: str


_D, _I = Verdict.DEGRADED, Verdict.INVALID

_REASONS = (
    # the trace
    Reason(
        "samples_dropped",
        _D,
        "samples are missing inside the window",
        "use a lower sample rate or a direct USB port",
    ),
    Reason(
        "coverage_too_low",
        _I,
        "too much of the window is missing from the trace",
        "repeat the pass; look at the USB link",
    ),
    Reason("meter_unplugged", _I, "the meter went away during the pass", "check the cable, then resume"),
    Reason("meter_timeout", _I, "the meter stopped answering", "power-cycle the meter, then resume"),
    Reason(
        "saturated",
        _I,
        "samples lie at the end of the instrument's range",
        "choose a larger current range in the bench file",
    ),
    Reason(
        "range_changed",
        _D,
        "the current range changed inside the window: gain and offset did not cancel",
        "fix the range in the bench file",
    ),
    Reason(
        "ranges_mixed",
        Verdict.VALID,
        "the meter measured in several ranges, as it does by itself: the widest limits of all of them count",
        "nothing needs to be done; a meter with a fixed range states narrower limits",
    ),
    Reason(
        "counter_jumped",
        _I,
        "the meter's sample counter or its blocks made no sense: the rest of the trace is left out",
        "repeat the pass; update the meter's firmware and driver",
    ),
    Reason(
        "utc_jumped",
        _D,
        "the meter's UTC jumped against its sample counter: marks placed by UTC are doubtful",
        "place the window by a logic input; the sample counter itself is sound",
    ),
    Reason(
        "statistics_disagree",
        _D,
        "the meter's own sums of energy and the integral of the trace differ",
        "raise the sample rate, or record the meter's power channel",
    ),
    Reason(
        "idle_drift",
        _D,
        "idle power before and after the window differ by more than their scatter allows",
        "let the board settle longer; look for background work",
    ),
    Reason("idle_too_short", _D, "idle was too short to state its uncertainty", "raise passes.energy.idle"),
    Reason(
        "trace_unreadable", _I, "the trace file cannot be read", "see results.csv for the passes; restore their traces"
    ),
    Reason(
        "readings_sparse",
        _D,
        "the meter was read too seldom inside the window: what lies between two readings is a guess",
        "free the host of other work; raise the reading rate",
    ),
    Reason(
        "meter_stale",
        _I,
        "the meter gave the same reading again and again",
        "look at the meter's driver; give it a shorter update interval",
    ),
    Reason(
        "counter_reset",
        _D,
        "the meter's counter of energy made a step that no power can have made: that step is left out",
        "see whether the driver was loaded anew or the machine slept; repeat the pass",
    ),
    Reason(
        "window_short",
        _D,
        "the window is only a few update periods of the meter long",
        "raise passes.energy.duration",
    ),
    Reason(
        "recording_unclosed",
        _D,
        "the recording was never closed: what was on disk was recovered, its end is missing",
        "record it anew if its end matters",
    ),
    # windows and marks
    Reason(
        "alignment_disagrees",
        _I,
        "two ways of finding the window in the trace disagree beyond their bounds",
        "look at both with `lab view`; check the trigger wire and the board's clock",
    ),
    Reason(
        "alignment_failed",
        _I,
        "the board's marks could not be placed on the trace",
        "see the pass's faults: `lab show --faults RECORD`",
    ),
    Reason(
        "alignment_unchecked",
        _D,
        "a way of finding the window that the bench asks for gave nothing: the others stand unchecked",
        "check board.clock and the coded load, or ask for fewer methods in the bench file's alignment",
    ),
    Reason(
        "inferences_disagree",
        _I,
        "the edges of single inferences and the program's own count disagree",
        "check the wire of the inference line; between two inferences it must be low for three samples or more",
    ),
    Reason(
        "count_doubtful",
        _D,
        "the edges of single inferences give another number than the program, by which energies are divided",
        "check the wire of the inference line; if it is sound, the program's count is not",
    ),
    Reason(
        "few_inferences",
        _D,
        "so few single inferences that the ends of their distribution are hardly known",
        "raise passes.energy.duration",
    ),
    Reason(
        "edges_coarse",
        _D,
        "the samples are too coarse for the scatter of single inferences: most of what is seen is the edges'",
        "raise the meter's sample rate",
    ),
    Reason(
        "no_window",
        _I,
        "no window was found in the trace",
        "check the wire between the board's pin and the logic input",
    ),
    Reason(
        "edge_jitter",
        _D,
        "the window's edges bounce: their instants are open by the stated bound",
        "check the trigger wire and its ground",
    ),
    Reason(
        "window_disagrees",
        _I,
        "the window's length and the program's own time disagree beyond their bounds",
        "check which pin is wired to the logic input",
    ),
    Reason(
        "edge_ambiguous",
        _D,
        "the window's edges are known to one sample only",
        "give marks with a finer clock than the trace's rate",
    ),
    # the board
    Reason(
        "throttled",
        _D,
        "the board lowered its clock during the pass",
        "cool the board; fix the governor",
    ),
    Reason(
        "too_hot",
        _D,
        "the board was still warmer than the bench file allows when the trial began",
        "cool the board, or raise board.state.temperature.timeout",
    ),
    Reason(
        "governor_changed",
        _D,
        "something else changed the governor or clock that the lab had set on the board",
        "stop what sets it (a power daemon, cpufrequtils, a boot script), or give its setting in the bench file",
    ),
    Reason(
        "state_unread",
        _D,
        "the board's clock and temperature could not be read around the pass: whether it was throttled is not known",
        "see the pass's faults: `lab show --faults RECORD`",
    ),
    Reason(
        "link_lost",
        _I,
        "the link to the board broke during the pass",
        "check the network and the board's power; `lab resume RECORD` tries the pass again",
    ),
    Reason(
        "output_too_long",
        _I,
        "the program wrote more than the lab takes and was stopped",
        "let it print less; raise board.output_limit",
    ),
    Reason(
        "left_running",
        _D,
        "processes of the program did not end when they were made to: they disturb what is measured after it",
        "look at the board with ps; a process in state D waits for a device, one of another user needs root",
    ),
    Reason(
        "precision_lost",
        _D,
        "the board has no agent: times around the program are those of a shell over the link",
        "let the lab copy its agent to the board (board.agent: auto)",
    ),
    Reason(
        "ticks_disagree",
        _I,
        "the firmware's own times and the time that passed on this side disagree",
        "an inference must take less than the range of the firmware's counter; check its tick rate (F_CPU, prescaler)",
    ),
    Reason(
        "ticks_coarse",
        _D,
        "an inference takes only a few ticks of the firmware's counter",
        "let the firmware count finer",
    ),
    Reason(
        "emulated_time",
        _I,
        "time, cycles and energy of an emulator are not those of the machine it stands for",
        "measure them on a real board",
    ),
    Reason(
        "not_built",
        _I,
        "what the board should have run could not be made",
        "read the fault's text: `lab show --faults RECORD`",
    ),
    Reason("exit_nonzero", _I, "the program ended with an error", "read output/<pass>/stderr.txt"),
    Reason("deadline", _I, "the program ran past its deadline and was stopped", "raise the deadline"),
    Reason("output_unreadable", _I, "the program's output was not understood", "read output/<pass>/stdout.txt"),
    Reason(
        "count_missing",
        _I,
        "the program did not say how many inferences it completed",
        "read output/<pass>/stdout.txt",
    ),
    # counters
    Reason("not_supported", _I, "this machine has no such counter", "leave the event out for this bench"),
    Reason("not_counted", _I, "the counter was never on the PMU", "ask for fewer events per pass"),
    Reason("multiplexed", _I, "the counter ran only part of the time", "ask for fewer events per pass"),
    Reason(
        "zero_count",
        _I,
        "a count of exactly zero where work was done",
        "this PMU does not count the event; see docs/counters.md",
    ),
    Reason(
        "not_permitted",
        _I,
        "the board's kernel does not let this user count the event",
        "as root on the board: sysctl kernel.perf_event_paranoid=1",
    ),
    Reason(
        "anchors_disagree",
        _D,
        "cycles and instructions, counted in every pass, differ between the passes of a trial by more than they should",
        "look for other work on the board; fix the governor; make the program do the same work each time",
    ),
    Reason(
        "pmu_dead",
        _I,
        "the PMU says that it counts and gives zero for work that was done",
        "this PMU does not count (many emulated ones do not); see docs/counters.md",
    ),
    Reason(
        "window_not_opened",
        _I,
        "the program never opened its window, so nothing was counted in it",
        "leave passes.counters.window_only out for this program",
    ),
    Reason(
        "below_resolution",
        _D,
        "the count per inference is smaller than its scatter",
        "raise passes.counters.runs",
    ),
    Reason(
        "counts_differ",
        _D,
        "two instruments counted the same event of the same program differently by more than 0.1 %",
        "see which of them sees what (scope); a PMU that counts wrongly is not to be trusted with other events either",
    ),
    Reason(
        "network_differs",
        _I,
        "the program says it has another number of parameters than the experiment's table of the network",
        "correct workload.network",
    ),
    # what is not there
    Reason("no_power_meter", _I, "no instrument on this bench measures power", "name a bench with a power meter"),
    Reason("no_counter_source", _I, "no instrument on this bench counts this event", "add one to the bench file"),
    Reason("pass_missing", _I, "the pass was not completed", "run `lab resume RECORD`"),
    Reason("pass_failed", _I, "the pass failed", "read its fault documents: `lab show --faults RECORD`"),
    Reason(
        "log_damaged",
        _I,
        "a line of events.jsonl about this pass is damaged: what it said is lost",
        "restore events.jsonl from a copy of the record",
    ),
    # uncertainty
    Reason(
        "placeholder_accuracy",
        _D,
        "the instrument's accuracy is a placeholder: no expanded uncertainty is claimed",
        "enter the data sheet's limits in the bench file",
    ),
    Reason("single_repeat", _D, "one repeat: its scatter is unknown", "ask for three repeats or more"),
    Reason("repeats_lost", _D, "some repeats are invalid and left out", "see results.csv for which, and why"),
    Reason(
        "assumed_voltage",
        _D,
        "the supply voltage is assumed, not measured",
        "use a meter that measures voltage too",
    ),
    Reason(
        "accuracy_unknown",
        _D,
        "nothing is known of the instrument's accuracy: no expanded uncertainty is claimed",
        "enter the data sheet's limits in the bench file",
    ),
)

REASONS: dict[str, Reason] = {reason.code: reason for reason in _REASONS}


def verdict_of(codes: Iterable[str]) -> Verdict:
    """The verdict that a set of reason codes brings. Raises ``KeyError`` on a code nobody defined."""
    return Verdict.worst(REASONS[code].verdict for code in codes)
