"""Writing the graph to LadybugDB: keys are looked up first, then rows are created or set in bulk, never merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Final

import orjson

from zaxy.projections.graph.intake import Analyze, Intake, Mark, Related, Told, marks_wanted, thin
from zaxy.projections.graph.ladybug_entities import EntityWriter, Row, write_rows
from zaxy.projections.graph.ladybug_reading import event_key, look_up
from zaxy.projections.graph.ladybug_schema import Run
from zaxy.projections.protocols import Position
from zaxy.vocabulary.model import Role

_REMOVED_AT_ONCE: Final = 10_000
_POSITION = "seq: r.seq, hash: r.hash, byte_offset: r.offset, first_seq: r.first_seq, inode: r.inode, size: r.size,"
_SET_POSITION = (
    "s.seq = r.seq, s.hash = r.hash, s.byte_offset = r.offset, s.first_seq = r.first_seq, s.inode = r.inode,"
)


class Writer:
    """Writes batches through one connection. The caller holds the transaction.

    Args:
        run: Runs a statement.
        analyze: Turns names and types into tokens.
    """

    def __init__(self, run: Run, analyze: Analyze) -> None:
        self._run = run
        self._entities = EntityWriter(run, analyze)

    def _each(self, query: str, rows: Sequence[Row]) -> None:
        write_rows(self._run, query, rows)

    # Taking in.

    def cursor_of(self, sessions: Iterable[str]) -> dict[str, Position]:
        """Return the positions of these sessions."""
        rows = look_up(
            self._run,
            "UNWIND $keys AS k MATCH (s:Session) WHERE s.id = k RETURN s.id, s.seq, s.hash, s.byte_offset",
            sorted(sessions),
        )
        return {row[0]: Position(*row[1:]) for row in rows}

    def take_in(self, intakes: Sequence[Intake], known: Iterable[str], positions: Mapping[str, Position]) -> None:
        """Write what events add, and the cursor.

        Args:
            intakes: What each event adds, with its repeats.
            known: Sessions that have a cursor already.
            positions: The new cursor of each session that moved.
        """
        self._set_cursor(frozenset(known), positions)
        kept = self._without_repeats(intakes)
        self._entities.take_in([told for intake in kept for told in intake.told])
        self._write_statements(kept)
        self._write_endings(kept)

    def _set_cursor(self, known: frozenset[str], positions: Mapping[str, Position]) -> None:
        rows: list[Row] = [
            {"id": session, **asdict(position), "inode": str(position.inode)}  # may exceed the library's integers
            for session, position in positions.items()
        ]
        self._each(
            f"CREATE (:Session {{id: r.id, {_POSITION} modified: r.modified}})",
            [row for row in rows if row["id"] not in known],
        )
        self._each(
            f"MATCH (s:Session) WHERE s.id = r.id SET {_SET_POSITION} s.size = r.size, s.modified = r.modified",
            [row for row in rows if row["id"] in known],
        )

    def _without_repeats(self, intakes: Sequence[Intake]) -> list[Intake]:
        sessions = {key: intake.ref.session_id for intake in intakes for key in marks_wanted(intake)}
        query = "UNWIND $keys AS k MATCH (m:Mark) WHERE m.id = k RETURN m.id, m.ended, m.valid_from"
        before = {row[0]: Mark(row[1], row[2]) for row in look_up(self._run, query, list(sessions))}
        marks = dict(before)
        kept = [thin(intake, marks) for intake in intakes]
        rows: list[Row] = [
            {"id": key, "session": sessions[key], "ended": mark.ended, "valid_from": mark.valid_from}
            for key, mark in marks.items()
            if before.get(key) != mark
        ]
        self._each(
            "CREATE (:Mark {id: r.id, session: r.session, ended: r.ended, valid_from: r.valid_from})",
            [row for row in rows if row["id"] not in before],
        )
        self._each(
            "MATCH (m:Mark) WHERE m.id = r.id SET m.ended = r.ended, m.valid_from = r.valid_from",
            [row for row in rows if row["id"] in before],
        )
        return kept

    def _write_statements(self, intakes: Sequence[Intake]) -> None:
        told = [_told_row(item) for intake in intakes for item in intake.told]
        related = [_related_row(link) for intake in intakes for link in intake.related]
        facts: list[Row] = []
        for intake in intakes:
            keys = sorted(item.key for item in intake.told if item.statement.role == Role.FACT)
            if keys:
                stated = orjson.dumps(keys).decode()
                facts.append({"id": event_key(intake.ref), "session": intake.ref.session_id, "keys": stated})
        self._each("CREATE (:Fact {id: r.id, session: r.session, keys: r.keys})", facts)
        self._each(
            "MATCH (e:Entity) WHERE e.key = r.key MATCH (s:Session) WHERE s.id = r.session"
            " CREATE (e)-[:STATES {seq: r.seq, valid_from: r.valid, recorded_at: r.recorded, role: r.role,"
            " status: r.status, ended: r.ended, trust: r.trust, name: r.name}]->(s)",
            told,
        )
        self._each(
            "MATCH (x:Entity) WHERE x.key = r.source MATCH (y:Entity) WHERE y.key = r.target"
            " CREATE (x)-[:RELATES {relation: r.relation, session: r.session, seq: r.seq, valid_from: r.valid,"
            " recorded_at: r.recorded, ended: r.ended}]->(y)",
            related,
        )

    def _write_endings(self, intakes: Sequence[Intake]) -> None:
        rows: list[Row] = [
            {
                "id": event_key(ref),
                "session": ending.by.session_id,
                "seq": ending.by.seq,
                "moment": ending.moment,
                "recorded": ending.recorded_at,
                "lifted": ending.lifted,
            }
            for intake in intakes
            for ref, ending in intake.ended
        ]
        wanted = list(dict.fromkeys(row["id"] for row in rows))
        query = "UNWIND $keys AS k MATCH (e:Ended) WHERE e.id = k RETURN e.id"
        known = {row[0] for row in look_up(self._run, query, wanted)}
        self._each("CREATE (:Ended {id: r.id})", [{"id": key} for key in wanted if key not in known])
        self._each(
            "MATCH (e:Ended) WHERE e.id = r.id MATCH (s:Session) WHERE s.id = r.session"
            " CREATE (e)-[:ENDED_BY {seq: r.seq, moment: r.moment, recorded_at: r.recorded, lifted: r.lifted}]->(s)",
            rows,
        )

    # Taking out.

    def drop(self, sessions: Iterable[str]) -> None:
        """Remove what came from these sessions, and the entities and tokens that nothing else states."""
        touched: set[str] = set()
        for session in sorted(set(sessions)):
            query = "MATCH (e:Entity)-[r:STATES]->(s:Session) WHERE s.id = $id"
            touched.update(row[0] for row in self._run(f"{query} RETURN DISTINCT e.key", id=session))
            for removed in (
                query,
                "MATCH (:Entity)-[r:RELATES]->(:Entity) WHERE r.session = $id",
                "MATCH (:Ended)-[r:ENDED_BY]->(s:Session) WHERE s.id = $id",
                "MATCH (r:Fact) WHERE r.session = $id",
                "MATCH (r:Mark) WHERE r.session = $id",
                "MATCH (r:Session) WHERE r.id = $id",
            ):
                self._remove(removed, session)
        self._run("MATCH (e:Ended) WHERE NOT EXISTS { MATCH (e)-[:ENDED_BY]->(:Session) } DELETE e")
        self._entities.settle(sorted(touched))

    def _remove(self, query: str, session: str) -> None:
        """Delete all that a query matches as ``r``, in portions that the buffer pool can hold."""
        query = f"{query} WITH r LIMIT {_REMOVED_AT_ONCE} DELETE r RETURN count(*)"
        while self._run(query, id=session)[0][0] == _REMOVED_AT_ONCE:
            pass


def _told_row(told: Told) -> Row:
    statement = told.statement
    return {
        "key": told.key,
        "session": statement.ref.session_id,
        "seq": statement.ref.seq,
        "valid": statement.valid_from,
        "recorded": statement.recorded_at,
        "role": statement.role,
        "status": statement.status,
        "ended": statement.ended,
        "trust": statement.trust,
        "name": told.name,
    }


def _related_row(link: Related) -> Row:
    statement = link.statement
    return {
        "source": link.source,
        "target": link.target,
        "relation": link.relation,
        "session": statement.ref.session_id,
        "seq": statement.ref.seq,
        "valid": statement.valid_from,
        "recorded": statement.recorded_at,
        "ended": statement.ended,
    }
