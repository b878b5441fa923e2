"""Prompts that a person picks in a client: recall before work, record a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    EmbeddedResource,
    GetPromptResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
    TextResourceContents,
)

from zaxy.errors import ZaxyError
from zaxy.interfaces.calls.arguments import shown
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.calls.schemas import DATA_NOTICE
from zaxy.interfaces.mcp.answers import ToolCalls, protocol_error

_RECALL: Final = "recall_before_work"
_DECISION: Final = "record_decision"
_SESSION: Final = PromptArgument(name="session_id", description="Only this session; left out: what is usual")
_LONGEST_ARGUMENT: Final = 100_000

PROMPTS: Final = (
    Prompt(
        name=_RECALL,
        title="Recall before work",
        description="Read what memory holds for a task before starting on it.",
        arguments=[
            PromptArgument(name="task", description="What is to be done, in plain words", required=True),
            _SESSION,
        ],
    ),
    Prompt(
        name=_DECISION,
        title="Record a decision",
        description="Record what was decided and why, so that later work finds it.",
        arguments=[
            PromptArgument(name="decision", description="What was decided, as a whole sentence", required=True),
            PromptArgument(name="reason", description="Why"),
            PromptArgument(name="alternatives", description="What was considered and not taken"),
            _SESSION,
        ],
    ),
)
"""In the order they are listed."""


async def get_prompt(calls: ToolCalls, caller: Caller, name: str, arguments: Mapping[str, str]) -> GetPromptResult:
    """Return a prompt's messages.

    Raises:
        MCPError: There is no such prompt, an argument is missing, unknown or too long, or memory does not answer.
    """
    prompt = next((prompt for prompt in PROMPTS if prompt.name == name), None)
    if prompt is None:
        known = ", ".join(prompt.name for prompt in PROMPTS)
        raise MCPError(INVALID_PARAMS, f"Unknown prompt: {shown(name)}; there are {known}")
    _check(prompt, arguments)
    messages = await _recall(calls, caller, arguments) if name == _RECALL else [_said(_decision(arguments))]
    return GetPromptResult(description=prompt.description, messages=messages)


def _check(prompt: Prompt, arguments: Mapping[str, str]) -> None:
    known = {argument.name: bool(argument.required) for argument in prompt.arguments or ()}
    for name, value in arguments.items():
        if name not in known:
            raise MCPError(
                INVALID_PARAMS, f"{prompt.name} has no argument named {shown(name)}; it has {', '.join(known)}"
            )
        if len(value) > _LONGEST_ARGUMENT:
            raise MCPError(
                INVALID_PARAMS, f"{prompt.name}: {name} must be at most {_LONGEST_ARGUMENT:,} characters long"
            )
    for name, is_required in known.items():
        if is_required and not arguments.get(name, "").strip():
            raise MCPError(INVALID_PARAMS, f"{prompt.name} needs the argument {name}")


async def _recall(calls: ToolCalls, caller: Caller, arguments: Mapping[str, str]) -> list[PromptMessage]:
    """Return the task, and the packet as a resource of its own: what was recorded stays apart from what is asked."""
    asked = {
        "query": arguments["task"],
        **({"session_id": arguments["session_id"]} if "session_id" in arguments else {}),
    }
    try:
        packet = await calls.reply("memory_checkout", asked, caller)
    except ZaxyError as error:
        raise protocol_error(error) from error
    resource = TextResourceContents(
        uri=f"eventloom://checkout?{urlencode(asked)}", mime_type="text/plain", text=packet.text
    )
    task = (
        f"The task: {arguments['task']}\n\n"
        f"Before you start, read what memory holds for it, which follows. {DATA_NOTICE} Cite what you rely on. Where "
        "the packet says to look further, call memory_query; where it says that memory holds nothing, say so."
    )
    return [_said(task), PromptMessage(role="user", content=EmbeddedResource(resource=resource))]


def _decision(arguments: Mapping[str, str]) -> str:
    payload = {"title": arguments["decision"]}
    payload |= {name: arguments[name] for name in ("reason", "alternatives") if arguments.get(name)}
    call: dict[str, Any] = {"event_type": "decision.made", "actor": "user", "payload": payload}
    if "session_id" in arguments:
        call["session_id"] = arguments["session_id"]
    return (
        "Record this decision with memory_append. First look with memory_query whether memory holds an earlier one on "
        "the same question; if this one replaces it, end that one with memory_invalidate. Put whoever decided into "
        "actor, and tell me the citation.\n\n" + json.dumps(call, ensure_ascii=False, indent=2)
    )


def _said(text: str) -> PromptMessage:
    return PromptMessage(role="user", content=TextContent(type="text", text=text))
