"""The command line of TensorFlow Lite's ``benchmark_model``, as far as the simulated one honours it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PROGRAM_NAMES = ("benchmark_model", "linux_aarch64_benchmark_model", "benchmark_model_plus_flex")
"""Names under which the program is found, whatever the folder."""


class OptionError(ValueError):
    """A flag's value is not what the flag takes."""


@dataclass(slots=True)
class BenchmarkOptions:
    """Flags with the defaults of the real program; times in s."""

    graph: str = ""
    num_threads: int = 1
    use_nnapi: bool = False
    external_delegate_path: str = ""
    num_runs: int = 50
    min_secs: float = 1.0
    max_secs: float = 150.0
    warmup_runs: int = 1
    warmup_min_secs: float = 0.5
    report_peak_memory_footprint: bool = False
    verbose: bool = False

    @property
    def on_npu(self) -> bool:
        """True if the graph goes to the NPU."""
        return self.use_nnapi or bool(self.external_delegate_path)


LABELS = {
    "num_runs": "Min num runs",
    "min_secs": "Min runs duration (seconds)",
    "max_secs": "Max runs duration (seconds)",
    "num_threads": "Num threads",
    "warmup_runs": "Min warmup runs",
    "warmup_min_secs": "Min warmup runs duration (seconds)",
    "graph": "Graph",
    "report_peak_memory_footprint": "Report the peak memory footprint",
    "use_nnapi": "Use NNAPI",
    "external_delegate_path": "External delegate path",
    "verbose": "Log parameter values verbosely",
}
"""How the program names its parameters when it lists those that were given, in this order."""

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def parse_options(arguments: Sequence[str]) -> tuple[BenchmarkOptions, list[str], list[str]]:
    """The options of a command line, the names of those given, and the arguments that no flag took.

    Raises :class:`OptionError` on a value that is not of the flag's type.
    """
    options = BenchmarkOptions()
    given: list[str] = []
    rest: list[str] = []
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or name not in LABELS:
            rest.append(argument)
            continue
        setattr(options, name, _converted(name, value, getattr(options, name)))
        given.append(name)
    return options, given, rest


def _converted(name: str, value: str, default: object) -> object:
    if isinstance(default, bool):
        if value.lower() not in _BOOLEANS:
            raise OptionError(f"--{name}={value}")
        return _BOOLEANS[value.lower()]
    try:
        return type(default)(value)  # type: ignore[call-arg]
    except ValueError:
        raise OptionError(f"--{name}={value}") from None
