"""What goes when something is to be forgotten, and what cannot go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from forgetful_memories import PERSON, Forgetful, new_canary

from forgettable_looms import sealed_elsewhere
from zaxy.errors import ForgottenError, InvalidInputError, KeyUnavailableError, NotFoundError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.services.governance import forgetting_plan
from zaxy.services.governance.forgetting_plan import Plan
from zaxy.services.recall.question import Filters


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Forgetful]:
    made = Forgetful(tmp_path)
    yield made
    made.close()


def roles(plan: Plan, number: int = 0) -> list[str]:
    return [planned.role for planned in plan.items[number].events]


def test_a_memory_goes_with_every_correction_of_it_also_those_that_were_replaced(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar")
    edit = forgetful.memory.corrections.edit
    first = edit(note, "the code word is madagascar", reason="wrong", origin=PERSON).event
    second = edit(note, "the code word is mauritius", reason="wrong again", origin=PERSON).event
    assert first is not None
    assert second is not None

    plan = forgetful.memory.forgetting.plan(targets=[second])

    assert [planned.event.ref for planned in plan.items[0].events] == [note.ref, first.ref, second.ref]
    assert roles(plan) == ["memory", "correction", "correction"]
    assert plan.unsealed == ()
    assert len({planned.cell_id for planned in plan.items[0].events}) == 3


def test_a_correction_that_only_waits_for_a_review_goes_too(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar")
    proposal = forgetful.memory.corrections.edit(note, "it is madagascar", reason="maybe", confidence=0.1).proposal
    assert proposal is not None

    assert roles(forgetful.memory.forgetting.plan(targets=[note])) == ["memory", "proposal"]
    assert roles(forgetful.memory.forgetting.plan(targets=[proposal])) == ["memory", "proposal"]


def test_what_was_made_from_it_goes_along_in_any_number_of_steps_and_across_sessions(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar")
    summary = forgetful.say("a code word was agreed", made_from=(note,), session_id="Summaries")
    again = forgetful.say("they agreed on something", made_from=(summary,), session_id="summaries")
    forgetful.say("something else")

    plan = forgetful.memory.forgetting.plan(targets=[note.citation])

    assert [planned.event.ref for planned in plan.items[0].events] == [note.ref, summary.ref, again.ref]
    assert roles(plan) == ["memory", "derived", "derived"]


def test_two_sessions_whose_names_differ_in_case_are_not_taken_for_one(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar", session_id="Work")
    other = forgetful.say("the weather is fine", session_id="work")
    forgetful.say("about the weather", made_from=(other,))

    plan = forgetful.memory.forgetting.plan(targets=[note])

    assert [planned.event.ref for planned in plan.items[0].events] == [note.ref]


def test_what_was_made_from_it_in_the_clear_is_listed_with_what_can_be_done(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar")
    summary = forgetful.say("a code word was agreed", made_from=(note,), sealed=False)

    plan = forgetful.memory.forgetting.plan(targets=[note])

    (kept,) = plan.unsealed
    assert kept.citation == summary.citation
    assert "not sealed" in kept.reason
    assert kept.remedy == f"end it instead: zaxy invalidate {summary.citation}"
    assert roles(plan) == ["memory"]


def test_what_speaks_of_it_in_the_clear_is_listed(forgetful: Forgetful) -> None:
    note, other = forgetful.say("the code word is zanzibar"), forgetful.say("an otter")
    invalidate = forgetful.memory.invalidation.invalidate
    told = invalidate(session_id="work", actor="ann", citations=[note.citation], reason="zanzibar is no more")
    invalidate(session_id="work", actor="ann", citations=[other.citation])

    (kept,) = forgetful.memory.forgetting.plan(targets=[note, other]).unsealed

    assert (kept.citation, kept.reason) == (told.event.citation, "names it or says why in the clear")


def test_a_memory_in_the_clear_is_refused_with_what_can_be_done(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar", sealed=False)

    with pytest.raises(InvalidInputError, match="is not sealed") as told:
        forgetful.memory.forgetting.plan(targets=[note])

    assert told.value.remedy == f"end it instead: zaxy invalidate {note.citation}"
    assert forgetful.types() == ["note.made"]


def test_a_cell_of_version_three_whose_vault_is_not_here_is_refused_with_what_can_be_done(forgetful: Forgetful) -> None:
    cell = {"v": 1, "alg": "AES-256-GCM", "cell_id": "a" * 32, "nonce": "00", "ciphertext": "00"}
    sealed = sealed_elsewhere(forgetful.memory.loom, {"__zaxy_cipher": cell}, event_type="note.made")

    with pytest.raises(KeyUnavailableError, match="there is no key for it") as told:
        forgetful.memory.forgetting.plan(targets=[sealed])

    assert told.value.remedy == "bring the vault from where it was recorded"
    assert forgetful.types() == ["note.made"]


def test_what_the_memory_says_of_its_own_changes_is_listed_and_is_not_to_be_ended(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar")
    correction = forgetful.memory.corrections.edit(note, "it is madagascar", reason="wrong", origin=PERSON).event
    assert correction is not None
    rollback = forgetful.memory.rollbacks.roll_back(correction, reason="zanzibar after all", origin=PERSON).event
    assert rollback is not None

    plan = forgetful.memory.forgetting.plan(targets=[note])

    (kept,) = plan.unsealed
    reason = "is the memory's own record of a change: its reason text stays in the log"
    assert (kept.citation, kept.reason, kept.remedy) == (rollback.citation, reason, "")
    assert roles(plan) == ["memory", "correction"]
    with pytest.raises(InvalidInputError, match="its reason text stays"):
        forgetful.memory.forgetting.plan(targets=[rollback])


def test_a_correction_goes_along_with_what_its_text_was_made_from(forgetful: Forgetful) -> None:
    source, note = forgetful.say("the code word is zanzibar"), forgetful.say("nobody knows the word", sealed=False)
    made_from = Origin(SourceClass.HUMAN, "cli", derives_from=(source.citation,))
    edit = forgetful.memory.corrections.edit
    canary = new_canary()
    correction = edit(note, f"the word begins with {canary}", reason="found", origin=made_from).event
    assert correction is not None
    assert "__zaxy_cipher" in correction.payload, "what is made from a sealed text is sealed"
    service = forgetful.memory.forgetting

    plan = service.plan(targets=[source])
    assert [planned.event.ref for planned in plan.items[0].events] == [source.ref, correction.ref]
    assert plan.unsealed == ()
    assert correction.citation in forgetful.memory.showing.show(source).derived

    service.forget(plan, reason="asked", confirmed=True)
    assert forgetful.found("word") == []
    assert forgetful.holders(canary) == []
    assert forgetful.memory.showing.show(note).state == "ended"
    with pytest.raises(InvalidInputError, match="which was forgotten") as told:
        edit(note, "the word is secret", reason="again")
    assert "rollback" not in told.value.remedy


def test_a_proposal_that_is_accepted_keeps_what_it_was_made_from(forgetful: Forgetful) -> None:
    source, note = forgetful.say("the code word is zanzibar"), forgetful.say("nobody knows the word")
    made_from = Origin(via="mcp", derives_from=(source.citation, note.citation, source.citation))
    edit = forgetful.memory.corrections.edit
    proposal = edit(note, "it begins with zanz", reason="found", confidence=0.1, origin=made_from).proposal
    assert proposal is not None

    (done,) = forgetful.memory.reviews.decide(
        [proposal.citation], accept=True, reason="right", actor="ann", origin=PERSON
    )

    assert done.applied is not None
    origin = Origin.told(done.applied.payload)
    assert origin is not None
    assert origin.derives_from == (note.citation, source.citation)
    plan = forgetful.memory.forgetting.plan(targets=[source])
    assert {planned.event.ref for planned in plan.items[0].events} == {source.ref, proposal.ref, done.applied.ref}


def test_a_second_forgetting_says_when_and_by_which_event_it_was_forgotten(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar")
    service = forgetful.memory.forgetting
    receipt = service.forget(service.plan(targets=[note]), reason="asked", confirmed=True)
    before = forgetful.types()

    with pytest.raises(ForgottenError, match="was forgotten on 2026-11-21T") as told:
        service.plan(targets=[note])

    assert receipt.memories[0].event in told.value.message
    assert forgetful.types() == before


def test_what_has_no_key_here_is_refused_and_says_so(forgetful: Forgetful) -> None:
    note = forgetful.say("the code word is zanzibar")
    vault = forgetful.memory.opener.vault
    assert vault is not None
    shutil.rmtree(vault.path.parent)

    with pytest.raises(KeyUnavailableError, match="there is no key for it in the vault"):
        forgetful.memory.forgetting.plan(targets=[note])


def test_a_query_selects_exactly_the_hits_that_it_returns(forgetful: Forgetful) -> None:
    for number in range(14):
        forgetful.say(f"platypus number {number}")
    forgetful.say("platypus in the clear", sealed=False)
    forgetful.say("an otter")
    hits = {hit.citation for hit in forgetful.memory.recall.query("platypus", Filters(), limit=10)}

    plan = forgetful.memory.forgetting.plan(query="platypus")

    assert len(hits) == 10
    assert {item.citation for item in plan.items} | {kept.citation for kept in plan.unsealed} == hits


def test_an_actor_a_time_and_a_session_select_together(forgetful: Forgetful) -> None:
    old = forgetful.say("one", actor="bob", occurred_at="2020-05-01")
    forgetful.say("two", actor="bob", occurred_at="2024-05-01")
    forgetful.say("three", actor="ann", occurred_at="2020-05-01")
    elsewhere = forgetful.say("four", actor="bob", occurred_at="2020-05-01", session_id="other")
    clear = forgetful.say("five", actor="bob", occurred_at="2020-05-01", sealed=False)
    plan = forgetful.memory.forgetting.plan

    both = plan(actor="bob", before="2021-01-01")
    assert {item.citation for item in both.items} == {old.citation, elsewhere.citation}
    assert [kept.citation for kept in both.unsealed] == [clear.citation]
    assert [item.citation for item in plan(actor="bob", before="2021-01-01", session_id="work").items] == [old.citation]
    assert len(plan(before="2020-05-01").items) == 0  # what happened at that very moment did not happen before it
    assert len(plan(before="2020-05-01T00:00:00.000001Z").items) == 3
    assert {item.citation for item in plan(query="four", actor="bob").items} == {elsewhere.citation}


def test_what_was_forgotten_before_is_not_selected_again(forgetful: Forgetful) -> None:
    forgetful.say("one", actor="bob")
    service = forgetful.memory.forgetting
    service.forget(service.plan(actor="bob"), reason="asked", confirmed=True)

    assert service.plan(actor="bob") == Plan(())


def test_more_than_the_limit_are_left_out_and_counted(forgetful: Forgetful, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting_plan, "MAX_MEMORIES", 3)
    drafts = [Draft("note.made", "bob", {"content": f"note {number}"}, forgettable=True) for number in range(5)]
    forgetful.memory.loom.commit("work", drafts)

    plan = forgetful.memory.forgetting.plan(actor="bob")

    assert (len(plan.items), plan.left_out) == (3, 2)


def test_of_what_cannot_be_forgotten_a_plan_lists_some_and_counts_the_others(
    forgetful: Forgetful, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting_plan, "MAX_LISTED", 2)
    note = forgetful.say("zanzibar", actor="bob")
    for number in range(3):
        forgetful.say(f"about it {number}", made_from=(note,), sealed=False)
    service = forgetful.memory.forgetting

    plan = service.plan(actor="bob")
    receipt = service.forget(plan, reason="asked", confirmed=True)

    assert (len(plan.unsealed), plan.unlisted) == (2, 1)
    assert receipt.unreachable[-1] == "1 more events that are not sealed"


def test_a_memory_with_too_many_corrections_is_refused_before_anything_is_written(
    forgetful: Forgetful, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting_plan, "MAX_EVENTS", 2)
    note = forgetful.say("one")
    for number in range(2):
        forgetful.say(f"about it {number}", made_from=(note,))

    with pytest.raises(InvalidInputError, match="more than 2 corrections and derived events"):
        forgetful.memory.forgetting.plan(targets=[note])


def test_naming_nothing_or_naming_and_selecting_is_refused(forgetful: Forgetful) -> None:
    note = forgetful.say("one")
    plan = forgetful.memory.forgetting.plan

    with pytest.raises(InvalidInputError, match="named or selected"):
        plan()
    with pytest.raises(InvalidInputError, match="named or selected"):
        plan(targets=[note], actor="ann")
    with pytest.raises(NotFoundError, match="no session"):
        plan(actor="ann", session_id="nowhere")
    with pytest.raises(InvalidInputError, match="before"):
        plan(before="yesterday")


def test_a_plan_writes_nothing(forgetful: Forgetful) -> None:
    note = forgetful.say("one")
    before = forgetful.types()

    forgetful.memory.forgetting.plan(targets=[note])
    forgetful.memory.forgetting.plan(actor="ann")

    assert forgetful.types() == before
    assert forgetful.memory.forgetting.receipts() == ()
