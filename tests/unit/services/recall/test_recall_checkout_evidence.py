"""What a packet quotes beside the hits: the neighbours that a hit depends on, and the places kept for exact words."""

from __future__ import annotations

from typing import Any

import pytest
from recall_memory import RecallMemory

from zaxy.eventloom.event import Event
from zaxy.ids import EventRef
from zaxy.projections.search.analysis import analyzer
from zaxy.services.recall.checkout_evidence import dependencies, exact_matches, in_order, read_neighbours, with_role
from zaxy.services.recall.question import Filters, telling_terms
from zaxy.services.recall.results import Hit

WORDS = analyzer()
LONG = "It stood beside the well in the middle of the village when everybody came home from the harvest"


def hit(seq: int, content: str, *, session_id: str = "work", event_type: str = "transcript.turn") -> Hit:
    return Hit(f"{session_id}/{seq}", session_id, seq, event_type, "ann", "2026-01-01", "2026-01-01", content, 1.0)


def sides(content: str, *, both: int = 0, event_type: str = "transcript.turn") -> list[int]:
    found = dependencies([hit(5, content, event_type=event_type)], WORDS, both)
    return [ref.seq for refs in found.values() for ref in refs]


def neighbours(memory: RecallMemory, *refs: EventRef, **filters: Any) -> dict[EventRef, Hit]:
    memory.ask("anything")
    selection = Filters(**filters).selection(memory.now())
    found: dict[EventRef, Hit] = memory.memory.recall.ask_graph(
        lambda graph: read_neighbours(refs, memory.memory.recall.judge(graph, selection))
    )
    return found


# ---- which neighbours


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("Did anybody see where the llama went after the harvest feast in the village?", [6]),
        ("Yes, she did that for us!", [4]),
        ("It was in Lisbon.", [4]),
        (LONG, []),
    ],
)
def test_a_question_depends_on_what_follows_and_a_turn_that_says_little_on_what_went_before(
    content: str, wanted: list[int]
) -> None:
    assert sides(content) == wanted
    assert sides(content, both=1) == [4, 6]


def test_only_turns_have_neighbours_and_the_first_has_none_before_it() -> None:
    assert sides("Yes.", event_type="note.made", both=1) == []
    assert dependencies([hit(1, "Yes.")], WORDS, 1) == {EventRef("work", 1): [EventRef("work", 2)]}
    many = [hit(seq * 3, "Yes.") for seq in range(1, 60)]
    assert len(dependencies(many, WORDS, 0)) == 20


@pytest.mark.parametrize("what", ["ended", "of another actor", "not yet", "not known yet", "not a turn", "not there"])
def test_a_neighbour_that_may_not_be_in_an_answer_is_left_out(what: str, memory: RecallMemory) -> None:
    told: dict[str, Any] = {"occurred_at": "2027-05-01T00:00:00Z"} if what == "not yet" else {}
    kind = "note.made" if what == "not a turn" else "transcript.turn"
    asked = memory.tell(kind, actor="bob", content="Did you buy it?", **told)
    filters = {
        "of another actor": {"actors": "ann"},
        "not yet": {"as_of": "2027-01-01T00:00:00Z"},
        "not known yet": {"known_at": "2026-11-21T08:00:00Z"},
    }
    if what == "ended":
        memory.end(asked)
        memory.moment += 1
    ref = EventRef("work", 9) if what == "not there" else asked.ref
    assert neighbours(memory, ref, **filters.get(what, {})) == {}
    if what in ("of another actor", "not yet", "not known yet"):
        assert neighbours(memory, ref)[ref].content == "Did you buy it?"
    if what == "ended":
        assert neighbours(memory, ref, known_at="2026-11-21T08:00:01Z", as_of="2026-11-21T08:00:01Z").keys() == {ref}


def test_a_neighbour_says_that_it_is_one_and_carries_its_citation(memory: RecallMemory) -> None:
    asked: Event = memory.turn("Did you buy it?", actor="bob")
    (found,) = neighbours(memory, asked.ref).values()
    assert (found.citation, found.actor, found.score, dict(found.metadata)) == (
        asked.citation,
        "bob",
        0.0,
        {"role": "neighbour"},
    )


def test_neighbours_stand_beside_their_hit_and_every_event_once() -> None:
    hits = [hit(5, "Yes."), hit(9, "far"), hit(4, "Did you?")]
    near = {EventRef("work", 6): with_role(hit(6, "Good."), "neighbour")}
    depends = {
        EventRef("work", 5): [EventRef("work", 4), EventRef("work", 6), EventRef("work", 7)],
        EventRef("work", 4): [EventRef("work", 5)],
    }
    order = list(in_order(hits, [hits[1]], depends, near))
    assert [(one.seq, one.metadata["role"]) for one in order] == [
        (5, "hit"),
        (4, "hit"),
        (6, "neighbour"),
        (9, "verbatim"),
    ]


# ---- exact words


def exact(question: str, *contents: str, slots: int = 1) -> list[int]:
    hits = [hit(seq, content) for seq, content in enumerate(contents, 1)]
    return [one.seq for one in exact_matches(hits, question, telling_terms(question, WORDS), WORDS, slots)]


def test_words_count_as_they_were_written_not_by_their_stems() -> None:
    assert exact("gate codes", "the gates are coded", "a gate", "gated coding") == [2]
    assert exact("GATE Codes", "codes of the gate", "a gate") == [1]


def test_rarer_words_and_words_in_the_order_of_the_question_count_more() -> None:
    assert exact("red gate code", "gate red", "gate red", "red code") == [3]
    assert exact("gate code", "the code of the gate", "the gate code") == [2]


def test_words_that_every_question_has_do_not_count_and_ties_keep_the_order_of_the_hits() -> None:
    assert exact("what is the code", "what is the weather", "is what it is") == []
    assert exact("code", "code one", "code two", slots=5) == [1, 2]
    assert exact("code", "code one", "code two", slots=0) == []
    assert exact("", "code") == []
