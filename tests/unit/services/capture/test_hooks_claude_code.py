"""Hooks of Claude Code: what they record, and that an import of the transcript adds nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hook_calls import SESSION, Client, counted

from zaxy.memory import Memory
from zaxy.services.capture.claude_code import ingest_claude_code
from zaxy.services.capture.hooks.transcripts import MOST_BYTES


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def imported(client: Client) -> int:
    """Import the transcript into the client's loom; return how many events were new."""
    with Memory(client.settings) as memory:
        return ingest_claude_code(client.transcript, memory.sink).recorded.added


def test_a_session_through_hooks_is_what_an_import_of_its_transcript_makes(client: Client, tmp_path: Path) -> None:
    client.works()
    other = Client(tmp_path / "other") if (tmp_path / "other").mkdir() is None else client
    other.transcript.write_bytes(client.transcript.read_bytes())
    imported(other)
    assert counted(client.events()) == counted(other.events())
    assert sorted(client.said()) == sorted(other.said())
    assert imported(client) == 0


def test_without_a_transcript_a_later_import_adds_only_what_no_hook_was_told(tmp_path: Path) -> None:
    client = Client(tmp_path, writes=False)
    client.works()
    assert ("user", "Fix the basket") in client.said()
    assert ("assistant", "Fixed.") in client.said()
    before = client.lines
    client.writes, client.lines = True, 0
    for kind, content in (
        ("user", "Fix the basket"),
        ("assistant", [{"type": "text", "text": "I look at it."}]),
        ("assistant", [{"type": "text", "text": "Fixed."}]),
        ("user", "go on"),
        ("assistant", [{"type": "text", "text": "Once more."}]),
    ):
        client.write(kind, content)
    assert before > 5
    assert imported(client) == 1
    assert imported(client) == 0
    assert client.said()[-1] == ("assistant", "I look at it.")


def test_the_same_words_twice_are_two_turns(client: Client) -> None:
    client.works()
    assert client.said().count(("user", "go on")) == 2


def test_a_prompt_is_in_the_log_before_the_transcript_has_it(client: Client) -> None:
    client.hook("UserPromptSubmit", prompt="Where is the canoe?")
    assert client.said() == [("user", "Where is the canoe?")]
    client.write("user", "Where is the canoe?")
    client.hook("Stop")
    assert client.said() == [("user", "Where is the canoe?")]


def test_every_hook_called_again_adds_nothing(client: Client) -> None:
    client.works()
    before = client.events()
    copy = Client(client.folder)
    copy.writes = False
    copy.hook("SessionStart", source="startup")
    copy.prompts("Fix the basket")
    copy.calls("toolu_1", "Bash", {"stdout": "2 failed"}, "2 failed", command="make")
    copy.ends_turn("Fixed.")
    copy.hook("SessionEnd", reason="exit")
    assert client.events() == before


def test_a_command_has_its_exit_code_and_an_edit_its_sizes(client: Client) -> None:
    client.works()
    [command], [edit] = client.events("command.completed"), client.events("file.edit.applied")
    assert (command.payload["command"], command.payload["exit_code"], command.payload["is_error"]) == ("make", 0, False)
    assert command.payload["__zaxy_source"] == f"claude-code:{SESSION}:toolu_1"
    assert (edit.payload["path"], edit.payload["lines_added"], edit.payload["lines_removed"]) == (
        "/shop/basket.py",
        2,
        1,
    )
    assert "old_string" not in json.dumps(dict(edit.payload))


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("PostToolUseFailure", {"error": "Exit code 2\nmake: no rule"}),
        ("PostToolUse", {"tool_response": {"stdout": "make: no rule", "stderr": "", "exit_code": 2}}),
    ],
)
def test_a_command_that_failed_says_so_with_its_code(client: Client, event: str, told: dict[str, Any]) -> None:
    client.hook(event, tool_name="Bash", tool_input={"command": "make"}, tool_use_id="t", **told)
    [command] = client.events("command.completed")
    assert (command.payload["exit_code"], command.payload["is_error"]) == (2, True)


