"""Models behind an address, against a real server: batches, tries, refusals, and what a query waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from json_server import Server, serving
from zaxy.config import EmbeddingSettings
from zaxy.embedding.endpoint import Patience, RemoteEmbedder
from zaxy.embedding.local_http import local_http_embedder
from zaxy.embedding.openai import openai_embedder
from zaxy.embedding.protocol import EmbeddingError
from zaxy.errors import InvalidInputError

AT_ONCE = Patience(timeout_seconds=30, pauses_seconds=(0, 0), query_timeout_seconds=30)


def vector_of(text: str) -> list[float]:
    return [float(len(text)), 1.0, 2.0]


def as_openai(body: dict[str, Any]) -> Any:
    items = [{"index": place, "embedding": vector_of(text)} for place, text in enumerate(body["input"])]
    return {"data": items[::-1]}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(as_openai) as told:
        yield told


def local_http(server: Server, patience: Patience = AT_ONCE, **settings: Any) -> RemoteEmbedder:
    return local_http_embedder(
        EmbeddingSettings(provider="local-http", http_url=f"{server.url}/embed", **settings), patience
    )


def test_texts_go_out_in_batches_and_come_back_in_their_order(server: Server) -> None:
    model = local_http(server)
    texts = ["x" * (number + 1) for number in range(150)]
    vectors = model.embed(texts)
    assert [len(asked["input"]) for asked in server.asked] == [64, 64, 22]
    expected = np.array([vector_of(text) for text in texts])
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True))
    assert model.dimension == 3
    assert model.embed([]).shape == (0, 3)
    assert np.allclose(model.embed_query("xx"), vectors[1])


@pytest.mark.parametrize(
    "answer",
    [
        lambda body: {"embeddings": [vector_of(text) for text in body["input"]]},
        lambda body: [vector_of(text) for text in body["input"]],
        lambda body: [{"embedding": vector_of(text)} for text in body["input"]],
    ],
)
def test_answers_in_other_forms_are_read_too(server: Server, answer: Callable[[dict[str, Any]], Any]) -> None:
    server.answer = answer
    assert local_http(server).embed(["a", "bb"]).shape == (2, 3)


def test_openai_gets_the_key_the_model_and_the_length_that_is_wanted(server: Server) -> None:
    settings = EmbeddingSettings(
        provider="openai", openai_api_key="sk-1", openai_base_url=f"{server.url}/v1/", dimension=3
    )
    openai_embedder(settings, AT_ONCE).embed(["hello"])
    assert server.asked == [
        {
            "path": "/v1/embeddings",
            "input": ["hello"],
            "model": "text-embedding-3-small",
            "encoding_format": "float",
            "dimensions": 3,
        }
    ]
    assert server.headers[0]["Authorization"] == "Bearer sk-1"


def test_a_server_of_ones_own_gets_its_key_and_model_where_they_are_set(server: Server) -> None:
    local_http(server).embed(["a"])
    assert server.asked[-1] == {"path": "/embed", "input": ["a"]}
    assert "Authorization" not in server.headers[-1]
    local_http(server, http_model="mini", http_api_key="secret").embed(["a"])
    assert server.asked[-1] == {"path": "/embed", "input": ["a"], "model": "mini"}
    assert server.headers[-1]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(server: Server, status: int) -> None:
    server.replies = [(status, {"Retry-After": "0"}, b"busy"), (status, {}, b"")]
    assert local_http(server).embed(["a"]).shape == (1, 3)
    assert len(server.asked) == 3


def test_the_number_of_tries_is_bounded(server: Server) -> None:
    server.replies = [(503, {}, b"")] * 9
    with pytest.raises(EmbeddingError, match="503"):
        local_http(server).embed(["a"])
    assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "remedy"), [(401, "API key"), (400, ""), (404, "address")])
def test_a_refusal_is_final(server: Server, status: int, remedy: str) -> None:
    server.replies = [(status, {}, b"no")]
    with pytest.raises(EmbeddingError, match=str(status)) as caught:
        local_http(server).embed(["a"])
    assert remedy in caught.value.remedy
    assert len(server.asked) == 1


def test_a_redirect_is_not_followed_since_the_key_would_go_with_it(server: Server) -> None:
    server.replies = [(302, {"Location": f"{server.url}/elsewhere"}, b"")]
    with pytest.raises(EmbeddingError, match="302"):
        local_http(server, http_api_key="secret").embed(["a"])
    assert [asked["path"] for asked in server.asked] == ["/embed"]


def test_a_server_that_does_not_answer_in_time_is_given_up(server: Server) -> None:
    server.hold.clear()
    model = local_http(server, Patience(timeout_seconds=0.05, pauses_seconds=(0,)))
    with pytest.raises(EmbeddingError, match="no answer within"):
        model.embed(["a"])


def test_a_question_is_asked_once_and_after_a_failure_not_again_for_a_while(server: Server) -> None:
    server.replies = [(503, {}, b"")]
    resting = local_http(server, Patience(rest_seconds=1_000))
    for _ in range(3):
        with pytest.raises(EmbeddingError, match="503"):
            resting.embed_query("a")
    assert len(server.asked) == 1
    server.replies = [(503, {}, b"")]
    awake = local_http(server, Patience(rest_seconds=0))
    with pytest.raises(EmbeddingError):
        awake.embed_query("a")
    assert awake.embed_query("a").shape == (3,)


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"{}", b"[]", b'{"data": [{"x": 1}]}', b'{"data": [[1], [2]]}', b'{"data": [["x"]]}', b"1"]
)
def test_an_answer_without_the_vectors_is_an_error_that_says_so(server: Server, data: bytes) -> None:
    server.replies = [(200, {}, data)]
    with pytest.raises(EmbeddingError):
        local_http(server).embed(["a"])


def test_another_dimension_than_the_one_that_is_set_is_refused_with_both(server: Server) -> None:
    with pytest.raises(InvalidInputError, match=r"EMBEDDING_DIMENSION is 384, .* dimension 3"):
        local_http(server, dimension=384).embed(["a"])


def test_a_server_that_is_not_there_is_named() -> None:
    model = RemoteEmbedder("http://127.0.0.1:9/embed", provider="local-http", extra={}, patience=AT_ONCE)
    with pytest.raises(EmbeddingError, match=r"127\.0\.0\.1:9.*cannot be reached"):
        model.embed(["a"])
