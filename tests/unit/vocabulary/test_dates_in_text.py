"""Time expressions in text: what is read, as which stretch of time, and what is left alone."""

from __future__ import annotations

import pytest

from zaxy.clock import format_time, parse_time
from zaxy.vocabulary.dates import Span, spans_in

SAID_AT = "2023-06-09T15:00:00Z"
"""A Friday."""


def shown(span: Span) -> str:
    """Return ``first/after`` as days, or with the hour where it is not midnight."""
    return "/".join(format_time(moment)[:13].removesuffix("T00") for moment in (span.start, span.end))


def read(text: str, said_at: str = SAID_AT) -> list[tuple[str, str, str]]:
    return [(span.text, span.kind, shown(span)) for span in spans_in(text, parse_time(said_at))]


@pytest.mark.parametrize(
    ("text", "words", "kind", "stretch"),
    [
        ("I fixed the boiler yesterday.", "yesterday", "day", "2023-06-08/2023-06-09"),
        ("Today was long", "Today", "day", "2023-06-09/2023-06-10"),
        ("we leave TOMORROW!", "TOMORROW", "day", "2023-06-10/2023-06-11"),
        ("Dinner tonight?", "tonight", "hours", "2023-06-09T18/2023-06-10T06"),
        ("It rained last night", "last night", "hours", "2023-06-08T18/2023-06-09T06"),
        ("I ran this morning", "this morning", "hours", "2023-06-09/2023-06-09T12"),
        ("She called yesterday afternoon", "yesterday afternoon", "hours", "2023-06-08T12/2023-06-08T18"),
        ("since last Friday night", "last Friday night", "hours", "2023-06-02T18/2023-06-03T06"),
        ("It was the day before yesterday", "day before yesterday", "day", "2023-06-07/2023-06-08"),
        ("It is due the day after tomorrow", "day after tomorrow", "day", "2023-06-11/2023-06-12"),
        ("Ann moved last week", "last week", "week", "2023-05-29/2023-06-05"),
        ("this week is busy", "this week", "week", "2023-06-05/2023-06-12"),
        ("next week then", "next week", "week", "2023-06-12/2023-06-19"),
        ("a hike last weekend", "last weekend", "weekend", "2023-06-03/2023-06-05"),
        ("a hike this past weekend", "this past weekend", "weekend", "2023-06-03/2023-06-05"),
        ("a hike this weekend", "this weekend", "weekend", "2023-06-10/2023-06-12"),
        ("a hike next weekend", "next weekend", "weekend", "2023-06-17/2023-06-19"),
        ("since last month", "last month", "month", "2023-05-01/2023-06-01"),
        ("all of next month", "next month", "month", "2023-07-01/2023-08-01"),
        ("I was ill last year", "last year", "year", "2022-01-01/2023-01-01"),
        ("last\n  year it was", "last\n  year", "year", "2022-01-01/2023-01-01"),
        ("last Monday we met", "last Monday", "day", "2023-06-05/2023-06-06"),
        ("last Friday we met", "last Friday", "day", "2023-06-02/2023-06-03"),
        ("this Sunday we meet", "this Sunday", "day", "2023-06-11/2023-06-12"),
        ("next Friday we meet", "next Friday", "day", "2023-06-16/2023-06-17"),
        ("we met on Tuesday", "Tuesday", "day", "2023-06-06/2023-06-07"),
        ("we met on Tuesday evening", "Tuesday evening", "hours", "2023-06-06T18/2023-06-07"),
        ("I quit last May", "last May", "month", "2023-05-01/2023-06-01"),
        ("I quit last June", "last June", "month", "2022-06-01/2022-07-01"),
        ("I quit next June", "next June", "month", "2024-06-01/2024-07-01"),
        ("I quit this July", "this July", "month", "2023-07-01/2023-08-01"),
        ("last summer in Spain", "last summer", "season", "2022-06-01/2022-09-01"),
        ("this winter we ski", "this winter", "season", "2023-12-01/2024-03-01"),
        ("last winter we skied", "last winter", "season", "2022-12-01/2023-03-01"),
        ("next spring", "next spring", "season", "2024-03-01/2024-06-01"),
        ("in the summer of 2021", "summer of 2021", "season", "2021-06-01/2021-09-01"),
        ("the autumn 2020 term", "autumn 2020", "season", "2020-09-01/2020-12-01"),
        ("we swam in the summer", "summer", "season", "2023-06-01/2023-09-01"),
    ],
)
def test_what_is_told_from_the_moment_of_speaking(text: str, words: str, kind: str, stretch: str) -> None:
    assert read(text) == [(words, kind, stretch)]


