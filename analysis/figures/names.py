"""What quantities and budget terms are called in figures, tables and sentences."""

from __future__ import annotations

from analysis.agreement import SUFFIX as DIFFERENCE
from lab.record.timed import PROCESS_SUFFIX

_TITLES: dict[str, str] = {
    "latency_s": "latency per inference",
    "latency_first_s": "first inference",
    "latency_std_s": "scatter of the latency within a pass",
    "latency_init_s": "making the model ready",
    "latency_warmup_s": "mean latency of the warm-up",
    "latency_min_s": "shortest inference",
    "latency_p05_s": "latency that 5 % stay below",
    "latency_median_s": "median latency",
    "latency_p95_s": "latency that 95 % stay below",
    "latency_p99_s": "latency that 99 % stay below",
    "latency_max_s": "longest inference",
    "memory_load_bytes": "memory taken by loading the model",
    "memory_peak_bytes": "peak memory, by the program itself",
    "inferences": "inferences in the window",
    "window_s": "length of the window",
    "energy_gross_j": "energy per inference, idle included",
    "energy_net_j": "energy per inference, net of idle",
    "energy_process_gross_j": "energy of the whole process, idle included",
    "energy_process_net_j": "energy of the whole process, net of idle",
    "energy_recorded_j": "energy of the recording",
    "power_recorded_w": "mean power of the recording",
    "recorded_s": "length of the recording",
    "energy_warmup_j": "energy of the warm-up",
    "energy_between_inferences_j": "energy between inferences, for each of them",
    "inferences_left_out": "inferences left out of the distribution",
    "energy_published_j": "energy per inference, as published",
    "energy_edge_bound_j": "bound from the window's edges",
    "energy_residual_rel": "relative difference from the published energy",
    "energy_matched_j": "energy per inference, published sample count",
    "match_residual_rel": "relative difference, published sample count",
    "energy_runner_j": "energy per inference, the runner's rule",
    "runner_residual_rel": "relative difference, the runner's rule",
    "power_published_w": "power in the window, as published",
    "window_published_s": "length of the window, as published",
    "minor_faults": "minor page faults",
    "major_faults": "major page faults",
    "voluntary_switches": "voluntary context switches",
    "involuntary_switches": "involuntary context switches",
    "power_active_w": "power in the window",
    "power_idle_w": "idle power",
    "edp_gross_js": "energy-delay product, idle included",
    "edp_net_js": "energy-delay product, net of idle",
    "ed2p_gross_js2": "energy-delay² product, idle included",
    "ed2p_net_js2": "energy-delay² product, net of idle",
    "instructions": "instructions",
    "cycles": "CPU cycles",
    "task-clock": "task clock",
    "L1-dcache-loads": "L1d loads",
    "L1-dcache-load-misses": "L1d load misses",
    "page-faults": "page faults",
    "minor-faults": "minor page faults",
    "major-faults": "major page faults",
    "context-switches": "context switches",
    "branches": "branches",
    "branch-misses": "branch misses",
    "elapsed_s": "elapsed time",
    "user_s": "user time",
    "system_s": "system time",
    "peak_rss_bytes": "peak resident memory",
    "accuracy": "accuracy",
    "accuracy_best": "best accuracy of any epoch",
    "epoch_best": "epoch with the best accuracy",
    "epochs": "epochs of training",
    "epoch_s": "time of an epoch of training",
    "training_s": "time of training",
    "parameters": "parameters",
    "weights": "weights",
    "zero_weights": "weights that are zero",
    "sparsity": "share of weights that are zero",
    "base_accuracy": "accuracy before pruning",
    "int8_bytes": "8-bit weights and 32-bit biases",
    "avr_sparse_bytes": "flash without zeros (AVR kernels)",
    "depth": "depth (layers)",
    "macs": "multiply-accumulates",
    "layer_fit_l1_pct": "average layer size over L1d",
    "layer_fit_l2_pct": "average layer size over L2",
    "layer_fit_ram_pct": "average layer size over RAM",
    "macs_over_l1_pct": "MACs in layers larger than L1d",
    "macs_over_l2_pct": "MACs in layers larger than L2",
    "bytes_over_l1_pct": "bytes in layers larger than L1d",
    "macs_over_ram_pct": "MACs in layers larger than RAM",
    "bytes_over_l2_pct": "bytes in layers larger than L2",
    "bytes_over_ram_pct": "bytes in layers larger than RAM",
    "spilled_l1_bytes": "bytes of layers beyond L1d",
    "spilled_l2_bytes": "bytes of layers beyond L2",
    "spilled_ram_bytes": "bytes of layers beyond RAM",
    "working_set_bytes": "working sets of all layers",
    "working_set_mean_bytes": "mean working set of a layer",
    "working_set_largest_bytes": "largest working set of a layer",
    "macs_per_byte": "MACs per byte, layer by layer",
}

_TERMS: dict[str, str] = {
    "gain I": "gain of the current",
    "gain V": "gain of the voltage",
    "offset I": "offset of the current",
    "offset V": "offset of the voltage",
    "timebase": "time base",
    "inference edges": "edges of single inferences",
    "left out": "inferences left out",
    "update period": "update period of the counter",
    "repeats": "repeats (scatter)",
    "scatter in pass": "scatter within a pass",
}

_STATISTICS = {
    "mean": "mean",
    "sd": "standard deviation",
    "min": "least",
    "p05": "5 % point",
    "median": "median",
    "p95": "95 % point",
    "max": "greatest",
}

_SPACES = {"u": "user", "k": "kernel"}
"""Modifiers of counted events."""

_UNIT_SUFFIXES = ("_s", "_j", "_w", "_js", "_pct", "_bytes", "_rel")


def quantity_title(name: str) -> str:
    """What a quantity is called, in lower case; a name nobody listed is spelled out without its unit suffix."""
    if name in _TITLES:
        return _TITLES[name]
    if name.endswith(PROCESS_SUFFIX):
        return f"{quantity_title(name.removesuffix(PROCESS_SUFFIX))} of the whole process"
    if name.endswith(DIFFERENCE):
        return f"{quantity_title(name.removesuffix(DIFFERENCE))}, difference between two counters"
    event, _, modifiers = name.partition(":")
    if modifiers in _SPACES:
        return f"{quantity_title(event)} in {_SPACES[modifiers]} space"
    for prefix, what in (("energy_inference_", "energy"), ("latency_inference_", "time")):
        if name.startswith(prefix):
            return f"{what} of single inferences, {_STATISTICS.get(name.removeprefix(prefix)[:-2], name)}"
    for suffix in _UNIT_SUFFIXES:
        if name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    return name.replace("_", " ")


def term_title(name: str) -> str:
    """What a term of the uncertainty budget is called."""
    return _TERMS.get(name, name.replace("_", " "))


def sentence_case(text: str) -> str:
    """The text with its first letter raised, the rest as it is (``L1d`` stays)."""
    return text[:1].upper() + text[1:]
