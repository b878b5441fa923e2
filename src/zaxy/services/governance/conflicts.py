"""Where sources contradict each other: several values that nobody retired, of something that has one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from zaxy.clock import Clock
from zaxy.eventloom.event import Event
from zaxy.ids import EventRef
from zaxy.projections.graph.disputes import Claim, claims
from zaxy.projections.protocols import Entity, GraphReader
from zaxy.projections.selection import Names, Selection
from zaxy.vocabulary.model import SINGLE_VALUED_ENTITY_TYPES

MOST_THINGS: Final = 10_000
"""How many things of a type are looked at, those spoken of last first."""

AskGraph = Callable[[Callable[[GraphReader], Any]], Any]
"""Asks the graph, brought up to the end of the log first."""


@dataclass(frozen=True, slots=True)
class ConflictingValue:
    """What one source says.

    Attributes:
        value: The value, as it was said.
        actor: Who says so.
        source: What kind of source stands behind it; empty where the log does not say.
        since: When it was said of, RFC 3339.
        citation: The event that says so.
    """

    value: str
    actor: str
    source: str
    since: str
    citation: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One thing of which sources give different values.

    Attributes:
        entity_type: Such as ``preference``.
        name: Its name.
        current: The value that counts: the newest of the most trusted source.
        others: What the other sources say, latest first; history to every answer.
    """

    entity_type: str
    name: str
    current: ConflictingValue
    others: tuple[ConflictingValue, ...]


class ConflictService:
    """Lists contradictions.

    Args:
        ask_graph: Knows what was stated.
        read: Gives an event as it is meant.
        analyze: Turns a type's name into the terms that things are found by.
        clock: What "now" is.
    """

    def __init__(
        self,
        ask_graph: AskGraph,
        read: Callable[[EventRef], Event | None],
        analyze: Callable[[str], list[str]],
        clock: Clock,
    ) -> None:
        self._ask_graph = ask_graph
        self._read = read
        self._analyze = analyze
        self._clock = clock

    def list(self, *, session_id: str | None = None) -> tuple[Conflict, ...]:
        """Return what contradicts itself now, ordered by type and name.

        Compared is the last word of each actor, in each session and capacity. Who took it back claims nothing, and of
        a thing that has no value any more nothing is told. What is untrusted states nothing.

        Args:
            session_id: Only what was said in this session or glob; None means all of them.

        Raises:
            InvalidInputError: The session filter cannot be read.
        """
        selection = Selection(sessions=Names.of(session_id, what="session"), now=self._clock.now())

        def find(graph: GraphReader) -> list[Conflict]:
            found = []
            for entity_type in sorted(SINGLE_VALUED_ENTITY_TYPES):
                things = graph.find(self._analyze(entity_type)[0], MOST_THINGS)
                for entity in (thing for thing in things if thing.entity_type == entity_type):
                    told = claims(graph.statements(entity.key), graph.endings, selection, self._read)
                    if told is not None:
                        found.append(_conflict(entity, *told))
            return found

        return tuple(sorted(self._ask_graph(find), key=lambda conflict: (conflict.entity_type, conflict.name)))


def _conflict(entity: Entity, current: Claim, others: tuple[Claim, ...]) -> Conflict:
    return Conflict(entity.entity_type, entity.name, _value(current), tuple(_value(claim) for claim in others))


def _value(claim: Claim) -> ConflictingValue:
    return ConflictingValue(
        claim.value,
        claim.event.actor,
        "" if claim.source is None else claim.source.value,
        claim.event.occurred_at,
        claim.event.citation,
    )
