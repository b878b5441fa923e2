"""Vectors from a server: texts in batches, within time limits, with a bounded number of tries."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zaxy.embedding.protocol import EmbeddingError, checked
from zaxy.endpoint import Endpoint, EndpointError

if TYPE_CHECKING:
    from zaxy.embedding.protocol import Vectors

_BATCH_TEXTS: Final = 64
_LONGEST_WAIT_SECONDS: Final = 10.0
_LONGEST_TEXT_CHARACTERS: Final = 24_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        timeout_seconds: For one answer to a batch of texts.
        pauses_seconds: Between the tries for a batch, so one try more than pauses.
        query_timeout_seconds: For the answer to a question, which is tried once.
        rest_seconds: How long no question is sent after one failed.
    """

    timeout_seconds: float = 30.0
    pauses_seconds: tuple[float, ...] = (0.5, 1.0, 2.0)
    query_timeout_seconds: float = 2.0
    rest_seconds: float = 10.0


class RemoteEmbedder:
    """A model behind an address that takes ``{"input": [...], "model": ...}``.

    It may answer as OpenAI does (``data[].embedding``), with ``embeddings``, or with the bare list of vectors.

    Args:
        url: Where texts are posted to.
        provider: ``openai`` or ``local-http``, for the name of the vectors.
        extra: Members of each request beside the texts: ``model``, ``dimensions``.
        api_key: Sent as a bearer token.
        dimension: The dimension that the vectors must have; 0 takes what the server's first answer has.
        patience: How long the server is waited for.

    Raises:
        InvalidInputError: The address or the key is none.
    """

    def __init__(
        self,
        url: str,
        *,
        provider: str,
        extra: Mapping[str, Any],
        api_key: str | None = None,
        dimension: int = 0,
        patience: Patience | None = None,
    ) -> None:
        self._endpoint = Endpoint(url, what="embedding", api_key=api_key)
        self._provider = provider
        self._extra = dict(extra)
        self._wanted = self._found = dimension
        self._patience = patience or Patience()
        self._rests_until = 0.0
        self._last_failure = ""

    @property
    def name(self) -> str:
        return f"{self._provider}:{self._extra.get('model', self._endpoint.host)}:{self._wanted or 'own'}"

    @property
    def dimension(self) -> int:
        return self._found

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        batches = [texts[start : start + _BATCH_TEXTS] for start in range(0, len(texts), _BATCH_TEXTS)]
        if not batches:
            return np.zeros((0, self._found), np.float32)
        return np.concatenate([self._embed_batch(batch) for batch in batches])

    def _embed_batch(self, texts: Sequence[str]) -> Vectors:
        for pause in (*self._patience.pauses_seconds, None):
            try:
                return self._ask(texts, self._patience.timeout_seconds)
            except EndpointError as error:
                if pause is None or not error.try_again:
                    raise EmbeddingError(error.message, remedy=error.remedy) from error
                wait = min(max(pause, error.after_seconds), _LONGEST_WAIT_SECONDS)
                time.sleep(wait)  # the server is busy or named a pause; a question never comes this way
        raise AssertionError("the last try returns or raises")

    def embed_query(self, text: str) -> Vectors:
        if time.monotonic() < self._rests_until:
            raise EmbeddingError(f"{self._last_failure}; it is asked again in a few seconds")
        try:
            vector: Vectors = self._ask([text], self._patience.query_timeout_seconds)[0]
        except (EndpointError, EmbeddingError) as error:
            self._last_failure, self._rests_until = error.message, time.monotonic() + self._patience.rest_seconds
            raise EmbeddingError(error.message, remedy=error.remedy) from error
        return vector

    def _ask(self, texts: Sequence[str], timeout_seconds: float) -> Vectors:
        body = {"input": [text[:_LONGEST_TEXT_CHARACTERS] or " " for text in texts], **self._extra}
        answer = self._endpoint.post(body, timeout_seconds)
        url = self._endpoint.url
        vectors = checked(_rows(answer, url), len(texts), self._found, f"the model at {url}")
        self._found = vectors.shape[1]
        return vectors


def _rows(answer: Any, url: str) -> list[Any]:
    """Return the vectors of an answer, in the order of the texts."""
    found = answer.get("data", answer.get("embeddings")) if isinstance(answer, dict) else answer
    if not isinstance(found, list):
        raise EmbeddingError(f"the answer of {url} holds no vectors")
    if found and isinstance(found[0], dict):
        try:
            found = [item["embedding"] for item in sorted(found, key=lambda item: item.get("index", 0))]
        except (LookupError, TypeError, AttributeError) as error:
            raise EmbeddingError(f"the answer of {url} holds no vectors") from error
    return found
