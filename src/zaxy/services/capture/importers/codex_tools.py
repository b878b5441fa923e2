"""What a finished tool call of Codex becomes: a command, changed files, or a tool call with a bounded outcome."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from zaxy.eventloom.event import Draft
from zaxy.services.capture.bounded import clip
from zaxy.services.capture.claude_tools import ToolCall, ToolResult, tool_draft
from zaxy.services.capture.importers.taking import text_of

_SHELLS: Final = frozenset({"shell", "shell_command", "exec_command", "container.exec", "local_shell", "unified_exec"})
_PATCH: Final = "apply_patch"
_FILE: Final = re.compile(r"\*\*\* (Add|Update|Delete) File: (.+)")
_OPERATIONS: Final = {"Add": "create", "Update": "update", "Delete": "delete"}
_EXIT: Final = re.compile(r"(?:Exit code:|Process exited with code) (-?\d{1,5})\b", re.ASCII)
_HEAD_CHARACTERS: Final = 500
_MAX_FILES: Final = 100
_SHELL_WORDS: Final = 3


@dataclass(frozen=True, slots=True)
class CodexCall:
    """A call that the agent asked for.

    Attributes:
        name: The tool.
        arguments: Its arguments; a text that is no JSON object stands in ``input``.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def call_of(item: Mapping[str, Any]) -> CodexCall:
    """Return the call that an item of a rollout asks for."""
    action = item.get("action")
    if text_of(item, "type") == "local_shell_call":
        return CodexCall("local_shell", action if isinstance(action, dict) else {})
    if text_of(item, "type") == "web_search_call":
        return CodexCall("web_search", action if isinstance(action, dict) else {})
    told = item.get("arguments", item.get("input"))
    try:
        arguments = orjson.loads(told) if isinstance(told, str) else told
    except orjson.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        arguments = {"input": told} if isinstance(told, str) else {}
    return CodexCall(text_of(item, "name") or "tool", arguments)


def finished(call: CodexCall, output: object, context: Mapping[str, Any], key: str) -> Iterator[Draft]:
    """Yield the events of a finished call.

    A command gives ``command.completed`` with its exit code where that is told; a patch gives one
    ``file.edit.applied`` a file, with sizes and no bodies, unless it failed; every other call, and a patch that
    failed, gives ``tool.call.completed``.

    Args:
        call: What was asked for.
        output: What came back, as the rollout has it; None where nothing is told.
        context: Payload members that hold for the session: time, folder, branch.
        key: The idempotency key; further files of a patch have a number behind it.
    """
    text, code = _outcome(output)
    patch = text_of(call.arguments, "input", "patch") if call.name == _PATCH else ""
    files = [] if code else _patched(patch)
    for number, edited in enumerate(files[:_MAX_FILES]):
        suffix = f":{number}" if number else ""
        yield Draft("file.edit.applied", "assistant", {**edited, "tool": _PATCH, **context}, key + suffix)
    if files:
        return
    failed = code is not None and code != 0
    name, arguments = call.name, dict(call.arguments)
    if patch:
        arguments = {"files": [match[2] for match in _FILE.finditer(patch)]}
    if command := _command(call):
        name, arguments = "Bash", {"command": command}
        text = f"Exit code {code}\n{text}" if failed and code is not None else text
    details = {"stdout": ""} if code == 0 else {}
    yield tool_draft(ToolCall(name, arguments), ToolResult(text, failed, details), context, key)


def _command(call: CodexCall) -> str:
    """Return the command line of a call of a shell; of ``bash -lc LINE`` only the line."""
    if call.name not in _SHELLS:
        return ""
    told = call.arguments.get("command", call.arguments.get("cmd"))
    if isinstance(told, list) and all(isinstance(word, str) for word in told):
        is_wrapped = len(told) == _SHELL_WORDS and told[1] in ("-lc", "-c")
        return told[2] if is_wrapped else shlex.join(told)
    return told if isinstance(told, str) else ""


def _outcome(output: object) -> tuple[str, int | None]:
    """Return the text that came back and the exit code, None where none is told."""
    if isinstance(output, str) and output.startswith('{"'):
        with contextlib.suppress(orjson.JSONDecodeError):
            output = orjson.loads(output)
    if isinstance(output, list):
        return "\n".join(text_of(part, "text") for part in output if isinstance(part, dict)), None
    if not isinstance(output, dict):
        text = output if isinstance(output, str) else ""
        match = _EXIT.search(text[:_HEAD_CHARACTERS])
        return text, int(match[1]) if match else None
    metadata = output.get("metadata")
    code = metadata.get("exit_code") if isinstance(metadata, dict) else None
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    if code is None and isinstance(success := output.get("success"), bool):
        code = 0 if success else 1
    return text_of(output, "output", "content"), code


def _patched(patch: str) -> list[dict[str, Any]]:
    """Return the files that a patch changes: path, operation, lines added and removed."""
    found: list[dict[str, Any]] = []
    for line in patch.splitlines():
        if match := _FILE.fullmatch(line):
            found.append(
                {
                    "path": clip(match[2].strip(), 1_000),
                    "operation": _OPERATIONS[match[1]],
                    "lines_added": 0,
                    "lines_removed": 0,
                }
            )
        elif found and line.startswith(("+", "-")):
            found[-1]["lines_added" if line[0] == "+" else "lines_removed"] += 1
    return found
