"""What a client tells its hooks on standard input, checked: one JSON object a call."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import InvalidInputError
from zaxy.services.capture.bounded import clip
from zaxy.services.capture.claude_records import is_id, text_member
from zaxy.services.capture.claude_tools import ToolCall
from zaxy.services.capture.intake import safe_session_id

CLAUDE_CODE: Final = "claude-code"
CODEX: Final = "codex"
CLIENTS: Final = (CLAUDE_CODE, CODEX)

MOST_INPUT_BYTES: Final = 32 * 1024 * 1024
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class HookInput:
    """One call of a hook. A text that was not told is empty.

    Attributes:
        client: ``claude-code`` or ``codex``.
        event: Which hook: ``SessionStart``, ``PostToolUse`` and so on.
        session_id: The log that the session's events go to.
        cwd: The folder that the client works in.
        transcripts: Those of the sub-agent that this is about, and of the session.
        agent_id: Which sub-agent this is about, or called it.
        agent_type: What kind it is.
        tool: The tool call, None where it is about none.
        tool_use_id: The call's own id.
        response: What the tool gave, any JSON value.
        error: Why the tool failed.
        prompt: What the user said.
        message: What the assistant said last.
        occasion: Why a session starts or ends, or what started a compaction.
    """

    client: str
    event: str
    session_id: str
    cwd: str
    transcripts: tuple[Path, ...]
    agent_id: str
    agent_type: str
    tool: ToolCall | None
    tool_use_id: str
    response: Any
    error: str
    prompt: str
    message: str
    occasion: str


def parse_input(client: str, raw: bytes) -> HookInput:
    """Return what a client told its hook. Members that are not known, or not of the right type, count as not told.

    Args:
        client: Which client.
        raw: What stood on standard input.

    Raises:
        InvalidInputError: It is not a JSON object, is too long, or names no event or no session.
    """
    told = _decoded(raw)
    event, session = text_member(told, "hook_event_name"), text_member(told, "session_id")
    if not event or not session:
        raise InvalidInputError("the hook's input names no hook_event_name or no session_id")
    tool_name, given, call_id = text_member(told, "tool_name"), told.get("tool_input"), told.get("tool_use_id")
    arguments = given if isinstance(given, dict) else {} if given is None else {"input": given}
    paths = (text_member(told, name) for name in ("agent_transcript_path", "transcript_path"))
    return HookInput(
        client,
        clip(event, _LONGEST_NAME),
        safe_session_id(session),
        cwd=text_member(told, "cwd").partition("\0")[0],
        transcripts=tuple(Path(os.path.expanduser(path)) for path in paths if path and "\0" not in path),
        agent_id=clip(text_member(told, "agent_id"), _LONGEST_NAME),
        agent_type=clip(text_member(told, "agent_type"), _LONGEST_NAME),
        tool=ToolCall(tool_name, arguments) if tool_name else None,
        tool_use_id=call_id if is_id(call_id) else "",
        response=told.get("tool_response"),
        error=text_member(told, "error"),
        prompt=text_member(told, "prompt"),
        message=text_member(told, "last_assistant_message"),
        occasion=clip("".join(text_member(told, name) for name in ("source", "reason", "trigger")), _LONGEST_NAME),
    )


def _decoded(raw: bytes) -> dict[str, Any]:
    if len(raw) > MOST_INPUT_BYTES:
        raise InvalidInputError(f"the hook's input is longer than {MOST_INPUT_BYTES:,} bytes")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:  # half of a surrogate pair, a byte that is no UTF-8: the rest is worth keeping
            value = json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise InvalidInputError("the hook's input is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidInputError("the hook's input is not a JSON object")
    return value
