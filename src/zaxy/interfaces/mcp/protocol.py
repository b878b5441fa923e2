"""The protocol's server: tools, resources and prompts over one memory, whichever way its messages come."""

from __future__ import annotations

from typing import Final

from mcp.server import Server
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)

from zaxy import __version__
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tools import INSTRUCTIONS
from zaxy.interfaces.mcp.answers import Context, ToolCalls, caller_of
from zaxy.interfaces.mcp.prompts import PROMPTS, get_prompt
from zaxy.interfaces.mcp.resources import TEMPLATES, list_resources, read_resource
from zaxy.interfaces.mcp.tool_listing import listed, told_instructions

_SAME_FOR_ALL: Final = CacheHint(ttl_ms=5 * 60 * 1_000, scope="public")
_CACHING: Final[dict[CacheableMethod, CacheHint]] = {
    "tools/list": _SAME_FOR_ALL,
    "prompts/list": _SAME_FOR_ALL,
    "resources/templates/list": _SAME_FOR_ALL,
}

MemoryServer = Server[dict[str, object]]


def build_server(runner: CallRunner, profile: str = "full", *, is_local: bool = True) -> MemoryServer:
    """Return the SDK's server for a memory.

    Args:
        runner: Makes the calls.
        profile: Which of them are offered as tools: ``core`` or ``full``.
        is_local: Whether its messages come by a pipe, from whoever started it; else each request brings its `Caller`.

    Raises:
        InvalidInputError: There is no such profile.
    """
    calls = ToolCalls(runner, profile)
    tools = [listed(tool) for tool in calls.tools]

    async def list_tools(_context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=tools)

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        return await calls.call(params.name, params.arguments or {}, caller_of(context, is_local=is_local))

    async def resources(context: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        return await list_resources(calls, caller_of(context, is_local=is_local), params.cursor if params else None)

    async def templates(_context: Context, _params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=list(TEMPLATES))

    async def read(context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        return await read_resource(calls, caller_of(context, is_local=is_local), params.uri)

    async def prompts(_context: Context, _params: PaginatedRequestParams | None) -> ListPromptsResult:
        return ListPromptsResult(prompts=list(PROMPTS))

    async def prompt(context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        return await get_prompt(calls, caller_of(context, is_local=is_local), params.name, params.arguments or {})

    return Server(
        "zaxy-memory",
        version=__version__,
        title="Zaxy memory",
        description="A durable, cited memory: an append-only event log and what is derived from it",
        instructions=told_instructions(INSTRUCTIONS, calls.tools),
        cache_hints=_CACHING,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=resources,
        on_list_resource_templates=templates,
        on_read_resource=read,
        on_list_prompts=prompts,
        on_get_prompt=prompt,
    )
