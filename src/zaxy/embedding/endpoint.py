"""Asking an embedding server: JSON over HTTP, in batches, with time limits and a bounded number of tries."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from zaxy.embedding.protocol import EmbeddingError, checked
from zaxy.errors import InvalidInputError

if TYPE_CHECKING:
    from zaxy.embedding.protocol import Vectors

_BATCH_TEXTS: Final = 64
_LARGEST_ANSWER_BYTES: Final = 64 * 1024 * 1024
_WORTH_ANOTHER_TRY: Final = frozenset({408, 429, 500, 502, 503, 504, 529})
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


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another address."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""
        return


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
        InvalidInputError: The address is not one.
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
        self._url = _checked_address(url)
        self._provider = provider
        self._extra = dict(extra)
        self._headers = {"Content-Type": "application/json", "User-Agent": "zaxy"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {_checked_key(api_key)}"
        self._wanted = self._found = dimension
        self._patience = patience or Patience()
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._rests_until = 0.0
        self._last_failure = ""

    @property
    def name(self) -> str:
        return f"{self._provider}:{self._extra.get('model', urlsplit(self._url).netloc)}:{self._wanted or 'own'}"

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
            except _AnotherTryError as error:
                if pause is None:
                    raise EmbeddingError(error.message, remedy=error.remedy) from error
                wait = min(max(pause, error.after_seconds), _LONGEST_WAIT_SECONDS)
                time.sleep(wait)  # the server is busy or named a pause; a question never comes this way
        raise AssertionError("the last try returns or raises")

    def embed_query(self, text: str) -> Vectors:
        if time.monotonic() < self._rests_until:
            raise EmbeddingError(f"{self._last_failure}; it is asked again in a few seconds")
        try:
            vector: Vectors = self._ask([text], self._patience.query_timeout_seconds)[0]
        except EmbeddingError as error:
            self._last_failure, self._rests_until = error.message, time.monotonic() + self._patience.rest_seconds
            raise
        return vector

    def _ask(self, texts: Sequence[str], timeout_seconds: float) -> Vectors:
        body = {"input": [text[:_LONGEST_TEXT_CHARACTERS] or " " for text in texts], **self._extra}
        answer = self._post(json.dumps(body).encode("ascii"), timeout_seconds)
        vectors = checked(_rows(answer, self._url), len(texts), self._found, f"the model at {self._url}")
        self._found = vectors.shape[1]
        return vectors

    def _post(self, body: bytes, timeout_seconds: float) -> Any:
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310  # http or https, checked
        deadline = time.monotonic() + timeout_seconds
        try:
            with self._opener.open(request, timeout=timeout_seconds) as response:
                return json.loads(_read(response, deadline))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from error
        except ValueError as error:
            raise EmbeddingError(f"the server at {self._url} did not answer in JSON") from error
        except (OSError, http.client.HTTPException) as error:
            late = time.monotonic() >= deadline or isinstance(getattr(error, "reason", error), TimeoutError)
            told = f"no answer within {timeout_seconds:g} seconds" if late else str(error) or repr(error)
            raise _AnotherTryError(
                f"the server at {self._url} cannot be reached: {told}", remedy="check that it runs"
            ) from error

    def _refused(self, error: urllib.error.HTTPError) -> EmbeddingError:
        message = f"the server at {self._url} answered {error.code} {error.reason}"
        if error.code in _WORTH_ANOTHER_TRY:
            after = str(error.headers.get("Retry-After", ""))
            seconds = float(after) if len(after) <= 4 and after.isdecimal() else 0.0
            return _AnotherTryError(message, after_seconds=seconds)
        remedies = {401: "check the API key", 403: "check the API key", 404: "check the address and the model's name"}
        return EmbeddingError(message, remedy=remedies.get(error.code, ""))


class _AnotherTryError(EmbeddingError):
    """Raised when the same request may well be answered a little later."""

    def __init__(self, message: str, *, remedy: str = "", after_seconds: float = 0.0) -> None:
        super().__init__(message, remedy=remedy)
        self.after_seconds = after_seconds


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    parts, size = [], 0
    while part := response.read1(1024 * 1024):
        parts.append(part)
        size += len(part)
        if size > _LARGEST_ANSWER_BYTES:
            raise ValueError("an answer that long holds no vectors")
        if time.monotonic() >= deadline:  # the time limit of a socket starts anew with every byte
            raise TimeoutError
    return b"".join(parts)


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


def _checked_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or "@" in url or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInputError(
            f"{'the address of the embedding server' if '@' in url else repr(url[:200])} cannot be used",
            remedy="write it like http://127.0.0.1:8080/embed, without a name or a password",
        )
    return url


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInputError("the API key of the embedding server holds characters that no key has")
    return key
