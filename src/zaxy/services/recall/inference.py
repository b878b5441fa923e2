"""Relations that nobody stated: what stands together, and what rare words tie together.

They are computed when they are asked for, from the search index and the events at hand; nothing is stored. An inferred
relation says which words keep company, never why. It is no fact, and no answer rests on it alone.

Which words are rare is judged by the whole loom, as the weights of words are in every lane. What is said of them,
confidence and evidence, comes from the selected events alone.
"""

from __future__ import annotations

import calendar
import heapq
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from zaxy.ids import EventRef
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.search.layered import LayeredSearch
from zaxy.projections.selection import Selection
from zaxy.vocabulary.model import INTERNAL_ENTITY_TYPES, Extraction, Meaning
from zaxy.vocabulary.names import names_in

QUESTION: Final = "question"
"""What the relations of `related` start from: all that the question found first."""
STRETCH: Final = 3
"""Two events of one session stand together when their numbers differ by no more than this."""
FEWEST_HOLDERS: Final = 2
MOST_HOLDERS: Final = 32
SMOOTHING: Final = 2
FIRST_EVENTS: Final = 4
MOST_TERMS: Final = 8
MOST_EVIDENCE: Final = 4
READ_CHARACTERS: Final = 2_000
_SHORTEST_TERM: Final = 3
_WORD: Final = re.compile(r"[^\W_]+")


class Method(StrEnum):
    """How a relation was inferred."""

    CO_OCCURRENCE = "co_occurrence"
    SHARED_TERMS = "shared_terms"


class Kind(StrEnum):
    """What a relation leads to."""

    ENTITY = "entity"
    NAME = "name"
    TERM = "term"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Inferred:
    """A relation that was computed, not stated.

    Attributes:
        source: What it starts from: `QUESTION`, a name, or an event as ``<session>/<seq>``.
        target: What it leads to, as it was written; an event as ``<session>/<seq>``.
        kind: What the target is.
        terms: The target's analyzed terms; for two events, the terms that they share.
        method: How it was inferred.
        confidence: Between 0 and 1, see `together` and `shared`; comparable within one method.
        evidence: The events that it rests on; where the target is an event, that one is the last.
        citations: The same events as citations, where the log was at hand.
        stated: Always False: what tells it apart from a relation of the graph.
    """

    source: str
    target: str
    kind: Kind
    terms: tuple[str, ...]
    method: Method
    confidence: float
    evidence: tuple[EventRef, ...]
    citations: tuple[str, ...] = ()
    stated: bool = field(init=False, default=False)


class Clue(NamedTuple):
    """What could tie an event to others: as it was written, what it is, its analyzed terms."""

    written: str
    kind: Kind
    terms: tuple[str, ...]


Postings = Mapping[str, Collection[EventRef]]
"""Which selected events hold each rare term."""


def related(
    index: LayeredSearch,
    first: Sequence[Meaning],
    asked: Collection[str],
    selection: Selection,
    analyzer: Analyzer,
    *,
    limit: int = 8,
) -> list[Inferred]:
    """Return where the first hits of a question lead: names and rare terms that it lacks, and events that share them.

    What only the hits and their stretches hold is left out, because asking for it would find nothing new.

    Args:
        index: Where terms are looked up.
        first: The best hits, best first, each admitted by the selection. Four count, by their first 2,000 characters.
        asked: The question's analyzed terms.
        selection: Which events count, as of when.
        analyzer: What the index was made with.
        limit: How many of each method.

    Returns:
        The relations of each method, most confident first: the same index, question and hits give the same ones.
    """
    hits = [meaning.event.ref for meaning in first[:FIRST_EVENTS]]
    held = [clues_of(meaning.extraction, analyzer, READ_CHARACTERS) for meaning in first[:FIRST_EVENTS]]
    leading = [clue for clue in distinct(held) if not set(clue.terms).intersection(asked)]
    postings = rare_postings(index, leading, selection, MOST_TERMS)
    places = Places(hits)
    links = []
    for clue in leading:
        holders = holders_of(clue.terms, postings)
        if any(places.near(ref) is None for ref in holders):
            evidence, confidence = evidence_of(hits, holders), together(hits, holders)
            links.append(Inferred(QUESTION, *clue, Method.CO_OCCURRENCE, confidence, evidence))
    terms = {ref: {term for clue in found for term in clue.terms} for ref, found in zip(hits, held, strict=True)}
    return [*strongest(links, limit), *_leading_events(terms, postings, limit)]


