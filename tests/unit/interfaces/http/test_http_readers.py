"""Readers: processes that answer reading calls for a server, and that nobody can tell from the server's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from http_app import record, served, settings_in

from forgettable_looms import say_forgotten
from zaxy import errors
from zaxy.config import RerankerSettings
from zaxy.errors import InvalidInputError, LogDamagedError, RateLimitedError, WriteFailedError, ZaxyError
from zaxy.eventloom.event import Draft
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.calls.tool import Reply, Tool
from zaxy.interfaces.http.pacing import paced_tools
from zaxy.interfaces.http.reader import frame, raise_again
from zaxy.interfaces.http.readers import Readers, reader_count
from zaxy.memory import Memory
from zaxy.observability.prometheus import PrometheusObserver
from zaxy.projections.catchup import LONG_TAIL_EVENTS
from zaxy.serving_settings import ServingSettings, load_serving
from zaxy.telemetry import Degraded, Reason

NOW = "2026-05-01T00:00:00Z"
CANARY = "zxq-canary-77310"


class Beside:
    """A memory with readers, which can be waited for and killed."""

    def __init__(self, folder: Path, count: int = 1, **changed: Any) -> None:
        serving = ServingSettings(rate_limit_enabled=False, readers=count)
        self.observer = PrometheusObserver()
        self.settings = settings_in(folder, serving=serving, **changed)
        self.fabric = MemoryFabric.from_settings(self.settings, observer=self.observer)
        self.readers = Readers(self.fabric, self.settings)
        self.runner = CallRunner(self.fabric, tools=[self.readers.answering(self._counted(t)) for t in paced_tools()])
        self.own: list[str] = []
        """The calls that the process of the test answered itself."""

    def _counted(self, tool: Tool) -> Tool:
        async def run(call: Any) -> Reply:
            self.own.append(tool.name)
            return await tool.run(call)

        return replace(tool, run=run)

    async def ready(self) -> None:
        """Wait until every reader answers."""
        for reader in self.readers._readers:
            await reader.ready.wait()

    async def append(self, content: str, **more: Any) -> str:
        """Record a note; return its citation."""
        return (await self.fabric.append("note.made", "ann", {"content": content}, **more)).citation

    async def ask(self, name: str, arguments: dict[str, Any], caller: Caller | None = None) -> Any:
        """Make a call."""
        return (await self.runner.run(f"memory_{name}", arguments, caller or Caller())).structured

    def value(self, series: str) -> float:
        """Return one value of the page of metrics."""
        lines = self.observer.page()[0].decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{series} ")).rpartition(" ")[2])


@contextlib.asynccontextmanager
async def beside(folder: Path, count: int = 1, **changed: Any) -> AsyncIterator[Beside]:
    """Run a memory with readers that answer, for a ``with`` block."""
    made = Beside(folder, count, **changed)
    async with asyncio.timeout(120), made.fabric, made.readers:  # a call that is never answered is a failure
        await made.ready()
        yield made
        await made.runner.finish()


def children() -> list[int]:
    """Return the processes that this one started, those that ended and were not waited for included."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if int(words[1]) == os.getpid():
                found.append(int(path.parent.name))
    return found


