"""MCP beside the calls, loaded with its first request: its packages take longer to import than all the rest.

Whoever only uses the calls as JSON waits for none of it when a server starts, and needs no memory for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import import_module
from typing import TYPE_CHECKING, Final

from zaxy.interfaces.calls.runner import CallRunner

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from zaxy.interfaces.mcp.asgi import McpEndpoint

_ENDPOINT: Final = "zaxy.interfaces.mcp.asgi"


class McpMount:
    """Makes the MCP endpoint when it is needed, and ends it with the application.

    Args:
        runner: Makes the calls.
        profile: Which tools are offered: ``core`` or ``full``.
    """

    def __init__(self, runner: CallRunner, profile: str) -> None:
        self._runner = runner
        self._profile = profile
        self._made: asyncio.Future[McpEndpoint] | None = None
        self._holding: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve as long as the context is open, once; on its exit, calls that have begun are finished."""
        try:
            yield
        finally:
            self._ended.set()
            if self._holding is not None:
                await self._holding
            await self._runner.finish()

    async def endpoint(self) -> McpEndpoint:
        """Return the endpoint, made by whoever asks first."""
        if self._made is None:
            self._made = asyncio.get_running_loop().create_future()
            self._holding = asyncio.create_task(self._hold(self._made))
        return await asyncio.shield(self._made)

    async def _hold(self, made: asyncio.Future[McpEndpoint]) -> None:
        """Make the endpoint and keep it open: what it opens has to be closed by the same task."""
        try:
            module = await asyncio.to_thread(import_module, _ENDPOINT)
            endpoint: McpEndpoint = module.McpEndpoint(self._runner, self._profile)
            async with endpoint.run():
                made.set_result(endpoint)
                await self._ended.wait()
        except Exception as error:  # whoever waits for the endpoint learns of it
            if made.done():
                raise
            made.set_exception(error)


class McpRoute:
    """One of the endpoint's applications, as a route.

    Args:
        mount: Makes the endpoint.
        name: ``streamable``, ``sse`` or ``messages``.
    """

    def __init__(self, mount: McpMount, name: str) -> None:
        self._mount = mount
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await getattr(await self._mount.endpoint(), self._name)(scope, receive, send)
