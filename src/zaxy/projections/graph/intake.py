"""What one event adds to a graph: the same reading, and the same thinning of repeats, for every back end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from zaxy.errors import ProjectionError
from zaxy.ids import EventRef
from zaxy.projections.protocols import Ending, Position, Statement
from zaxy.projections.selection import marks_of
from zaxy.vocabulary.governed import EVENT
from zaxy.vocabulary.model import SINGLE_VALUED_ENTITY_TYPES, Meaning, Role

Analyze = Callable[[str], Sequence[str]]
"""Turns a name or a type into the tokens that it can be found by."""

SEPARATOR = "\x1f"
"""Joins the parts of composed keys: white space to `str.split`, so no folded name holds it."""


@dataclass(frozen=True, slots=True)
class Told:
    """A statement about an entity, with the entity's name as this event writes it."""

    key: str
    name: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class Related:
    """A statement about a relation.

    Attributes:
        source: Key of the entity it starts at.
        relation: Its type.
        target: Key of the entity it ends at.
        statement: What the event says.
        repeatable: Whether the event only mentions both ends, so that saying it again adds nothing.
    """

    source: str
    relation: str
    target: str
    statement: Statement
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Intake:
    """What one event adds: statements about entities, about relations, and endings of other events."""

    ref: EventRef
    told: tuple[Told, ...] = ()
    related: tuple[Related, ...] = ()
    ended: tuple[tuple[EventRef, Ending], ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """The last statement kept of a thing in a session, once it was only mentioned: what a repeat is compared with."""

    ended: bool
    valid_from: int


def entity_type_of(key: str) -> str:
    """Return the type that an entity's key begins with."""
    return key.partition(":")[0]


def tokens_of(key: str, name: str, analyze: Analyze) -> tuple[str, ...]:
    """Return the tokens that an entity is found by, each once, ordered.

    What stands for an event has none: it is reached by its key, and would crowd out the things that a word names.
    """
    if entity_type_of(key) == EVENT:
        return ()
    return tuple(sorted({token for text in (entity_type_of(key), name) for token in analyze(text) if token}))


def check_batch(meanings: Sequence[Meaning], cursor: Mapping[str, Position], positions: Mapping[str, Position]) -> None:
    """Refuse a batch that would store an event twice or leave the cursor behind the content.

    Raises:
        ProjectionError: An event at or before its session's cursor, out of order, or beyond the new cursor.
    """
    reached = {session: position.seq for session, position in cursor.items()}
    for meaning in meanings:
        ref = meaning.event.ref
        if ref.seq <= reached.get(ref.session_id, 0):
            raise ProjectionError(f"event {ref.seq} of session {ref.session_id} was applied before, or out of order")
        reached[ref.session_id] = ref.seq
        if ref.session_id not in positions or positions[ref.session_id].seq < ref.seq:
            raise ProjectionError(f"the new cursor of session {ref.session_id} does not cover its event {ref.seq}")


def read_meaning(meaning: Meaning) -> Intake:
    """Return what an event adds to a graph, before repeats are left out.

    An entity that is given twice counts once, as a fact if either is one. An end of a relation that the event does
    not state is taken as mentioned.
    """
    event, extraction = meaning.event, meaning.extraction
    if not (extraction.entities or extraction.relations or extraction.invalidations):
        return Intake(event.ref)
    place = (event.ref, event.occurred_moment, event.recorded_moment)
    told: dict[str, Told] = {}
    for given in extraction.entities:
        key = given.entity.key
        if key not in told or (given.role is Role.FACT and told[key].statement.role != Role.FACT):
            weighed = given.role is Role.FACT and given.entity.entity_type in SINGLE_VALUED_ENTITY_TYPES
            trust = meaning.trust if weighed else 0
            statement = Statement(*place, given.role.value, given.status, given.ended, trust)
            told[key] = Told(key, given.entity.name, statement)
    related: dict[tuple[str, str, str], Related] = {}
    for link in extraction.relations:
        for end in (link.source, link.target):
            mention = Statement(*place, Role.MENTION.value, "", ended=False)
            told.setdefault(end.key, Told(end.key, end.name, mention))
        source, target = link.source.key, link.target.key
        repeatable = all(told[key].statement.role == Role.MENTION for key in (source, target))
        statement = Statement(*place, Role.FACT.value, "", link.ended)
        related[source, link.relation, target] = Related(source, link.relation, target, statement, repeatable)
    ended = dict.fromkeys((target, Ending(event.ref, *mark)) for target, mark in marks_of(meaning))
    return Intake(event.ref, tuple(told.values()), tuple(related.values()), tuple(ended))


def mark_of_mention(session_id: str, key: str) -> str:
    """Return the key of the mark that a session's mention of an entity leaves."""
    return f"{session_id}{SEPARATOR}{key}"


def mark_of_relation(session_id: str, source: str, relation: str, target: str) -> str:
    """Return the key of the mark that a session's statement of a relation leaves."""
    return SEPARATOR.join((session_id, source, relation, target))


def marks_wanted(intake: Intake) -> list[str]:
    """Return the keys of the marks that `thin` will look at."""
    session = intake.ref.session_id
    wanted = [mark_of_mention(session, told.key) for told in intake.told if told.statement.role == Role.MENTION]
    return wanted + [mark_of_relation(session, link.source, link.relation, link.target) for link in intake.related]


def is_repeat(statement: Statement, mark: Mark | None) -> bool:
    """Return whether a relation's statement adds nothing to the last one kept of the same session."""
    return mark is not None and mark.ended == statement.ended and statement.valid_from >= mark.valid_from


def thin(intake: Intake, marks: MutableMapping[str, Mark]) -> Intake:
    """Return the intake without the repeats, and note in `marks` what was kept.

    Of the mentions of an entity a session keeps the first; of the statements of a relation between two mentioned
    entities those that end it, begin it again or date it earlier. Facts, and relations of which an end is a fact,
    are always kept: an invalidation takes back one event, and what another event said must remain.

    So a relation between two things that a session only mentioned, such as who edited a file, stops counting there when
    the event that said it first is ended, also where a later one that is not had said it again: the repeat is not kept.
    It counts again once the session dates it earlier, or says that it ended and then that it is so. An event that is
    erased takes no repeats with it: the graph is made anew without it.
    """
    session = intake.ref.session_id
    told, related = [], []
    for item in intake.told:
        if item.statement.role == Role.MENTION:
            name = mark_of_mention(session, item.key)
            if name in marks:
                continue
            marks[name] = Mark(item.statement.ended, item.statement.valid_from)
        told.append(item)
    for link in intake.related:
        name = mark_of_relation(session, link.source, link.relation, link.target)
        mark = marks.get(name)
        if link.repeatable and is_repeat(link.statement, mark):
            continue
        if link.repeatable or mark is not None:  # until something could be a repeat, there is nothing to compare with
            marks[name] = Mark(link.statement.ended, link.statement.valid_from)
        related.append(link)
    return Intake(intake.ref, tuple(told), tuple(related), intake.ended)
