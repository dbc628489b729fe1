"""Every constant of the simulated i.MX 8M Plus, with its unit and where it comes from.

Sources, as cited beside each value:

* *data sheet*: NXP IMX8MPIEC/IMX8MPCEC and the Arm Cortex-A53 reference manual (DDI 0500);
* *study*: E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or Offloading*, Chalmers 2022;
* *calibrated*: chosen so that the model gives what the study prints; the command
  ``python -m lab.boards.simulated.calibration`` shows print and model side by side;
* *typical*: a plausible figure of this class of part that no claim of the study constrains.

Nothing here is a result: no latency, energy or count of any network is written down anywhere in the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Precision(StrEnum):
    """The arithmetic a network is executed in."""

    INT8 = "int8"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class PerPrecision:
    """A constant that differs between 8-bit integer and float32 arithmetic."""

    int8: float
    float32: float

    def of(self, precision: Precision) -> float:
        """The value for one of them."""
        return self.int8 if precision is Precision.INT8 else self.float32


@dataclass(frozen=True, slots=True)
class CpuConstants:
    """Four Cortex-A53 cores with their caches and memory."""

    cores: int = 4
    """Data sheet."""
    clock_hz: float = 1.8e9
    """Data sheet (commercial part, overdrive mode)."""
    l1d_bytes: int = 32 * 1024
    """Data sheet; the study's 32 kB."""
    l2_bytes: int = 512 * 1024
    """Data sheet, shared by the cores; the study's 512 kB."""
    line_bytes: int = 64
    """Data sheet."""
    blocking_share: float = 0.5
    """Share of a cache that the matrix kernels block for; the rest holds what streams past. Typical."""

    gemm_mac_per_s: PerPrecision = PerPrecision(int8=4.18e9, float32=3.97e9)
    """One core on convolutions and dense layers, with full tiles. The A53's 64-bit NEON data path gives 2 float32
    MACs a cycle and about twice that for widening int8 without the dot-product instructions; what remains after
    loads, packing and requantisation is calibrated: compression gains the CPU 6–8 %, and 5G offloading beats it for
    every network but the smallest."""
    depthwise_mac_per_s: PerPrecision = PerPrecision(int8=1.17e9, float32=1.10e9)
    """One core on depthwise convolutions, which reuse no weights across channels. Typical."""
    tile_columns: int = 4
    """Output positions a micro-kernel works on at once; the last tile is padded. Typical of NEON kernels."""
    elements_per_s: PerPrecision = PerPrecision(int8=0.75e9, float32=0.70e9)
    """One core on layers that only move, add or compare elements. Typical."""
    operator_overhead_s: float = 9e-6
    """Dispatch of one operator by the interpreter. Typical."""
    thread_overhead_s: float = 7e-6
    """Waking and joining the worker threads, per operator that uses them. Typical."""
    serial_share: float = 0.05
    """Amdahl's serial part of an operator: packing and the ragged last block. Typical."""

    l2_bytes_per_s: float = 9e9
    """L2 to L1, per core. Typical: about 5 bytes a cycle."""
    l2_shared_bytes_per_s: float = 24e9
    """The same for all cores together. Typical."""
    dram_bytes_per_s: float = 3.8e9
    """LPDDR4 (32 bit, 4000 MT/s: 16 GB/s at the pins, data sheet) as one core can stream it. Calibrated with
    the above: weights of small inputs are what float32 waits for."""
    dram_shared_bytes_per_s: float = 12e9
    """The same for all cores together. Calibrated with the above."""


