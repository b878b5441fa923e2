"""A web server around nothing but an `McpEndpoint`, and the SDK's client on every way to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import httpx2
import uvicorn
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import Implementation

from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.mcp.asgi import McpEndpoint

PLAIN: Final = Implementation(name="a plain client", version="1")
WAYS: Final = ("today", "sessions", "events")
"""Today's requests, the sessions of older clients, and the event stream of still older ones."""

ANN: Final = Caller("ann", None, via="http")
EVE: Final = Caller("eve", None, via="http")
OWNER: Final = Caller("owner", None, is_admin=True, via="http")
TENANT: Final = Caller("tenant", ("home",), via="http")
HERE: Final = Caller()
NOBODY: Final = "nobody"
"""Stands for a request that did not pass any check of credentials."""
CALLERS: Final = {caller.identity: caller for caller in (HERE, ANN, EVE, OWNER, TENANT)}


@asynccontextmanager
async def serving(endpoint: McpEndpoint) -> AsyncIterator[str]:
    """Serve an endpoint on a free port and yield its URL; a header ``who`` stands for credentials that were checked."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        who = next((value.decode() for name, value in scope["headers"] if name == b"who"), HERE.identity)
        told = scope if who == NOBODY else {**scope, "state": {"caller": CALLERS[who]}}
        routes = {"/mcp": endpoint.streamable, "/sse": endpoint.sse, "/messages/": endpoint.messages}
        await routes[scope["path"]](told, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        async with endpoint.run():
            running = asyncio.create_task(server.serve(sockets=[listener]))
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
            await running


def from_here(app: Any) -> Any:
    """Return an application that takes each request for one of a program on this machine."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {"caller": HERE}}, receive, send)

    return asked


def headers(who: str | None) -> dict[str, str]:
    return {} if who is None else {"who": who}


@asynccontextmanager
async def connected(url: str, way: str, who: str | None = None) -> AsyncIterator[Client]:
    """Yield the SDK's client, connected in one of the `WAYS`."""
    if way == "events":
        async with Client(sse_client(f"{url}/sse", headers=headers(who)), mode="legacy", client_info=PLAIN) as client:
            yield client
        return
    async with create_mcp_http_client(headers=headers(who)) as http_client:
        transport = streamable_http_client(f"{url}/mcp", http_client=http_client)
        mode = "2026-07-28" if way == "today" else "legacy"
        async with Client(transport, mode=mode, client_info=PLAIN) as client:
            yield client


def posting(url: str, who: str | None = None, **more: str) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
    """Return a plain HTTP client that posts as an MCP client does."""
    told = {"accept": "application/json, text/event-stream", **headers(who), **more}
    return httpx2.AsyncClient(base_url=url, headers=told, timeout=10)


INITIALIZE: Final[Mapping[str, Any]] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "plain", "version": "1"}},
}
LIST_TOOLS: Final[Mapping[str, Any]] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
