"""The vector lane finds what is so, however much of what lies nearer is not, or was not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zaxy.config import Settings
from zaxy.ids import EventRef
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters

QUESTION = "Where does the llama live?"


@pytest.fixture(params=["tail", "stores"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    """A memory of which 300 texts that lie next to the question were corrected, or are of another type."""
    settings = Settings(eventloom_path=tmp_path / "loom", state_path=tmp_path / "state", fsync="off")
    with Memory(settings) as memory:
        for number in range(1, 301):
            memory.loom.append("work", "transcript.turn", "ann", {"content": f"Where does the llama live? {number}"})
        memory.loom.append("work", "decision.made", "ann", {"decision": "The llama lives in Arequipa from now on"})
        if request.param == "stores":
            memory.catchup.catch_up()
        memory.embed()
        yield memory


def found_near(memory: Memory, **filters: str) -> list[EventRef]:
    answer = memory.recall.query(QUESTION, Filters(lanes="vector", **filters))
    return [EventRef(hit.session_id, hit.seq) for hit in answer.hits]


def test_texts_that_lie_nearer_and_have_ended_do_not_keep_out_what_is_so(memory: Memory) -> None:
    assert EventRef("work", 301) not in found_near(memory)
    ended = [f"eventloom://work/events/{seq}" for seq in range(1, 301)]
    memory.loom.append("work", "memory.invalidated", "ann", {"targets": ended})
    assert found_near(memory) == [EventRef("work", 301)]


def test_texts_that_lie_nearer_and_are_of_another_type_do_not_keep_out_those_that_are_asked_for(memory: Memory) -> None:
    assert found_near(memory, event_types="decision.*") == [EventRef("work", 301)]


def test_an_answer_says_when_many_candidates_have_no_vector_yet(memory: Memory) -> None:
    asked = "What does an alpaca eat?"
    assert memory.recall.query(QUESTION, Filters()).warnings == ()
    for number in range(60):
        memory.loom.append("late", "transcript.turn", "bob", {"content": f"The alpaca eats hay. {number}"})
    [warning] = memory.recall.query(asked, Filters()).warnings
    assert "have no vector yet" in warning
    memory.embed()
    assert memory.recall.query(asked, Filters()).warnings == ()