@dataclass(frozen=True, slots=True)
class NpuConstants:
    """The neural processing unit, driven through NNAPI or an external delegate."""

    peak_mac_per_s: float = 1.15e12
    """Study and data sheet: 2.3 TOPS of int8, one MAC being two operations."""
    spatial_utilisation: float = 0.42
    """Of the peak, for convolutions with a kernel larger than 1×1 and enough channels. Calibrated: VGG16 at 128 × 128
    takes less than offloading it."""
    pointwise_utilisation: float = 0.23
    """Of the peak, for 1×1 convolutions. Calibrated."""
    depthwise_utilisation: float = 0.012
    """Of the peak, for depthwise convolutions: one channel feeds one accumulator. Typical."""
    full_channels: int = 64
    """Input channels from which the array is full; below, utilisation falls in proportion. Typical."""
    full_positions: int = 64
    """Output positions from which the array is full; below, it falls with their square root. Typical."""
    weight_bytes_per_s: float = 3.55e9
    """Streaming of weights, which do not stay on the chip between inferences. Calibrated."""
    activation_bytes_per_s: float = 6e9
    """Activations that do not stay in the NPU's own memory. Typical."""
    local_bytes: int = 256 * 1024
    """The NPU's own memory for activations. Typical."""
    operator_overhead_s: float = 11e-6
    """Per operator inside the compiled graph. Calibrated."""
    invoke_overhead_s: float = 260e-6
    """Per inference: driver call, copying input and output, interrupt. Calibrated."""
    float_gemm_mac_per_s: float = 0.50e9
    """Float32 convolutions and dense layers fall back to the programmable shader. Calibrated: the speed-up by
    compression is 188× on average and 716× at most."""
    float_depthwise_mac_per_s: float = 0.16e9
    """Float32 depthwise convolutions there. Calibrated with the above."""
    float_elements_per_s: float = 60e6
    """Float32 layers without MACs there. Calibrated with the above."""
    float_weight_bytes_per_s: float = 0.9e9
    """Float32 weights read by the shader. Calibrated with the above."""
    float_operator_overhead_s: float = 120e-6
    """Starting a shader for one operator. Typical."""

    compile_s_per_operator: float = 8e-3
    """First inference: the graph is compiled for the NPU. Typical: seconds for a network."""
    upload_bytes_per_s: float = 30e6
    """First inference: weights are reordered, compressed and uploaded. The study: "slow to load new weights"."""


@dataclass(frozen=True, slots=True)
class PowerConstants:
    """What the board draws at its 12 V supply, converter losses included."""

    idle_w: float = 3.04
    """Study: tables 4.2 and 4.3 together give 3.03–3.05 W of "high" idle."""
    core_compute_w: PerPrecision = PerPrecision(int8=0.36, float32=0.66)
    """One A53 core at work on arithmetic, above idle. Calibrated against the correlation of energy and latency."""
    core_stalled_w: float = 0.22
    """One A53 core waiting for memory. Typical."""
    core_overhead_w: float = 0.32
    """One A53 core in the interpreter, the driver or the kernel. Typical."""
    cluster_w: float = 0.18
    """L2 and interconnect while any core works. Typical."""
    dram_j_per_byte: float = 90e-12
    """LPDDR4 device, controller and converter losses. Typical."""
    npu_compute_w: PerPrecision = PerPrecision(int8=2.6, float32=1.15)
    """The NPU's array (int8) and its shader (float32) at full use, above idle. Typical; the correlation of energy and
    latency on the NPU is 0.99."""
    npu_stalled_w: float = 0.75
    """The NPU clocked but waiting for weights or activations. Typical."""


@dataclass(frozen=True, slots=True)
class SocRailConstants:
    """What flows through the rail of the SoC's logic, behind the converter on the board. No statement of the study
    constrains it: it is there so that two meters see two different things."""

    voltage_v: float = 0.95
    """Data sheet: VDD_SOC in overdrive mode."""
    source_resistance_ohm: float = 2e-3
    """Output of the converter, and the meter's leads. Typical."""
    idle_share: float = 0.35
    """Of the board's idle power; the rest feeds memory, network, regulators. Typical."""
    work_share: float = 0.70
    """Of the board's power above idle; the rest is memory and what the converter loses. Typical."""


@dataclass(frozen=True, slots=True)
class CounterConstants:
    """Instructions and cache events of the CPU side."""

    gemm_instructions_per_mac: PerPrecision = PerPrecision(int8=0.46, float32=0.44)
    """Vector arithmetic, loads and loop control. Typical: near one instruction a cycle at the rates above."""
    depthwise_instructions_per_mac: PerPrecision = PerPrecision(int8=1.25, float32=1.10)
    """Typical."""
    instructions_per_element: PerPrecision = PerPrecision(int8=2.0, float32=1.6)
    """Layers without MACs, packing of inputs and requantisation of outputs. Typical."""
    load_share: float = 0.27
    """Data accesses per instruction in the kernels. A Cortex-A53 has no event for loads alone: ``L1-dcache-loads``
    counts reads and writes there. Typical."""
    prefetch_share: float = 0.35
    """Share of the lines coming into L1 that the prefetcher brought before a load asked for them. Typical."""
    instructions_per_operator: float = 9_000
    """Interpreter work for one operator. Typical."""
    instructions_per_thread_join: float = 2_500
    """Per worker and operator that uses the threads. Typical."""
    spin_instructions_per_s: float = 0.9e9
    """A worker that waits for the others polls before it sleeps. Typical."""
    scalar_load_share: float = 0.24
    """Loads per instruction in ordinary code. Typical."""
    scalar_miss_share: float = 0.012
    """L1 load misses per load in ordinary code. Typical."""
    scalar_l2_miss_share: float = 0.2
    """L2 refills per L1 load miss in ordinary code. Typical."""
    scalar_branch_share: float = 0.18
    """Branches per instruction in ordinary code. Typical."""
    scalar_branch_miss_share: float = 0.03
    """Mispredicted branches per branch in ordinary code. Typical."""
    kernel_branch_share: float = 0.04
    """Branches per instruction in the kernels: unrolled loops. Typical."""
    kernel_branch_miss_share: float = 0.004
    """Mispredicted branches per branch in the kernels. Typical."""
    refill_share: float = 0.6
    """L2 refills per line over the memory interface; the others are written, not read. Typical."""
    instructions_per_npu_invoke: float = 240_000
    """Driver and scheduling for one inference on the NPU. Typical."""
    instructions_per_npu_operator: float = 1_100
    """Commands for one operator. Typical."""
    instructions_per_copied_byte: float = 0.1
    """Handing input and output to the NPU. Typical."""
    instructions_per_inference: float = 14_000
    """The benchmark's own loop: clock, statistics, filling of inputs. Typical."""
    faults_per_inference: float = 0.03
    """Page faults in the steady state: growth of the benchmark's own statistics. Typical."""
    switches_per_s: float = 4.0
    """Involuntary context switches per second of CPU time. Typical."""
    pmu_slots: int = 6
    """Programmable counters of a Cortex-A53's PMU, beside the cycle counter (DDI 0500)."""