@pytest.mark.parametrize(
    ("text", "words", "kind", "stretch"),
    [
        ("three days ago", "three days ago", "day", "2023-06-06/2023-06-07"),
        ("an hour ago", "an hour ago", "hours", "2023-06-09T13/2023-06-09T14"),
        ("about two weeks ago", "two weeks ago", "week", "2023-05-23/2023-05-30"),
        ("a couple of weeks ago", "a couple of weeks ago", "week", "2023-05-23/2023-05-30"),
        ("couple weeks ago", "couple weeks ago", "week", "2023-05-23/2023-05-30"),
        ("a month ago", "a month ago", "month", "2023-05-01/2023-06-01"),
        ("18 months ago", "18 months ago", "month", "2021-12-01/2022-01-01"),
        ("5 years ago", "5 years ago", "year", "2018-01-01/2019-01-01"),
        ("two decades ago", "two decades ago", "decade", "2000-01-01/2010-01-01"),
        ("a few days ago", "a few days ago", "stretch", "2023-06-04/2023-06-08"),
        ("several months ago", "several months ago", "stretch", "2022-11-01/2023-04-01"),
        ("We fly in three days", "three days", "day", "2023-06-12/2023-06-13"),
        ("We fly in a month", "a month", "month", "2023-07-01/2023-08-01"),
        ("two weeks from now", "two weeks from now", "week", "2023-06-20/2023-06-27"),
        ("over the past month", "past month", "stretch", "2023-05-09/2023-06-10"),
        ("for the last two weeks", "last two weeks", "stretch", "2023-05-26/2023-06-10"),
        ("in the next few days", "next few days", "stretch", "2023-06-09/2023-06-15"),
    ],
)
def test_a_distance_in_time(text: str, words: str, kind: str, stretch: str) -> None:
    assert read(text) == [(words, kind, stretch)]


@pytest.mark.parametrize(
    ("text", "words", "kind", "stretch"),
    [
        ("born on 7 May 1990", "7 May 1990", "day", "1990-05-07/1990-05-08"),
        ("on 7 May", "7 May", "day", "2023-05-07/2023-05-08"),
        ("on 7 July", "7 July", "day", "2022-07-07/2022-07-08"),
        ("on May 7th", "May 7th", "day", "2023-05-07/2023-05-08"),
        ("on May 7th, 2021.", "May 7th, 2021", "day", "2021-05-07/2021-05-08"),
        ("the 7th of May 2021", "7th of May 2021", "day", "2021-05-07/2021-05-08"),
        ("may 7th", "may 7th", "day", "2023-05-07/2023-05-08"),
        ("Jan. 5, 2022", "Jan. 5, 2022", "day", "2022-01-05/2022-01-06"),
        ("on 3 Sept", "3 Sept", "day", "2022-09-03/2022-09-04"),
        ("on 29 February", "29 February", "day", "2020-02-29/2020-03-01"),
        ("from 7-9 May", "7-9 May", "stretch", "2023-05-07/2023-05-10"),
        ("May 7 to 9, 2022", "May 7 to 9, 2022", "stretch", "2022-05-07/2022-05-10"),
        ("logged 2023-05-07", "2023-05-07", "day", "2023-05-07/2023-05-08"),
        ("at 2023-05-07T10:00:00Z", "2023-05-07T10:00:00Z", "day", "2023-05-07/2023-05-08"),
        ("on 13/05/2023", "13/05/2023", "day", "2023-05-13/2023-05-14"),
        ("on 5/13/2023", "5/13/2023", "day", "2023-05-13/2023-05-14"),
        ("on 2023/05/07", "2023/05/07", "day", "2023-05-07/2023-05-08"),
        ("in May 2023", "May 2023", "month", "2023-05-01/2023-06-01"),
        ("Dec 2022 numbers", "Dec 2022", "month", "2022-12-01/2023-01-01"),
        ("the May 2023 results", "May 2023", "month", "2023-05-01/2023-06-01"),
        ("in May", "May", "month", "2023-05-01/2023-06-01"),
        ("in June", "June", "month", "2023-06-01/2023-07-01"),
        ("since July", "July", "month", "2022-07-01/2022-08-01"),
        ("in 2022", "2022", "year", "2022-01-01/2023-01-01"),
        ("since 2019, when", "2019", "year", "2019-01-01/2020-01-01"),
        ("before 2019 was out", "2019", "year", "2019-01-01/2020-01-01"),
        ("in the 1990s", "1990s", "decade", "1990-01-01/2000-01-01"),
        ("in the '80s", "80s", "decade", "1980-01-01/1990-01-01"),
    ],
)
def test_dates_as_they_are_written(text: str, words: str, kind: str, stretch: str) -> None:
    assert read(text) == [(words, kind, stretch)]


