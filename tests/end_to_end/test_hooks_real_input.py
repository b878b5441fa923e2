"""Hooks driven by recorded client sessions that are not part of the repository.

``ZAXY_EVAL_DATA`` names the folder that holds them; without it these tests say that they skip.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zaxy.config import Settings
from zaxy.memory import Memory
from zaxy.services.capture.claude_code import ingest_claude_code
from zaxy.services.capture.hooks.health import hook_health
from zaxy.services.capture.hooks.run import Surroundings, run_hook

DATA = Path(os.environ.get("ZAXY_EVAL_DATA", "/nonexistent"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="ZAXY_EVAL_DATA does not name a folder with evaluation data"),
]
SESSIONS = ("hello-world-script", "coverage-test-fix", "stop-hook-reflection-first-stop", "python-to-rust-port")


def calls(records: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the hooks that a client calls for a session, each with how many records the transcript has by then."""
    uses: dict[str, dict[str, Any]] = {}
    yield 0, {"hook_event_name": "SessionStart", "source": "startup"}
    for number, record in enumerate(records):
        content = (record.get("message") or {}).get("content")
        if record["type"] == "user" and isinstance(content, str) and not record.get("isMeta"):
            yield number, {"hook_event_name": "UserPromptSubmit", "prompt": content}
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_use":
                uses[block["id"]] = {
                    "tool_name": block["name"],
                    "tool_input": block["input"],
                    "tool_use_id": block["id"],
                }
                yield number, {"hook_event_name": "PreToolUse", **uses[block["id"]]}
            elif block.get("type") == "tool_result" and not block.get("is_error"):
                told = {**uses[block["tool_use_id"]], "tool_response": record.get("toolUseResult")}
                yield number, {"hook_event_name": "PostToolUse", **told}
            elif block.get("type") == "text" and record["type"] == "assistant" and is_last(records, number):
                yield number, {"hook_event_name": "Stop", "last_assistant_message": block["text"]}
    yield len(records), {"hook_event_name": "SessionEnd", "reason": "exit"}


def is_last(records: list[dict[str, Any]], number: int) -> bool:
    following = next((record for record in records[number + 1 :] if record["type"] in ("user", "assistant")), None)
    return following is None or (following["type"] == "user" and isinstance(following["message"]["content"], str))


@pytest.mark.parametrize("transcript", ["growing", "whole", "none"])
@pytest.mark.parametrize("name", SESSIONS)
def test_a_recorded_session_through_hooks_and_an_import_after_it_are_one_memory(
    tmp_path: Path, name: str, transcript: str
) -> None:
    source = DATA / "claude_code" / f"{name}.jsonl"
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    records = [json.loads(line) for line in lines]
    session = next(record["sessionId"] for record in records if "sessionId" in record)
    path = tmp_path / f"{session}.jsonl"
    settings = Settings(eventloom_path=tmp_path / ".eventloom", state_path=tmp_path / "state")
    settings.eventloom_path.mkdir()
    for _ in range(2):  # the second time is a repetition, which adds nothing
        for written, told in calls(records):
            if transcript != "none":
                path.write_text("".join(lines if transcript == "whole" else lines[:written]), encoding="utf-8")
            raw = json.dumps({"session_id": session, "transcript_path": str(path), "cwd": str(tmp_path), **told})
            assert run_hook("claude-code", raw.encode(), Surroundings(lambda _: settings, "ann")).problems == []
    pure = Settings(eventloom_path=tmp_path / "pure", state_path=tmp_path / "state")
    with Memory(pure) as memory:
        expected = ingest_claude_code(source, memory.sink).recorded.added
    with Memory(settings) as memory:
        before = found(memory, session)
        added = ingest_claude_code(source, memory.sink).recorded.added
        after = found(memory, session)
        assert memory.loom.verify(ask_witnesses=False).findings == ()
    assert sum(after.values()) == expected
    assert added == sum(after.values()) - sum(before.values())
    assert added == 0 or transcript == "none"
    health = hook_health(settings)
    assert health is not None
    assert (health.spooled_events, health.last_error) == (0, None)


def found(memory: Memory, session: str) -> Counter[str]:
    types = (event.event_type for event in memory.loom.log(session).replay())
    return Counter(kind for kind in types if not kind.startswith(("session.", "agent.")))
