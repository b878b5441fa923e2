"""From candidates to an order: their neighbours are read, every feature is computed, one weighted sum decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zaxy.ids import EventRef
from zaxy.projections.forward.flags import Flag
from zaxy.projections.forward.passages import Passages
from zaxy.projections.protocols import TermStatistics
from zaxy.projections.search.bm25 import inverse_document_frequency
from zaxy.services.recall.inference import FIRST_EVENTS
from zaxy.services.recall.ranking.features import Evidence, features, fused
from zaxy.services.recall.ranking.reading import Reading
from zaxy.services.recall.ranking.views import Array, spill
from zaxy.services.recall.ranking.weights import ASSISTANT, LANE_WEIGHTS, PEOPLE, weights_for

CONTEXT: Final = 8
"""How many neighbours on each side of a candidate are read: two that become candidates, with six of their own."""

_BESIDE: Final = dict.fromkeys(range(-2, 3), 1.0)
_PLACE_BITS: Final = 40
_MOSTLY: Final = 0.5
_DIGITS: Final = 5
_SHAPES: Final = {PEOPLE: "turns between people", ASSISTANT: "a user's and an assistant's turns"}


@dataclass(frozen=True, slots=True)
class Ranking:
    """The pool of one question in order, best first.

    Attributes:
        refs: Which events.
        scores: The weighted sum of each.
        shape: Which weights counted: ``people`` or ``assistant``.
        columns: Every feature by name; each column has a value for each of ``refs``.
        weights: What each feature counted.
        rows: Which row of the passages each of ``refs`` is.
    """

    refs: tuple[EventRef, ...]
    scores: tuple[float, ...]
    shape: str
    columns: Mapping[str, Array]
    weights: Mapping[str, float]
    rows: NDArray[np.int64]

    def shares(self, name: str) -> dict[EventRef, float]:
        """Return a feature by event, where it says anything."""
        column = self.columns[name].tolist()
        return {ref: round(value, 6) for ref, value in zip(self.refs, column, strict=True) if value > 0}

    def told(self) -> tuple[str, ...]:
        """Return in a short sentence which weights counted."""
        return (f"the candidates are ranked as {_SHAPES[self.shape]}",) if self.refs and self.shape in _SHAPES else ()


def candidates(passages: Passages, found: Collection[EventRef]) -> NDArray[np.bool_]:
    """Return which rows are candidates, where admitted: what was found, and the turns up to two places beside one.

    Who answers rarely repeats the words of the question; other events do not answer each other.
    """
    places = _places(passages)
    numbers = {name: number for number, name in enumerate(passages.sessions)}
    wanted = np.array(
        [numbers[ref.session_id] << _PLACE_BITS | ref.seq for ref in found if ref.session_id in numbers], np.int64
    )
    marked = np.isin(places, wanted) & passages.admitted  # what had ended brings nobody in
    turns = (passages.flags & int(Flag.TURN)) != 0
    beside = spill((marked & turns).astype(np.float32), passages.stretch, _BESIDE) > 0
    chosen: NDArray[np.bool_] = (marked | (beside & turns)) & passages.admitted
    return chosen


def contrast(cosines: Array, pool: NDArray[np.bool_]) -> float | None:
    """Return how far the largest cosine of a candidate stands above the median of all rows; None without a vector.

    The cosine itself tells less: where everything is about one subject, the best of many turns is always near.
    """
    present = np.isfinite(cosines)
    if not (present & pool).any():
        return None
    return round(float(cosines[present & pool].max() - np.median(cosines[present])), 3)


def uncovered(cosines: Array, pool: NDArray[np.bool_]) -> float:
    """Return which share of the candidates has no vector yet, 0 to 1."""
    return float(np.isnan(cosines[pool]).mean()) if pool.any() else 0.0


def rank(
    passages: Passages,
    pool: NDArray[np.bool_],
    *,
    reading: Reading,
    terms: Sequence[str],
    figures: TermStatistics,
    cosines: Array | None,
    lanes: Mapping[str, Mapping[EventRef, float]],
) -> Ranking:
    """Return the candidates in order, ties by session and seq.

    Args:
        passages: The candidates and their neighbours; its ``counts`` has a column for each of ``terms``.
        pool: Which rows are candidates.
        reading: What the question asks for.
        terms: The question's terms.
        figures: Of the whole corpus.
        cosines: Similarity of each row's vector with the question's, NaN where it has none; None without vectors.
        lanes: Scores of the lanes that count as they are.
    """
    weights = _rarity(terms, figures)
    mean = figures.tokens / figures.documents if figures.documents else 1.0
    told = {name: _column(passages, lanes[name]) for name in LANE_WEIGHTS if name in lanes}
    told["related"] = np.zeros(len(passages.seq), np.float32)
    evidence = Evidence(passages, pool, weights, mean, cosines, told)
    columns = features(evidence, reading)
    shape = shape_of(passages, pool)
    counted = weights_for(shape, vectors=cosines is not None)
    inside = np.flatnonzero(pool)
    scores = np.round(fused(columns, counted)[inside].astype(np.float64), _DIGITS)
    order = np.lexsort((_places(passages)[inside], -scores))  # sessions are numbered in the order of their names
    rows = inside[order]
    places = zip(passages.session[rows].tolist(), passages.seq[rows].tolist(), strict=True)
    return Ranking(
        tuple(EventRef(passages.sessions[number], seq) for number, seq in places),
        tuple(scores[order].tolist()),
        shape,
        {name: column[rows] for name, column in columns.items()},
        counted,
        rows,
    )


def follow(ranking: Ranking, counts: Array, terms: Sequence[str], figures: TermStatistics) -> Ranking:
    """Return the ranking with the feature ``related``: which share of more terms an event holds, by their rarity.

    The events that brought the terms up hold them all; for the first four it is no news and stays 0.

    Args:
        ranking: The pool in order.
        counts: Shape (rows of the passages, terms): how often each term stands there.
        terms: What is looked for as well.
        figures: Of the whole corpus, for these terms.
    """
    weights = _rarity(terms, figures)
    held = (counts[ranking.rows] > 0).astype(np.float32)
    share = held @ (weights / max(float(weights.sum()), 1e-9))
    share[:FIRST_EVENTS] = 0.0
    scores = np.round(
        np.array(ranking.scores) + ranking.weights.get("related", 0.0) * share.astype(np.float64), _DIGITS
    )
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], ranking.refs[place]))
    return replace(
        ranking,
        refs=tuple(ranking.refs[place] for place in order),
        scores=tuple(scores[order].tolist()),
        columns={**{name: column[order] for name, column in ranking.columns.items()}, "related": share[order]},
        rows=ranking.rows[order],
    )


def _rarity(terms: Sequence[str], figures: TermStatistics) -> Array:
    frequencies = (figures.frequencies.get(term, 0) for term in terms)
    return np.array([inverse_document_frequency(figures.documents, often) for often in frequencies], np.float32)


def exact_order(scores: Mapping[EventRef, float]) -> Ranking:
    """Return what the verbatim lane alone found, in the order of its scores; no other feature counts."""
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    refs, scored = tuple(ref for ref, _ in ordered), tuple(score for _, score in ordered)
    return Ranking(refs, scored, "", {}, {}, np.zeros(0, np.int64))


def shape_of(passages: Passages, pool: NDArray[np.bool_]) -> str:
    """Return whether most candidates are by a user, an assistant or a tool, or by people with names."""
    roles = int(Flag.USER | Flag.ASSISTANT | Flag.TOOL)
    inside = passages.flags[pool]
    return ASSISTANT if len(inside) and float(((inside & roles) != 0).mean()) >= _MOSTLY else PEOPLE


def _places(passages: Passages) -> NDArray[np.int64]:
    return passages.session.astype(np.int64) << _PLACE_BITS | passages.seq


def _column(passages: Passages, scores: Mapping[EventRef, float]) -> Array:
    column = np.zeros(len(passages.seq), np.float32)
    numbers = {name: number for number, name in enumerate(passages.sessions)}
    places = _places(passages)
    for ref, score in scores.items():
        place = numbers.get(ref.session_id, -1) << _PLACE_BITS | ref.seq
        row = int(np.searchsorted(places, place))
        if row < len(places) and places[row] == place:
            column[row] = score
    return column
