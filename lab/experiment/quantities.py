"""The names of the quantities that results have, so that a misspelt one in an experiment is found before it is run."""

from __future__ import annotations

from lab.config.problems import closest
from lab.experiment.events import KNOWN_EVENTS, without_modifiers, words

KNOWN_QUANTITIES = words(
    """
    latency_s latency_first_s latency_std_s inferences window_s latency_init_s latency_warmup_s
    latency_min_s latency_p05_s latency_median_s latency_p95_s latency_p99_s latency_max_s
    memory_load_bytes memory_peak_bytes
    energy_gross_j energy_net_j energy_warmup_j power_active_w power_idle_w edp_gross_js edp_net_js
    energy_process_gross_j energy_process_net_j energy_recorded_j power_recorded_w recorded_s
    energy_inference_mean_j energy_inference_sd_j energy_inference_min_j energy_inference_p05_j
    energy_inference_median_j energy_inference_p95_j energy_inference_max_j energy_between_inferences_j
    latency_inference_mean_s latency_inference_sd_s latency_inference_min_s latency_inference_p05_s
    latency_inference_median_s latency_inference_p95_s latency_inference_max_s inferences_left_out
    elapsed_s user_s system_s peak_rss_bytes minor_faults major_faults voluntary_switches involuntary_switches
    accuracy parameters depth macs instructions_difference_pct
    layer_fit_l1_pct layer_fit_l2_pct layer_fit_ram_pct
    macs_over_l1_pct macs_over_l2_pct macs_over_ram_pct bytes_over_l1_pct bytes_over_l2_pct bytes_over_ram_pct
    spilled_l1_bytes spilled_l2_bytes spilled_ram_bytes
    working_set_bytes working_set_mean_bytes working_set_largest_bytes macs_per_byte
    energy_published_j energy_residual_rel energy_edge_bound_j energy_matched_j match_residual_rel
    energy_runner_j runner_residual_rel power_published_w window_published_s supply_voltage_v
    """
)
"""What the lab computes itself. Programs and counters add names of their own."""

_SURELY_MEANT = 0.85
"""Names of one's own are allowed: only what is this close to a known name counts as misspelt."""


def misspelt(name: str) -> str | None:
    """The known quantity or event that was surely meant by an unknown name."""
    known = KNOWN_QUANTITIES | KNOWN_EVENTS
    if without_modifiers(name) in known:
        return None
    return closest(name, known, cutoff=_SURELY_MEANT)