def test_a_failure_that_no_hook_was_told_comes_from_the_transcript(client: Client) -> None:
    client.write("assistant", [{"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "make"}}])
    client.hook("PreToolUse", tool_name="Bash", tool_input={"command": "make"}, tool_use_id="t")
    failed = {"type": "tool_result", "tool_use_id": "t", "content": "Exit code 2\nno rule", "is_error": True}
    client.write("user", [failed], toolUseResult="Error: Exit code 2")
    client.hook("Stop")
    [command] = client.events("command.completed")
    assert command.payload["exit_code"] == 2


def test_the_text_of_a_file_that_was_read_or_written_is_not_recorded(client: Client) -> None:
    body = "CANARY line\n" * 40
    read = {"type": "text", "file": {"filePath": "/a", "content": body, "numLines": 40}}
    client.calls("t1", "Read", read, body, file_path="/a")
    client.calls("t2", "Write", {"type": "create", "structuredPatch": []}, "ok", file_path="/b", content=body)
    client.hook("Stop")
    recorded = "".join(json.dumps(dict(event.payload)) for event in client.events())
    assert "/a" in recorded
    assert "CANARY" not in recorded


def test_secrets_are_replaced_in_the_log_and_in_the_spool(client: Client) -> None:
    secret = "ghp_" + "a1B2" * 10
    client.hook("UserPromptSubmit", prompt=f"use {secret} for it")
    client.settings.eventloom_path.rename(client.folder / "away")
    client.hook("UserPromptSubmit", prompt=f"and {secret} for that")
    kept = [path.read_bytes() for path in client.folder.rglob("*") if path.is_file() and path != client.transcript]
    assert not any(secret.encode() in content for content in kept)
    assert sum(b"[REDACTED]" in content for content in kept) == 2


def test_sub_agents_have_events_and_what_they_do_is_flagged(client: Client) -> None:
    client.hook("SubagentStart", agent_id="a17", agent_type="Explore")
    told = {"tool_name": "Glob", "tool_input": {"pattern": "*"}, "tool_response": "a.py", "tool_use_id": "t"}
    client.hook("PostToolUse", agent_id="a17", agent_type="Explore", **told)
    for _ in range(2):
        client.hook("SubagentStop", agent_id="a17", agent_type="Explore", last_assistant_message="One module.")
    started, call, completed = client.events()
    assert (started.event_type, started.payload["agent_type"]) == ("agent.started", "Explore")
    assert (call.payload["sidechain"], call.payload["agent"]) == (True, "a17")
    assert (completed.event_type, completed.payload["outcome"]) == ("agent.completed", "One module.")


def test_a_session_begins_is_compacted_is_resumed_and_ends(client: Client) -> None:
    client.hook("SessionStart", source="startup")
    for source in ("resume", "compact"):
        client.write("user", source)
        client.hook("PreCompact", trigger="auto")
        client.hook("SessionStart", source=source)
    client.hook("SessionEnd", reason="logout")
    assert [event.event_type for event in client.events() if event.event_type.startswith("session.")] == [
        *("session.started", "session.compacted", "session.resumed", "session.compacted", "session.ended")
    ]


def test_a_long_transcript_is_read_bit_by_bit_and_a_line_longer_than_a_bit_as_a_whole(client: Client) -> None:
    block = {"type": "tool_result", "tool_use_id": "t", "content": "x" * (2 * MOST_BYTES)}
    client.write("assistant", [{"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "make"}}])
    client.write("user", [block])
    for number in range(30):
        client.says(f"{number} " + "y" * 100_000)
    client.hook("PreToolUse")
    assert (len(client.events("command.completed")), len(client.said())) == (1, 0)
    for _ in range(4):
        client.hook("PreToolUse")
    assert len(client.said()) == 30
    assert len(client.events()) == 31


def test_who_stands_behind_an_event_is_told(client: Client) -> None:
    client.works()
    client.calls("t9", "mcp__wiki__search", "found", "found", query="q")
    sources = {(event.event_type, event.actor): event.payload["__zaxy_origin"]["source"] for event in client.events()}
    assert sources["transcript.turn", "user"] == "human"
    assert sources["transcript.turn", "assistant"] == "agent"
    assert sources["tool.call.completed", "assistant"] == "tool"
    assert {event.payload["__zaxy_origin"]["via"] for event in client.events()} == {"hook"}


def test_a_session_that_was_killed_is_taken_in_when_the_next_one_starts(client: Client) -> None:
    client.prompts("One")
    client.hook("PreToolUse", tool_name="Bash", tool_input={"command": "x"}, tool_use_id="t")
    client.says("What no hook saw")
    other = "aaaaaaaa-0000-4000-8000-000000000001"
    client.hook("SessionStart", source="startup", session_id=other, transcript_path=str(client.folder / "none.jsonl"))
    assert ("assistant", "What no hook saw") in client.said()


def test_the_checkout_is_about_the_last_prompts_of_the_session_or_of_those_before_it(client: Client) -> None:
    first = client.hook("SessionStart", source="startup")
    client.prompts("Fix the basket")
    again = client.hook("SessionStart", source="compact")
    assert (first.event, first.context, again.context) == ("SessionStart", "1500 tokens", "1500 tokens")
    client.hook("SessionStart", source="startup", session_id="another")
    opened = f"{client.folder.name} what was done last, what was decided, which goals and tasks are open"
    assert client.asked == [opened, "Fix the basket", f"{opened}\nFix the basket"]
    assert not any(client.hook(event).context for event in ("UserPromptSubmit", "PreToolUse", "Stop", "SessionEnd"))


def test_a_memory_that_holds_nothing_and_a_budget_of_0_give_no_context(tmp_path: Path) -> None:
    client = Client(tmp_path, capture_context_tokens=0)
    assert (client.hook("SessionStart", source="startup").context, client.asked) == ("", [])
    client = Client(tmp_path)
    start = {"hook_event_name": "SessionStart", "session_id": SESSION, "source": "startup"}
    assert client.raw(json.dumps(start).encode(), ask=lambda _question, _tokens: {"text": "nothing"}).context == ""
