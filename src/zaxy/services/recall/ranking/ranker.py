"""From candidates to an order: their neighbours are read, every feature is computed, one weighted sum decides."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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
from zaxy.services.recall.ranking.views import Array, spill, weighed
from zaxy.services.recall.ranking.weights import ASSISTANT, LANE_WEIGHTS, PEOPLE, weights_for

CONTEXT: Final = 8
"""How many neighbours on each side of a candidate are read: two that become candidates, with six of their own."""

_BESIDE: Final = dict.fromkeys(range(-2, 3), 1.0)
_PLACE_BITS: Final = 40
_MOSTLY: Final = 0.5
_FEWEST_FOR_A_MEDIAN: Final = 20
_DIGITS: Final = 5
_SHAPES: Final = {PEOPLE: "turns between people", ASSISTANT: "a user's and an assistant's turns"}


@dataclass(frozen=True, slots=True)
class Ranking:
    """The pool of one question in order, best first.

    Attributes:
        sessions: The sessions that ``session`` counts in, ordered.
        session: Which session each event is of.
        seq: Its place there.
        scores: The weighted sum of each.
        shape: Which weights counted: ``people`` or ``assistant``.
        weights: What each feature counted.
        rows: Which row of the passages each is.
        features: Every feature by name, in an order of its own.
        places: Where in that order each event stands.
    """

    sessions: tuple[str, ...]
    session: NDArray[np.int32]
    seq: NDArray[np.int64]
    scores: tuple[float, ...]
    shape: str
    weights: Mapping[str, float]
    rows: NDArray[np.int64]
    features: Mapping[str, Array]
    places: NDArray[np.int64]

    def first(self, count: int | None = None) -> tuple[EventRef, ...]:
        """Return which events stand first; None for all of them."""
        places = zip(self.session[:count].tolist(), self.seq[:count].tolist(), strict=True)
        return tuple(EventRef(self.sessions[number], seq) for number, seq in places)

    @property
    def refs(self) -> tuple[EventRef, ...]:
        """Which events."""
        return self.first()

    @property
    def columns(self) -> Mapping[str, Array]:
        """Every feature by name; each column has a value for each of ``refs``."""
        return {name: column[self.places] for name, column in self.features.items()}

    def ranked(self) -> Iterator[tuple[EventRef, float]]:
        """Yield each event with its score; few of hundreds are looked at."""
        for number, seq, score in zip(self.session.tolist(), self.seq.tolist(), self.scores, strict=True):
            yield EventRef(self.sessions[number], seq), score

    def shares(self, name: str) -> dict[EventRef, float]:
        """Return a feature by event, where it says anything."""
        column = self.features[name][self.places]
        return {
            EventRef(self.sessions[self.session[place]], int(self.seq[place])): round(float(column[place]), 6)
            for place in np.flatnonzero(column > 0).tolist()
        }

    def told(self) -> tuple[str, ...]:
        """Return in a short sentence which weights counted."""
        return (f"the candidates are ranked as {_SHAPES[self.shape]}",) if self.scores and self.shape in _SHAPES else ()


def candidates(passages: Passages, found: Collection[EventRef]) -> NDArray[np.bool_]:
    """Return which rows are candidates, where admitted: what was found, and the turns up to two places beside one.

    Who answers rarely repeats the words of the question; other events do not answer each other.
    """
    places = _places(passages)
    numbers = {name: number for number, name in enumerate(passages.sessions)}
    wanted = np.array(
        [numbers[ref.session_id] << _PLACE_BITS | ref.seq for ref in found if ref.session_id in numbers], np.int64
    )
    marked = np.zeros(len(places), np.bool_)
    if len(places):
        rows = np.minimum(np.searchsorted(places, wanted), len(places) - 1)
        marked[rows[places[rows] == wanted]] = True
    marked &= passages.admitted  # what had ended brings nobody in
    turns = (passages.flags & int(Flag.TURN)) != 0
    beside = spill((marked & turns).astype(np.float32), passages.stretch, _BESIDE) > 0
    chosen: NDArray[np.bool_] = (marked | (beside & turns)) & passages.admitted
    return chosen


def contrast(cosines: Array, pool: NDArray[np.bool_]) -> float | None:
    """Return how far the largest cosine of a candidate stands above the median of all rows.

    The cosine itself tells less: where everything is about one subject, the best of many turns is always near. None
    without a vector, and where so few rows have one that their median would say nothing.
    """
    present = np.isfinite(cosines)
    if not (present & pool).any() or np.count_nonzero(present) < _FEWEST_FOR_A_MEDIAN:
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
    scores = np.round(fused(columns, counted).astype(np.float64), _DIGITS)
    order = np.lexsort((inside, -scores))  # rows are ordered by session and seq
    rows = inside[order]
    return Ranking(
        passages.sessions,
        passages.session[rows],
        passages.seq[rows],
        tuple(scores[order].tolist()),
        shape,
        counted,
        rows,
        columns,
        order,
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
    share = weighed(held, weights / max(float(weights.sum()), 1e-9))
    share[:FIRST_EVENTS] = 0.0
    scores = np.round(
        np.array(ranking.scores) + ranking.weights.get("related", 0.0) * share.astype(np.float64), _DIGITS
    )
    order = np.lexsort((ranking.rows, -scores))
    related = np.zeros_like(share)
    related[ranking.places] = share
    return replace(
        ranking,
        session=ranking.session[order],
        seq=ranking.seq[order],
        scores=tuple(scores[order].tolist()),
        rows=ranking.rows[order],
        features={**ranking.features, "related": related},
        places=ranking.places[order],
    )


def _rarity(terms: Sequence[str], figures: TermStatistics) -> Array:
    frequencies = (figures.frequencies.get(term, 0) for term in terms)
    return np.array([inverse_document_frequency(figures.documents, often) for often in frequencies], np.float32)


def exact_order(scores: Mapping[EventRef, float]) -> Ranking:
    """Return what the verbatim lane alone found, in the order of its scores; no other feature counts."""
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    sessions = tuple(sorted({ref.session_id for ref in scores}))
    number = {name: place for place, name in enumerate(sessions)}
    nothing = np.zeros(0, np.int64)
    return Ranking(
        sessions,
        np.array([number[ref.session_id] for ref, _ in ordered], np.int32),
        np.array([ref.seq for ref, _ in ordered], np.int64),
        tuple(score for _, score in ordered),
        shape="",
        weights={},
        rows=nothing,
        features={},
        places=nothing,
    )


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
