"""What a question asks about time."""

from __future__ import annotations

import pytest

from zaxy.clock import FOREVER, parse_time
from zaxy.vocabulary.dates import Anchor, Span, TimeQuestion, understand

NOW = parse_time("2023-06-09T15:00:00Z")
DAY = 86_400_000_000


def asked(text: str) -> TimeQuestion:
    return understand(text, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "When did Ann repair the boiler?",
        "when's the inspection",
        "Tell me when the pump failed",
        "Do you know when she moved?",
        "Did she say when she would move?",
        "Ann moved to Oslo, but when was that?",
        "when?",
        "When Ann has moved to Oslo?",
        "Since when has the pump leaked?",
        "Until when is the permit valid?",
        "What date was the permit signed?",
        "What's the exact date of the inspection?",
        "On which day did the pump fail?",
        "In what month did they move?",
        "Which year was it?",
        "What day of the week was the inspection?",
        "At what time did it start?",
        "What was the time of the alarm?",
        "How long ago did she quit?",
        "How long has the pump leaked?",
        "How recently was the filter changed?",
        "How many weeks ago was the filter changed?",
        "How many days before the audit did we start?",
        "Give me the date of the audit",
    ],
)
def test_a_question_for_a_time_is_recognised(text: str) -> None:
    assert asked(text).asks_when


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Who repaired the boiler?",
        "When I was in Oslo, what did I buy?",
        "What did she say when the pump failed?",
        "What did Ann do last week?",
        "What time zone do we use?",
        "When the build fails, retry it",
        "When you deploy use the staging key",
        "Which monthly report is it?",
        "How long is the cable?",
        "How many days off do I have?",
        "How many people came?",
        "What did the dates on the box cost?",
        "Wann war die Pr\u00fcfung?",
    ],
)
def test_another_question_asks_for_no_time(text: str) -> None:
    assert not asked(text).asks_when


@pytest.mark.parametrize(
    ("text", "relation", "phrase", "distance"),
    [
        ("What did Ann buy before the release?", "before", "the release", None),
        ("What broke prior to the audit, and why?", "before", "the audit", None),
        ("Who called after she lost her keys?", "after", "she lost her keys", None),
        ("After the trip, what did Ann buy?", "after", "the trip", None),
        ("After the trip what did Ann buy?", "after", "the trip", None),
        ("After the trip did Ann buy a tent?", "after", "the trip", None),
        ("What was said during Ann's party?", "during", "Ann's party", None),
        ("Who fed the cat while we were in Oslo?", "during", "we were in Oslo", None),
        ("What changed since the last audit?", "since", "the last audit", None),
        ("Which tests failed until the fix", "until", "the fix", None),
        ("What happened the day after the trip to Rome?", "after", "the trip to Rome", (1, "day")),
        ("What happened two weeks before the launch?", "before", "the launch", (2, "week")),
        ("What happened a couple of days after the launch?", "after", "the launch", (2, "day")),
        ("Where was Ann the Friday after the wedding?", "after", "the wedding", (1, 4)),
        ("How many weeks before the wedding did they meet?", "before", "the wedding", None),
    ],
)
def test_an_event_that_a_time_is_told_from_comes_back_as_text(
    text: str, relation: str, phrase: str, distance: tuple[int, str | int] | None
) -> None:
    anchor = asked(text).anchor
    assert anchor is not None
    assert (anchor.relation, anchor.text, anchor.distance, anchor.span) == (relation, phrase, distance, None)


@pytest.mark.parametrize(
    ("text", "relation", "phrase"),
    [
        ("What did I decide since 2019?", "since", "2019"),
        ("What did we say after 7 May about the trip?", "after", "7 May"),
        ("What happened before June?", "before", "June"),
        ("What happened before last week?", "before", "last week"),
        ("What happened until the end of May?", "until", "the end of May"),
    ],
)
def test_a_time_that_another_is_told_from_has_its_span(text: str, relation: str, phrase: str) -> None:
    found = asked(text)
    assert found.anchor is not None
    assert (found.anchor.relation, found.anchor.text) == (relation, phrase)
    assert found.anchor.span in found.spans


