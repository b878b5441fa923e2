"""A disk or a provider that is slow or hangs: who waits, for how long, and what the answer says of it."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from trust_injection import Strace, best_injector

from fault_processes import Say, memory_folder, start
from json_server import serving
from zaxy.config import EmbeddingSettings, RerankerSettings, Settings
from zaxy.embedding.endpoint import Patience
from zaxy.embedding.local_http import local_http_embedder
from zaxy.embedding.protocol import EmbeddingError
from zaxy.errors import BusyError
from zaxy.memory import Memory
from zaxy.observability.prometheus import PrometheusObserver
from zaxy.services.recall.question import Filters
from zaxy.services.recall.results import Answer
from zaxy.telemetry import Operation, answered

Figure = Callable[[str], None]

QUESTION = "Where does the llama live?"
TIMEOUT_SECONDS = 4
"""Of embedding server and reranker, as they are set here: twice what is shipped, so that a tenth is a long time."""

ALLOWANCE = 1.1
ROUNDS = 3
"""A machine that is busy with something else is given so many tries to keep the promise."""

_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)


class Scale(Protocol):
    """How much is run."""

    def pick(self, *, sample: int, full: int) -> int:
        """Return how many cases to run."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as path:
        yield path


def settings_in(folder: Path, **settings: Any) -> Settings:
    return Settings(eventloom_path=folder / "loom", state_path=folder / "state", **settings)


def fill(memory: Memory) -> None:
    for number in range(40):
        memory.loom.append("work", "transcript.turn", "ann", {"content": f"The llama lives in stable {number}"})
    memory.catchup.catch_up()


def as_vectors(body: dict[str, Any]) -> Any:
    return {"data": [{"index": place, "embedding": [1.0, 2.0]} for place, _ in enumerate(body.get("input", ()))]}


def asked_at_once(ask: Callable[[], Answer], times: int) -> tuple[list[Answer], float]:
    """Return the answers to a question that eight threads ask, and the 99th percentile of what one took."""

    def timed(_: int) -> tuple[Answer, float]:
        began = time.monotonic()
        return ask(), time.monotonic() - began

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(timed, range(times)))
    took = sorted(seconds for _, seconds in found)
    return [answer for answer, _ in found], took[min(len(took) - 1, round(len(took) * 0.99))]


def kept(ask: Callable[[], tuple[list[Answer], float]], limit_seconds: float) -> tuple[list[Answer], float]:
    """Return the first round that kept a promise about time, or the last one."""
    for _ in range(ROUNDS):
        answers, slowest = ask()
        if slowest <= limit_seconds:
            break
    return answers, slowest


@pytest.mark.row(24)
def test_questions_wait_for_a_provider_that_hangs_all_at_once_and_no_longer_than_its_time_limit(
    folder: Path, figure: Figure, scale: Scale
) -> None:
    """Eight at once: were one to wait behind another, the last would take eight times as long."""
    observer = PrometheusObserver()
    with serving(as_vectors) as server:
        model = EmbeddingSettings(provider="local-http", http_url=f"{server.url}/embed")
        second = RerankerSettings(provider="http", url=f"{server.url}/rerank", timeout_seconds=TIMEOUT_SECONDS)
        with Memory(settings_in(folder, embedding=model, reranker=second, fsync="off"), observer=observer) as memory:
            fill(memory)
            memory.embed()
            server.hold.clear()
            assert memory.vectors is not None
            assert memory.recall._second is not None
            memory.vectors.embedder._patience = Patience(query_timeout_seconds=TIMEOUT_SECONDS, rest_seconds=0)
            memory.recall._second.reranker._rest_seconds = 0  # each question waits, not only the first
            numbers = itertools.count()  # a question that was embedded before needs no server
            limit = 2 * TIMEOUT_SECONDS * ALLOWANCE

            def ask() -> Answer:
                with observer.measure(Operation.QUERY) as measured:
                    answer = memory.recall.query(f"{QUESTION} {next(numbers)}", Filters())
                    answered(observer, measured, answer.lanes, answer.degradations)
                return answer

            times = scale.pick(sample=8, full=80)
            answers, slowest = kept(lambda: asked_at_once(ask, times), limit)
            server.hold.set()
    for answer in answers:
        assert answer.degradations == ("embedding_provider_unavailable", "reranker_unavailable")
        assert len(answer) == 10
    page = observer.page()[0].decode()
    for reason in ("embedding_provider_unavailable", "reranker_unavailable"):
        counted = page.partition(f'zaxy_degraded_operations_total{{reason="{reason}"}} ')[2].partition("\n")[0]
        assert float(counted) >= times
    figure(f"{times} questions, 8 at once, embedding server and reranker hang (4 + 4 s): p99 {slowest:.2f} s")
    assert slowest <= limit


def test_a_provider_that_failed_is_left_alone_and_the_next_question_waits_for_nothing(folder: Path) -> None:
    with serving(as_vectors) as server:
        model = EmbeddingSettings(provider="local-http", http_url=f"{server.url}/embed")
        with Memory(settings_in(folder, embedding=model, fsync="off")) as memory:
            fill(memory)
            memory.embed()
            asked = len(server.asked)
            server.replies = [(503, {}, b"")] * 5
            for number in range(5):
                answer = memory.recall.query(f"{QUESTION} {number}", Filters())
                assert answer.degradations == ("embedding_provider_unavailable",)
            assert len(server.asked) == asked + 1


