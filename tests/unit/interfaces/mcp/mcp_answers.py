"""Calls tools on a real memory, and holds every answer against what its tool says it gives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from zaxy import MemoryFabric
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tool import Tool
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.mcp.answers import ToolCalls


def tool_calls(memory: MemoryFabric, admin_token: str | None = None, tools: Sequence[Tool] = TOOLS) -> ToolCalls:
    """Return what runs the tools on a memory."""
    return ToolCalls(CallRunner(memory, admin_token, tools))


GIVES = {tool.name: tool.gives for tool in TOOLS}


def closed(schema: Any) -> Any:
    """Return a schema in which no object may have a member that is not listed."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items()}
    return {**found, "additionalProperties": False} if isinstance(found.get("properties"), dict) else found


async def answer(calls: ToolCalls, tool: str, /, **arguments: Any) -> Mapping[str, Any]:
    """Return the structured answer of a call that succeeds."""
    result = await calls.call(tool, arguments)
    assert not result.is_error, result.content
    Draft202012Validator(closed(GIVES[tool])).validate(result.structured_content)
    return json.loads(json.dumps(result.structured_content))


async def text_of(calls: ToolCalls, tool: str, /, **arguments: Any) -> str:
    """Return the text of a call that succeeds."""
    result = await calls.call(tool, arguments)
    assert not result.is_error, result.content
    return result.content[0].text


async def error(calls: ToolCalls, tool: str, /, **arguments: Any) -> Mapping[str, Any]:
    """Return the error of a call that fails."""
    result = await calls.call(tool, arguments)
    assert result.is_error
    assert result.structured_content is None
    (content,) = result.content
    return json.loads(content.text)["error"]