@pytest.mark.parametrize(
    ("text", "words", "kind", "stretch"),
    [
        ("the week before 9 June 2023", "week before 9 June 2023", "week", "2023-06-02/2023-06-09"),
        ("the week after 9 June 2023", "week after 9 June 2023", "week", "2023-06-10/2023-06-17"),
        ("the week of May 7", "week of May 7", "week", "2023-05-01/2023-05-08"),
        ("the weekend before 17 July 2023", "weekend before 17 July 2023", "weekend", "2023-07-15/2023-07-17"),
        ("the weekend before 16 July 2023", "weekend before 16 July 2023", "weekend", "2023-07-08/2023-07-10"),
        ("the Friday before 22 October 2023", "Friday before 22 October 2023", "day", "2023-10-20/2023-10-21"),
        ("the month before May 2023", "month before May 2023", "month", "2023-04-01/2023-05-01"),
        ("the year after 2019", "year after 2019", "year", "2020-01-01/2021-01-01"),
        ("the day after 7 May", "day after 7 May", "day", "2023-05-08/2023-05-09"),
        ("two days before 7 May 2023", "two days before 7 May 2023", "day", "2023-05-05/2023-05-06"),
        ("a month after 31 January 2023", "a month after 31 January 2023", "day", "2023-02-28/2023-03-01"),
        ("Friday of last week", "Friday of last week", "day", "2023-06-02/2023-06-03"),
        ("the week before last we met", "week before last", "week", "2023-05-22/2023-05-29"),
        ("the month after next", "month after next", "month", "2023-08-01/2023-09-01"),
        ("the first weekend of August 2023", "first weekend of August 2023", "weekend", "2023-08-05/2023-08-07"),
        ("the second Saturday of October 2022", "second Saturday of October 2022", "day", "2022-10-08/2022-10-09"),
        ("the last Friday of May", "last Friday of May", "day", "2023-05-26/2023-05-27"),
        ("the last week of July 2022", "last week of July 2022", "week", "2022-07-25/2022-08-01"),
        ("the last day of last month", "last day of last month", "day", "2023-05-31/2023-06-01"),
        ("early June", "early June", "part", "2023-06-01/2023-06-11"),
        ("in mid-June 2022", "mid-June 2022", "part", "2022-06-11/2022-06-21"),
        ("late last year", "late last year", "part", "2022-09-01/2023-01-01"),
        ("at the end of May", "end of May", "part", "2023-05-21/2023-06-01"),
        ("the beginning of 2023", "beginning of 2023", "part", "2023-01-01/2023-05-02"),
        ("in the early 1990s", "early 1990s", "part", "1990-01-01/1993-05-02"),
        ("earlier this month", "earlier this month", "part", "2023-06-01/2023-06-10"),
        ("later this year", "later this year", "part", "2023-06-09/2024-01-01"),
        ("from May to July 2022", "from May to July 2022", "stretch", "2022-05-01/2022-08-01"),
        ("between 7 May and 9 June", "between 7 May and 9 June", "stretch", "2023-05-07/2023-06-10"),
        ("from 2019 until 2021", "from 2019 until 2021", "stretch", "2019-01-01/2022-01-01"),
    ],
)
def test_a_time_told_from_another_time(text: str, words: str, kind: str, stretch: str) -> None:
    assert read(text) == [(words, kind, stretch)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I may be late",
        "you may 7 times retry",
        "May I come in?",
        "THIS MAY BREAK",
        "said before may be wrong",
        "put it in may break things",
        "we march on",
        "they march 3 miles",
        "June asked April about it",
        "a gift from April",
        "the 2nd of these",
        "in 2000 steps",
        "in 2000 people",
        "in 2,022 words",
        "in 2022.5 units",
        "in 1066",
        "call 2022",
        "version 2023.05",
        "room 2023-05-071",
        "on 05/06/2023",
        "on 31/13/2023",
        "1/2",
        "31 June",
        "2023-02-30",
        "twice in a week",
        "0 days ago",
        "9999 years ago",
        "many weeks",
        "on Fridays",
        "Friday",
        "the second of the two",
        "the fall of Rome",
        "she is in her 80s",
        "in the 1900s",
        "the last straw, the next step, this thing",
        "the week before the wedding",
        "the end of the story",
        "last, week",
        "yesterdayish",
        "lastweek",
        "\u00fcbermay in \u00e9t\u00e9 2022x",
        "May" * 50_000,
    ],
)
def test_what_names_no_time_is_left_alone(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Gestern und vorgestern, letzte Woche, im Mai, vor zwei Wochen",
        "Ayer, la semana pasada, en mayo de 2023, hace dos d\u00edas",
        "Hier, la semaine derni\u00e8re, en mai 2023, il y a deux jours",
        "Wczoraj, w zesz\u0142ym tygodniu, w maju 2023",
        "\u0412\u0447\u0435\u0440\u0430, \u0432 \u043c\u0430\u0435 2023 \u0433\u043e\u0434\u0430",
        "\u6628\u65e5\u3001\u5148\u9031\u30012023\u5e745\u67087\u65e5",
        "\u0623\u0645\u0633\u060c \u0641\u064a \u0645\u0627\u064a\u0648 \u0662\u0660\u0662\u0663",
        "D\u00fcn, ge\u00e7en hafta, \u0130stanbul'da May\u0131s 2023",
    ],
)
def test_other_languages_name_no_time(text: str) -> None:
    assert read(text) == []