@pytest.mark.parametrize(
    "text",
    [
        "Who looks after the dog?",
        "What is she named after?",
        "What did we do until now?",
        "What did he do before that?",
        "Did I ask this before?",
        "after",
        "What did Ann read the week before 9 June 2023?",
        "What did Ann do the day before yesterday?",
        "Since when has the pump leaked?",
    ],
)
def test_nothing_is_told_from_an_event_where_none_is_named(text: str) -> None:
    assert asked(text).anchor is None


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("When was the last time Ann swam?", "latest"),
        ("When did Ann last swim?", "latest"),
        ("What did she most recently paint?", "latest"),
        ("What is the most recent goal?", "latest"),
        ("What is the latest decision?", "latest"),
        ("When was the first time Ann swam?", "first"),
        ("What was the first concert they saw?", "first"),
        ("Who was originally in charge?", "first"),
        ("What is his last name?", None),
        ("Who won first place?", None),
        ("How long did the meeting last?", None),
        ("What did Ann do last week?", None),
        ("What did Ann do on the first weekend of May?", None),
        ("Why was it hard at first?", None),
        ("What did Ann paint?", None),
    ],
)
def test_the_latest_or_the_first_is_asked_for(text: str, order: str | None) -> None:
    assert asked(text).order == order


def test_a_month_without_a_year_is_the_last_one_that_has_begun() -> None:
    for now, start in (("2023-06-09", "2023-05-01"), ("2023-05-01", "2023-05-01"), ("2023-04-30", "2022-05-01")):
        (span,) = understand("What did we plan in May?", parse_time(now)).spans
        assert (span.start, span.kind) == (parse_time(start), "month")


@pytest.mark.parametrize(
    ("relation", "first", "after"),
    [
        ("before", -FOREVER, 10 * DAY),
        ("after", 11 * DAY, FOREVER),
        ("during", 10 * DAY, 11 * DAY),
        ("since", 10 * DAY, FOREVER),
        ("until", -FOREVER, 11 * DAY),
    ],
)
def test_the_window_lies_where_the_relation_says(relation: str, first: int, after: int) -> None:
    assert Anchor(relation, "the trip").window(10 * DAY, 11 * DAY) == (first, after)


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("the day after the trip", "2023-05-08", "2023-05-09"),
        ("the day before the trip", "2023-05-06", "2023-05-07"),
        ("the week after the trip", "2023-05-08", "2023-05-15"),
        ("the month before the trip", "2023-04-01", "2023-05-01"),
        ("two weeks before the trip", "2023-04-20", "2023-04-27"),
        ("three days after the trip", "2023-05-10", "2023-05-11"),
        ("the Friday after the trip", "2023-05-12", "2023-05-13"),
    ],
)
def test_the_window_at_a_distance_from_an_event_of_7_may(text: str, first: str, after: str) -> None:
    anchor = asked(f"Who called {text}?").anchor
    assert anchor is not None
    start = parse_time("2023-05-07")
    assert anchor.window(start, start + DAY) == (parse_time(first), parse_time(after))


def test_a_distance_beyond_the_calendar_counts_as_none() -> None:
    start = parse_time("9999-12-30")
    assert Anchor("after", "it", distance=(9_000, "year")).window(start, start + DAY) == (start + DAY, FOREVER)
    assert Anchor("before", "it", distance=(1, "day")).window(-FOREVER, start) == (-FOREVER, -FOREVER)


def test_what_was_understood_can_be_told() -> None:
    assert asked("When did Ann first swim in May, the day before the trip?").told() == (
        '"May" is 2023-05-01 up to 2023-06-01',
        'the answer lies at a distance before "the trip"',
        "a time is asked for",
        "the first of several is asked for",
    )
    assert asked("Who swam?").told() == ()
    assert asked("What rang tonight?").spans == (
        Span(NOW + 3 * 3_600_000_000, NOW + 15 * 3_600_000_000, "tonight", "hours"),
    )
    assert asked("What rang tonight?").told() == ('"tonight" is 2023-06-09 18:00 up to 2023-06-10 06:00',)
