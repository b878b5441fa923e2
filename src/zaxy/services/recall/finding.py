"""The lanes of one question: which ran, what each found, and why another did not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from zaxy.embedding.protocol import EmbeddingError
from zaxy.errors import UnavailableError
from zaxy.eventloom.event import Event
from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate
from zaxy.projections.search.analysis import Analyzer
from zaxy.projections.selection import Names
from zaxy.projections.tier import Tier
from zaxy.services.recall.inference import FIRST_EVENTS, Clue, Kind, names_of
from zaxy.services.recall.lanes import followed, graph_lane, lexical_lane
from zaxy.services.recall.question import GRAPH, LEXICAL, RELATED, VECTOR, VERBATIM, Question
from zaxy.services.recall.verbatim import exactness, quote
from zaxy.telemetry import Degraded, Reason, failure
from zaxy.vocabulary.model import Extraction
from zaxy.vocabulary.registry import extract

if TYPE_CHECKING:
    from zaxy.projections.forward.passages import Passages
    from zaxy.projections.vectors.store import Admits
    from zaxy.services.recall.ranking.views import Array

_STORES: Final = {LEXICAL: "search", VERBATIM: "search", RELATED: "search", GRAPH: "graph", VECTOR: "vectors"}
VECTOR_CANDIDATES: Final = 50
_EXACT_CANDIDATES: Final = 100
_MANY_UNCOVERED: Final = 0.1
"""Fewer are told of nowhere: an event without words never has a vector, and the newest get theirs in a moment."""
NEAR_ENOUGH: Final = 0.2
"""Of the bundled model: texts of different conversations have cosines around 0.12, answers around 0.41."""


class VectorLane(Protocol):
    """What recall needs of vectors."""

    @property
    def reason(self) -> str:
        """Why there are no vectors, empty when there are."""
        ...

    def embed_query(self, text: str) -> Array:
        """Return the vector of a question, of unit length."""
        ...

    def count(self) -> int:
        """Return how many events have a vector."""
        ...

    def search(
        self, query: Array, sessions: Names | None, limit: int, admits: Admits, *, at_least: float
    ) -> list[Candidate]:
        """Return the nearest events that may be in an answer, best first, with their cosine."""
        ...

    def cosines(self, query: Array, passages: Passages) -> Array:
        """Return each row's cosine with the question, NaN where it has no vector."""
        ...


