"""Answering a question: lanes, fusion, and a check of every hit against the log before it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from zaxy.clock import Clock
from zaxy.errors import UnavailableError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.projections.catchup import Catchup
from zaxy.projections.graph.timeline import current, ends_at
from zaxy.projections.protocols import GraphReader
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.selection import Selection
from zaxy.projections.tier import Tier
from zaxy.services.recall.lanes import GRAPH, LEXICAL, fuse, graph_lane, lexical_lane
from zaxy.services.recall.question import Filters, Question, parse_question
from zaxy.services.recall.results import Answer, Hit
from zaxy.services.recall.verbatim import quote
from zaxy.vocabulary.model import SINGLE_VALUED_ENTITY_TYPES, Extraction, Role

_POOL: Final = 3
_POOL_EXTRA: Final = 20
_POOL_GROWTH: Final = 6
_LARGEST_POOL: Final = 2_000

SearchTier = Tier[Any, Any, Any]
Progress = Callable[[int, int | None], None]


class RecallService:
    """Answers questions from a loom. Safe to share between threads.

    Args:
        loom: The log, which every hit is read from.
        catchup: Keeps the projections up.
        search: The search projection.
        graph: The graph projection.
        analyzer: Turns questions into terms.
        extract: What an event means.
        clock: What "now" is.
    """

    def __init__(
        self,
        loom: Eventloom,
        catchup: Catchup,
        *,
        search: SearchTier,
        graph: SearchTier,
        analyzer: Analyzer,
        extract: Callable[[Event], Extraction],
        clock: Clock,
    ) -> None:
        self._loom = loom
        self._catchup = catchup
        self._search = search
        self._graph = graph
        self._extract = extract
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
        question = parse_question(text, filters, limit=limit, now=self.clock.now(), analyzer=self.analyzer)
        self._catchup.refresh(progress)
        with self._catchup.lock:
            pool = question.limit * _POOL + _POOL_EXTRA
            lanes, failed, whole = self._run_lanes(question, pool)
            hits, lost = self._hits(question, lanes)
            while len(hits) < question.limit and not whole and pool < _LARGEST_POOL:
                pool *= _POOL_GROWTH  # much of what was found is history: look further down
                lanes, failed, whole = self._run_lanes(question, pool)
                hits, lost = self._hits(question, lanes)
        warnings = [*self._catchup.warnings(), *failed, *lost]
        sessions = question.selection.sessions
        if not hits and sessions is not None and not any(name in sessions for name in self._loom.sessions()):
            warnings.append("no session of this loom has the name that was asked for")
        return Answer(text, tuple(hits), tuple(lanes), tuple(dict.fromkeys(warnings)))

    def _run_lanes(self, question: Question, pool: int) -> tuple[dict[str, dict[EventRef, float]], list[str], bool]:
        """Return the lanes that ran, why others did not, and whether the words found fewer events than ``pool``."""
        lanes: dict[str, dict[EventRef, float]] = {}
        warnings = []
        for name, tier, ask in (
            (LEXICAL, self._search, lambda view: lexical_lane(view, question, pool)),
            (GRAPH, self._graph, lambda view: graph_lane(view, question)),
        ):
            try:
                lanes[name] = tier.ask(ask)
            except UnavailableError as error:
                warnings.append(f"the {name} lane did not run: {error}")
        return lanes, warnings, len(lanes.get(LEXICAL, ())) < pool

    def _hits(self, question: Question, lanes: Mapping[str, Mapping[EventRef, float]]) -> tuple[list[Hit], list[str]]:
        hits: list[Hit] = []
        lost: list[str] = []
        for ref, score, parts in fuse(lanes):
            if len(hits) >= question.limit:
                break
            event = self._loom.read(ref)
            if event is None:
                lost.append(f"event {ref.seq} of session {ref.session_id} is indexed, but the log does not hold it")
                continue
            if not _admits(question.selection, event):
                continue
            validity = self._validity(event, question.selection) if GRAPH in lanes else {}
            if validity is not None:
                hits.append(_hit(event, score, parts, validity))
        return hits, lost

    def _validity(self, event: Event, selection: Selection) -> dict[str, Any] | None:
        """Return what the graph knows of an event's standing, or None when it no longer belongs in the answer."""
        facts = [stated.entity for stated in self._extract(event).entities if stated.role is Role.FACT]
        # an ending that is on disk is unknown to the tail of the search index, which may hold the event that it ends
        unchecked = self._search.in_tail(event.ref)
        if not facts and not unchecked:
            return {}

        def standing(graph: GraphReader) -> dict[str, Any] | None:
            if unchecked and ends_at(event.ref, graph.endings, selection.knowledge_moment) <= selection.world_moment:
                return None
            found: dict[str, Any] = {}
            for entity in facts:
                now = current(graph.statements(entity.key), graph.endings, selection)
                replaced = now is None or now.ref != event.ref
                if replaced and entity.entity_type in SINGLE_VALUED_ENTITY_TYPES:
                    return None
                if not found:
                    found = {"entity": entity.key, "status": now.status if now else "ended", "current": not replaced}
            return found

        answer: dict[str, Any] | None = self._graph.ask(standing)
        return answer

    def ask_graph(self, question: Callable[[GraphReader], Any]) -> Any:
        """Return what ``question`` finds in the graph; the projections are as fresh as after the last query."""
        with self._catchup.lock:
            return self._graph.ask(question)


def _admits(selection: Selection, event: Event) -> bool:
    """Whether an event that a lane found passes the filters that only the lexical lane applies by itself."""
    return selection.admits(
        event.session_id,
        event.event_type,
        event.actor,
        event.occurred_moment,
        event.recorded_moment,
        housekeeping=False,
    )


def _hit(event: Event, score: float, parts: Mapping[str, float], validity: Mapping[str, Any]) -> Hit:
    return Hit(
        citation=event.citation,
        session_id=event.session_id,
        seq=event.seq,
        event_type=event.event_type,
        actor=event.actor,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        content=quote(event),
        score=round(score, 6),
        scores={name: round(part, 6) for name, part in parts.items()},
        metadata={**validity, **_whereabouts(event)},
    )


def _whereabouts(event: Event) -> dict[str, Any]:
    """Return where in its source a recorded piece of a document stands."""
    path, line = event.payload.get("path"), event.payload.get("line_from")
    if not isinstance(path, str):
        return {}
    return {"path": path, "line": line} if type(line) is int else {"path": path}
