"""Answering a question: lanes, ranking, and a check of every hit against the log before it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from zaxy.clock import Clock
from zaxy.errors import UnavailableError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.projections.catchup import Catchup
from zaxy.projections.protocols import GraphReader
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.selection import Selection
from zaxy.projections.tier import Tier
from zaxy.services.recall.finding import Finder, Found, VectorLane
from zaxy.services.recall.inference import FIRST_EVENTS
from zaxy.services.recall.judging import Judge, needs_judging
from zaxy.services.recall.provenance import is_forgotten
from zaxy.services.recall.question import LEXICAL, RELATED, VERBATIM, Filters, Question, parse_question, telling_terms
from zaxy.services.recall.reranking import SecondOpinion
from zaxy.services.recall.results import Answer, Hit
from zaxy.services.recall.verbatim import hit_of
from zaxy.telemetry import Degraded, Reason, failure, reasons
from zaxy.vocabulary.reading import EventReader

if TYPE_CHECKING:
    from zaxy.services.recall.ranking.ranker import Ranking
    from zaxy.services.recall.ranking.reading import Reading

_POOL: Final = 100
_POOL_A_HIT: Final = 3
_POOL_GROWTH: Final = 6
_LARGEST_POOL: Final = 2_000
_ANCHOR_POOL: Final = 20
_DAY_MICROSECONDS: Final = 86_400_000_000

AnyTier = Tier[Any, Any, Any]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Tiers:
    """The projections that answers come from.

    Attributes:
        search: Finds events by their words.
        graph: Knows what is so.
        forward: What candidates and their neighbours hold.
    """

    search: AnyTier
    graph: AnyTier
    forward: AnyTier


class RecallService:
    """Answers questions from a loom. Safe to share between threads.

    Args:
        loom: The log, which every hit is read from.
        catchup: Keeps the projections up.
        tiers: The projections.
        vectors: The vector lane.
        analyzer: Turns questions into terms.
        reader: Gives each event as it is meant.
        clock: What "now" is.
        second: What looks at the first hits once more, and how many of them it sees.
    """

    def __init__(
        self,
        loom: Eventloom,
        catchup: Catchup,
        *,
        tiers: Tiers,
        vectors: VectorLane,
        analyzer: Analyzer,
        reader: EventReader,
        clock: Clock,
        second: SecondOpinion | None = None,
    ) -> None:
        self._loom = loom
        self._catchup = catchup
        self._search, self._graph, self._forward = tiers.search, tiers.graph, tiers.forward
        self._vectors = vectors
        self.reader = reader
        self._finder = Finder(
            tiers.search, tiers.graph, tiers.forward, vectors, read_many=self._read_many, analyzer=analyzer
        )
        self._second = second
        self.analyzer = analyzer
        self.clock = clock

    def query(self, text: str, filters: Filters, *, limit: int = 10, progress: Progress | None = None) -> Answer:
        """Return the events that answer a question. Every event acknowledged before the call is seen.

        Args:
            text: What is asked.
            filters: Which events may answer.
            limit: How many hits are wanted, 1 to 1,000.
            progress: Told how many events were taken into the projections, when that comes first.

        Raises:
            InvalidInputError: The question, a filter or the limit cannot be used.
        """
        question = self._parse(text, filters, limit)
        if self._second is not None:
            question = replace(question, limit=max(question.limit, self._second.candidates))
        self._catchup.refresh(progress)
        question, failed = self._finder.prepare(question)
        with self._catchup.lock:
            reading = self._read(question)
            pool = max(_POOL, question.limit * _POOL_A_HIT)
            found, ranking = self._rank(question, reading, pool)
            hits, lost = self._hits(question, found, ranking)
            while len(hits) < question.limit and not found.whole and pool < _LARGEST_POOL:
                pool *= _POOL_GROWTH  # much of what was found is history: look further down
                found, ranking = self._rank(question, reading, pool)
                hits, lost = self._hits(question, found, ranking)
        warnings = [*self._catchup.warnings(), *failed, *found.failed, *found.gaps(), *lost]
        understood = [*question.time.told(), *found.told(), *ranking.told()]
        if self._second is not None:
            hits = self._second.order(text, hits, understood, warnings)[:limit]
        sessions = question.selection.sessions
        if not hits and sessions is not None and not any(name in sessions for name in self._loom.sessions()):
            warnings.append("no session of this loom has the name that was asked for")
        return Answer(
            text,
            tuple(hits),
            tuple(found.lanes),
            tuple(dict.fromkeys(warnings)),
            found.skipped,
            tuple(understood),
            found.contrast,
            reasons(warnings),
        )

    def rank(self, text: str, filters: Filters, *, limit: int = 10) -> Ranking:
        """Return all candidates of a question with their features, in order; nothing is read from the log.

        Raises:
            InvalidInputError: As `query`.
        """
        question = self._parse(text, filters, limit)
        self._catchup.refresh()
        with self._catchup.lock:
            return self._rank(question, self._read(question), _POOL)[1]

    def _parse(self, text: str, filters: Filters, limit: int) -> Question:
        return parse_question(text, filters, limit=limit, now=self.clock.now(), analyzer=self.analyzer)

    def _read(self, question: Question) -> Reading:
        """Return what the question asks for. An event that it tells the time from is looked for first."""
        from zaxy.services.recall.ranking.reading import Reading

        asked = question.time
        spans = [(span.start, span.end) for span in asked.spans]
        if asked.anchor is not None and asked.anchor.span is None:
            day = self._day_of(asked.anchor.text, question)
            spans += [asked.anchor.window(*day)] if day else []
        elif asked.anchor is not None and asked.anchor.span is not None:
            spans = [asked.anchor.window(asked.anchor.span.start, asked.anchor.span.end)]
        order = {"latest": 1, "first": -1}.get(asked.order or "", 0)
        return Reading.of(question.text, asks_when=asked.asks_when, order=order, spans=spans)

    def _day_of(self, phrase: str, question: Question) -> tuple[int, int] | None:
        """Return the day of what is found first for a phrase, or None when nothing shares a word with it."""
        from zaxy.services.recall.ranking.reading import Reading

        lanes = question.lanes - {RELATED}
        inner = replace(question, text=phrase, terms=telling_terms(phrase, self.analyzer), lanes=lanes)
        found, ranking = self._rank(inner, Reading.of(phrase), _ANCHOR_POOL)
        if not found.lanes.get(LEXICAL) or not ranking.scores:
            return None
        event = self._finder.event(found, ranking.first(1)[0])
        if event is None:
            return None
        start = event.occurred_moment // _DAY_MICROSECONDS * _DAY_MICROSECONDS
        return start, start + _DAY_MICROSECONDS

    def _rank(self, question: Question, reading: Reading, pool: int) -> tuple[Found, Ranking]:
        from zaxy.projections.forward.passages import read_passages
        from zaxy.services.recall.ranking.ranker import (
            CONTEXT,
            candidates,
            contrast,
            exact_order,
            follow,
            rank,
            uncovered,
        )

        found = self._finder.find(question, pool)
        if question.lanes == {VERBATIM}:
            return found, exact_order(found.lanes.get(VERBATIM, {}))
        refs = {ref for scores in found.lanes.values() for ref in scores}
        passages = self._forward.ask(
            lambda view: read_passages(view, refs, question.terms, question.selection, radius=CONTEXT)
        )
        pool_rows = candidates(passages, refs)
        cosines = None
        if found.query_vector is not None:
            cosines = self._vectors.cosines(found.query_vector, passages)
            found.contrast = contrast(cosines, pool_rows)
            found.uncovered = uncovered(cosines, pool_rows)
        ranking = rank(
            passages,
            pool_rows,
            reading=reading,
            terms=question.terms,
            figures=self._search.ask(lambda view: view.statistics(question.terms)),
            cosines=cosines,
            lanes=found.lanes,
        )
        more = self._finder.follow(found, question, ranking.first(max(FIRST_EVENTS, question.limit)))
        if more:
            figures = self._search.ask(lambda view: view.statistics(more))
            ranking = follow(ranking, passages.counter(more), more, figures)
            found.lanes[RELATED] = ranking.shares("related")
        return found, ranking

    def _read_many(self, refs: Sequence[EventRef]) -> dict[EventRef, Event]:
        return {ref: self.reader.view(raw) for ref, raw in self._loom.read_many(refs).items()}

    def _hits(self, question: Question, found: Found, ranking: Ranking) -> tuple[list[Hit], list[str]]:
        hits: list[Hit] = []
        lost: list[str] = []
        self._finder.fetch(found, ranking.first(question.limit))
        for ref, score in _in_order(question, found, ranking):
            if len(hits) >= question.limit:
                break
            event = self._finder.event(found, ref)
            if event is None:
                told = f"event {ref.seq} of session {ref.session_id} is indexed, but the log does not hold it"
                lost.append(Degraded(told, Reason.LOG_DAMAGED))
                continue
            if is_forgotten(event):
                continue
            try:
                validity = self._validity(event, question, found)
            except UnavailableError as error:
                lost.append(Degraded(f"what is still so could not be looked up: {error}", failure("graph", error)))
                validity = {}
            if validity is not None:
                parts = {name: scores[ref] for name, scores in found.lanes.items() if ref in scores}
                hits.append(hit_of(event, score=score, scores=parts, metadata={**validity, **_whereabouts(event)}))
        return hits, lost

    def _validity(self, event: Event, question: Question, found: Found) -> dict[str, Any] | None:
        """Return what the graph knows of an event's standing, or None when it no longer belongs in the answer."""
        selection, meaning = question.selection, self._finder.extraction(found, event)
        # an ending that is on disk is unknown to the tail of the search index, which may hold the event that it ends
        unchecked = self._search.in_tail(event.ref) or question.lanes == {VERBATIM}
        if not (unchecked or selection.history or needs_judging(event, meaning)):
            return {}
        answer: dict[str, Any] | None = self._graph.ask(
            lambda graph: self.judge(graph, selection).judged(event, meaning, unchecked=unchecked)
        )
        return answer

    def judge(self, graph: GraphReader, selection: Selection) -> Judge:
        """Return what judges events for one question, inside of `ask_graph`."""
        return Judge(graph, self.reader.read, selection)

    def ask_graph(self, question: Callable[[GraphReader], Any]) -> Any:
        """Return what ``question`` finds in the graph; the projections are as fresh as after the last query."""
        with self._catchup.lock:
            return self._graph.ask(question)


def _in_order(question: Question, found: Found, ranking: Ranking) -> Iterable[tuple[EventRef, float]]:
    """Yield what was found, best first; the memory's own bookkeeping, which has no features, comes last."""
    yield from ranking.ranked()
    if question.selection.housekeeping:
        last, ranked = min(ranking.scores, default=0.0), set(ranking.refs)
        rest = sorted((-score, ref) for ref, score in found.lanes.get(LEXICAL, {}).items() if ref not in ranked)
        yield from ((ref, last - 1.0 - place) for place, (_, ref) in enumerate(rest))


def _whereabouts(event: Event) -> dict[str, Any]:
    """Return where in its source a recorded piece of a document stands."""
    path, line = event.payload.get("path"), event.payload.get("line_from")
    if not isinstance(path, str):
        return {}
    return {"path": path, "line": line} if type(line) is int else {"path": path}
