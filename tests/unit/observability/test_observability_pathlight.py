"""Traces for Pathlight, by its own package, at a real server that keeps what it is sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext

from trace_collectors import Collector, collecting
from zaxy.errors import InvalidInputError, MissingDependencyError
from zaxy.eventloom.loom import Eventloom
from zaxy.observability.observing import Observing, start_observing
from zaxy.observability.pathlight import PathlightExporter
from zaxy.services.operations.diagnosis import Check, diagnose
from zaxy.telemetry import Operation
from zaxy.telemetry_settings import TelemetrySettings, load_telemetry

CANARY = "zxq-canary-88213"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def observing(collector: Collector, *, with_text: bool = False) -> Observing:
    return start_observing(
        TelemetrySettings(
            pathlight_enabled=True,
            pathlight_url=collector.url,
            pathlight_access_token="token-1",
            trace_raw_queries=with_text,
        )
    )


def call(watched: Observing) -> None:
    with watched.measure(Operation.CALL, "memory_query"), watched.measure(Operation.QUERY) as query:
        query.quote("query", f"llama {CANARY}")
        query.tell("lanes", "lexical")


def test_a_trace_comes_before_its_spans_and_a_span_before_those_inside(collector: Collector) -> None:
    watched = observing(collector)
    call(watched)
    watched.close()
    made, outer, inner, *ends = collector.sent
    assert [(method, path) for method, path, _ in ends] == [
        ("PATCH", "/v1/spans/id-3"),
        ("PATCH", "/v1/spans/id-2"),
        ("PATCH", "/v1/traces/id-1"),
    ]
    assert {body["status"] for _, _, body in ends} == {"completed"}
    assert (made[:2], made[2]["name"]) == (("POST", "/v1/traces"), "call memory_query")
    assert (outer[:2], outer[2]["traceId"], outer[2]["name"]) == (("POST", "/v1/spans"), "id-1", "call memory_query")
    assert (outer[2]["type"], outer[2]["metadata"]["zaxy.tool"]) == ("tool", "memory_query")
    assert (inner[2]["name"], inner[2]["type"], inner[2]["parentSpanId"]) == ("query", "retrieval", "id-2")
    assert {headers.get("authorization") for _, _, headers, _ in collector.requests} == {"Bearer token-1"}


def test_what_was_asked_goes_to_pathlight_only_where_the_operator_wants_it(collector: Collector) -> None:
    for with_text in (False, True):
        watched = observing(collector, with_text=with_text)
        call(watched)
        watched.close()
        assert (CANARY.encode() in collector.everything) == with_text


def test_a_duration_is_that_of_the_operation_not_that_of_sending_it(collector: Collector) -> None:
    exporter = PathlightExporter(collector.url, None)
    context = SpanContext(trace_id=1, span_id=2, is_remote=False)
    span = ReadableSpan("query", context, start_time=1_000_000_000, end_time=61_000_000_000, resource=Resource({}))
    assert exporter.export([span]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    took = [body.get("durationMs", body.get("totalDurationMs")) for _, _, body in collector.sent[2:]]
    assert [milliseconds // 10_000 for milliseconds in took] == [6, 6]


def test_an_error_is_told_by_its_code(collector: Collector) -> None:
    watched = observing(collector)
    with pytest.raises(InvalidInputError), watched.measure(Operation.QUERY):
        raise InvalidInputError(f"{CANARY} is no time")
    watched.close()
    ends = [body for method, _, body in collector.sent if method == "PATCH"]
    assert [(end["status"], end["error"]) for end in ends] == [("failed", "invalid_input")] * 2
    assert CANARY.encode() not in collector.everything


@pytest.mark.parametrize("status", [401, 500])
def test_a_collector_that_refuses_costs_one_try_and_breaks_nothing(collector: Collector, status: int) -> None:
    collector.status = status
    watched = observing(collector)
    for _ in range(3):
        call(watched)
    watched.close()
    assert len(collector.requests) == 1
    assert 'zaxy_degraded_operations_total{reason="traces_dropped"} 1.0' in watched.metrics.page()[0].decode()


def test_pathlight_is_off_unless_it_is_turned_on_and_its_token_is_read_only_then() -> None:
    named = {"PATHLIGHT_URL": "http://127.0.0.1:4100", "PATHLIGHT_ACCESS_TOKEN": "t"}
    assert load_telemetry(named).pathlight_access_token is None
    assert not load_telemetry(named).pathlight_enabled
    enabled = load_telemetry({**named, "PATHLIGHT_ENABLED": "true"})
    assert (enabled.pathlight_enabled, enabled.pathlight_access_token) == (True, "t")
    assert "pathlight_access_token" not in repr(enabled)


def test_pathlight_without_its_package_is_refused_at_the_start_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "zaxy.observability.pathlight", raising=False)
    monkeypatch.setitem(sys.modules, "pathlight", None)
    with pytest.raises(MissingDependencyError, match=r"zaxy-memory\[pathlight\]"):
        start_observing(TelemetrySettings(pathlight_enabled=True))


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(InvalidInputError):
        start_observing(TelemetrySettings(pathlight_enabled=True, pathlight_url="localhost:4100"))


def test_the_doctor_asks_a_collector_that_is_turned_on_and_no_other(collector: Collector, tmp_path: Path) -> None:
    loom = Eventloom(tmp_path / "loom", state_path=tmp_path / "state")
    loom.append("work", "note.taken", "ann", {"n": 1})
    enabled = TelemetrySettings(pathlight_enabled=True, pathlight_url=collector.url, pathlight_access_token="token-1")

    def found(telemetry: TelemetrySettings, *, ask: bool = True) -> list[Check]:
        told = diagnose(loom, tuple, ask_witnesses=ask, telemetry=telemetry)
        assert told.ok
        return [check for check in told.checks if check.name == "pathlight"]

    assert found(replace(enabled, pathlight_enabled=False)) == found(enabled, ask=False) == collector.requests == []
    assert found(enabled) == [Check("pathlight", "ok", collector.url)]
    assert [(method, path, headers["authorization"]) for method, path, headers, _ in collector.requests] == [
        ("GET", "/health", "Bearer token-1")
    ]
    collector.status = 503
    (check,) = found(enabled)
    assert (check.state, "503" in check.message, check.remedy) == ("warning", True, "set PATHLIGHT_ENABLED=false")
