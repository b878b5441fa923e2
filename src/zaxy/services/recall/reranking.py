"""Rerankers: a second opinion on the first hits of a question, by their words or by a model behind an address.

None is used unless one is set: the ranking was fitted without. One that fails changes nothing but a warning.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from zaxy.config import RerankerSettings
from zaxy.endpoint import Endpoint, EndpointError
from zaxy.errors import InvalidInputError
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.search.bm25 import inverse_document_frequency
from zaxy.services.recall.results import Hit
from zaxy.telemetry import Degraded, Reason

_LONGEST_TEXT_CHARACTERS: Final = 8_000
_REST_SECONDS: Final = 10.0


class Reranker(Protocol):
    """Judges how well texts answer a question. Safe to share between threads."""

    @property
    def name(self) -> str:
        """How answers name it."""
        ...

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return a score a text, finite, larger for a better one; comparable within one call.

        Raises:
            EndpointError: It did not answer, or not with scores.
        """
        ...


class LexicalReranker:
    """Scores a text by the rarity of the question's terms in it and by how close together they stand.

    The score is (share of the terms' inverse document frequencies that the text holds) times (1 + closeness) / 2.
    Frequencies are those among the texts; closeness is the number of terms held by the length of the shortest stretch
    that holds them all.

    Args:
        analyzer: Turns texts into terms.
    """

    name = "lexical"

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        asked = self._analyzer.query_terms(_sound(question))
        told = [self._analyzer.terms(_sound(text)) for text in texts]
        held = Counter(term for terms in told for term in set(terms).intersection(asked))
        weights = {term: inverse_document_frequency(len(texts), held[term]) for term in asked}
        return [_fit(terms, weights) for terms in told]


def _fit(terms: Sequence[str], weights: dict[str, float]) -> float:
    found = {term for term in terms if term in weights}
    total = sum(weights.values())
    if not found or total <= 0:
        return 0.0
    closeness = len(found) / _shortest_stretch(terms, found)
    return sum(weights[term] for term in found) / total * (1 + closeness) / 2


def _shortest_stretch(terms: Sequence[str], wanted: set[str]) -> int:
    """Return how many terms the shortest run has that holds every wanted one."""
    last_seen: dict[str, int] = {}
    shortest = len(terms)
    for place, term in enumerate(terms):
        if term in wanted:
            last_seen[term] = place
            if len(last_seen) == len(wanted):
                shortest = min(shortest, place - min(last_seen.values()) + 1)
    return shortest


class RemoteReranker:
    """A model behind an address.

    It may answer with ``results`` or a bare list of ``{"index", "relevance_score"}`` or ``{"index", "score"}``, or with
    ``scores`` in the order of the texts.

    Args:
        endpoint: Where it is.
        texts_as: What the member with the texts is called: ``documents`` or ``texts``.
        model: The model that requests name, if any.
        timeout_seconds: How long an answer may wait for it.
        rest_seconds: How long it is left alone after it failed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        texts_as: str,
        model: str | None,
        timeout_seconds: float,
        rest_seconds: float = _REST_SECONDS,
    ) -> None:
        self._endpoint = endpoint
        self._texts_as = texts_as
        self._extra = {"model": model} if model else {}
        self._timeout_seconds = timeout_seconds
        self._rest_seconds = rest_seconds
        self._lock = threading.Lock()
        self._failure: tuple[str, float] | None = None
        self.name = model or endpoint.host

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        with self._lock:
            failed = self._failure
        if failed and time.monotonic() < failed[1]:
            raise EndpointError(f"{failed[0]}; it is asked again in a few seconds")
        body = {"query": question, self._texts_as: [text[:_LONGEST_TEXT_CHARACTERS] or " " for text in texts]}
        try:
            answer = self._endpoint.post({**body, **self._extra}, self._timeout_seconds)
            found = _scores_in(answer, len(texts), self._endpoint.url)
        except EndpointError as error:
            with self._lock:
                self._failure = error.message, time.monotonic() + self._rest_seconds
            raise
        return found


def _scores_in(answer: Any, count: int, url: str) -> list[float]:
    """Return the score of each text.

    Raises:
        EndpointError: The answer does not hold one finite number for each.
    """
    items = answer.get("results", answer.get("scores")) if isinstance(answer, dict) else answer
    try:
        if items and isinstance(items[0], dict):
            by_place = {int(item["index"]): item.get("relevance_score", item.get("score")) for item in items}
            items = [by_place[place] for place in range(count)]
        found = [float(item) for item in items or ()]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise EndpointError(f"the answer of {url} holds no scores") from error
    if len(found) != count or not all(map(math.isfinite, found)):
        raise EndpointError(f"the answer of {url} does not hold {count} scores")
    return found


def choose_reranker(settings: RerankerSettings, analyzer: Analyzer) -> SecondOpinion | None:
    """Return the reranker that ``RERANKER_*`` describe, or None.

    Raises:
        InvalidInputError: A setting that it needs is missing or cannot be used.
    """
    if settings.provider == "none":
        return None
    if settings.provider == "lexical":
        return SecondOpinion(LexicalReranker(analyzer), settings.candidates)
    if settings.url is None:
        raise InvalidInputError(
            f"RERANKER_PROVIDER is {settings.provider}, and there is no address",
            remedy="set RERANKER_URL, such as http://127.0.0.1:8080/rerank (openai: http://127.0.0.1:8000/v1)",
        )
    compatible = settings.provider == "openai"
    if compatible and not settings.model:
        raise InvalidInputError("RERANKER_PROVIDER is openai, and no model is named", remedy="set RERANKER_MODEL")
    url = f"{settings.url.rstrip('/')}/rerank" if compatible else settings.url
    remote = RemoteReranker(
        Endpoint(url, what="reranking", api_key=settings.api_key),
        texts_as="documents" if compatible else "texts",
        model=settings.model,
        timeout_seconds=settings.timeout_seconds,
    )
    return SecondOpinion(remote, settings.candidates)


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """A reranker and how many of the first hits it sees."""

    reranker: Reranker
    candidates: int

    def order(self, question: str, hits: list[Hit], understood: list[str], warnings: list[str]) -> list[Hit]:
        """Return the hits in the reranker's order, ties as they were; ``score`` of each is what it says.

        Args:
            question: What is asked.
            hits: The hits, best first.
            understood: Told who ordered them.
            warnings: Told when the reranker failed; the hits are then returned as they came.
        """
        if not hits:
            return hits
        try:
            scores = self.reranker.scores(question, [hit.content for hit in hits])
        except EndpointError as error:
            told = f"the reranker did not run, and the order is that of the ranking: {error}"
            warnings.append(Degraded(told, Reason.RERANKER_UNAVAILABLE))
            return hits
        understood.append(f"the first {len(hits)} hits are ordered by the reranker {self.reranker.name}")
        order = sorted(range(len(hits)), key=lambda place: (-scores[place], place))
        return [replace(hits[place], score=round(scores[place], 6)) for place in order]


def _sound(text: str) -> str:
    return text[:_LONGEST_TEXT_CHARACTERS].encode("utf-8", "replace").decode()
