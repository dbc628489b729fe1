"""What the bench files' boards have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lab.config.environment import PathText
from lab.config.fields import Count, Model, Text, Whole, config_error
from lab.config.units import Size


class Caches(Model):
    """Sizes of the board's memories next to the core, for the cache-fit figures."""

    l1d: Size | None = Field(None, description="Level 1 data cache of one core")
    l2: Size | None = Field(None, description="Level 2 cache")
    ram: Size | None = Field(None, description="On-chip memory that the study calls RAM")


class Ceiling(Model):
    """How fast some part of the board computes and moves data at best, for the roofline; as you measured it (for
    instance with workloads/ceilings) or as its data sheet says."""

    accelerator: Literal["cpu", "npu"] = "cpu"
    threads: Count = Field(1, description="CPU threads it holds for; of no account on an accelerator")
    element: Literal["float32", "int8"] = Field("float32", description="Arithmetic that it holds for")
    mac_per_s: Annotated[float, Field(gt=0)] = Field(description="Multiply-accumulates per second")
    bytes_per_s: Annotated[float, Field(gt=0)] = Field(description="Bytes per second from and to the memory")
    source: Literal["measured", "datasheet", "model"] = Field(description="Where the two figures come from")


class Tflite(Model):
    """What runs the networks on the board, and how it reaches an accelerator."""

    runtime: Literal["benchmark_model", "litert", "torch"] = Field(
        "benchmark_model",
        description="TensorFlow Lite's own program; LiteRT's Python package (workloads/litert); on servers PyTorch, "
        "which needs no .tflite files (workloads/torch)",
    )
    benchmark_model: Text = Field("benchmark_model", description="Path of the program on the board")
    python: Text | None = Field(
        None,
        description="Interpreter on the board with that package; default: the lab's own on this machine, else python3",
    )
    xnnpack: bool | None = Field(None, description="Use XNNPACK's kernels on CPUs; default: the runtime's own choice")
    npu: Literal["nnapi", "external_delegate"] = Field("nnapi", description="How work is put on the NPU")
    nnapi_accelerator: Text | None = Field(None, description="NNAPI's name of it, where the board has several")
    delegate: Text | None = Field(None, description="Path of the delegate's library on the board")
    delegate_options: dict[Text, Text] = Field({}, description="What the delegate is told: name → value")

    @model_validator(mode="after")
    def _delegate_is_named(self) -> Tflite:
        if self.npu == "external_delegate" and self.delegate is None:
            raise config_error("missing key 'delegate'", expected="the path of the library on the board", at=("npu",))
        if self.npu != "external_delegate" and self.delegate_options:
            raise config_error("there is no delegate", expected="npu: external_delegate", at=("delegate_options",))
        for name, value in self.delegate_options.items():
            if ":" in name or ";" in name + value:
                raise config_error(
                    f"{name!r}: {value!r} cannot be told",
                    expected="no ';', and no ':' in a name",
                    at=("delegate_options",),
                )
        return self


class BoardModel(Model):
    caches: Caches = Field(default_factory=Caches)
    ceilings: tuple[Ceiling, ...] = Field((), description="What it computes and moves at best, for the roofline")

    @property
    def emulated(self) -> bool:
        """Is its pace an emulator's? Times, cycles and energies of such a board are not stated."""
        return False

    @property
    def cycle_true(self) -> bool:
        """Does its emulator count the core's own cycles? Times that its programs state are then stated."""
        return False


class LinuxBoardModel(BoardModel):
    affinity: Annotated[tuple[Whole, ...], Field(min_length=1)] | None = Field(
        None, description="CPUs that programs may use"
    )
    models: PathText | None = Field(None, description="Folder with the .tflite files, on this machine")
    tflite: Tflite = Field(default_factory=Tflite)
