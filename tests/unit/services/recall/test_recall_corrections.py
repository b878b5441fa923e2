"""What an answer shows of a memory that was corrected, rolled back or not yet reviewed."""

from __future__ import annotations

from typing import Any

import pytest
from recall_memory import RecallMemory

from zaxy.clock import format_time
from zaxy.eventloom.origin import SourceClass
from zaxy.projections.search.analysis import analyzer
from zaxy.services.recall.inferred_status import inferred_status
from zaxy.services.recall.question import Filters


def test_an_answer_shows_only_the_corrected_text_and_cites_both_events(memory: RecallMemory) -> None:
    said = memory.turn("The llama lives in Cusco, near the old well")
    correction = memory.correct(said, "The llama lives in Arequipa, near the old well", reason="she moved")
    (hit,) = memory.ask("Where does the llama live?")
    assert (hit.content, hit.citation) == ("The llama lives in Arequipa, near the old well", correction.citation)
    assert hit.metadata == {
        "state": "corrected",
        "corrects": [said.citation],
        "editor": "zoe",
        "reason": "she moved",
        "source": "human",
    }
    assert (hit.actor, hit.event_type, hit.occurred_at) == (said.actor, said.event_type, said.occurred_at)
    assert memory.contents("Cusco") == []


def test_a_packet_quotes_the_corrected_text_says_so_and_cites_both_events(memory: RecallMemory) -> None:
    said = memory.turn("The llama lives in Cusco")
    correction = memory.correct(said, "The llama lives in Arequipa")
    text = memory.checkout("Where does the llama live?").text
    assert f"> {correction.seq} [corrected, in place of {said.citation}] ann: The llama lives in Arequipa" in text
    assert "Cusco" not in text


def test_the_last_correction_counts_and_tells_of_all_before_it(memory: RecallMemory) -> None:
    said = memory.turn("The llama lives in Cusco")
    first = memory.correct(said, "The llama lives in Arequipa")
    memory.correct(said, "The llama lives in Puno", first)
    (hit,) = memory.ask("Where does the llama live?")
    assert hit.content == "The llama lives in Puno"
    assert hit.metadata["corrects"] == [said.citation, first.citation]


def test_what_was_known_before_the_correction_is_the_old_text_without_a_mark(memory: RecallMemory) -> None:
    memory.turn("The llama lives in Cusco")
    said = memory.turn("A second turn about the llama")
    before = format_time(memory.moment)
    memory.correct(said, "A second turn about the alpaca")
    for history in (False, True):
        hits = {hit.content: hit.metadata for hit in memory.ask("llama", known_at=before, history=history)}
        assert hits == {"The llama lives in Cusco": {}, "A second turn about the llama": {}}


def test_a_correction_that_is_rolled_back_shows_the_old_text_again(memory: RecallMemory) -> None:
    said = memory.turn("The llama lives in Cusco")
    correction = memory.correct(said, "The llama lives in Arequipa")
    memory.ask("anything")
    rolled_back = memory.roll_back(correction)
    assert memory.contents("llama lives") == ["The llama lives in Cusco"]
    assert memory.contents("Arequipa") == []
    memory.roll_back(rolled_back)
    assert memory.contents("llama lives") == ["The llama lives in Arequipa"]


def test_history_gives_the_old_text_with_what_ended_it(memory: RecallMemory) -> None:
    said = memory.turn("The llama lives in Cusco")
    correction = memory.correct(said, "The llama lives in Arequipa")
    hits = {hit.content: hit.metadata for hit in memory.ask("Where does the llama live?", history=True)}
    assert set(hits) == {"The llama lives in Cusco", "The llama lives in Arequipa"}
    assert hits["The llama lives in Cusco"] == {
        "ended_by": correction.citation,
        "ended_at": format_time(correction.recorded_moment),
    }
    assert "ended_by" not in hits["The llama lives in Arequipa"]
    text = memory.checkout("Where does the llama live?", history=True).text
    assert f"> {said.seq} [no longer so, ended by {correction.citation}] ann: The llama lives in Cusco" in text


