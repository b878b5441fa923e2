"""What operators see of HTTP: each request measured, one line for it in the access log, and the page of metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from zaxy.interfaces.calls.caller import Caller
from zaxy.observability.observing import Observing
from zaxy.telemetry import SILENT, Counted, Observer, Operation

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

METRICS_PATH: Final = "/metrics"

access_log = logging.getLogger("zaxy.access")

_OTHER: Final = "other"
_WITHOUT_CREDENTIALS: Final = frozenset({"/healthz", "/readyz", "/dashboard"})
_REFUSED: Final = {401: "refused", 403: "forbidden", 429: "refused", 503: "unavailable"}
"""Of requests that never got a caller."""


def observer_in(scope: Scope) -> Observer:
    """Return who watches the server that a request came to."""
    observer: Observer = scope.get("state", {}).get("observer", SILENT)
    return observer


class MetricsMiddleware:
    """Measures every HTTP request and logs it when it ends; the outermost of all.

    Neither metrics nor log hold a path, a query or a header as a client sent it: only which route it is, so that a
    client cannot fill them. The log names who asked as far as authentication told.

    Args:
        app: What answers.
        observer: Who watches.
        paths: The paths that are served; one that ends with a slash stands for all below it.
    """

    def __init__(self, app: ASGIApp, observer: Observer, paths: Collection[str]) -> None:
        self._app = app
        self._observer = observer
        self._paths = frozenset(paths)
        self._folders = tuple(path for path in paths if path.endswith("/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route, began, status = self._route(scope["path"]), time.perf_counter(), 0
        state = scope.setdefault("state", {})
        state["observer"] = self._observer
        parent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        with self._observer.measure(Operation.REQUEST, route, parent.decode("latin-1")) as measured:
            measured.tell("method", scope["method"])

            async def watched(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    measured.tell("status", status)
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                seconds = time.perf_counter() - began
                self._count(scope, status, route)
                access_log.info("request", extra=_told(scope["method"], route, status, seconds, state))

    def _count(self, scope: Scope, status: int, route: str) -> None:
        """Count how credentials and rate limit took a request: each status has one meaning at each of them."""
        if "caller" in scope["state"]:
            self._observer.count(Counted.AUTHENTICATION, "accepted")
            self._observer.count(Counted.RATE_LIMIT, "limited" if status == 429 else "passed")
        elif status in _REFUSED and route not in _WITHOUT_CREDENTIALS:
            has_credentials = any(name == b"authorization" for name, _ in scope["headers"])
            missing = status == 401 and not has_credentials
            self._observer.count(Counted.AUTHENTICATION, "missing" if missing else _REFUSED[status])

    def _route(self, path: str) -> str:
        if path in self._paths:
            return path
        return next((folder for folder in self._folders if path.startswith(folder)), _OTHER)


def _told(method: str, route: str, status: int, seconds: float, state: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a line in the access log."""
    caller = state.get("caller")
    told = {"method": method[:16], "route": route, "status": status, "milliseconds": round(seconds * 1_000, 3)}
    return {**told, "identity": caller.identity} if isinstance(caller, Caller) else told


class MetricsPage:
    """Shows all metrics, as Prometheus reads them; nothing where nobody measures.

    Args:
        observer: Who watches.
    """

    def __init__(self, observer: Observer) -> None:
        self._metrics = observer.metrics if isinstance(observer, Observing) else None

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        accept = next((value for name, value in scope["headers"] if name == b"accept"), b"").decode("latin-1")
        body, content_type = b"", "text/plain; version=0.0.4; charset=utf-8"
        if self._metrics is not None:
            body, content_type = await asyncio.to_thread(self._metrics.page, accept)
        headers = [
            (b"content-type", content_type.encode("ascii")),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
