"""How calls and what goes wrong in them are told in the protocol's terms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import orjson
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent

from zaxy.errors import (
    IntegrityError,
    InvalidInputError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
    ZaxyError,
)
from zaxy.interfaces.calls.arguments import Arguments, shown
from zaxy.interfaces.calls.caller import LOCAL, Caller, caller_in
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tool import Reply
from zaxy.interfaces.mcp.tool_listing import offered_tools
from zaxy.interfaces.serialize import dump, error_json

Context = ServerRequestContext[dict[str, object]]

_LONGEST_CLIENT_NAME: Final = 200
_VIA: Final = "mcp"


def caller_of(context: Context, *, is_local: bool) -> Caller:
    """Return who sends a request.

    Args:
        context: The request.
        is_local: Whether it comes by a pipe, from whoever started the server.

    Raises:
        MCPError: It comes over HTTP, and nothing tells who sends it.
    """
    try:
        caller = LOCAL if is_local else caller_in({} if context.request is None else context.request.scope)
    except NotAuthenticatedError as error:
        raise protocol_error(error) from error
    told = context.session.client_params
    client = "" if told is None else told.client_info.name[:_LONGEST_CLIENT_NAME]
    return replace(caller, via=_VIA, client=client)


class ToolCalls:
    """Runs tools for MCP clients.

    Args:
        runner: Makes the calls.
        profile: Which of them are tools: ``core`` or ``full``.

    Attributes:
        tools: The tools, in the order they are listed.
    """

    def __init__(self, runner: CallRunner, profile: str = "full") -> None:
        self._runner = runner
        self.tools = offered_tools(runner.tools, profile)

    async def call(self, name: str, arguments: Arguments, caller: Caller = LOCAL) -> CallToolResult:
        """Run a tool. Whatever goes wrong in it is a result that says so.

        Args:
            name: Which tool.
            arguments: What it is given.
            caller: Who asks.

        Raises:
            MCPError: There is no such tool.
        """
        known = [tool.name for tool in self.tools]
        if name not in known:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {shown(name)}; there are {', '.join(known)}")
        try:
            reply = await self._runner.run(name, arguments, caller)
        except ZaxyError as error:
            return _failure(error)
        content = TextContent(type="text", text=_sendable_text(reply.text))
        return CallToolResult(content=[content], structured_content=_sendable(reply.structured))

    async def reply(self, name: str, arguments: Arguments, caller: Caller) -> Reply:
        """Return what a call gives, whether or not the profile offers it as a tool. Errors as `CallRunner.run`."""
        reply = await self._runner.run(name, arguments, caller)
        return Reply(_sendable(reply.structured), _sendable_text(reply.text))


def _sendable(structured: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that can be encoded: a log that another program wrote may hold lone surrogates.

    The SDK would end the whole connection over one of them.
    """
    try:
        orjson.dumps(structured)
    except TypeError:
        clean: dict[str, Any] = json.loads(_sendable_text(json.dumps(structured, ensure_ascii=False)))
        return clean
    return structured


def _sendable_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _failure(error: ZaxyError) -> CallToolResult:
    """Return an error as JSON text only: some clients hold any structured content against the tool's output schema."""
    return CallToolResult(
        content=[TextContent(type="text", text=_sendable_text(dump(error_json(error))))], is_error=True
    )


def protocol_error(error: ZaxyError, **more: str) -> MCPError:
    """Return an error of ours as one of the protocol; ours stands in its data.

    Args:
        error: What went wrong.
        **more: What else stands there.
    """
    asked_wrongly = isinstance(error, InvalidInputError | NotFoundError | NotAuthorizedError | IntegrityError)
    told: dict[str, Any] = {**error_json(error)["error"], **more}
    code = INVALID_PARAMS if asked_wrongly else INTERNAL_ERROR
    return MCPError(code, _sendable_text(error.message), _sendable(told))
