"""Reading the graph from LadybugDB: key by key and hop by hop, which is what it is fast at."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from zaxy.ids import EventRef
from zaxy.projections.graph.intake import SEPARATOR, entity_type_of
from zaxy.projections.graph.ladybug_schema import Rows, Run
from zaxy.projections.graph.timeline import precedence
from zaxy.projections.protocols import Ending, Entity, GraphCounts, Position, Ranked, Relation, Statement, ending_order
from zaxy.vocabulary.model import Role

ROWS_A_STATEMENT: Final = 500
_ENDING: Final = "s.id, r.seq, r.moment, r.recorded_at, r.lifted"

TOP: Final = 64
"""How many of its most recently stated entities a common token keeps at hand; more are read from all entities."""


def chunks(rows: Sequence[object]) -> Iterator[Sequence[object]]:
    """Cut rows into the portions that one statement takes."""
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        yield rows[start : start + ROWS_A_STATEMENT]


def look_up(run: Run, query: str, keys: Sequence[str]) -> Rows:
    """Run a query that looks up each of ``$keys`` by its primary key, in portions."""
    return [row for part in chunks(keys) for row in run(query, keys=part)]


def event_key(ref: EventRef) -> str:
    """Return how an event is named in a primary key."""
    return f"{ref.session_id}/{ref.seq}"


def read_cursor(run: Run) -> dict[str, Position]:
    """Return how far each session was applied."""
    rows = run("MATCH (s:Session) RETURN s.id, s.seq, s.hash, s.byte_offset, s.first_seq, s.inode, s.size, s.modified")
    return {
        session: Position(seq, digest, offset, first_seq, int(inode), size, modified)
        for session, seq, digest, offset, first_seq, inode, size, modified in rows
    }


def read_ranked(run: Run, token: str, limit: int) -> list[Ranked]:
    """Return entities that hold a token, most recently stated first."""
    rows = run("MATCH (t:Token) WHERE t.token = $token RETURN t.frequency, t.top", token=token)
    if not rows or limit < 1:
        return []
    frequency, top = rows[0][0], orjson.loads(rows[0][1] or b"[]")
    if not top:
        top = read_holders(run, token, limit)
    elif min(limit, frequency) > len(top):
        words = f"{SEPARATOR}{token}{SEPARATOR}"
        top = run("MATCH (e:Entity) WHERE e.words CONTAINS $words RETURN e.recent, e.key", words=words)
        top = heapq.nsmallest(limit, top, key=lambda row: (-row[0], row[1]))
    recent = {key: moment for moment, key in top[:limit]}
    return [Ranked(recent[entity.key], entity) for entity in read_entities(run, list(recent))]


def read_holders(run: Run, token: str, limit: int) -> list[tuple[int, str]]:
    """Return when it was last stated, and its key, of each entity that holds a token, latest first."""
    query = "MATCH (t:Token)-[:HOLDS]->(e:Entity) WHERE t.token = $token RETURN e.recent AS recent, e.key AS key"
    rows = run(f"{query} ORDER BY recent DESC, key LIMIT $limit", token=token, limit=limit)
    return [(recent, key) for recent, key in rows]


def read_frequency(run: Run, token: str) -> int:
    """Return how many entities hold a token."""
    rows = run("MATCH (t:Token) WHERE t.token = $token RETURN t.frequency", token=token)
    return int(rows[0][0]) if rows else 0


def read_entities(run: Run, keys: Sequence[str]) -> list[Entity]:
    """Return the entities with these keys, in that order."""
    wanted = list(dict.fromkeys(keys))
    query = "UNWIND $keys AS k MATCH (e:Entity) WHERE e.key = k RETURN e.key, e.name"
    names: dict[str, str] = {row[0]: row[1] for row in look_up(run, query, wanted)}
    return [Entity(key, entity_type_of(key), names[key]) for key in wanted if key in names]


def read_named_statements(run: Run, key: str) -> list[tuple[Statement, str]]:
    """Return every statement about an entity, with the name it used, in no order."""
    rows = run(
        "MATCH (e:Entity)-[r:STATES]->(s:Session) WHERE e.key = $key"
        " RETURN s.id, r.seq, r.valid_from, r.recorded_at, r.role, r.status, r.ended, r.trust, r.name",
        key=key,
    )
    return [(Statement(EventRef(row[0], row[1]), *row[2:8]), row[8]) for row in rows]


def read_statements(run: Run, key: str) -> list[Statement]:
    """Return every statement about an entity, ordered."""
    return sorted((statement for statement, _ in read_named_statements(run, key)), key=precedence)


def read_relations(run: Run, key: str) -> list[Relation]:
    """Return the relations that start or end at an entity, ordered."""
    told = "r.relation, r.session, r.seq, r.valid_from, r.recorded_at, r.ended"
    starting = run(f"MATCH (x:Entity)-[r:RELATES]->(y:Entity) WHERE x.key = $key RETURN x.key, y.key, {told}", key=key)
    arriving = run(f"MATCH (y:Entity)<-[r:RELATES]-(x:Entity) WHERE y.key = $key RETURN x.key, y.key, {told}", key=key)
    found: dict[tuple[str, str, str], list[Statement]] = {}
    for source, target, relation, session, seq, valid_from, recorded_at, ended in starting + [
        row
        for row in arriving
        if row[0] != key  # a relation to itself is among those that start here
    ]:
        statement = Statement(EventRef(session, seq), valid_from, recorded_at, Role.FACT.value, "", ended)
        found.setdefault((source, relation, target), []).append(statement)
    return [Relation(*triple, tuple(sorted(found[triple], key=precedence))) for triple in sorted(found)]


def read_stated_by(run: Run, ref: EventRef) -> list[str]:
    """Return the keys of the entities of which an event states a fact."""
    rows = run("MATCH (f:Fact) WHERE f.id = $id RETURN f.keys", id=event_key(ref))
    return list(orjson.loads(rows[0][0])) if rows else []


def read_endings(run: Run, ref: EventRef) -> list[Ending]:
    """Return what ends an event and what takes that back, ordered."""
    rows = run(f"MATCH (e:Ended)-[r:ENDED_BY]->(s:Session) WHERE e.id = $id RETURN {_ENDING}", id=event_key(ref))
    return sorted((Ending(EventRef(row[0], row[1]), *row[2:]) for row in rows), key=ending_order)


def read_few_endings(run: Run, most: int) -> dict[str, list[Ending]] | None:
    """Return all endings by the key of the event that they are about, or None when there are more than ``most``."""
    rows = run(f"MATCH (e:Ended)-[r:ENDED_BY]->(s:Session) RETURN {_ENDING}, e.id LIMIT $most", most=most + 1)
    if len(rows) > most:
        return None
    found: dict[str, list[Ending]] = {}
    for session, seq, moment, recorded_at, lifted, ended in rows:
        found.setdefault(ended, []).append(Ending(EventRef(session, seq), moment, recorded_at, lifted))
    return {ended: sorted(endings, key=ending_order) for ended, endings in found.items()}


def read_entity_count(run: Run) -> int:
    """Return how many entities there are."""
    return int(run("MATCH (e:Entity) RETURN count(*)")[0][0])


def read_counts(run: Run) -> GraphCounts:
    """Return how much the graph holds. Counting relations goes through all of them."""
    entities = read_entity_count(run)
    statements = run("MATCH (:Entity)-[r:STATES]->(:Session) RETURN count(*)")[0][0]
    relations = run(
        "MATCH (x:Entity)-[r:RELATES]->(y:Entity)"
        " WITH DISTINCT x.key AS source, r.relation AS relation, y.key AS target RETURN count(*)"
    )[0][0]
    return GraphCounts(entities, statements, relations)