@dataclass(frozen=True, slots=True)
class ProcessConstants:
    """Start of the benchmark program, loading of the model, first inference."""

    start_s: float = 14e-3
    """Dynamic linking and parsing of the command line. Typical."""
    start_faults: float = 1_350
    """Pages of the program and its libraries. Typical."""
    init_s: float = 600e-6
    """Making the interpreter, before any operator. Typical."""
    init_s_per_operator: float = 14e-6
    """Preparing one operator. Typical."""
    check_bytes_per_s: float = 6e9
    """Checking the model file, most of which is skipped over. Typical."""
    pack_bytes_per_s: float = 0.9e9
    """First inference on the CPU: weights are read from the file's pages and packed. Typical."""
    file_overhead_bytes: int = 24 * 1024
    """Structure of a .tflite file beside its weights. Typical."""
    file_overhead_bytes_per_operator: int = 640
    """Typical."""
    instructions_per_s: float = 1.2e9
    """Of ordinary code on one core: two thirds of an instruction a cycle. Typical."""
    system_share: float = 0.06
    """Share of CPU time spent in the kernel. Typical."""
    page_bytes: int = 4096
    """Linux on arm64."""
    fault_around_pages: int = 16
    """Pages of a mapped file that one fault brings in (Linux's default)."""
    program_bytes: int = 11 * 1024 * 1024
    """Resident memory of the benchmark without a model. Typical."""


@dataclass(frozen=True, slots=True)
class VariationConstants:
    """How passes and inferences differ from the model's mean. Every factor has the mean 1 (or 0 W) exactly."""

    latency_relative: float = 8e-3
    """Standard deviation of the latency's factor from pass to pass. Typical of this board."""
    active_power_relative: float = 5e-3
    """Standard deviation of the factor on power above idle, from pass to pass. Typical."""
    jitter_relative: float = 6e-3
    """Standard deviation of one inference's latency within a pass. The 450 µs in 33.2 ms of a published
    ``benchmark_model`` output on a phone are 1.4 %."""
    idle_pass_w: float = 3e-3
    """Standard deviation of idle power from pass to pass. Typical."""
    idle_wander_w: float = 3e-3
    """Standard deviation of its slow wander within a pass. Typical."""
    idle_wander_s: float = 8.0
    """Time constant of that wander. Typical."""
    idle_step_s: float = 0.05
    """Idle power is redrawn this often. Typical of a kernel's housekeeping."""
    idle_noise_w: float = 8e-3
    """Standard deviation from step to step. Typical."""
    instructions_relative: float = 2e-4
    """Scatter of counts of instructions and loads. Typical."""
    misses_relative: float = 1e-3
    """Scatter of counts of misses. Typical."""
    faults: float = 3.0
    """Scatter of the number of page faults of a process. Typical."""


@dataclass(frozen=True, slots=True)
class BoardConstants:
    """All constants of one simulated board model."""

    cpu: CpuConstants = field(default_factory=CpuConstants)
    npu: NpuConstants = field(default_factory=NpuConstants)
    power: PowerConstants = field(default_factory=PowerConstants)
    soc_rail: SocRailConstants = field(default_factory=SocRailConstants)
    counters: CounterConstants = field(default_factory=CounterConstants)
    process: ProcessConstants = field(default_factory=ProcessConstants)
    variation: VariationConstants = field(default_factory=VariationConstants)


IMX8MP = BoardConstants()
"""The i.MX 8M Plus."""
