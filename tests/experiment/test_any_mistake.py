"""Whatever is wrong with a file, the answer is a list of places and reasons, never a stack trace."""

from __future__ import annotations

import copy
from typing import Any

from experiment_texts import BENCH, EXPERIMENT
from hypothesis import given
from hypothesis import strategies as st

from lab.bench.model import Bench
from lab.config.document import Document, Place, parse_document
from lab.config.location import Location, parse
from lab.config.validation import examine
from lab.experiment.checks import check_experiment
from lab.experiment.model import Experiment

FILES = {
    "experiment": (parse_document(EXPERIMENT, "experiment.yaml"), Experiment, check_experiment),
    "bench": (parse_document(BENCH, "bench.yaml"), Bench, None),
}
KEYS = (
    st.sampled_from(["kind", "value", "settings", "glob", "runs", "platform", "x", "", "[key]", "listed"]) | st.text()
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def spoiled(document: Document, location: Location, value: Any) -> Document:
    """The document with another value at a location."""
    data = copy.deepcopy(document.data)
    target = data
    for part in location[:-1]:
        target = target[part]
    target[location[-1]] = value
    return Document(document.file, document.text, data, document.keys, document.values)


@given(st.sampled_from(sorted(FILES)), st.data(), VALUES)
def test_any_value_anywhere(name: str, data: st.DataObject, value: Any) -> None:
    document, model, check = FILES[name]
    location = data.draw(st.sampled_from(sorted((where for where in document.values if where), key=str)))
    result, problems = examine(spoiled(document, location, value), model, check)
    assert (result is not None) or problems
    for problem in problems:
        assert problem.line is not None
        assert problem.message
        assert problem.path == "" or parse(problem.path)
        assert "\n" not in str(problem)


@given(st.sampled_from(sorted(FILES)), st.data(), st.text(min_size=1))
def test_an_unknown_key_is_reported_where_it_stands(name: str, data: st.DataObject, key: str) -> None:
    document, model, check = FILES[name]
    closed = {
        "experiment": [("passes",), ("passes", "energy"), ("workload",), ("analysis",), ("factors", "platform", 0)],
        "bench": [("board",), ("instruments", "meter"), ("instruments", "meter", "accuracy"), ("instruments", "perf")],
    }
    where = data.draw(st.sampled_from(closed[name]))
    if key in document.at(where):
        return
    changed = spoiled(document, (*where, key), [])
    place = Place(document.file, 99, 9)
    placed = Document(changed.file, changed.text, changed.data, {**changed.keys, (*where, key): place}, changed.values)
    _, problems = examine(placed, model, check)
    assert (99, 9) in [(problem.line, problem.col) for problem in problems]
