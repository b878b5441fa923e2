"""What an agent's finished tool call becomes: a command, a file edit, or a tool call with a bounded outcome."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from zaxy.eventloom.event import Draft
from zaxy.services.capture.bounded import MAX_VALUE_CHARACTERS, clip, head_and_tail, short_members

_EDIT_TOOLS: Final = {"Edit": "edit", "MultiEdit": "edit", "NotebookEdit": "edit", "Write": "write"}
_EXIT_CODE: Final = re.compile(r"(?:Error: )?Exit code (-?\d{1,5})\b", re.ASCII)
_REMINDER_START: Final = "<system-reminder>"
_REMINDER_END: Final = "</system-reminder>"
_MAX_COMMAND_CHARACTERS: Final = 4_000
_MAX_PATH_CHARACTERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the agent asked for: the tool's name and its arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came back.

    Attributes:
        text: What the agent was shown.
        is_error: Whether the client marked it as a failure (a refused permission included).
        details: The client's own structured account of it, if it left one.
    """

    text: str
    is_error: bool
    details: Mapping[str, Any] = field(default_factory=dict)


def tool_draft(call: ToolCall, result: ToolResult, context: Mapping[str, Any], key: str) -> Draft:
    """Return the event of a finished call.

    ``Bash`` gives ``command.completed``; ``Write``, ``Edit``, ``MultiEdit`` and ``NotebookEdit`` give
    ``file.edit.applied`` with sizes and no file bodies, unless they failed; every other call, and an edit that
    failed, gives ``tool.call.completed``.

    Args:
        call: What was asked for.
        result: What came back.
        context: Payload members that the records give: time, folder, branch, whether a sub-agent did it.
        key: The idempotency key.
    """
    if call.name == "Bash" and isinstance(call.arguments.get("command"), str):
        return Draft("command.completed", "assistant", {**_command(call, result), **context}, key)
    if call.name in _EDIT_TOOLS and not result.is_error and _edited_path(call):
        return Draft("file.edit.applied", "assistant", {**_edit(call, result), **context}, key)
    payload = {
        "tool": clip(call.name, 200),
        "input": short_members(_without_bodies(call)),
        "outcome": head_and_tail(result.text),
        "is_error": result.is_error,
    }
    return Draft("tool.call.completed", "assistant", {**payload, **context}, key)


def _command(call: ToolCall, result: ToolResult) -> dict[str, Any]:
    payload: dict[str, Any] = {"command": head_and_tail(call.arguments["command"], _MAX_COMMAND_CHARACTERS)}
    if isinstance(description := call.arguments.get("description"), str):
        payload["description"] = clip(description, MAX_VALUE_CHARACTERS)
    if (exit_code := _exit_code(result)) is not None:
        payload["exit_code"] = exit_code
    payload["outcome"] = head_and_tail(result.text)
    payload["is_error"] = result.is_error
    return payload


def _exit_code(result: ToolResult) -> int | None:
    """Return the exit code where it is known.

    The client puts a code other than 0 at the head of a failure's text. It does not write a 0: that is known from a
    result that is no failure and whose details show a command that ran to its end in the foreground.
    """
    if result.is_error:
        match = _EXIT_CODE.match(result.text)
        return int(match[1]) if match else None
    left_open = ("interrupted", "backgroundTaskId", "returnCodeInterpretation")
    ended = "stdout" in result.details and not any(result.details.get(name) for name in left_open)
    return 0 if ended else None


def _edited_path(call: ToolCall) -> str:
    for name in ("file_path", "notebook_path"):
        if isinstance(path := call.arguments.get(name), str) and path:
            return path
    return ""


def _edit(call: ToolCall, result: ToolResult) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "path": clip(_edited_path(call), _MAX_PATH_CHARACTERS),
        "operation": _operation(call, result),
        "tool": call.name,
    }
    patch = _patched_lines(result.details.get("structuredPatch"))
    if patch is not None:
        payload["lines_added"], payload["lines_removed"] = patch
    elif payload["operation"] == "create" and isinstance(content := call.arguments.get("content"), str):
        payload["lines_added"], payload["lines_removed"] = _line_count(content), 0
    else:
        payload |= _sizes(call.arguments)
    return payload


def _operation(call: ToolCall, result: ToolResult) -> str:
    told = result.details.get("type") if call.name == "Write" else call.arguments.get("edit_mode")
    known = ("create", "update", "replace", "insert", "delete")
    return told if isinstance(told, str) and told in known else _EDIT_TOOLS[call.name]


def _patched_lines(hunks: object) -> tuple[int, int] | None:
    """Return how many lines a patch adds and removes, or None without a patch (a new file has an empty one)."""
    if not isinstance(hunks, list) or not hunks:
        return None
    bodies = [hunk.get("lines") for hunk in hunks if isinstance(hunk, dict)]
    lines = [line for body in bodies if isinstance(body, list) for line in body if isinstance(line, str)]
    return sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)


def _sizes(arguments: Mapping[str, Any]) -> dict[str, int]:
    edits = arguments.get("edits")
    parts = [arguments, *(edit for edit in edits if isinstance(edit, dict))] if isinstance(edits, list) else [arguments]
    new = [part.get(name) for part in parts for name in ("content", "new_string", "new_source")]
    old = [part.get("old_string") for part in parts]
    return {
        "characters_new": sum(len(text) for text in new if isinstance(text, str)),
        "characters_old": sum(len(text) for text in old if isinstance(text, str)),
    }


def _without_bodies(call: ToolCall) -> dict[str, Any]:
    if call.name not in _EDIT_TOOLS:
        return call.arguments
    bodies = ("content", "new_string", "old_string", "new_source", "edits")
    return {name: value for name, value in call.arguments.items() if name not in bodies}


def _line_count(text: str) -> int:
    return text.count("\n") + (bool(text) and not text.endswith("\n"))


def without_reminders(text: str) -> tuple[str, bool]:
    """Return a text without the reminders that the client puts before or after it, and whether there were any.

    They are the client's instructions to the model, not what a person said nor what a tool gave.
    """
    kept = text.rstrip()
    while kept.endswith(_REMINDER_END) and (start := kept.rfind(_REMINDER_START)) >= 0:
        kept = kept[:start].rstrip()
    while kept.lstrip().startswith(_REMINDER_START) and (end := kept.find(_REMINDER_END)) >= 0:
        kept = kept[end + len(_REMINDER_END) :].lstrip()
    return (text, False) if len(kept) == len(text.rstrip()) else (kept, True)
