"""A memory is shown with what it says now, what it said before, and who changed it."""

from __future__ import annotations

from pathlib import Path

import pytest
from governed_memory import AGENT, HUMAN, STRANGER, GovernedMemory

from zaxy.errors import IntegrityError
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory
from zaxy.services.governance.showing import Shown


def shown(governed: GovernedMemory, event: Event) -> Shown:
    return governed.memory.showing.show(event)


def test_a_memory_that_was_never_changed_speaks_for_itself(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path)
    event = governed.say("The launch is on Monday.", origin=HUMAN)
    told = shown(governed, event)
    assert (told.citation, told.root, told.content) == (event.citation, event.citation, "The launch is on Monday.")
    assert (told.state, told.taint, told.origin) == ("current", "", HUMAN.member())
    assert (told.session_id, told.seq, f"sha256:{told.hash}") == ("work", event.seq, event.hash)
    assert [(step.change, step.counts) for step in told.history] == [("said", True)]
    assert told.endings == told.derived == told.derives_from == ()


def test_any_event_of_a_memory_shows_the_same_memory(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path)
    event = governed.say("The launch is on Monday.")
    first = governed.corrected(event, "The launch is on Friday.", origin=HUMAN)
    second = governed.corrected(first, "The launch is on Sunday.", origin=HUMAN)
    told = shown(governed, event)
    assert told == shown(governed, first) == shown(governed, second)
    assert (told.citation, told.root, told.state) == (second.citation, event.citation, "corrected")
    assert [(step.content[-7:], step.counts) for step in told.history] == [
        ("Monday.", False),
        ("Friday.", False),
        ("Sunday.", True),
    ]


def test_a_rollback_gives_the_word_back_to_what_was_said_before(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path)
    event = governed.say("The launch is on Monday.")
    correction = governed.corrected(event, "The launch is on Friday.")
    governed.rolled_back(correction, "it was right")
    told = shown(governed, event)
    assert (told.citation, told.content, told.state) == (event.citation, "The launch is on Monday.", "current")
    assert [(step.change, step.reason, step.counts) for step in told.history] == [
        ("said", "", True),
        ("corrected", "typo", False),
        ("rolled back", "it was right", True),
    ]
    assert [(ending.target, ending.lifted) for ending in told.endings] == [
        (event.citation, False),
        (event.citation, True),
        (correction.citation, False),
    ]


def test_an_invalidation_ends_a_memory_from_its_moment_on(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path)
    event = governed.say("The launch is on Monday.")
    governed.memory.invalidation.invalidate(
        session_id="work", actor="ann", citations=[event.citation], invalid_at="2030-01-01", origin=HUMAN
    )
    assert shown(governed, event).state == "current"
    governed.memory.invalidation.invalidate(session_id="work", actor="ann", citations=[event.citation])
    told = shown(governed, event)
    assert told.state == "ended"
    assert [step.change for step in told.history] == ["said", "invalidated", "invalidated"]
    assert told.endings[0].from_when == "2030-01-01T00:00:00.000000Z"


def test_what_was_forgotten_is_shown_as_such_with_its_history(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path)
    event = governed.say("Bob is ill.", forgettable=True)
    governed.corrected(event, "Bob is well.", "he said so")
    forgetting = governed.memory.forgetting
    forgetting.forget(forgetting.plan(targets=[event]), reason="Bob asked", confirmed=True)
    told = shown(governed, event)
    assert (told.content, told.state) == ("[FORGOTTEN]", "forgotten")
    assert {step.content for step in told.history} == {"[FORGOTTEN]", ""}
    assert "Bob asked" in {step.reason for step in told.history}


def test_what_was_made_from_a_memory_is_listed_and_proposals_are_not(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path, autonomy_default="require_review")
    event = governed.say("The launch is on Monday.", origin=STRANGER)
    derived = Origin(SourceClass.DERIVED, "python", derives_from=(event.citation,))
    summary = governed.say("A launch is planned.", origin=derived)
    assert governed.edit(event, "The launch is on Friday.", origin=AGENT).proposal is not None
    assert shown(governed, event).derived == (summary.citation,)
    told = shown(governed, summary)
    assert (told.derives_from, told.taint) == ((event.citation,), "untrusted")
    governed.memory.reviews.decide([event.citation], accept=True, reason="I know them", actor="ann", origin=HUMAN)
    assert shown(governed, event).state == "endorsed"
    assert shown(governed, event).taint == ""


def test_a_memory_whose_history_was_damaged_in_the_log_says_so(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    governed.corrected(said, "ships in June")
    governed.say("something else")
    governed.memory.catchup.catch_up()
    governed.memory.close()
    path = governed.settings.eventloom_path / "work.jsonl"
    path.write_bytes(path.read_bytes().replace(b"ships in June", b"ships in Jule"))
    with Memory(governed.settings, clock=governed) as memory, pytest.raises(IntegrityError, match="event 3 of session"):
        memory.showing.show(said)
