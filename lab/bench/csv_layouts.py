"""How a table of comma-separated values is laid out: in a file of its own, or in the bench file that replays it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from lab.config.fields import Model, Text, Whole, config_error
from lab.config.units import Frequency, Voltage

_TO_SI = {
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9},
    "current": {"A": 1.0, "mA": 1e-3, "uA": 1e-6, "µA": 1e-6, "μA": 1e-6, "nA": 1e-9},
    "voltage": {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6, "μV": 1e-6},
    "power": {"W": 1.0, "kW": 1e3, "mW": 1e-3, "uW": 1e-6, "µW": 1e-6, "μW": 1e-6, "nW": 1e-9},
}

_LINES = ("gpi0", "gpi1", "gpi2", "gpi3")


def _column_form(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise config_error("not a column", expected="a column's name, or its number from 1")
    if value == "" or (isinstance(value, int) and value < 1):
        raise config_error("not a column", expected="a column's name, or its number from 1")
    return value


ColumnName = Annotated[
    int | str,
    BeforeValidator(_column_form),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]}),
]
"""A column by its name in the last header line, or by its number from 1."""


class _Column(Model):
    column: ColumnName = Field(description="Name in the last header line, or number from 1")


class TimeColumn(_Column):
    """When each row was taken."""

    unit: Literal["s", "ms", "us", "µs", "μs", "ns"]


class CurrentColumn(_Column):
    """Current through the meter."""

    unit: Literal["A", "mA", "uA", "µA", "μA", "nA"]


class VoltageColumn(_Column):
    """Voltage at the meter."""

    unit: Literal["V", "mV", "uV", "µV", "μV"]


class PowerColumn(_Column):
    """Power through the meter."""

    unit: Literal["W", "kW", "mW", "uW", "µW", "μW", "nW"]


class LogicColumn(_Column):
    """A logic line: 0 and 1, or a voltage with a threshold."""

    high: Annotated[float, Field(strict=True)] = Field(0.5, description="From here on the line is high")


class CsvColumns(Model):
    """Which column is what."""

    time: TimeColumn | None = None
    current: CurrentColumn | None = None
    voltage: VoltageColumn | None = None
    power: PowerColumn | None = None
    gpi0: LogicColumn | None = None
    gpi1: LogicColumn | None = None
    gpi2: LogicColumn | None = None
    gpi3: LogicColumn | None = None


def _one_character(text: str) -> str:
    if text == "tab":
        return "\t"
    if len(text) != 1 or text in '"\r\n' or not text.isascii():
        raise config_error("not a separator", expected="one character such as ',' or ';', or 'tab'")
    return text


Separator = Annotated[str, AfterValidator(_one_character), WithJsonSchema({"type": "string", "minLength": 1})]


class CsvLayout(Model):
    """The layout of a table: nothing is guessed from its look."""

    columns: CsvColumns = Field(description="Which column is what, and in which unit")
    rate: Frequency | None = Field(
        None, description="Rows per second, in whole hertz; left out, the column of time must tell it"
    )
    separator: Separator = Field(",", description="Between two cells: one character, or 'tab'")
    decimal: Literal[".", ","] = Field(".", description="Decimal point or decimal comma")
    header_lines: Whole = Field(1, description="Lines before the first row; the last of them names the columns")
    missing: tuple[str, ...] = Field(
        ("", "nan", "NaN"), description="Texts that stand for a missing value: a gap, never a zero"
    )
    jitter: Annotated[float, Field(ge=0, le=0.45, strict=True)] = Field(
        0.1, description="Part of a sample by which a row's time may lie off the grid of the rate"
    )
    assumed_voltage: Voltage | None = Field(
        None, description="Supply voltage where no column has it; every energy is then marked assumed_voltage"
    )
    rows: Literal["samples", "readings"] = Field(
        "samples", description="samples: rows at a fixed rate; readings: each row is a value at its own instant"
    )

    @model_validator(mode="after")
    def _tells_power_and_time(self) -> CsvLayout:
        columns = self.columns
        if columns.voltage is not None and self.assumed_voltage is not None:
            raise config_error("the voltage is measured: there is a column of it", at=("assumed_voltage",))
        if self.separator == self.decimal:
            raise config_error("the same character as the decimal comma", at=("separator",))
        voltage = columns.voltage is not None or self.assumed_voltage is not None
        if columns.power is None and (columns.current is None or not voltage):
            raise config_error(
                "no power",
                expected="a column 'power', or 'current' with 'voltage' (or assumed_voltage)",
                at=("columns",),
            )
        if self.rows == "readings" and columns.time is None:
            raise config_error("readings need the column 'time'", at=("columns",))
        if self.rows == "readings" and self.rate is not None:
            raise config_error("readings have no rate", expected="no rate, or samples", at=("rate",))
        if columns.time is None and self.rate is None:
            raise config_error("no time", expected="a rate, or the column 'time'", at=("columns",))
        if self.rate is not None and (self.rate != round(self.rate) or self.rate < 1):
            raise config_error("not a whole number of hertz", expected="1 Hz, 2 Hz …; or readings", at=("rate",))
        return self


def _layout_form(value: Any) -> str:
    return "inline" if isinstance(value, (dict, CsvLayout)) else "file"


LayoutOrFile = Annotated[
    Annotated[CsvLayout, Tag("inline")] | Annotated[Text, Tag("file")],
    Discriminator(_layout_form),
]
"""A layout, or the path of the file that holds it."""


def load_layout(path: Path) -> CsvLayout:
    """Read and check a layout's file.

    Raises :class:`lab.config.problems.ConfigErrors` with everything that is wrong, each with line and column.
    """
    from lab.config.document import read_document
    from lab.config.validation import validate

    return validate(read_document(path), CsvLayout)


def column_scales(columns: CsvColumns) -> dict[str, tuple[int | str, float]]:
    """Column and factor to SI units of time, current, voltage and power, as far as there are such columns."""
    named = {"time": columns.time, "current": columns.current, "voltage": columns.voltage, "power": columns.power}
    return {name: (item.column, _TO_SI[name][item.unit]) for name, item in named.items() if item is not None}


def logic_columns(columns: CsvColumns) -> dict[str, tuple[int | str, float]]:
    """Column and threshold of the logic lines there are."""
    named = {line: getattr(columns, line) for line in _LINES}
    return {line: (item.column, item.high) for line, item in named.items() if item is not None}
