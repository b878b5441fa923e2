"""What a hook's call becomes: the same events, under the same keys, that an import of the client's transcript makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from zaxy.eventloom.event import Draft
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.services.capture.bounded import MAX_OUTCOME_CHARACTERS, clip, head_and_tail
from zaxy.services.capture.claude_tools import ToolResult, tool_draft, without_reminders
from zaxy.services.capture.hooks.client_input import CODEX, HookInput
from zaxy.services.capture.same_turn import TURN, said_key

Maker = Callable[[HookInput, dict[str, Any], int], Iterator[Draft]]

_LONGEST_TURN: Final = 150_000
_CODEX_TOOLS: Final = {"Bash": "shell"}
_READERS: Final = frozenset(
    {
        "Read",
        "NotebookRead",
        "View",
        "read_file",
        "view_file",
        "read_text_file",
        "read_multiple_files",
        "get_file_contents",
    }
)
_EDITORS: Final = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write", "edit_file", "write_file"})
_PATHS: Final = frozenset({"path", "file_path", "notebook_path"})
_BODIES: Final = frozenset({"content", "contents", "file_text", "old_string", "new_string", "new_source", "edits"})
_TEXT_NAMES: Final = ("content", "output", "result", "text", "message", "file")


def drafts_of(given: HookInput, now: str, position: int) -> list[Draft]:
    """Return the events that a hook's call stands for; none for calls that tell nothing new.

    Args:
        given: The call.
        now: The moment of the call, RFC 3339.
        position: How long the transcript is by now: tells two compactions of one session apart, and makes the same
            keys when a call is repeated.
    """
    context: dict[str, Any] = {"occurred_at": now}
    if given.cwd:
        context["cwd"] = given.cwd
    if given.agent_id:
        context |= {"agent": given.agent_id, "sidechain": True}
    make = MAKERS.get(given.event)
    return list(make(given, context, position)) if make is not None else []


def told_origin(draft: Draft, identity: str) -> Draft:
    """Return a draft that says where it comes from: a person, the agent, or what a tool brought from outside."""
    tool = str(draft.payload.get("tool", ""))
    is_outside = draft.event_type.startswith("tool.") and tool.startswith(("mcp__", "Web", "web"))
    is_person = draft.event_type == TURN and draft.actor == "user"
    source = SourceClass.TOOL if is_outside else SourceClass.HUMAN if is_person else SourceClass.AGENT
    return replace(draft, origin=Origin(source, "hook", identity))


def without_body(draft: Draft) -> Draft:
    """Return a draft without the text of a file that was read or written: the file has it, and it may hold anything."""
    payload = dict(draft.payload)
    tool = str(payload.get("tool", "")).rpartition("__")[2]  # a server's own name comes before
    arguments, outcome = payload.get("input"), payload.get("outcome")
    if isinstance(arguments, dict) and not _PATHS.isdisjoint(arguments):
        payload["input"] = {name: value for name, value in arguments.items() if name not in _BODIES}
    if isinstance(outcome, str) and payload.get("is_error"):
        payload["outcome"] = outcome.partition("\n")[0] if tool in _EDITORS else outcome  # then follows what was sought
    elif isinstance(outcome, str) and tool in _READERS:
        payload["outcome"] = f"[{len(outcome.splitlines()):,} lines or more]"
    return replace(draft, payload=payload)


def _session(verb: str) -> Maker:
    def make(given: HookInput, context: dict[str, Any], position: int) -> Iterator[Draft]:
        if given.occasion == "compact" and verb == "started":
            return  # the session goes on
        happened = "resumed" if given.occasion == "resume" else verb
        key = f"{given.client}:{given.session_id}:{happened}" + ("" if happened == "started" else f":{position}")
        told = {"client": given.client, "occasion": given.occasion, **context}
        yield Draft(f"session.{happened}", given.client, told, key)

    return make


def _turn(speaker: str) -> Maker:
    def make(given: HookInput, context: dict[str, Any], _: int) -> Iterator[Draft]:
        said = without_reminders(given.prompt if speaker == "user" else given.message)[0]
        if said.strip():
            told = {"speaker": speaker, "content": head_and_tail(said, _LONGEST_TURN), **context}
            yield Draft(TURN, speaker, told, said_key(given.client, given.session_id, speaker, said))

    return make


def _agent(verb: str) -> Maker:
    def make(given: HookInput, context: dict[str, Any], position: int) -> Iterator[Draft]:
        named = f"{given.agent_id or position}:{_digest(given.message)}"  # one that is resumed stops again
        told = {"agent": given.agent_id, "agent_type": given.agent_type, **context}
        if given.message:
            told["outcome"] = head_and_tail(given.message)
        yield Draft(f"agent.{verb}", "assistant", told, f"{given.client}:{given.session_id}:agent:{verb}:{named}")

    return make


def _called(given: HookInput, context: dict[str, Any], position: int) -> Iterator[Draft]:
    """Yield a finished tool call. One without an id is named by its place in the session and what it was."""
    call = given.tool
    if call is None:
        return
    named = given.tool_use_id or f"call:{position}:{_digest(f'{call.name} {call.arguments}')}"
    key = f"{given.client}:{given.session_id}:{named}"
    if given.client != CODEX:
        yield tool_draft(call, _result(given), context, key)
        return
    from zaxy.services.capture.importers.codex_tools import CodexCall, finished  # what an import of a rollout makes

    arguments = call.arguments
    if call.name == "apply_patch":
        arguments = {"input": arguments.get("command", arguments.get("input"))}
    yield from finished(CodexCall(_CODEX_TOOLS.get(call.name, call.name), arguments), given.response, context, key)


def _digest(text: str) -> str:
    return said_key("", "", "", text).rpartition(":")[2][:16]


def _result(given: HookInput) -> ToolResult:
    details = given.response if isinstance(given.response, dict) else {}
    code = details.get("exit_code")
    failed = given.event == "PostToolUseFailure" or details.get("is_error") is True or bool(code)
    text = without_reminders(given.error or _shown(given.response))[0]
    if code and not text.startswith("Exit code"):
        text = f"Exit code {code}\n{text}"
    return ToolResult(text, failed, details)


def _shown(value: object) -> str:
    """Return what of a tool's answer a reader would see."""
    if isinstance(value, list):
        return "\n".join(shown for part in value if (shown := _shown(part)))
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    if "stdout" in value:
        return "\n".join(str(value[name]) for name in ("stdout", "stderr") if value.get(name))
    for name in _TEXT_NAMES:
        if isinstance(value.get(name), str | list | dict):
            return _shown(value[name])
    return clip(orjson.dumps(value, default=str).decode(), MAX_OUTCOME_CHARACTERS)


MAKERS: Final[Mapping[str, Maker]] = {
    "SessionStart": _session("started"),
    "UserPromptSubmit": _turn("user"),
    "PostToolUse": _called,
    "PostToolUseFailure": _called,
    "Stop": _turn("assistant"),
    "SubagentStart": _agent("started"),
    "SubagentStop": _agent("completed"),
    "PreCompact": _session("compacted"),
    "SessionEnd": _session("ended"),
}
"""What records each hook; others have nothing of their own to record."""
