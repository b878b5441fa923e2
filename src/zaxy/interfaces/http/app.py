"""The web application: the calls over HTTP and MCP, behind the same checks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from zaxy.config import Settings
from zaxy.errors import InvalidInputError, NotFoundError, ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.http.answers import Answer, refusal
from zaxy.interfaces.http.audit import Audit
from zaxy.interfaces.http.authentication import Authentication
from zaxy.interfaces.http.dashboard import dashboard_routes
from zaxy.interfaces.http.guard import Bound, Guard
from zaxy.interfaces.http.health import HEALTH_PATH, READY_PATH, Readiness, health
from zaxy.interfaces.http.limits import Limits, RequestLimits
from zaxy.interfaces.http.mcp_mount import McpMount, McpRoute
from zaxy.interfaces.http.metrics import METRICS_PATH, MetricsMiddleware, MetricsPage
from zaxy.interfaces.http.openapi import OPENAPI_PATH, describe
from zaxy.interfaces.http.pacing import paced_tools, widen_threads
from zaxy.interfaces.http.rate_limit import RateLimit
from zaxy.interfaces.http.readers import Readers
from zaxy.interfaces.http.rest import call_routes
from zaxy.interfaces.http.settling import Settling
from zaxy.interfaces.http.streams import OpenStreams, Streaming

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

HTTP: Final = "http"
SSE: Final = "sse"

MCP_PATH: Final = "/mcp"
SSE_PATH: Final = "/sse"
MESSAGES_PATH: Final = "/messages/"

_THIS_MACHINE: Final = Bound()
_ALWAYS_ANSWERED: Final = (HEALTH_PATH, READY_PATH, MCP_PATH, SSE_PATH)
"""By GET, however many requests are under way: what supervisors ask, and what stays open."""


def make_app(
    fabric: MemoryFabric,
    settings: Settings,
    *,
    transport: str = HTTP,
    bound: Bound = _THIS_MACHINE,
    limits: RequestLimits | None = None,
    streams: OpenStreams | None = None,
    on_start: Callable[[], None] = lambda: None,
) -> Starlette:
    """Return the web application of a memory. Its lifespan closes the memory, after the calls that have begun.

    Args:
        fabric: The memory.
        settings: Who may ask, how often, and what is noted of it.
        transport: ``http``; ``sse`` also serves older MCP clients.
        bound: Where the server listens: what needs credentials and which names are served goes by it.
        limits: What requests may take.
        streams: Ends the answers that stay open, when the server ends.
        on_start: Called when requests are taken.
    """
    serving = settings.serving
    readers = Readers(fabric, settings)
    if serving.readers:
        fabric.write_elsewhere(Settling(fabric, settings))
    tools = [readers.answering(tool) for tool in paced_tools()]
    runner = CallRunner(fabric, settings.admin_token, tools)
    asks = serving.asks_for_credentials or not bound.is_loopback
    mcp = McpMount(runner, serving.tool_profile)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with widen_threads():
            async with fabric, readers, mcp.run():  # which ends once the calls that have begun are finished
                on_start()
                yield

    routes: list[BaseRoute] = [
        Route(HEALTH_PATH, health, methods=["GET"]),
        Route(READY_PATH, Readiness(fabric), methods=["GET"]),
        Route(METRICS_PATH, MetricsPage(fabric.observer), methods=["GET"]),
        Route(OPENAPI_PATH, Answer(200, describe(tools, asks_for_credentials=asks)), methods=["GET"]),
        *call_routes(runner, tools),
        *(dashboard_routes(fabric, settings) if bound.is_loopback and not serving.allowed_hosts else ()),
        *_mcp_routes(mcp, streams or OpenStreams(), has_event_stream=transport == SSE),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(MetricsMiddleware, fabric.observer, _paths(routes)),
            Middleware(Guard, bound, hosts=serving.allowed_hosts, origins=serving.allowed_origins),
            Middleware(Limits, limits, uncounted=_ALWAYS_ANSWERED),
            Middleware(Authentication, settings),
            Middleware(RateLimit, serving),
            Middleware(Audit, settings),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: _routing_failed, Exception: _defect},
    )
    app.router.redirect_slashes = False
    return app


def _mcp_routes(mcp: McpMount, streams: OpenStreams, *, has_event_stream: bool) -> Iterator[BaseRoute]:
    yield Route(MCP_PATH, Streaming(McpRoute(mcp, "streamable"), streams), methods=["GET", "POST", "DELETE"])
    if has_event_stream:
        yield Route(SSE_PATH, Streaming(McpRoute(mcp, "sse"), streams), methods=["GET"])
        yield Mount(MESSAGES_PATH, McpRoute(mcp, "messages"))


def _paths(routes: Iterable[BaseRoute]) -> list[str]:
    """Return what is served; of a folder, its name with a slash."""
    found = [f"{route.path}/" if isinstance(route, Mount) else getattr(route, "path", "") for route in routes]
    return [path for path in found if path]


def _routing_failed(request: Request, error: Exception) -> Any:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        told: ZaxyError = InvalidInputError(f"this path does not take {request.method}")
    elif error.status_code == 404:
        told = NotFoundError("there is nothing at this path", remedy="see what there is: GET /openapi.json")
    else:
        told = InvalidInputError("the request cannot be served")
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return refusal(told, status=error.status_code, headers=headers)


def _defect(_: Request, error: Exception) -> Any:
    told = f"the server failed in an unforeseen way ({type(error).__name__})"
    return refusal(ZaxyError(told, remedy="the server's standard error says more"))