def clues_of(extraction: Extraction, analyzer: Analyzer, most_characters: int) -> list[Clue]:
    """Return an event's entities, the names in its text, and its other telling terms.

    Numbers, the names of months and weekdays (in English) and words of one or two Latin letters are no clues.

    Args:
        extraction: What the event means.
        analyzer: Turns words into terms; of a text, the first 64 telling terms count.
        most_characters: How much of the text is read.
    """
    text = _read(extraction, most_characters)
    # the number in front keeps stop words out also where nothing else is said
    telling = {term for term in analyzer.query_terms(f"0 {text}") if _can_lead(term)} - _dates(analyzer)
    found: dict[tuple[str, ...], Clue] = {}
    for clue in names_of(extraction, analyzer, most_characters):
        terms = tuple(term for term in clue.terms if term in telling)
        if terms:
            found.setdefault(terms, clue._replace(terms=terms))
    telling.difference_update(*found)
    for word in _WORD.findall(text) if telling else ():
        for term in telling.intersection(analyzer.terms(word)):
            telling.remove(term)
            found[(term,)] = Clue(word.lower(), Kind.TERM, (term,))
    return list(found.values())


def names_of(extraction: Extraction, analyzer: Analyzer, most_characters: int = READ_CHARACTERS) -> list[Clue]:
    """Return an event's entities and the names in its text, with all their terms that can lead anywhere.

    Args:
        extraction: What the event means.
        analyzer: Turns words into terms.
        most_characters: How much of the text is read.
    """
    named = [
        (statement.entity.name, Kind.ENTITY)
        for statement in extraction.entities
        if statement.entity.entity_type not in INTERNAL_ENTITY_TYPES
    ]
    named += [(name, Kind.NAME) for name in names_in(_read(extraction, most_characters))]
    clues = []
    for written, kind in named:
        terms = dict.fromkeys(analyzer.terms(written))
        leading = tuple(term for term in terms if _can_lead(term) and term not in _dates(analyzer))
        if leading:
            clues.append(Clue(written, kind, leading))
    return clues


def _read(extraction: Extraction, most_characters: int) -> str:
    return extraction.text[:most_characters].encode("utf-8", "replace").decode()


def distinct(found: Iterable[Iterable[Clue]]) -> list[Clue]:
    """Return the clues of several events, one for the same terms: as a name or an entity where it is one anywhere."""
    first: dict[tuple[str, ...], Clue] = {}
    for clue in sorted((clue for clues in found for clue in clues), key=lambda clue: clue.kind is Kind.TERM):
        first.setdefault(clue.terms, clue)
    return list(first.values())


def _can_lead(term: str) -> bool:
    return not term.isdecimal() and (len(term) >= _SHORTEST_TERM or not term.isascii())


@lru_cache(maxsize=8)
def _dates(analyzer: Analyzer) -> frozenset[str]:
    """Return the terms that the index adds to every event to tell its day."""
    return frozenset(analyzer.terms(" ".join((*calendar.month_name, *calendar.day_name))))


