"""Times told from the moment of speaking: "yesterday", "last week", "a couple of weeks ago"."""

from __future__ import annotations

from typing import Final

from zaxy.vocabulary.dates import calendar, words
from zaxy.vocabulary.dates.absolute import season_near
from zaxy.vocabulary.dates.calendar import HOUR, Period
from zaxy.vocabulary.dates.reader import Found, Reader

_TURNING: Final = frozenset({"week", "weekend", "month", "year", "decade"})


def day(reader: Reader, place: int) -> Found:
    """Read "yesterday", "tonight" or "on Friday"; a weekday means the last one before today."""
    word = reader.at(place)
    if word == "tonight":
        return hours(calendar.days(reader.today), "night"), place + 1
    if word in words.DAYS:
        return calendar.unit_at(reader.today, "day", words.DAYS[word]), place + 1
    if word in words.WEEKDAYS and reader.at(place - 1) in words.DAY_CUES:
        return calendar.days(calendar.weekday_near(reader.today, words.WEEKDAYS[word], -1)), place + 1
    return None


def hours(day: Period, name: str) -> Period:
    """Return the morning, afternoon, evening or night of a day."""
    first, after = words.DAY_PARTS[name]
    return Period(day.start + first * HOUR, day.start + after * HOUR, "hours")


def turned(reader: Reader, place: int) -> Found:
    """Read "last week", "this past weekend", "next May", "last night", "the last two weeks"."""
    place += reader.at(place) == "this" and reader.at(place + 1) in ("past", "coming")
    direction = words.RELATIVE.get(reader.at(place))
    if direction is None:
        return None
    name, after = reader.at(place + 1), place + 2
    amount = reader.amount(place + 1)
    if reader.at(place) == "past" and name in _TURNING - {"weekend"}:
        amount = (1, 1, name, after)
    if amount and direction and amount[2] != "hour":
        return _stretch(reader, direction * amount[1], amount[2]), amount[3]
    if (direction, name) in ((0, "morning"), (0, "afternoon"), (0, "evening"), (-1, "night")):
        return hours(calendar.unit_at(reader.today, "day", direction), name), after
    found = _named(reader, place + 1, direction)
    return None if found is None else (found, after)


def _named(reader: Reader, place: int, direction: int) -> Period | None:
    """Return the last, this or the next one of the unit, weekday, season or month that a word names."""
    name, today = reader.at(place), reader.today
    if name in words.WEEKDAYS:
        return calendar.days(calendar.weekday_near(today, words.WEEKDAYS[name], direction))
    if name in _TURNING:
        return calendar.unit_at(today, name, direction)
    if name in words.SEASONS:
        near = season_near(today, name, direction)
        is_over = not direction and near.end <= reader.said_at
        return calendar.season(name, today.year) if is_over else near
    number = words.MONTHS.get(name)
    if number is None or reader.is_verb(place, place + 1):
        return None
    years = {-1: -(number >= today.month), 0: 0, 1: int(number <= today.month)}[direction]
    return calendar.month(today.year + years, number)


def _stretch(reader: Reader, count: int, unit: str) -> Period:
    """Return the time from so many units back to the end of today, or from today on."""
    today, other = calendar.days(reader.today), calendar.days(calendar.moved(reader.today, unit, count))
    return Period(min(today.start, other.start), max(today.end, other.end), "stretch")


def distance(reader: Reader, place: int) -> Found:
    """Read "a couple of weeks ago", "in three days", "two weeks from now"."""
    amount = reader.amount(place)
    if amount is None:
        return None
    few, most, unit, after = amount
    if reader.at(after) == "ago":
        few, most, after = -most, -few, after + 1
    elif reader.at(after) == "from" and reader.at(after + 1) in ("now", "today"):
        after += 2
    elif reader.at(place - 1) != "in" or reader.at(place - 2) in ("once", "twice", "times"):
        return None
    first, last = (calendar.distant(reader.said_at, unit, count) for count in (few, most))
    return Period(first.start, last.end, first.kind if few == most else "stretch"), after
