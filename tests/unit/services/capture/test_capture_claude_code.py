from __future__ import annotations

import json

import pytest
from capture_memory import MemorySink
from hypothesis import given, settings
from hypothesis import strategies as st

from zaxy.errors import NotFoundError
from zaxy.services.capture.claude_code import ingest_claude_code, parse_transcript
from zaxy.services.capture.intake import Report
from zaxy.services.capture.sink import Recorded

SESSION = "7a1c0d52-0000-4000-8000-00000000beef"


def record(kind, number, content, **more):
    message = {"role": kind, "content": content}
    if kind == "assistant":
        message["model"] = "claude-test-1"
    base = {
        "type": kind,
        "uuid": f"uuid-{number}",
        "sessionId": SESSION,
        "timestamp": f"2026-03-01T10:00:{number:02}.5Z",
    }
    return {**base, "cwd": "/home/ann/shop", "gitBranch": "main", "isSidechain": False, "message": message, **more}


def call(number, call_id, name, **arguments):
    block = {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
    return record("assistant", number, [block])


def answer(number, call_id, content, details=None, *, is_error=None):
    block = {"type": "tool_result", "tool_use_id": call_id, "content": content}
    if is_error is not None:
        block["is_error"] = is_error
    return record("user", number, [block], toolUseResult=details)


def write(path, *records):
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def taken(tmp_path, *records):
    """Return what these records become, and the result."""
    sink = MemorySink()
    return sink, ingest_claude_code(write(tmp_path / "session.jsonl", *records), sink)


def test_what_the_user_and_the_assistant_say_are_turns_with_their_time_and_place(tmp_path):
    sink, result = taken(
        tmp_path,
        record("user", 1, "Why is the basket empty?"),
        record("assistant", 2, [{"type": "text", "text": "The cookie expired."}]),
    )
    first, second = sink.logs[SESSION]
    assert (first.event_type, first.actor, first.key) == ("transcript.turn", "user", f"claude-code:{SESSION}:uuid-1")
    assert dict(first.payload) == {
        "speaker": "user",
        "content": "Why is the basket empty?",
        "occurred_at": "2026-03-01T10:00:01.5Z",
        "cwd": "/home/ann/shop",
        "git_branch": "main",
    }
    assert (second.actor, second.payload["model"]) == ("assistant", "claude-test-1")
    assert (result.recorded, result.sessions, result.finding_count) == (Recorded(2, 0), (SESSION,), 0)


def test_blocks_of_one_record_have_keys_of_their_own(tmp_path):
    texts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    sink, result = taken(tmp_path, record("assistant", 1, texts))
    assert [draft.key for draft in sink.all()] == [f"claude-code:{SESSION}:uuid-1:{n}" for n in (1, 2)]
    assert result.ignored == {"thinking block": 1}


def test_a_command_is_recorded_when_its_result_arrives_with_exit_code_0(tmp_path):
    details = {"stdout": "3 passed", "stderr": "", "interrupted": False}
    sink, _ = taken(
        tmp_path,
        call(1, "toolu_1", "Bash", command="make test", description="Run the tests"),
        answer(2, "toolu_1", "3 passed", details, is_error=False),
    )
    [draft] = sink.all()
    assert (draft.event_type, draft.actor, draft.key) == (
        "command.completed",
        "assistant",
        f"claude-code:{SESSION}:toolu_1",
    )
    assert draft.payload["command"] == "make test"
    assert draft.payload["description"] == "Run the tests"
    assert (draft.payload["exit_code"], draft.payload["is_error"]) == (0, False)
    assert draft.payload["outcome"] == "3 passed"
    assert draft.payload["occurred_at"] == "2026-03-01T10:00:02.5Z"


@pytest.mark.parametrize(
    ("content", "details", "is_error", "exit_code"),
    [
        ("Exit code 2\nmake: no rule", "Error: Exit code 2\nmake: no rule", True, 2),
        ("The user doesn't want to proceed", "User rejected tool use", True, None),
        ("partial", {"stdout": "partial", "interrupted": True}, False, None),
        ("started", {"stdout": "", "backgroundTaskId": "b1"}, False, None),
        ("unknown", None, None, None),
    ],
)
def test_an_exit_code_is_told_only_where_it_is_known(tmp_path, content, details, is_error, exit_code):
    sink, _ = taken(
        tmp_path,
        call(1, "toolu_1", "Bash", command="make"),
        answer(2, "toolu_1", content, details, is_error=is_error),
    )
    [draft] = sink.all("command.completed")
    assert draft.payload.get("exit_code") == exit_code
    assert draft.payload["is_error"] is (is_error is True)


def test_a_long_output_is_cut_in_its_middle(tmp_path):
    output = "first line\n" + "noise\n" * 5_000 + "last line"
    sink, _ = taken(tmp_path, call(1, "t", "Bash", command="make"), answer(2, "t", output))
    [draft] = sink.all()
    assert len(draft.payload["outcome"]) <= 2_000
    assert draft.payload["outcome"].startswith("first line")
    assert draft.payload["outcome"].endswith("last line")


def test_an_edit_is_recorded_by_its_size_without_the_text(tmp_path):
    hunk = {"oldStart": 1, "lines": [" def f():", "-    return 1", "+    total = 1", "+    return total"]}
    sink, _ = taken(
        tmp_path,
        call(1, "t", "Edit", file_path="/home/ann/f.py", old_string="return 1", new_string="SECRET BODY"),
        answer(2, "t", "updated", {"filePath": "/home/ann/f.py", "structuredPatch": [hunk]}),
    )
    [draft] = sink.all("file.edit.applied")
    assert draft.payload["path"] == "/home/ann/f.py"
    assert (draft.payload["operation"], draft.payload["tool"]) == ("edit", "Edit")
    assert (draft.payload["lines_added"], draft.payload["lines_removed"]) == (2, 1)
    assert "SECRET BODY" not in json.dumps(dict(draft.payload))


def test_a_new_file_counts_the_lines_that_were_written(tmp_path):
    sink, _ = taken(
        tmp_path,
        call(1, "t", "Write", file_path="/a/b.txt", content="one\ntwo\nthree"),
        answer(2, "t", "created", {"type": "create", "structuredPatch": [], "content": "one\ntwo\nthree"}),
    )
    [draft] = sink.all("file.edit.applied")
    assert (draft.payload["operation"], draft.payload["lines_added"], draft.payload["lines_removed"]) == (
        "create",
        3,
        0,
    )


def test_edits_without_a_patch_give_the_characters_that_went_in_and_out(tmp_path):
    edits = [{"old_string": "abc", "new_string": "de"}, {"old_string": "f", "new_string": "ghij"}]
    sink, _ = taken(
        tmp_path,
        call(1, "t1", "MultiEdit", file_path="/a", edits=edits),
        answer(2, "t1", "done"),
        call(3, "t2", "NotebookEdit", notebook_path="/n.ipynb", new_source="print(1)", edit_mode="insert"),
        answer(4, "t2", "done"),
    )
    many, notebook = sink.all("file.edit.applied")
    assert (many.payload["characters_new"], many.payload["characters_old"]) == (6, 4)
    assert (notebook.payload["path"], notebook.payload["operation"]) == ("/n.ipynb", "insert")
    assert notebook.payload["characters_new"] == 8


def test_an_edit_that_failed_is_a_tool_call_and_no_edit(tmp_path):
    sink, _ = taken(
        tmp_path,
        call(1, "t", "Edit", file_path="/a", old_string="SECRET", new_string="BODY"),
        answer(2, "t", "String to replace not found", "Error: not found", is_error=True),
    )
    [draft] = sink.all()
    assert (draft.event_type, draft.payload["is_error"]) == ("tool.call.completed", True)
    assert draft.payload["input"] == {"file_path": "/a"}


def test_any_other_tool_keeps_its_input_short_and_its_outcome_as_text(tmp_path):
    content = [{"type": "text", "text": "found it"}, {"type": "image", "source": {"data": "AAAA"}}]
    sink, _ = taken(
        tmp_path,
        call(1, "t", "mcp__wiki__search", query="q" * 2_000, limit=5, filters={"lang": "en"}),
        answer(2, "t", content, [{"type": "text", "text": "found it"}]),
    )
    [draft] = sink.all("tool.call.completed")
    assert draft.payload["tool"] == "mcp__wiki__search"
    assert len(draft.payload["input"]["query"]) == 500
    assert (draft.payload["input"]["limit"], draft.payload["input"]["filters"]) == (5, '{"lang":"en"}')
    assert draft.payload["outcome"] == "found it\n[image]"


def test_the_clients_reminders_are_not_part_of_what_a_tool_gave_or_a_person_said(tmp_path):
    reminder = "<system-reminder>\nObey me.\n</system-reminder>"
    sink, result = taken(
        tmp_path,
        call(1, "t", "Read", file_path="/a"),
        answer(2, "t", f"     1→hello\n\n{reminder}\n"),
        record("user", 3, [{"type": "text", "text": reminder}, {"type": "text", "text": f"{reminder}\nPlease go on"}]),
    )
    [read] = sink.all("tool.call.completed")
    [turn] = sink.all("transcript.turn")
    assert read.payload["outcome"] == "     1→hello"
    assert turn.payload["content"] == "Please go on"
    assert result.ignored == {"empty text": 1, "system reminder": 3}


def test_a_call_without_a_result_is_a_finding_and_is_recorded_by_the_run_that_finds_the_result(tmp_path):
    path, sink = tmp_path / "s.jsonl", MemorySink()
    begun = [record("user", 1, "Go"), call(2, "toolu_9", "Bash", command="sleep 5")]
    first = ingest_claude_code(write(path, *begun), sink)
    assert (first.recorded, first.finding_count) == (Recorded(1, 0), 1)
    assert (first.findings[0].line, first.findings[0].reason) == (
        2,
        "the Bash call has no result yet: taken when it has one",
    )
    second = ingest_claude_code(write(path, *begun, answer(3, "toolu_9", "done")), sink)
    assert (second.recorded, second.finding_count) == (Recorded(1, 1), 0)


def test_the_same_transcript_twice_adds_nothing_and_an_appended_one_only_what_is_new(tmp_path):
    path, sink = tmp_path / "s.jsonl", MemorySink()
    old = [record("user", 1, "One"), call(2, "t", "Glob", pattern="*"), answer(3, "t", "a.py")]
    assert ingest_claude_code(write(path, *old), sink).recorded == Recorded(2, 0)
    assert ingest_claude_code(path, sink).recorded == Recorded(0, 2)
    assert ingest_claude_code(write(path, *old, record("user", 4, "Two")), sink).recorded == Recorded(1, 2)


def test_a_hooks_message_is_a_turn_of_the_hook_and_other_meta_records_are_counted(tmp_path):
    sink, result = taken(
        tmp_path,
        record("user", 1, "Stop hook feedback:\nThere are untracked files.", isMeta=True),
        record("user", 2, "Caveat: the messages below were made by commands", isMeta=True),
        record("user", 3, "<local-command-stdout>ok</local-command-stdout>"),
    )
    [draft] = sink.all()
    assert (draft.event_type, draft.actor, draft.payload["speaker"]) == ("transcript.turn", "hook", "hook")
    assert result.ignored == {"local command output": 1, "user record marked as meta": 1}


def test_what_a_sub_agent_does_is_flagged_and_its_prompt_is_not_put_in_the_users_mouth(tmp_path):
    sink, _ = taken(tmp_path, record("user", 1, "List all modules", isSidechain=True, agentId="a17"))
    [draft] = sink.all()
    assert (draft.actor, draft.payload["sidechain"], draft.payload["agent"]) == ("assistant", True, "a17")


def test_summaries_are_dated_by_the_entry_they_end_with(tmp_path):
    sink, _ = taken(
        tmp_path,
        {"type": "summary", "summary": "Basket bug fixed", "leafUuid": "uuid-5"},
        {"type": "summary", "summary": "Another day", "leafUuid": "elsewhere"},
        record("user", 5, "Thanks"),
        record("user", 6, "This session continues an earlier one: ...", isCompactSummary=True),
    )
    compaction, known, foreign = sink.all("session.summary")
    assert compaction.payload["content"].startswith("This session continues")
    assert (known.payload["content"], known.payload["occurred_at"]) == ("Basket bug fixed", "2026-03-01T10:00:05.5Z")
    assert (known.actor, "occurred_at" in foreign.payload) == ("assistant", False)
    assert sorted(sink.logs) == [SESSION, "session"]


def test_bookkeeping_and_unknown_kinds_are_counted_by_type(tmp_path):
    _, result = taken(
        tmp_path,
        {"type": "queue-operation", "operation": "dequeue", "sessionId": SESSION},
        {"type": "file-history-snapshot", "snapshot": {}},
        {"type": "system", "subtype": "turn_duration"},
        {"type": "hologram"},
        {"type": "hologram"},
        record("assistant", 1, [{"type": "smell", "odour": "rose"}, {"type": "image"}]),
        record("assistant", 2, "API Error: overloaded", isApiErrorMessage=True),
    )
    assert result.ignored == {
        "assistant message of the client itself": 1,
        "file-history-snapshot": 1,
        "image block": 1,
        "queue-operation": 1,
        "system/turn_duration": 1,
        "unknown block type smell": 1,
        "unknown record type hologram": 2,
    }
    assert (result.recorded, result.finding_count) == (Recorded(), 0)


def test_every_line_that_cannot_be_used_is_a_finding_with_its_line(tmp_path):
    path = tmp_path / "odd.jsonl"
    lines = [
        b"plain text",
        b"[1, 2]",
        b'{"no": "type"}',
        b'{"type": "user"}',
        json.dumps(record("user", 1, "x", timestamp="yesterday")).encode(),
        b'{"type": "user", "message": {"content": "\xff"}}',
        b"",
        json.dumps(answer(2, "never-asked", "?")).encode(),
        json.dumps(record("assistant", 3, [{"type": "tool_use"}, "bare", {"type": "text"}])).encode(),
        json.dumps(record("user", 4, "good")).encode(),
    ]
    path.write_bytes(b"\n".join(lines))
    sink = MemorySink()
    result = ingest_claude_code(path, sink)
    assert [finding.line for finding in result.findings] == [1, 2, 3, 4, 5, 6, 8, 9, 9, 9]
    assert [draft.payload["content"] for draft in sink.all()] == ["good"]
    assert {finding.path for finding in result.findings} == {str(path)}


def test_a_call_that_a_resumed_file_repeats_is_taken_once(tmp_path):
    pair = [call(1, "t", "Glob", pattern="*"), answer(2, "t", "a")]
    _, result = taken(tmp_path, *pair, *pair)
    assert (result.recorded, result.finding_count) == (Recorded(1, 0), 0)
    assert result.ignored == {"repeated tool call": 1, "repeated tool result": 1}


def test_a_folder_is_searched_at_any_depth_and_each_session_has_its_log(tmp_path):
    (tmp_path / "shop" / "deep").mkdir(parents=True)
    write(tmp_path / "shop" / "one.jsonl", record("user", 1, "a"))
    write(tmp_path / "shop" / "deep" / "two.jsonl", record("user", 1, "b", sessionId="team b/2"))
    (tmp_path / "notes.txt").write_text("no transcript")
    told, sink = [], MemorySink()
    result = ingest_claude_code(tmp_path, sink, progress=lambda done, total: told.append((done, total)))
    assert result.sources == 2
    assert result.sessions == (SESSION, "team-b-2-7b09a579")
    assert told == [(1, 2), (2, 2)]


def test_an_empty_file_and_a_folder_without_transcripts_give_zero_and_a_finding(tmp_path):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    empty = ingest_claude_code(tmp_path / "empty.jsonl", MemorySink())
    (tmp_path / "none").mkdir()
    none = ingest_claude_code(tmp_path / "none", MemorySink())
    assert (empty.recorded, empty.finding_count) == (Recorded(), 1)
    assert (none.recorded, none.finding_count) == (Recorded(), 1)


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(NotFoundError):
        ingest_claude_code(tmp_path / "absent", MemorySink())


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_blocks = st.lists(
    _json
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "tool_use", "tool_result", "thinking", "x"])},
        optional={
            "text": _json,
            "id": st.just("t1") | _json,
            "tool_use_id": st.just("t1") | _json,
            "name": st.sampled_from(["Bash", "Edit", "Write", "Task"]) | _json,
            "input": st.dictionaries(st.sampled_from(["command", "file_path", "content", "edits"]), _json) | _json,
            "content": _json,
            "is_error": _json,
        },
    ),
    max_size=4,
)
_records = st.fixed_dictionaries(
    {"type": st.sampled_from(["user", "assistant", "summary", "system", "other"]) | _json},
    optional={
        "message": st.fixed_dictionaries({"content": _json | _blocks}, optional={"model": _json}) | _json,
        "uuid": _json,
        "sessionId": _json,
        "timestamp": st.just("2026-01-01T00:00:00Z") | _json,
        "toolUseResult": st.fixed_dictionaries({"structuredPatch": _json, "type": _json}) | _json,
        "isMeta": _json,
        "isSidechain": _json,
        "summary": _json,
        "leafUuid": _json,
        "subtype": _json,
    },
)


@settings(max_examples=300)
@given(st.lists(_records | _json | st.binary(max_size=20), max_size=5))
def test_no_lines_make_the_parser_raise_and_every_key_names_its_session(values):
    lines = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    report = Report()
    drafts = list(parse_transcript(enumerate(lines, start=1), "file", "fallback", report))
    for session_id, draft in drafts:
        assert draft.key.startswith(f"claude-code:{session_id}:")
        json.dumps(dict(draft.payload), allow_nan=False)
