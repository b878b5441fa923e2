from __future__ import annotations

import json

import pytest
from capture_memory import MemorySink
from hypothesis import given
from hypothesis import strategies as st

from zaxy.errors import InvalidInputError, NotFoundError
from zaxy.services.capture.intake import Report
from zaxy.services.capture.sink import Recorded
from zaxy.services.capture.turns import ingest_turns, parse_turns


def write(path, *lines):
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_a_line_is_a_turn_with_speaker_text_time_and_session(tmp_path):
    line = {
        "speaker": "Ann",
        "text": "I moved to Oslo",
        "time": "2023-05-08T13:56:00Z",
        "session": "chat-1",
        "id": "D1:1",
    }
    sink = MemorySink()
    result = ingest_turns(write(tmp_path / "t.jsonl", line), sink)
    [draft] = sink.logs["chat-1"]
    assert (draft.event_type, draft.actor, draft.key) == ("transcript.turn", "Ann", "turns:chat-1:D1:1")
    assert dict(draft.payload) == {
        "speaker": "Ann",
        "content": "I moved to Oslo",
        "occurred_at": "2023-05-08T13:56:00Z",
    }
    assert (result.recorded, result.sources, result.finding_count) == (Recorded(1, 0), 1, 0)


@pytest.mark.parametrize("speaker", ["speaker", "role", "author", "name"])
@pytest.mark.parametrize("text", ["text", "content", "message"])
@pytest.mark.parametrize("time", ["time", "timestamp", "occurred_at", "date"])
@pytest.mark.parametrize("session", ["session", "session_id", "conversation"])
def test_the_usual_names_of_members_are_understood(speaker, text, time, session):
    raw = json.dumps({speaker: "Bo", text: "hi", time: "2024-01-02", session: "s"}).encode()
    report = Report()
    [(session_id, draft)] = parse_turns([(1, raw)], "f", "default", report)
    assert (session_id, draft.payload["content"], draft.payload["occurred_at"]) == ("s", "hi", "2024-01-02")
    assert not report.ignored


def test_time_session_and_id_may_be_missing(tmp_path):
    sink = MemorySink()
    ingest_turns(write(tmp_path / "t.jsonl", {"role": "user", "content": "ok"}), sink, session_id="import-7")
    [draft] = sink.logs["import-7"]
    assert "occurred_at" not in draft.payload
    assert draft.key.startswith("turns:import-7:line-")


def test_the_same_words_twice_are_two_turns_and_a_second_run_adds_none(tmp_path):
    path, sink = tmp_path / "t.jsonl", MemorySink()
    ok = {"speaker": "a", "text": "ok"}
    assert ingest_turns(write(path, ok, ok), sink).recorded == Recorded(2, 0)
    assert ingest_turns(path, sink).recorded == Recorded(0, 2)
    assert ingest_turns(write(path, ok, ok, ok), sink).recorded == Recorded(1, 2)


def test_members_that_are_not_taken_are_counted_by_name(tmp_path):
    line = {"role": "user", "name": "Ann", "text": "hi", "mood": "good"}
    result = ingest_turns(write(tmp_path / "t.jsonl", line), MemorySink())
    assert result.ignored == {"member mood": 1, "member name": 1}


def test_bad_lines_are_findings_and_the_good_ones_are_taken(tmp_path):
    path = write(
        tmp_path / "t.jsonl",
        "nonsense",
        {"text": "nobody said it"},
        {"speaker": "a"},
        {"speaker": "a", "text": ["not", "text"]},
        {"speaker": "a", "text": "x", "time": "1:56 pm on 8 May, 2023"},
        {"speaker": "a", "text": "x", "time": 1683554160},
        {"speaker": "a", "text": "x", "id": {}},
        {"speaker": "a", "text": "x", "session": []},
        {"speaker": "s" * 300, "text": "x"},
        {"speaker": "a", "text": "good"},
    )
    sink = MemorySink()
    result = ingest_turns(path, sink)
    assert [finding.line for finding in result.findings] == list(range(1, 10))
    assert "time '1:56 pm on 8 May, 2023' is not an RFC 3339 time" in result.findings[4].reason
    assert [draft.payload["content"] for draft in sink.all()] == ["good"]


def test_a_line_over_the_limit_is_a_finding_and_the_next_line_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("zaxy.services.capture.json_lines.MAX_LINE_BYTES", 100)
    path = write(tmp_path / "t.jsonl", {"speaker": "a", "text": "x" * 1_000}, {"speaker": "a", "text": "short"})
    result = ingest_turns(path, MemorySink())
    assert result.recorded == Recorded(1, 0)
    assert [(finding.line, finding.reason) for finding in result.findings] == [(1, "line is longer than 100 bytes")]


def test_a_last_line_that_is_still_being_written_is_taken_by_the_next_run(tmp_path):
    path, sink = tmp_path / "t.jsonl", MemorySink()
    path.write_text('{"speaker": "a", "text": "one"}\n{"speaker": "a", "te')
    assert ingest_turns(path, sink).finding_count == 1
    path.write_text('{"speaker": "a", "text": "one"}\n{"speaker": "a", "text": "two"}')
    assert ingest_turns(path, sink).recorded == Recorded(1, 1)
    path.write_text('{"speaker": "a", "text": "one"}\n{"speaker": "a", "text": "two"}\n')
    assert ingest_turns(path, sink).recorded == Recorded(0, 2)


def test_progress_counts_turns_and_ends_with_the_total(tmp_path):
    lines = [{"speaker": "a", "text": str(number)} for number in range(1_200)]
    told = []
    ingest_turns(write(tmp_path / "t.jsonl", *lines), MemorySink(), progress=lambda *units: told.append(units))
    assert told == [(1_000, None), (1_200, 1_200)]


def test_a_missing_file_a_folder_and_a_bad_session_are_errors_and_an_empty_file_a_finding(tmp_path):
    with pytest.raises(NotFoundError):
        ingest_turns(tmp_path / "absent.jsonl", MemorySink())
    with pytest.raises(InvalidInputError, match="folder"):
        ingest_turns(tmp_path, MemorySink())
    with pytest.raises(InvalidInputError, match="session id"):
        ingest_turns(write(tmp_path / "t.jsonl"), MemorySink(), session_id="../x")
    assert ingest_turns(write(tmp_path / "t.jsonl"), MemorySink()).finding_count == 1


_names = st.sampled_from(["speaker", "role", "text", "content", "time", "date", "session", "id"]) | st.text(max_size=4)
_values = st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.just("2024-01-01") | st.lists(st.text())


@given(st.lists(st.dictionaries(_names, _values) | st.binary(max_size=30), max_size=6))
def test_no_lines_make_the_parser_raise_and_each_is_a_turn_or_a_finding(values):
    lines = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    report = Report()
    drafts = list(parse_turns(enumerate(lines, start=1), "f", "default", report))
    assert len(drafts) + report.finding_count == len(lines)
