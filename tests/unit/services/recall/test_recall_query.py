"""Questions and their answers: which events, as of when, known when, and tied to the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recall_memory import RecallMemory

from zaxy.config import EmbeddingSettings, Settings
from zaxy.errors import InvalidInputError
from zaxy.ids import parse_citation
from zaxy.memory import Memory
from zaxy.services.recall.question import Filters


def test_what_are_our_goals_returns_the_goals(memory: RecallMemory) -> None:
    memory.turn("lunch was good")
    memory.tell("goal.created", title="Ship the parser")
    memory.tell("goal.created", title="Hire a tester", description="before May")
    memory.tell("task.created", title="Write the lexer")
    answer = memory.ask("What are our goals?")
    assert {hit.content for hit in answer} == {
        "title: Ship the parser",
        "title: Hire a tester\ndescription: before May",
    }
    assert answer.lanes == ("lexical", "graph", "related")
    assert answer.warnings == ()
    assert answer.query == "What are our goals?"


def test_a_hit_says_where_it_comes_from_and_quotes_the_log(memory: RecallMemory) -> None:
    event = memory.turn("The  parser\nis  done", "chat", actor="Bob", occurred_at="2023-05-08T13:56:00Z")
    (hit,) = memory.ask("parser")
    assert (hit.citation, hit.session_id, hit.seq) == (event.citation, "chat", 1)
    assert (hit.event_type, hit.actor) == ("transcript.turn", "Bob")
    assert (hit.occurred_at, hit.recorded_at) == ("2023-05-08T13:56:00Z", "2026-11-21T08:00:01.000000Z")
    assert hit.content == "The  parser\nis  done"
    assert hit.scores == {"lexical": 1.0}
    assert memory.memory.loom.resolve(parse_citation(hit.citation)).hash == event.hash


def test_an_answer_is_a_sequence_ordered_by_score(memory: RecallMemory) -> None:
    for text in ("parser", "parser and lexer", "parser and lexer and printer and so on"):
        memory.tell("note.taken", content=text)
    answer = memory.ask("parser")
    assert len(answer) == 3
    assert [hit.seq for hit in answer] == [1, 2, 3]
    assert answer[0].seq == 1
    assert [hit.seq for hit in answer[1:]] == [2, 3]
    assert [hit.score for hit in answer] == sorted((hit.score for hit in answer), reverse=True)
    assert len(memory.ask("parser", limit=2)) == 2
    assert not memory.ask("unheard of")


def test_the_same_question_gets_the_same_answer(memory: RecallMemory) -> None:
    for number in range(30):
        memory.turn("the same words", f"s{number % 3}")
        memory.tell("goal.created", f"s{number % 3}", title=f"words {number % 4}")
    first = memory.ask("same words goal", limit=7)
    assert [memory.ask("same words goal", limit=7) for _ in range(5)] == [first] * 5


def test_equal_events_are_cut_by_session_and_number(memory: RecallMemory) -> None:
    for session_id in ("c", "a", "b"):
        for _ in range(30):
            memory.tell("note.taken", session_id, content="the same words")
        memory.ask("words")
    answer = memory.ask("words", limit=4, lanes="lexical")
    assert [(hit.session_id, hit.seq) for hit in answer] == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]


def test_sessions_are_chosen_by_id_and_by_glob(memory: RecallMemory) -> None:
    for session_id in ("conv-26.s1", "conv-26.s2", "conv-2", "work"):
        memory.turn(f"llama {session_id}", session_id)
        memory.tell("goal.created", session_id, title=f"Feed the llama of {session_id}")
    for wanted, expected in (
        ("work", {"work"}),
        (["work", "conv-2"], {"work", "conv-2"}),
        ("conv-26.*", {"conv-26.s1", "conv-26.s2"}),
        (["conv-?", "w*"], {"conv-2", "work"}),
        ("absent", set()),
        (None, {"conv-26.s1", "conv-26.s2", "conv-2", "work"}),
    ):
        answer = memory.ask("llama goal", session_id=wanted)
        assert {hit.session_id for hit in answer} == expected, wanted
        assert len(answer) == 2 * len(expected)


def test_types_actors_and_times_are_chosen_in_both_lanes(memory: RecallMemory) -> None:
    memory.turn("llama goal", actor="ann", occurred_at="2020-01-01")
    memory.tell("goal.created", actor="bob", title="Llama", occurred_at="2021-01-01")
    memory.tell("goal.created", actor="ann", title="Llama two", occurred_at="2022-01-01T00:00:00+01:00")

    def seqs(**filters: Any) -> set[int]:
        return {hit.seq for hit in memory.ask("llama goal", **filters)}

    assert seqs() == {1, 2, 3}
    assert seqs(event_types="goal.*") == {2, 3}
    assert seqs(event_types=["transcript.turn"]) == {1}
    assert seqs(actors="bob") == {2}
    assert seqs(actors="a*", event_types="goal.created") == {3}
    assert seqs(occurred_from="2021-01-01") == {2, 3}
    assert seqs(occurred_to="2021-01-01") == {1, 2}
    assert seqs(occurred_from="2020-06-01", occurred_to="2021-06-01T00:00:00Z") == {2}
    assert seqs(occurred_from="2021-12-31T23:00:00Z") == {3}
    assert seqs(occurred_from="2021-12-31T23:00:01Z") == set()


def test_an_event_that_happened_later_is_not_returned_as_of_before(memory: RecallMemory) -> None:
    memory.turn("llama born", occurred_at="2020-01-01T00:00:00Z")
    memory.tell("goal.created", title="llama goal", occurred_at="2022-01-01T00:00:00Z")
    assert {hit.seq for hit in memory.ask("llama", as_of="2021-01-01")} == {1}
    assert {hit.seq for hit in memory.ask("llama", as_of="2022-01-01")} == {1, 2}
    assert not memory.ask("llama", as_of="2019-12-31T23:59:59Z")
    assert {hit.seq for hit in memory.ask("llama")} == {1, 2}


@pytest.mark.parametrize("kind", ["turn", "goal"])
def test_an_invalidated_event_is_returned_as_of_before_and_not_after(kind: str, memory: RecallMemory) -> None:
    told = memory.turn("llama") if kind == "turn" else memory.tell("goal.created", title="llama")
    memory.set("2026-11-21T09:00:00Z")
    assert len(memory.ask("llama")) == 1
    memory.end(told)
    assert not memory.ask("llama")
    assert not memory.ask("llama", as_of="2026-11-21T09:00:01Z")
    assert len(memory.ask("llama", as_of="2026-11-21T09:00:00Z")) == 1
    assert len(memory.ask("llama", known_at="2026-11-21T09:00:00Z")) == 1
    assert len(memory.ask("llama", known_at="2026-11-21T09:00:00Z", as_of="2026-11-21T10:00:00Z")) == 1
    assert not memory.ask("llama", known_at="2026-11-21T09:00:01Z")


@pytest.mark.parametrize("kind", ["turn", "goal"])
def test_an_invalidation_in_the_future_takes_effect_at_its_time(kind: str, memory: RecallMemory) -> None:
    told = memory.turn("llama") if kind == "turn" else memory.tell("goal.created", title="llama")
    memory.end(told, at="2026-12-01T00:00:00Z")
    assert len(memory.ask("llama")) == 1
    assert not memory.ask("llama", as_of="2026-12-01")
    memory.set("2026-11-30T23:59:59.999999Z")
    assert len(memory.ask("llama")) == 1
    memory.set("2026-12-01T00:00:00Z")
    assert not memory.ask("llama")
    assert len(memory.ask("llama", as_of="2026-11-30")) == 1


def test_an_invalidation_backdated_hides_the_event_from_its_moment_on(memory: RecallMemory) -> None:
    told = memory.turn("llama", occurred_at="2020-01-01")
    memory.end(told, at="2021-01-01T00:00:00Z")
    assert len(memory.ask("llama", as_of="2020-12-31")) == 1
    assert not memory.ask("llama", as_of="2021-01-01")
    assert not memory.ask("llama")


def test_an_event_is_ended_by_another_session_also_when_that_was_recorded_first(memory: RecallMemory) -> None:
    memory.tell("memory.invalidated", "boss", targets=["eventloom://work/events/1", "eventloom://work/events/2"])
    memory.ask("llama")
    memory.turn("llama one")
    memory.tell("goal.created", title="llama two")
    memory.turn("llama three")
    memory.set("2026-11-21T09:00:00Z")
    assert memory.contents("llama") == ["llama three"]
    assert len(memory.ask("llama", known_at="2026-11-21T08:00:00Z")) == 0


def test_only_what_was_known_then_is_returned(memory: RecallMemory) -> None:
    memory.turn("llama one", occurred_at="2020-01-01")
    memory.set("2026-11-21T09:00:00Z")
    memory.turn("llama two", occurred_at="2019-01-01")
    assert memory.contents("llama", known_at="2026-11-21T08:30:00Z") == ["llama one"]
    assert memory.contents("llama", known_at="2026-11-21T08:00:00Z") == []
    assert len(memory.contents("llama", known_at="2026-11-21T09:00:01Z")) == 2


def test_the_memorys_own_bookkeeping_is_left_out_unless_asked_for(memory: RecallMemory) -> None:
    memory.turn("llama")
    memory.tell("memory.checkout", query="llama")
    memory.tell("evolution.gate.decided", reason="llama")
    assert memory.contents("llama") == ["llama"]
    assert len(memory.ask("llama", housekeeping=True)) == 3
    memory.tell("tool.call.completed", tool="feed", input={"animal": "llama"})
    memory.tell("command.completed", command="feed llama")
    assert len(memory.ask("llama")) == 3


def test_a_preference_that_was_replaced_is_left_out_and_was_so_before(memory: RecallMemory) -> None:
    memory.tell("user.preference_changed", key="theme", value="dark")
    memory.set("2026-11-21T09:00:00Z")
    memory.tell("user.preference_changed", key="theme", value="light")
    memory.set("2026-11-21T10:00:00Z")
    assert memory.contents("theme") == ["key: theme\nvalue: light"]
    assert memory.contents("dark theme") == ["key: theme\nvalue: light"]
    assert memory.contents("theme", as_of="2026-11-21T08:30:00Z") == ["key: theme\nvalue: dark"]
    assert memory.contents("theme", known_at="2026-11-21T08:30:00Z") == ["key: theme\nvalue: dark"]
    memory.tell("user.preference_changed", key="theme", value="dark", user="bob")
    assert len(memory.ask("theme")) == 2


def test_many_replaced_preferences_do_not_push_other_answers_out(memory: RecallMemory) -> None:
    for number in range(80):
        memory.tell("user.preference_changed", key="theme", value=f"theme {number}")
    memory.turn("we spoke at some length about the theme of the evening and of other evenings")
    found = memory.contents("theme", limit=5)
    assert found[0] == "key: theme\nvalue: theme 79"
    assert len(found) == 2


def test_a_fact_says_what_it_speaks_of_and_whether_it_is_current(memory: RecallMemory) -> None:
    memory.tell("goal.created", title="Ship")
    memory.tell("goal.completed", title="ship")
    standing = {hit.seq: dict(hit.metadata) for hit in memory.ask("ship goal")}
    assert standing == {
        1: {"entity": "goal:ship", "status": "done", "current": False},
        2: {"entity": "goal:ship", "status": "done", "current": True},
    }


def test_a_related_fact_is_found_through_the_graph(memory: RecallMemory) -> None:
    memory.tell("goal.created", title="Ship the parser")
    memory.tell("task.created", title="Write docs", goal="Ship the parser")
    for number in range(3):
        memory.turn(f"nothing {number}")
    hits = {hit.seq: hit.scores for hit in memory.ask("docs")}
    assert "lexical" in hits[2]
    assert set(hits[1]) == {"graph"}


@pytest.mark.parametrize("caught_up", [True, False])
def test_one_changed_byte_of_an_indexed_line_drops_the_hit_with_a_warning(caught_up: bool, tmp_path: Path) -> None:
    memory = RecallMemory(tmp_path, caught_up=caught_up)
    for text in ("llama one", "llama two"):
        memory.turn(text)
    assert len(memory.ask("llama")) == 2
    path = tmp_path / "loom" / "work.jsonl"
    content = path.read_bytes()
    assert content.count(b"llama two") == 1
    with path.open("r+b") as file:
        file.write(content.replace(b"llama two", b"llama tw0"))
    answer = memory.ask("llama")
    assert [hit.content for hit in answer] == ["llama one"]
    assert any("session work" in warning for warning in answer.warnings)
    with path.open("r+b") as file:
        file.write(content)
    assert len(memory.ask("llama")) == 2
    memory.memory.close()


@pytest.mark.parametrize("question", ["", "  \n", 7, None, "x" * 100_001, b"goal"])
def test_a_question_that_is_none_is_refused(question: Any, memory: RecallMemory) -> None:
    with pytest.raises(InvalidInputError):
        memory.ask(question)


@pytest.mark.parametrize("limit", [0, -1, 1_001, "10", 2.0, True, None])
def test_a_limit_out_of_range_is_refused(limit: Any, memory: RecallMemory) -> None:
    with pytest.raises(InvalidInputError, match="limit"):
        memory.ask("goal", limit=limit)


@pytest.mark.parametrize(
    "filters",
    [
        {"as_of": "yesterday"},
        {"as_of": ""},
        {"as_of": 7},
        {"known_at": "2026-13-01"},
        {"occurred_from": "2026-02-30"},
        {"occurred_to": "now"},
        {"session_id": ""},
        {"session_id": ["a", ""]},
        {"session_id": 7},
        {"event_types": [None]},
        {"actors": "x" * 401},
        {"actors": ["a"] * 1_001},
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(filters: dict[str, Any], memory: RecallMemory) -> None:
    memory.turn("goal")
    with pytest.raises(InvalidInputError):
        memory.ask("goal", **filters)


@pytest.mark.parametrize("glob", ["[b-a]", "[!]a]", "[", "[]", "?" * 400, "**", "a b*", "\\", "(", "work|x", ".*"])
def test_a_filter_of_any_characters_is_answered_or_refused(glob: str, memory: RecallMemory) -> None:
    memory.turn("goal")
    try:
        answer = memory.ask("goal", session_id=glob, actors="ann", event_types="*")
    except InvalidInputError:
        return
    assert len(answer) == (glob == "**")
    assert len(answer.warnings) == (glob != "**")
    assert all("no session of this loom has the name" in warning for warning in answer.warnings)


@pytest.mark.parametrize(
    "question",
    [
        "goal " + "word " * 19_999,
        "goal" + "x" * 99_996,
        "goal \x00 \x1b[31m \x07 \u202e \u2028",
        "goal \ud800",
        'goal "quoted (AND OR NOT) +must -not field:value *? ~2 ^3 [a TO b]',
        "🙂 goal",
    ],
)
def test_a_question_of_any_characters_is_answered(question: str, memory: RecallMemory) -> None:
    memory.tell("goal.created", title="Ship")
    answer = memory.ask(question)
    expected = 0 if question.startswith("goalx") else 1
    assert len(answer) == expected
    assert answer.warnings == ()


@pytest.mark.parametrize("question", ["???", "🙂", "what is it", "\x00"])
def test_a_question_without_telling_words_is_answered(question: str, memory: RecallMemory) -> None:
    memory.turn("llama")
    assert not memory.ask(question)
    memory.turn("what is it", "other")
    assert len(memory.ask("what is it")) == 1


def test_the_turns_beside_a_found_one_are_in_the_answer_and_what_stands_further_off_is_not(
    memory: RecallMemory,
) -> None:
    for text in ("one", "two", "Where is the llama?", "In the barn.", "five", "six"):
        memory.turn(text)
    found = memory.ask("llama")
    assert {hit.seq for hit in found} == {1, 2, 3, 4, 5}
    assert [set(hit.scores) for hit in found if hit.seq != 3] == [set()] * 4


def test_the_verbatim_lane_alone_finds_what_was_said_word_for_word(memory: RecallMemory) -> None:
    memory.turn("We ship the parser on Friday, whatever comes.")
    memory.turn("On Friday the parser is shipped by us.", "other")
    exact = memory.ask("ship the parser on friday", lanes="verbatim")
    assert [hit.scores for hit in exact] == [{"verbatim": 1.0}, {"verbatim": 0.4}]
    assert exact[0].content.startswith("We ship")
    assert exact.lanes == ("verbatim",)


def test_a_lane_that_is_left_out_does_not_look(memory: RecallMemory) -> None:
    memory.tell("goal.created", title="Ship the parser")
    assert memory.ask("goal parser", lanes="lexical").lanes == ("lexical",)
    assert set(memory.ask("goal parser", lanes=["lexical", "graph"])[0].scores) == {"lexical", "graph"}


def test_what_the_first_hits_name_is_looked_for_too(memory: RecallMemory) -> None:
    memory.turn("Yesterday we went sailing with Rosalind, sailing all day", "one")
    for number in range(12):
        memory.turn(f"they went on about sailing for {number} hours", f"talk-{number}")
    long = "there is a lot of rope and varnish and paper work in it, and nobody helps with any of that " * 3
    aboard = memory.turn(f"about sailing: {long}, but the boat belongs to Rosalind", "two")
    with_names, without = memory.ask("Who went sailing?"), memory.ask("Who went sailing?", lanes="lexical,graph")
    assert "also looked for what the first hits name: Rosalind" in with_names.understood
    found, plain = (
        next(hit for hit in answer if hit.citation == str(aboard.citation)) for answer in (with_names, without)
    )
    assert found.scores["related"] == 1.0
    assert "related" not in plain.scores
    assert found.score > plain.score
    assert not any("also looked" in told for told in without.understood)


def test_a_name_in_the_question_or_in_most_events_leads_nowhere(memory: RecallMemory) -> None:
    for number in range(40):
        memory.turn(f"then Bernard told story {number}", f"s-{number}")
    memory.turn("So I went sailing with Bernard and Rosalind", "one")
    answer = memory.ask("Did Rosalind go sailing?")
    assert not any("also looked" in told for told in answer.understood)
    alone = memory.ask("sailing", lanes="related")
    assert (len(alone), alone.lanes) == (0, ())
    assert alone.skipped["related"] == "no other lane found anything to begin with"


def test_a_lane_without_a_single_vector_says_so_and_runs_once_there_are_some(tmp_path: Path) -> None:
    hashing = EmbeddingSettings(provider="hash")
    with Memory(Settings(eventloom_path=tmp_path / "loom", fsync="off", embedding=hashing)) as memory:
        memory.loom.append("work", "transcript.turn", "ann", {"content": "llamas in the barn"})
        before = memory.recall.query("llamas", Filters())
        assert (before.lanes, list(before.skipped)) == (("lexical", "graph", "related"), ["vector"])
        assert memory.embed() == 1
        after = memory.recall.query("llamas in the barn", Filters())
        assert (after.lanes, dict(after.skipped)) == (("lexical", "graph", "vector", "related"), {})
        assert after[0].scores["vector"] > 0.8  # the speaker is embedded, too


def test_a_question_about_a_time_finds_the_turn_of_that_time_first(memory: RecallMemory) -> None:
    memory.turn("We went to the market for plums.", "may", occurred_at="2026-05-10T10:00:00Z")
    memory.turn("We went to the market for plums.", "july", occurred_at="2026-07-10T10:00:00Z")
    assert memory.ask("What about the market in May 2026?")[0].session_id == "may"
    assert memory.ask("What about the market in July 2026?")[0].session_id == "july"
    assert memory.ask("What about the market last month?", now="2026-08-11T00:00:00Z")[0].session_id == "july"


def test_a_time_can_be_told_from_an_event_that_is_found_first(memory: RecallMemory) -> None:
    memory.turn("The regatta was wonderful.", "june", occurred_at="2026-06-20T10:00:00Z")
    memory.turn("I cooked soup with leeks.", "before", occurred_at="2026-06-10T10:00:00Z")
    memory.turn("I cooked soup with leeks.", "after", occurred_at="2026-06-21T10:00:00Z")
    answer = memory.ask("Who cooked soup the day after the regatta?")
    assert next(hit.session_id for hit in answer if "soup" in hit.content) == "after"
    assert any("regatta" in sentence for sentence in answer.understood)


def test_a_loom_that_is_not_there_answers_nothing_and_is_not_made(tmp_path: Path) -> None:
    memory = RecallMemory(tmp_path)
    assert not memory.ask("goal")
    assert memory.checkout("goal").quality.verdict == "not_in_memory"
    memory.memory.close()
    assert list(tmp_path.iterdir()) == []
