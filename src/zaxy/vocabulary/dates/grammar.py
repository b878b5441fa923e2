"""The grammar of time expressions: rules over words, without a regular expression that could run away.

A rule starts at one word and looks at a bounded number of words behind it. The rules of `expression` may hold one of
`simple`, which hold none, so the time is linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from zaxy.vocabulary.dates import absolute, calendar, relative, words
from zaxy.vocabulary.dates.calendar import Period
from zaxy.vocabulary.dates.reader import Found, Reader

_COARSE: Final = frozenset({"week", "month", "season", "year", "decade"})
_OPENERS: Final = frozenset().union(
    words.WEEKDAYS, words.MONTHS, words.SHORT_MONTHS, words.SEASONS, words.UNITS, words.DAYS, words.RELATIVE,
    words.COUNTS, words.ORDINALS, words.THIRDS, words.EDGES, {"tonight", "earlier", "later", "from", "between"},
)  # fmt: skip
_BEHIND_NUMBERS: Final = frozenset().union(words.UNITS, words.MONTHS, words.SHORT_MONTHS, {"of", "to", "-", "\u2013"})


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that words name.

    Attributes:
        start: Its first moment, in microseconds since 1970 UTC.
        end: The first moment after it.
        text: The words as they stand in the text, without "the" or a preposition before them.
        kind: How exact they are: ``hours``, ``day``, ``weekend``, ``week``, ``month``, ``season``, ``year``,
            ``decade``, ``part`` (of something, as in "early June") or ``stretch`` ("the last two weeks").
    """

    start: int
    end: int
    text: str
    kind: str


def spans_in(text: str, said_at: int) -> tuple[Span, ...]:
    """Return what the words of a text say about time, in their order, without overlaps.

    What leaves the year or the week open means the nearest one in the past: "in May", "on 7 May", "on Friday". Takes
    time in proportion to the text, and fails for no text and no moment.

    Args:
        text: English; other languages yield only what they share with it.
        said_at: When it was said, in microseconds since 1970 UTC.
    """
    reader = Reader(text, said_at)
    return tuple(span_of(reader, *found) for found in found_in(reader))


def span_of(reader: Reader, period: Period, first: int, after: int) -> Span:
    """Return a period with the words that name it."""
    return Span(period.start, period.end, reader.slice(first, after), period.kind)


def found_in(reader: Reader) -> Iterator[tuple[Period, int, int]]:
    """Yield every expression of a text, with its first word and the word behind it."""
    place = 0
    while place < len(reader.words):
        found = expression(reader, place)
        if found is not None:
            yield found[0], place, found[1]
        place = place + 1 if found is None else found[1]


def expression(reader: Reader, place: int) -> Found:
    """Read the expression that starts at a word, if one does."""
    word = reader.at(place)
    if word.isdecimal():  # first of all, because logs are full of numbers
        if reader.at(place + 1) not in _BEHIND_NUMBERS and reader.at(place - 1) not in words.YEAR_CUES:
            return None
    elif word not in _OPENERS and word[:1] not in "0123456789":
        return None
    try:
        for rule in (_range, _part, _nth, _beside, simple):
            found = rule(reader, place)
            if found is not None:
                return found
    except (ValueError, OverflowError):
        pass  # the calendar ends before it, or has no such day
    return None


def simple(reader: Reader, place: int, *, cued: bool = False) -> Found:
    """Read an expression that holds no other.

    Args:
        reader: The text.
        place: The number of its first word.
        cued: Whether the words before it say that it is a time, so that a bare month or year will do.
    """
    for rule in (absolute.numeric, absolute.day_of_month, relative.turned, relative.distance, relative.day):
        found = rule(reader, place)
        if found is not None:
            period, after = found
            narrows = period.kind == "day" and reader.at(after) in words.DAY_PARTS
            return (relative.hours(period, reader.at(after)), after + 1) if narrows else found
    for bare in (absolute.month, absolute.season, absolute.year):
        found = bare(reader, place, cued=cued)
        if found is not None:
            return found
    return None


