"""A memory that can be forgotten is found like any other, and one that was forgotten is in no answer."""

from __future__ import annotations

import pytest
from recall_memory import RecallMemory

from zaxy.eventloom.event import Event

QUESTION = "Where does the llama with the secret live?"


def sealed(memory: RecallMemory, text: str, event_type: str = "transcript.turn") -> Event:
    return memory.put(event_type, {"content": text}, actor="ann", session_id="work", forgettable=True)


def forget(memory: RecallMemory, event: Event) -> None:
    memory.moment += 1_000_000
    service = memory.memory.forgetting
    service.forget(service.plan(targets=(event,)), reason="asked to", confirmed=True)


def test_a_forgettable_memory_is_found_quoted_and_followed_like_any_other(memory: RecallMemory) -> None:
    said = sealed(memory, "The llama with the secret lives in Cusco")
    plain = memory.turn("The llama with the secret lives in Cusco")
    for lanes in ("lexical", "verbatim", None):
        told = {hit.citation: (hit.content, hit.actor) for hit in memory.ask(QUESTION, lanes=lanes)}
        assert told[said.citation] == told[plain.citation] == ("The llama with the secret lives in Cusco", "ann")
    packet = memory.checkout(QUESTION)
    assert {hit.citation for hit in packet.evidence} == {said.citation, plain.citation}
    assert "[SEALED]" not in packet.text


def test_a_forgettable_memory_is_corrected_like_any_other(memory: RecallMemory) -> None:
    said = sealed(memory, "The llama with the secret lives in Cusco")
    memory.correct(said, "The llama with the secret lives in Puno")
    assert memory.contents(QUESTION) == ["The llama with the secret lives in Puno"]


@pytest.mark.parametrize("history", [False, True])
def test_a_forgotten_memory_is_in_no_answer(history: bool, memory: RecallMemory) -> None:
    first = memory.turn("I have something to tell about the llama")
    said = sealed(memory, "The llama with the secret lives in Cusco")
    memory.turn("So far away?", actor="bob")
    memory.derive("summary: the llama with the secret", said)
    forget(memory, said)
    place = said.citation.partition("#")[0]
    for lanes in ("lexical", "verbatim", "graph", None):
        for hit in memory.ask("Cusco secret llama", lanes=lanes, history=history):
            assert said.citation not in hit.citation
            assert "Cusco" not in hit.content
            assert "[FORGOTTEN]" not in hit.content
    packet = memory.checkout(QUESTION, since=first.citation, history=history)
    assert "Cusco" not in packet.text
    assert "[FORGOTTEN]" not in packet.text
    if not history:
        assert place not in packet.text
        assert "summary:" not in packet.text
    assert packet.changes is not None
    assert "forgotten" in [change.status for change in packet.changes.items]
    assert place not in str(packet.changes)


def test_what_was_known_before_it_was_forgotten_cannot_be_asked_for(memory: RecallMemory) -> None:
    said = sealed(memory, "The llama with the secret lives in Cusco")
    before = said.recorded_at
    assert memory.contents(QUESTION, known_at=before) == ["The llama with the secret lives in Cusco"]
    forget(memory, said)
    assert memory.contents(QUESTION, known_at=before) == []
    assert memory.checkout(QUESTION, known_at=before).evidence == ()
