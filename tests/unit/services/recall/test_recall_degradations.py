"""An answer that is less than it could be says so in codes: on the answer, in its JSON, and in the count of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recall_memory import RecallMemory

from json_server import Server, serving
from zaxy.config import EmbeddingSettings, RerankerSettings, Settings
from zaxy.fabric import MemoryFabric
from zaxy.files.gate import Gate
from zaxy.interfaces.serialize import to_json
from zaxy.memory import Memory
from zaxy.observability.prometheus import PrometheusObserver
from zaxy.projections import tier
from zaxy.projections.graph import ladybug_handle
from zaxy.services.recall.question import Filters
from zaxy.telemetry import Degraded, Reason, reasons

QUESTION = "Where does the llama live?"


def settings_in(folder: Path, **settings: Any) -> Settings:
    return Settings(eventloom_path=folder / "loom", state_path=folder / "state", fsync="off", **settings)


def fill(memory: Memory, events: int = 20) -> None:
    for number in range(events):
        memory.loom.append("work", "transcript.turn", "ann", {"content": f"The llama lives in stable {number}"})
    memory.loom.append("work", "goal.created", "ann", {"title": "Find the llama"})
    memory.catchup.catch_up()


def as_vectors(body: dict[str, Any]) -> Any:
    return {"data": [{"index": place, "embedding": [1.0, 2.0]} for place, _ in enumerate(body["input"])]}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(as_vectors) as told:
        yield told


def test_an_answer_that_is_whole_has_no_codes_whatever_was_not_asked_for(memory: RecallMemory) -> None:
    memory.turn("the llama")
    answer, packet = memory.ask("llama", lanes="lexical"), memory.checkout("llama")
    assert (answer.degradations, packet.degradations) == ((), ())
    assert to_json(answer)["degradations"] == to_json(packet)["degradations"] == []
    assert answer.skipped == {}


@pytest.mark.parametrize(
    ("store", "file"), [("graph", "embedded.kuzu"), ("search", "search/cursor.jsonl"), ("forward", "forward.sqlite")]
)
def test_a_store_that_is_damaged_is_told_once_and_costs_no_hit(tmp_path: Path, store: str, file: str) -> None:
    with Memory(settings_in(tmp_path)) as memory:
        fill(memory)
        whole = memory.recall.query(QUESTION, Filters())
    (tmp_path / "loom" / "projections" / file).write_bytes(b"garbage" * 5_000)
    with Memory(settings_in(tmp_path)) as memory:
        answer = memory.recall.query(QUESTION, Filters())
        assert answer.degradations == (f"{store}_rebuilt",)
        assert [hit.citation for hit in answer] == [hit.citation for hit in whole]
        assert to_json(answer)["degradations"] == [f"{store}_rebuilt"]
        assert memory.recall.query(QUESTION, Filters()).degradations == ()


def test_a_graph_that_another_process_holds_is_waited_for_once_and_then_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladybug_handle, "_GATE_SECONDS", 0.02)
    monkeypatch.setattr(tier, "LONG_WAIT_SECONDS", 0.02)
    with Memory(settings_in(tmp_path)) as memory:
        fill(memory)
        memory.recall.query(QUESTION, Filters())
        with Gate(tmp_path / "loom" / "projections" / "embedded.kuzu.gate").alone(timeout_seconds=1):
            answer = memory.recall.query(QUESTION, Filters())
            packet = memory.checkouts.checkout(QUESTION, Filters())
        assert answer.degradations == packet.degradations == ("graph_timeout",)
        assert len(answer) == 10
        assert "graph" not in answer.lanes
        assert packet.evidence
        assert all("held for too long" in warning for warning in answer.warnings), "the first wait was the only one"


def test_a_log_that_is_damaged_is_told_in_every_answer(tmp_path: Path) -> None:
    with Memory(settings_in(tmp_path)) as memory:
        for number in range(20):
            memory.loom.append("work", "transcript.turn", "ann", {"content": f"The llama lives in stable {number}"})
    log = tmp_path / "loom" / "work.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[10] = lines[10].replace(b"llama", b"lhama")
    log.write_bytes(b"".join(lines))
    with Memory(settings_in(tmp_path)) as memory:
        for _ in range(2):
            assert memory.recall.query(QUESTION, Filters()).degradations == ("log_damaged",)
            assert memory.checkouts.checkout(QUESTION, Filters()).degradations == ("log_damaged",)


def test_a_session_that_its_log_does_not_confirm_is_told_when_it_is_built_anew(tmp_path: Path) -> None:
    for text in ("The llama lives here", "The llama lives there"):
        loom = tmp_path / "loom"
        for log in loom.glob("*.jsonl"):
            log.unlink()
        with Memory(settings_in(tmp_path)) as memory:
            memory.loom.append("work", "transcript.turn", "ann", {"content": text})
            answer = memory.recall.query(QUESTION, Filters())
            memory.catchup.catch_up()
    assert [hit.content for hit in answer] == ["The llama lives there"]
    assert answer.degradations == ("session_rebuilt",)


def test_a_model_that_does_not_answer_costs_the_vector_lane_only(tmp_path: Path, server: Server) -> None:
    model = EmbeddingSettings(provider="local-http", http_url=f"{server.url}/embed")
    with Memory(settings_in(tmp_path, embedding=model)) as memory:
        fill(memory)
        memory.embed()
        server.replies = [(500, {}, b"")]
        answer = memory.recall.query(QUESTION, Filters())
        assert answer.degradations == ("embedding_provider_unavailable",)
        assert "vector" not in answer.lanes
        assert len(answer) == 10
        packet = memory.checkouts.checkout("Which stable?", Filters())
        assert packet.degradations == ("embedding_provider_unavailable",)
        assert len(server.replies) == 0
        alone = memory.recall.query(QUESTION, Filters(lanes="vector"))
        assert (len(alone), alone.degradations) == (0, ("embedding_provider_unavailable",))


def test_many_candidates_without_a_vector_are_told(tmp_path: Path, server: Server) -> None:
    model = EmbeddingSettings(provider="local-http", http_url=f"{server.url}/embed")
    with Memory(settings_in(tmp_path, embedding=model)) as memory:
        fill(memory)
        memory.embed()
        assert memory.recall.query(QUESTION, Filters()).degradations == ()
        fill(memory)
        assert memory.recall.query(QUESTION, Filters()).degradations == ("vectors_behind",)


def test_a_reranker_that_does_not_answer_leaves_the_order_of_the_ranking(tmp_path: Path, server: Server) -> None:
    server.replies = [(503, {}, b"")]
    plain = settings_in(tmp_path)
    with Memory(plain) as memory:
        fill(memory)
        ranked = [hit.citation for hit in memory.recall.query(QUESTION, Filters())]
    with Memory(replace(plain, reranker=RerankerSettings(provider="http", url=server.url))) as memory:
        answer = memory.recall.query(QUESTION, Filters())
    assert answer.degradations == ("reranker_unavailable",)
    assert [hit.citation for hit in answer] == ranked


async def test_every_answer_that_is_less_is_counted_once_by_its_code(tmp_path: Path, server: Server) -> None:
    server.answer = lambda body: "no scores"
    observer = PrometheusObserver()
    settings = settings_in(tmp_path, reranker=RerankerSettings(provider="http", url=server.url))
    async with MemoryFabric.from_settings(settings, observer=observer) as memory:
        await memory.append("transcript.turn", "ann", {"content": "the llama"})
        await memory.query("llama")
        await memory.query("llama")
        await memory.checkout("llama")
    page = observer.page()[0].decode()
    assert 'zaxy_degraded_operations_total{reason="reranker_unavailable"} 3.0' in page
    assert sum(line.endswith(" 0.0") for line in page.splitlines() if "degraded_operations_total{" in line) == (
        len(Reason) - 1
    )


def test_a_warning_with_a_code_is_still_a_sentence() -> None:
    warning = Degraded("the graph is out", Reason.GRAPH_UNAVAILABLE)
    assert warning == "the graph is out"
    assert to_json([warning]) == ["the graph is out"]
    assert reasons([warning, "a sentence", warning]) == ("graph_unavailable",)