def test_a_written_date_is_found_in_any_language() -> None:
    assert [span.text for span in spans_in("vu le 2023-05-07 \u00e0 Paris", 0)] == ["2023-05-07"]


def test_a_capital_that_grows_in_lower_case_moves_no_place() -> None:
    assert read("\u0130\u0130\u0130 yesterday \u0130")[0][0] == "yesterday"


def test_several_times_are_found_in_their_order_without_overlap() -> None:
    text = "Yesterday I read what we wrote in May 2022 and, two weeks ago, on 2023-01-02."
    assert [span.text for span in spans_in(text, parse_time(SAID_AT))] == [
        "Yesterday",
        "May 2022",
        "two weeks ago",
        "2023-01-02",
    ]


def test_what_cannot_be_read_whole_does_not_hide_what_can() -> None:
    assert [span[0] for span in read("the fifth Monday of Feb 2023 and 30 Feb 2023")] == ["Feb 2023", "Feb 2023"]


@pytest.mark.parametrize(
    ("said_at", "stretch"),
    [
        ("2023-01-02T00:00:00Z", "2022-12-26/2023-01-02"),
        ("2023-01-01T23:59:59.999999Z", "2022-12-19/2022-12-26"),
        ("2024-03-04T12:00:00Z", "2024-02-26/2024-03-04"),
    ],
)
def test_a_week_begins_on_monday_and_crosses_months_and_years(said_at: str, stretch: str) -> None:
    assert read("last week", said_at) == [("last week", "week", stretch)]


@pytest.mark.parametrize("said_at", ["2023-06-10T09:00:00Z", "2023-06-11T09:00:00Z"])
def test_on_a_weekend_the_last_one_is_the_one_before(said_at: str) -> None:
    assert read("last weekend", said_at)[0][2] == "2023-06-03/2023-06-05"


@pytest.mark.parametrize(
    ("said_at", "stretch"),
    [("2023-01-15", "2022-12-01/2023-03-01"), ("2023-12-15", "2023-12-01/2024-03-01")],
)
def test_this_winter_is_the_one_that_has_begun(said_at: str, stretch: str) -> None:
    assert read("this winter", said_at)[0][2] == stretch


@pytest.mark.parametrize("said_at", [-(2**80), 2**80, 2**62])
def test_a_moment_outside_the_calendar_resolves_nothing(said_at: int) -> None:
    assert spans_in("yesterday, 7 May 2023, in 2022", said_at) == ()


def test_at_the_edges_of_the_calendar_what_lies_beyond_is_left_out() -> None:
    assert read("an hour ago", "0001-01-01") == read("in 5 hours", "9999-12-31T23:00:00Z") == []
    assert read("yesterday, last year, today", "0001-01-01") == [("today", "day", "0001-01-01/0001-01-02")]
    assert read("tomorrow, next year, yesterday", "9999-12-30T12:00:00Z")[-1][0] == "yesterday"
