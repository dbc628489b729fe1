"""What an offload scenario file says, typed: media, servers and idle states, each constant with its source.

Load files with :func:`load_scenario`. Sizes are in bytes, times in seconds, bandwidths in B/s, energies in J/B. What a
checked file says goes to the analysis, and into the manifest, as plain data (``model_dump(mode="json")``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lab.config.document import read_document
from lab.config.fields import Identifier, Model, Number, Text, config_error
from lab.config.problems import ConfigErrors
from lab.config.templates import ScalarTemplate, names_in
from lab.config.units import Bandwidth, ByteEnergy, Duration, Power, Size
from lab.config.validation import examine
from lab.experiment.model import Only


def _checked_side(value: Any) -> Any:
    if isinstance(value, str) and (len(names_in(value)) != 1 or value != f"{{{names_in(value)[0]}}}"):
        raise config_error("neither a number nor one name in braces", expected="pixels, or a factor such as '{input}'")
    if isinstance(value, bool) or (isinstance(value, (int, float)) and value <= 0):
        raise config_error("no size of an image", expected="pixels, or a factor such as '{input}'")
    return value


Side = Annotated[ScalarTemplate, AfterValidator(_checked_side)]


class ImagePayload(Model):
    """A square image goes to the server."""

    kind: Literal["image"]
    side: Side = Field("{input}", description="Its edge in pixels: a number, or the factor or setting that gives it")
    bytes_per_pixel: Annotated[Number, Field(gt=0)] = Field(
        description="Of all channels together: 3 for 8-bit colours, 12 for float32 colours"
    )
    header: Size = Field(0, description="Bytes beside the pixels")
    result: Size = Field(0, description="Bytes that come back")


class FixedPayload(Model):
    """The same number of bytes goes to the server for every inference."""

    kind: Literal["fixed"]
    sent: Size = Field(description="Bytes that go there")
    result: Size = Field(0, description="Bytes that come back")


Payload = Annotated[ImagePayload | FixedPayload, Field(discriminator="kind")]


class MediumModel(Model):
    """A way to the server."""

    latency: Duration = Field(description="What a message takes beside its bytes")
    latency_is: Literal["one_way", "round_trip"] = Field(description="Whether that is one way, or there and back")
    up: Annotated[Bandwidth, Field(gt=0)] = Field(description="Bandwidth to the server")
    down: Annotated[Bandwidth, Field(gt=0)] = Field(description="Bandwidth from the server")
    up_energy: ByteEnergy | None = Field(
        None, description="What a byte to the server costs the device, beside its idle power; none: nobody knows"
    )
    down_energy: ByteEnergy | None = Field(None, description="What a byte from the server costs; none: nobody knows")
    keep_alive: Power = Field(0.0, description="What the link draws between requests")
    payload: Payload | None = Field(None, description="What goes over it, if not what `payload` below says")
    source: Text = Field(description="Where its constants come from")

    @model_validator(mode="after")
    def _both_energies(self) -> MediumModel:
        if (self.up_energy is None) != (self.down_energy is None):
            lacking = "up_energy" if self.up_energy is None else "down_energy"
            raise config_error(
                f"missing key: {lacking}", expected="the energy of a byte both ways, or of neither", at=(lacking,)
            )
        return self


class ConstantServer(Model):
    """The server takes the same time for every network."""

    kind: Literal["constant"]
    latency: Duration
    source: Text = Field(description="Where the constant comes from")


class LawTerm(Model):
    """A part of the time: latency · (quantity ÷ per) to the power of exponent."""

    of: Literal["macs", "depth", "parameters"] = Field(description="What of the network it grows with")
    per: Annotated[Number, Field(gt=0)] = Field(description="The quantity for which the part is `latency`")
    latency: Duration
    exponent: Number


class InferredServer(Model):
    """The server's time was not measured but inferred from what the network is; every result says so."""

    kind: Literal["inferred"]
    terms: Annotated[tuple[LawTerm, ...], Field(min_length=1)] = Field(description="Parts that are added up")
    source: Text = Field(description="What it was inferred from")


class RecordServer(Model):
    """The server's time was measured: a record holds it, such as one of experiments/offload_server.yaml."""

    kind: Literal["record"]
    record: Text = Field(description="The record, as commands take it: a folder, a short id, an experiment's name")
    only: Only = Field({}, description="Only its points with these factor values, such as {device: CPU}")
    match: tuple[Identifier, ...] = Field(
        (), description="Factors whose values make it the same network; none: the label does"
    )
    source: Text | None = Field(None, description="A remark; where it was measured stands in the record")


Server = Annotated[ConstantServer | InferredServer | RecordServer, Field(discriminator="kind")]


class IdleModel(Model):
    """What the device draws while it waits for the answer."""

    power: Power | None = Field(None, description="Stated power; left out with `from_record: true`")
    from_record: bool = Field(False, description="The idle power that was measured beside each point's energy")
    source: Text | None = Field(None, description="Where the stated power comes from")

    @model_validator(mode="after")
    def _one_of_both(self) -> IdleModel:
        if self.from_record == (self.power is not None):
            message = "both a stated power and the record's" if self.from_record else "missing key"
            raise config_error(message, expected="'power' or 'from_record: true'", at=("power",))
        if self.power is not None and self.source is None:
            raise config_error("missing key", expected="where the stated power comes from", at=("source",))
        return self


def _named(value: Any) -> Any:
    if isinstance(value, dict) and not value:
        raise config_error("must not be empty", expected="at least one")
    return value


_Name = Annotated[str, Field(min_length=1)]


class OffloadScenario(Model):
    """A scenario of offloading: every medium is combined with every server and every idle state."""

    offload: Identifier = Field(description="Its name; tables and figures lie in a folder of this name")
    title: Text | None = None
    description: Text | None = None
    payload: Payload = Field(description="What one inference sends and gets back")
    media: Annotated[dict[_Name, MediumModel], BeforeValidator(_named)] = Field(description="Name → way to the server")
    servers: Annotated[dict[_Name, Server], BeforeValidator(_named)] = Field(description="Name → who infers there")
    idle: Annotated[dict[_Name, IdleModel], BeforeValidator(_named)] = Field(
        description="Name → what the device draws while it waits"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedScenario:
    """A scenario and the file it comes from, the text as written."""

    scenario: OffloadScenario
    path: Path
    text: str

    def resolved(self) -> dict[str, Any]:
        """What the analysis and the manifest take."""
        return self.scenario.model_dump(mode="json")


def load_scenario(path: Path) -> LoadedScenario:
    """Read and check a scenario file.

    Raises :class:`~lab.config.problems.ConfigErrors` with everything that is wrong in it.
    """
    document = read_document(path)
    scenario, problems = examine(document, OffloadScenario)
    if scenario is None or problems:
        raise ConfigErrors(problems)
    return LoadedScenario(scenario=scenario, path=path, text=document.text)
