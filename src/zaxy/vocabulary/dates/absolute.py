"""Dates and years as the calendar writes them: "7 May 2023", "in 2022", "the winter of 2019"."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from zaxy.vocabulary.dates import calendar, words
from zaxy.vocabulary.dates.calendar import Period
from zaxy.vocabulary.dates.reader import Found, Reader

_DAY_NUMBER: Final = re.compile(r"([0-9]{1,2})(st|nd|rd|th)?")
_DECADE: Final = re.compile(r"((?:19|20)?[0-9])0s")


def numeric(reader: Reader, place: int) -> Found:
    """Read "2023-05-07" or "13/05/2023"; where each of two numbers could be the month, nothing."""
    word = reader.at(place)
    if len(word) >= 8 and word[4:5] == "-":
        return calendar.days(date.fromisoformat(word[:10])), place + 1
    parts = word.split("/")
    if len(parts) != 3 or not all(parts):
        return None
    one, two, three = map(int, parts)
    if len(parts[0]) == 4:
        return calendar.days(date(one, two, three)), place + 1
    if len(parts[2]) != 4 or (max(one, two) <= 12 and one != two):
        return None
    return calendar.days(date(three, min(one, two), max(one, two))), place + 1


def day_of_month(reader: Reader, place: int) -> Found:
    """Read "7 May", "the 7th of May 2023", "May 7th, 2023", "May 7-9"; without a year, the last one up to today."""
    number, after = reader.month(place, short=True)
    leads = number > 0
    first = reader.skip(after, "the") if leads else place
    match = last = _DAY_NUMBER.fullmatch(reader.at(first))
    if match is None or last is None or reader.touched_by(first) in ("$", "#", "."):
        return None
    after = first + 1
    if reader.at(after) in ("-", "\u2013", "to") and (second := _DAY_NUMBER.fullmatch(reader.at(after + 1))):
        last, after = second, after + 2
    named = place
    if not leads:
        named = reader.skip(after, "of")
        number, after = reader.month(named, short=True)
    if not number or (not match[2] and reader.is_verb(named, after)):
        return None
    day, (year, after) = int(match[1]), reader.year(after)
    count = max(int(last[1]) - day, 0) + 1
    found = date(year, number, day) if year else _last_such_day(reader.today, number, day)
    return calendar.days(found, count, "day" if count == 1 else "stretch"), after


def _last_such_day(today: date, month: int, day: int) -> date:
    """Return the last such day up to today; up to eight years pass without a 29 February."""
    for year in range(today.year, today.year - 9, -1):
        if day <= (calendar.day_of(calendar.month(year, month).end - 1)).day and date(year, month, day) <= today:
            return date(year, month, day)
    raise ValueError("there is no such day")


def month(reader: Reader, place: int, *, cued: bool) -> Found:
    """Read "May 2023", "Jan. 2023", or "in May": without a year the last one that has begun."""
    number, after = reader.month(place, short=True)
    year, behind = reader.year(after)
    if not number or year:
        return (calendar.month(year, number), behind) if number else None
    word, cue = reader.at(place), reader.at(place - 1)
    cued = cued or cue in words.MONTH_CUES or (cue in words.LOOSE_CUES and word not in words.NAMES_OF_PEOPLE)
    if not cued or word not in words.MONTHS or reader.is_verb(place, after):
        return None
    return calendar.month(reader.today.year - (number > reader.today.month), number), after


def season(reader: Reader, place: int, *, cued: bool) -> Found:
    """Read "summer 2022", "the winter of 2019", or "in the summer": without a year the last one that has begun."""
    name = reader.at(place)
    if name not in words.SEASONS:
        return None
    year, after = reader.year(place + 1)
    if year:
        return calendar.season(name, year), after
    cue = reader.at(place - 1 - (reader.at(place - 1) == "the"))
    if (not cued and cue not in words.SEASON_CUES) or reader.at(after) == "of":
        return None
    return season_near(reader.today, name, 0), after


def season_near(today: date, name: str, direction: int) -> Period:
    """Return the last season of that name that is over (-1) or has begun (0), or the first one ahead (1)."""
    now = calendar.days(today)
    near = [calendar.season(name, today.year + offset) for offset in (-2, -1, 0, 1)]
    if direction > 0:
        return next(one for one in near if one.start > now.start)
    return [one for one in near if (one.end if direction else one.start) <= now.start][-1]


def year(reader: Reader, place: int, *, cued: bool) -> Found:
    """Read "in 2022", "the 1990s" or "the '90s"."""
    cue, (number, after) = reader.at(place - 1), reader.year(place, bare=True)
    decade = _DECADE.fullmatch(reader.at(place))
    if decade and len(decade[1]) == 3 and decade[1] != "190":  # "the 1900s" may be the century
        return calendar.years(int(decade[1]) * 10, 10), place + 1
    if decade and decade[1] >= "5" and (cued or cue in ("the", "'", "\u2019")):
        return calendar.years(1900 + int(decade[1]) * 10, 10), place + 1
    if number and reader.at(place).isdecimal() and (cued or cue in words.YEAR_CUES):
        return calendar.years(number), after
    return None
