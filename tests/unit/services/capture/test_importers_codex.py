"""Codex rollouts become sessions with turns, commands, changed files and tool calls, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from capture_memory import MemorySink

from zaxy.services.capture.claude_code import ingest_claude_code
from zaxy.services.capture.importers.codex import ingest_codex, turn_key

PATCH = "*** Begin Patch\n*** Add File: a.py\n+one\n+two\n*** Update File: b.py\n@@\n-old\n+new\n*** End Patch"


def line(kind: str, payload: dict[str, Any], second: int = 0) -> dict[str, Any]:
    return {"timestamp": f"2025-10-29T00:00:{second:02d}.000Z", "type": kind, "payload": payload}


def item(second: int = 1, **payload: Any) -> dict[str, Any]:
    return line("response_item", payload, second)


def message(role: str, text: str, second: int = 1) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return item(second, type="message", role=role, content=[{"type": kind, "text": text}])


META = line(
    "session_meta",
    {
        "id": "s-1",
        "timestamp": "2025-10-29T00:00:00.000Z",
        "cwd": "/app",
        "originator": "codex_cli_rs",
        "git": {"branch": "main"},
    },
)


def call(name: str, arguments: Any, output: Any, call_id: str = "c1", kind: str = "function_call") -> list[Any]:
    told = {"arguments": json.dumps(arguments)} if kind == "function_call" else {"input": arguments}
    return [
        item(type=kind, name=name, call_id=call_id, **told),
        item(2, type=f"{kind}_output", call_id=call_id, output=output),
    ]


def taken(folder: Path, *records: Any, sink: MemorySink | None = None) -> tuple[MemorySink, Any]:
    path = folder / "2025" / "10" / "29" / "rollout-2025-10-29T00-00-00-s-1.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(told if isinstance(told, str) else json.dumps(told) + "\n" for told in records))
    sink = sink or MemorySink()
    return sink, ingest_codex(folder, sink)


def test_turns_have_their_session_folder_branch_model_and_time(tmp_path: Path) -> None:
    sink, result = taken(
        tmp_path,
        META,
        line("turn_context", {"cwd": "/app", "model": "gpt-5-codex"}),
        message("user", "<environment_context>secret setup</environment_context>"),
        message("user", "Fix the parser", 3),
        line("event_msg", {"type": "user_message", "message": "Fix the parser"}, 3),
        message("developer", "be nice"),
        item(type="reasoning", summary=[], encrypted_content="x"),
        message("assistant", "Done", 4),
    )
    started, asked, answered = sink.logs["s-1"]
    assert (started.event_type, started.payload["client"], started.key) == (
        "session.started",
        "codex_cli_rs",
        "codex:s-1:started",
    )
    assert asked.payload == {
        "speaker": "user",
        "content": "Fix the parser",
        "occurred_at": "2025-10-29T00:00:03.000Z",
        "cwd": "/app",
        "git_branch": "main",
    }
    assert asked.key == turn_key("s-1", "user", "Fix the parser", 1)
    assert answered.payload["model"] == "gpt-5-codex"
    assert result.finding_count == 0
    assert sum(result.ignored.values()) == 5


def test_the_same_words_twice_are_two_turns_and_the_same_file_twice_adds_nothing(tmp_path: Path) -> None:
    records = [META, message("user", "ok"), message("user", "ok", 2)]
    sink, _ = taken(tmp_path, *records)
    assert len(sink.all("transcript.turn")) == 2
    _, again = taken(tmp_path, *records, message("user", "ok", 3), sink=sink)
    assert (again.recorded.added, again.recorded.known) == (1, 3)


def test_a_command_has_its_line_its_exit_code_and_what_came_of_it(tmp_path: Path) -> None:
    def ran(code: int, text: str) -> str:
        return json.dumps({"output": text, "metadata": {"exit_code": code, "duration_seconds": 0.1}})

    sink, _ = taken(
        tmp_path,
        META,
        *call("shell", {"command": ["bash", "-lc", "pytest -q"], "workdir": "/app"}, ran(0, "2 passed"), "c1"),
        *call("exec_command", {"cmd": "make"}, "Chunk ID: 1\nProcess exited with code 2\nOutput:\nno rule", "c2"),
        *call("shell", {"command": ["ls", "a b"]}, "just text", "c3"),
        item(type="local_shell_call", call_id="c4", action={"type": "exec", "command": ["pwd"]}),
        item(2, type="function_call_output", call_id="c4", output={"content": "/app", "success": True}),
    )
    passed, failed, unknown, local = sink.all("command.completed")
    assert (passed.payload["command"], passed.payload["exit_code"], passed.payload["outcome"]) == (
        "pytest -q",
        0,
        "2 passed",
    )
    assert (failed.payload["exit_code"], failed.payload["is_error"]) == (2, True)
    assert unknown.payload["command"] == "ls 'a b'"
    assert "exit_code" not in unknown.payload
    assert (local.payload["command"], local.payload["exit_code"]) == ("pwd", 0)
    assert passed.key == "codex:s-1:c1"


def test_a_patch_is_a_changed_file_each_without_its_body(tmp_path: Path) -> None:
    ok = json.dumps({"output": "Success", "metadata": {"exit_code": 0}})
    bad = json.dumps({"output": "no such file", "metadata": {"exit_code": 1}})
    sink, _ = taken(
        tmp_path,
        META,
        *call("apply_patch", PATCH, ok, "c1", "custom_tool_call"),
        *call("apply_patch", PATCH, bad, "c2", "custom_tool_call"),
    )
    made, changed = sink.all("file.edit.applied")
    assert (made.payload["path"], made.payload["operation"], made.payload["lines_added"]) == ("a.py", "create", 2)
    assert (changed.payload["lines_added"], changed.payload["lines_removed"]) == (1, 1)
    assert changed.key == "codex:s-1:c1:1"
    (failed,) = sink.all("tool.call.completed")
    assert failed.payload["is_error"]
    assert not any(body in str(draft.payload) for draft in sink.all() for body in ("one", "+new"))


def test_a_call_without_a_result_is_a_finding_until_its_result_is_there(tmp_path: Path) -> None:
    asked, came = call("update_plan", {"plan": []}, "Plan updated")
    sink, first = taken(tmp_path, META, asked)
    assert "no result yet" in first.findings[0].reason
    _, second = taken(tmp_path, META, asked, came, sink=sink)
    assert (second.recorded.added, second.finding_count) == (1, 0)
    search = item(type="web_search_call", status="completed", action={"type": "search", "query": "tea"})
    sink, _ = taken(tmp_path, META, search)
    assert sink.all("tool.call.completed")[0].payload["input"]["query"] == "tea"


def test_rollouts_of_older_clients_are_read_too(tmp_path: Path) -> None:
    old: dict[str, Any] = {"id": "s-0", "timestamp": "2025-06-01T10:00:00.000Z", "instructions": None, "git": {}}
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    sink, result = taken(tmp_path, old, {"record_type": "state"}, said)
    assert [draft.event_type for draft in sink.logs["s-0"]] == ["session.started", "transcript.turn"]
    assert sink.logs["s-0"][1].payload["occurred_at"] == "2025-06-01T10:00:00.000Z"
    assert result.finding_count == 0


def test_bad_lines_are_findings_and_do_not_hold_up_the_others(tmp_path: Path) -> None:
    sink, result = taken(
        tmp_path,
        META,
        "no json\n",
        '"text"\n',
        {"x": 1},
        item(type="function_call_output", call_id="gone", output="x"),
        line("response_item", {"type": "message", "role": "user", "content": "odd"}),
        line("new_kind", {}),
        message("user", "still here"),
        '{"timestamp": "2025',
    )
    assert [draft.payload["content"] for draft in sink.all("transcript.turn")] == ["still here"]
    assert [finding.line for finding in result.findings] == [2, 3, 4, 5, 9]


def test_a_transcript_of_another_client_is_a_finding(tmp_path: Path) -> None:
    sink, result = taken(tmp_path, {"type": "user", "uuid": "u1", "message": {"role": "user", "content": "hi"}})
    assert (sink.all(), [finding.line for finding in result.findings]) == ([], [0])


def test_a_summary_of_a_compaction_is_a_summary_of_the_session(tmp_path: Path) -> None:
    sink, _ = taken(tmp_path, META, line("compacted", {"message": "We fixed the parser"}, 5))
    (told,) = sink.all("session.summary")
    assert (told.payload["content"], told.payload["occurred_at"]) == ("We fixed the parser", "2025-10-29T00:00:05.000Z")


def test_a_rollout_that_is_taken_for_a_transcript_of_claude_code_is_a_finding(tmp_path: Path) -> None:
    path, sink = tmp_path / "rollout.jsonl", MemorySink()
    path.write_text("".join(json.dumps(record) + "\n" for record in (META, message("user", "hi"))))
    result = ingest_claude_code(path, sink)
    assert (result.recorded.added, [finding.reason for finding in result.findings]) == (
        0,
        ["there is no session of Claude Code in it"],
    )


def test_nobody_who_guesses_a_secret_can_check_the_guess_by_a_turns_key() -> None:
    tokens = [f"ghp_{letter * 36}" for letter in "ab"]
    keys = {turn_key("s-1", "user", f"Use {token} for it", 1) for token in tokens}
    assert len(keys) == 1
    assert keys != {turn_key("s-1", "user", "Use something else for it", 1)}
