"""Metrics: what a memory does is counted and measured, sizes are read off within a bound, and labels stay few."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zaxy.config import Settings
from zaxy.errors import InvalidInputError, WriteFailedError
from zaxy.fabric import MemoryFabric
from zaxy.observability.prometheus import PrometheusObserver
from zaxy.telemetry import OUTCOMES, Counted, Gauged, Operation, Reading, Reason

DOCS = Path(__file__).parents[3] / "docs" / "monitoring.md"


def value(observer: PrometheusObserver, series: str) -> float:
    """Return the value of one series as the page shows it."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", observer.page()[0].decode(), re.MULTILINE)
    assert found is not None, f"there is no {series}"
    return float(found[1])


async def test_what_a_memory_does_is_counted_and_measured(tmp_path: Path) -> None:
    observer = PrometheusObserver()
    settings = Settings(eventloom_path=tmp_path / "loom", state_path=tmp_path / "state", fsync="off")
    async with MemoryFabric.from_settings(settings, observer=observer) as memory:
        turn = {"event_type": "transcript.turn", "actor": "ann", "payload": {"content": "the llama"}}
        await memory.append_batch([turn] * 3)
        await memory.query("llama")
        await memory.checkout("llama")
        with pytest.raises(InvalidInputError):
            await memory.query("llama", as_of="never")
        assert value(observer, 'zaxy_projection_lag_events{store="graph"}') >= 0
        await memory.catch_up()
    for operation, times in (("append", 1), ("query", 2), ("checkout", 1)):
        assert value(observer, f"zaxy_{operation}_seconds_count") == times
        assert value(observer, f'zaxy_{operation}_seconds_bucket{{le="+Inf"}}') == times
    assert value(observer, "zaxy_appended_events_total") == 3
    assert value(observer, 'zaxy_projected_events_total{store="graph"}') == 3
    assert value(observer, 'zaxy_lanes_run_total{lane="lexical"}') == 2
    assert value(observer, 'zaxy_errors_total{code="invalid_input",operation="query"}') == 1


async def test_sizes_and_lags_are_those_of_the_loom(tmp_path: Path) -> None:
    observer = PrometheusObserver()
    settings = Settings(eventloom_path=tmp_path / "loom", state_path=tmp_path / "state", fsync="off")
    async with MemoryFabric.from_settings(settings, observer=observer) as memory:
        turn = {"event_type": "transcript.turn", "actor": "ann", "payload": {"content": "the llama"}}
        for session_id in ("one", "two"):
            await memory.append_batch([turn] * 5, session_id=session_id)
        memory.memory.loom.rotate("two")
        await memory.catch_up()
        assert value(observer, "zaxy_sessions") == 2
        logs = [tmp_path / "loom" / "one.jsonl", *(tmp_path / "loom" / "archive").rglob("*")]
        active = tmp_path / "loom" / "two.jsonl"
        expected = sum(log.stat().st_size for log in (*logs, active) if log.is_file())
        assert value(observer, "zaxy_log_bytes") == expected
        for store in ("search", "graph", "forward"):
            assert value(observer, f'zaxy_projection_lag_events{{store="{store}"}}') == 0
            assert value(observer, f'zaxy_projection_bytes{{store="{store}"}}') > 0
        assert 0 < value(observer, "zaxy_disk_used_ratio") <= 1
        assert value(observer, "zaxy_disk_free_bytes") > 0


def test_a_lag_is_told_in_events_and_bytes(tmp_path: Path) -> None:
    from zaxy.memory import Memory

    settings = Settings(eventloom_path=tmp_path / "loom", state_path=tmp_path / "state", fsync="off")
    with Memory(settings) as memory:
        for number in range(4):
            memory.loom.append("work", "transcript.turn", "ann", {"content": f"llama {number}"})
        told = {(reading.what, reading.of): reading.value for reading in memory.sizes.read()}
        size = (tmp_path / "loom" / "work.jsonl").stat().st_size
    for store in ("search", "graph", "forward"):
        assert told[Gauged.LAG_EVENTS, store] == 4
        assert told[Gauged.LAG_BYTES, store] == size
        assert told[Gauged.PROJECTION_BYTES, store] == 0


