"""Traces: spans at a real collector, which hold no text of users, and which no answer waits for."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from trace_collectors import Collector, collecting
from zaxy.config import Settings
from zaxy.errors import InvalidInputError, MissingDependencyError, NotFoundError
from zaxy.fabric import MemoryFabric
from zaxy.observability.observing import Observing, start_observing
from zaxy.telemetry import SILENT, Observer, Operation
from zaxy.telemetry_settings import TelemetrySettings

CANARY = "zxq-canary-74151"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def observing(collector: Collector, *, with_text: bool = False) -> Observing:
    return start_observing(TelemetrySettings(otlp_endpoint=collector.url, trace_raw_queries=with_text))


async def use(folder: Path, watched: Observing) -> None:
    """Append, ask, check out, and make two calls that fail, all with the canary in them."""
    settings = Settings(eventloom_path=folder / "loom", state_path=folder / "state", fsync="off")
    async with MemoryFabric.from_settings(settings, observer=watched) as memory:
        await memory.append("transcript.turn", f"ann {CANARY}", {"content": f"the llama {CANARY}"})
        await memory.query(f"llama {CANARY}")
        await memory.checkout(f"llama {CANARY}", actors=[f"ann {CANARY}"])
        with pytest.raises(InvalidInputError):
            await memory.query("llama", as_of=CANARY)
        with pytest.raises(InvalidInputError):
            await memory.append(f"Bad {CANARY}", "ann")
        await memory.catch_up()


async def test_every_operation_is_a_span_with_counts_and_codes(tmp_path: Path, collector: Collector) -> None:
    watched = observing(collector)
    await use(tmp_path, watched)
    watched.close()
    assert {path for _, path, _, _ in collector.requests} == {"/v1/traces"}
    names = [span["name"] for span in collector.spans]
    assert sorted(set(names)) == [
        "append",
        "checkout",
        "projection forward",
        "projection graph",
        "projection search",
        "query",
    ]
    assert names.count("query") == 2
    appends = [span for span in collector.spans if span["name"] == "append"]
    assert sorted((span["status"][0], span.get("zaxy.events")) for span in appends) == [(0, 1), (2, None)]
    checkout = collector.named("checkout")
    assert (checkout["zaxy.hits"], checkout["zaxy.degradations"]) == (1, "")
    assert "lexical" in checkout["zaxy.lanes"]
    (refused,) = [span for span in collector.spans if span["name"] == "query" and span["status"][0] == 2]
    assert (refused["error.type"], refused["status"], refused["events"]) == ("invalid_input", (2, "invalid_input"), 0)
    assert collector.named("projection graph")["zaxy.events"] == 1


async def test_no_byte_of_a_trace_holds_what_was_asked_or_recorded(tmp_path: Path, collector: Collector) -> None:
    watched = observing(collector)
    await use(tmp_path, watched)
    watched.close()
    assert len(collector.spans) >= 6
    assert CANARY.encode() not in collector.everything
    assert b"llama" not in collector.everything


async def test_the_question_is_in_the_trace_where_the_operator_wants_it_and_nothing_recorded_is(
    tmp_path: Path, collector: Collector
) -> None:
    watched = observing(collector, with_text=True)
    await use(tmp_path, watched)
    watched.close()
    assert collector.named("checkout")["zaxy.query"] == f"llama {CANARY}"
    assert b"the llama" not in collector.everything
    assert b"ann" not in collector.everything


def test_a_request_goes_on_the_trace_that_it_names_and_what_it_calls_lies_inside(collector: Collector) -> None:
    watched = observing(collector)
    with watched.measure(Operation.REQUEST, "/v1/query", PARENT) as request:
        request.tell("method", "POST")
        with watched.measure(Operation.CALL, "memory_query"), watched.measure(Operation.QUERY):
            pass
        request.tell("status", 200)
    watched.close()
    request_span, call = collector.named("request /v1/query"), collector.named("call memory_query")
    assert (request_span["trace"], request_span["parent"]) == (PARENT.split("-")[1], PARENT.split("-")[2])
    assert {span["trace"] for span in collector.spans} == {PARENT.split("-")[1]}
    assert (call["parent"], collector.named("query")["parent"]) == (request_span["id"], call["id"])
    assert (request_span["kind"], request_span["http.route"]) == (2, "/v1/query")
    assert (request_span["http.request.method"], request_span["http.response.status_code"]) == ("POST", 200)
    assert (call["zaxy.tool"], call["status"][0]) == ("memory_query", 0)


@pytest.mark.parametrize("parent", ["", "nonsense", f"{PARENT}-{CANARY}", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_parent_that_is_none_begins_a_new_trace(collector: Collector, parent: str) -> None:
    watched = observing(collector)
    with watched.measure(Operation.REQUEST, "/v1/query", parent) as request:
        request.tell("status", 503)
    watched.close()
    (span,) = collector.spans
    assert (span["parent"], span["status"][0]) == ("", 2)
    assert CANARY.encode() not in collector.everything


def test_a_collector_that_hangs_holds_up_no_operation_and_no_more_than_five_seconds_of_the_end(
    collector: Collector,
) -> None:
    collector.hold.clear()
    before = set(threading.enumerate())
    watched = observing(collector)
    (sender,) = set(threading.enumerate()) - before
    done = threading.Event()

    def work() -> None:
        for _ in range(5_000):  # twice what the queue holds
            with watched.measure(Operation.QUERY):
                pass
        watched.close()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(60), "an operation waits for the collector"
    sender.join(15)  # its last request is given up after five seconds
    assert not sender.is_alive(), "what was not sent is still being tried"


def test_spans_that_cannot_be_sent_are_counted(collector: Collector) -> None:
    collector.status = 400
    watched = observing(collector)
    with watched.measure(Operation.QUERY):
        pass
    watched.close()
    page = watched.metrics.page()[0].decode()
    assert 'zaxy_degraded_operations_total{reason="traces_dropped"} 1.0' in page


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    for address in ("127.0.0.1:4318", "ftp://127.0.0.1", "http://me:secret@127.0.0.1"):
        with pytest.raises(InvalidInputError) as refused:
            start_observing(TelemetrySettings(otlp_endpoint=address))
        assert "secret" not in str(refused.value)


def test_traces_without_the_package_are_refused_at_the_start_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "zaxy.observability.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingDependencyError, match=r"zaxy-memory\[otel\]"):
        start_observing(TelemetrySettings(otlp_endpoint="http://127.0.0.1:4318"))
    start_observing(TelemetrySettings()).close()


def test_who_watches_changes_no_error_and_silence_takes_everything() -> None:
    for watched in (SILENT, start_observing(TelemetrySettings())):
        with pytest.raises(NotFoundError, match="there is no such event"):
            fail(watched)


def fail(watched: Observer) -> None:
    with watched.measure(Operation.CALL, "memory_query") as measured:
        measured.tell("hits", 1)
        measured.quote("query", "llama")
        raise NotFoundError("there is no such event")
