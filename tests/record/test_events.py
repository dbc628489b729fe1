"""The event log keeps every document that was appended, and survives the writer being killed at any byte."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import DataError
from lab.record.documents import (
    Document,
    Fault,
    Mark,
    PassBegin,
    PassEnd,
    Reading,
    Start,
    Stop,
    TraceRef,
    from_json,
    to_json,
)
from lab.record.events import EventLog, read_events

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**40)
gaps = st.lists(st.tuples(counts, counts), max_size=3).map(tuple)
traces = st.builds(TraceRef, instrument=texts, path=texts, format=texts, rate_hz=numbers, samples=counts, gaps=gaps)
documents = st.one_of(
    st.builds(Start, t_utc=texts, lab_version=texts, pid=counts, resumed=st.booleans()),
    st.builds(PassBegin, t_utc=texts, pass_id=texts, attempt=counts),
    st.builds(
        PassEnd,
        t_utc=texts,
        pass_id=texts,
        attempt=counts,
        state=texts,
        traces=st.lists(traces, max_size=2).map(tuple),
        exit_status=st.none() | st.integers(-64, 255),
        elapsed_s=st.none() | numbers,
    ),
    st.builds(Mark, t_utc=texts, pass_id=texts, attempt=counts, instrument=texts, name=texts, sample=numbers),
    st.builds(
        Reading,
        t_utc=texts,
        pass_id=texts,
        attempt=counts,
        instrument=texts,
        name=texts,
        value=st.none() | numbers,
        unit=texts,
        reasons=st.lists(texts, max_size=2).map(tuple),
        details=st.dictionaries(texts, numbers, max_size=2),
    ),
    st.builds(Fault, t_utc=texts, pass_id=st.none() | texts, attempt=counts, source=texts, code=texts, detail=texts),
    st.builds(Stop, t_utc=texts, state=texts),
)


@given(documents)
def test_a_document_comes_back_as_it_was(document: Document) -> None:
    assert from_json(json.loads(json.dumps(to_json(document)))) == document


@given(st.lists(documents, min_size=1, max_size=6), st.data())
def test_a_log_cut_at_any_byte_gives_the_documents_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, written: list[Document], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    stamped = [from_json({**to_json(document), "t_utc": "2026-01-01T00:00:00Z"}) for document in written]
    with EventLog(path) as log:
        log.append(*stamped)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert list(read_events(path)) == stamped[:kept]

    last = from_json({**to_json(Stop(state="complete")), "t_utc": "2026-01-01T00:00:00Z"})
    with EventLog(path) as log:
        log.append(last)
    assert list(read_events(path)) == [*stamped[:kept], last]


def test_documents_are_stamped_and_reach_the_file_before_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(Stop(state="complete"))
    (document,) = read_events(path)
    assert document.t_utc.endswith("Z")
    log.close()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"doc": "stop", "state": ', "Expecting value"),
        ('{"doc": "party"}', "unknown document kind 'party'"),
        ('{"doc": "stop", "state": "complete", "mood": 1}', "unknown field 'mood'"),
        ('{"doc": "stop"}', "missing"),
        ("[]", "damaged document"),
        ("\xff", "damaged document"),
    ],
)
def test_a_damaged_line_is_named_with_its_number(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"doc":"stop","state":"complete"}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(DataError) as caught:
        list(read_events(path))
    assert f"{path}:2" in caught.value.message
    assert problem in caught.value.message


def test_a_missing_log_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the event log"):
        list(read_events(tmp_path / "events.jsonl"))
