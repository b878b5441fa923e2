"""The trace of a loom: spans and edges, replayed from its logs in one pass, whatever their size."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from zaxy.clock import parse_time
from zaxy.errors import LogDamagedError, NotALogError, NotFoundError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.projections.selection import Names
from zaxy.services.operations.trace_document import Parts, Trace
from zaxy.services.operations.trace_edges import Scope, SessionEdges
from zaxy.services.operations.trace_model import Kind, TraceSession, TraceSummary
from zaxy.services.operations.trace_spans import SpanReader, span_of
from zaxy.vocabulary.reading import EventReader

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class TraceChoice:
    """What to export.

    Attributes:
        sessions: Ids of sessions and globs (``conv-26.*``); none means all.
        occurred_from: Only what happened from then on, RFC 3339.
        occurred_to: Only what happened up to then, RFC 3339.
    """

    sessions: tuple[str, ...] = ()
    occurred_from: str | None = None
    occurred_to: str | None = None

    def covers(self) -> Callable[[Event], bool]:
        """Return what tells whether an event is in the wanted time.

        Raises:
            InvalidInputError: One of the times is none.
        """
        if self.occurred_from is None and self.occurred_to is None:
            return lambda _: True
        first = None if self.occurred_from is None else parse_time(self.occurred_from)
        last = None if self.occurred_to is None else parse_time(self.occurred_to)
        return lambda event: (
            (first is None or event.occurred_moment >= first) and (last is None or event.occurred_moment <= last)
        )


class TraceService:
    """Exports the trace of a loom, from its logs alone. Reads them and writes nothing.

    Args:
        loom: The logs.
        reader: Gives events as they are meant.
        include_queries: Whether the text of queries may be exported.
    """

    def __init__(self, loom: Eventloom, reader: EventReader, *, include_queries: bool = False) -> None:
        self._loom = loom
        self._spans = SpanReader(reader, include_queries=include_queries)

    def export(self, choice: TraceChoice | None = None, *, progress: Progress | None = None) -> Trace:
        """Read the chosen sessions and return their trace.

        The same logs give the same trace. Memory does not grow with the events, only with the missions and findings
        among them. A damaged session is exported up to its damage, and its record says so.

        Args:
            choice: What to export; None for everything.
            progress: Told how many sessions are done.

        Raises:
            NotFoundError: There is no such loom or session.
            InvalidInputError: The choice is none.
        """
        wanted = choice or TraceChoice()
        covers = wanted.covers()
        names = self._chosen(wanted.sessions)
        with contextlib.ExitStack() as undone:
            parts = Parts()
            undone.callback(parts.close)
            scope = Scope(frozenset(names), covers, self._read_many, parts.keyed)
            reading = _Reading(parts, scope, self._spans)
            for done, session_id in enumerate(names, start=1):
                reading.session(self._loom, session_id)
                if progress is not None:
                    progress(done, len(names))
            undone.pop_all()
        return reading.trace()

    def _chosen(self, patterns: Iterable[str]) -> list[str]:
        if not self._loom.path.is_dir():
            raise NotFoundError(f"there is no loom at {self._loom.path}", remedy="make one: zaxy init")
        held = self._loom.sessions()
        given = tuple(patterns)
        for pattern in given:
            one = Names.of(pattern, what="session")
            if one is None or not any(name in one for name in held):
                raise NotFoundError(f"there is no session {pattern!r}", remedy="see which exist: zaxy memory status")
        chosen = Names.of(given or None, what="session")
        return held if chosen is None else [name for name in held if name in chosen]

    def _read_many(self, refs: Collection[EventRef]) -> Mapping[EventRef, Event]:
        held = self._loom.stats()  # a citation may name anything as its session
        return self._loom.read_many(ref for ref in refs if ref.session_id in held)


class _Reading:
    """One pass over the chosen sessions."""

    def __init__(self, parts: Parts, scope: Scope, spans: SpanReader) -> None:
        self._parts = parts
        self._scope = scope
        self._see = spans.see
        self._kinds: Counter[Kind] = Counter()
        self._sessions: list[TraceSession] = []
        self._skipped: list[str] = []

    def session(self, loom: Eventloom, session_id: str) -> None:
        """Read one session to its end or its damage."""
        edges, count, digest = SessionEdges(session_id, self._scope), 0, None
        damage: LogDamagedError | None = None
        log = loom.log(session_id)
        seq = 0
        try:
            for raw in log.replay():
                self._take(raw, edges)
                count, seq, digest = count + 1, raw.seq, raw.hash.removeprefix("sha256:")
        except NotALogError:
            self._skipped.append(str(log.path))
            return
        except LogDamagedError as error:
            damage = error
        reason = None if damage is None else getattr(damage.__cause__, "message", damage.message)
        broken_at = None if damage is None else damage.seq
        self._sessions.append(TraceSession(broken_at, reason, count, damage is None, digest, seq, session_id))

    def _take(self, raw: Event, edges: SessionEdges) -> None:
        seen = self._see(raw)
        kind = edges.kind(seen)
        is_covered = self._scope.covers(raw)
        if is_covered:
            self._parts.add_span(span_of(seen, kind))
            self._kinds[kind] += 1
        for edge in edges.take(seen, kind):
            if is_covered:
                self._parts.add_edge(edge)

    def trace(self) -> Trace:
        """Return what was read."""
        kinds = self._kinds
        summary = TraceSummary(
            edge_count=self._parts.edge_count(),
            finding_count=kinds[Kind.FINDING],
            mission_count=kinds[Kind.MISSION],
            model_call_count=kinds[Kind.MODEL_CALL],
            span_count=kinds.total(),
            tool_call_count=kinds[Kind.TOOL_CALL],
        )
        return Trace(self._parts, summary, tuple(self._sessions), tuple(self._skipped))
