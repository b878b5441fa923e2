"""A question at the edge: its time, its lanes, its moment of asking."""

from __future__ import annotations

import pytest

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.projections.search.analysis import Analyzer
from zaxy.services.recall.question import DEFAULT_LANES, LANES, Filters, Question, parse_question

CLOCK = parse_time("2026-11-21T08:00:00Z")


def parsed(text: str, filters: Filters | None = None) -> Question:
    return parse_question(text, filters or Filters(), limit=10, now=CLOCK, analyzer=Analyzer())


def test_the_clock_is_the_moment_of_asking_where_none_is_given() -> None:
    question = parsed("What broke yesterday?")
    assert question.selection.now == CLOCK
    assert [span.start for span in question.time.spans] == [parse_time("2026-11-20")]


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2023-05-08", "2023-05-07"),
        ("2023-05-08T23:59:59Z", "2023-05-07"),
        ("2023-05-08T23:00:00-02:00", "2023-05-08"),
    ],
)
def test_a_given_moment_of_asking_replaces_the_clock_in_every_way(now: str, start: str) -> None:
    question = parsed("What broke yesterday?", Filters(now=now))
    assert question.selection.now == parse_time(now)
    assert question.selection.world_moment == parse_time(now)
    assert [span.start for span in question.time.spans] == [parse_time(start)]


def test_the_moment_of_asking_is_not_the_world_time_that_is_asked_about() -> None:
    selection = parsed("What broke?", Filters(now="2023-05-08", as_of="2022-01-01")).selection
    assert (selection.now, selection.world_moment) == (parse_time("2023-05-08"), parse_time("2022-01-01"))
    assert parsed("What broke?", Filters(now="2023-05-08")).selection.bounded_world is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, DEFAULT_LANES),
        ("lexical", {"lexical"}),
        ("verbatim, lexical", {"lexical", "verbatim"}),
        (["graph"], {"graph"}),
        (("vector,graph", "graph"), {"vector", "graph"}),
        (iter(LANES), set(LANES)),
    ],
)
def test_lanes_are_given_as_one_text_or_several(given: object, wanted: set[str]) -> None:
    assert parsed("What broke?", Filters(lanes=given)).lanes == wanted


@pytest.mark.parametrize("given", ["", ",", "colour", "lexical,", "Lexical", [], ["lexical", "colour"], [1], 7, b"x"])
def test_lanes_that_do_not_exist_are_refused_with_those_that_do(given: object) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parsed("What broke?", Filters(lanes=given))
    assert all(lane in str(raised.value.remedy) for lane in ("lexical", "graph", "vector", "verbatim"))


@pytest.mark.parametrize("now", ["yesterday", "2023", "2023-02-30", ""])
def test_a_moment_of_asking_that_is_no_time_is_refused(now: str) -> None:
    with pytest.raises(InvalidInputError, match=r"now .* is not an RFC 3339 time"):
        parsed("What broke?", Filters(now=now))


def test_a_question_of_the_greatest_length_is_parsed() -> None:
    assert len(parsed("last week " * 10_000).time.spans) == 10_000
