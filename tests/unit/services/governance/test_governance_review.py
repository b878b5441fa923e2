"""What waits for a review, and what accepting and rejecting do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from governed_memory import AGENT, HUMAN, STRANGER, GovernedMemory

from zaxy.errors import InvalidInputError, NotAuthorizedError, NotFoundError
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.projections.protocols import GraphReader, Statement
from zaxy.services.governance.review import Reviewed
from zaxy.services.governance.standing import Standings
from zaxy.services.recall.question import Filters


@pytest.fixture
def held(tmp_path: Path) -> Iterator[GovernedMemory]:
    """A memory in which nothing passes without a review."""
    made = GovernedMemory(tmp_path, autonomy_default="require_review")
    yield made
    made.memory.close()


def proposed(memory: GovernedMemory, target: Event, content: str) -> Event:
    proposal = memory.edit(target, content, origin=AGENT).proposal
    assert proposal is not None
    return proposal


def decide(memory: GovernedMemory, *events: Event, accept: bool = True, origin: Origin = HUMAN) -> tuple[Reviewed, ...]:
    memory.moment += 1_000_000
    citations = [event.citation for event in events]
    return memory.memory.reviews.decide(citations, accept=accept, reason="looked at it", actor="ann", origin=origin)


def test_what_waits_is_listed_with_its_citations_and_a_diff(held: GovernedMemory) -> None:
    said = held.say("ships in May\nwith docs")
    proposal = proposed(held, said, "ships in June\nwith docs")
    (waiting,) = held.memory.reviews.waiting()
    assert (waiting.citation, waiting.kind, waiting.target) == (proposal.citation, "correction", said.citation)
    assert waiting.diff == ("-ships in May", "+ships in June", " with docs")
    assert (waiting.actor, waiting.reason, waiting.confidence) == ("zaxy-editor", "typo", 1.0)
    assert "require_review" in waiting.gate_reason
    assert held.memory.reviews.waiting(session_id="other") == ()


def test_an_accepted_correction_is_applied_and_waits_no_more(held: GovernedMemory) -> None:
    said = held.say("ships in May")
    proposal = proposed(held, said, "ships in June")
    (reviewed,) = decide(held, proposal)
    assert reviewed.applied is not None
    assert reviewed.decision == "accepted"
    assert reviewed.applied.payload["proposal"] == proposal.citation
    assert held.found("ships") == ["ships in June"]
    assert held.memory.reviews.waiting() == ()


def test_a_rejected_correction_is_not_applied_and_may_be_proposed_again(held: GovernedMemory) -> None:
    said = held.say("ships in May")
    proposal = proposed(held, said, "ships in June")
    decide(held, proposal, accept=False)
    assert held.found("ships") == ["ships in May"]
    assert held.memory.reviews.waiting() == ()
    again = proposed(held, said, "ships in June")
    assert again.ref != proposal.ref
    assert [waiting.citation for waiting in held.memory.reviews.waiting()] == [again.citation]


def test_a_proposal_made_twice_waits_once(held: GovernedMemory) -> None:
    said = held.say("ships in May")
    assert proposed(held, said, "ships in June").ref == proposed(held, said, "ships in June").ref
    assert len(held.memory.reviews.waiting()) == 1


@pytest.mark.parametrize("accept", [True, False])
def test_the_same_decision_twice_is_given_back_as_it_was(held: GovernedMemory, accept: bool) -> None:
    proposal = proposed(held, held.say("ships in May"), "ships in June")
    (first,) = decide(held, proposal, accept=accept)
    written = held.last_seq()
    (second,) = decide(held, proposal, accept=accept)
    assert second.event.hash == first.event.hash
    assert (second.applied is None) is (first.applied is None)
    assert held.last_seq() == written


@pytest.mark.parametrize("accept", [True, False])
def test_the_opposite_decision_is_refused_and_names_the_first(held: GovernedMemory, accept: bool) -> None:
    proposal = proposed(held, held.say("ships in May"), "ships in June")
    (first,) = decide(held, proposal, accept=accept)
    with pytest.raises(InvalidInputError, match=first.event.citation):
        decide(held, proposal, accept=not accept)


def test_accepting_what_is_about_a_text_that_changed_meanwhile_is_refused(held: GovernedMemory) -> None:
    said = held.say("ships in May")
    proposal = proposed(held, said, "ships in June")
    other = held.corrected(said, "ships in July", origin=HUMAN)
    with pytest.raises(InvalidInputError, match=other.citation):
        decide(held, proposal)
    assert held.found("ships") == ["ships in July"]
    (waiting,) = held.memory.reviews.waiting()
    assert "can no longer be applied" in waiting.diff[0]


def test_none_of_several_is_decided_when_one_of_them_cannot_be(held: GovernedMemory) -> None:
    said = held.say("ships in May")
    proposal = proposed(held, said, "ships in June")
    with pytest.raises(InvalidInputError, match="waits for no review"):
        decide(held, proposal, said)
    with pytest.raises(NotFoundError):
        held.memory.reviews.decide(["eventloom://work/events/99"], accept=True, reason="?", actor="ann")
    assert held.found("ships") == ["ships in May"]


def test_many_are_accepted_at_once(held: GovernedMemory) -> None:
    proposals = [proposed(held, held.say(f"ship {name} in May"), f"ship {name} in June") for name in ("ant", "bee")]
    assert len(decide(held, *proposals)) == 2
    assert sorted(held.found("ship")) == ["ship ant in June", "ship bee in June"]


def test_rolling_back_an_accepted_review_undoes_what_it_applied_and_the_proposal_waits_again(
    held: GovernedMemory,
) -> None:
    said = held.say("ships in May")
    proposal = proposed(held, said, "ships in June")
    (reviewed,) = decide(held, proposal)
    held.rolled_back(reviewed.event, origin=HUMAN)
    assert held.found("ships") == ["ships in May"]
    assert [waiting.citation for waiting in held.memory.reviews.waiting()] == [proposal.citation]
    decide(held, proposal)
    assert held.found("ships") == ["ships in June"]
    assert held.memory.reviews.waiting() == ()


def test_a_proposed_rollback_is_applied_when_it_is_accepted(held: GovernedMemory) -> None:
    said = held.say("ships in May")
    correction = held.corrected(said, "ships in June", origin=HUMAN)
    done = held.roll_back(correction, origin=AGENT)
    assert done.proposal is not None
    (waiting,) = held.memory.reviews.waiting()
    assert (waiting.kind, waiting.target) == ("rollback", correction.citation)
    decide(held, done.proposal)
    assert held.found("ships") == ["ships in May"]


def test_a_crash_between_a_correction_and_its_review_is_made_good_by_the_next_acceptance(
    held: GovernedMemory,
) -> None:
    said = held.say("ships in May")
    proposal = proposed(held, said, "ships in June")
    gate = held.memory.gate.evaluate("update", 1.0, session_id="work", actor="ann", subject=said, origin=HUMAN)
    applied = held.memory.corrections.apply(proposal, gate, HUMAN)
    (reviewed,) = decide(held, proposal)
    assert reviewed.applied is not None
    assert reviewed.applied.ref == applied.ref
    assert held.types().count("memory.corrected") == 1


def test_a_proposal_cannot_be_edited_or_rolled_back(held: GovernedMemory) -> None:
    proposal = proposed(held, held.say("ships in May"), "ships in June")
    with pytest.raises(InvalidInputError, match="review"):
        held.edit(proposal, "ships never")
    with pytest.raises(InvalidInputError, match="review"):
        held.roll_back(proposal)


def test_the_proposed_correction_of_a_forgettable_memory_is_sealed(held: GovernedMemory) -> None:
    said = held.say("the canary ships in May", forgettable=True)
    proposal = proposed(held, said, "the canary ships in June")
    assert "canary" not in (held.settings.eventloom_path / "work.jsonl").read_text()
    assert held.memory.reviews.waiting()[0].diff == ("-the canary ships in May", "+the canary ships in June")
    decide(held, proposal)
    assert held.found("canary") == ["the canary ships in June"]


def test_an_untrusted_memory_states_no_fact_until_it_is_endorsed(governed: GovernedMemory) -> None:
    tool = Origin(SourceClass.TOOL, "mcp")
    said = governed.put("user.preference_changed", {"user": "ann", "key": "editor", "value": "ed"}, origin=tool)
    (hit,) = governed.memory.recall.query("ann editor", Filters())
    assert hit.metadata["taint"] == "untrusted"
    assert "entity" not in hit.metadata
    (reviewed,) = decide(governed, said)
    (hit,) = governed.memory.recall.query("ann editor", Filters())
    assert (hit.citation, hit.metadata["state"]) == (reviewed.event.citation, "endorsed")
    assert hit.content == "user: ann\nkey: editor\nvalue: ed"
    assert hit.metadata["entity"] == "preference:ann: editor"
    governed.rolled_back(reviewed.event, origin=HUMAN)
    (hit,) = governed.memory.recall.query("ann editor", Filters())
    assert hit.citation == said.citation
    assert hit.metadata["taint"] == "untrusted"


def test_endorsing_twice_writes_once_and_editing_an_endorsed_memory_supersedes_the_endorsement(
    governed: GovernedMemory,
) -> None:
    said = governed.say("the llama is fed", origin=Origin(untrusted=True))
    (first,) = decide(governed, said)
    (second,) = decide(governed, said)
    assert second.event.hash == first.event.hash
    correction = governed.corrected(said, "the llama is not fed", origin=HUMAN)
    assert correction.payload["supersedes"] == [first.event.citation]
    assert governed.found("llama") == ["the llama is not fed"]


@pytest.mark.parametrize("origin", [STRANGER, Origin(SourceClass.TOOL), Origin(SourceClass.IMPORT)])
def test_an_untrusted_source_vouches_for_nothing(governed: GovernedMemory, origin: Origin) -> None:
    said = governed.say("the llama is fed", origin=STRANGER)
    with pytest.raises(NotAuthorizedError):
        decide(governed, said, origin=origin)


def test_what_is_made_from_an_untrusted_memory_is_labelled_and_what_is_made_from_its_endorsement_is_not(
    governed: GovernedMemory,
) -> None:
    said = governed.say("the llama is fed", origin=STRANGER)
    summary = governed.say("llama summary", origin=Origin(SourceClass.DERIVED, derives_from=(said.citation,)))
    further = governed.say("llama digest", origin=Origin(SourceClass.DERIVED, derives_from=(summary.citation,)))
    by_agent = governed.edit(said, "the llama is very fed", origin=AGENT).event
    assert by_agent is not None
    reader = governed.memory.reader
    assert all(reader.is_untrusted(event) for event in (said, summary, further, by_agent))
    (endorsed,) = decide(governed, said)
    made = governed.say("llama words", origin=Origin(SourceClass.DERIVED, derives_from=(endorsed.event.citation,)))
    assert not reader.is_untrusted(made)
    assert reader.is_untrusted(further)


def test_a_proposal_that_another_program_wrote_hides_no_other(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    for gate in ("no citation", "eventloom://nowhere/events/1", ["x"], 7):
        told = {"proposal_id": f"correction:{gate}", "target": {"seq": "x"}, "gate": gate, "status": "pending"}
        governed.put("memory.correction.proposed", told)
    proposal = governed.edit(said, "ships in June", confidence=0.1).proposal
    assert proposal is not None
    waiting = governed.memory.reviews.waiting()
    assert [one.confidence for one in waiting] == [None] * 4 + [0.1]
    assert waiting[-1].citation == proposal.citation


@pytest.mark.parametrize("kind", ["correction", "rollback"])
def test_a_proposal_that_was_ended_waits_no_more_and_can_be_made_anew(governed: GovernedMemory, kind: str) -> None:
    said = governed.say("ships in May")
    correction = governed.corrected(said, "ships in June")

    def propose() -> Event:
        if kind == "correction":
            done = governed.edit(said, "ships in July", confidence=0.1).proposal
        else:
            done = governed.roll_back(correction, confidence=0.1).proposal
        assert done is not None
        return done

    ended = propose()
    governed.memory.invalidation.invalidate(session_id="work", actor="ann", citations=[ended.citation])
    assert governed.memory.reviews.waiting() == ()
    with pytest.raises(InvalidInputError, match="waits no more"):
        governed.memory.reviews.decide([ended.citation], accept=True, reason="yes", actor="ann", origin=HUMAN)
    anew = propose()
    assert anew.ref != ended.ref
    assert [one.citation for one in governed.memory.reviews.waiting()] == [anew.citation]


@pytest.mark.parametrize(
    "event_type",
    ["proposal.closed", "proposal.rejected", "memory.reviewed.x", "memory.correction.proposed.x"],
)
def test_what_only_speaks_of_a_proposal_does_not_close_it(held: GovernedMemory, event_type: str) -> None:
    proposal = proposed(held, held.say("ships in May"), "ships in June")
    name = proposal.payload["proposal_id"]
    told = {"title": name, "proposal_id": name, "status": "rejected", "decision": "rejected"}
    held.put(event_type, told)
    assert [one.citation for one in held.memory.reviews.waiting()] == [proposal.citation]
    assert decide(held, proposal)[0].decision == "accepted"


class Told:
    """A graph of an earlier version, in which a note states how a proposal stands."""

    def __init__(self, graph: GraphReader, note: Event) -> None:
        self.endings = graph.endings
        self._graph = graph
        self._note = note

    def statements(self, key: str) -> list[Statement]:
        own = list(self._graph.statements(key))
        later = {"valid_from": self._note.recorded_moment, "recorded_at": self._note.recorded_moment}
        return [*own, *(replace(one, ref=self._note.ref, status="rejected", **later) for one in own)]


def test_only_a_review_closes_a_proposal_whatever_a_graph_holds(held: GovernedMemory) -> None:
    proposal = proposed(held, held.say("ships in May"), "ships in June")
    note = held.say("nobody wants that")
    memory = held.memory
    memory.catchup.catch_up()

    def ask(question: Callable[[Any], Any]) -> Any:
        return memory.recall.ask_graph(lambda graph: question(Told(graph, note)))

    standings = Standings(held.loom, memory.reader, ask)
    told = standings.status_of(proposal.payload["proposal_id"])
    assert told is not None
    assert told.ref == proposal.ref


def test_the_same_proposal_of_a_sealed_memory_waits_once_and_its_id_tells_nothing_of_the_text(
    tmp_path: Path,
) -> None:
    ids = []
    for folder in ("one", "two"):
        memory = GovernedMemory(tmp_path / folder, autonomy_default="require_review")
        said = memory.say("Bob is well", forgettable=True)
        first, again = proposed(memory, said, "Bob is ill"), proposed(memory, said, "Bob is ill")
        assert again.hash == first.hash
        opened = memory.memory.reader.open(first).payload
        decide(memory, first, accept=False)
        (review,) = [event for event in memory.loom.log("work").replay() if event.event_type == "memory.reviewed"]
        gates = [event for event in memory.loom.log("work").replay() if event.event_type == "evolution.gate.evaluated"]
        name = opened["proposal_id"].removeprefix("correction:")
        assert review.payload["proposal_id"] == opened["proposal_id"]
        assert gates[0].hash.removeprefix("sha256:").startswith(name)  # the decision: nothing of the text is in it
        ids.append(name)
        memory.memory.close()
    assert len(set(ids)) == 2
