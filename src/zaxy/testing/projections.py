"""The contract of a projection in executable form, and builders of what projections are fed with.

A test module inherits a contract and gives it a back end::

    class TestMyStore(ProjectionContract):
        def make_store(self, folder):
            return MyStore(folder / "store")
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zaxy.clock import format_time
from zaxy.eventloom.event import Event
from zaxy.ids import EventRef
from zaxy.projections.protocols import Position, Projection
from zaxy.projections.selection import Mark
from zaxy.vocabulary.model import (
    EntityRef,
    EntityStatement,
    EventClass,
    Extraction,
    Invalidation,
    Meaning,
    RelationStatement,
    Role,
)

SECOND = 1_000_000
"""A second in microseconds."""


def make_event(session_id: str, seq: int, *, recorded: int | None = None, occurred: int | None = None) -> Event:
    """Return an event with hashes that are well formed and belong to no log.

    Args:
        session_id: Its session.
        seq: Its place there.
        recorded: When the log learned it, microseconds; ``seq`` seconds after 1970 when not given.
        occurred: When it happened in the world, microseconds; when it was recorded when not given.
    """
    payload: Mapping[str, Any] = {} if occurred is None else {"occurred_at": format_time(occurred)}
    return Event(
        seq=seq,
        id=f"evt_zaxy_{seq:012}_{_digest(session_id, seq)[:16]}",
        event_type="note.made",
        actor="ann",
        session_id=session_id,
        payload=payload,
        recorded_at=format_time(seq * SECOND if recorded is None else recorded),
        hash=f"sha256:{_digest(session_id, seq)}",
        previous_hash=f"sha256:{_digest(session_id, seq - 1)}" if seq > 1 else None,
    )


def _digest(session_id: str, seq: int) -> str:
    return hashlib.sha256(f"{session_id}/{seq}".encode()).hexdigest()


def fact(entity_type: str, name: str, status: str = "", *, ended: bool = False) -> EntityStatement:
    """Return the statement that something is so about an entity."""
    return EntityStatement(EntityRef(entity_type, name), Role.FACT, status, ended)


def mention(entity_type: str, name: str) -> EntityStatement:
    """Return the statement that an entity exists."""
    return EntityStatement(EntityRef(entity_type, name), Role.MENTION)


def link(source: EntityStatement, relation: str, target: EntityStatement, *, ended: bool = False) -> RelationStatement:
    """Return the statement that two entities are related."""
    return RelationStatement(source.entity, relation, target.entity, ended)


def make_meaning(
    event: Event,
    *entities: EntityStatement,
    relations: Iterable[RelationStatement] = (),
    ends: Iterable[Invalidation] = (),
    text: str = "",
    trust: int = 0,
) -> Meaning:
    """Return an event with what it means."""
    extraction = Extraction(text, EventClass.MEMORY, entities, tuple(relations), tuple(ends))
    return Meaning(event, extraction, trust=trust)


def marks_in(meanings: Iterable[Meaning]) -> dict[EventRef, list[Mark]]:
    """Return the marks that events set, by the event that they are about."""
    found: dict[EventRef, list[Mark]] = {}
    for meaning in meanings:
        for told in meaning.extraction.invalidations:
            known_from = meaning.event.recorded_moment if told.known_from is None else told.known_from
            mark = Mark(told.moment, known_from, told.lifted)
            found.setdefault(EventRef(told.session_id, told.seq), []).append(mark)
    return found


def is_ended(marks: Sequence[Mark], world: int, known_at: int | None) -> bool:
    """Return whether an event with these marks had ended at a moment of the world, counted out one moment at a time."""
    known = [mark for mark in marks if known_at is None or mark.recorded_at <= known_at]
    return any(
        sum(1 for mark in known if mark.moment == moment and not mark.lifted)
        > sum(1 for mark in known if mark.moment == moment and mark.lifted)
        for moment in {mark.moment for mark in known}
        if moment <= world
    )


def with_restored(meanings: Sequence[Meaning]) -> list[Meaning]:
    """Return events so that each one that takes back an ending brings along the event that had ended."""
    by_ref = {meaning.event.ref: meaning for meaning in meanings}
    found = []
    for meaning in meanings:
        lifted = [EventRef(told.session_id, told.seq) for told in meaning.extraction.invalidations if told.lifted]
        found.append(replace(meaning, restored=tuple(by_ref[ref] for ref in lifted if ref in by_ref)))
    return found


def position_after(event: Event) -> Position:
    """Return the cursor of a session of which this event was the last one read."""
    return Position(seq=event.seq, hash=event.hash, offset=event.seq * 500, inode=2**63 + 9, size=9_000, modified=7)


def positions_after(meanings: Iterable[Meaning]) -> dict[str, Position]:
    """Return the cursor after these events, each session's in order."""
    return {meaning.event.session_id: position_after(meaning.event) for meaning in meanings}


def feed(store: Projection, meanings: Sequence[Meaning], *, batch: int = 1_000) -> None:
    """Apply events in batches, moving the cursor along."""
    for start in range(0, len(meanings), batch):
        part = meanings[start : start + batch]
        store.apply(part, positions_after(part))


@contextlib.contextmanager
def refused(kind: type[Exception]) -> Iterator[None]:
    """Check that a block raises this error."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


class ProjectionContract:
    """What holds for every projection. Inherit it and define `make_store`."""

    def make_store(self, folder: Path) -> Projection:
        """Return a new, empty store that keeps its files, if it has any, in ``folder``."""
        raise NotImplementedError  # which store is tested, the class that inherits the contract says

    def test_a_new_store_has_reached_no_session(self, tmp_path: Path) -> None:
        with contextlib.closing(self.make_store(tmp_path)) as store:
            assert dict(store.cursor()) == {}

    def test_the_cursor_comes_back_as_it_was_given(self, tmp_path: Path) -> None:
        with contextlib.closing(self.make_store(tmp_path)) as store:
            first = [make_meaning(make_event("one", 1), mention("person", "Ann"), text="hello")]
            feed(store, first)
            later = Position(seq=9, hash="sha256:ff", offset=12, first_seq=4, inode=5, size=6, modified=7)
            store.apply([], {"one": later, "two": later})
            assert dict(store.cursor()) == {"one": later, "two": later}

    def test_dropping_a_session_forgets_its_cursor_and_no_other(self, tmp_path: Path) -> None:
        with contextlib.closing(self.make_store(tmp_path)) as store:
            meanings = [make_meaning(make_event(name, 1), fact("goal", name), text=name) for name in ("one", "two")]
            feed(store, meanings)
            store.drop(["one", "unknown"])
            assert dict(store.cursor()) == positions_after(meanings[1:])

    def test_a_reset_store_takes_in_the_same_events_again(self, tmp_path: Path) -> None:
        with contextlib.closing(self.make_store(tmp_path)) as store:
            meanings = [make_meaning(make_event("one", seq), fact("goal", "win"), text="win") for seq in (1, 2)]
            feed(store, meanings)
            store.reset()
            assert dict(store.cursor()) == {}
            feed(store, meanings)
            assert dict(store.cursor()) == positions_after(meanings)

    def test_closing_twice_is_fine(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        store.close()
        store.close()

    def test_a_store_says_what_it_is(self, tmp_path: Path) -> None:
        with contextlib.closing(self.make_store(tmp_path)) as store:
            assert store.capabilities.name