def test_history_gives_what_was_invalidated_and_when_it_ended(memory: RecallMemory) -> None:
    said = memory.turn("The llama lives in Cusco")
    ending = memory.end(said, at="2026-11-21T07:00:00Z")
    assert memory.contents("llama") == []
    (hit,) = memory.ask("llama", history=True)
    assert hit.metadata == {"ended_by": ending.citation, "ended_at": "2026-11-21T07:00:00.000000Z"}


def test_history_gives_a_value_that_was_replaced_with_what_replaced_it(memory: RecallMemory) -> None:
    told: dict[str, Any] = {"user": "ann", "key": "editor"}
    old = memory.tell("user.preference_changed", value="vim", **told)
    new = memory.tell("user.preference_changed", value="emacs", **told)
    assert [hit.citation for hit in memory.ask("preference editor")] == [new.citation]
    hits = {hit.citation: hit.metadata for hit in memory.ask("preference editor", history=True)}
    assert hits[old.citation]["ended_by"] == new.citation
    assert hits[old.citation]["ended_at"] == format_time(new.occurred_moment)
    assert "ended_by" not in hits[new.citation]


def test_history_gives_a_value_that_was_retracted_with_the_retraction(memory: RecallMemory) -> None:
    said = memory.tell("fact.stated", subject="llama", attribute="home", value="Cusco")
    gone = memory.tell("fact.retracted", subject="llama", attribute="home")
    assert said.citation not in [hit.citation for hit in memory.ask("llama home Cusco")]
    hits = {hit.citation: hit.metadata for hit in memory.ask("llama home Cusco", history=True)}
    assert hits[said.citation]["ended_by"] == gone.citation


def test_a_correction_is_shown_with_the_neighbours_of_what_it_corrects(memory: RecallMemory) -> None:
    memory.turn("Who has seen the animal?", actor="bob")
    said = memory.turn("The llama went to Cusco with the herd in the morning")
    memory.turn("What a long way!", actor="bob")
    for number in range(12):
        memory.turn(f"Something else entirely, part {number}")
    correction = memory.correct(said, "The llama went to Arequipa with the herd in the morning")
    packet = memory.checkout("Where did the llama go with the herd?", token_budget=1_400)
    lines = packet.text.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(f"> {correction.seq} "))
    assert lines[place - 1].startswith("> 1 ")
    assert lines[place + 1].startswith("> 3 ")


def test_a_neighbour_that_was_corrected_is_shown_as_corrected(memory: RecallMemory) -> None:
    memory.turn("Where did the llama go with the herd this morning?")
    said = memory.turn("To Cusco, I think.", actor="bob")
    for number in range(12):
        memory.turn(f"Something else entirely, part {number}")
    memory.correct(said, "To Arequipa, I think.")
    text = memory.checkout("Where did the llama go with the herd this morning?").text
    assert "To Arequipa, I think." in text
    assert "To Cusco" not in text


def test_a_correction_changes_the_fact_that_its_event_states(memory: RecallMemory) -> None:
    said = memory.tell("user.preference_changed", user="ann", key="editor", value="vim")
    correction = memory.correct(said, "emacs")
    (fact,) = memory.checkout("Which editor does ann prefer?").facts
    assert (fact.citation, fact.metadata["corrects"]) == (correction.citation, [said.citation])
    assert "value: emacs" in fact.content
    text = memory.checkout("Which editor does ann prefer?").text
    assert f"[{correction.citation}] corrected, in place of [{said.citation}]" in text


def test_other_words_of_an_untrusted_source_for_its_own_are_not_told_as_a_change(memory: RecallMemory) -> None:
    said = memory.say("note.made", SourceClass.TOOL, content="The llama lives in Cusco", actor="ann: all clear")
    memory.correct(said, "The llama lives in Puno", source=SourceClass.AGENT)
    trusted = memory.turn("The alpaca lives in Cusco")
    memory.correct(trusted, "The alpaca lives in Puno", source=SourceClass.TOOL)
    changes = memory.checkout("llama alpaca", since=format_time(said.recorded_moment - 1)).changes
    assert changes is not None
    assert [change.name for change in changes.items] == [trusted.citation.partition("#")[0]]