def _range(reader: Reader, place: int) -> Found:
    """Read "from May to July 2023", "between 7 May and 9 June"; a month that lacks a year is the last by the end."""
    links = {"from": ("to", "until", "till", "through", "-"), "between": ("and",)}.get(reader.at(place), ())
    first = simple(reader, place + 1, cued=True) if links else None
    if first is None or reader.at(first[1]) not in links:
        return None
    second = simple(reader, first[1] + 1, cued=True)
    if second is None:
        return None
    start, (last, after) = first[0], second
    if any(word in words.MONTHS or word in words.SHORT_MONTHS for word in reader.words[place + 1 : first[1]]):
        told = simple(Reader(reader.slice(place + 1, first[1]), last.end - 1), 0, cued=True)
        start = told[0] if told else start
    return (Period(start.start, last.end, "stretch"), after) if start.start < last.start else None


def _part(reader: Reader, place: int) -> Found:
    """Read "early June", "the end of last month", "later this year"."""
    word, inner = reader.at(place), reader.skip(place + 1, "-")
    part = words.THIRDS.get(word)
    if word in words.EDGES and reader.at(inner) == "of":
        part, inner = words.EDGES[word], inner + 1
    if part is None and word not in ("earlier", "later"):
        return None
    found = simple(reader, reader.skip(inner, "the"), cued=part is not None)
    if found is None or found[0].kind not in _COARSE:
        return None
    whole, after = found
    if part is not None:
        return calendar.third(whole, part), after
    today = calendar.days(reader.today)
    if not whole.start <= today.start < whole.end:
        return None
    bounds = (whole.start, today.end) if word == "earlier" else (today.start, whole.end)
    return Period(*bounds, "part"), after


def _nth(reader: Reader, place: int) -> Found:
    """Read "the first weekend of August 2023"."""
    number, unit = words.ORDINALS.get(reader.at(place)), unit_at(reader, place + 1)
    if number is None or unit is None or reader.at(place + 2) not in ("of", "in"):
        return None
    found = simple(reader, reader.skip(place + 3, "the"), cued=True)
    if found is None or found[0].kind not in _COARSE:
        return None
    return calendar.nth(found[0], unit, number), found[1]


def unit_at(reader: Reader, place: int) -> str | int | None:
    """Return the unit or the number of the weekday that a word names."""
    word = reader.at(place)
    unit = words.WEEKDAYS.get(word, words.UNITS.get(word))
    return None if unit in ("hour", "decade") else unit


def _beside(reader: Reader, place: int) -> Found:
    """Read "the week before 9 June 2023", "two days after the 7th of May", "the week before last"."""
    amount, unit = reader.amount(place), unit_at(reader, place)
    after = amount[3] if amount else place + 1
    direction = words.BESIDE.get(reader.at(after))
    if (amount is None and unit is None) or direction is None:
        return None
    if isinstance(unit, str) and _is_turn(reader, after + 1, direction):
        return calendar.unit_at(reader.today, unit, 2 * direction), after + 2
    found = simple(reader, reader.skip(after + 1, "the"))
    if found is None or (amount and (not direction or amount[2] == "hour")):
        return None
    anchor, behind = found
    if amount is None:
        holds = anchor.kind == ("week" if isinstance(unit, int) else "day")
        apart = unit is not None and (direction or holds)
        return (calendar.beside(anchor, unit or 0, direction), behind) if apart else None
    edge = calendar.day_of(anchor.start if direction < 0 else anchor.end - 1)
    return calendar.days(calendar.moved(edge, amount[2], direction * amount[1])), behind


def _is_turn(reader: Reader, place: int, direction: int) -> bool:
    """Whether a bare "last" or "next" stands there, which no noun follows: "the week before last"."""
    behind = reader.at(place + 1)
    ends = not behind[:1].isalpha() or behind in words.CLAUSE_STARTS
    return ends and reader.at(place) == {-1: "last", 1: "next"}.get(direction)
