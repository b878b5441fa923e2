"""Whatever a text says: spans are in order and true to it, written dates come back, and the work is linear."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zaxy.clock import format_time, parse_time
from zaxy.vocabulary.dates import spans_in, understand, words
from zaxy.vocabulary.dates.grammar import found_in
from zaxy.vocabulary.dates.reader import Reader

DAY = 86_400_000_000
WORDS = sorted(
    {
        *words.WEEKDAYS, *words.MONTHS, *words.SHORT_MONTHS, *words.SEASONS, *words.UNITS, *words.DAY_PARTS,
        *words.DAYS, *words.RELATIVE, *words.COUNTS, *words.ORDINALS, *words.THIRDS, *words.EDGES, *words.BESIDE,
        *words.YEAR_CUES, *words.DAY_CUES, "the", "ago", "now", "to", "and", "tonight", "earlier", "later", "when",
        "how", "long", "what", "did", "prior", "while", "7", "7th", "31", "29", "2023", "0", "9999", "1990s", "90s",
        "2023-05-07", "0000-00-00", "13/05/2023", "99/99/9999", "-", "'", ",", ".", "\u0130", "\u0662\u0660", "\u00b2",
    }
)  # fmt: skip
SOUP = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.lists(st.sampled_from(WORDS)).map("".join)
MOMENTS = st.integers() | st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
DATES = st.dates(date(1900, 1, 1), date(2099, 12, 31))
MONTHS = [date(2000, number, 1).strftime("%B") for number in range(1, 13)]
HOSTILE = [
    "last ", "the week before ", "7 ", "7", "2023-05-07T", "2023-05-07t1", "1:", "1/", "7 May 2023 ", "from between ",
    "before ", "before the x ", "1.1", "a couple of ", "the first of ", "early ", "how many days ", "what is the ",
    " ", "\n", "\u0130", "may", "in may ", "'", "-", "May 7 to ", "from May to ", "x", "when ",
]  # fmt: skip


def moment(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


@given(st.text() | SOUP, MOMENTS)
@example("the last week of from 2023 to may", 0)
@example("\ud800 yesterday \udfff", 0)
def test_spans_are_ordered_apart_and_true_to_the_text(text: str, said_at: int) -> None:
    spans = spans_in(text, said_at)
    assert spans == spans_in(text, said_at)
    place = 0
    for span in spans:
        assert span.start < span.end
        assert span.text == span.text.strip()
        found = text.find(span.text, place)
        assert found >= 0
        place = found + len(span.text)


@given(st.text() | SOUP, MOMENTS)
def test_every_question_is_understood_without_an_error(text: str, now: int) -> None:
    asked = understand(text, now)
    assert asked == understand(text, now)
    if asked.anchor is not None:
        assert asked.anchor.text in text
        assert asked.anchor.span is None or asked.anchor.span in asked.spans
        for start in (0, now):
            first, after = asked.anchor.window(start, start + DAY)
            assert first < after or abs(now) > 2**60
    assert len(asked.told()) <= len(asked.spans) + 3


def ordinal(number: int) -> str:
    return f"{number}" + ("th" if 10 < number < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th"))


@pytest.mark.parametrize(
    "form",
    [
        "{d} {m} {y}",
        "{o} of {m} {y}",
        "the {o} of {m}, {y}",
        "{m} {d}, {y}",
        "{m} {o} {y}",
        "{iso}",
        "{m} the {o}, {y}",
    ],
)
@given(day=DATES, said_at=DATES)
def test_a_written_date_is_read_back_whenever_it_was_said(form: str, day: date, said_at: date) -> None:
    written = form.format(d=day.day, o=ordinal(day.day), m=MONTHS[day.month - 1], y=day.year, iso=day.isoformat())
    (span,) = spans_in(f"It was on {written}.", moment(said_at))
    assert (span.start, span.end, span.kind) == (moment(day), moment(day) + DAY, "day")
    assert format_time(span.start) == f"{day.isoformat()}T00:00:00.000000Z"


@given(st.from_regex(r"([0-9][0-9 ,.:/#$%()+'-]*){1,9}", fullmatch=True), MOMENTS)
def test_numbers_alone_are_only_read_as_whole_dates(text: str, said_at: int) -> None:
    for span in spans_in(text, said_at):
        assert span.kind == "day"
        assert len(span.text) >= 8
        assert set("-/") & set(span.text)


@given(day=DATES, said_at=DATES)
def test_a_date_without_its_year_is_the_last_one(day: date, said_at: date) -> None:
    (span,) = spans_in(f"on {day.day} {MONTHS[day.month - 1]}", moment(said_at))
    found = date.fromisoformat(format_time(span.start)[:10])
    assert (found.month, found.day) == (day.month, day.day)
    assert found <= said_at < date(found.year + 8, found.month, 1 if found.day == 29 else found.day)
    if (day.month, day.day) != (2, 29):
        assert (said_at - found).days < 366


@given(number=st.integers(1, 12), said_at=DATES)
def test_a_month_without_its_year_has_begun_and_is_the_last_such(number: int, said_at: date) -> None:
    (span,) = spans_in(f"in {MONTHS[number - 1]}", moment(said_at))
    assert format_time(span.start)[5:10] == f"{number:02}-01"
    assert moment(said_at) - 366 * DAY < span.start <= moment(said_at)


@given(count=st.integers(1, 9_999), said_at=DATES, time=st.integers(0, DAY - 1))
def test_days_ago_and_days_from_now_mirror_each_other(count: int, said_at: date, time: int) -> None:
    said = moment(said_at) + time
    (ago,) = spans_in(f"{count} days ago", said)
    assert (ago.start, ago.end) == (moment(said_at) - count * DAY, moment(said_at) - (count - 1) * DAY)
    (ahead,) = spans_in(f"{count} days from now", ago.start + time)
    assert (ahead.start, ahead.end) == (moment(said_at), moment(said_at) + DAY)


@given(day=DATES)
def test_what_lies_beside_a_date_touches_it(day: date) -> None:
    said = parse_time("2050-01-01")
    written = f"{day.day} {MONTHS[day.month - 1]} {day.year}"
    (before,) = spans_in(f"the week before {written}", said)
    (after,) = spans_in(f"the week after {written}", said)
    assert (before.start, before.end) == (moment(day) - 7 * DAY, moment(day))
    assert (after.start, after.end) == (moment(day) + DAY, moment(day) + 8 * DAY)
    (weekend,) = spans_in(f"the weekend before {written}", said)
    assert moment(day) - 8 * DAY <= weekend.start < weekend.end <= moment(day)


class CountingReader(Reader):
    """Counts how often a rule looks at a word."""

    looks = 0

    def at(self, place: int) -> str:
        self.looks += 1
        return super().at(place)


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_long_hostile_text_costs_a_bounded_number_of_looks_a_word(piece: str) -> None:
    text = (piece * 100_000)[:100_000]
    reader = CountingReader(text, 0)
    list(found_in(reader))
    assert reader.looks <= 120 * len(reader.words)
    understand(text, 0)