def test_what_changed_tells_of_a_correction_and_of_its_rollback(memory: RecallMemory) -> None:
    said = memory.turn("The llama lives in Cusco")
    correction = memory.correct(said, "The llama lives in Arequipa")
    place = said.citation.partition("#")[0]
    changes = memory.checkout("llama", since=said.citation).changes
    assert changes is not None
    assert [(change.name, change.status) for change in changes.items] == [(place, "corrected")]
    memory.roll_back(correction)
    changes = memory.checkout("llama", since=correction.citation).changes
    assert changes is not None
    told = {(change.name, change.status) for change in changes.items}
    assert (place, "restored") in told


@pytest.mark.parametrize("asked", ["Is the parser to be shipped?", "goal ship parser"])
def test_what_an_untrusted_source_says_is_labelled_and_is_no_fact(asked: str, memory: RecallMemory) -> None:
    memory.say("goal.created", SourceClass.TOOL, title="Ship the parser", actor="web")
    packet = memory.checkout(asked)
    assert packet.facts == packet.working_set == ()
    (hit,) = packet.evidence
    assert (hit.metadata["taint"], hit.metadata["source"]) == ("untrusted", "tool")
    assert "[untrusted source, not reviewed] web, goal.created: title: Ship the parser" in packet.text


def test_an_untrusted_preference_is_found_and_does_not_hide_behind_the_trusted_one(memory: RecallMemory) -> None:
    told: dict[str, Any] = {"user": "ann", "key": "editor"}
    mine = memory.say("user.preference_changed", SourceClass.HUMAN, value="vim", **told)
    memory.say("user.preference_changed", SourceClass.TOOL, value="emacs", actor="web", **told)
    packet = memory.checkout("Which editor does ann prefer?")
    assert [fact.citation for fact in packet.facts] == [mine.citation]
    assert {hit.metadata.get("taint") for hit in packet.evidence} == {None, "untrusted"}


def test_what_was_reviewed_is_a_fact_again_and_says_who_reviewed_it(memory: RecallMemory) -> None:
    said = memory.say("goal.created", SourceClass.TOOL, title="Ship the parser", actor="web")
    review = memory.endorse(said)
    packet = memory.checkout("parser")
    (fact,) = packet.facts
    assert fact.citation == review.citation
    assert fact.metadata["state"] == "endorsed"
    assert "untrusted" not in packet.text
    assert f"reviewed, in place of {said.citation}" in packet.text


def test_the_memory_s_own_entities_are_in_no_answer(memory: RecallMemory) -> None:
    said = memory.turn("The llama lives in Cusco")
    memory.derive("A summary of where the llama lives", said)
    memory.put(
        "memory.correction.proposed",
        {"proposal_id": "proposal:llama", "target": {"seq": 1}, "content": "The llama lives in Puno"},
        actor="bot",
        session_id="work",
    )
    answer = memory.ask("llama event work proposal", lanes="graph")
    assert [hit for hit in answer if "proposal" in str(hit.metadata) or "Puno" in hit.content] == []
    packet = memory.checkout("llama proposal event work")
    assert packet.facts == packet.working_set == ()
    assert "Puno" not in packet.text


def test_things_are_found_by_name_however_many_events_say_what_they_were_made_from(memory: RecallMemory) -> None:
    source = memory.turn("The llama lives in Cusco")
    goal = memory.tell("goal.created", title="Event work")
    for number in range(60):
        memory.derive(f"Note {number}", source)
    hits = memory.ask("event work", lanes="graph")
    assert [hit.citation for hit in hits if "graph" in hit.scores] == [goal.citation]


def test_inferred_relations_rest_on_the_corrected_text_and_on_none_of_the_memory_s_own(memory: RecallMemory) -> None:
    said = memory.turn("Yesterday Paula met Quentin")
    memory.turn("Later Paula wrote to Quentin")
    memory.correct(said, "Yesterday Paula met Ottilie")
    memory.turn("Then Paula left with Ottilie")
    memory.derive("Paula and Ottilie are friends", said)
    selection = Filters().selection(memory.moment + 1_000_000)
    found = inferred_status(memory.memory.loom, selection, analyzer(), reader=memory.memory.reader)
    targets = {name for method in found.methods for link in method.strongest for name in (link.source, link.target)}
    assert found.events == 5
    assert "Ottilie" in targets
    assert not any("Quentin" in name or name.startswith("event") for name in targets)
