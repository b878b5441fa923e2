"""A server as operators see it: metrics, traces and logs of real requests, none of which holds a word of them."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from http_process import serving
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from trace_collectors import Collector, collecting

pytestmark = pytest.mark.slow

CANARY = "zxq-canary-31337"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


async def test_a_request_can_be_followed_from_its_trace_to_the_answer_and_no_word_of_it_is_told(
    tmp_path: Path, collector: Collector
) -> None:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "LOG_FORMAT": "json", "ZAXY_LOG_LEVEL": "debug"}
    with serving(tmp_path, **told) as server:
        with httpx2.Client(base_url=server.url, headers={"traceparent": PARENT}) as http:
            event = {"event_type": "note.taken", "actor": CANARY, "payload": {"content": f"the llama {CANARY}"}}
            assert http.post("/v1/append", json=event).status_code == 200
            assert http.post("/v1/query", json={"query": f"llama {CANARY}"}).json()["degradations"] == []
            assert http.post("/v1/query", json={"query": CANARY, "as_of": CANARY}).status_code == 422
            assert http.get(f"/{CANARY}?{CANARY}").status_code == 404
        async with Client(streamable_http_client(f"{server.url}/mcp")) as client:
            assert not (await client.call_tool("memory_checkout", {"query": f"llama {CANARY}"})).is_error
            assert (await client.call_tool("memory_query", {"query": CANARY, CANARY: CANARY})).is_error
        page = httpx2.get(f"{server.url}/metrics").text
        server.signal(signal.SIGTERM)
        code, said = server.ended()
    assert code == 0
    assert collector.spans
    for text in (page, said, collector.everything.decode("latin-1")):
        assert CANARY not in text

    append = next(span for span in collector.spans if span["name"] == "append")
    call = next(span for span in collector.spans if span["id"] == append["parent"])
    request = next(span for span in collector.spans if span["id"] == call["parent"])
    assert (call["name"], request["name"]) == ("call memory_append", "request /v1/append")
    assert (request["trace"], request["parent"]) == (TRACE, PARENT.split("-")[2])
    assert (request["http.request.method"], request["http.response.status_code"]) == ("POST", 200)
    checkout = collector.named("checkout")
    mcp_call = next(span for span in collector.spans if span["id"] == checkout["parent"])
    assert mcp_call["name"] == "call memory_checkout"
    assert [span["name"] for span in collector.spans if span["id"] == mcp_call["parent"]] == ["request /mcp"]

    for series in (
        'zaxy_http_requests_total{method="POST",route="/v1/append",status="200"} 1.0',
        'zaxy_http_requests_total{method="POST",route="/v1/query",status="422"} 1.0',
        'zaxy_http_requests_total{method="GET",route="other",status="404"} 1.0',
        'zaxy_call_seconds_count{tool="memory_checkout"} 1.0',
        'zaxy_errors_total{code="invalid_input",operation="call"} 2.0',
        'zaxy_lanes_run_total{lane="lexical"} 2.0',
        "zaxy_append_seconds_count 1.0",
        "zaxy_sessions 1.0",
        'zaxy_rate_limit_checks_total{outcome="limited"} 0.0',
    ):
        assert series in page

    lines = [json.loads(line) for line in said.splitlines()]
    requests = [line for line in lines if line["logger"] == "zaxy.access"]
    assert ("POST", "/v1/append", 200, "local") in [
        (line["method"], line["route"], line["status"], line["identity"]) for line in requests
    ]
    assert {line["route"] for line in requests} == {"/v1/append", "/v1/query", "/mcp", "/metrics", "other"}


def test_a_server_says_nothing_but_where_it_is_unless_more_is_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert httpx2.post(f"{server.url}/v1/query", json={"query": "llama"}).status_code == 200
        server.signal(signal.SIGTERM)
        assert server.ended() == (0, "")


def test_a_collector_that_is_away_holds_up_neither_answers_nor_the_end(tmp_path: Path, collector: Collector) -> None:
    collector.hold.clear()
    with serving(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="1") as server:
        for _ in range(20):
            assert httpx2.post(f"{server.url}/v1/query", json={"query": "llama"}).status_code == 200
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == 0


async def test_a_server_on_standard_input_sends_its_traces_before_it_ends(tmp_path: Path, collector: Collector) -> None:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "EMBEDDING_PROVIDER": "none"}
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "zaxy", "serve"], cwd=tmp_path, env=told)
    async with Client(stdio_client(parameters)) as client:
        assert not (await client.call_tool("memory_query", {"query": f"llama {CANARY}"})).is_error
    query, call = collector.named("query"), collector.named("call memory_query")
    assert (query["parent"], query["trace"]) == (call["id"], call["trace"])
    assert CANARY.encode() not in collector.everything
