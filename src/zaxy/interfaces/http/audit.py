"""Noting each request: who asked for what and how it ended. Never a word of what was asked or answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import orjson

from zaxy.clock import Clock, SystemClock, format_time
from zaxy.config import Settings
from zaxy.eventloom.event import Draft
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.http.answers import refuse
from zaxy.interfaces.http.audit_log import AuditLog, AuditUnavailableError
from zaxy.interfaces.http.health import HEALTH_PATH
from zaxy.interfaces.http.metrics import METRICS_PATH, observer_in
from zaxy.telemetry import Counted, Reason

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from zaxy.interfaces.calls.caller import Caller

EVENT_TYPE: Final = "http.request"

_OTHER: Final = "other"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MCP_PATHS: Final = ("/mcp", "/messages/")
_MCP_METHODS: Final = frozenset(
    """
    initialize ping completion/complete logging/setLevel server/discover subscriptions/listen
    prompts/get prompts/list resources/list resources/read resources/subscribe resources/unsubscribe
    resources/templates/list tools/call tools/list tasks/get tasks/list tasks/cancel tasks/result tasks/update
    notifications/cancelled notifications/initialized notifications/progress notifications/roots/list_changed
    """.split()
)
_TOOL_NAMES: Final = frozenset(tool.name for tool in TOOLS)
_LONGEST_PARSED_AT_ONCE_BYTES: Final = 64 * 1024
_ALWAYS_ANSWERED: Final = frozenset({HEALTH_PATH, METRICS_PATH})
"""Also while nothing can be noted: that the server lives, and why it answers nothing else."""


class Audit:
    """Writes one line a request to the audit log: fail closed, a request that cannot be noted is refused with 503.

    A line holds nothing that a client could choose freely: routes, MCP methods and tools by the names that exist, else
    ``other``; the sessions that authentication let through; the identity. No body, no query, no header.

    Args:
        app: What is behind it.
        settings: Whether requests are noted, and where.
        clock: When a request came.

    Raises:
        InvalidInputError: The audit log cannot be where it is set to be.
    """

    def __init__(self, app: ASGIApp, settings: Settings, *, clock: Clock | None = None) -> None:
        self._app = app
        self._log = AuditLog(settings) if settings.serving.audit_enabled else None
        self._clock = clock or SystemClock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and note it."""
        if self._log is None:
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await self._live(self._log, scope, receive, send)
        elif await self._may_pass(self._log, scope, send):
            await self._passed(self._log, scope, receive, send)

    async def _live(self, log: AuditLog, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the server's life pass; what waits is on disk before it is said to be over."""

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await log.open()
            elif message["type"].startswith("lifespan.shutdown."):
                await log.close()
            await send(message)

        await self._app(scope, receive, watched)

    async def _may_pass(self, log: AuditLog, scope: Scope, send: Send) -> bool:
        """Return whether a request is answered, after a refusal where it is not."""
        if scope["path"] in _ALWAYS_ANSWERED:
            return True
        try:
            await log.ready()
        except AuditUnavailableError as error:
            observer_in(scope).count(Counted.DEGRADED, Reason.AUDIT_UNAVAILABLE)
            await refuse(send, error)
            return False
        return True

    async def _passed(self, log: AuditLog, scope: Scope, receive: Receive, send: Send) -> None:
        if "caller" not in scope.get("state", {}):
            await self._app(scope, receive, send)
            return
        request = _Request(scope, receive, send, self._clock.now())
        try:
            await self._app(scope, request.receive, request.send)
        finally:
            log.note(request.line())


class _Request:
    """What is counted of one request as it passes."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, came_at: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._came_at = came_at
        self._began = time.perf_counter()
        self._id = secrets.token_hex(8)
        self._is_mcp = scope["method"] == "POST" and scope["path"].startswith(_MCP_PATHS)
        self._call: dict[str, str] = {}
        self._status = 500
        self._received_bytes = self._sent_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            body = message.get("body", b"")
            self._received_bytes += len(body)
            if self._is_mcp and body and not self._call:
                self._call = _call(await _read(body))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", self._id.encode())]}
        self._sent_bytes += len(message.get("body", b""))
        await self._send(message)

    def line(self) -> Draft:
        """Return the line about it."""
        caller: Caller = self._scope["state"]["caller"]
        told: dict[str, Any] = {
            "request_id": self._id,
            "occurred_at": format_time(self._came_at),
            "sessions": None if caller.sessions is None else list(caller.sessions),
            "is_admin": caller.is_admin,
            "method": self._scope["method"] if self._scope["method"] in _METHODS else _OTHER,
            "route": getattr(self._scope.get("route"), "path", _OTHER),
            **self._call,
            "status": self._status,
            "duration_ms": round((time.perf_counter() - self._began) * 1_000, 3),
            "received_bytes": self._received_bytes,
            "sent_bytes": self._sent_bytes,
        }
        return Draft(EVENT_TYPE, caller.identity, told)


async def _read(body: bytes) -> Any:
    """Return what a message holds for the least strict reader behind this one: no call may be hidden from the log."""
    if len(body) <= _LONGEST_PARSED_AT_ONCE_BYTES:
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(body)
    return await asyncio.to_thread(_read_leniently, body)  # where there is room for what nests deep


def _read_leniently(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _call(told: Any) -> dict[str, str]:
    """Return which MCP method a message calls, and which tool; by the names that exist."""
    method = told.get("method") if isinstance(told, dict) else None
    if not isinstance(method, str) or method not in _MCP_METHODS:
        return {"mcp_method": _OTHER}
    if method != "tools/call":
        return {"mcp_method": method}
    called = told.get("params")
    name = called.get("name") if isinstance(called, dict) else None
    return {"mcp_method": method, "tool": name if isinstance(name, str) and name in _TOOL_NAMES else _OTHER}