@contextmanager
def dripping() -> Iterator[str]:
    """Give a server that sends the head of an answer byte by byte and never comes to its end."""
    ending = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Never: ")
            while not ending.wait(0.05):
                try:
                    connection.sendall(b".")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/embed"
    ending.set()
    thread.join()
    listening.close()


@pytest.mark.row(24)
def test_a_provider_that_drips_is_no_better_than_one_that_hangs(figure: Figure) -> None:
    with dripping() as url:
        embedder = local_http_embedder(EmbeddingSettings(provider="local-http", http_url=url), Patience())
        began = time.monotonic()
        with pytest.raises(EmbeddingError, match="no answer within 2 seconds"):
            embedder.embed_query(QUESTION)
        figure(f"a server that sends a byte every 50 ms: {time.monotonic() - began:.2f} s of 2 s")


class StalledSyncs:
    """Syncs of this process that begin and do not end until they are let."""

    def __init__(self) -> None:
        self.begun, self.ending = threading.Event(), threading.Event()
        self._sync = os.fsync

    def __enter__(self) -> StalledSyncs:
        os.fsync = self._stall
        return self

    def _stall(self, descriptor: int) -> None:
        self.begun.set()
        self.ending.wait()
        self._sync(descriptor)

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        os.fsync = self._sync


@pytest.mark.row(24)
def test_questions_do_not_wait_behind_an_append_whose_sync_hangs(folder: Path, figure: Figure) -> None:
    with Memory(settings_in(folder)) as memory:
        fill(memory)
        with StalledSyncs() as stalled, ThreadPoolExecutor(1) as threads:
            told = ("work", "transcript.turn", "ann", {"content": "The llama moved to the barn"})
            append = threads.submit(memory.loom.append, *told)
            assert stalled.begun.wait(30)
            for number in range(10):
                assert len(memory.recall.query(f"{QUESTION} {number}", Filters())) == 10
            assert [*memory.sizes.read()]
            assert not append.done(), "acknowledged before it was on disk"
            stalled.ending.set()
            event = append.result(30)
        assert memory.recall.query("barn", Filters()).hits[0].citation == event.citation
        assert memory.loom.log("work").verify().ok
    figure("10 questions and the sizes for metrics while a sync hung: all answered; the append: after the sync")


SYNC_SECONDS = 5


def append_and_ask(loom: Path, go: int, say: Say) -> None:
    """Append on one thread and ask on another, once told to; say what came to its end, in order."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)
    with Memory(settings_in(loom)) as memory:
        fill(memory)
        memory.recall.query(QUESTION, Filters())
        say("ready")
        os.read(go, 1)

        def append() -> None:
            memory.loom.append("work", "transcript.turn", "ann", {"content": "The llama moved to the barn"})
            say("acknowledged")

        thread = threading.Thread(target=append)
        thread.start()
        for number in range(10):
            assert len(memory.recall.query(f"{QUESTION} {number}", Filters())) == 10
        say("answered")
        thread.join()
        assert memory.recall.query("barn", Filters()).hits[0].content.endswith("the barn")
        assert memory.loom.log("work").verify().ok


@pytest.mark.row(24)
def test_a_kernel_that_takes_seconds_for_a_sync_holds_up_the_append_and_no_question(
    folder: Path, figure: Figure
) -> None:
    if not isinstance(best_injector(), Strace):
        figure(f"not run with a kernel that is slow: {best_injector().means}")
        return
    wait_end, go_end = os.pipe()
    child = start(lambda say: append_and_ask(folder, wait_end, say))
    child.hear("ready")
    log = folder / "strace"
    slow = ("-e", "trace=fsync", "-e", f"inject=fsync:delay_enter={SYNC_SECONDS * 1_000_000}")
    command = ["strace", "-f", "-p", str(child.pid), "-o", str(log), "-e", "signal=none", *slow]
    strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert strace.stderr is not None
    assert b"attached" in strace.stderr.readline()  # said once the process is stopped
    os.write(go_end, b"x")
    code, said = child.finish()
    strace.communicate()
    os.close(go_end)
    os.close(wait_end)
    assert (code, said) == (0, ["ready", "answered", "acknowledged"])
    assert "(DELAYED)" in log.read_text()
    figure(f"10 questions while the kernel took {SYNC_SECONDS} s for a sync (strace): answered first, then the append")


@pytest.mark.row(24)
def test_behind_a_question_that_hangs_in_a_read_others_end_in_an_error_and_the_metrics_are_told(
    folder: Path, figure: Figure
) -> None:
    observer = PrometheusObserver()
    with Memory(settings_in(folder, fsync="off"), observer=observer) as memory:
        fill(memory)
        observer.watch(memory.sizes.read)
        memory.recall.query(QUESTION, Filters())
        memory.catchup.lock.longest_wait_seconds = 0.2
        reading, ending = threading.Event(), threading.Event()

        def hang(graph: object) -> None:
            reading.set()
            ending.wait()

        with ThreadPoolExecutor(1) as threads:
            hung = threads.submit(memory.recall.ask_graph, hang)
            assert reading.wait(30)
            for ask in (memory.recall.query, memory.checkouts.checkout):
                with pytest.raises(BusyError, match="has held the projections"):
                    ask(QUESTION, Filters())
            assert b"zaxy_query_seconds_count" in observer.page()[0]
            ending.set()
            hung.result(30)
        assert len(memory.recall.query(QUESTION, Filters())) == 10
    figure("a question behind one that hangs in a read: the error busy, after 30 s as it is shipped; metrics: told")
