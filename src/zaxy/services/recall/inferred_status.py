"""All inferred relations of the selected events at once: how many, how sure, the strongest with their citations."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import Final

from zaxy.errors import LogDamagedError
from zaxy.eventloom.event import Event
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.search.layered import LayeredSearch
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.selection import Selection
from zaxy.services.recall.inference import (
    READ_CHARACTERS,
    STRETCH,
    Clue,
    Inferred,
    Kind,
    Method,
    Postings,
    clues_of,
    distinct,
    evidence_of,
    holders_of,
    rare_postings,
    shared,
    strongest,
    together,
)
from zaxy.vocabulary.model import EventClass, Meaning
from zaxy.vocabulary.names import has_case
from zaxy.vocabulary.reading import EventReader

MOST_EVENTS: Final = 4_000
LEAST_CONFIDENCE: Final = 0.1
_LEVELS: Final = (0.75, 0.5, 0.25, LEAST_CONFIDENCE)
_EXAMPLES: Final = 5
_FIRST_BLOCK: Final = 16
_LONGEST_BLOCK: Final = 1_024
_BESIDE: Final = range(-STRETCH, STRETCH + 1)

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class MethodStatus:
    """What one method inferred.

    Attributes:
        method: Which.
        relations: How many relations of confidence 0.1 and more.
        by_confidence: How many of them from each confidence up to the next.
        strongest: The most confident ones.
    """

    method: Method
    relations: int
    by_confidence: Mapping[str, int]
    strongest: tuple[Inferred, ...]


@dataclass(frozen=True, slots=True)
class InferredStatus:
    """What can be inferred; nothing of it is stored or stated.

    Attributes:
        events: How many events were looked at: those that pass the filters, ended ones among them.
        methods: What each method gave.
        warnings: What was left out and why.
    """

    events: int
    methods: tuple[MethodStatus, ...]
    warnings: tuple[str, ...]


def inferred_status(
    loom: Eventloom,
    selection: Selection,
    analyzer: Analyzer,
    *,
    reader: EventReader | None = None,
    progress: Progress | None = None,
) -> InferredStatus:
    """Infer every relation between the newest 4,000 selected events; the logs are read from their ends for them.

    What is rare is judged by these events. Each citation is read from the log.

    Args:
        loom: The log.
        selection: Which events count, as of when.
        analyzer: Turns words into terms.
        reader: Gives each event as it is meant; by default one without keys, for which sealed events say nothing.
        progress: Told how many events were found.
    """
    meanings, endings, warnings = _newest(loom, reader, selection, progress)
    silent = sum(bool(told.extraction.text) and not has_case(told.extraction.text) for told in meanings)
    if silent:
        warnings.append(f"no names were found in {silent:,} events: their script has no capital letters")
    index = MemorySearch(analyzer)
    taken = {told.event.ref for told in meanings}
    index.apply([*meanings, *(told for told in endings if told.event.ref not in taken)], {})
    clues = {told.event.ref: clues_of(told.extraction, analyzer, READ_CHARACTERS) for told in meanings}
    postings = rare_postings(LayeredSearch(None, index), (clue for held in clues.values() for clue in held), selection)
    selected = set[EventRef]().union(*postings.values())
    found = {
        Method.CO_OCCURRENCE: _pairs({ref: held for ref, held in clues.items() if ref in selected}, postings),
        Method.SHARED_TERMS: _shared(postings),
    }
    methods = []
    for method, links in found.items():
        kept = [link for link in links if link.confidence >= LEAST_CONFIDENCE]
        levels = Counter(next(level for level in _LEVELS if link.confidence >= level) for link in kept)
        best = [replace(link, citations=_cited(loom, link)) for link in strongest(kept, _EXAMPLES)]
        by_confidence = {f"{level:.2f}": levels[level] for level in _LEVELS}
        methods.append(MethodStatus(method, len(kept), by_confidence, tuple(best)))
    return InferredStatus(len(meanings), tuple(methods), tuple(warnings))


def _newest(
    loom: Eventloom, reader: EventReader | None, selection: Selection, progress: Progress | None
) -> tuple[list[Meaning], list[Meaning], list[str]]:
    """Return the newest selected events by session and number, what ends events, and what was left out."""
    meaning = (reader or EventReader(loom.read, lambda event: event)).meaning
    broken: dict[str, LogDamagedError] = {}
    endings: list[Meaning] = []
    newest: list[Meaning] = []
    for told in islice(_read(_newest_first(loom, broken), meaning, selection, endings), MOST_EVENTS + 1):
        newest.append(told)
        if progress is not None:
            progress(len(newest), MOST_EVENTS)
    warnings = [f"session {name} was read up to its damage: {error.message}" for name, error in broken.items()]
    if len(newest) > MOST_EVENTS:
        warnings.append(f"only the newest {MOST_EVENTS:,} events were looked at")
    tied = (told for told in newest[:MOST_EVENTS] if _is_tied(told, broken))
    by_place = sorted(tied, key=lambda told: told.event.ref)
    return by_place, [told for told in endings if _is_tied(told, broken)], warnings


def _newest_first(loom: Eventloom, broken: dict[str, LogDamagedError]) -> Iterator[Event]:
    """Yield the events of all sessions, the one that was recorded last first, and note where a log is damaged."""
    logs = (_backwards(loom.log(session_id), broken) for session_id in loom.sessions())
    return heapq.merge(*logs, key=lambda event: (event.recorded_moment, event.ref), reverse=True)


def _backwards(log: EventLog, broken: dict[str, LogDamagedError]) -> Iterator[Event]:
    """Yield a log's events from its end, in blocks that grow. What follows its damage may be yielded before that."""
    try:
        end = log.head().seq
    except LogDamagedError as error:
        broken[log.session_id] = error
        end = error.seq - 1
    size = _FIRST_BLOCK
    while end > 0:
        block: list[Event] = []
        try:
            for event in log.replay(max(1, end - size + 1), end):
                block.append(event)  # noqa: PERF402 -- what comes before a bad record counts
        except LogDamagedError as error:
            broken[log.session_id] = error
        yield from reversed(block)
        end, size = end - size, min(size * 2, _LONGEST_BLOCK)


