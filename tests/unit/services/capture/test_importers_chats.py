"""Conversations of ChatGPT and Claude come in with their times, ids and titles, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from capture_memory import MemorySink

from zaxy.services.capture.importers.chatgpt import ingest_chatgpt
from zaxy.services.capture.importers.claude_export import ingest_claude_export


def node(name: str, parent: str | None, role: str, /, *parts: Any, **more: Any) -> dict[str, Any]:
    content = {"content_type": more.pop("kind", "text"), "parts": list(parts), **more.pop("content", {})}
    author = {"role": role, "name": more.pop("name", None)}
    message = {"id": f"m-{name}", "author": author, "content": content, "create_time": 1_700_000_000.5, **more}
    return {"id": name, "parent": parent, "children": [], "message": message}


def chatgpt(*nodes: dict[str, Any], last: str | None, **more: Any) -> dict[str, Any]:
    root = {"id": "root", "parent": None, "message": None}
    mapping = {one["id"]: one for one in (root, *nodes)}
    told = {"title": "Tea", "create_time": 1_699_999_999, "mapping": mapping, "current_node": last}
    return {**told, "conversation_id": "c-1", "id": "c-1", **more}


def taken(path: Path, conversations: Any, importer: Any = ingest_chatgpt) -> tuple[MemorySink, Any]:
    path.write_text(json.dumps(conversations))
    sink = MemorySink()
    return sink, importer(path, sink)


def test_a_conversation_is_a_session_with_its_title_turns_and_times(tmp_path: Path) -> None:
    told = chatgpt(
        node("a", "root", "system", "hidden"),
        node("b", "a", "user", "Which tea?"),
        node("c", "b", "assistant", "Oolong", metadata={"model_slug": "gpt-4o"}),
        last="c",
    )
    sink, result = taken(tmp_path / "conversations.json", [told])
    started, asked, answered = sink.logs["chatgpt-c-1"]
    assert (started.event_type, started.payload["title"]) == ("session.started", "Tea")
    assert started.payload["occurred_at"] == "2023-11-14T22:13:19.000000Z"
    assert asked.payload == {"speaker": "user", "content": "Which tea?", "occurred_at": "2023-11-14T22:13:20.500000Z"}
    assert (answered.actor, answered.payload["model"]) == ("assistant", "gpt-4o")
    assert asked.key == "chatgpt:c-1:m-b"
    assert (result.recorded.added, result.ignored) == (3, {"message that is not shown": 1})


def test_only_the_branch_that_the_conversation_ends_in_is_taken_and_the_others_are_counted(tmp_path: Path) -> None:
    told = chatgpt(
        node("a", "root", "user", "first words"),
        node("b", "a", "assistant", "left answer"),
        node("c", "a", "assistant", "kept answer"),
        last="c",
    )
    sink, result = taken(tmp_path / "x.json", [told])
    assert [draft.payload["content"] for draft in sink.all("transcript.turn")] == ["first words", "kept answer"]
    assert result.ignored == {"message of a branch that was left": 1}


def test_what_a_tool_gave_is_a_tool_call_with_what_it_was_asked(tmp_path: Path) -> None:
    told = chatgpt(
        node("a", "root", "assistant", kind="code", content={"text": "print(6*7)"}, recipient="python"),
        node("b", "a", "tool", kind="execution_output", content={"text": "42"}, name="python"),
        node("c", "b", "assistant", kind="thoughts"),
        node("d", "c", "user", {"content_type": "audio_transcription", "text": "spoken"}, kind="multimodal_text"),
        last="d",
    )
    sink, result = taken(tmp_path / "x.json", [told])
    (call,) = sink.all("tool.call.completed")
    assert call.payload["tool"] == "python"
    assert call.payload["input"] == {"request": "print(6*7)"}
    assert call.payload["outcome"] == "42"
    assert [draft.payload["content"] for draft in sink.all("transcript.turn")] == ["spoken"]
    assert result.ignored == {"thoughts": 1}


def test_a_tree_that_goes_in_a_circle_or_has_no_end_is_still_read(tmp_path: Path) -> None:
    circle = chatgpt(node("a", "b", "user", "one"), node("b", "a", "user", "two"), last="b")
    lost = chatgpt(node("a", "gone", "user", "three"), last="nowhere", conversation_id="c-2")
    odd = chatgpt(last="x", conversation_id="c-3", mapping={"x": {"message": 5}, "y": 7, "z": None})
    sink, result = taken(tmp_path / "x.json", [circle, lost, odd, {"no": "conversation"}, chatgpt(last=None)])
    assert [draft.payload["content"] for draft in sink.all("transcript.turn")] == ["one", "two", "three"]
    assert [finding.line for finding in result.findings] == [4]


def test_the_same_export_twice_adds_nothing_and_a_longer_one_adds_what_is_new(tmp_path: Path) -> None:
    first = node("a", "root", "user", "hello")
    sink, _ = taken(tmp_path / "x.json", [chatgpt(first, last="a")])
    before = len(sink.all())
    again = ingest_chatgpt(tmp_path / "x.json", sink)
    assert (again.recorded.added, again.recorded.known) == (0, before)
    (tmp_path / "x.json").write_text(json.dumps([chatgpt(first, node("b", "a", "user", "more"), last="b")]))
    assert ingest_chatgpt(tmp_path / "x.json", sink).recorded.added == 1


def claude(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"uuid": "u-1", "name": "Trip", "created_at": "2024-03-01T10:00:00.000000Z", "chat_messages": list(messages)}


def test_a_conversation_of_claude_is_a_session_with_turns_attachments_and_tool_calls(tmp_path: Path) -> None:
    asked = {
        "uuid": "m-1",
        "sender": "human",
        "text": "Read this",
        "content": [],
        "created_at": "2024-03-01T10:00:01.000000+00:00",
        "attachments": [{"file_name": "plan.txt", "extracted_content": "Go to Girne"}],
    }
    answered = {
        "uuid": "m-2",
        "sender": "assistant",
        "created_at": "2024-03-01T10:00:02Z",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "tool_use", "id": "t1", "name": "web_search", "input": {"query": "ferry"}},
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "at noon"}]},
            {"type": "text", "text": "The ferry leaves at noon"},
        ],
    }
    sink, result = taken(tmp_path / "conversations.json", [claude(asked, answered), 7, {"x": 1}], ingest_claude_export)
    started, said, call, told = sink.logs["claude-u-1"]
    assert started.payload["title"] == "Trip"
    assert said.payload["content"] == "Read this\n\n[plan.txt]\nGo to Girne"
    assert (said.actor, said.key) == ("user", "claude:u-1:m-1")
    assert (call.payload["tool"], call.payload["outcome"]) == ("web_search", "at noon")
    assert told.payload["occurred_at"] == "2024-03-01T10:00:02Z"
    assert result.ignored == {"thinking block": 1}
    assert [finding.reason[:25] for finding in result.findings] == ["not a conversation of Cla"]
    assert ingest_claude_export(tmp_path, sink).recorded.added == 0


def test_a_file_of_another_program_is_a_finding(tmp_path: Path) -> None:
    sink, result = taken(tmp_path / "x.json", {"messages": [{"speaker": "ann"}]}, ingest_claude_export)
    assert (sink.all(), result.finding_count) == ([], 1)
    sink, result = taken(tmp_path / "x.json", [])
    assert "nothing in it that can be taken" in result.findings[0].reason