def readers_running() -> list[int]:
    """Return the readers that this process started."""
    return [pid for pid in children() if b"http.reader" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks go on until something is so."""
    while not holds():  # noqa: ASYNC110  # nothing tells of it: it is looked at from outside
        await asyncio.sleep(0)


READING = (
    ("query", {"query": "What does the alpaca eat?", "now": NOW}),
    ("query", {"query": "parser", "limit": 1, "session_id": "work", "history": True, "now": NOW}),
    ("query", {"query": "nothing of this", "lanes": ["lexical"], "now": NOW}),
    ("verbatim", {"query": "alpaca eats hay", "now": NOW}),
    ("checkout", {"query": "Ship the parser", "token_budget": 500, "now": NOW}),
    ("checkout", {"query": "Ship the parser", "since": "2026-01-01T00:00:00Z", "now": NOW}),
)
REFUSED = (
    ("query", {"query": "a", "lanes": ["none"]}),
    ("query", {"query": "a", "temporal_filter": "then"}),
    ("query", {"query": " "}),
    ("verbatim", {"query": "a", "occurred_from": "then"}),
    ("checkout", {"query": "a", "since": "eventloom://work/events/99#0123456789ab"}),
    ("checkout", {"query": "a", "token_budget": 1, "known_at": "never"}),
)


async def answer(runner: CallRunner, name: str, arguments: dict[str, Any]) -> Any:
    """Return what a call gives, or all that its error tells."""
    try:
        return await runner.run(f"memory_{name}", arguments)
    except ZaxyError as error:
        return type(error), error.args, vars(error), error.code, error.retryable


async def test_answers_and_errors_are_the_same_with_and_without_readers(tmp_path: Path) -> None:
    async with beside(tmp_path) as app:
        await record(app)  # type: ignore[arg-type]  # it asks for the fabric alone
        alone = CallRunner(app.fabric)
        for name, arguments in (*READING, *REFUSED):
            assert await answer(app.runner, name, arguments) == await answer(alone, name, arguments), arguments
        for name, arguments in REFUSED:
            with pytest.raises(ZaxyError):
                await app.ask(name, arguments)
        assert app.own == []


async def test_what_was_appended_is_in_the_next_answer_of_every_reader(tmp_path: Path) -> None:
    async with beside(tmp_path, count=2) as app:
        for number in range(60):
            citation = await app.append(f"The zebra{number} eats hay.", session_id=f"s{number % 3}")
            asked = {"query": f"What does zebra{number} eat?", "limit": 1}
            both = await asyncio.gather(app.ask("query", asked), app.ask("query", asked))
            assert [told["hits"][0]["citation"] for told in both] == [citation] * 2
        assert app.own == []


async def test_a_reader_that_is_killed_costs_no_answer_and_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with beside(tmp_path) as app:
        citation = await app.append("The alpaca eats hay.")
        (before,) = readers_running()
        os.kill(before, signal.SIGSTOP)  # so that the calls are under way when it ends
        calls = [asyncio.create_task(app.ask("query", {"query": f"alpaca {number}"})) for number in range(5)]
        await until(lambda: app.readers._readers[0].calls == len(calls))
        os.kill(before, signal.SIGKILL)
        for told in await asyncio.gather(*calls):
            assert told["hits"][0]["citation"] == citation
        assert app.own == ["memory_query"] * 5
        await app.ready()
        (after,) = readers_running()
        assert after != before
        assert (await app.ask("query", {"query": "alpaca"}))["hits"][0]["citation"] == citation
        assert len(app.own) == 5
        assert app.value('zaxy_degraded_operations_total{reason="reader_lost"}') == 1
        assert app.value("zaxy_query_seconds_count") == 6
        assert not [line for line in app.observer.page()[0].decode().splitlines() if 'operation="query"' in line]
    assert "a reader ended" in caplog.text


async def test_no_reader_is_left_when_the_server_ends(tmp_path: Path) -> None:
    before = set(children())
    async with beside(tmp_path, count=2):
        assert len(readers_running()) == 2
    assert set(children()) <= before
    made = Beside(tmp_path)
    async with made.fabric, made.readers:  # and none that was not ready yet
        pass
    assert set(children()) <= before


async def test_calls_are_answered_before_the_readers_are(tmp_path: Path) -> None:
    made = Beside(tmp_path)
    async with made.fabric, made.readers:
        citation = await made.append("The alpaca eats hay.")
        assert not made.readers._readers[0].ready.is_set()
        assert (await made.ask("query", {"query": "alpaca"}))["hits"][0]["citation"] == citation
        assert made.own == ["memory_query"]


async def test_a_reader_that_cannot_be_started_costs_nothing_but_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    made = Beside(tmp_path)
    async with made.fabric, made.readers:
        citation = await made.append("The alpaca eats hay.")
        await until(lambda: "FileNotFoundError" in caplog.text)
        assert (await made.ask("query", {"query": "alpaca"}))["hits"][0]["citation"] == citation


async def test_metrics_tell_of_readers_answers_what_they_tell_of_the_servers_own(tmp_path: Path) -> None:
    pages, nobody = [], RerankerSettings(provider="http", url="http://127.0.0.1:1/", timeout_seconds=1)
    for count in (0, 1):
        async with beside(tmp_path, count=count, reranker=nobody) as app:
            if not count:
                await record(app)  # type: ignore[arg-type]  # it asks for the fabric alone
            for name, arguments in (*READING, *REFUSED):
                await answer(app.runner, name, arguments)
            assert bool(app.own) == (not count)
            told = app.observer.page()[0].decode().splitlines()
            kinds = ("query_seconds_count", "checkout_seconds_count", "call_seconds_count")
            counts = ("lanes_run_total", "degraded_operations_total", "errors_total")
            wanted = tuple(f"zaxy_{kind}" for kind in (*kinds, *counts))
            pages.append([line for line in told if line.startswith(wanted)])
    assert pages[0] == pages[1]
    assert "zaxy_query_seconds_count 7.0" in pages[0]  # and one question was refused before it was asked
    assert "zaxy_checkout_seconds_count 3.0" in pages[0]
    assert 'zaxy_degraded_operations_total{reason="reranker_unavailable"} 0.0' not in pages[0]
    assert any(line.startswith('zaxy_errors_total{code="invalid_input",operation="query"}') for line in pages[0])


async def test_callers_that_are_bound_to_sessions_stay_in_the_servers_process(tmp_path: Path) -> None:
    async with beside(tmp_path) as app:
        await app.append(f"The {CANARY} eats hay.", session_id="secret")
        mine = await app.append("The alpaca eats hay.", session_id="mine")
        asked = {"query": f"{CANARY} alpaca"}
        told = await app.ask("query", asked, Caller("ann", sessions=("mine",)))
        assert [hit["citation"] for hit in told["hits"]] == [mine]
        assert app.own == ["memory_query"]
        assert len((await app.ask("query", asked, Caller("bob")))["hits"]) == 2
        assert app.own == ["memory_query"]


async def test_nothing_of_what_was_forgotten_comes_from_a_reader(tmp_path: Path) -> None:
    async with beside(tmp_path) as app:
        for number in range(3):
            await app.append(f"The alpaca{number} eats hay.")
        citation = await app.append(f"The treasure is under {CANARY}.", forgettable=True)
        asked = {"query": f"Where is the treasure, under {CANARY}?", "history": True}
        for name in ("query", "verbatim", "checkout"):
            assert f"under {CANARY}." in json.dumps(await app.ask(name, asked))
        await app.fabric.verified_forget(citation=citation, reason="asked to")
        for name in ("query", "verbatim", "checkout"):
            told = json.dumps(await app.ask(name, asked))
            assert f"under {CANARY}." not in told
        assert app.own == []


async def lags(app: Beside) -> set[int]:
    """Return how many events the stores on disk lack."""
    return {store.lag_events for store in await app.fabric.projection_status()}


async def test_what_readers_find_recorded_by_others_the_servers_process_takes_into_the_stores(tmp_path: Path) -> None:
    async with beside(tmp_path) as app:
        with Memory(app.settings) as other:
            drafts = [Draft("note.made", "ann", {"content": f"hay {number}"}) for number in range(LONG_TAIL_EVENTS)]
            other.loom.commit("work", drafts)
        while await lags(app) != {0}:
            assert (await app.ask("query", {"query": "hay", "limit": 1}))["hits"]
        assert app.own == []


async def test_a_long_log_is_taken_into_the_stores_by_the_server_before_a_reader_is_started(tmp_path: Path) -> None:
    made, words = Beside(tmp_path), "hay and straw " * 20_000
    async with made.fabric:
        with Memory(made.settings) as other:
            other.loom.commit("work", [Draft("note.made", "ann", {"content": f"{n} {words}"}) for n in range(5)])
        assert await lags(made) == {5}
        async with made.readers:
            await made.ready()
            assert await lags(made) == {0}
            assert made.value('zaxy_projected_events_total{store="graph"}') == 5


async def test_a_reader_imports_nothing_from_the_folder_that_the_server_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("zaxy", "orjson", "pickle", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w'); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    made = Beside(tmp_path)
    async with made.fabric, made.readers:
        ready = made.readers._readers[0].ready
        await until(lambda: ready.is_set() or (tmp_path / "imported").exists())
        assert ready.is_set()
    assert not (tmp_path / "imported").exists()


def test_a_reader_loads_nothing_of_the_web_or_of_mcp() -> None:
    told = "import sys, zaxy.interfaces.http.reader; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-P", "-c", told], capture_output=True, text=True, check=True).stdout
    assert "zaxy" in loaded.split()
    assert not {"starlette", "uvicorn", "mcp", "jwt", "prometheus_client", "click"} & set(loaded.split())


async def test_an_erasure_that_others_left_unfinished_is_finished_when_a_reader_sees_it(
    tmp_path: Path,
) -> None:
    async with beside(tmp_path) as app:
        event = await app.fabric.append("note.made", "ann", {"content": f"under {CANARY}."}, forgettable=True)
        await app.fabric.catch_up()
        with Memory(app.settings) as other:
            say_forgotten(other, event)
        for name in ("query", "verbatim", "checkout"):
            asked = {"query": f"under {CANARY}", "history": True}
            assert f"under {CANARY}." not in json.dumps(await app.ask(name, asked))
        while await lags(app) != {0}:
            pass  # it is written in the background
        assert app.own == []
        stores = app.settings.search_path.parent
        assert not any(CANARY.encode() in path.read_bytes() for path in stores.rglob("*") if path.is_file())


async def test_a_client_that_goes_away_takes_no_answer_from_another(tmp_path: Path) -> None:
    async with beside(tmp_path) as app:
        citations = {word: await app.append(f"The {word} eats hay.") for word in ("zebra", "llama", "otter")}
        (reader,) = app.readers._readers
        (pid,) = readers_running()
        os.kill(pid, signal.SIGSTOP)
        calls = {word: asyncio.create_task(app.ask("query", {"query": word, "limit": 1})) for word in citations}
        await until(lambda: reader.calls == len(calls))
        calls["zebra"].cancel()
        os.kill(pid, signal.SIGCONT)
        for word in ("llama", "otter"):
            assert (await calls[word])["hits"][0]["citation"] == citations[word]
        await app.runner.finish()
        assert (reader.calls, reader._waiting) == (0, {})


async def test_many_questions_at_once_get_their_own_answers(tmp_path: Path) -> None:
    async with beside(tmp_path, count=2) as app:
        citations = [await app.append(f"The zebra{number} eats hay.") for number in range(20)]
        asked = [{"query": f"zebra{number}", "limit": 1} for number in range(20)]
        told = await asyncio.gather(*(app.ask("query", one) for one in asked))
        assert [one["hits"][0]["citation"] for one in told] == citations
        assert app.own == []


async def test_a_reader_gets_no_tokens(tmp_path: Path) -> None:
    given = replace(
        settings_in(tmp_path), admin_token=CANARY, serving=ServingSettings(remote_auth_token=CANARY, readers=1)
    )
    fabric = MemoryFabric.from_settings(given)
    (reader,) = Readers(fabric, given)._readers
    assert CANARY.encode() not in pickle.dumps(reader._settings)
    await fabric.close()


async def test_the_application_has_the_readers_of_its_settings(tmp_path: Path) -> None:
    async with served(settings_in(tmp_path)) as app:
        assert readers_running() == []
    serving = ServingSettings(rate_limit_enabled=False, readers=1)
    async with served(settings_in(tmp_path, serving=serving)) as app:
        (citation, *_) = await record(app)
        answer = await app.call("query", {"query": "Ship the parser"})
        assert answer.json()["hits"][0]["citation"] == citation
        assert len(readers_running()) == 1
    assert readers_running() == []


@pytest.mark.parametrize(
    "error",
    [
        InvalidInputError("no", remedy="yes"),
        LogDamagedError("bad", session_id="work", seq=4, remedy="look"),
        RateLimitedError("often", retry_after_seconds=7),
        WriteFailedError("full", remedy="make space"),
        *(kind("what", remedy="how") for kind in (errors.ForgottenError, errors.BusyError, errors.ZaxyError)),
    ],
)
def test_an_error_is_raised_again_as_it_was(error: ZaxyError) -> None:
    _, told = pickle.loads(frame((1, (type(error), error.args, vars(error))))[4:])
    with pytest.raises(type(error)) as raised:
        raise_again(*told)
    assert (raised.value.args, vars(raised.value), str(raised.value)) == (error.args, vars(error), str(error))


def test_a_warning_keeps_its_code_between_processes() -> None:
    warning = pickle.loads(pickle.dumps(Degraded("the graph is out", Reason.GRAPH_UNAVAILABLE)))
    assert (warning, warning.reason) == ("the graph is out", Reason.GRAPH_UNAVAILABLE)


def test_there_are_as_many_readers_as_are_wanted(tmp_path: Path) -> None:
    assert [reader_count(wanted) for wanted in (0, 1, 7)] == [0, 1, 7]
    assert reader_count(None) == (2 if len(os.sched_getaffinity(0)) > 1 else 0)
    assert load_serving({}, tmp_path).readers is None
    assert load_serving({"MCP_READERS": "0"}, tmp_path).readers == 0
    assert load_serving({"MCP_READERS": "3"}, tmp_path).readers == 3
    for wrong in ("-1", "17", "some"):
        with pytest.raises(InvalidInputError, match="MCP_READERS"):
            load_serving({"MCP_READERS": wrong}, tmp_path)
