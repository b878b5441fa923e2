"""Taking changes back, and taking that back."""

from __future__ import annotations

from pathlib import Path

import pytest
from governed_memory import AGENT, HUMAN, STRANGER, GovernedMemory

from zaxy.errors import ForgottenError, InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.ids import parse_citation
from zaxy.services.governance.policy import Decision
from zaxy.services.recall.question import Filters

VIM = "user: ann\nkey: editor\nvalue: vim"
EMACS = "user: ann\nkey: editor\nvalue: emacs"


def test_a_correction_that_is_rolled_back_is_gone_and_the_first_text_is_there_again(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    correction = governed.corrected(said, "ships in June")
    done = governed.roll_back(correction)
    assert done.event is not None
    assert done.target == correction
    assert done.event.payload["reverts"] == {"event_type": "memory.corrected", "also": []}
    assert governed.found("ships") == ["ships in May"]


def test_a_rollback_that_is_rolled_back_any_number_of_times_swings_between_the_two_texts(
    governed: GovernedMemory,
) -> None:
    last = governed.corrected(governed.say("ships in May"), "ships in June")
    moments, expected = [governed.time], ["ships in June"]
    for number in range(6):
        last = governed.rolled_back(last)
        expected.append("ships in May" if number % 2 == 0 else "ships in June")
        moments.append(governed.time)
        assert governed.found("ships") == expected[-1:]
        if number == 2:
            governed.memory.catchup.catch_up()
    assert [governed.found("ships", known_at=moment) for moment in moments] == [[text] for text in expected]
    governed.memory.catchup.rebuild()
    assert governed.found("ships") == expected[-1:]
    assert [governed.found("ships", known_at=moment) for moment in moments] == [[text] for text in expected]


def test_of_two_corrections_the_older_comes_back_when_the_newer_is_rolled_back(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    june = governed.corrected(said, "ships in June")
    july = governed.corrected(said, "ships in July")
    rollback = governed.rolled_back(july)
    assert governed.found("ships") == ["ships in June"]
    governed.rolled_back(june)
    assert governed.found("ships") == ["ships in May"]
    governed.rolled_back(rollback)
    assert governed.found("ships") == ["ships in July"]


def test_an_invalidation_that_is_rolled_back_ends_nothing(governed: GovernedMemory) -> None:
    said = governed.put("user.preference_changed", {"user": "ann", "key": "editor", "value": "vim"})
    ended = governed.memory.invalidation.invalidate(session_id="work", actor="ann", citations=[said.citation])
    assert governed.found("ann editor") == []
    governed.rolled_back(ended.event)
    assert governed.found("ann editor") == [VIM]


def test_a_gate_decision_takes_with_it_what_it_let_through(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    done = governed.edit(said, "ships in June")
    assert done.event is not None
    rollback = governed.rolled_back(done.gate.event)
    assert rollback.payload["reverts"]["also"] == [done.event.citation]
    assert governed.found("ships") == ["ships in May"]
    with pytest.raises(InvalidInputError, match=rollback.citation):
        governed.roll_back(done.event)
    governed.rolled_back(rollback)
    assert governed.found("ships") == ["ships in June"]


def test_a_gate_decision_whose_effect_was_taken_back_by_itself_does_not_take_it_back_twice(
    governed: GovernedMemory,
) -> None:
    said = governed.say("ships in May")
    done = governed.edit(said, "ships in June")
    assert done.event is not None
    governed.rolled_back(done.event)
    governed.rolled_back(done.gate.event)
    governed.corrected(said, "ships in July")
    assert governed.found("ships") == ["ships in July"]


def test_a_rollback_of_a_rollback_is_refused_where_the_effect_was_taken_back_otherwise(
    governed: GovernedMemory,
) -> None:
    said = governed.say("ships in May")
    done = governed.edit(said, "ships in June")
    assert done.event is not None
    of_gate = governed.rolled_back(done.gate.event)
    back = governed.rolled_back(of_gate)
    governed.rolled_back(done.event)
    with pytest.raises(InvalidInputError, match="taken back already"):
        governed.roll_back(back)
    assert governed.found("ships") == ["ships in May"]


def test_what_the_memory_made_of_itself_can_be_taken_back(governed: GovernedMemory) -> None:
    rule = governed.put("memory.rule.generated", {"rule": "always run the llama tests"})
    fleet = governed.put("fleet.promotion.recorded", {"content": "llama workers agree"})
    assert governed.found("llama") == ["llama workers agree"]
    governed.rolled_back(fleet)
    governed.rolled_back(rule)
    assert governed.found("llama", housekeeping=True) == []


def test_a_second_rollback_is_refused_and_names_the_first(governed: GovernedMemory) -> None:
    correction = governed.corrected(governed.say("ships in May"), "ships in June")
    first = governed.rolled_back(correction)
    written = governed.last_seq()
    with pytest.raises(InvalidInputError, match=first.citation):
        governed.roll_back(correction, "again")
    assert governed.last_seq() == written


def test_a_memory_is_not_rolled_back_but_edited_or_ended(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    with pytest.raises(InvalidInputError, match="zaxy memory edit"):
        governed.roll_back(said)
    assert governed.last_seq() == said.seq


def test_a_forgetting_cannot_be_taken_back(governed: GovernedMemory) -> None:
    governed.loom.ensure_key()
    said = governed.say("the canary", forgettable=True)
    forgetting = governed.memory.forgetting
    forgetting.forget(forgetting.plan(targets=[said]), reason="asked to", confirmed=True)
    (forgotten,) = [event for event in governed.loom.log("work").replay() if event.event_type == "memory.forgotten"]
    gate = next(event for event in governed.loom.log("work").replay() if event.event_type.startswith("evolution"))
    for event in (forgotten, gate):
        with pytest.raises((InvalidInputError, ForgottenError), match="cannot be taken back"):
            governed.roll_back(event)


def test_a_rollback_without_a_reason_is_refused(governed: GovernedMemory) -> None:
    correction = governed.corrected(governed.say("ships in May"), "ships in June")
    with pytest.raises(InvalidInputError, match="reason"):
        governed.roll_back(correction, "")


def test_after_the_window_an_agent_needs_a_review_and_a_person_does_not(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path, rollback_window_seconds=60)
    correction = governed.corrected(governed.say("ships in May"), "ships in June")
    governed.moment += 61_000_000
    late = governed.roll_back(correction, origin=AGENT)
    assert late.event is None
    assert late.proposal is not None
    assert late.gate.decision.decision is Decision.REQUIRES_REVIEW
    assert governed.found("ships") == ["ships in June"]
    governed.rolled_back(correction, origin=HUMAN)
    assert governed.found("ships") == ["ships in May"]
    governed.memory.close()


def test_an_untrusted_source_cannot_roll_back_by_itself(governed: GovernedMemory) -> None:
    correction = governed.corrected(governed.say("ships in May"), "ships in June")
    assert governed.roll_back(correction, origin=STRANGER).event is None
    assert governed.found("ships") == ["ships in June"]


def test_a_replaced_value_is_current_again_when_what_replaced_it_was_wrong_and_is_corrected_away(
    governed: GovernedMemory,
) -> None:
    governed.put("user.preference_changed", {"user": "ann", "key": "editor", "value": "vim"})
    second = governed.put("user.preference_changed", {"user": "ann", "key": "editor", "value": "emacs"})
    assert governed.found("ann editor") == [EMACS]
    moved = governed.corrected(second, "key: shell\nvalue: fish")
    assert VIM in governed.found("ann editor")
    governed.rolled_back(moved)
    assert governed.found("ann editor") == [EMACS]


def test_rollbacks_of_rollbacks_are_refused_before_a_reader_stops_following_them(governed: GovernedMemory) -> None:
    last = governed.corrected(governed.say("ships in May"), "ships in June")
    for _ in range(60):
        last = governed.rolled_back(last)
    assert governed.found("ships") == ["ships in June"]
    with pytest.raises(InvalidInputError, match="rollbacks of each other"):
        governed.roll_back(last)
    assert governed.found("ships") == ["ships in June"]


def test_a_log_of_version_three_takes_effect_as_it_is(governed: GovernedMemory) -> None:
    """The payloads are those that zaxy-memory 3.2.0 writes: no session in a target, hashes without their prefix."""
    said = governed.say("the parser ships in May")
    plain = {"reason": "typo", "authority_status": "non_authoritative"}

    def target(event: Event) -> dict[str, object]:
        return {"seq": event.seq, "hash": event.hash.removeprefix("sha256:")}

    told = {"correction_id": "correction:a50e542a9bb7493cc382bfb8", "content": "the parser ships in June"}
    corrected = governed.put("memory.corrected", {**told, "target": target(said), **plain})
    before = governed.time
    assert governed.found("parser") == ["the parser ships in June"]
    reverts = {"reverts": {"event_type": "memory.corrected"}, "rollback_id": "rollback:8c3935be17eb86e24d085118"}
    rolled = governed.put("memory.rolled_back", {**reverts, "target": target(corrected), **plain})
    assert governed.found("parser") == ["the parser ships in May"]
    assert governed.found("parser", known_at=before) == ["the parser ships in June"]
    governed.rolled_back(rolled)
    assert governed.found("parser") == ["the parser ships in June"]
    governed.corrected(said, "the parser ships in July")
    assert governed.found("parser") == ["the parser ships in July"]


def test_what_somebody_else_says_of_gates_is_not_taken_back_with_a_decision(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    done = governed.edit(said, "ships in June")
    governed.put("build.finished", {"gate": {"name": "lint"}, "applied": ["x"]})
    governed.put("build.finished", {"gate": done.gate.event.citation, "content": "built"})
    assert done.event is not None
    rollback = governed.rolled_back(done.gate.event)
    assert rollback.payload["reverts"]["also"] == [done.event.citation]
    assert governed.found("ships") == ["ships in May"]
    assert governed.found("built") == ["built"]


def test_a_place_outside_of_any_loom_stops_no_question(governed: GovernedMemory) -> None:
    governed.say("hello llama")
    for event_type in ("memory.corrected", "memory.endorsed", "memory.rolled_back", "memory.forgotten"):
        place = {"session_id": "../x", "seq": 1, "hash": ""}
        told = {"content": "x", "reason": "y", "also": [place], "retired": [place], "moment": "2026-01-01T00:00:00Z"}
        governed.put(event_type, {"target": place, **told})
    assert governed.found("llama") == ["hello llama"]


def accepted(governed: GovernedMemory, event: Event) -> Event:
    citations = [event.citation]
    (reviewed,) = governed.memory.reviews.decide(citations, accept=True, reason="fits", actor="ann", origin=HUMAN)
    return reviewed.event


def held(governed: GovernedMemory, target: Event) -> bool:
    """Return whether an agent's rollback waits while a person's would pass."""
    done = governed.roll_back(target, origin=AGENT)
    assert (done.event is None) == (done.proposal is not None)
    return done.proposal is not None


def test_no_agent_takes_back_a_persons_rollback_of_an_endorsement(governed: GovernedMemory) -> None:
    said = governed.say("the port is 4242", origin=STRANGER)
    endorsed = accepted(governed, said)
    taken_back = governed.rolled_back(endorsed, origin=HUMAN)
    assert held(governed, taken_back)
    assert governed.memory.reader.is_untrusted(said)
    (hit,) = governed.memory.recall.query("port", Filters())
    assert hit.metadata["taint"] == "untrusted"
    governed.rolled_back(taken_back, origin=HUMAN)
    (hit,) = governed.memory.recall.query("port", Filters())
    assert hit.metadata["state"] == "endorsed"


def test_no_agent_brings_an_endorsement_back_through_the_decision_that_let_it_through(governed: GovernedMemory) -> None:
    said = governed.say("the port is 4242", origin=STRANGER)
    accepted(governed, said)
    gate = [event for event in governed.loom.log("work").replay() if event.event_type == "evolution.gate.evaluated"][-1]
    assert held(governed, governed.rolled_back(gate, origin=HUMAN))


def test_no_agent_brings_an_endorsement_back_through_rollbacks_of_rollbacks(governed: GovernedMemory) -> None:
    last = accepted(governed, governed.say("the port is 4242", origin=STRANGER))
    for _ in range(3):
        last = governed.rolled_back(last, origin=HUMAN)
    assert held(governed, last)


def test_no_agent_brings_back_what_a_review_applied(governed: GovernedMemory) -> None:
    said, web = governed.say("the port is 1883"), governed.say("the port is 666", origin=STRANGER)
    asked = Origin(SourceClass.AGENT, "mcp", "robot", derives_from=(web.citation,))
    proposal = governed.edit(said, "the port is 666", origin=asked).proposal
    assert proposal is not None
    review = accepted(governed, proposal)
    assert held(governed, governed.rolled_back(review, origin=HUMAN))
    assert "the port is 1883" in governed.found("port")


def test_no_agent_brings_back_a_correction_that_a_review_applied_though_an_agent_took_it_back(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path)
    proposal = governed.edit(governed.say("ships in May"), "ships in June", confidence=0.1).proposal
    assert proposal is not None
    applied = governed.loom.resolve(parse_citation(accepted(governed, proposal).payload["applied"]))
    assert held(governed, governed.rolled_back(applied, origin=AGENT))
    governed.memory.close()


def test_no_agent_takes_back_a_persons_rollback_of_an_agents_own_correction(governed: GovernedMemory) -> None:
    correction = governed.corrected(governed.say("ships in May"), "ships in June", origin=AGENT)
    assert held(governed, governed.rolled_back(correction, origin=HUMAN))
    assert governed.found("ships") == ["ships in May"]


def test_an_agent_takes_back_its_own_rollback(governed: GovernedMemory) -> None:
    correction = governed.corrected(governed.say("ships in May"), "ships in June", origin=AGENT)
    governed.rolled_back(governed.rolled_back(correction, origin=AGENT), origin=AGENT)
    assert governed.found("ships") == ["ships in June"]


def test_a_rollback_is_proposed_once_and_an_untrusted_text_comes_back_only_by_a_review(
    governed: GovernedMemory,
) -> None:
    said = governed.say("the port is 4242", origin=STRANGER)
    correction = governed.corrected(said, "the port is 4243", origin=AGENT)
    first, again = (governed.roll_back(correction, origin=AGENT).proposal for _ in range(2))
    assert first is not None
    assert again is not None
    assert again.hash == first.hash