def rare_limit(events: int) -> int:
    """Return in how many of so many events a rare term stands at most: one in fifty, at least 4, at most 32."""
    return min(MOST_HOLDERS, max(4, events // 50))


def rare_postings(
    index: LayeredSearch, clues: Iterable[Clue], selection: Selection, most_terms: int | None = None
) -> dict[str, list[EventRef]]:
    """Return which selected events hold each rare term of the clues; a term that fewer than two hold is left out.

    A term of a name or an entity is rare up to 32 events, any other one as `rare_limit` says.

    Args:
        index: Where terms are looked up.
        clues: Whose terms.
        selection: Which events count, as of when.
        most_terms: Look up only so many: those of names first, then the rarest.
    """
    wanted: dict[str, bool] = {}
    for clue in clues:
        for term in clue.terms:
            wanted[term] = wanted.get(term, True) and clue.kind is Kind.TERM
    figures = index.statistics(list(wanted))
    often, most = figures.frequencies, rare_limit(figures.documents)
    rare = [
        (is_plain, often[term], term)
        for term, is_plain in wanted.items()
        if FEWEST_HOLDERS <= often[term] <= (most if is_plain else MOST_HOLDERS)
    ]
    found = {
        term: [candidate.ref for candidate in index.search([term], selection, MOST_HOLDERS)]
        for _, _, term in sorted(rare)[:most_terms]
    }
    return {term: refs for term, refs in found.items() if len(refs) >= FEWEST_HOLDERS}


def holders_of(terms: Iterable[str], postings: Postings) -> set[EventRef]:
    """Return the events that hold all the rare ones among these terms; none where none of them is rare."""
    sets = [set(postings[term]) for term in terms if term in postings]
    return set.intersection(*sets) if sets else set()


class Places:
    """Events by session and number, for finding what stands near."""

    def __init__(self, refs: Iterable[EventRef]) -> None:
        self._numbers: dict[str, list[int]] = defaultdict(list)
        for ref in refs:
            self._numbers[ref.session_id].append(ref.seq)
        for numbers in self._numbers.values():
            numbers.sort()

    def near(self, ref: EventRef) -> EventRef | None:
        """Return the nearest of the events within `STRETCH` of this one, the earlier of two; None without one."""
        numbers = self._numbers.get(ref.session_id)
        if numbers is None:
            return None
        place = bisect_left(numbers, ref.seq)
        best = min(numbers[max(0, place - 1) : place + 1], key=lambda number: abs(number - ref.seq), default=None)
        return None if best is None or abs(best - ref.seq) > STRETCH else EventRef(ref.session_id, best)


def together(left: Collection[EventRef], right: Collection[EventRef]) -> float:
    """Return how far two things keep company: (l + r) / (L + R + 2).

    L and R are how many events hold each; l and r, how many of those stand within `STRETCH` of a holder of the other.
    It is the Dice coefficient (Dice 1945, Measures of the Amount of Ecologic Association Between Species) with nearness
    in place of identity; the 2 keeps a few events from making certainty. It needs no count of all events.
    """
    near_right, near_left = Places(right), Places(left)
    near = sum(near_right.near(ref) is not None for ref in left) + sum(near_left.near(ref) is not None for ref in right)
    return round(near / (len(left) + len(right) + SMOOTHING), 4)


def shared(holders: Iterable[int]) -> float:
    """Return how far two events belong together by the terms that they share: 1 - product of (1 - 1/k).

    k is how many selected events hold a term, and 1/k its resource allocation (Zhou, Lü and Zhang 2009, Predicting
    missing links via local information); several terms add up as independent evidence does.
    """
    apart = 1.0
    for count in sorted(holders):
        apart *= 1.0 - 1.0 / count
    return round(1.0 - apart, 4)


def evidence_of(left: Iterable[EventRef], right: Iterable[EventRef]) -> tuple[EventRef, ...]:
    """Return where two things stand together: the first events of the one, each with the nearest of the other."""
    places = Places(right)
    pairs = ((ref, places.near(ref)) for ref in left)
    return tuple(dict.fromkeys(ref for pair in pairs if pair[1] for ref in pair if ref))[:MOST_EVIDENCE]


def _leading_events(terms: Mapping[EventRef, set[str]], postings: Postings, limit: int) -> Iterator[Inferred]:
    """Yield the events outside the stretches of the hits that share most with one of them."""
    places = Places(terms)
    ties: dict[EventRef, dict[str, EventRef]] = defaultdict(dict)
    for hit, held in terms.items():
        for term in sorted(held.intersection(postings)):
            for ref in postings[term]:
                if places.near(ref) is None:
                    ties[ref].setdefault(term, hit)
    ranked = ((-shared(len(postings[term]) for term in by), ref) for ref, by in ties.items())
    for confidence, ref in heapq.nsmallest(limit, ranked):
        evidence, target = (*dict.fromkeys(ties[ref].values()), ref), f"{ref.session_id}/{ref.seq}"
        shares = tuple(sorted(ties[ref]))
        yield Inferred(QUESTION, target, Kind.EVENT, shares, Method.SHARED_TERMS, -confidence, evidence)


def strongest(links: Iterable[Inferred], limit: int) -> list[Inferred]:
    """Return the most confident relations, ties by what they lead to."""
    return sorted(links, key=lambda link: (-link.confidence, link.kind, link.target, link.source))[:limit]
