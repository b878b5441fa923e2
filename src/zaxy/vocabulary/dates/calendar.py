"""Stretches of the calendar as half-open intervals of moments.

Every function may raise `ValueError` or `OverflowError` where the calendar (the years 1 to 9999) ends.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, NamedTuple

HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR
_EPOCH: Final = date(1970, 1, 1).toordinal()
_SATURDAY: Final = 5
_SEASON_MONTHS: Final = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}


class Period(NamedTuple):
    """From ``start`` up to, not including, ``end`` (microseconds since 1970 UTC); ``kind`` as in `Span`."""

    start: int
    end: int
    kind: str


def day_of(moment: int) -> date:
    """Return the day of UTC that a moment lies in."""
    return date.fromordinal(moment // DAY + _EPOCH)


def between(first: date, after: date, kind: str) -> Period:
    """Return the days from ``first`` up to, not including, ``after``."""
    return Period((first.toordinal() - _EPOCH) * DAY, (after.toordinal() - _EPOCH) * DAY, kind)


def days(first: date, count: int = 1, kind: str = "day") -> Period:
    """Return ``count`` days from ``first`` on."""
    return between(first, first + timedelta(count), kind)


def week(day: date) -> Period:
    """Return the week, Monday to Sunday, that a day lies in."""
    return days(day - timedelta(day.weekday()), 7, "week")


def weekend(day: date) -> Period:
    """Return Saturday and Sunday of the week that a day lies in."""
    return days(day + timedelta(_SATURDAY - day.weekday()), 2, "weekend")


def month(year: int, number: int) -> Period:
    """Return a month; a number below 1 or above 12 counts on into other years."""
    years, index = divmod(number - 1, 12)
    after_years, after = divmod(number, 12)
    return between(date(year + years, index + 1, 1), date(year + after_years, after + 1, 1), "month")


def season(name: str, year: int) -> Period:
    """Return a season of the northern half, in whole months; a winter is named after the year of its December."""
    first = _SEASON_MONTHS[name]
    return Period(month(year, first).start, month(year, first + 2).end, "season")


def years(year: int, count: int = 1) -> Period:
    """Return a year, or ten as a decade."""
    return between(date(year, 1, 1), date(year + count, 1, 1), "year" if count == 1 else "decade")


def _decade(day: date, count: int) -> Period:
    return years(day.year - day.year % 10 + 10 * count, 10)


_CALENDAR: Final[dict[str, Callable[[date, int], Period]]] = {
    "day": lambda day, count: days(day + timedelta(count)),
    "week": lambda day, count: week(day + timedelta(7 * count)),
    "weekend": lambda day, count: weekend(day + timedelta(7 * count)),
    "month": lambda day, count: month(day.year, day.month + count),
    "year": lambda day, count: years(day.year + count),
    "decade": _decade,
}


def unit_at(day: date, unit: str, count: int) -> Period:
    """Return the calendar's day, week, weekend, month, year or decade, ``count`` of them after that of ``day``."""
    return _CALENDAR[unit](day, count)


def _checked(period: Period) -> Period:
    """Return a period that was reckoned in microseconds, if the calendar has its days."""
    day_of(period.start)
    day_of(period.end)
    return period


def distant(moment: int, unit: str, count: int) -> Period:
    """Return what "``count`` units" from a moment means: a day, month or year; a week around the day it falls on.

    Speakers round: who says "two weeks ago" rarely means one day, nor a week from Monday to Sunday.
    """
    if unit == "hour":
        first = moment + count * HOUR - HOUR // 2
        return _checked(Period(first, first + HOUR, "hours"))
    if unit == "week":
        return days(day_of(moment) + timedelta(7 * count - 3), 7, "week")
    return unit_at(day_of(moment), unit, count)


def moved(day: date, unit: str, count: int) -> date:
    """Return the day ``count`` units after a day; in a month without that day, the month's last one."""
    if unit in ("month", "year", "decade"):
        target = unit_at(day, "month", count * {"month": 1, "year": 12, "decade": 120}[unit])
        first, last = day_of(target.start), day_of(target.end - 1)
        return first.replace(day=min(day.day, last.day))
    return day + timedelta(count * (1 if unit == "day" else 7))


def weekday_near(day: date, weekday: int, direction: int) -> date:
    """Return the last such weekday before a day, the next one after it, or (0) the one of its week."""
    if direction < 0:
        return day - timedelta((day.weekday() - weekday - 1) % 7 + 1)
    if direction > 0:
        return day + timedelta((weekday - day.weekday() - 1) % 7 + 1)
    return day + timedelta(weekday - day.weekday())


def beside(anchor: Period, unit: str | int, direction: int) -> Period:
    """Return "the week before" something, and its like.

    Args:
        anchor: What it lies beside.
        unit: A weekday's number, or a unit: a week is the seven days that touch the anchor, a month or a year the
            calendar's next one.
        direction: -1 before, 1 after, 0 the one that the anchor begins in.
    """
    first, last = day_of(anchor.start), day_of(anchor.end - 1)
    edge = last if direction > 0 else first
    if isinstance(unit, int):
        return days(weekday_near(edge, unit, direction))
    if unit == "weekend" and direction:
        saturday = weekday_near(first - timedelta(1) if direction < 0 else last, _SATURDAY, direction)
        return days(saturday, 2, "weekend")
    if unit == "week" and direction:
        return days(first - timedelta(7) if direction < 0 else last + timedelta(1), 7, "week")
    return unit_at(edge, unit, direction)


def third(period: Period, part: int) -> Period:
    """Return the first (0), middle (1) or last (2) third of a period, in whole days."""
    first, count = day_of(period.start), (period.end - period.start) // DAY
    return between(first + timedelta(count * part // 3), first + timedelta(count * (part + 1) // 3), "part")


def nth(period: Period, unit: str | int, number: int) -> Period:
    """Return the ``number``-th (from 1; -1 for the last) day, week, weekend or weekday of a period.

    Its weeks are counted from its first day on; a weekend belongs to the period of its Saturday.

    Raises:
        ValueError: It has no such part.
    """
    first, after = day_of(period.start), day_of(period.end)
    weekday = _SATURDAY if unit == "weekend" else unit
    step = 1 if unit == "day" else 7
    if isinstance(weekday, int):
        edge = first - timedelta(1) if number > 0 else after
        nearest = weekday_near(edge, weekday, 1 if number > 0 else -1)
        found = nearest + timedelta(7 * (number - 1 if number > 0 else number + 1))
    else:
        found = first + timedelta(step * (number - 1)) if number > 0 else after + timedelta(step * number)
    if not first <= found < after:
        raise ValueError("the period has no such part")
    return days(found, *{"week": (7, "week"), "weekend": (2, "weekend")}.get(str(unit), (1, "day")))
