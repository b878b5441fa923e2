"""Forgetting: the text is gone from keys, stores and answers, the log still verifies, and a signed receipt says so."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from forgetful_memories import PERSON, Forgetful, new_canary

from zaxy.errors import ForgottenError, InvalidInputError, NotAuthorizedError
from zaxy.eventloom.canonical import canonical
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.eventloom.vault.opening import FORGOTTEN
from zaxy.eventloom.vault.store import KeyStatus
from zaxy.fabric import MemoryFabric
from zaxy.ids import parse_citation
from zaxy.memory import Memory
from zaxy.services.governance.forgetting import Plan, Receipt
from zaxy.services.governance.forgetting_receipt import check_receipt
from zaxy.services.recall.question import Filters


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Forgetful]:
    made = Forgetful(tmp_path)
    yield made
    made.close()


def forget(forgetful: Forgetful, *targets: object, rotate: bool = False) -> Receipt:
    service = forgetful.memory.forgetting
    plan = service.plan(targets=list(targets))
    return service.forget(plan, reason="Bob asked", confirmed=True, rotate=rotate)


@pytest.mark.parametrize("is_stored", [False, True])
def test_nothing_of_it_is_left_in_any_file_or_answer_and_the_log_verifies(
    forgetful: Forgetful, *, is_stored: bool
) -> None:
    canary = new_canary()
    kept = forgetful.say("an otter swims")
    note = forgetful.say(f"the platypus is called {canary}")
    corrected = forgetful.memory.corrections.edit(note, f"a platypus, {canary}", reason="so", origin=PERSON).event
    assert corrected is not None
    forgetful.say(f"summary: {canary}", made_from=(corrected,), session_id="summaries")
    assert len(forgetful.found(canary)) == 2
    if is_stored:
        forgetful.memory.catchup.catch_up()
        assert forgetful.holders(canary) != []

    receipt = forget(forgetful, note)

    assert forgetful.holders(canary) == []
    assert forgetful.found(canary) == []
    assert forgetful.found(canary, housekeeping=True, history=True) == []
    assert forgetful.found("otter") == ["an otter swims"]
    assert forgetful.memory.reader.view(note).payload["content"] == FORGOTTEN
    assert forgetful.memory.reader.view(corrected).payload["content"] == FORGOTTEN
    assert forgetful.memory.loom.verify().ok
    vault = forgetful.memory.opener.vault
    assert vault is not None
    assert [vault.status(key_id) for key_id in receipt.key_ids] == [KeyStatus.DESTROYED] * 3
    assert forgetful.memory.opener.state(kept) == "open"


def test_another_process_that_is_running_shows_nothing_of_it_any_more(forgetful: Forgetful, tmp_path: Path) -> None:
    note = forgetful.say("the platypus is called zanzibar")
    other = Forgetful(tmp_path)
    assert other.found("platypus") == ["the platypus is called zanzibar"]

    forget(forgetful, note)

    assert other.found("platypus") == []
    other.close()


def test_the_receipt_says_what_was_erased_from_where_and_what_is_out_of_reach(forgetful: Forgetful) -> None:
    note = forgetful.say("the platypus is called zanzibar")
    summary = forgetful.say("it has a name", made_from=(note,), sealed=False)
    forgetful.memory.catchup.catch_up()

    receipt = forget(forgetful, note)

    (memory,) = receipt.memories
    assert memory.target.citation == note.citation
    assert memory.target.hash == note.hash
    assert [(store.name, store.events) for store in receipt.stores] == [("search", 1), ("graph", 1), ("forward", 1)]
    assert [kept.citation for kept in receipt.kept] == [summary.citation]
    assert any("copies of the vault" in told for told in receipt.unreachable)
    assert any("are not sealed: 1" in told for told in receipt.unreachable)
    assert receipt.recorded_at < receipt.erased_at
    forgotten = forgetful.last()
    assert (forgotten.event_type, forgotten.citation) == ("memory.forgotten", memory.event)
    assert forgotten.payload["gate"] == receipt.gate
    assert forgetful.memory.forgetting.receipts() == (receipt,)
    assert (forgetful.root / "state" / receipt.loom_id / "receipts" / f"{memory.forget_id}.json").is_file()


def test_the_receipt_is_signed_with_the_key_of_the_loom(forgetful: Forgetful) -> None:
    receipt = forget(forgetful, forgetful.say("zanzibar"))

    assert check_receipt(receipt.note, forgetful.memory.loom.notary().state.signing_key().verifier) == receipt


def test_with_rotation_older_copies_of_the_vault_open_nothing(forgetful: Forgetful) -> None:
    note, kept = forgetful.say("zanzibar"), forgetful.say("an otter")
    vault = forgetful.memory.opener.vault
    assert vault is not None
    copy = vault.path.read_bytes()

    receipt = forget(forgetful, note, rotate=True)

    assert receipt.rotated_epoch == 2
    assert forgetful.found("otter") == ["an otter"]
    vault.path.write_bytes(copy)
    assert forgetful.memory.reader.view(note).payload["content"] == FORGOTTEN
    assert forgetful.memory.opener.state(kept) == "sealed"
    assert "from before epoch 2" in receipt.unreachable[0]


def test_a_bare_key_cannot_be_rotated_and_the_receipt_says_so(tmp_path: Path) -> None:
    forgetful = Forgetful(tmp_path)
    forgetful.close()
    path = tmp_path / "kek"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    forgetful.memory = Memory(replace(forgetful.settings, forgetting_kek_path=path), clock=forgetful)
    note = forgetful.say("zanzibar")

    receipt = forget(forgetful, note, rotate=True)

    assert receipt.rotated_epoch is None
    assert any(told.startswith("the key-encryption key was not exchanged: ") for told in receipt.unreachable)
    assert forgetful.memory.reader.view(note).payload["content"] == FORGOTTEN
    forgetful.close()


def test_without_a_confirmation_only_the_decision_is_recorded_however_sure_somebody_is(forgetful: Forgetful) -> None:
    note = forgetful.say("zanzibar")
    service = forgetful.memory.forgetting

    for origin in (None, PERSON, Origin(SourceClass.AGENT, "mcp")):
        with pytest.raises(NotAuthorizedError, match="was not confirmed") as told:
            service.forget(service.plan(targets=[note]), reason="x", confirmed=False, confidence=1.0, origin=origin)
        assert "admin token" in told.value.remedy

    assert forgetful.types() == ["note.made"] + ["evolution.gate.evaluated"] * 3
    assert forgetful.last().payload["decision"] != "auto_apply"
    assert forgetful.found("zanzibar") == ["zanzibar"]
    assert service.receipts() == ()


def test_many_memories_of_several_sessions_go_with_one_event_each_and_one_receipt(forgetful: Forgetful) -> None:
    for number in range(3):
        forgetful.say(f"note {number}", actor="bob")
        forgetful.say(f"other {number}", actor="bob", session_id="other")
    service = forgetful.memory.forgetting

    receipt = service.forget(service.plan(actor="bob"), reason="Bob left", confirmed=True)

    assert len(receipt.memories) == 6
    assert forgetful.types().count("memory.forgotten") == 3
    assert forgetful.types("other").count("memory.forgotten") == 3
    assert (forgetful.types() + forgetful.types("other")).count("evolution.gate.evaluated") == 1
    assert forgetful.found("note other") == []
    for memory in receipt.memories:
        said = forgetful.memory.loom.resolve(parse_citation(memory.event))
        assert (said.payload["forget_id"], said.payload["cell_id"]) == (memory.forget_id, memory.target.cell_id)
    assert service.receipts() == (receipt,)


def test_corrections_that_came_after_the_plan_go_too(forgetful: Forgetful) -> None:
    note = forgetful.say("zanzibar")
    service = forgetful.memory.forgetting
    plan = service.plan(targets=[note])
    forgetful.memory.corrections.edit(note, "madagascar", reason="later", origin=PERSON)

    receipt = service.forget(plan, reason="asked", confirmed=True)

    assert len(receipt.key_ids) == 2
    assert forgetful.found("madagascar zanzibar") == []


def test_a_plan_that_somebody_else_carried_out_meanwhile_is_refused(forgetful: Forgetful) -> None:
    note = forgetful.say("zanzibar")
    service = forgetful.memory.forgetting
    plan = service.plan(targets=[note])
    service.forget(plan, reason="asked", confirmed=True)
    before = forgetful.types()

    with pytest.raises(ForgottenError):
        service.forget(plan, reason="asked", confirmed=True)

    assert forgetful.types() == before


def test_an_empty_plan_or_reason_is_refused_and_nothing_is_written(forgetful: Forgetful) -> None:
    note = forgetful.say("zanzibar")
    service = forgetful.memory.forgetting
    plan = service.plan(targets=[note])

    with pytest.raises(InvalidInputError, match="nothing to forget"):
        service.forget(Plan(()), reason="x", confirmed=True)
    for reason in ("", "  ", "a\0b", "x" * 20_000):
        with pytest.raises(InvalidInputError):
            service.forget(plan, reason=reason, confirmed=True)

    assert forgetful.types() == ["note.made"]


def test_a_secret_in_the_reason_is_in_neither_log_nor_receipt(forgetful: Forgetful) -> None:
    token = f"ghp_{secrets.token_hex(18)}"
    note = forgetful.say("zanzibar")
    service = forgetful.memory.forgetting

    receipt = service.forget(service.plan(targets=[note]), reason=f"it held {token}", confirmed=True)

    assert token not in receipt.reason
    assert forgetful.holders(token) == []


def test_without_a_key_to_sign_with_it_is_forgotten_all_the_same(forgetful: Forgetful) -> None:
    forgetful.memory.loom.ensure_key()
    note = forgetful.say("zanzibar")
    state = forgetful.memory.loom.notary().state
    forgetful.memory.loom.checkpoint()
    state.key_path.unlink()

    receipt = forget(forgetful, note)

    assert receipt.note == ""
    assert forgetful.found("zanzibar") == []
    assert forgetful.memory.forgetting.receipts() == (receipt,)


def test_an_event_that_took_its_idempotency_key_before_does_not_stand_in_for_it(forgetful: Forgetful) -> None:
    note, other = forgetful.say("zanzibar"), forgetful.say("madagascar")
    service = forgetful.memory.forgetting
    first = service.forget(service.plan(targets=[other]), reason="asked", confirmed=True).memories[0]
    taken = forgetful.memory.loom.resolve(parse_citation(first.event)).source_key
    assert taken is not None
    guessed = taken.replace(first.forget_id.removeprefix("forget:"), _forget_id(forgetful, note))
    forgetful.memory.loom.commit("work", [Draft("note.made", "eve", {"content": "no"}, guessed)])

    receipt = forget(forgetful, note)

    assert forgetful.memory.loom.resolve(parse_citation(receipt.memories[0].event)).event_type == "memory.forgotten"


def test_an_ending_by_name_does_not_repeat_the_name_of_a_sealed_thing_in_the_clear(forgetful: Forgetful) -> None:
    canary = new_canary()
    goal = forgetful.tell("goal.created", {"title": f"visit {canary}"})
    entity = ("goal", f"visit {canary}")
    forgetful.memory.invalidation.invalidate(session_id="work", actor="ann", entity=entity)

    forget(forgetful, goal)

    assert forgetful.holders(canary) == []


# ---- what does not come back


def test_an_old_value_does_not_come_back_neither_now_nor_for_a_question_about_the_past(forgetful: Forgetful) -> None:
    old = forgetful.prefer("tea", sealed=False, occurred_at="2024-01-01")
    new = forgetful.prefer("absinthe", occurred_at="2025-01-01")
    assert [_value(text) for text in forgetful.found("drink")] == ["absinthe"]

    receipt = forget(forgetful, new)

    assert receipt.memories[0].retired == (old.citation,)
    assert forgetful.last().payload["moment"].startswith("2025-01-01")
    assert forgetful.found("drink") == []
    assert forgetful.found("drink", as_of="2025-06-01") == []
    assert [_value(text) for text in forgetful.found("drink", as_of="2024-06-01")] == ["tea"]
    assert forgetful.found("drink", session_id="work") == []


def test_what_a_later_value_replaced_is_forgotten_without_touching_that_one(forgetful: Forgetful) -> None:
    forgetful.prefer("tea", sealed=False, occurred_at="2024-01-01")
    middle = forgetful.prefer("absinthe", occurred_at="2025-01-01")
    forgetful.prefer("water", sealed=False, occurred_at="2026-01-01")

    forget(forgetful, middle)

    assert [_value(text) for text in forgetful.found("drink")] == ["water"]
    assert forgetful.found("drink", as_of="2025-06-01") == []


def test_forgetting_that_something_ended_does_not_bring_it_back(forgetful: Forgetful) -> None:
    forgetful.tell("goal.created", {"title": "Ship the parser"}, sealed=False)
    ended = forgetful.tell("goal.retracted", {"title": "Ship the parser", "reason": "zanzibar"})

    receipt = forget(forgetful, ended)

    assert len(receipt.memories[0].retired) == 1
    assert [hit for hit in forgetful.memory.recall.query("parser", Filters()) if hit.metadata.get("current")] == []


def test_a_correction_that_is_forgotten_retires_what_its_memory_had_replaced(forgetful: Forgetful) -> None:
    old = forgetful.prefer("tea", sealed=False, occurred_at="2024-01-01")
    new = forgetful.prefer("absinth", occurred_at="2025-01-01")
    forgetful.memory.corrections.edit(new, "value: absinthe", reason="spelling", origin=PERSON)

    receipt = forget(forgetful, new)

    assert receipt.memories[0].retired == (old.citation,)
    assert forgetful.found("drink") == []


def test_a_value_of_another_session_does_not_come_back_in_either(forgetful: Forgetful) -> None:
    own = forgetful.prefer("tea", sealed=False, occurred_at="2023-01-01")
    other = forgetful.prefer("milk", sealed=False, occurred_at="2024-01-01", session_id="other")
    new = forgetful.prefer("absinthe", occurred_at="2025-01-01")

    receipt = forget(forgetful, new)

    assert set(receipt.memories[0].retired) == {own.citation, other.citation}
    assert forgetful.found("drink") == []
    assert forgetful.found("drink", session_id="work") == []


def test_what_retires_nothing_does_not_say_when_it_happened(forgetful: Forgetful) -> None:
    forget(forgetful, forgetful.say("zanzibar", occurred_at="1999-12-31"))

    assert "moment" not in forgetful.last().payload
    assert forgetful.holders("1999-12-31") == []


# ---- for asyncio


async def test_the_fabric_forgets_one_memory_by_number_and_hash_and_many_by_a_plan(tmp_path: Path) -> None:
    forgetful = Forgetful(tmp_path)
    first, second = forgetful.say("zanzibar"), forgetful.say("madagascar")
    forgetful.close()
    async with MemoryFabric.from_settings(forgetful.settings) as fabric:
        digest = first.hash.removeprefix("sha256:")
        receipt = await fabric.verified_forget(
            target_seq=first.seq, target_hash=digest, session_id="work", reason="asked"
        )
        assert receipt.memories[0].target.citation == first.citation
        with pytest.raises(NotAuthorizedError):
            await fabric.verified_forget(citation=second.citation, reason="asked", confirmed=False)
        plan = await fabric.forget_plan(actor="ann")
        assert [item.citation for item in plan.items] == [second.citation]
        await fabric.forget_planned(plan, reason="asked")
        assert len(await fabric.query("zanzibar madagascar")) == 0
        replayed = await fabric.replay("work", to_seq=2)
        assert [event.payload["content"] for event in replayed] == [FORGOTTEN, FORGOTTEN]


def _forget_id(forgetful: Forgetful, note: Event) -> str:
    """Return what anybody can work out beforehand: the digits that the forgetting of a memory is named by."""
    told = canonical(["zaxy-forget", forgetful.memory.loom.identity(), note.session_id, note.seq, note.hash])
    return hashlib.sha256(told).hexdigest()[:24]


def _value(text: str) -> str:
    return next(line.removeprefix("value: ") for line in text.splitlines() if line.startswith("value: "))
