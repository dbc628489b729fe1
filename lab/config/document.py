"""Reading a YAML file into plain data that remembers where everything stands.

The data are dicts, lists and scalars; anchors, aliases and merge keys are resolved. Every key and value has a
:class:`Place`. What can be reported beside other mistakes (duplicate keys, say) is collected in ``findings``; what
makes the file unreadable is raised as :class:`~lab.config.problems.ConfigErrors`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from lab.config.location import Location, render
from lab.config.problems import ConfigErrors, Problem

_MOST_NODES = 200_000
"""Aliases of aliases can make a small file huge; no real configuration comes near this."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file, counted from 1; without line and column for an override."""

    file: str
    line: int | None = None
    col: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong at a location of the data; :meth:`Document.problem` adds the place and what was found there.

    ``at_key`` points at the key instead of its value. ``found`` overrides what is said to be found.
    """

    location: Location
    message: str
    expected: str | None = None
    suggestion: str | None = None
    found: str | None = None
    at_key: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data with the place of every key and value."""

    file: str
    text: str
    data: Any
    keys: dict[Location, Place] = field(default_factory=dict)
    values: dict[Location, Place] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def place_of(self, location: Location, *, at_key: bool = False) -> Place:
        """Where a value (or its key) stands; for what is not there, the key of the nearest thing around it.

        Mappings, lists and nothing are placed at the key that introduces them, where a person looks for them.
        """
        if not at_key and location in self.values and isinstance(self.at(location), (str, bool, int, float)):
            return self.values[location]
        for depth in range(len(location), -1, -1):
            around = location[:depth]
            for places in (self.keys, self.values):
                if around in places:
                    return places[around]
        return Place(self.file)

    def is_overridden(self, location: Location) -> bool:
        """Was this value changed by an override, as a whole or in part?"""
        depth = len(location)
        return any(place.line is None for where, place in self.values.items() if where[:depth] == location)

    def at(self, location: Location) -> Any:
        """The value at a location. Raises ``LookupError`` if there is none."""
        value = self.data
        for part in location:
            if not isinstance(value, (dict, list)) or (isinstance(value, list) and not isinstance(part, int)):
                raise LookupError(location)
            value = value[part]  # type: ignore[index]
        return value

    def problem(self, finding: Finding) -> Problem:
        """A finding with its place, and with what was found there unless the finding says so itself."""
        place = finding.place or self.place_of(finding.location, at_key=finding.at_key)
        found = finding.found
        if found is None and not finding.at_key:
            try:
                found = describe(self.at(finding.location))
            except LookupError:
                found = None
        return Problem(
            file=place.file,
            line=place.line,
            col=place.col,
            path=render(finding.location),
            message=finding.message,
            found=found,
            expected=finding.expected,
            suggestion=finding.suggestion,
        )


