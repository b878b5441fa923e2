"""From when on it counts as known that a value which something forgotten had replaced is no longer so."""

from __future__ import annotations

from typing import Any

from zaxy.clock import format_time
from zaxy.eventloom.event import Event
from zaxy.ids import EventRef
from zaxy.vocabulary.model import VOID, Invalidation
from zaxy.vocabulary.reading import EventReader

SECOND = 1_000_000
FIRST_MOMENT = 1_795_000_000_000_000


def at(seq: int) -> int:
    return FIRST_MOMENT + seq * SECOND


def log_of(*told: tuple[str, dict[str, Any]]) -> dict[EventRef, Event]:
    made = [
        Event(
            seq=seq,
            id=f"evt_zaxy_{seq:012}_0123456789abcdef",
            event_type=event_type,
            actor="ann",
            session_id="work",
            payload=payload,
            recorded_at=format_time(at(seq)),
            hash=f"sha256:{seq:064x}",
        )
        for seq, (event_type, payload) in enumerate(told, 1)
    ]
    return {event.ref: event for event in made}


def ends(log: dict[EventRef, Event], seq: int) -> dict[int, Invalidation]:
    reader = EventReader(log.get, lambda event: event)
    return {one.seq: one for one in reader.meaning(log[EventRef("work", seq)]).extraction.invalidations}


def test_what_was_retired_is_known_to_be_so_since_the_first_of_the_forgotten_events_was_recorded() -> None:
    told = ("note.taken", {"content": "tea"})
    forgotten = {
        "target": {"seq": 4},
        "also": [{"seq": 3}],
        "retired": [{"seq": 1}, {"seq": 2}],
        "moment": format_time(at(3)),
    }
    effects = ends(log_of(told, told, told, told, ("memory.forgotten", forgotten)), 5)
    assert effects == {
        1: Invalidation("work", 1, at(3), known_from=at(3)),
        2: Invalidation("work", 2, at(3), known_from=at(3)),
        3: Invalidation("work", 3, VOID),
        4: Invalidation("work", 4, VOID),
    }


def test_without_an_event_that_is_forgotten_it_is_known_since_the_forgetting() -> None:
    forgotten = {"target": {"seq": 9}, "retired": [{"seq": 1}], "moment": format_time(at(1))}
    effects = ends(log_of(("note.taken", {"content": "tea"}), ("memory.forgotten", forgotten)), 2)
    assert effects == {1: Invalidation("work", 1, at(1), known_from=at(2))}


def test_a_rollback_of_a_forgetting_is_known_no_earlier_than_it_was_recorded() -> None:
    told = ("note.taken", {"content": "tea"})
    forgotten = {"target": {"seq": 2}, "retired": [{"seq": 1}], "moment": format_time(at(2))}
    log = log_of(told, told, ("memory.forgotten", forgotten), ("memory.rolled_back", {"target": {"seq": 3}}))
    assert ends(log, 4)[1] == Invalidation("work", 1, at(2), lifted=True)
