"""Events as they are meant: what the reader makes of corrections, endorsements, rollbacks and forgettings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from zaxy.clock import format_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import ORIGIN_KEY, Origin, SourceClass
from zaxy.ids import EventRef
from zaxy.vocabulary.governed import told_change
from zaxy.vocabulary.model import VOID, Invalidation, Role
from zaxy.vocabulary.payloads import CIPHER_KEY
from zaxy.vocabulary.reading import FORGOTTEN, SEALED, VIEW_KEY, EventReader
from zaxy.vocabulary.wording import replaced, reworded, said

FIRST_MOMENT = 1_795_000_000_000_000


class Shelf:
    """Events by place, without a log: what any program may have written can stand here."""

    def __init__(self) -> None:
        self.events: dict[EventRef, Event] = {}
        self.keys: dict[int, Mapping[str, Any]] = {}
        self.reads = 0
        self.reader = EventReader(self.read, self.open)

    def put(self, event_type: str, payload: dict[str, Any], *, session_id: str = "work") -> Event:
        seq = len(self.events) + 1
        event = Event(
            seq=seq,
            id=f"evt_zaxy_{seq:012}_0123456789abcdef",
            event_type=event_type,
            actor="ann" if event_type.startswith("note") else "zaxy-editor",
            session_id=session_id,
            payload=payload,
            recorded_at=format_time(FIRST_MOMENT + seq * 1_000_000),
            hash=f"sha256:{seq:064x}",
        )
        self.events[event.ref] = event
        return event

    def read(self, ref: EventRef) -> Event | None:
        self.reads += 1
        return self.events.get(ref)

    def open(self, event: Event) -> Event:
        told = self.keys.get(event.seq)
        return event if told is None else replace(event, payload=told)

    def correct(self, target: Event, content: str, *supersedes: Event, **more: Any) -> Event:
        told = {"target": target_of(target), "content": content, "reason": "typo"}
        cited = [event.citation for event in supersedes]
        return self.put("memory.corrected", {**told, "supersedes": cited, **more})

    def roll_back(self, target: Event, *also: Event) -> Event:
        reverts = {"event_type": target.event_type, "also": [event.citation for event in also]}
        return self.put("memory.rolled_back", {"target": target_of(target), "reason": "no", "reverts": reverts})

    def effects(self, event: Event) -> set[tuple[int, bool]]:
        """Return which events of the session an event ends (and whether it lifts instead) as if never said."""
        told = self.reader.meaning(event).extraction.invalidations
        assert len({(one.session_id, one.seq) for one in told}) == len(told)
        return {(one.seq, one.lifted) for one in told if one.moment == VOID}


def target_of(event: Event) -> dict[str, Any]:
    return {"seq": event.seq, "hash": event.hash.removeprefix("sha256:")}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_a_correction_is_read_in_the_place_of_what_it_corrects(shelf: Shelf) -> None:
    said_first = shelf.put("note.taken", {"content": "in May", "mood": "sure", "occurred_at": "2020-01-01T00:00:00Z"})
    correction = shelf.correct(said_first, "in June")
    view = shelf.reader.view(correction)
    assert (view.ref, view.hash, view.recorded_at) == (correction.ref, correction.hash, correction.recorded_at)
    assert (view.event_type, view.actor, view.occurred_at) == ("note.taken", "ann", "2020-01-01T00:00:00Z")
    assert view.payload["content"] == "in June"
    assert view.payload["mood"] == "sure"
    assert view.payload[VIEW_KEY] == {
        "state": "corrected",
        "corrects": [said_first.citation],
        "editor": "zaxy-editor",
        "reason": "typo",
    }
    assert shelf.effects(correction) == {(said_first.seq, False)}
    assert shelf.reader.root(correction) == said_first.ref


def test_an_event_without_a_time_of_its_own_keeps_the_one_at_which_it_was_recorded(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "in May"})
    assert shelf.reader.view(shelf.correct(first, "in June")).occurred_moment == first.recorded_moment


def test_an_ordinary_event_is_read_as_it_is_and_nothing_else_is_looked_at(shelf: Shelf) -> None:
    event = shelf.put("note.taken", {"content": "in May"})
    meaning = shelf.reader.meaning(event)
    assert meaning.event is event
    assert (meaning.restored, meaning.opened, meaning.extraction.invalidations) == ((), False, ())
    assert shelf.reads == 0
    shelf.reader.meaning(shelf.put("note.taken", {"content": "in May", ORIGIN_KEY: Origin(via="cli").member()}))
    assert shelf.reads == 0


def test_what_a_log_says_of_an_events_view_is_not_believed(shelf: Shelf) -> None:
    forged = shelf.put("note.taken", {"content": "llama", VIEW_KEY: {"state": "endorsed", "corrects": ["x"]}})
    assert VIEW_KEY not in shelf.reader.view(forged).payload


def test_a_correction_that_supersedes_another_ends_it_and_a_rollback_gives_it_back(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "in May"})
    june = shelf.correct(first, "in June")
    july = shelf.correct(first, "in July", june)
    assert shelf.effects(july) == {(first.seq, False), (june.seq, False)}
    rollback = shelf.roll_back(july)
    assert shelf.effects(rollback) == {(first.seq, True), (june.seq, True), (july.seq, False)}
    restored = {meaning.event.ref: meaning for meaning in shelf.reader.meaning(rollback).restored}
    assert set(restored) == {first.ref, june.ref}
    assert restored[june.ref].event.payload["content"] == "in June"
    back = shelf.roll_back(rollback)
    assert shelf.effects(back) == {(first.seq, False), (june.seq, False), (july.seq, True), (rollback.seq, False)}


def test_a_rollback_takes_back_what_else_it_names(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "in May"})
    gate = shelf.put("evolution.gate.evaluated", {"op": "update"})
    june = shelf.correct(first, "in June", gate=gate.citation)
    assert shelf.effects(shelf.roll_back(gate, june)) == {(gate.seq, False), (june.seq, False), (first.seq, True)}


def test_the_inverse_of_an_invalidation_keeps_its_moment(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "in May"})
    at = "2026-12-01T00:00:00Z"
    ended = shelf.put("memory.invalidated", {"targets": [first.citation], "invalid_at": at})
    (given,) = shelf.reader.meaning(ended).extraction.invalidations
    rollback = shelf.roll_back(ended)
    assert set(shelf.reader.meaning(rollback).extraction.invalidations) == {
        replace(given, lifted=True),
        Invalidation("work", ended.seq, VOID),
    }


@pytest.mark.parametrize(
    "target",
    [
        {"seq": 1, "hash": "f" * 64},
        {"seq": 9, "hash": ""},
        {"seq": 2},
        {"seq": 3},
        {"seq": 0},
        {"seq": "1"},
        {"seq": True},
        {"session_id": "other", "seq": 1},
        {"session_id": 7, "seq": 1},
        {"hash": "0" * 63 + "1"},
        [],
        "note",
        None,
    ],
)
def test_a_correction_that_names_no_event_before_it_has_no_effect(shelf: Shelf, target: Any) -> None:
    shelf.put("note.taken", {"content": "in May"})
    forged = shelf.put("memory.corrected", {"target": target, "content": "in June"})
    assert shelf.effects(forged) == set()
    assert shelf.reader.view(forged) == forged
    assert shelf.reader.root(forged) == forged.ref


def test_rollbacks_that_name_each_other_have_an_end(shelf: Shelf) -> None:
    first = shelf.put("memory.rolled_back", {"target": {"seq": 2}, "reason": "no"})
    second = shelf.put("memory.rolled_back", {"target": {"seq": 1}, "reason": "no"})
    assert (shelf.effects(first), shelf.effects(second)) == (set(), {(1, False)})
    alone = shelf.put("memory.rolled_back", {"target": {"seq": 3}, "reason": "no"})
    assert shelf.effects(alone) == set()


def test_rollbacks_that_each_name_the_two_before_them_do_not_double_the_work(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "in May"})
    chain = [shelf.correct(first, "in June")]
    chain.append(shelf.roll_back(chain[0]))
    for _ in range(50):
        chain.append(shelf.roll_back(chain[-1], chain[-2]))
    shelf.reads = 0
    assert (chain[-2].seq, False) in shelf.effects(chain[-1])
    assert shelf.reads < 50_000


@pytest.mark.parametrize("session_id", ["../x", "a/b", "", "x" * 1_000, "a b", 7])
@pytest.mark.parametrize("member", ["target", "also", "retired", "supersedes"])
def test_a_place_that_is_none_is_passed_over(shelf: Shelf, member: str, session_id: Any) -> None:
    place = {"session_id": session_id, "seq": 1, "hash": ""}
    told = {"target": {"seq": 1}, member: place if member == "target" else [place]}
    change = told_change(shelf.put("memory.rolled_back", told))
    cited = [one for one in (change.target, *change.also, *change.retired, *change.supersedes) if one is not None]
    assert {one.session_id for one in cited} <= {"work"}


def test_a_chain_of_corrections_longer_than_any_person_makes_has_no_effect(shelf: Shelf) -> None:
    last = shelf.put("note.taken", {"content": "in May"})
    for _ in range(100):
        last = shelf.put("memory.corrected", {"target": {"seq": last.seq}, "content": "x", "supersedes": []})
    assert shelf.effects(shelf.events[EventRef("work", 2)]) == {(1, False)}
    assert shelf.effects(last) == set()


def test_corrections_of_version_three_take_the_place_of_those_before_them(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "in May"})
    told = {"target": target_of(first), "reason": "typo", "authority_status": "non_authoritative"}
    june = shelf.put("memory.corrected", {**told, "correction_id": "correction:a", "content": "in June"})
    july = shelf.put("memory.corrected", {**told, "correction_id": "correction:b", "content": "in July"})
    assert shelf.effects(july) == {(first.seq, False), (june.seq, False)}
    assert shelf.reader.view(july).payload[VIEW_KEY]["corrects"] == [first.citation, june.citation]
    rollback = {"rollback_id": "rollback:c", "target": target_of(july), "reverts": {"event_type": "memory.corrected"}}
    assert shelf.effects(shelf.put("memory.rolled_back", rollback)) == {
        (first.seq, True),
        (june.seq, True),
        (july.seq, False),
    }


def test_an_endorsement_says_what_it_endorses_and_is_trusted(shelf: Shelf) -> None:
    origin = Origin(SourceClass.TOOL, "mcp").member()
    first = shelf.put("note.taken", {"content": "in May", ORIGIN_KEY: origin})
    june = shelf.correct(first, "in June")
    assert shelf.reader.is_untrusted(june)
    endorsed = shelf.put("memory.endorsed", {"target": target_of(june), "supersedes": [june.citation], "reason": "ok"})
    view = shelf.reader.view(endorsed)
    assert view.payload["content"] == "in June"
    assert view.payload[VIEW_KEY]["state"] == "endorsed"
    assert "taint" not in view.payload[VIEW_KEY]
    assert shelf.effects(endorsed) == {(first.seq, False), (june.seq, False)}
    meaning = shelf.reader.meaning(endorsed)
    assert any(stated.role is Role.FACT for stated in meaning.extraction.entities)
    assert shelf.reader.meaning(first).trust < meaning.trust


def test_an_untrusted_event_mentions_things_and_ends_nothing(shelf: Shelf) -> None:
    untrusted = {ORIGIN_KEY: Origin(untrusted=True).member()}
    shelf.put("note.taken", {"content": "in May"})
    goal = shelf.put("goal.created", {"title": "Ship", "owner": "ann", **untrusted})
    ended = shelf.put("memory.invalidated", {"targets": ["eventloom://work/events/1"], **untrusted})
    told = shelf.reader.meaning(goal).extraction
    assert {stated.role for stated in told.entities} == {Role.MENTION}
    assert (told.relations, shelf.reader.meaning(ended).extraction.invalidations) == ((), ())
    assert shelf.reader.view(goal).payload[VIEW_KEY] == {"taint": "untrusted"}
    assert "Ship" in told.text


def test_what_is_made_from_what_is_told_in_refs_and_to_the_graph(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "in May"})
    cited = (first.citation, "eventloom://work/events/1#ffffffffffff", "eventloom://work/events/9", "nothing")
    origin = Origin(SourceClass.DERIVED, derives_from=cited).member()
    summary = shelf.put("note.taken", {"content": "May", ORIGIN_KEY: origin})
    told = shelf.reader.meaning(summary).extraction
    assert told.derived_from == (first.ref,)
    (relation,) = told.relations
    assert (relation.source.key, relation.relation, relation.target.key) == (
        "event:work/2",
        "DERIVED_FROM",
        "event:work/1",
    )


def test_a_taint_is_inherited_through_any_number_of_steps_and_cycles_have_an_end(shelf: Shelf) -> None:
    last = shelf.put("note.taken", {"content": "x", ORIGIN_KEY: Origin(untrusted=True).member()})
    for _ in range(300):
        origin = Origin(SourceClass.DERIVED, derives_from=(last.citation,)).member()
        last = shelf.put("note.taken", {"content": "x", ORIGIN_KEY: origin})
    assert shelf.reader.is_untrusted(last)
    ahead = f"eventloom://work/events/{last.seq + 2}"
    one = shelf.put("note.taken", {"content": "x", ORIGIN_KEY: Origin(derives_from=(ahead,)).member()})
    other = shelf.put("note.taken", {"content": "x", ORIGIN_KEY: Origin(derives_from=(one.citation,)).member()})
    assert not shelf.reader.is_untrusted(other)


def test_a_source_that_is_recorded_only_after_it_was_cited_still_brings_its_label(shelf: Shelf) -> None:
    ahead = Origin(SourceClass.DERIVED, derives_from=("eventloom://work/events/2",)).member()
    early = shelf.put("note.taken", {"content": "x", ORIGIN_KEY: ahead})
    assert not shelf.reader.is_untrusted(early)
    shelf.put("note.taken", {"content": "x", ORIGIN_KEY: Origin(untrusted=True).member()})
    assert shelf.reader.is_untrusted(early)


def test_a_forgetting_erases_and_keeps_what_was_replaced_from_coming_back(shelf: Shelf) -> None:
    old = shelf.put("note.taken", {"content": "in April"})
    first = shelf.put("note.taken", {"content": "in May"})
    june = shelf.correct(first, "in June")
    told = {
        "target": target_of(first),
        "cell_id": "a" * 32,
        "also": [{"session_id": "work", **target_of(june), "cell_id": "b" * 32}],
        "retired": [old.citation],
        "moment": "2026-01-01T00:00:00Z",
    }
    forgotten = shelf.put("memory.forgotten", told)
    meaning = shelf.reader.meaning(forgotten)
    assert meaning.extraction.erased == (first.ref, june.ref)
    assert shelf.effects(forgotten) == {(first.seq, False), (june.seq, False)}
    (kept,) = [one for one in meaning.extraction.invalidations if one.moment != VOID]
    assert (kept.seq, kept.lifted, format_time(kept.moment)) == (old.seq, False, "2026-01-01T00:00:00.000000Z")


def test_a_sealed_payload_is_opened_and_keeps_its_origin(shelf: Shelf) -> None:
    origin = Origin(SourceClass.HUMAN, "cli").member()
    sealed = shelf.put("note.taken", {CIPHER_KEY: {"key_id": "a"}, ORIGIN_KEY: origin})
    shelf.keys[sealed.seq] = {"content": "in May"}
    meaning = shelf.reader.meaning(sealed)
    assert meaning.opened
    assert meaning.event.payload == {"content": "in May", ORIGIN_KEY: origin}
    june = shelf.correct(sealed, "in June")
    assert shelf.reader.meaning(june).opened
    assert "in June" in shelf.reader.meaning(june).extraction.text


@pytest.mark.parametrize(("word", "state"), [(FORGOTTEN, "forgotten"), (SEALED, "sealed")])
def test_what_cannot_be_read_says_so_and_means_nothing(shelf: Shelf, word: str, state: str) -> None:
    cell = {"key_id": "a"}
    sealed = shelf.put("note.taken", {CIPHER_KEY: cell})
    shelf.keys[sealed.seq] = {"content": word, CIPHER_KEY: cell}
    meaning = shelf.reader.meaning(sealed)
    assert meaning.event.payload == {"content": word, CIPHER_KEY: cell, VIEW_KEY: {"state": state}}
    assert (meaning.extraction.text, meaning.extraction.entities, meaning.opened) == ("", (), False)


def test_a_correction_that_cannot_be_read_still_ends_what_it_corrects(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "in May"})
    june = shelf.correct(first, "in June")
    origin = Origin(derives_from=(first.citation, june.citation)).member()
    sealed = shelf.put("memory.corrected", {CIPHER_KEY: {"key_id": "a"}, ORIGIN_KEY: origin})
    shelf.keys[sealed.seq] = {"content": SEALED, CIPHER_KEY: {"key_id": "a"}}
    assert shelf.effects(sealed) == {(first.seq, False), (june.seq, False)}
    view = shelf.reader.view(sealed)
    assert (view.payload["content"], view.payload[VIEW_KEY]["state"]) == (SEALED, "sealed")
    assert shelf.reader.meaning(sealed).extraction.text == ""


def test_only_a_persons_correction_takes_the_label_off(shelf: Shelf) -> None:
    first = shelf.put("note.taken", {"content": "x", ORIGIN_KEY: Origin(untrusted=True).member()})
    for source, untrusted in ((SourceClass.AGENT, True), (SourceClass.HUMAN, False), (SourceClass.DERIVED, True)):
        correction = shelf.correct(first, "y", **{ORIGIN_KEY: Origin(source).member()})
        assert shelf.reader.is_untrusted(correction) is untrusted


@pytest.mark.parametrize(
    ("payload", "text", "expected"),
    [
        ({"content": "a", "title": "t"}, "title: b", {"content": "title: b", "title": "t"}),
        ({"text": "a", "n": 1}, "b", {"text": "b", "n": 1}),
        ({"title": "a", "n": 1}, "title: b\nn: 2", {"title": "b", "n": 2}),
        ({"title": "a", "n": 1}, "title: b\nother: 2", {"title": "title: b\nother: 2", "n": 1}),
        ({"title": "a", "tags": ["x"]}, 'tags: ["y"]', {"title": "a", "tags": ["y"]}),
        ({"title": "a", "n": 1}, "n: many", {"title": "a", "n": "many"}),
        ({"body": "a\nb", "n": 1}, "body: c\nd\ne\nn: 2", {"body": "c\nd\ne", "n": 2}),
        ({"key": "editor", "value": "vim"}, "emacs", {"key": "editor", "value": "emacs"}),
        ({"key": "volume", "value": 5}, "6", {"key": "volume", "value": 6}),
        ({"key": "volume", "value": False}, "loud", {"key": "volume", "value": "loud"}),
        ({"title": "a", "n": 1}, "n: NaN", {"title": "a", "n": "NaN"}),
        ({"title": "a", "n": 1}, 'n: "\\udc00"', {"title": "a", "n": '"\\udc00"'}),
        ({"n": 1}, "b", {"n": 1, "content": "b"}),
        ({"note": "Launch on Monday"}, "Launch on Friday", {"note": "Launch on Friday"}),
        ({"issue": "slow", "cause": "cold cache"}, "slow start", {"issue": "slow start", "cause": "cold cache"}),
        ({"content": "Feed llama", "title": "Feed llama"}, "Groom", {"content": "Groom", "title": "Groom"}),
        ({"text": "Ship", "title": "Ship", "note": "Ship"}, "Wait", {"text": "Wait", "title": "Wait", "note": "Ship"}),
        ({"rule": "Test first", "content": "Test first"}, "Test", {"rule": "Test", "content": "Test"}),
        ({"title": "a", "goal": "a"}, "b", {"title": "b", "goal": "b"}),
        ({"title": "a", "due": "May"}, "title: b\nc\ndue: June", {"title": "b\nc", "due": "June"}),
        ({"title": "a", "due": "May"}, "due: June\ntitle: b", {"title": "b", "due": "June"}),
        ({}, "b", {"content": "b"}),
    ],
)
def test_another_text_goes_where_a_reader_looks_for_it(
    payload: dict[str, Any], text: str, expected: dict[str, Any]
) -> None:
    assert replaced(payload, text) == expected


STEPS = {"title": "Deploy", "description": "Steps:\n\nstatus: check", "status": "open"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Deploy", "Deploy it", {"title": "Deploy it"}),
        ("status: open", "status: done", {"status": "done"}),
        ("status: check", "status: watch", {"description": "Steps:\n\nstatus: watch"}),
        ("Steps:", "Do:\ntitle: none", {"description": "Do:\ntitle: none\n\nstatus: check"}),
        ("\nstatus: open", "", {}),
    ],
)
def test_a_line_in_a_longer_member_that_looks_like_another_member_stays_in_it(
    shelf: Shelf, old: str, new: str, expected: dict[str, Any]
) -> None:
    text = said(shelf.put("task.created", STEPS)).replace(old, new, 1)
    assert replaced(STEPS, text) == {**STEPS, **expected} == reworded(STEPS, text)


@pytest.mark.parametrize(
    ("payload", "text", "message"),
    [
        ({"title": "a", "due": "May"}, "title: b\ndue June", None),
        ({"title": "a", "due": "May", "by": "ann"}, "title: b\ndue: May\nby ann", "line 3 .* no member: 'by ann'"),
        ({"title": "a", "due": "May"}, "title: b\ntitle: c\ndue: May", None),
        ({"title": "a", "due": "May"}, "due: May\ntitle: b\ntitle: c", "line 2 .* has title after due"),
        ({"title": "a\nb", "due": "M\nJ"}, "so\ntitle: b\ndue: May", "line 1 .* no member: 'so'"),
        ({"a": "x\ny", "b": "x\ny"}, "a: 1\nb: 2\nb: 3", "line 1 .* cannot be told apart"),
        ({"title": "Database", "decision": "Use sqlite"}, "Use postgres", "which of title, decision"),
        ({"cause": "cold", "fix": "warm"}, "warm it", "which of cause, fix"),
        ({"cause": "cold", "fix": "cold"}, "warm it", "which of cause, fix"),
    ],
)
def test_a_text_that_has_no_clear_place_is_refused_and_still_read_where_a_log_holds_it(
    payload: dict[str, Any], text: str, message: str | None
) -> None:
    if message is None:
        assert set(replaced(payload, text)) == set(payload)
    else:
        with pytest.raises(InvalidInputError, match=message) as refused:
            replaced(payload, text)
        assert "title" in (refused.value.remedy or "") or "title" not in payload
    assert text in reworded(payload, text).values() or message is None


def test_a_text_of_very_many_lines_that_look_like_members_is_read_in_little_work() -> None:
    payload = {f"m{number}": "a\nb" for number in range(100)}
    text = "\n".join(f"m{number % 100}: x" for number in range(100_000))
    with pytest.raises(InvalidInputError, match="line"):
        replaced(payload, text)
    assert reworded(payload, text) == {**payload, "content": text}


def test_an_unchanged_text_changes_nothing(shelf: Shelf) -> None:
    for payload in ({"content": "a"}, {"title": "a", "tags": ["x"], "n": 1.5}, {"body": "a\nb", "flag": True}):
        event = shelf.put("thing.seen", payload)
        assert replaced(payload, said(event)) == payload
