"""What operators see of HTTP: requests by route, method and status, how credentials were taken, and the access log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.http.metrics import MetricsMiddleware, MetricsPage, observer_in
from zaxy.observability.observing import Observing
from zaxy.observability.prometheus import PrometheusObserver
from zaxy.telemetry import SILENT, Counted, Observer, Reason

PATHS = ["/v1/query", "/healthz", "/metrics", "/messages/"]
CANARY = "zxq-canary-55102"

App = Callable[[Any, Any, Any], Any]


def answering(status: int, caller: Caller | None = None) -> App:
    """Return an application that answers like this, after it found out who asks."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if caller is not None:
            scope["state"]["caller"] = caller
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


async def ask(app: App, path: str = "/v1/query", method: str = "POST", **headers: str) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": told, "query_string": CANARY.encode()}
    await app(scope, None, send)
    return sent


async def page_after(app: App, **request: Any) -> str:
    """Return the page of metrics after one request."""
    observer = PrometheusObserver()
    await ask(MetricsMiddleware(app, observer, PATHS), **request)
    return observer.page()[0].decode()


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/query", "/v1/query"),
        ("/messages/abc", "/messages/"),
        (f"/{CANARY}", "other"),
        ("/v1/query/", "other"),
        ("", "other"),
    ],
)
async def test_a_request_is_counted_by_the_route_it_takes(path: str, route: str) -> None:
    page = await page_after(answering(200), path=path)
    assert f'zaxy_http_requests_total{{method="POST",route="{route}",status="200"}} 1.0' in page
    assert f'zaxy_http_request_seconds_count{{route="{route}"}} 1.0' in page
    assert "zaxy_http_requests_in_progress 0.0" in page
    assert CANARY not in page


async def test_a_request_that_breaks_is_counted_and_breaks_on() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError(CANARY)

    observer = PrometheusObserver()
    with pytest.raises(KeyError):
        await ask(MetricsMiddleware(broken, observer, PATHS))
    page = observer.page()[0].decode()
    assert 'zaxy_http_requests_total{method="POST",route="/v1/query",status="none"} 1.0' in page
    assert 'zaxy_errors_total{code="unforeseen",operation="request"} 1.0' in page
    assert "zaxy_http_requests_in_progress 0.0" in page


@pytest.mark.parametrize(
    ("status", "caller", "headers", "outcome"),
    [
        (200, Caller(), {}, "accepted"),
        (429, Caller(), {}, "accepted"),
        (401, None, {}, "missing"),
        (401, None, {"authorization": "Bearer wrong"}, "refused"),
        (429, None, {"authorization": "Bearer wrong"}, "refused"),
        (403, None, {"authorization": "Bearer narrow"}, "forbidden"),
        (503, None, {"authorization": "Bearer eyJ"}, "unavailable"),
    ],
)
async def test_how_credentials_were_taken_is_counted(
    status: int, caller: Caller | None, headers: dict[str, str], outcome: str
) -> None:
    page = await page_after(answering(status, caller), **headers)
    counted = [line for line in page.splitlines() if line.startswith("zaxy_authentications_total") and "1.0" in line]
    assert counted == [f'zaxy_authentications_total{{outcome="{outcome}"}} 1.0']
    limited = f'zaxy_rate_limit_checks_total{{outcome="{"limited" if status == 429 else "passed"}"}} 1.0'
    assert (limited in page) == (caller is not None)


async def test_what_needs_no_credentials_counts_as_nobodys() -> None:
    page = await page_after(answering(503), path="/healthz", method="GET")
    assert 'zaxy_authentications_total{outcome="unavailable"} 0.0' in page


async def test_a_line_of_the_access_log_holds_the_route_and_nothing_that_was_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "zaxy.access"):
        await page_after(
            answering(200, Caller(identity="ann")), path=f"/{CANARY}", authorization=CANARY, traceparent=CANARY
        )
    (record,) = caplog.records
    told = {name: getattr(record, name) for name in ("method", "route", "status", "identity")}
    assert told == {"method": "POST", "route": "other", "status": 200, "identity": "ann"}
    assert record.milliseconds >= 0
    assert CANARY not in str(record.__dict__)


async def test_who_stands_further_inside_can_count_too() -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        observer_in(scope).count(Counted.DEGRADED, Reason.AUDIT_UNAVAILABLE)
        await answering(503)(scope, receive, send)

    page = await page_after(inner)
    assert 'zaxy_degraded_operations_total{reason="audit_unavailable"} 1.0' in page
    assert observer_in({"type": "http"}) is SILENT


@pytest.mark.parametrize("observer", [SILENT, Observing(PrometheusObserver())])
async def test_the_page_shows_all_metrics_or_nothing_where_nobody_measures(observer: Observer) -> None:
    start, body = await ask(MetricsPage(observer), "/metrics", "GET")
    headers = dict(start["headers"])
    assert start["status"] == 200
    assert headers[b"content-type"].startswith(b"text/plain; version=0.0.4")
    assert int(headers[b"content-length"]) == len(body["body"])
    assert (b"zaxy_append_seconds_bucket" in body["body"]) == (observer is not SILENT)


async def test_what_is_no_request_passes_through() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await MetricsMiddleware(app, SILENT, PATHS)({"type": "lifespan"}, None, None)
    assert seen == [{"type": "lifespan"}]
