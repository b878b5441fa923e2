"""MCP over HTTP: today's requests, the sessions of older clients, and the still older stream of server-sent events.

Who may come in, from where and with how much is decided before, by the server that mounts this. What is decided here is
whose a protocol session is: it belongs to the identity that opened it, so that a guessed or stolen session id opens
nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp.server import Server
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from zaxy.interfaces.calls.caller import caller_in
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.mcp.messages import LONGEST_LINE_BYTES
from zaxy.interfaces.mcp.protocol import build_server

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MESSAGES_PATH: Final = "/messages/"
"""Where a client of the event stream posts what it has to say."""

MOST_SESSIONS: Final = 1_000
"""Each keeps what its client said last, up to some megabytes, until half an hour has passed without a request."""

_GUARDED_BEFORE: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""Host and Origin are checked by the server that mounts this, for all routes alike and before credentials."""


class McpEndpoint:
    """Speaks MCP with HTTP clients; mounted as three ASGI applications.

    Each request brings its `Caller` in ``scope["state"]["caller"]``; without one it is refused.

    Args:
        runner: Makes the calls.
        profile: Which tools are offered: ``core`` or ``full``.
        server: The protocol's server, another one for tests; None builds it from the runner and the profile.
        most_sessions: How many sessions of older clients may be open at once; a further one is refused with 503.

    Attributes:
        streamable: For ``/mcp``: POST, and for older clients GET and DELETE.
        sse: For ``/sse``: the event stream of clients from before 2025.
        messages: For ``/messages/``: what those post.
    """

    def __init__(
        self,
        runner: CallRunner,
        profile: str = "full",
        *,
        server: Server[Any] | None = None,
        most_sessions: int = MOST_SESSIONS,
    ) -> None:
        self._runner = runner
        self._server = server or build_server(runner, profile, is_local=False)
        self._manager = StreamableHTTPSessionManager(
            self._server,
            security_settings=_GUARDED_BEFORE,
            max_request_body_size=LONGEST_LINE_BYTES,
            max_sessions=most_sessions,
        )
        self._events = SseServerTransport(
            MESSAGES_PATH, security_settings=_GUARDED_BEFORE, max_request_body_size=LONGEST_LINE_BYTES
        )
        self.streamable: AsgiApp = _Owned(self._manager.asgi_app)
        self.sse: AsgiApp = _Owned(self._stream)
        self.messages: AsgiApp = _Owned(self._events.handle_post_message)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve as long as the context is open, once; on its exit, calls that have begun are finished."""
        async with self._manager.run():
            yield
        await self._runner.finish()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._events.connect_sse(scope, receive, send) as (incoming, outgoing):
            await self._server.run(incoming, outgoing, self._server.create_initialization_options())


class _Owned:
    """Tells the SDK whose a request is, so that it lets no other identity into a protocol session.

    An object, not a function: routers take a function for something that answers a request with a response.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = AccessToken(token="", client_id=caller_in(scope).identity, scopes=[])
        await self._app({**scope, "user": AuthenticatedUser(token)}, receive, send)
