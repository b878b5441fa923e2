"""How an event is read into a graph, where the extraction is odd."""

from __future__ import annotations

from zaxy.projections.graph.intake import Mark, read_meaning, thin, tokens_of
from zaxy.projections.graph.memory import MemoryGraph
from zaxy.projections.graph.timeline import current
from zaxy.projections.selection import Selection
from zaxy.testing.projections import fact, feed, link, make_event, make_meaning, mention
from zaxy.vocabulary.model import VOID, Invalidation, Role


def test_an_entity_given_twice_counts_once_and_as_a_fact() -> None:
    intake = read_meaning(make_meaning(make_event("one", 1), mention("x", "Ann"), fact("x", "ANN", "open")))
    assert [(told.key, told.name, told.statement.role) for told in intake.told] == [("x:ann", "ANN", Role.FACT)]


def test_an_end_of_a_relation_that_is_not_stated_is_mentioned() -> None:
    ann, bo = fact("x", "Ann"), fact("x", "Bo")
    intake = read_meaning(make_meaning(make_event("one", 1), ann, relations=[link(ann, "KNOWS", bo)]))
    assert [(told.key, told.statement.role) for told in intake.told] == [("x:ann", Role.FACT), ("x:bo", Role.MENTION)]


def test_a_mention_after_a_fact_of_the_same_session_is_kept_once() -> None:
    marks: dict[str, Mark] = {}
    said = [mention("x", "Ann"), fact("x", "Ann"), mention("x", "Ann")]
    kept = [thin(read_meaning(make_meaning(make_event("one", n), one)), marks) for n, one in enumerate(said, 1)]
    assert [len(intake.told) for intake in kept] == [1, 1, 0]


def test_what_only_mentions_said_again_counts_no_more_once_the_event_that_said_it_first_is_corrected() -> None:
    ann, page = mention("actor", "Ann"), mention("file", "a.py")
    said = [make_meaning(make_event("one", seq), ann, page, relations=[link(ann, "EDITED", page)]) for seq in (1, 2)]
    corrected = make_meaning(make_event("one", 3), ends=[Invalidation("one", 1, VOID)])
    for told, counts in ((said, True), ([*said, corrected], False), ([said[1], corrected], True)):
        graph = MemoryGraph(str.split)
        feed(graph, told)
        (relation,) = graph.relations("file:a.py")
        assert (current(relation.statements, graph.endings, Selection(now=9_000_000)) is not None) == counts


def test_what_stands_for_an_event_is_found_by_no_token_and_a_proposal_is() -> None:
    assert tokens_of("event:work/7", "work/7", lambda text: text.split("/")) == ()
    assert tokens_of("proposal:7", "7", lambda text: [text]) == ("7", "proposal")


def test_tokens_come_from_the_name_and_the_type_each_once() -> None:
    assert tokens_of("task:fix task", "Fix task", lambda text: text.lower().split()) == ("fix", "task")
