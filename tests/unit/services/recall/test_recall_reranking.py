"""Rerankers: what they put first, what they are sent, and that one that fails changes nothing but a warning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recall_memory import RecallMemory

from json_server import Server, serving
from zaxy.config import RerankerSettings
from zaxy.endpoint import Endpoint, EndpointError
from zaxy.errors import InvalidInputError
from zaxy.projections.search.analysis import analyzer
from zaxy.services.recall.reranking import LexicalReranker, RemoteReranker, SecondOpinion, choose_reranker

TURNS = ["the llama is in the barn", "llama llama llama", "a barn", "the weather was dull"]


def by_length(body: dict[str, Any]) -> Any:
    texts = body.get("documents", body.get("texts"))
    scored = [{"index": place, "relevance_score": -len(text)} for place, text in enumerate(texts)]
    return {"results": scored[::-1]}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(by_length) as told:
        yield told


def remote(server: Server, **options: Any) -> RemoteReranker:
    settings: dict[str, Any] = {"texts_as": "texts", "model": None, "timeout_seconds": 30, **options}
    return RemoteReranker(Endpoint(f"{server.url}/rerank", what="reranking"), **settings)


def asked_with(tmp_path: Path, second: SecondOpinion | None) -> RecallMemory:
    memory = RecallMemory(tmp_path)
    for text in TURNS:
        memory.turn(text)
    memory.memory.recall._second = second
    return memory


def test_rare_words_close_together_score_most() -> None:
    scores = LexicalReranker(analyzer()).scores(
        "llama barn", ["llama in a barn", "a llama and, much later and far away from it all, a barn", "a llama", "rain"]
    )
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0.0
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("texts", [[], [""], ["\ud800", "x" * 100_000], ["?"]])
def test_any_text_gets_a_finite_score(texts: list[str]) -> None:
    for question in ("llama", "?", "\ud800", ""):
        scores = LexicalReranker(analyzer()).scores(question, texts)
        assert len(scores) == len(texts)
        assert all(map(math.isfinite, scores))


def test_hits_come_in_the_order_of_the_server_and_say_so(tmp_path: Path, server: Server) -> None:
    memory = asked_with(tmp_path, SecondOpinion(remote(server, model="judge"), 3))
    answer = memory.ask("llama barn", limit=2)
    assert [hit.content for hit in answer] == ["a barn", "llama llama llama"]
    assert [hit.score for hit in answer] == [-6.0, -17.0]
    assert len(server.asked) == 1
    assert {**server.asked[0], "texts": sorted(server.asked[0]["texts"])} == {
        "path": "/rerank",
        "query": "llama barn",
        "texts": sorted(TURNS[:3]),
        "model": "judge",
    }
    assert "the first 3 hits are ordered by the reranker judge" in answer.understood
    assert answer.warnings == ()


def test_without_a_reranker_nothing_is_said_of_one(tmp_path: Path) -> None:
    assert not any("reranker" in told for told in asked_with(tmp_path, None).ask("llama").understood)


def test_a_reranker_that_fails_costs_one_try_and_a_warning(tmp_path: Path, server: Server) -> None:
    plain = asked_with(tmp_path / "plain", None).ask("llama barn", limit=2)
    server.replies = [(503, {}, b"")]
    memory = asked_with(tmp_path / "second", SecondOpinion(remote(server), 3))
    for _ in range(3):
        answer = memory.ask("llama barn", limit=2)
        assert [hit.content for hit in answer] == [hit.content for hit in plain]
        assert [hit.score for hit in answer] == [hit.score for hit in plain]
        assert len(answer.warnings) == 1
        assert "the order is that of the ranking" in answer.warnings[0]
    assert len(server.asked) == 1


def test_a_server_that_is_late_is_not_waited_for(server: Server) -> None:
    server.hold.clear()
    with pytest.raises(EndpointError, match="no answer within"):
        remote(server, timeout_seconds=0.05).scores("q", ["a"])


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b"1",
        b"null",
        b'"ab"',
        b'[{"index": 0, "score": 1}]',
        b'[{"index": 0, "score": 1}, {"index": 0, "score": 2}]',
        b'{"scores": [1]}',
        b'{"scores": [1, null]}',
        b'{"scores": [1, NaN]}',
        b'{"results": [{"score": 1}, {"score": 2}]}',
        b"[" * 100_000,
    ],
)
def test_an_answer_without_a_score_for_each_text_is_refused(server: Server, data: bytes) -> None:
    server.replies = [(200, {}, data)]
    with pytest.raises(EndpointError):
        remote(server).scores("q", ["a", "b"])


@pytest.mark.parametrize(
    "data", [b'{"scores": [1, 2]}', b"[1, 2]", b'[{"index": 1, "score": 2}, {"index": 0, "score": 1}]']
)
def test_scores_are_read_in_the_forms_that_servers_give_them(server: Server, data: bytes) -> None:
    server.replies = [(200, {}, data)]
    assert remote(server).scores("q", ["a", "b"]) == [1.0, 2.0]


def test_a_compatible_server_gets_the_documents_the_model_and_the_key(server: Server) -> None:
    settings = RerankerSettings("openai", url=f"{server.url}/v1/", model="judge", api_key="secret", candidates=7)
    second = choose_reranker(settings, analyzer())
    assert second is not None
    assert second.candidates == 7
    assert second.reranker.scores("q", ["a", "bb"]) == [-1.0, -2.0]
    assert server.asked == [{"path": "/v1/rerank", "query": "q", "documents": ["a", "bb"], "model": "judge"}]
    assert server.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (RerankerSettings("http"), "no address"),
        (RerankerSettings("openai", url="http://127.0.0.1:1/v1"), "no model"),
        (RerankerSettings("http", url="file:///etc/passwd"), "cannot be used"),
        (RerankerSettings("http", url="http://127.0.0.1:1", api_key="a b"), "no key has"),
    ],
)
def test_settings_that_do_not_suffice_are_refused_before_anything_is_asked(
    settings: RerankerSettings, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        choose_reranker(settings, analyzer())


def test_no_reranker_is_chosen_unless_one_is_set() -> None:
    assert choose_reranker(RerankerSettings(), analyzer()) is None
    lexical = choose_reranker(RerankerSettings("lexical"), analyzer())
    assert lexical is not None
    assert lexical.reranker.name == "lexical"
