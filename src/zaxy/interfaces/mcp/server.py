"""The MCP server over stdio. Importing this module imports the SDK."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence

import anyio
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as ListedTool

from zaxy import __version__
from zaxy.config import Settings
from zaxy.errors import ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.arguments import Arguments, shown
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tool import Tool
from zaxy.interfaces.calls.tools import INSTRUCTIONS, TOOLS
from zaxy.interfaces.mcp.transport import LineTransport, standard_descriptors
from zaxy.interfaces.serialize import dump, error_json

_LONGEST_CLIENT_NAME = 200
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve_stdio(settings: Settings) -> None:
    """Serve the memory's tools on standard input and output until the input ends or a signal asks to end.

    Standard output carries the protocol only; messages for people go to standard error. A call that has begun is
    finished before this returns.

    Args:
        settings: Where everything is, and the admin token.

    Raises:
        InvalidInputError: A setting cannot be used.
        MissingDependencyError: The graph back end is not part of this installation.
        UnavailableError: Standard output is closed.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="zaxy: %(levelname)s: %(message)s")
    anyio.run(_serve, settings)


async def _serve(settings: Settings) -> None:
    fabric = MemoryFabric.from_settings(settings)
    async with fabric:
        calls = ToolCalls(fabric, settings.admin_token)
        with standard_descriptors() as descriptors:
            transport = LineTransport(*descriptors)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_on_signal, transport)
                async with transport.streams() as (incoming, outgoing):
                    server = build_server(calls)
                    await server.run(incoming, outgoing, server.create_initialization_options())
                tasks.cancel_scope.cancel()
        await calls.finish()


async def _stop_on_signal(transport: LineTransport) -> None:
    with anyio.open_signal_receiver(*_ENDING_SIGNALS) as signals:
        async for _ in signals:
            transport.stop()


class ToolCalls:
    """Runs tools for MCP clients; a call that has begun is finished, whether or not its client waits for it.

    Args:
        memory: What the tools work on.
        admin_token: What guarded tools ask for; None lets every call pass.
        tools: Which tools there are.
    """

    def __init__(self, memory: MemoryFabric, admin_token: str | None = None, tools: Sequence[Tool] = TOOLS) -> None:
        self._runner = CallRunner(memory, admin_token, tools)

    async def call(self, name: str, arguments: Arguments, client: str = "") -> CallToolResult:
        """Run a tool. Whatever goes wrong in it is a result that says so.

        Args:
            name: Which tool.
            arguments: What it is given.
            client: Who the client says it is.

        Raises:
            MCPError: There is no such tool.
        """
        known = [tool.name for tool in self._runner.tools]
        if name not in known:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {shown(name)}; there are {', '.join(known)}")
        try:
            reply = await self._runner.run(name, arguments, Caller(client=client))
        except ZaxyError as error:
            return _failure(error)
        return CallToolResult(content=[TextContent(type="text", text=reply.text)], structured_content=reply.structured)

    async def finish(self) -> None:
        """Wait for the calls that are under way."""
        await self._runner.finish()


def _failure(error: ZaxyError) -> CallToolResult:
    """Return an error as JSON text only: some clients hold any structured content against the tool's output schema."""
    text = dump(error_json(error)).encode("utf-8", "replace").decode("utf-8")
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def build_server(calls: ToolCalls) -> Server[dict[str, object]]:
    """Return the SDK's server for the tools."""

    async def list_tools(
        _context: ServerRequestContext[dict[str, object]], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[_listed(tool) for tool in TOOLS])

    async def call_tool(
        context: ServerRequestContext[dict[str, object]], params: CallToolRequestParams
    ) -> CallToolResult:
        told = context.session.client_params
        client = "" if told is None else told.client_info.name[:_LONGEST_CLIENT_NAME]
        return await calls.call(params.name, params.arguments or {}, client)

    return Server(
        "zaxy-memory",
        version=__version__,
        title="Zaxy memory",
        description="A durable, cited memory: an append-only event log and what is derived from it",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _listed(tool: Tool) -> ListedTool:
    return ListedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes,
        output_schema=tool.gives,
        annotations=ToolAnnotations(
            read_only_hint=tool.reads_only,
            destructive_hint=tool.is_destructive,
            idempotent_hint=tool.reads_only,
            open_world_hint=False,
        ),
    )