def describe(value: Any) -> str | None:
    """A value as a message shows it; mappings and lists are not spelled out."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "…")
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return str(value)


def read_document(path: Path) -> Document:
    """Read a YAML file whose top is a mapping.

    Raises :class:`~lab.config.problems.ConfigErrors` with one problem if the file is missing, unreadable, empty, not
    UTF-8 or not YAML.
    """
    file = str(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigErrors([Problem(file=file, message="no such file")]) from None
    except IsADirectoryError:
        raise ConfigErrors([Problem(file=file, message="a folder", expected="a YAML file")]) from None
    except OSError as error:
        raise ConfigErrors([Problem(file=file, message=f"cannot be read: {error.strerror}")]) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        line, col = _line_and_column(before, len(before))
        found = f"the byte 0x{content[error.start]:02x}"
        problem = Problem(file=file, line=line, col=col, message="not UTF-8 text", found=found)
        raise ConfigErrors([problem], advice="save the file as UTF-8") from None
    document = parse_document(text, file)
    if document.data is None and not document.findings:
        raise ConfigErrors([Problem(file=file, line=1, col=1, message="the file is empty")])
    if not isinstance(document.data, dict):
        place = document.place_of(())
        problem = Problem(
            file=place.file,
            line=place.line,
            col=place.col,
            message="not a mapping",
            found=describe(document.data),
            expected="lines of the form 'key: value'",
        )
        raise ConfigErrors([problem])
    return document


def parse_document(text: str, file: str) -> Document:
    """Parse YAML text; ``file`` is what messages call it. Raises ConfigErrors if it is not YAML."""
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        reader = _Reader(file)
        data = None if root is None else reader.read(root, ())
    except ReaderError as error:
        line, col = _line_and_column(text, error.position)
        problem = Problem(file=file, line=line, col=col, message="a character that YAML does not allow")
        raise ConfigErrors([problem]) from None
    except MarkedYAMLError as error:
        raise ConfigErrors([_syntax_problem(error, file)]) from None
    except YAMLError as error:
        raise ConfigErrors([Problem(file=file, message=f"not valid YAML: {_one_line(error)}")]) from None
    except RecursionError:
        raise ConfigErrors([Problem(file=file, message="nested too deeply")]) from None
    return Document(file, text, data, reader.keys, reader.values, tuple(reader.findings))


def _syntax_problem(error: MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, col = (None, None) if mark is None else (mark.line + 1, mark.column + 1)
    message = _one_line(error.problem or error.context or "unknown reason")
    expected = None
    if "'\\t'" in message:
        message, expected = "a tab where YAML wants spaces", "indentation with spaces"
    elif error.context and error.problem:
        message = f"{message} {_one_line(error.context)}"
    return Problem(file=file, line=line, col=col, message=f"not valid YAML: {message}", expected=expected)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


class _Reader:
    """Turns composed YAML nodes into plain data, and notes where everything stands."""

    def __init__(self, file: str) -> None:
        self.keys: dict[Location, Place] = {}
        self.values: dict[Location, Place] = {}
        self.findings: list[Finding] = []
        self._file = file
        self._open: list[Node] = []
        self._count = 0

    def read(self, node: Node, location: Location) -> Any:
        """The data of a node at a location. A node that contains itself is noted and read as nothing."""
        self.values[location] = self._place(node)
        self._count += 1
        if self._count > _MOST_NODES:
            raise YAMLError("too many aliases of aliases")
        if any(node is parent for parent in self._open):
            self._find(location, "an alias inside of what it stands for", node)
            return None
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, location)
            if isinstance(node, SequenceNode):
                return [self.read(item, (*location, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, location)
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._find(location, "a key that is no text", key_node)
            elif key_node.tag == "tag:yaml.org,2002:merge" or (key_node.value == "<<" and key_node.style is None):
                merged.append(value_node)
            elif key_node.value in data:
                first = self.keys[(*location, key_node.value)]
                self._find((*location, key_node.value), f"duplicate key, first in line {first.line}", key_node)
            else:
                child = (*location, key_node.value)
                self.keys[child] = self._place(key_node)
                data[key_node.value] = self.read(value_node, child)
        for source in merged:
            self._merge(source, data, location)
        return data

    def _merge(self, source: Node, data: dict[str, Any], location: Location) -> None:
        """Add what a merge key (``<<``) brings; keys that are there already win."""
        if isinstance(source, SequenceNode):
            for item in source.value:
                self._merge(item, data, location)
            return
        if not isinstance(source, MappingNode):
            self._find((*location, "<<"), "a merge key needs a mapping", source)
            return
        beside = _Reader(self._file)
        beside._open = [*self._open]
        beside._count = self._count
        extra = beside.read(source, location)
        self._count = beside._count
        self.findings += beside.findings
        new = extra.keys() - data.keys() if isinstance(extra, dict) else set()
        for mine, theirs in ((self.keys, beside.keys), (self.values, beside.values)):
            depth = len(location)
            mine.update({where: at for where, at in theirs.items() if len(where) > depth and where[depth] in new})
        data.update({key: value for key, value in (extra or {}).items() if key in new})

    def _scalar(self, node: Node, location: Location) -> Any:
        tag, text = str(node.tag), str(node.value)
        name = tag.removeprefix("tag:yaml.org,2002:")
        if name == "null":
            return None
        if name == "bool":
            return text.lower() in ("true", "yes", "on", "y")
        if name == "int":
            return _whole_number(text)
        if name == "float":
            return _number(text)
        if name not in ("str", "timestamp", "value", "merge"):
            self._find(location, f"unknown tag {tag!r}", node)
        return text

    def _find(self, location: Location, message: str, node: Node) -> None:
        self.findings.append(Finding(location=location, message=message, at_key=True, place=self._place(node)))

    def _place(self, node: Node) -> Place:
        return Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)


def _whole_number(text: str) -> int | str:
    digits = text.replace("_", "")
    for base in (10, 0):
        try:
            return int(digits, base)
        except ValueError:
            continue
    return text


def _number(text: str) -> float | str:
    lower = text.lower().replace("_", "")
    if lower.lstrip("+-") in (".inf", ".nan"):
        magnitude = math.inf if lower.endswith("inf") else math.nan
        return -magnitude if lower.startswith("-") else magnitude
    try:
        return float(lower)
    except ValueError:
        return text