def test_a_disk_that_hangs_takes_no_metric_with_it() -> None:
    observer, answered = PrometheusObserver(), threading.Event()
    looked = threading.Semaphore(0)

    def hanging() -> Iterator[Reading]:
        looked.release()
        yield Reading(Gauged.SESSIONS, 7)
        answered.wait()

    observer.watch(hanging)
    observer.count(Counted.DEGRADED, Reason.GRAPH_TIMEOUT)
    for _ in range(2):
        assert value(observer, 'zaxy_degraded_operations_total{reason="graph_timeout"}') == 1
        assert "zaxy_sessions 7.0" not in observer.page()[0].decode()
    assert looked.acquire(timeout=0)
    assert not looked.acquire(timeout=0), "one look at a time, however many ask"
    reading = next(thread for thread in threading.enumerate() if thread.name == "zaxy-readings")
    answered.set()
    reading.join()
    assert value(observer, "zaxy_sessions") == 7


def test_a_look_that_fails_keeps_what_was_known_and_tells_its_age() -> None:
    observer = PrometheusObserver()

    def failing() -> Iterator[Reading]:
        yield Reading(Gauged.SESSIONS, 7)
        raise OSError("the disk is gone")

    observer.watch(failing)
    assert "zaxy_sessions 7.0" not in observer.page()[0].decode()
    assert value(observer, "zaxy_readings_age_seconds") > 0


def test_labels_stay_few_whatever_is_passed_on() -> None:
    observer = PrometheusObserver()
    for number in range(1_000):
        with observer.measure(Operation.CALL, f"tool-{number}"):
            pass
        with observer.measure(Operation.REQUEST, "/v1/query") as request:
            request.tell("method", f"METHOD-{number}")
            request.tell("status", 200)
    page = observer.page()[0].decode()
    assert len(set(re.findall(r'tool="([^"]*)"', page))) <= 201
    assert value(observer, 'zaxy_call_seconds_count{tool="other"}') >= 799
    assert value(observer, 'zaxy_http_requests_total{method="other",route="/v1/query",status="200"}') == 1_000
    assert value(observer, "zaxy_http_requests_in_progress") == 0


def test_an_error_is_counted_by_its_code_and_one_of_python_as_unforeseen() -> None:
    observer = PrometheusObserver()
    for error in (WriteFailedError("full"), KeyError("canary"), KeyError("canary")):
        with pytest.raises(type(error)), observer.measure(Operation.APPEND):
            raise error
    assert value(observer, 'zaxy_errors_total{code="write_failed",operation="append"}') == 1
    assert value(observer, 'zaxy_errors_total{code="unforeseen",operation="append"}') == 2
    assert "canary" not in observer.page()[0].decode()


def test_threads_lose_no_count() -> None:
    observer = PrometheusObserver()

    def work() -> None:
        for _ in range(2_000):
            with observer.measure(Operation.QUERY):
                observer.count(Counted.LANE, "graph")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(observer, "zaxy_query_seconds_count") == value(observer, 'zaxy_lanes_run_total{lane="graph"}') == 8_000


def test_every_outcome_is_there_before_it_first_happens() -> None:
    observer = PrometheusObserver()
    page = observer.page()[0].decode()
    assert len(re.findall(r"^zaxy_\w+_total{(?:reason|lane|outcome)=\S+ 0.0$", page, re.MULTILINE)) == sum(
        map(len, OUTCOMES.values())
    )


def test_two_observers_share_nothing_and_both_formats_are_spoken() -> None:
    one, two = PrometheusObserver(), PrometheusObserver()
    one.count(Counted.LANE, "graph")
    assert value(two, 'zaxy_lanes_run_total{lane="graph"}') == 0
    body, content_type = one.page("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert one.page()[1].startswith("text/plain")


def test_the_table_of_the_docs_is_what_the_page_shows() -> None:
    page = PrometheusObserver().page()[0].decode()
    shown = {
        name: told
        for name, told in re.findall(r"^# HELP (zaxy_\S+) (.*)$", page, re.MULTILINE)
        if not name.endswith("_created")
    }
    written = dict(re.findall(r"^\| `(zaxy_\w+)(?:{[^`]*})?` \| [^|]+ \| (.+?) \|$", DOCS.read_text(), re.MULTILINE))
    assert written == shown
    for reason in Reason:
        assert f"| `{reason}` |" in DOCS.read_text()