@dataclass(slots=True)
class Found:
    """What the lanes found.

    Attributes:
        lanes: For each lane that ran, the score between 0 and 1 of each event that it found.
        failed: Why another lane could not run: a warning.
        skipped: Why another lane was not meant to run.
        followed: The names in the first events that the related lane went after.
        events: What was read from the log on the way.
        extractions: What these mean, where that was made out.
        whole: Whether the words were found in no other event.
        query_vector: The question's vector, when the vector lane ran.
        contrast: How far the largest cosine of a candidate stands above the median of all rows read, then.
        uncovered: Which share of the candidates has no vector yet, then.
    """

    lanes: dict[str, Mapping[EventRef, float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    followed: tuple[str, ...] = ()
    events: dict[EventRef, Event | None] = field(default_factory=dict)
    extractions: dict[EventRef, Extraction] = field(default_factory=dict)
    whole: bool = True
    query_vector: Array | None = None
    contrast: float | None = None
    uncovered: float = 0.0

    def gaps(self) -> tuple[str, ...]:
        """Return a warning when so many events have no vector yet that the lane may have missed something."""
        if self.uncovered < _MANY_UNCOVERED:
            return ()
        told = f"{self.uncovered:.0%} of the candidates have no vector yet: what is said in other words may be missed"
        return (Degraded(f"{told}; zaxy memory re-embed fills them in", Reason.VECTORS_BEHIND),)

    def told(self) -> tuple[str, ...]:
        """Return in a short sentence what else was looked for."""
        return (f"also looked for what the first hits name: {', '.join(self.followed)}",) if self.followed else ()


class Finder:
    """Runs the lanes. The caller holds the catch-up's lock.

    Args:
        search: The search projection.
        graph: The graph projection.
        forward: The forward index, which tells what an answer may hold.
        vectors: The vector lane.
        read_many: Gives events as they are meant, for the lanes that look at what they say; what is not there is left
            out.
        analyzer: Turns names into terms.
    """

    def __init__(
        self,
        search: Tier[Any, Any, Any],
        graph: Tier[Any, Any, Any],
        forward: Tier[Any, Any, Any],
        vectors: VectorLane,
        *,
        read_many: Callable[[Sequence[EventRef]], Mapping[EventRef, Event]],
        analyzer: Analyzer,
    ) -> None:
        self._search = search
        self._graph = graph
        self._forward = forward
        self._vectors = vectors
        self._read_many = read_many
        self._analyzer = analyzer

    def prepare(self, question: Question) -> tuple[Question, list[str]]:
        """Embed a question before the lock is taken, so that a slow model holds up nobody else.

        Returns:
            The question, and nothing; without the vector lane and with a warning where the model failed.
        """
        if VECTOR in question.lanes and not (self._vectors.reason or self._none_yet()):
            try:
                self._vectors.embed_query(_sound(question.text))
            except UnavailableError as error:
                return replace(question, lanes=question.lanes - {VECTOR}), [_failed(VECTOR, error)]
        return question, []

    def find(self, question: Question, pool: int) -> Found:
        """Return what the wanted lanes find, the words at most ``pool`` events."""
        found = Found()

        def words() -> Mapping[EventRef, float]:
            return self._search.ask(lambda view: lexical_lane(view, question, pool))

        def facts() -> Mapping[EventRef, float]:
            return self._graph.ask(lambda view: graph_lane(view, question))

        def exact() -> Mapping[EventRef, float]:
            candidates = self._search.ask(lambda view: lexical_lane(view, question, _EXACT_CANDIDATES))
            self.fetch(found, list(candidates))
            scores = {ref: exactness(question.text, self._text_of(found, ref)) for ref in candidates}
            return {ref: score for ref, score in scores.items() if score}

        self._run(found, question, LEXICAL, words)
        self._run(found, question, GRAPH, facts)
        self._run(found, question, VERBATIM, exact)
        self._find_near(found, question, min(pool, VECTOR_CANDIDATES))
        found.whole = len(found.lanes.get(LEXICAL, ())) < pool
        return found

    def _run(self, found: Found, question: Question, name: str, ask: Callable[[], Mapping[EventRef, float]]) -> None:
        if name not in question.lanes:
            return
        try:
            found.lanes[name] = ask()
        except UnavailableError as error:
            found.failed.append(_failed(name, error))

    def _find_near(self, found: Found, question: Question, limit: int) -> None:
        if VECTOR not in question.lanes:
            return
        reason = self._vectors.reason or self._none_yet()
        if reason:
            found.skipped[VECTOR] = reason
            return

        def near() -> Mapping[EventRef, float]:
            found.query_vector = self._vectors.embed_query(_sound(question.text))
            near = self._vectors.search(
                found.query_vector, question.selection.sessions, limit, self._admits(question), at_least=NEAR_ENOUGH
            )
            return {candidate.ref: candidate.score for candidate in near}

        self._run(found, question, VECTOR, near)

    def _admits(self, question: Question) -> Admits:
        """Return what tells which events may answer; what was told before is not looked up again."""
        from zaxy.projections.forward.passages import admitted

        known: dict[EventRef, bool] = {}

        def admits(refs: Sequence[EventRef]) -> set[EventRef]:
            new = [ref for ref in refs if ref not in known]
            allowed = self._forward.ask(lambda view: admitted(view, new, question.selection)) if new else ()
            known.update((ref, ref in allowed) for ref in new)
            return {ref for ref in refs if known[ref]}

        return admits

    def follow(self, found: Found, question: Question, first: Sequence[EventRef]) -> tuple[str, ...]:
        """Return the terms of rare names in the first events that the question lacks; none where that is not wanted.

        Args:
            found: What the lanes found; told which names are followed.
            question: What is asked.
            first: The events that the ranking puts first, as many as there may be hits.
        """
        if RELATED not in question.lanes:
            return ()
        if not first:
            found.skipped[RELATED] = "no other lane found anything to begin with"
            return ()
        self.fetch(found, first)  # the hits are mostly the same
        clues = [clue for ref in first[:FIRST_EVENTS] for clue in self._names_in(found, ref)]
        try:
            names = self._search.ask(lambda view: followed(view, clues, question)) if clues else ()
        except UnavailableError as error:
            found.failed.append(_failed(RELATED, error))
            return ()
        found.followed = tuple(clue.written for clue in names)
        found.lanes[RELATED] = {}
        return tuple(dict.fromkeys(term for clue in names for term in clue.terms))

    def fetch(self, found: Found, refs: Sequence[EventRef]) -> None:
        """Read from the log what will be wanted of it, all at once, and each event once for each question."""
        new = [ref for ref in refs if ref not in found.events]
        read = self._read_many(new) if new else {}
        found.events.update((ref, read.get(ref)) for ref in new)

    def event(self, found: Found, ref: EventRef) -> Event | None:
        """Return an event from the log, or None where it holds none."""
        self.fetch(found, (ref,))
        return found.events[ref]

    def extraction(self, found: Found, event: Event) -> Extraction:
        """Return what an event means, made out once for each question."""
        if event.ref not in found.extractions:
            found.extractions[event.ref] = extract(event)
        return found.extractions[event.ref]

    def _names_in(self, found: Found, ref: EventRef) -> list[Clue]:
        event = self.event(found, ref)
        clues = [] if event is None else names_of(self.extraction(found, event), self._analyzer)
        return [clue for clue in clues if clue.kind is Kind.NAME]  # what entities lead to, the graph lane knows

    def _text_of(self, found: Found, ref: EventRef) -> str:
        event = self.event(found, ref)
        return "" if event is None else quote(event)

    def _none_yet(self) -> str:
        """Return why the lane cannot find anything although there is a model, empty when it can."""
        try:
            return "" if self._vectors.count() else "no event has a vector yet: run zaxy memory re-embed"
        except UnavailableError:
            return ""  # the lane itself says what is wrong


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _failed(lane: str, error: UnavailableError) -> Degraded:
    is_provider = isinstance(error, EmbeddingError)
    reason = Reason.EMBEDDING_PROVIDER_UNAVAILABLE if is_provider else failure(_STORES[lane], error)
    return Degraded(f"the {lane} lane did not run: {error}", reason)
