"""Hooks of Codex: what they record, and that an import of the rollout adds nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hook_calls import SESSION, Client

from zaxy.memory import Memory
from zaxy.services.capture.importers.codex import ingest_codex

PATCH = "*** Begin Patch\n*** Add File: a.py\n+x = 1\n+y = 2\n*** Update File: b.py\n@@\n-old\n+new\n*** End Patch"


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path, writes=False)


def work(client: Client) -> None:
    told = {"client": "codex", "turn_id": "t1", "model": "m", "permission_mode": "default"}
    client.hook("SessionStart", source="startup", **told)
    client.hook("UserPromptSubmit", prompt="Make a file", **told)
    output = '{"output": "2 failed", "metadata": {"exit_code": 1}}'
    shell = {"tool_name": "Bash", "tool_input": {"command": "pytest"}, "tool_use_id": "call_1"}
    patch = {"tool_name": "apply_patch", "tool_input": {"command": PATCH}, "tool_use_id": "call_2"}
    client.hook("PreToolUse", **shell, **told)
    client.hook("PostToolUse", **shell, tool_response=output, **told)
    client.hook("PostToolUse", **patch, tool_response="Success.", **told)
    client.hook("Stop", last_assistant_message="Done.", stop_hook_active=False, **told)


def rollout(path: Path) -> Path:
    """The rollout of the same session, in the form that Codex writes it."""
    shell, failed = {"cmd": "pytest"}, '{"output": "2 failed", "metadata": {"exit_code": 1}}'
    items = [
        ("session_meta", {"id": SESSION, "timestamp": "2026-03-01T10:00:00Z", "cwd": "/shop", "originator": "codex"}),
        *(
            ("response_item", item)
            for item in (
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Make a file"}]},
                {"type": "function_call", "name": "exec_command", "arguments": json.dumps(shell), "call_id": "call_1"},
                {"type": "function_call_output", "call_id": "call_1", "output": failed},
                {"type": "custom_tool_call", "name": "apply_patch", "input": PATCH, "call_id": "call_2"},
                {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Success."},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]},
            )
        ),
    ]
    lines = [{"timestamp": "2026-03-01T10:00:01Z", "type": kind, "payload": payload} for kind, payload in items]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_prompts_commands_patches_and_answers_become_events(client: Client) -> None:
    work(client)
    assert client.said() == [("user", "Make a file"), ("assistant", "Done.")]
    [command] = client.events("command.completed")
    assert (command.payload["command"], command.payload["exit_code"]) == ("pytest", 1)
    edits = [(edit.payload["path"], edit.payload["lines_added"]) for edit in client.events("file.edit.applied")]
    assert edits == [("a.py", 2), ("b.py", 1)]


def test_an_import_of_the_rollout_adds_nothing_and_neither_do_the_hooks_after_it(client: Client) -> None:
    work(client)
    before = client.events()
    with Memory(client.settings) as memory:
        assert ingest_codex(rollout(client.folder / "rollout.jsonl"), memory.sink).recorded.added == 0
    work(client)
    assert client.events() == before
