"""What a packet says of a value that sources disagree on."""

from __future__ import annotations

import pytest
from recall_memory import RecallMemory

from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import SourceClass
from zaxy.services.recall.results import Fact


def home(memory: RecallMemory, value: str, source: SourceClass, *, actor: str = "ann", session: str = "work") -> Event:
    told = {"subject": "llama", "attribute": "home", "value": value}
    return memory.say("fact.stated", source, actor=actor, session_id=session, **told)


def the_fact(memory: RecallMemory) -> Fact:
    (fact,) = memory.checkout("What is the home of the llama?").facts
    return fact


@pytest.mark.parametrize("human_first", [True, False])
def test_the_more_trusted_source_counts_and_the_fact_cites_who_says_otherwise(
    human_first: bool, memory: RecallMemory
) -> None:
    told = {}
    for source in (SourceClass.HUMAN, SourceClass.IMPORT) if human_first else (SourceClass.IMPORT, SourceClass.HUMAN):
        told[source] = home(memory, "Cusco" if source is SourceClass.HUMAN else "Puno", source)
    fact = the_fact(memory)
    assert (fact.status, fact.citation) == ("Cusco", told[SourceClass.HUMAN].citation)
    assert fact.metadata["disputed_by"] == [told[SourceClass.IMPORT].citation]
    text = memory.checkout("What is the home of the llama?").text
    assert f"disputed, another source says otherwise: [{told[SourceClass.IMPORT].citation}]" in text


def test_the_same_value_of_two_sources_is_no_dispute(memory: RecallMemory) -> None:
    home(memory, "Cusco", SourceClass.HUMAN)
    home(memory, "CUSCO", SourceClass.AGENT, actor="bot")
    assert "disputed_by" not in the_fact(memory).metadata


def test_a_later_value_of_the_same_source_is_no_dispute(memory: RecallMemory) -> None:
    home(memory, "Cusco", SourceClass.HUMAN)
    home(memory, "Puno", SourceClass.HUMAN, session="other")
    fact = the_fact(memory)
    assert fact.status == "Puno"
    assert "disputed_by" not in fact.metadata


def test_who_took_back_what_they_said_disputes_nothing(memory: RecallMemory) -> None:
    home(memory, "Cusco", SourceClass.HUMAN)
    wrong = home(memory, "Puno", SourceClass.AGENT, actor="bot")
    assert the_fact(memory).metadata["disputed_by"] == [wrong.citation]
    memory.end(wrong)
    assert "disputed_by" not in the_fact(memory).metadata


def test_a_retired_value_stays_retired_whatever_others_said_before(memory: RecallMemory) -> None:
    home(memory, "Puno", SourceClass.AGENT, actor="bot")
    right = home(memory, "Cusco", SourceClass.HUMAN)
    memory.end(right)
    assert memory.checkout("What is the home of the llama?").facts == ()
