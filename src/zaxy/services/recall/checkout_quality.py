"""How far a packet can be relied on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from zaxy.projections.search.analysis import Analyzer
from zaxy.services.recall.checkout_text import LONGEST_READ
from zaxy.services.recall.provenance import place_of
from zaxy.services.recall.results import Fact, Hit

ANSWER: Final = "answer"
LOOK_FURTHER: Final = "look_further"
NOT_IN_MEMORY: Final = "not_in_memory"

_WITHOUT_VECTORS: Final = (-3.56, 5.97, 0.0)
_WITH_VECTORS: Final = (-6.50, 4.48, 13.71)
"""Bias, weight of the coverage, weight of the contrast: ``python -m benchmarks.calibrate`` fits them."""

_SURE: Final = 0.5
_HOPELESS: Final = 0.08
_SAME_SUBJECT: Final = 2
"""Events of one session at most so far apart are taken to speak of one thing."""


def coverage(terms: Sequence[str], quoted: Sequence[Hit], facts: Sequence[Fact], analyzer: Analyzer) -> float:
    """Return the largest share of the terms that stands together: in one quotation and those near it, or in one fact.

    Over all quotations nearly every term stands somewhere, so that their union would tell little.

    Args:
        terms: The question's telling terms.
        quoted: What is quoted; a long text counts as far as it can be searched.
        facts: What is so.
        analyzer: Turns texts into terms.
    """
    wanted = set(terms)
    if not wanted:
        return 0.0
    held = {
        _place(hit): wanted.intersection(analyzer.terms(f"{hit.actor} {hit.event_type} {hit.content[:LONGEST_READ]}"))
        for hit in quoted
    }
    nothing: set[str] = set()
    near = range(-_SAME_SUBJECT, _SAME_SUBJECT + 1)
    together = [nothing.union(*(held.get((name, seq + step), nothing) for step in near)) for name, seq in held]
    together += [
        wanted.intersection(analyzer.terms(f"{fact.entity_type} {fact.name} {fact.status} {fact.content}"))
        for fact in facts
    ]
    return round(max(map(len, together), default=0) / len(wanted), 3)


def _place(hit: Hit) -> tuple[str, int]:
    place = place_of(hit)
    return place.session_id, place.seq


def confidence(coverage: float, contrast: float | None) -> float:
    """Return how likely it is that the packet holds the answer, 0 to 1: a logistic sum.

    Fitted on questions about conversations of our own: of a hundred packets that say .7, about seventy hold it where
    half of all questions have an answer.

    Args:
        coverage: Share of the question's telling terms that stand together in the evidence, as `coverage` counts it.
        contrast: How far the largest cosine stands above the usual one; None where the vector lane did not run.
    """
    bias, by_coverage, by_contrast = _WITHOUT_VECTORS if contrast is None else _WITH_VECTORS
    total = bias + by_coverage * coverage + by_contrast * (contrast or 0.0)
    return round(1.0 / (1.0 + math.exp(-total)), 3)


def verdict(found: bool, confident: float) -> str:
    """Return how to go on.

    Args:
        found: Whether the packet has evidence or a fact that the question names.
        confident: What `confidence` says.
    """
    if not found or confident < _HOPELESS:
        return NOT_IN_MEMORY
    return ANSWER if confident >= _SURE else LOOK_FURTHER
