"""What was made from something that is no longer so is not current either."""

from __future__ import annotations

from typing import Any

import pytest
from recall_memory import RecallMemory

from zaxy.clock import format_time
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin, SourceClass


def contents(memory: RecallMemory, **filters: Any) -> set[str]:
    return {text for text in memory.contents("summary of the llama", **filters) if text.startswith("summary")}


def lose(memory: RecallMemory, source: Event, how: str) -> Event:
    if how == "corrected":
        return memory.correct(source, "A goat lives in Cusco")
    return memory.end(source)


@pytest.mark.parametrize("how", ["corrected", "invalidated"])
def test_a_summary_of_what_is_no_longer_so_leaves_the_answer_and_comes_back_with_history(
    how: str, memory: RecallMemory
) -> None:
    source = memory.turn("A herd lives in Cusco")
    other = memory.turn("Another herd lives in Puno")
    memory.derive("summary of the llama herds", source, other)
    assert contents(memory) == {"summary of the llama herds"}
    before = format_time(memory.moment)
    lose(memory, source, how)
    assert contents(memory) == set()
    (hit,) = [hit for hit in memory.ask("summary of the llama", history=True) if "stale_because" in hit.metadata]
    assert (hit.content, hit.metadata["stale_because"]) == ("summary of the llama herds", source.citation)
    assert contents(memory, known_at=before) == {"summary of the llama herds"}
    assert "outdated, made from" in memory.checkout("summary of the llama", history=True).text


def test_what_was_made_from_a_summary_is_lost_with_its_source(memory: RecallMemory) -> None:
    source = memory.turn("A herd lives in Cusco")
    summary = memory.derive("summary of the llama herds", source)
    memory.derive("summary of the llama summaries", summary)
    assert len(contents(memory)) == 2
    memory.end(source)
    assert contents(memory) == set()
    told = [hit for hit in memory.ask("summary of the llama", history=True) if hit.content.startswith("summary")]
    assert [hit.metadata["stale_because"] for hit in told] == [source.citation] * 2


def test_a_summary_counts_again_when_the_correction_of_its_source_is_rolled_back(memory: RecallMemory) -> None:
    source = memory.turn("A herd lives in Cusco")
    memory.derive("summary of the llama herds", source)
    correction = lose(memory, source, "corrected")
    assert contents(memory) == set()
    memory.roll_back(correction)
    assert contents(memory) == {"summary of the llama herds"}


def test_a_summary_of_a_value_is_lost_when_the_value_is_another_one(memory: RecallMemory) -> None:
    told = {"subject": "llama", "attribute": "home"}
    source = memory.tell("fact.stated", value="Cusco", **told)
    memory.derive("summary of the llama herds", source)
    memory.tell("fact.stated", "other", value="cusco", **told)
    assert "summary of the llama herds" in contents(memory)
    memory.tell("fact.stated", "other", value="Puno", **told)
    assert "summary of the llama herds" not in contents(memory)


def test_a_summary_of_what_was_reviewed_stands(memory: RecallMemory) -> None:
    source = memory.turn("A herd lives in Cusco")
    memory.derive("summary of the llama herds", source)
    review = memory.endorse(source)
    assert contents(memory) == {"summary of the llama herds"}
    memory.end(review)
    assert contents(memory) == set()


def test_a_summary_that_was_corrected_after_its_source_is_current(memory: RecallMemory) -> None:
    source = memory.turn("A herd lives in Cusco")
    summary = memory.derive("summary of the llama herds", source)
    first = memory.correct(source, "A goat lives in Cusco")
    memory.correct(summary, "summary of the llama goats")
    assert contents(memory) == {"summary of the llama goats"}
    memory.correct(source, "A cat lives in Cusco", first)
    assert contents(memory) == set()


def test_a_stale_decision_is_neither_a_fact_nor_open_work_nor_a_change(memory: RecallMemory) -> None:
    source = memory.turn("A herd lives in Cusco")
    origin = Origin(SourceClass.AGENT, derives_from=(source.citation,))
    memory.put("goal.created", {"title": "Visit Cusco"}, actor="ann", session_id="work", origin=origin)
    assert [fact.name for fact in memory.checkout("Visit Cusco").facts] == ["Visit Cusco"]
    assert [fact.name for fact in memory.checkout("anything else").working_set] == ["Visit Cusco"]
    memory.end(source)
    for question in ("Visit Cusco", "anything else"):
        packet = memory.checkout(question, since=source.citation)
        assert packet.facts == packet.working_set == packet.evidence == ()
        assert packet.changes is not None
        assert "Visit Cusco" not in [change.name for change in packet.changes.items]


def test_events_that_say_they_were_made_from_each_other_do_not_go_round(memory: RecallMemory) -> None:
    origin = Origin(SourceClass.DERIVED, derives_from=("eventloom://work/events/2", "eventloom://work/events/9"))
    for _ in range(2):
        told = {"content": "summary of the llama herds"}
        memory.put("transcript.turn", told, actor="bot", session_id="work", origin=origin)
    assert contents(memory) == {"summary of the llama herds"}


def test_of_many_sources_and_of_a_long_chain_each_one_counts(memory: RecallMemory) -> None:
    sources = [memory.turn(f"Herd {number}") for number in range(120)]
    summary = memory.derive("summary of the llama herds", *sources)
    for number in range(120):
        summary = memory.derive(f"Digest {number}", summary)
    memory.derive("summary of the llama digests", summary)
    assert len(contents(memory)) == 2
    memory.end(sources[-1])
    assert contents(memory) == set()


def test_a_session_filter_does_not_make_a_summary_of_another_session_stale(memory: RecallMemory) -> None:
    source = memory.tell("fact.stated", "other", subject="llama", attribute="home", value="Cusco")
    memory.derive("summary of the llama herds", source)
    assert contents(memory, session_id="work") == {"summary of the llama herds"}
    memory.tell("fact.stated", "other", subject="llama", attribute="home", value="Puno")
    assert contents(memory, session_id="work") == set()


def test_a_source_whose_hash_is_not_the_cited_one_makes_nothing_stale(memory: RecallMemory) -> None:
    source = memory.turn("A herd lives in Cusco")
    origin = Origin(SourceClass.DERIVED, derives_from=(f"eventloom://work/events/{source.seq}#000000000000",))
    told = {"content": "summary of the llama herds"}
    memory.put("transcript.turn", told, actor="bot", session_id="work", origin=origin)
    memory.end(source)
    assert contents(memory) == {"summary of the llama herds"}