def _is_tied(told: Meaning, broken: Mapping[str, LogDamagedError]) -> bool:
    error = broken.get(told.event.session_id)
    return error is None or told.event.seq < error.seq


def _read(
    events: Iterable[Event], meaning: Callable[[Event], Meaning], selection: Selection, endings: list[Meaning]
) -> Iterator[Meaning]:
    """Yield what passes the filters, and put what ends other events into ``endings``: a correction is both."""
    for raw in events:
        told = meaning(raw)
        event, bookkeeping = told.event, told.extraction.event_class is EventClass.HOUSEKEEPING
        if told.extraction.invalidations:
            endings.append(told)
            if bookkeeping:
                continue
        times = event.occurred_moment, event.recorded_moment
        if selection.admits(event.session_id, event.event_type, event.actor, *times, housekeeping=bookkeeping):
            yield told


def _pairs(clues: Mapping[EventRef, Sequence[Clue]], postings: Postings) -> Iterator[Inferred]:
    """Yield what stands together, where one of the two is a name or an entity."""
    every = {clue.terms: clue for clue in distinct(clues.values())}
    holders = {terms: sorted(holders_of(terms, postings)) for terms in every}
    for source in every.values():
        if source.kind is Kind.TERM:
            continue
        around = (EventRef(ref.session_id, ref.seq + by) for ref in holders[source.terms] for by in _BESIDE)
        for terms in sorted({clue.terms for ref in around for clue in clues.get(ref, ())}):
            target = every[terms]
            is_twice = target.kind is not Kind.TERM and terms < source.terms
            if not is_twice and holders[terms] and not set(terms).intersection(source.terms):
                confidence = together(holders[source.terms], holders[terms])
                evidence = evidence_of(holders[source.terms], holders[terms])
                yield Inferred(source.written, *target, Method.CO_OCCURRENCE, confidence, evidence)


def _shared(postings: Postings) -> Iterator[Inferred]:
    """Yield the events that do not stand together and share rare terms."""
    ties: dict[tuple[EventRef, EventRef], list[str]] = defaultdict(list)
    for term, refs in sorted(postings.items()):
        for one, other in combinations(sorted(refs), 2):
            if one.session_id != other.session_id or other.seq - one.seq > STRETCH:
                ties[one, other].append(term)
    for (one, other), terms in ties.items():
        confidence = shared(len(postings[term]) for term in terms)
        source, target = (f"{ref.session_id}/{ref.seq}" for ref in (one, other))
        yield Inferred(source, target, Kind.EVENT, tuple(terms), Method.SHARED_TERMS, confidence, (one, other))


def _cited(loom: Eventloom, link: Inferred) -> tuple[str, ...]:
    return tuple(event.citation for event in map(loom.read, link.evidence) if event is not None)
